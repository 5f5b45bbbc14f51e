"""Random specs, data files and command lines, the same for the same seed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import scipy.io

KINDS = ("single_layer", "autoencoder", "multilayer")
EXTREME = (
    1e-300,
    1e-200,
    1e-160,
    1e-100,
    1e-30,
    1e-16,
    1e-9,
    0.5,
    1.0,
    1 - 2**-53,
    1e9,
    1e16,
    1e100,
    1e160,
    1e300,
)
REFUSED: tuple[Any, ...] = (
    0,
    -1,
    5e-324,
    1e308,
    math.nan,
    math.inf,
    "0.1",
    "x",
    None,
    True,
    [],
    [0.1],
    {"min": 1},
)
DATA = ("features.csv", "classes.npz", "tiny.csv", "flat.csv", "zeros.npy", "digits.mat", "one.csv")

_TRAINING = 0.025  # of the tries, with the default constants: they take ten times as long
_DECAYING = 0.05  # of the specs: most of the others take a tenth of the time

Command = tuple[str, ...]


@dataclass(frozen=True)
class Try:
    """One call: a command and the files that it reads; SPEC, OTHER and OUT in it stand for paths."""

    index: int
    command: Command
    spec: dict[str, Any]
    other: dict[str, Any] | None = None


@dataclass
class Draw:
    """Values of specs, mostly ordinary; `odd` is the probability of a value from the ends of its range."""

    random: Random
    odd: float = 0.08
    refused: float = 0.004
    trains: bool = False
    """Whether the constants are those that train something, which is dear: mostly small networks then."""

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def real(self, low: float, high: float, *, widest: tuple[float, float] = (0.0, math.inf)) -> Any:
        """A number, mostly between low and high, evenly in its logarithm."""
        if self.chance(self.refused):
            return self.random.choice(REFUSED)
        if self.chance(self.odd):
            return self.random.choice([value for value in EXTREME if widest[0] <= value <= widest[1]])
        value = math.exp(self.random.uniform(math.log(low), math.log(high)))
        return float(f"{value:.2g}") if self.chance(0.5) else value

    def whole(self, low: int, high: int, *, widest: tuple[int, int] | None = None) -> Any:
        """A whole number, mostly between low and high."""
        if self.chance(self.refused):
            return self.random.choice([*REFUSED, 1.5, 10**30])
        if self.chance(self.odd):
            ends = widest or (low, high)
            return self.random.choice([*ends, ends[0] + 1, ends[1] - 1, max(ends[0], ends[1] // 3)])
        return max(low, min(high, round(math.exp(self.random.uniform(math.log(low), math.log(high + 1))))))

    def some(self, low: int, high: int, least: int = 1, most: int = 5) -> list[Any]:
        count = self.random.randint(least, most)
        drawn = [self.whole(low, high) for _ in range(count)]
        return list({repr(value): value for value in drawn}.values())

    def maybe(self, section: dict[str, Any], probability: float, key: str, value: Callable[[], Any]) -> None:
        if self.chance(probability):
            section[key] = value()


def _network(draw: Draw) -> dict[str, Any]:
    kind = draw.random.choice(KINDS)
    width = draw.random.choice([12, 300, 3000] if not draw.trains or draw.chance(0.1) else [4, 12])
    depth = (
        2 if kind != "multilayer" else draw.random.choice([2, 3, 3, 4, 5, 7, 20 if draw.chance(0.1) else 3])
    )
    layers = [draw.whole(1, width, widest=(1, 10**9)) for _ in range(depth)]
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind != "single_layer":
        boxes = [draw.real(1e-4, 1e2, widest=(0.0, 1e6)) for _ in range(depth - 1)]
        if draw.chance(0.02):
            boxes[0] = 0
        network["weight_bound"] = boxes if kind == "multilayer" and draw.chance(0.3) else boxes[0]
    return network


def _data(draw: Draw, layers: Sequence[Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    mean = draw.real(1e-3, 1.0, widest=(0.0, 1.0)) if not draw.chance(0.02) else 0.0
    draw.maybe(data, 0.7, "mean", lambda: mean)
    if "mean" not in data or not (isinstance(mean, float) and 0 <= mean <= 1):
        mean = 1.0
    low = mean**2 if "mean" in data else 0.0
    square = low + (mean - low) * draw.random.choice([0.0, 1.0, draw.random.random() ** 3])
    draw.maybe(data, 0.5, "mean_square", lambda: square)
    low = square if "mean_square" in data else low
    second = low + (mean - low) * draw.random.choice([0.0, 1.0, draw.random.random()])
    draw.maybe(data, 0.3, "second_moment", lambda: second)
    if draw.chance(0.2) and isinstance(layers[0], int):
        high = second if "second_moment" in data else mean
        data["top_eigenvalue"] = layers[0] * (low + (high - low) * draw.random.random())
    draw.maybe(data, 0.7, "samples", lambda: draw.whole(1, 10**7, widest=(1, 10**15)))
    if draw.chance(0.02):
        data["mean_square"] = draw.real(1e-3, 1.0)
    return data


def _stopping(draw: Draw, training: dict[str, Any]) -> Any:
    if draw.chance(0.9):
        return draw.random.choice(["uniform", "matched", "increasing", "last"])
    weights = [
        draw.random.choice([0.0, 1.0, draw.random.random()]) for _ in range(draw.random.randint(1, 40))
    ]
    if not sum(weights):
        weights[-1] = 1.0
    if draw.chance(0.9):
        training.pop("iterations", None)
    return [weight / sum(weights) for weight in weights]


def _training(draw: Draw, network: dict[str, Any]) -> dict[str, Any]:
    training: dict[str, Any] = {}
    layers, kind = network["layers"], network["kind"]
    outputs = layers[0] if kind == "autoencoder" else layers[-1]
    largest = float(outputs) if isinstance(outputs, int) and outputs > 0 else 1.0
    draw.maybe(
        training, 0.3, "initial_loss", lambda: draw.real(1e-4 * largest, largest, widest=(0.0, largest))
    )
    if kind == "multilayer" and draw.chance(0.3):
        training["pretraining"] = {"tolerance": draw.real(1e-4, 2.0, widest=(0.0, 1e12))}
    if draw.chance(0.15):
        stepsizes = [draw.real(1e-5, 5.0) for _ in layers[1:]]
        training["stepsize"] = stepsizes if kind == "multilayer" and draw.chance(0.5) else stepsizes[0]
    draw.maybe(training, 0.25, "batch_size", lambda: draw.whole(1, 4096, widest=(1, 10**12)))
    draw.maybe(training, 0.25, "iterations", lambda: draw.whole(1, 10**6, widest=(1, 10**15)))
    if kind != "single_layer" or draw.chance(0.01):
        draw.maybe(training, 0.15, "keep_prob", lambda: draw.real(0.05, 1.0, widest=(1e-6, 1.0)))
    draw.maybe(
        training,
        _DECAYING,
        "decay",
        lambda: draw.random.choice(
            [0, 0.3333333333333333, 0.5, 1, 2, draw.real(1e-3, 2.0, widest=(0.0, 2.0))]
        ),
    )
    if draw.chance(0.25):
        training["stopping"] = _stopping(draw, training)
    return training


def _span(draw: Draw, one: Callable[[], Any]) -> dict[str, Any]:
    ends = [one(), one()]
    try:
        low, high = sorted(ends)
    except TypeError:
        low, high = ends
    return {"min": low, "max": high}


def _search(draw: Draw, kind: str) -> dict[str, Any]:
    search: dict[str, Any] = {}

    def batch() -> Any:
        return draw.whole(1, 10**4, widest=(1, 10**12))

    draw.maybe(
        search, 0.4, "batch_size", lambda: draw.some(1, 5000) if draw.chance(0.5) else _span(draw, batch)
    )
    if kind != "single_layer":

        def keep() -> Any:
            return draw.real(0.05, 1.0, widest=(1e-6, 1.0))

        draw.maybe(
            search, 0.3, "keep_prob", lambda: draw.random.choice([keep(), [keep()], _span(draw, keep)])
        )
    draw.maybe(
        search, 0.3, "iterations", lambda: _span(draw, lambda: draw.whole(1, 10**6, widest=(1, 10**15)))
    )
    draw.maybe(search, _DECAYING / 2, "decay", lambda: draw.random.choice([[0], 0.5, [0, 0.5], [1.0, 0.25]]))
    return search


def _rest(draw: Draw, spec: dict[str, Any]) -> None:
    if draw.chance(0.45):
        target: dict[str, Any] = {
            "eps": draw.real(1e-3, 10.0, widest=(0.0, 1e100)),
            "delta": draw.real(1e-4, 0.9, widest=(0.0, 1 - 2**-53)),
        }
        draw.maybe(target, 0.3, "runs", lambda: draw.whole(1, 100, widest=(1, 10**6)))
        spec["target"] = target
    if draw.chance(0.25):
        spec["cost"] = {
            "per_iteration": draw.real(1e-6, 1.0, widest=(0.0, 1e100)),
            "per_sample": draw.real(1e-9, 1e-3, widest=(0.0, 1e100)),
        }
        if draw.chance(0.2):
            del spec["cost"][draw.random.choice(list(spec["cost"]))]
    budget: dict[str, Any] = {}
    draw.maybe(budget, 0.2, "samples", lambda: draw.whole(1, 10**9, widest=(1, 10**15)))
    if "samples" in spec.get("data", {}) or draw.chance(0.01):
        draw.maybe(budget, 0.2, "epochs", lambda: draw.real(0.1, 1000.0, widest=(0.0, 1e100)))
    if "cost" in spec or draw.chance(0.01):
        draw.maybe(budget, 0.2, "seconds", lambda: draw.real(0.1, 1e5, widest=(0.0, 1e100)))
    if budget:
        spec["budget"] = budget


def draw_spec(draw: Draw) -> dict[str, Any]:
    """A spec with any of the keys that there are."""
    network = _network(draw)
    spec: dict[str, Any] = {"network": network}
    sections = {
        "data": _data(draw, network["layers"]),
        "training": _training(draw, network),
        "search": _search(draw, network["kind"]),
    }
    spec |= {name: section for name, section in sections.items() if section}
    if draw.chance(0.04):
        spec["data"] = {"file": draw.random.choice(DATA)}
        if draw.chance(0.5):
            spec["data"]["target"] = draw.random.choice(["y", "-1", 0])
    _rest(draw, spec)
    return spec


_VARIED = (
    "training.decay=0,0.5,1", "training.batch_size=1:64:log4", "network.layers[0]=1:50:3", "data.mean=0:1:4",
    "training.keep_prob=0.5:1:3", "target.eps=1e-3:1:log3", "training.stepsize=1e-300:1e300:log3",
    "search.iterations.max=1:1000000:log3", "training.stopping=uniform,last",
    "network.weight_bound=0.1,1,1e-300",
)  # fmt: skip
_FORMATS = (*["json"] * 24, *["table", "markdown", "csv"] * 2, "yaml")  # only JSON is judged; YAML is slow


def _options(draw: Draw, command: str) -> list[str]:
    options: list[str] = []
    if command in _WITH_CONSTANTS and not draw.trains:
        options += ["--constants", draw.random.choice(["paper", "certified"])]
    if command != "report":
        options += ["-f", draw.random.choice(_FORMATS)]
    if command == "recommend":
        if draw.chance(0.3):
            options += ["--top", str(draw.random.choice([1, 2, 50, 10_000]))]
        if draw.chance(0.1):
            options += ["--emit", draw.random.choice(["torch", "keras", "sklearn", "optuna"])]
    if command == "iterations" and draw.chance(0.7):
        options += ["--eps", repr(draw.real(1e-3, 10.0)), "--delta", repr(draw.real(1e-4, 0.9))]
        if draw.chance(0.3):
            options += ["--runs", str(draw.whole(1, 100)), "--epochs", repr(draw.real(0.1, 1e3))]
    if command == "batch" and draw.chance(0.5):
        options += ["--to", str(draw.whole(1, 4096, widest=(1, 10**12)))]
    if command == "design":
        options += ["--widths", draw.random.choice(["4:64", "1,2,3", "5", "1000:1000000000:log3", "2:40:3"])]
        options += ["--depth", draw.random.choice(["1", "1:3", "0,1,2", "2"])]
        if draw.chance(0.3):
            options += ["--pipeline", draw.random.choice(["best", "deep", "none"])]
    if command == "sweep":
        for varied in draw.random.sample(_VARIED, draw.random.choice([1, 1, 2])):
            options += ["--vary", varied]
        options += ["--no-measure"]
    if command == "explain" and draw.chance(0.02):
        options.append("--thorough")
    if command in {"recommend", "explain", "bound", "iterations", "compare", "report"} and draw.chance(0.05):
        options += ["--set", draw.random.choice(_SET)]
    if command == "recommend":
        for option in ("--details", "-q", "--no-color"):
            if draw.chance(0.05):
                options.append(option)
        if draw.trains and draw.chance(0.3):
            options += ["--seed", str(draw.whole(1, 1000, widest=(0, 2**31)))]
        if draw.trains and draw.chance(0.3):
            options += ["--constants", draw.random.choice(["auto", "typical", "calibrated"])]
    return options


_SET = (
    "training.decay=0.5", "training.keep_prob=1", "search.batch_size=[8, 64]", "network.weight_bound=none",
    "data.mean=null", "target.eps=1e-3", "training.stopping=last", "budget.samples=1e6", "training=1", "x=1",
)  # fmt: skip
_TARGETS = ("y", "y", "-1", "0", "9", "z")


def _of_data(draw: Draw) -> list[str]:
    """Options with which a data file stands in place of a spec; the work keeps its training short."""
    options = ["--target", draw.random.choice(_TARGETS)] if draw.chance(0.9) else []
    options += ["--work", repr(draw.real(1e3, 1e6))]
    drawn: dict[str, tuple[float, Callable[[], str]]] = {
        "--hidden": (0.6, lambda: draw.random.choice(["0", "3", "4,2", "32", "x"])),
        "--kind": (0.2, lambda: draw.random.choice(KINDS)),
        "--epochs": (0.3, lambda: repr(draw.real(0.1, 50.0))),
        "--batch-size": (0.3, lambda: str(draw.whole(1, 64))),
        "--scaling": (0.2, lambda: draw.random.choice(["auto", "none", "minmax", "robust"])),
        "--exclude": (0.1, lambda: draw.random.choice(["a", "0", "b,c"])),
        "--constants": (
            0.4,
            lambda: draw.random.choice(["auto", "paper", "certified", "typical", "calibrated"]),
        ),
        "--pilot": (0.2, lambda: draw.random.choice(["0", "0.05", "0.1", "1"])),
        "--seed": (0.2, lambda: str(draw.whole(1, 1000))),
        "--emit": (0.1, lambda: draw.random.choice(["torch", "keras", "sklearn", "optuna"])),
        "--save": (0.1, lambda: "OUT.yaml"),
    }
    for option, (probability, value) in drawn.items():
        if draw.chance(probability):
            options += [option, value()]
    quiet = ["-q"] if "--save" in options or draw.chance(0.1) else []  # else it says where it wrote
    return [*options, *quiet, "-f", draw.random.choice(_FORMATS)]


def _verified(draw: Draw, spec: dict[str, Any]) -> list[str]:
    """Options of a verification; the spec becomes one whose training takes no time."""
    spec["network"]["layers"] = [draw.whole(1, 4) for _ in spec["network"]["layers"]]
    spec["training"] = {**spec.get("training", {}), "iterations": draw.whole(1, 20)}
    spec["training"]["batch_size"] = draw.whole(1, 8)
    if isinstance(spec["training"].get("stopping"), list):
        del spec["training"]["stopping"]
    options = ["--runs", str(draw.random.choice([1, 2, 16])), "--jobs", "1", "-q"]
    if draw.chance(0.3):
        options += ["--constants", draw.random.choice(["both", "paper", "certified"])]
    if draw.chance(0.2):
        options.append("--allow-approximate")
    return [*options, "-f", draw.random.choice(_FORMATS)]


def _begun(draw: Draw) -> list[str]:
    """Options of a spec to start from."""
    options = [] if draw.chance(0.3) else ["--kind", draw.random.choice(KINDS)]
    if draw.chance(0.7):
        options += ["--layers", ",".join(str(draw.whole(1, 99)) for _ in range(draw.random.randint(1, 4)))]
    if draw.chance(0.5):
        options += ["--data", f"DATA/{draw.random.choice(DATA)}"]
        options += ["--target", draw.random.choice(_TARGETS)] if draw.chance(0.7) else []
        options.append("-q")  # else it says so where no column is the target
    return options


_WITH_CONSTANTS = {"recommend", "explain", "report", "bound", "iterations", "compare", "design"}
_COMMANDS = (
    ("recommend", 66), ("bound", 11), ("iterations", 10), ("explain", 0.8), ("report", 2), ("compare", 3),
    ("sweep", 0.6), ("design", 1.2), ("plot", 1.5), ("stats", 1), ("data", 2), ("verify", 0.3), ("init", 0.5),
    ("schema", 0.1), ("batch", 0.3),
)  # fmt: skip


def draw_try(seed: int, index: int) -> Try:
    """The try of that number."""
    draw = Draw(Random(f"{seed}/{index}"))
    draw.odd = draw.random.choice([0.0, 0.02, 0.1, 0.3])
    name = draw.random.choices([name for name, _ in _COMMANDS], [weight for _, weight in _COMMANDS])[0]
    draw.trains = draw.chance(_TRAINING)
    spec = draw_spec(draw)
    file = f"DATA/{draw.random.choice(DATA)}"
    if name == "stats":
        target = ("--target", draw.random.choice(_TARGETS)) if draw.chance(0.5) else ()
        return Try(index, ("stats", file, *target, "-f", draw.random.choice(_FORMATS)), spec)
    if name == "data":
        return Try(index, ("recommend", file, *_of_data(draw)), spec)
    if name == "verify":
        return Try(index, ("verify", "SPEC", *_verified(draw, spec)), spec)
    if name in {"init", "schema"}:
        return Try(index, (name, *(_begun(draw) if name == "init" else ())), spec)
    if name == "plot":
        of = draw.random.choice(["recommend", "iterations", "sweep"])
        return Try(index, (of, "SPEC", *_drawable(draw, of)), spec)
    if name == "bound" and draw.chance(0.9):
        training = spec.setdefault("training", {})
        training.setdefault("stepsize", draw.real(1e-5, 1.0))
        training.setdefault("batch_size", draw.whole(1, 4096))
        if not isinstance(training.get("stopping"), list):
            training.setdefault("iterations", draw.whole(1, 10**6))
    other = None
    if name == "compare":
        other = draw_spec(draw)
        return Try(index, (name, "SPEC", "OTHER", *_options(draw, name)), spec, other)
    if name == "iterations" and draw.chance(0.3):
        options = [*_options(draw, name), "--input-dim", str(draw.whole(1, 1000, widest=(1, 10**9)))]
        options += ["--output-dim", str(draw.whole(1, 1000, widest=(1, 10**9)))]
        return Try(index, (name, *options), spec)
    out = ("-o", "OUT.html") if name == "report" else ()
    return Try(index, (name, "SPEC", *_options(draw, name), *out), spec, other)


def _drawable(draw: Draw, command: str) -> list[str]:
    """Options that make a document for `plot`, which is run on it afterwards."""
    options = _options(draw, command)
    if "-f" in options:
        at = options.index("-f")
        del options[at : at + 2]
    if "--emit" in options:
        at = options.index("--emit")
        del options[at : at + 2]
    return [*options, "-f", "json", "-o", "PLOT.json"]


def write_data(folder: Path) -> None:
    """The data files that specs may name."""
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 4)), rng.integers(0, 3, 40)
    rows = "\n".join(",".join(map(repr, map(float, [*row, label]))) for row, label in zip(x, y, strict=True))
    (folder / "features.csv").write_text(f"a,b,c,d,y\n{rows}\n")
    np.savez(folder / "classes.npz", x=x, y=y)
    (folder / "tiny.csv").write_text(
        "a,y\n" + "".join(f"{v!r},{v!r}\n" for v in (5e-324, 1e-310, 0.0, 1e-308))
    )
    (folder / "flat.csv").write_text("a,b,y\n" + "3,4,1\n" * 9)
    np.save(folder / "zeros.npy", np.zeros((5, 4)))
    scipy.io.savemat(folder / "digits.mat", {"x": x * 255, "y": y, "names": "abc"})
    (folder / "one.csv").write_text("a,y\n1e308,1\n")


def as_text(spec: dict[str, Any]) -> str:
    """The spec as a file: JSON is YAML, but for the numbers that are none."""
    text = json.dumps(spec, indent=1)
    return text.replace("NaN", ".nan").replace("Infinity", ".inf")
