"""`python -m research.curvature`: certified curvature of networks beside the largest that training meets.

Each network is trained by SGD with the calibrated stepsize, without a box; its box is then the largest weight
that any layer had on the way, as if it had been known. Along the training the largest eigenvalue of the
Hessian, in modulus, is measured on rows of a sample; U is certified for that box, these rows and no masks. U
over the largest of them is how much the certificate gives away: 1 is nothing.

A box matters to U only by the largest ||W_l|| in it, w_l sqrt(d_l d_(l-1)). Beside it stands U for the
largest ||W_l|| that the training had, as limits on spectral norms in place of the box would have it, and the
largest eigenvalue that a climb from random weights finds within these limits, on these very rows: no
certificate can be less. Last the same training within limits chosen for it, with what they cost in loss.
All figures are medians over five trainings from different random weights, climbs but for the first alone.

The data sets lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import rsgadvise
from rsgadvise.advise.results import Advice
from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.certified import certified_constants
from rsgadvise.training.curvature import Curvature, extreme_eigenvalues
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, Kernel, Network, clip_to_box, initial_weights, one_thread

__all__ = ["NETWORKS", "Case", "Training", "figures", "main"]

Array = NDArray[np.float64]

NETWORKS: tuple[tuple[str, tuple[int, ...], str, str, tuple[float, ...]], ...] = (
    ("tabular/breast-cancer-wisconsin.csv", (), "sigmoid", "cross_entropy", ()),
    ("tabular/winequality-red.csv", (16,), "tanh", "cross_entropy", (4, 3)),
    ("tabular/ionosphere.csv", (16,), "sigmoid", "squared", (17, 4)),
    ("tabular/breast-cancer-wisconsin.csv", (16, 8), "tanh", "cross_entropy", (4, 2, 2)),
    ("tabular/spambase.csv", (16, 8), "sigmoid", "squared", (22, 20, 2)),
)
"""File, hidden layers, unit, loss, limits of ||W_l|| to train within."""

_ROWS, _LOOKS, _STEPS, _BATCH, _PRODUCTS = 500, 12, 2000, 32, 40
_SEEDS, _DRAWS, _STARTS, _CLIMBS, _CLIMB = 5, 100, 4, 300, 0.05


@dataclass(frozen=True)
class Training:
    """What one training met.

    Attributes:
        largest: eigenvalue of the Hessian, in modulus.
        widest: weight.
        norms: ||W_l||.
        loss: at the end, on all rows.
    """

    largest: float
    widest: float
    norms: tuple[float, ...]
    loss: float


class Case:
    """One network on one data set."""

    def __init__(self, data: Data, hidden: tuple[int, ...], activation: str, loss: str) -> None:
        layers = [data.inputs.shape[1], *hidden, data.targets.shape[1]]
        self.unit, self.loss = activation, loss
        self.data, self.kind = data, "multilayer" if hidden else "single_layer"
        self.spec: dict[str, object] = {"kind": self.kind, "layers": layers, "loss": loss}
        self.spec |= {"activation": activation} if hidden else {}
        self.network = Network(
            self.kind,  # type: ignore[arg-type]
            tuple(layers),
            (1000.0,) * (len(layers) - 1) if hidden else (),
            1.0,
            (activation,) * len(hidden),
            loss,
        )
        self.training = {"batch_size": _BATCH, "iterations": _STEPS, "keep_prob": 1}
        wide = self.spec | ({"weight_bound": 1000} if hidden else {})
        advice: Advice = rsgadvise.recommend(
            {"network": wide, "training": self.training}, data=(data.inputs, data.targets), pilot=0
        )
        assert advice.train is not None
        self.stepsize = advice.train.common_stepsize

    def sample(self, seed: int) -> tuple[Data, np.random.Generator]:
        """Rows to measure on, and what draws the weights and batches."""
        rng = np.random.default_rng(seed)
        rows = rng.permutation(self.data.rows)[:_ROWS]
        return Data(self.data.inputs[rows], self.data.targets[rows]), rng

    def trained(self, seed: int, limits: tuple[float, ...] = ()) -> Training:
        """Within spectral norms of `limits`, where there are any."""
        network, data, (sample, rng) = self.network, self.data, self.sample(seed)
        if limits:
            network = replace(network, weight_bounds=limits, spectral=True)
        weights = initial_weights(network, rng)
        kernel = Kernel(network, replicas=1, rows=_BATCH, dtype=np.dtype(np.float64), shared=True)
        largest, widest, norms = 0.0, 0.0, [0.0] * len(weights)
        for step in range(_STEPS + 1):
            if step % (_STEPS // _LOOKS) == 0:
                here = [np.asarray(matrix[0], np.float64) for matrix in weights]
                largest = max(largest, _eigenvalue(network, sample, here, rng))
                widest = max(widest, *(float(np.abs(matrix).max()) for matrix in here))
                found = [float(np.linalg.norm(matrix, 2)) for matrix in here]
                norms = [max(pair) for pair in zip(norms, found, strict=True)]
            batch = rng.integers(data.rows, size=_BATCH)
            kernel.inputs[0], kernel.targets[0] = data.inputs[batch], data.targets[batch]
            gradients = kernel.gradient(weights, scale=1 / _BATCH)
            weights = [matrix - self.stepsize * each for matrix, each in zip(weights, gradients, strict=True)]
            clip_to_box(network, weights)
        losses = Curvature(network, data, [matrix[0] for matrix in weights]).losses
        return Training(largest, widest, tuple(norms), float(losses.mean()))

    def certified(self, seed: int, **limits: list[float]) -> float:
        """U for this key of the spec."""
        spec = Spec.model_validate({"network": self.spec | limits, "training": self.training})
        problem = replace(resolve(spec), moments=moments_of(self.sample(seed)[0]))
        return float(certified_constants(problem, np.asarray(1.0)).smoothness)

    def climbed(self, limits: tuple[float, ...]) -> float:
        """The largest eigenvalue found within limits: of random weights, and in climbs from the best."""
        network, (sample, rng) = replace(self.network, weight_bounds=limits, spectral=True), self.sample(0)
        starts = list[tuple[float, list[Array]]]()
        for draw in range(_DRAWS):
            weights = list[Array]()
            for shape, limit in zip(network.shapes, limits, strict=True):
                drawn = np.outer(*map(rng.standard_normal, shape)) if draw % 2 else rng.standard_normal(shape)
                scale = limit * (10 ** rng.uniform(-2, 0) if len(weights) < len(limits) - 1 else 1)
                weights.append(drawn * scale / np.linalg.norm(drawn, 2))
            starts.append((_eigenvalue(network, sample, weights, rng), weights))
        starts.sort(key=lambda start: -start[0])
        return max(starts[0][0], *(self._climb(network, sample, at, rng) for _, at in starts[:_STARTS]))

    def _climb(self, network: Network, sample: Data, at: list[Array], rng: np.random.Generator) -> float:
        best, free = 0.0, [torch.tensor(matrix, requires_grad=True) for matrix in at]
        ways = [torch.tensor(rng.standard_normal(matrix.shape)) for matrix in at]
        optimizer = torch.optim.Adam(free, lr=_CLIMB)
        inputs, targets = torch.tensor(sample.inputs), torch.tensor(sample.targets)
        for step in range(_CLIMBS):
            signal = inputs
            for level, matrix in enumerate(free):
                signal = signal @ matrix.T
                signal = getattr(torch, self.unit)(signal) if level < len(free) - 1 else signal
            if self.loss == "squared":
                loss = (torch.sigmoid(signal) - targets).square().sum(1).mean()
            else:
                loss = -(targets * torch.log_softmax(signal, 1)).sum(1).mean()
            slopes = torch.autograd.grad(loss, free, create_graph=True)
            for _ in range(_PRODUCTS if step == 0 else 3):  # the power method goes on with the climb
                norm = math.sqrt(sum(float(way.square().sum()) for way in ways))
                ways = [way / norm for way in ways]
                along = sum((slope * way).sum() for slope, way in zip(slopes, ways, strict=True))
                turned = torch.autograd.grad(along, free, create_graph=True)
                rise = sum((way * turn).sum() for way, turn in zip(ways, turned, strict=True)).abs()
                ways = [turn.detach() for turn in turned]
            best = max(best, float(rise.detach()))
            optimizer.zero_grad()
            (-rise.log()).backward()
            optimizer.step()
            moved = [matrix.data.numpy()[None] for matrix in free]
            clip_to_box(network, moved)
        return best


def _eigenvalue(network: Network, data: Data, weights: list[Array], rng: np.random.Generator) -> float:
    """The largest in modulus of the Hessian."""
    here = Curvature(network, data, weights)
    shapes, sizes = [each.shape for each in weights], [each.size for each in weights]
    ends = np.cumsum(sizes)[:-1]

    def product(vector: Array) -> Array:
        parts = [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]
        return np.concatenate([part.ravel() for part in here.product(parts)])

    found = extreme_eigenvalues(product, sum(sizes), rng, products=_PRODUCTS)
    return max(abs(found.lowest), abs(found.highest))


def figures(case: Case, limits: tuple[float, ...]) -> str:
    """Those of one network, in words."""
    rows, seeds = list[list[float]](), range(_SEEDS)
    free = [case.trained(seed) for seed in seeds]
    for seed, found in zip(seeds, free, strict=True):
        keys = {"weight_bound": [found.widest] * len(found.norms), "spectral_bound": list(found.norms)}
        known = [{key: value} for key, value in keys.items()] if limits else [{}]
        rows.append([found.largest, *(case.certified(seed, **each) / found.largest for each in known)])
    line = ", ".join(f"{value:.3g}" for value in np.median(rows, axis=0))
    if limits:
        line += f", {case.climbed(free[0].norms) / free[0].largest:.3g}"
        within = [case.trained(seed, limits) for seed in seeds]
        ratios = [
            case.certified(seed, spectral_bound=list(limits)) / each.largest
            for seed, each in zip(seeds, within, strict=True)
        ]
        losses = [float(np.median([each.loss for each in runs])) for runs in (within, free)]
        line += f"; within {limits} {np.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g}), "
        line += f"loss {losses[0]:.3g}, without {losses[1]:.3g}"
    return line


def main() -> int:
    """Print a line for each network; the exit code is 2 without data."""
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    there = [each for each in NETWORKS if (folder / each[0]).is_file()]
    if not there:
        print("set RSGADVISE_DATA to the folder of the data sets", file=sys.stderr)
        return 2
    print(
        "data, network, unit, loss: largest eigenvalue met; over it U for the box, U for the spectral norms,"
    )
    print("what was climbed to within these; U over the largest met within limits, and the losses")
    for name, hidden, activation, loss, limits in there:
        statistics = measure(open_data(folder / name, target="-1"), spectrum=False)
        inputs, targets = load_rows(open_data(folder / name, target="-1"), statistics)
        assert targets is not None
        with one_thread():
            found = figures(Case(Data(inputs, targets), hidden, activation, loss), limits)
        widths = "-".join(map(str, (inputs.shape[1], *hidden, targets.shape[1])))
        print(f"{Path(name).stem}, {widths}, {activation if hidden else '-'}, {loss}: {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
