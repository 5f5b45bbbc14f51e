"""The largest eigenvalue of E[x xᵀ]: from the Gram matrix, or from products with the data alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.lanczos import lanczos_steps

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
        """The sum of x xᵀ times a vector."""
        result: Vector = self._symv(1.0, self._sum, vector, lower=1)
        return result

    def top(self, start: Vector) -> Eigenpair:
        """The largest eigenvalue of the sum."""
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
