"""Calibrated constants: f(W^1), gradient variance and smoothness, measured at W^1 and along a short pilot.

The pilot takes a few mini-batch steps of 1/U, and measures U again where they led, since a network leaves
its random start for places of other curvature at once. What a stage has made worse is taken back.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import NoiseScale
from rsgadvise.errors import HypothesisError
from rsgadvise.pilot.task import Task, flat, shaped
from rsgadvise.records import dataclass
from rsgadvise.theory.problem import MeasuredConstants
from rsgadvise.training.curvature import PRODUCT_COST, Curvature, Spectrum, extreme_eigenvalues
from rsgadvise.training.networks import Network, Weights
from rsgadvise.training.rsg import Training, train

SHARE = 0.05
"""Of one training: what calibration may cost, but for the fewest rows."""

_STAGES = 3
_STAGE_SHARE = 0.1  # of the cost: mini-batches of one stage
_GRADIENT_SHARE = 0.16  # of the cost: rows for the final gradient and its variance
_MOST_STEPS = 1000  # of one stage
_PRODUCTS = 6  # of one Lanczos run
_FEWEST_ROWS, _MOST_ROWS = 8, 512  # for curvature
_NO_INPUT = 1e-100  # inputs below it have no squares
_MOST_GRADIENT_ROWS = 4096
_GROUPS = 4  # of rows, for the sampling error of the curvature
_SHORTER = 4.0  # divides the stepsize of the last stage, and of one that follows a failure
_ROWS, _PILOT = 2, 3  # keys of randomness


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measured constant.

    Attributes:
        name: initial_loss, smoothness, gradient_variance or squared_gradient.
        at_start: at W^1, or None where it was not measured there.
        value: what the bound uses: after the pilot, but for the initial loss.
        standard_error: of the sampling of rows; 0 where all were used.
    """

    name: str
    at_start: float | None
    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured.

    Attributes:
        constants: for the bound.
        initial_loss: f(W^1).
        loss: f(W) after the pilot.
        quantities: each with its error.
        weights: where the pilot ended, (1, d_l, d_{l-1}) each.
        iterations: of the pilot. rows: for the curvature.
        work: in gradients of single examples.
    """

    constants: MeasuredConstants
    initial_loss: float
    loss: float
    quantities: tuple[Quantity, ...]
    weights: Weights
    iterations: int
    rows: NDArray[np.int64]
    work: float

    @property
    def noise(self) -> NoiseScale:
        """The noise scale where the pilot ended, from what was measured there; two standard errors."""
        quantities = {each.name: each for each in self.quantities}
        variance, square = quantities["gradient_variance"], quantities["squared_gradient"]
        if not (variance.value > 0 and square.value > 0):
            return NoiseScale(math.inf if variance.value > 0 else 0.0, 0.0, math.inf, self.loss)
        shares = [each.standard_error / each.value for each in (variance, square)]
        value, factor = variance.value / square.value, math.exp(2 * math.hypot(*shares))
        return NoiseScale(value, value / factor, value * factor, self.loss)


def calibrate(task: Task, *, batch_size: int, iterations: int, allowed: float | None = None) -> Calibration:
    """Measure the constants of a run of N iterations at a cost of about `SHARE` of it.

    Kind: estimates. Smoothness is the largest Hessian eigenvalue on a sample of rows, by Lanczos from
        below; that of a sample tends to be larger than that of all rows.

    Args:
        task: network and rows.
        batch_size, iterations: B and N of the run that is planned.
        allowed: work in place of that share, but for the fewest rows.

    Raises:
        HypothesisError: the loss has no curvature at W^1, such as for inputs that are all zero.
    """
    allowed = SHARE * iterations * batch_size if allowed is None else allowed
    steps = int(min(_MOST_STEPS, iterations, max(1, _STAGE_SHARE * allowed / batch_size)))
    share = 1 - _STAGES * _STAGE_SHARE - _GRADIENT_SHARE
    # Each stage is measured, and the error of the last curvature by one more product.
    each_row = (1 + _STAGES) * (1 + PRODUCT_COST * _PRODUCTS) + 1 + PRODUCT_COST
    count = int(np.clip(share * allowed / each_row, _FEWEST_ROWS, _MOST_ROWS))
    rng = task.rng(_ROWS)
    rows = task.sample(count, rng)
    weights = task.start(0)
    here = task.curvature(weights, rows, rng)
    first = steepness(here, task.network, rng, products=_PRODUCTS)
    work = len(rows) * (1 + PRODUCT_COST * first.products)
    if not first.highest > 0:
        largest = float(task.data.inputs.max())
        got = f"a Hessian whose largest eigenvalue is {first.highest:g}; {task.network.without_measuring}"
        if largest < _NO_INPUT:
            got = f"inputs of at most {largest:g}, which no weights learn from; use features that fill [0, 1]"
        raise HypothesisError(f"must have curvature at W1 to be calibrated; got {got}", quantity="data.file")
    spectrum, initial, gamma, done = first, here, 1 / first.highest, 0
    stream = task.stream(_PILOT)
    for stage in range(_STAGES):
        if stage == _STAGES - 1:
            # Shorter steps let the noise die that longer ones sustain: the gradient that is left tells how
            # far it is to a minimiser.
            gamma /= _SHORTER
        training = Training(task.network, task.data, (gamma,) * len(task.network.shapes), batch_size)
        (shot,) = train(training, weights, [stream], [np.array([steps + 1])])
        there = task.curvature(shot.weights, rows, rng)
        work += steps * batch_size + len(rows)
        done += steps
        if not there.losses.mean() <= here.losses.mean():
            gamma /= _SHORTER
            continue
        steepest = steepness(there, task.network, rng, products=_PRODUCTS)
        work += PRODUCT_COST * len(rows) * steepest.products
        if steepest.highest > 0:  # a flat place says nothing of the steps that are possible elsewhere
            spectrum, gamma = steepest, 1 / steepest.highest
        weights, here = shot.weights, there
    wanted = int(np.clip(_GRADIENT_SHARE * allowed, 2 * _FEWEST_ROWS, _MOST_GRADIENT_ROWS))
    gradient = _gradient(task, weights, wanted, rng)
    work += gradient.rows
    error = _curvature_error(task, weights, spectrum, rows, rng)
    work += len(rows) * (1 + PRODUCT_COST)
    loss = float(here.losses.mean())
    distance = loss / math.sqrt(gradient.square) if gradient.square > 0 else math.inf
    starting = float(initial.losses.mean())
    spread = _spread(task, len(rows))
    return Calibration(
        constants=MeasuredConstants(
            smoothness=spectrum.highest,
            layer_variances=gradient.layer_variances,
            distance=min(distance, 1e150),
            loss=loss,
        ),
        initial_loss=starting,
        loss=loss,
        quantities=(
            Quantity(
                "initial_loss", starting, starting, spread * float(initial.losses.std()) / len(rows) ** 0.5
            ),
            Quantity("smoothness", first.highest, spectrum.highest, error + spectrum.error),
            Quantity(
                "gradient_variance",
                float(initial.squared_gradients.mean() - flat(initial.gradient) @ flat(initial.gradient)),
                sum(gradient.layer_variances),
                gradient.variance_error,
            ),
            Quantity("squared_gradient", None, gradient.square, gradient.square_error),
        ),
        weights=weights,
        iterations=done,
        rows=rows,
        work=work,
    )


def steepness(
    here: Curvature, network: Network, rng: np.random.Generator, *, products: int, level: int | None = None
) -> Spectrum:
    """Both ends of the Hessian, or of its block for one matrix."""
    shapes = network.shapes

    def whole(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return flat(here.product(shaped(vector, network)))

    def block(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        direction = [np.zeros(shape) for shape in shapes]
        direction[level or 0] = vector.reshape(direction[level or 0].shape)
        return here.product(direction)[level or 0].ravel()

    if level is None:
        return extreme_eigenvalues(whole, sum(map(math.prod, shapes)), rng, products=products)
    return extreme_eigenvalues(block, math.prod(shapes[level]), rng, products=products)


def layer_smoothness(
    task: Task, calibration: Calibration, rng: np.random.Generator
) -> tuple[tuple[float, ...], float]:
    """(largest eigenvalue of each matrix's block of the Hessian after the pilot, work)."""
    here = task.curvature(calibration.weights, calibration.rows, rng)
    spectra = [
        steepness(here, task.network, rng, products=_PRODUCTS, level=level)
        for level in range(len(task.network.shapes))
    ]
    products = sum(each.products for each in spectra)
    work = len(calibration.rows) * (1 + PRODUCT_COST * products)
    return tuple(max(each.highest, 0.0) for each in spectra), work


def fewest_work(batch_size: int, *, matrices: int) -> float:
    """Of the shortest `calibrate` and `layer_smoothness`, at most; in gradients of single examples."""
    first = (1 + _STAGES) * (1 + PRODUCT_COST * _PRODUCTS) + 1 + PRODUCT_COST
    by_layer = 1 + PRODUCT_COST * _PRODUCTS * matrices
    return _FEWEST_ROWS * (first + by_layer + 2) + _STAGES * batch_size


@dataclass(frozen=True, slots=True)
class _Gradient:
    square: float
    square_error: float
    layer_variances: tuple[float, ...]
    variance_error: float
    rows: int


def _spread(task: Task, rows: int) -> float:
    """Finite-population factor of a standard error: 0 where the sample is all there is."""
    if task.network.masked_widths:
        return 1.0
    return math.sqrt(max(0.0, 1 - rows / task.data.rows))


def _gradient(task: Task, weights: Weights, wanted: int, rng: np.random.Generator) -> _Gradient:
    """||grad f||^2 and the variance of one example, both without what sampling adds to a squared mean."""
    here = task.curvature(weights, task.sample(wanted, rng), rng)
    spread, count = _spread(task, here.rows), here.rows
    left = 1 - spread**2 / count  # of the variance, in the deviations from the mean of the sample
    layers = [
        max(0.0, float(squares.mean() - np.sum(gradient**2))) / left if left > 0 else 0.0
        for squares, gradient in zip(here.layer_squares, here.gradient, strict=True)
    ]
    variance, mean = sum(layers), flat(here.gradient)
    added = spread**2 * variance / count  # what sampling adds to the plug-in
    # At least what could hide in the sampling: a gradient of 0 would mean a minimiser infinitely far away.
    square = max(float(mean @ mean) - added, added, 0.0)
    return _Gradient(
        square=square,
        square_error=spread * math.sqrt(4 * square * variance / count + 2 * (variance / count) ** 2),
        layer_variances=tuple(layers),
        variance_error=spread * float(here.squared_gradients.std()) / math.sqrt(count),
        rows=count,
    )


def _curvature_error(
    task: Task, weights: Weights, spectrum: Spectrum, rows: NDArray[np.int64], rng: np.random.Generator
) -> float:
    """Standard error of the quotient of the leading eigenvector, from groups of rows."""
    direction = shaped(spectrum.highest_vector, task.network)
    parts = [task.curvature(weights, part, rng) for part in np.array_split(rows, min(_GROUPS, len(rows)))]
    if len(parts) == 1:
        return 0.0
    quotients = [float(spectrum.highest_vector @ flat(part.product(direction))) for part in parts]
    return _spread(task, len(rows)) * float(np.std(quotients, ddof=1)) / math.sqrt(len(parts))
