"""The Hessian of a loss at given weights: exact products with a vector, and its extreme eigenvalues."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.spectrum import lanczos_steps
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Data, Network, widened

Matrix = NDArray[np.float64]
Matrices = list[Matrix]

PRODUCT_COST = 2.0
"""Work of one Hessian-vector product in gradients of the same rows: six matrix products for three."""

_BREAKDOWN = 1e-12  # of the largest coefficient: Lanczos has found an invariant subspace
_CONVERGED = 1e-4  # of the larger eigenvalue in modulus


class Curvature:
    """Loss, gradient and Hessian-vector products of (3), (4) or (5) at one W, over given rows and masks.

    The product is Pearlmutter's: the derivative of the whole gradient computation in one direction, exact
    up to rounding. The signals and errors that it needs are kept, so that each product costs about two
    gradients.

    Source: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).

    Args:
        network: which loss.
        data: the rows, of which the mean is taken.
        weights: one (d_l, d_{l-1}) array per matrix, biases in a last column.
        masks: one (rows, width) array of 0 and 1 per masked layer, or none where nothing is dropped.
    """

    def __init__(
        self, network: Network, data: Data, weights: Sequence[Matrix], masks: Sequence[Matrix] = ()
    ) -> None:
        self._network, self._tied = network, network.tied
        self.rows = data.rows
        self._weights = [np.asarray(matrix, np.float64) for matrix in weights]
        self._layers = self._unrolled(self._weights)
        signal = np.asarray(data.inputs, np.float64)
        signal = self._widened(signal * masks[0] if masks else signal)
        self._signals, self._slopes, self._bends = [signal], list[Matrix](), list[Matrix]()
        *hidden, last = self._layers
        for level, (matrix, unit) in enumerate(zip(hidden, network.units, strict=True), start=1):
            found = unit.derivatives(signal @ matrix.T)
            if level < len(masks):
                found = found[0] * masks[level], found[1] * masks[level], found[2] * masks[level]
            signal, slope, bend = self._widened(found[0]), *found[1:]
            self._signals.append(signal)
            self._slopes.append(slope)
            self._bends.append(bend)
        head = network.head.curvature(signal @ last.T, np.asarray(data.targets, np.float64))
        self.losses: Matrix = head[0]
        self._turn = head[2]
        # `_pulls` are derivatives by the signals of hidden layers, `errors` by what enters a layer's units.
        self._errors, self._pulls = [head[1]], list[Matrix]()
        for matrix, slope in zip(self._layers[:0:-1], self._slopes[::-1], strict=True):
            self._pulls.insert(0, self._errors[0] @ self._unbiased(matrix))
            self._errors.insert(0, self._pulls[0] * slope)

    def _widened(self, signal: Matrix) -> Matrix:
        """What a layer's matrix multiplies."""
        return np.asarray(widened(signal, self._network), np.float64)

    def _unbiased(self, matrix: Matrix) -> Matrix:
        """What a layer's matrix does to the signals from below, which biases are no part of."""
        return matrix[:, :-1] if self._network.bias else matrix

    def _unrolled(self, weights: Sequence[Matrix]) -> Matrices:
        """The matrix of each layer that the signal passes."""
        return [weights[0], weights[0].T] if self._tied else list(weights)

    def _rolled(self, parts: Matrices) -> Matrices:
        """Derivatives by the matrices from those by each layer's."""
        return [parts[0] + parts[1].T] if self._tied else parts

    @property
    def gradient(self) -> Matrices:
        """Mean over the rows of the loss gradient."""
        pairs = zip(self._errors, self._signals, strict=False)
        return self._rolled([error.T @ signal / self.rows for error, signal in pairs])

    @property
    def squared_gradients(self) -> Matrix:
        """||gradient||^2 of each row by itself, (rows,), over all matrices together."""
        return np.asarray(np.sum(self.layer_squares, axis=0))

    @property
    def layer_squares(self) -> Matrices:
        """The same for each matrix."""
        squares = [
            np.einsum("ij,ij->i", error, error) * np.einsum("ij,ij->i", signal, signal)
            for error, signal in zip(self._errors, self._signals, strict=False)
        ]
        if not self._tied:
            return squares
        # e_1 x^T + h e_2^T, one matrix: the product of the two parts counts twice.
        (e1, e2), (x, h) = self._errors, self._signals[:2]
        cross = np.einsum("ij,ij->i", e1, h) * np.einsum("ij,ij->i", x, e2)
        return [squares[0] + squares[1] + 2 * cross]

    def product(self, direction: Sequence[Matrix]) -> Matrices:
        """The Hessian times a direction of the shapes of the weights."""
        turns = self._unrolled(direction)
        drifts, moves = list[Matrix](), list[Matrix]()  # of what enters the units, and of what comes out
        for level, (turn, signal) in enumerate(zip(turns, self._signals, strict=True)):
            drift = signal @ turn.T
            if level:
                drift += moves[-1] @ self._unbiased(self._layers[level]).T
            drifts.append(drift)
            if level < len(self._slopes):
                moves.append(drift * self._slopes[level])
        blocks: Matrices = []
        change = self._turn(drifts[-1])
        for level in range(len(turns) - 1, -1, -1):
            part = change.T @ self._signals[level]
            if level:
                below = self._unbiased(part)
                below += self._errors[level].T @ moves[level - 1]
            blocks.insert(0, part / self.rows)
            if level:
                pull = change @ self._unbiased(self._layers[level])
                pull += self._errors[level] @ self._unbiased(turns[level])
                bend = self._pulls[level - 1] * self._bends[level - 1]
                change = pull * self._slopes[level - 1] + bend * drifts[level - 1]
        return self._rolled(blocks)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Extreme eigenvalues of a symmetric matrix.

    Attributes:
        lowest, highest: Ritz values, so the true extremes lie at or beyond them.
        error: residual norm of the less certain of the two: an eigenvalue lies within it of each.
        products: matrix-vector products that were used.
        lowest_vector, highest_vector: the Ritz vectors, of length 1.
    """

    lowest: float
    highest: float
    error: float
    products: int
    lowest_vector: Matrix
    highest_vector: Matrix


def extreme_eigenvalues(
    product: Callable[[Matrix], Matrix], size: int, rng: np.random.Generator, *, products: int
) -> Spectrum:
    """Both ends of the spectrum by Lanczos from a random vector.

    Args:
        product: a symmetric linear map of vectors (size,).
        size: of the vectors.
        rng: of the first vector.
        products: at most so many, at least 1; fewer where both ends have converged to four digits.
    """
    for done, ritz in enumerate(lanczos_steps(product, rng.standard_normal(size)), start=1):
        lowest, highest = float(ritz.values[0]), float(ritz.values[-1])
        scale = max(abs(lowest), abs(highest))
        ended = done == size or ritz.rest <= _BREAKDOWN * max(scale, 1e-300)
        error = 0.0 if ended else max(ritz.residual(0), ritz.residual(-1))
        if ended or done >= products or error <= _CONVERGED * scale:
            break
    return Spectrum(lowest, highest, error, done, ritz.vector(0), ritz.vector(-1))
