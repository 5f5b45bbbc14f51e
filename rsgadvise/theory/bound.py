"""The result type of every bound: a value, and the terms that sum to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bound", "FloatArray", "Numeric"]

FloatArray = NDArray[np.float64]
Numeric = float | FloatArray


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound on the expected squared gradient norm, term by term.

    Attributes:
        terms: name of each term to its value, arrays of one common shape, one entry per candidate.
            `initial_error` shrinks with more iterations, every other term with a larger batch.
    """

    terms: Mapping[str, FloatArray]

    @property
    def value(self) -> FloatArray:
        """The bound itself: the sum of its terms, shape of the candidates."""
        return np.asarray(np.sum(list(self.terms.values()), axis=0, dtype=np.float64))
