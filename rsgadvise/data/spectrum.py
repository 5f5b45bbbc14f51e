"""The largest eigenvalue of E[x xᵀ]: from the Gram matrix, or from products with the data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass

# The Lanczos iteration on a symmetric map: one more matrix-vector product at a time.


@dataclass(frozen=True, slots=True)
class Ritz:
    """What some products say of the spectrum.

    Attributes:
        values: Ritz values, in increasing order; none lies outside the spectrum.
        rest: norm of what the last product adds to the subspace; 0 in exact arithmetic where the
            subspace is invariant.
        basis: orthonormal vectors, one per product.
        coordinates: columns, those of the Ritz vectors in the basis.
    """

    values: Vector
    rest: float
    basis: Sequence[Vector]
    coordinates: Vector

    def residual(self, place: int) -> float:
        """||A v - value v|| of one Ritz pair: an eigenvalue lies that near to its value."""
        return self.rest * abs(float(self.coordinates[-1, place]))

    def vector(self, place: int) -> Vector:
        found = np.zeros_like(self.basis[0])
        for weight, vector in zip(self.coordinates[:, place], self.basis, strict=True):
            found += weight * vector
        return np.asarray(found / np.linalg.norm(found))


def lanczos_steps(product: Callable[[Vector], Vector], start: Vector) -> Iterator[Ritz]:
    """Lanczos with full reorthogonalisation and without restarts: no product is wasted, all vectors are kept.

    Ask for no step after `len(start)` of them, nor after one whose `rest` vanishes.

    Source: C. Lanczos, J. Res. Nat. Bur. Standards 45 (1950).

    Args:
        product: a symmetric linear map.
        start: first vector, not zero.

    Yields:
        The Ritz pairs after each product.
    """
    basis = [start / float(np.linalg.norm(start))]
    diagonal, beside = list[float](), list[float]()
    while True:
        image = np.array(product(basis[-1]))
        diagonal.append(float(basis[-1] @ image))
        for _ in range(2):  # once leaves rounding behind, twice is enough
            for vector in basis:
                image -= (vector @ image) * vector
        beside.append(float(np.linalg.norm(image)))
        values, coordinates = np.linalg.eigh(
            np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
        )
        yield Ritz(values, beside[-1], tuple(basis), coordinates)
        basis.append(image / beside[-1])


Vector = NDArray[np.float64]

# Beyond this the d × d matrix (128 MiB here) costs more than a few more passes.
MAX_GRAM_DIM = 4096

# Below this a direct solver is quick; above it, Lanczos on the matrix needs a few products only.
_DENSE_DIM = 128
_DENSE_STEPS = 300
_STREAMED_STEPS = 40
_DENSE_TOLERANCE = 1e-10
_STREAMED_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Eigenpair:
    """An eigenvalue with its unit vector; `residual` is ||Av - λv||, a bound on the error."""

    value: float
    vector: Vector
    residual: float
    converged: bool


class Gram:
    """The sum of x xᵀ, of which only one triangle is kept up to date."""

    def __init__(self, columns: int) -> None:
        from scipy.linalg import blas

        self._syrk: Any = blas.dsyrk
        self._symv: Any = blas.dsymv
        self._sum = np.zeros((columns, columns), order="F")

    def update(self, rows: Vector) -> None:
        """Add the rows of one chunk, in place: a product A.T @ A would need a second matrix."""
        self._sum = self._syrk(1.0, rows.T, beta=1.0, c=self._sum, lower=1, overwrite_c=1)

    def product(self, vector: Vector) -> Vector:
        result: Vector = self._symv(1.0, self._sum, vector, lower=1)
        return result

    def top(self, start: Vector) -> Eigenpair:
        if len(start) > _DENSE_DIM:
            pair = lanczos(self.product, start, steps=_DENSE_STEPS, tolerance=_DENSE_TOLERANCE)
            if pair.converged:
                return pair
        from scipy.linalg import eigh

        last = len(start) - 1
        values, vectors = eigh(self._sum, lower=True, subset_by_index=[last, last])
        return Eigenpair(float(values[0]), vectors[:, 0], 0.0, converged=True)


def streamed_top(product: Callable[[Vector], Vector], start: Vector) -> Eigenpair:
    """The largest eigenvalue where each product costs a pass over the file."""
    return lanczos(product, start, steps=_STREAMED_STEPS, tolerance=_STREAMED_TOLERANCE)


def lanczos(product: Callable[[Vector], Vector], start: Vector, *, steps: int, tolerance: float) -> Eigenpair:
    """Lanczos, ended by the first residual below tolerance times the value.

    Since the entries of x are not negative, neither are those of the leading eigenvector, so a start at
    the mean is never orthogonal to it. Without restarts no product is wasted; `steps` vectors are kept.
    """
    if not np.linalg.norm(start):
        return Eigenpair(0.0, np.zeros_like(start), 0.0, converged=True)
    for done, ritz in enumerate(lanczos_steps(product, start), start=1):
        value, residual = float(ritz.values[-1]), ritz.residual(-1)
        converged = residual <= tolerance * value or done == len(start)
        if converged or done == steps:
            break
    return Eigenpair(value, ritz.vector(-1), residual, converged=converged)
