"""Ticks and crosses against numbers that are computed another way."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray


def holds(run: Run, spec: dict[str, Any], *arguments: str) -> dict[str, dict[str, Any]]:
    return {
        each["id"]: each
        for each in run.document("explain", "-", *arguments, stdin=json.dumps(spec))["assumptions"]
    }


def single(**data: Any) -> dict[str, Any]:
    return {
        "network": {"kind": "single_layer", "layers": [data.pop("inputs", 100), 2]},
        "data": data,
        "training": {"stepsize": 0.001, "batch_size": 10, "iterations": 50},
    }


def loss_at(weights: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(((y - 1 / (1 + np.exp(-x @ weights.T))) ** 2).sum(axis=1).mean())


def test_the_hessian_at_zero_is_as_said() -> None:
    """Second differences of the loss along the top eigenvector, for whatever targets."""
    from rsgadvise.ask.explain.hypotheses import smoothness_at_zero
    from rsgadvise.theory.constants import InputMoments
    from rsgadvise.theory.problem import Problem

    generator = np.random.default_rng(3)
    x, y = generator.random((40, 6)), generator.random((40, 2))
    values, vectors = np.linalg.eigh(x.T @ x / 40)
    moments = InputMoments(6, 0.5, 0.25, 0.3, float(values[-1]))
    problem = Problem("single_layer", (6, 2), (), 1.0, moments, 2.0, 40, ())
    step = np.zeros((2, 6))
    step[0] = 1e-3 * vectors[:, -1]
    bend = (loss_at(step, x, y) - 2 * loss_at(0 * step, x, y) + loss_at(-step, x, y)) / 1e-6
    assert smoothness_at_zero(problem, 1.0, float(values[-1])) == pytest.approx(bend, rel=1e-4)
    # With hidden units every h is 1/2 at W = 0, kept with probability zeta: all masks are enumerated.
    zeta, width = 0.7, 5
    deep = Problem("multilayer", (6, width, 2), (1.0, 1.0), 1.0, moments, 2.0, 40, ())
    moment = np.zeros((width, width))
    for code in range(2**width):
        mask = np.array([code >> bit & 1 for bit in range(width)], float)
        moment += zeta ** mask.sum() * (1 - zeta) ** (width - mask.sum()) * np.outer(mask, mask) / 4
    assert smoothness_at_zero(deep, zeta, 1.0) == pytest.approx(float(np.linalg.eigvalsh(moment)[-1]) / 8)


def test_smoothness_and_variance_of_equation_7(run: Run) -> None:
    """True up to the certified constants, (13/8)/c2; false beyond the Hessian at 0, 13; unknown between."""
    for eigenvalue, expected in ((10.5, True), (11.0, None), (12.9, None), (13.1, False), (60.0, False)):
        mean = 0.3 if eigenvalue < 30 else 0.7
        found = holds(run, single(mean=mean, mean_square=max(0.1, mean**2), top_eigenvalue=eigenvalue))
        assert found["smoothness"]["holds"] is expected, eigenvalue
    assert holds(run, single(mean=0.3, mean_square=0.1))["smoothness"]["holds"] is None  # d tau = 10 only
    assert holds(run, single(mean=0.5, mean_square=0.26))["smoothness"]["holds"] is False  # d tau = 26
    assert holds(run, single())["smoothness"]["holds"] is None  # nothing known
    assert holds(run, single(mean=0.1))["smoothness"]["holds"] is True  # d mu = 10 is the most
    for mean, expected in ((0.711, True), (0.712, None)):
        assert holds(run, single(mean=mean))["variance"]["holds"] is expected
    certified = holds(run, single(mean=0.9), "--constants", "certified")
    assert certified["smoothness"]["holds"] is certified["variance"]["holds"] is True
    assert "proven" not in certified


def test_the_counter_example_is_crossed(run: Run) -> None:
    """One input of 100 ones, where (7) is known to be false by a factor of 50."""
    spec = single(mean=1.0, mean_square=1.0)
    spec["training"] = {"stepsize": 0.24, "batch_size": 100, "iterations": 2000}
    found = holds(run, spec)
    assert found["smoothness"]["holds"] is False
    assert found["proven"]["holds"] is False
    assert found["certified_stepsize"]["holds"] is False
    assert found["certified_stepsize"]["limit"] == pytest.approx(2 / (0.15405857 * 100))
    assert found["stepsize"]["holds"] is True
    assert found["stepsize"]["limit"] == pytest.approx(16 / 13)


def test_the_box_against_exact_probabilities(run: Run) -> None:
    for w, expected in ((5.0, True), (1.0, False), (0.0, False)):
        spec = {
            "network": {"kind": "multilayer", "layers": [4, 3, 2], "weight_bound": w},
            "training": {"stepsize": 1e-3, "batch_size": 10, "iterations": 50, "keep_prob": 1},
        }
        found = holds(run, spec)["box"]
        chance = mpmath.erf(w * mpmath.sqrt(2)) ** 12 * mpmath.erf(w * mpmath.sqrt(1.5)) ** 6
        assert found["value"] == pytest.approx(float(chance), abs=1e-12)
        assert found["holds"] is expected
    assert "box" not in holds(run, single())


def test_singular_values_are_in_their_ball_but_for_one_in_a_hundred(run: Run) -> None:
    """Of both layers together, each beyond 1 + sqrt(d_l / d_{l-1}) + t with exp(-t^2 d_{l-1} / 2) at most."""
    for bound, expected in ((9.0, True), (3.0, False)):
        spec = {
            "network": {"kind": "multilayer", "layers": [4, 4, 2], "spectral_bound": bound},
            "training": {"stepsize": 1e-3, "batch_size": 10, "iterations": 50, "keep_prob": 1},
        }
        found = holds(run, spec)["box"]
        assert 2 * math.exp(-((found["limit"] - 2) ** 2) * 4 / 2) == pytest.approx(0.01)
        assert (found["value"], found["holds"]) == (bound, True if expected else None)


def test_moments_that_no_data_have(run: Run) -> None:
    """Two columns of mean 0.25: tau is largest for (0.5, 0), so 0.125, far below the mean itself."""
    for square, expected in ((0.0625, True), (0.125, True), (0.13, False), (0.24, False)):
        found = holds(run, single(inputs=2, mean=0.25, mean_square=square))["moments_exist"]
        assert found["holds"] is expected, square
        assert found["limit"] == pytest.approx(0.125)


def test_what_depends_on_the_spec_alone(run: Run) -> None:
    spec = single(mean=0.3, samples=500)
    assert holds(run, spec)["sampling"]["holds"] is True  # 10 * 50 rows are used
    spec["data"]["samples"] = 499
    assert holds(run, spec)["sampling"]["holds"] is None
    assert holds(run, spec)["stopping"]["holds"] is None
    spec["training"]["stopping"] = "uniform"
    assert holds(run, spec)["stopping"]["holds"] is True
    found = holds(run, spec)["suboptimality"]
    assert (found["holds"], found["value"]) == (True, 2.0)
    spec["training"]["initial_loss"] = 0.5
    assert holds(run, spec)["suboptimality"]["holds"] is None
    spec["training"]["initial_loss"] = 2
    assert holds(run, spec)["suboptimality"]["holds"] is True
    box: dict[str, Any] = {
        "network": {"kind": "autoencoder", "layers": [8, 3], "weight_bound": 0.1},
        "training": {"stepsize": 0.01, "batch_size": 10, "iterations": 50, "keep_prob": 1},
    }
    assert holds(run, box)["masks"]["holds"] is True
    assert holds(run, box)["cross_term"]["holds"] is False
    assert holds(run, box, "--constants", "certified")["cross_term"]["holds"] is True
    box["training"]["keep_prob"] = 0.9
    assert holds(run, box)["masks"]["holds"] is None


def test_the_cross_term_is_what_the_certified_bound_has(run: Run) -> None:
    """With the same U and sigma^2 the certified bound is the printed one and the missing term."""
    box: dict[str, Any] = {
        "network": {"kind": "autoencoder", "layers": [8, 3], "weight_bound": 0.1},
        "data": {"mean": 0.3, "mean_square": 0.1},
        "training": {"stepsize": 0.01, "batch_size": 10, "iterations": 50, "keep_prob": 1},
    }
    document = run.document("explain", "-", stdin=json.dumps(box))
    terms = {term["name"]: term["value"] for term in document["terms"]}
    missing = {each["id"]: each for each in document["assumptions"]}["cross_term"]["value"]
    a, s = terms["initial_error"] + terms["gradient_noise"], terms["projection_noise"]
    assert document["bound"] + missing == pytest.approx((math.sqrt(a) + math.sqrt(s)) ** 2)


def test_a_file_ticks_what_it_shows(run: Run, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "bare.npz", x=generator.random((30, 4)))
    np.savez(tmp_path / "wide.npz", x=9 * generator.random((30, 4)), y=generator.integers(0, 3, 30))
    for name, targets in (("bare", None), ("wide", True)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"network: {{kind: single_layer, layers: [4, 3]}}\ndata: {{file: {name}.npz}}\n")
        document = run.document("explain", path)
        found = {each["id"]: each for each in document["assumptions"]}
        assert found["inputs"]["holds"] is True
        assert ("mapped" in found["inputs"]["reason"]) == (name == "wide")
        assert found["targets"]["holds"] is targets
        assert found["moments"]["holds"] is True
