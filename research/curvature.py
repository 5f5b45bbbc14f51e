"""`python -m research.curvature`: certified curvature of networks beside the largest that training meets.

Each network is trained by SGD with the calibrated stepsize, without a box; its box is then the largest weight
that any layer had on the way, as if it had been known. Along the training the largest eigenvalue of the
Hessian, in modulus, is measured on rows of a sample; U is certified for that box, these rows and no masks. U
over the largest of them is how much the certificate gives away: 1 is nothing.

A box matters to U only by the largest ||W_l|| in it, w_l sqrt(d_l d_(l-1)). Beside it stands U for the
largest ||W_l|| that the training had, as a limit on spectral norms in place of the box would have it.

The data sets lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
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
from rsgadvise.training.networks import Data, Kernel, Network, initial_weights, one_thread

__all__ = ["NETWORKS", "main", "ratio"]

Array = NDArray[np.float64]

NETWORKS: tuple[tuple[str, tuple[int, ...], str, str], ...] = (
    ("tabular/breast-cancer-wisconsin.csv", (), "sigmoid", "cross_entropy"),
    ("tabular/winequality-red.csv", (16,), "tanh", "cross_entropy"),
    ("tabular/ionosphere.csv", (16,), "sigmoid", "squared"),
    ("tabular/breast-cancer-wisconsin.csv", (16, 8), "tanh", "cross_entropy"),
    ("tabular/spambase.csv", (16, 8), "sigmoid", "squared"),
)
_ROWS, _LOOKS, _STEPS, _BATCH, _PRODUCTS = 500, 12, 2000, 32, 40


def ratio(data: Data, hidden: tuple[int, ...], activation: str, loss: str) -> tuple[float, float, float]:
    """(U for the box, U for the spectral norms, the largest eigenvalue that was met)."""
    layers = [data.inputs.shape[1], *hidden, data.targets.shape[1]]
    network: dict[str, object] = {
        "kind": "multilayer" if hidden else "single_layer",
        "layers": layers,
        "loss": loss,
    }
    if hidden:
        network |= {"activation": activation, "weight_bound": 1000}
    training = {"batch_size": _BATCH, "iterations": _STEPS, "keep_prob": 1}
    advice: Advice = rsgadvise.recommend(
        {"network": network, "training": training}, data=(data.inputs, data.targets), pilot=0
    )
    assert advice.train is not None
    gamma = advice.train.common_stepsize
    trained = Network(
        "multilayer" if hidden else "single_layer",
        tuple(layers),
        (1000.0,) * (len(layers) - 1) if hidden else (),
        1.0,
        (activation,) * len(hidden),
        loss,
    )
    rng = np.random.default_rng(0)
    rows = rng.permutation(data.rows)[:_ROWS]
    sample = Data(data.inputs[rows], data.targets[rows])
    weights = initial_weights(trained, rng)
    kernel = Kernel(trained, replicas=1, rows=_BATCH, dtype=np.dtype(np.float64), shared=True)
    largest, widest, norms = 0.0, 0.0, [0.0] * len(weights)
    for step in range(_STEPS + 1):
        if step % (_STEPS // _LOOKS) == 0:
            here = [np.asarray(matrix[0], np.float64) for matrix in weights]
            largest = max(largest, _eigenvalue(trained, sample, here, rng))
            widest = max(widest, *(float(np.abs(matrix).max()) for matrix in here))
            found = [float(np.linalg.norm(matrix, 2)) for matrix in here]
            norms = [max(pair) for pair in zip(norms, found, strict=True)]
        batch = rng.integers(data.rows, size=_BATCH)
        kernel.inputs[0], kernel.targets[0] = data.inputs[batch], data.targets[batch]
        gradients = kernel.gradient(weights, scale=1 / _BATCH)
        weights = [matrix - gamma * each for matrix, each in zip(weights, gradients, strict=True)]

    def certified(boxes: list[float]) -> float:
        limited = network | ({"weight_bound": boxes} if hidden else {})
        spec = Spec.model_validate({"network": limited, "training": training})
        problem = replace(resolve(spec), moments=moments_of(sample))
        return float(certified_constants(problem, np.asarray(1.0)).smoothness)

    alike = [norm / math.sqrt(matrix[0].size) for norm, matrix in zip(norms, weights, strict=True)]
    return certified([widest] * len(weights)), certified(alike), largest


def _eigenvalue(network: Network, data: Data, weights: list[Array], rng: np.random.Generator) -> float:
    here = Curvature(network, data, weights)
    shapes, sizes = [each.shape for each in weights], [each.size for each in weights]
    ends = np.cumsum(sizes)[:-1]

    def product(vector: Array) -> Array:
        parts = [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]
        return np.concatenate([part.ravel() for part in here.product(parts)])

    found = extreme_eigenvalues(product, sum(sizes), rng, products=_PRODUCTS)
    return max(abs(found.lowest), abs(found.highest))


def main() -> int:
    """Print a line for each network; the exit code is 2 without data."""
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    there = [each for each in NETWORKS if (folder / each[0]).is_file()]
    if not there:
        print("set RSGADVISE_DATA to the folder of the data sets", file=sys.stderr)
        return 2
    print("data, network, unit, loss: largest eigenvalue met; U over it for the box, for the spectral norms")
    for name, hidden, activation, loss in there:
        source = open_data(folder / name, target="-1")
        statistics = measure(source, spectrum=False)
        inputs, targets = load_rows(open_data(folder / name, target="-1"), statistics)
        assert targets is not None
        data = Data(inputs, targets)
        with one_thread():
            boxed, limited, largest = ratio(data, hidden, activation, loss)
        widths = "-".join(map(str, (inputs.shape[1], *hidden, targets.shape[1])))
        print(
            f"{Path(name).stem}, {widths}, {activation if hidden else '-'}, {loss}: {largest:.4g}; "
            f"{boxed / largest:.3g}, {limited / largest:.3g}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
