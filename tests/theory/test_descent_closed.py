"""The end of the range, gamma = 2/U: valid where p_1 = 0, which takes decay, `matched` and two iterations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import Geometry, descent_bound

KNOWN: dict[str, Any] = {
    "batch_size": 4.0,
    "suboptimality": 1.0,
    "ceiling": 2.0,
    "smoothness": 0.5,
    "gradient_variance": 0.3,
    "geometry": Geometry.FREE,
    "decay": 0.3,
    "stopping": "matched",
}


def test_each_candidate_has_its_own_range() -> None:
    """A single iteration beside others neither borrows their end of the range nor takes it from them."""
    found = descent_bound(stepsize=np.array([3.9, 4.0, 4.0]), iterations=np.array([1.0, 2.0, 50.0]), **KNOWN)
    for place, n in enumerate((1.0, 2.0, 50.0)):
        alone = descent_bound(stepsize=3.9 if n == 1 else 4.0, iterations=n, **KNOWN)
        assert found.value[place] == pytest.approx(float(alone.value))
    with pytest.raises(HypothesisError, match=r"must lie in \(0, 4\)"):
        descent_bound(stepsize=np.array([4.0, 4.0]), iterations=np.array([1.0, 50.0]), **KNOWN)
    with pytest.raises(HypothesisError, match=r"got 4\.1"):
        descent_bound(stepsize=np.array([3.0, 4.1]), iterations=np.array([1.0, 50.0]), **KNOWN)
