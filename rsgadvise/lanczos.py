"""The Lanczos iteration on a symmetric map: one more matrix-vector product at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ritz", "lanczos_steps"]

Vector = NDArray[np.float64]


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
        """One Ritz vector, of length 1."""
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
