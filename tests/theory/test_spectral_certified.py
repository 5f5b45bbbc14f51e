"""Certified constants of the tied autoencoder in a spectral ball, against torch's Hessians and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rsgadvise.theory.certified import certified_constants, largest_gradient
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.problem import Problem

torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")


def ratios(seed: int) -> tuple[float, float, float]:
    """(curvature, second moment, squared gradient) over what is certified, for one drawn instance."""
    rng = np.random.default_rng(seed)
    inputs, hidden, rows = 3, int(rng.integers(1, 4)), 2
    bound = float(rng.choice([0.3, 1.0, 3.0]))
    x = rng.random((rows, inputs)) if seed % 2 else (rng.random((rows, inputs)) < 0.8) * 1.0
    drawn = rng.standard_normal((hidden, inputs)) + rng.choice([-1.0, 0.0, 1.0])
    weights = torch.tensor(bound * drawn / np.linalg.norm(drawn, 2))
    data = torch.tensor(x)

    def loss(w: Any, row: Any) -> Any:
        return (
            (
                row
                - torch.sigmoid(w.reshape(hidden, inputs).T @ torch.sigmoid(w.reshape(hidden, inputs) @ row))
            )
            .square()
            .sum()
        )

    flat = weights.reshape(-1)
    slopes = [torch.func.grad(loss)(flat, row) for row in data]
    bends = sum(torch.autograd.functional.hessian(lambda w, at=row: loss(w, at), flat) for row in data) / rows
    moments = InputMoments(
        inputs,
        float(x.mean()),
        float((x.mean(axis=0) ** 2).mean()),
        float((x**2).mean()),
        float(np.linalg.eigvalsh(x.T @ x / rows)[-1]),
    )
    problem = Problem("autoencoder", (inputs, hidden), (bound,), 1.0, moments, 1.0, None, (), spectral=True)
    known, one = certified_constants(problem, np.ones(())), np.ones(())
    return (
        float(torch.linalg.eigvalsh(bends).abs().max()) / float(known.smoothness),
        float(sum(slope.square().sum() for slope in slopes)) / rows / float(known.gradient_variance),
        float((sum(slopes) / rows).square().sum()) / float(largest_gradient(problem, one)),
    )


def test_no_instance_exceeds_what_is_certified() -> None:
    found = np.array([ratios(seed) for seed in range(60)]).max(axis=0)
    assert np.all(found <= 1)
    assert np.all(found > 0.15)
    assert math.isfinite(found.sum())
