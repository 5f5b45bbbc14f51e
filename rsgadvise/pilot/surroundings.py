"""The objective around one W, on a sample of rows: gradient, both ends of the Hessian, what is to be gained.

The sample is a mean over (row, mask) pairs in blocks, whose spread says how far it may be from f.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass
from rsgadvise.theory.stopping import harmonic_number
from rsgadvise.training.curvature import PRODUCT_COST, Curvature, extreme_eigenvalues
from rsgadvise.training.networks import Data, Network, projected
from rsgadvise.training.rsg import Training

FloatArray = NDArray[np.float64]

_BLOCKS = 8
FEWEST_ROWS = 2 * _BLOCKS
"""Of a sample that is not all the data."""

BOX_PRODUCTS = 6
"""Hessian-vector products behind the longest step to a box."""

_BEYOND = 2.0  # standard errors
_STRAIGHT = 1e-12  # below it the gain grows in proportion to the iterations
_ON_BOX = 1 - 1e-6  # of the bound, which single precision rounds


@dataclass(frozen=True, slots=True)
class Surroundings:
    """f on blocks of rows. A flat vector is all weights, matrix by matrix.

    Attributes:
        network, weights: what is looked at, and where.
        blocks: one per block. shares: of each in the mean.
        gradients: of each block, (blocks, weights), flat.
        free: weights that may move; the box holds the others.
        correction: of variances of means. 0 where the sample is all there is, else 1 - (its share of the
            rows); 1 where masks are sampled.
    """

    network: Network
    weights: tuple[FloatArray, ...]
    blocks: tuple[Curvature, ...]
    shares: FloatArray
    gradients: FloatArray
    free: NDArray[np.bool_]
    correction: float

    @property
    def rows(self) -> int:
        """(row, mask) pairs of the sample."""
        return sum(block.rows for block in self.blocks)

    @property
    def gradient(self) -> FloatArray:
        """Of the whole sample."""
        return np.asarray(self.shares @ self.gradients)

    @property
    def deviations(self) -> FloatArray:
        """Of the blocks' gradients from it, free weights only."""
        return np.asarray((self.gradients - self.gradient)[:, self.free])

    @property
    def losses(self) -> FloatArray:
        """Of each pair."""
        return np.concatenate([block.losses for block in self.blocks])

    def flat(self, matrices: Sequence[NDArray[np.floating]]) -> FloatArray:
        """Matrices as one vector."""
        return np.concatenate([np.ravel(matrix) for matrix in matrices])

    def matrices(self, vector: FloatArray) -> list[FloatArray]:
        """One vector as matrices."""
        ends = np.cumsum([matrix.size for matrix in self.weights])[:-1]
        parts = np.split(vector, ends)
        return [part.reshape(matrix.shape) for part, matrix in zip(parts, self.weights, strict=True)]

    def projected(self, stepsizes: Sequence[float]) -> FloatArray:
        """The projected gradient for steps of these lengths, one per matrix."""
        gradient = self.matrices(self.gradient)
        return self.flat(projected(self.network, list(self.weights), list(gradient), stepsizes))

    def product(self, vector: FloatArray, blocks: Sequence[int]) -> FloatArray:
        """The mean Hessian of some blocks, for the free weights, times a vector of them."""
        whole = np.zeros(len(self.free))
        whole[self.free] = vector
        direction = self.matrices(whole)
        shares = self.shares[list(blocks)] / self.shares[list(blocks)].sum()
        found = np.zeros(len(vector))
        for share, block in zip(shares, blocks, strict=True):
            found += share * self.flat(self.blocks[block].product(direction))[self.free]
        return found

    def noise(self) -> tuple[float, float]:
        """(what sampling adds to the squared norm of the gradient on average, standard error of that norm).

        With the blocks' gradients independent and of covariance C, the norm of the mean m of K exceeds that
        of its expectation g by tr C/K and varies by 4 g'Cg/K + 2 tr C^2/K^2. The error says 4 m'Cm/K, whose
        mean has 4 in place of the 2: it is too large by up to a factor sqrt(2) where m is all noise.
        """
        count = len(self.blocks)
        if count == 1:
            return 0.0, 0.0
        deviations = self.deviations
        added = self.correction * float(np.sum(deviations**2)) / (count * (count - 1))
        along = (deviations @ self.gradient[self.free]).var(ddof=1) / count
        return added, math.sqrt(4 * self.correction * along)


def surroundings(
    training: Training,
    weights: Sequence[FloatArray],
    *,
    reach: Sequence[float],
    rows: int,
    rng: np.random.Generator,
) -> Surroundings:
    """Sample (row, mask) pairs at some weights.

    Held by the box are the weights that a gradient step carries to it or beyond, as long as `reach` but no
    longer than the inverse of the highest eigenvalue. A step of no length would hold only those that
    mini-batch noise has not just moved off the box.

    Source: the active set of D. P. Bertsekas, Projected Newton methods, SIAM J. Control Optim. 20 (1982).

    Args:
        training: whose network and data.
        weights: one (d_l, d_{l-1}) array per matrix.
        reach: longest step of each matrix.
        rows: pairs, at most; without masks no more than the data have rows, with masks exactly so many,
            each with a mask of its own.
        rng: of rows, masks and the first Lanczos vector.
    """
    network, data = training.network, training.data
    masked = network.masked_widths
    count = rows if masked else min(rows, data.rows)
    passes = -(-count // data.rows)
    order = np.concatenate([rng.permutation(data.rows) for _ in range(passes)])[:count]
    blocks = []
    for chosen in np.array_split(order, min(_BLOCKS, count)):
        masks = [(rng.random((len(chosen), d)) < network.keep_prob).astype(np.float64) for d in masked]
        part = Data(data.inputs[chosen], data.targets[chosen])
        blocks.append(Curvature(network, part, weights, masks))
    shares = np.asarray([block.rows / count for block in blocks])
    gradients = np.stack([np.concatenate([np.ravel(g) for g in block.gradient]) for block in blocks])
    everything = np.ones(gradients.shape[1], dtype=bool)
    correction = 1.0 if masked else 1 - count / data.rows
    around = Surroundings(network, tuple(weights), tuple(blocks), shares, gradients, everything, correction)
    return replace(around, free=~_held(around, reach, rng)) if network.weight_bounds else around


def _held(around: Surroundings, reach: Sequence[float], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which weights the box holds."""
    steepest = extreme_eigenvalues(
        partial(around.product, blocks=range(len(around.blocks))),
        len(around.free),
        rng,
        products=BOX_PRODUCTS,
    ).highest
    longest = 1 / steepest if steepest > 0 else math.inf
    sizes = [matrix.size for matrix in around.weights]
    bound = np.repeat(around.network.weight_bounds, sizes)
    steps = np.repeat([min(step, longest) for step in reach], sizes)
    place, gradient = around.flat(around.weights), around.gradient
    ahead = place - steps * gradient
    above, below = ahead >= _ON_BOX * bound, ahead <= -_ON_BOX * bound
    return np.asarray((above & (gradient < 0)) | (below & (gradient > 0)) | (bound == 0))


@dataclass(frozen=True, slots=True)
class Ends:
    """Extreme eigenvalues of the Hessian, their errors, and what they cost.

    Attributes:
        lowest, highest: eigenvalues. lowest_error, highest_error: see `spectrum_ends`.
        steepest_shares: of the squared norm of the highest one's vector, each matrix; they sum to 1.
        products: Hessian-vector products, each over all or part of the sample.
        work: in gradients of single examples.
    """

    lowest: float
    highest: float
    lowest_error: float
    highest_error: float
    steepest_shares: tuple[float, ...]
    products: int
    work: float

    def steepest_stepsize(self, stepsizes: Sequence[float]) -> float:
        """1 / sum_l share_l/gamma_l: how long steps are along the steepest direction v.

        The quotient of v, v'Hv / v'Gamma^-1 v, is this times `highest`. Where it is above 2, so is the
        largest eigenvalue of Gamma H: gradient descent with a stepsize for each matrix overshoots there.
        """
        return 1 / sum(share / gamma for share, gamma in zip(self.steepest_shares, stepsizes, strict=True))


def spectrum_ends(around: Surroundings, *, products: int, rng: np.random.Generator) -> Ends:
    """Both ends of the Hessian's spectrum, on the free weights.

    Where the sample is all there is, the error is the Lanczos residual. Else each half of the sample
    finds extreme eigenvectors of its own. Since the lowest eigenvalue is concave and the highest convex
    in the matrix, the halves' own values lie beyond the true ones on average; the quotients of those
    vectors on the other half lie within. The middle is reported, and the error is half that distance, the
    quotients' standard error over the blocks, and the residual.

    Kind: estimates.

    Args:
        around: the sample.
        products: at most so many in one Lanczos run.
        rng: of the first vectors.
    """
    size, count = int(around.free.sum()), len(around.blocks)
    if size == 0:
        return Ends(0.0, 0.0, 0.0, 0.0, (1 / len(around.weights),) * len(around.weights), 0, 0.0)
    everything = list(range(count))
    halves = [everything[: count // 2], everything[count // 2 :]]
    parts = halves if around.correction > 0 else [everything]
    spectra = [
        extreme_eigenvalues(partial(around.product, blocks=part), size, rng, products=products)
        for part in parts
    ]
    work = sum(
        spectrum.products * sum(around.blocks[block].rows for block in part)
        for spectrum, part in zip(spectra, parts, strict=True)
    )
    used = sum(spectrum.products for spectrum in spectra)
    residual = max(spectrum.error for spectrum in spectra)
    lowest = float(np.mean([spectrum.lowest for spectrum in spectra]))
    highest = float(np.mean([spectrum.highest for spectrum in spectra]))
    shares = _shares(around, [spectrum.highest_vector for spectrum in spectra])
    if len(parts) == 1:
        return Ends(lowest, highest, residual, residual, shares, used, PRODUCT_COST * work)
    quotients = np.array(
        [
            [vector @ around.product(vector, [block]) for block in other]
            for spectrum, other in zip(spectra, reversed(parts), strict=True)
            for vector in (spectrum.lowest_vector, spectrum.highest_vector)
        ]
    ).reshape(2, 2, -1)  # by half, end and block
    errors = np.sqrt(around.correction * quotients.swapaxes(0, 1).reshape(2, -1).var(axis=1, ddof=1) / count)
    errors = residual + errors
    low, high = map(float, quotients.mean(axis=(0, 2)))
    return Ends(
        (lowest + low) / 2,
        (highest + high) / 2,
        float(errors[0]) + abs(low - lowest) / 2,
        float(errors[1]) + abs(high - highest) / 2,
        shares,
        used + 4,
        PRODUCT_COST * (work + 2 * around.rows),
    )


def _shares(around: Surroundings, vectors: Sequence[FloatArray]) -> tuple[float, ...]:
    """Of the squared norm of vectors of free weights, each matrix; over all of them together."""
    squares = np.zeros(len(around.free))
    squares[around.free] = np.mean(np.square(vectors), axis=0)
    parts = [float(matrix.sum()) for matrix in around.matrices(squares)]
    return tuple(part / sum(parts) for part in parts)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What further iterations promise.

    Attributes:
        step: decrease of the loss that one gradient step of the best length is certain of in the
            quadratic model.
        decrease: of the loss, predicted for the iterations that remain. quiet: without mini-batch noise.
        possible: the same were the squared gradient norm two standard errors larger than it seems.
        products, work: as in `Ends`.
    """

    step: float
    decrease: float
    quiet: float
    possible: float
    products: int
    work: float


def outlook(
    around: Surroundings, training: Training, *, iteration: int, until: int, steepest: float
) -> Outlook:
    """What the quadratic model promises for iterations `iteration`..`until` - 1.

    With u = Gamma g, s = g'Gamma g and c = u'Hu/s the loss falls by s - tr(Gamma H Gamma Sigma)/(2B) in one
    iteration at first, and by a factor exp(-2c) less in each further one. For one eigenvalue this is exact
    at small stepsizes; for several it is a lower bound of what gradient flow reaches without noise, by
    Jensen. Steps that overshoot reach no more than the bottom of the model along u.

    Args:
        around: the sample.
        training: its stepsizes, decay and batch size.
        iteration, until: from W^R on.
        steepest: the eigenvalue of largest modulus, beyond whose inverse no step is followed to the box.
    """
    time = remaining_time(training, iteration=iteration, until=until)
    gammas = training.stepsizes_at(iteration)
    longest = 1 / steepest if steepest > 0 else math.inf
    move = around.projected([min(gamma * time, longest) for gamma in gammas])[around.free]
    seen = float(move @ move)
    if seen == 0 or time == 0:
        return Outlook(0.0, 0.0, 0.0, 0.0, 0, 0.0)
    added, error = around.noise()
    share, largest = (max(0.0, 1 - part / seen) for part in (added, added - _BEYOND * error))
    scale = np.repeat(gammas, [matrix.size for matrix in around.weights])[around.free]
    path, everything = scale * move, range(len(around.blocks))
    slope = float(move @ path)
    bend = float(path @ around.product(path, everything)) / slope
    noise, products = 0.0, 1
    if len(everything) > 1:
        spread = sum(float(d @ around.product(d, everything)) for d in scale * around.deviations)
        # Of one block's mean, then of one example, then of a mini-batch.
        one = around.rows / len(everything) * spread / (len(everything) - 1)
        noise = max(0.0, one) / (2 * training.batch_size)
        noise *= _powers(2 * training.decay, iteration, until) / time
        products += len(everything)
    fall = share * slope
    rate = 2 * bend
    lasting = -math.expm1(-rate * time) / rate if rate * time > _STRAIGHT else time
    return Outlook(
        step=0.5 * share * seen * longest if math.isfinite(longest) else 0.0,
        decrease=max(0.0, fall - noise) * lasting,
        quiet=fall * lasting,
        possible=max(0.0, largest * slope - noise) * lasting,
        products=products,
        work=PRODUCT_COST * products * around.rows,
    )


def remaining_time(training: Training, *, iteration: int, until: int) -> float:
    """Sum of gamma_k/gamma_R over k = R..until - 1: iterations, if the stepsize did not decay."""
    return _powers(training.decay, iteration, until)


def _powers(order: float, first: int, until: int) -> float:
    """sum_{k=first..until-1} (k/first)^-order."""
    if until <= first:
        return 0.0
    before = float(harmonic_number(order, first - 1)) if first > 1 else 0.0
    return float((harmonic_number(order, until - 1) - before) * float(first) ** order)
