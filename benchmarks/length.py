"""`python -m benchmarks.length`: what the length that is advised is worth on rows that nobody saw.

Tables that the rules of an advice were chosen on, real ones from RSGADVISE_DATA and made-up ones of noise.
A third of the rows is kept aside, the rest is advised on with a budget that nobody would call short, and
trained from three starts as advised, and for the whole budget with a stepsize that falls at its end as it
does where nothing is rehearsed: losses there, and shares that are wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import is_there, parts_of
from rsgadvise import recommend
from rsgadvise.pilot.advising import cooldown_for
from rsgadvise.pilot.race import cooled_down
from rsgadvise.pilot.task import Classes, Task
from rsgadvise.pilot.tournament import loss_at, predictions
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.training.networks import Data, Network
from rsgadvise.training.rsg import Training

__all__ = ["main"]

SAMPLES, SEEDS = 500_000, 3
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sigmoid, SGD": ({}, {}),
    "ReLU, Adam": ({"activation": "relu", "bias": True}, {"training": {"optimizer": "adam"}}),
    "tanh, SGD": ({"activation": "tanh", "bias": True}, {}),
}


def _tables(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    """Names, inputs and targets in [0, 1]: one-hot classes, or one value."""
    for name in ("wine", "ionosphere", "spambase"):
        if is_there(name, folder):
            first, second = parts_of(name, folder)
            inputs = np.concatenate([first.inputs, second.inputs])[:1600]
            yield name, inputs, np.concatenate([first.targets, second.targets])[:1600]
    rng = np.random.default_rng(3)
    for rows, noise in ((150, 0.5), (440, 1.0), (1000, 0.3), (1000, 3.0)):
        inputs = rng.random((rows, 10))
        values = inputs @ rng.normal(size=10) + np.sin(5 * inputs[:, 0]) + noise * rng.normal(size=rows)
        yield (
            f"values, {rows} rows, noise {noise:g}",
            inputs,
            ((values - values.min()) / np.ptp(values))[:, None],
        )
        inputs = rng.random((rows, 8))
        scores = inputs @ rng.normal(size=8)
        scores += noise * scores.std() * rng.normal(size=rows)
        classes = (scores > np.median(scores)).astype(int)
        yield f"classes, {rows} rows, noise {noise:g}", inputs, np.eye(2)[classes]
    inputs = rng.random((600, 2))
    yield "chessboard", inputs, np.eye(2)[(3 * inputs).astype(int).sum(axis=1) % 2]


def _tested(task: Task, plan: Any, iterations: int, cooldown: float, aside: Data) -> tuple[float, float]:
    """(loss, share that is wrong) of the rows kept aside, in the mean of the starts."""
    gammas = plan.stepsize if isinstance(plan.stepsize, tuple) else (plan.stepsize,) * 2
    setting = Training(task.network, task.data, gammas, plan.batch_size, optimizer=task.optimizer)
    found = []
    for key in range(20, 20 + SEEDS):
        streams = [task.stream(key)]
        shot = cooled_down(setting, task.start(key), (), streams, first=1, last=iterations, cooldown=cooldown)
        outputs, wrong = predictions(task.network, shot.weights, aside.inputs), np.nan
        if isinstance(task.judge, Classes):
            wrong = task.judge.errors(outputs, aside.targets).mean()
        found.append((loss_at(task.network, shot.weights, aside), wrong))
    return tuple(np.mean(found, axis=0).tolist())


def main() -> int:
    """Print a line for each training, and what they come to."""
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    rows = []
    for name, inputs, targets in _tables(folder):
        order = np.random.default_rng(1).permutation(len(inputs))
        aside, own = order[: len(order) // 3], order[len(order) // 3 :]
        epochs = max(10, min(1000, SAMPLES // len(own)))
        for kind, (network, more) in NETWORKS.items():
            loss = ("cross_entropy" if targets.shape[1] > 1 else "squared_linear") if network else "squared"
            layers = [inputs.shape[1], 32, targets.shape[1]]
            spec = Spec.model_validate(
                {
                    "network": {"kind": "multilayer", "layers": layers, "loss": loss, **network},
                    "budget": {"epochs": epochs},
                    "data": {"samples": len(own)},
                    **more,
                }
            )
            plan = recommend(spec, data=(inputs[own], targets[own])).train
            if plan is None or not plan.looks:
                print(f"{name:32} {kind:13} nothing was rehearsed", flush=True)
                continue
            problem = resolve(spec)
            every = Data(inputs[own].astype(np.float32), targets[own].astype(np.float32))
            task = Task.of(
                Network.of(problem, 1.0), every, seed=0, hold_out=False, optimizer=problem.optimizer
            )
            test = Data(inputs[aside].astype(np.float32), targets[aside].astype(np.float32))
            whole = plan.looks[-1].iterations
            full = _tested(task, plan, whole, cooldown_for(spec), test)
            early = _tested(task, plan, plan.iterations, plan.cooldown, test)
            rows.append((*full, *early))
            print(
                f"{name:32} {kind:13} {plan.iterations:6} of {whole:6}: "
                f"loss {early[0]:.4f} for {full[0]:.4f}, "
                f"wrong {early[1]:.1%} for {full[1]:.1%}",
                flush=True,
            )
    found = np.array(rows)
    ratios, wrong = found[:, 2] / found[:, 0], (found[:, 3] - found[:, 1])[~np.isnan(found[:, 1])]
    mean = np.exp(np.log(ratios).mean())
    print(f"loss {mean:.3f} times in the geometric mean of {len(rows)}, at worst {ratios.max():.3f}")
    print(f"wrong {wrong.mean():+.2%} in the mean of {len(wrong)}, at worst {wrong.max():+.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
