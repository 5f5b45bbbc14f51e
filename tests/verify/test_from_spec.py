"""A spec becomes the setting that it describes, and its bounds those of `rsgadvise bound`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.ask.verify.cases import Case, Setting, build_case
from rsgadvise.ask.verify.from_spec import Values, chosen_values, setting_from_spec
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import Spec
from rsgadvise.theory.certified import certified_constants
from rsgadvise.theory.problem import Problem
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, Network

NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": (6, 2)},
    "autoencoder": {"kind": "autoencoder", "layers": (6, 3), "weight_bound": 0.4},
    "multilayer": {"kind": "multilayer", "layers": (6, 4, 2), "weight_bound": (0.4, 0.7)},
}
SCHEDULES: list[dict[str, Any]] = [
    {},
    {"decay": 0.5, "stopping": "matched"},
    {"decay": 0.3},
    {"stopping": "increasing"},
    {"stopping": "last"},
    {"stopping": (0.5, 0.0, 0.25, 0.25), "iterations": 4},
]


def spec_of(kind: str, **training: Any) -> Spec:
    fixed = {"stepsize": 0.2, "batch_size": 8, "iterations": 50, **training}
    return Spec.model_validate(
        {"network": NETWORKS[kind], "data": {"mean": 0.3, "mean_square": 0.12}, "training": fixed}
    )


def values_of(spec: Spec) -> Values:
    values, advised = chosen_values(spec)
    assert not advised
    return values


def case_of(spec: Spec) -> tuple[Case, Data]:
    setting, moments = setting_from_spec(spec, values_of(spec), name="a", seed=0)
    return build_case(setting, seed=0, alpha=0.01, moments=moments), setting.data


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_bounds_are_those_of_the_bound_command(kind: str, schedule: dict[str, Any]) -> None:
    """With the measured f(W1) and the moments of the rows that were trained on."""
    spec = spec_of(kind, **schedule)
    case, data = case_of(spec)
    moments = moments_of(data)
    exact = {
        "mean": moments.mean,
        "mean_square": moments.mean_square,
        "second_moment": moments.second_moment,
        "top_eigenvalue": moments.top_eigenvalue,
    }
    training = spec.training.model_copy(update={"initial_loss": case.initial_loss})
    report = evaluate(spec.model_copy(update={"training": training}), measured=exact)
    paper, certified = case.claims
    assert paper.bound == pytest.approx(report.bound, rel=1e-9)
    if schedule.get("stopping") == "matched":
        # P_R matches the paper's constants here, and the certified ones in `bound`.
        assert certified.bound == pytest.approx(report.certified_bound, rel=0.05)
    else:
        assert certified.bound == pytest.approx(report.certified_bound, rel=1e-9)
    assert paper.equation == report.equation


def test_generated_moments_are_the_specs() -> None:
    _, data = case_of(spec_of("single_layer"))
    moments = moments_of(data)
    assert (moments.mean, moments.mean_square) == pytest.approx((0.3, 0.12), rel=1e-12)


def test_certified_constants_see_the_rows_not_the_worst_case() -> None:
    rows = np.random.default_rng(0).random((40, 6)) * 0.3
    spec = spec_of("single_layer")
    data = Data(rows, np.zeros((40, 2)))
    known = moments_of(data)
    measured = {
        "mean": known.mean,
        "mean_square": known.mean_square,
        "second_moment": known.second_moment,
        "top_eigenvalue": known.top_eigenvalue,
    }
    setting, moments = setting_from_spec(
        spec, values_of(spec), name="a", seed=0, data=data, measured=measured
    )
    assert setting.data is data
    assert moments.top_eigenvalue == pytest.approx(np.linalg.eigvalsh(rows.T @ rows / 40)[-1], rel=1e-9)


def test_start_is_the_contracts() -> None:
    """W_l ~ N(0, 1/d_{l-1}) clipped to the box, one for all replicas, decided by the seed."""
    spec = spec_of("multilayer")
    setting, _ = setting_from_spec(spec, values_of(spec), name="a", seed=0)
    starts = [build_case(setting, seed=seed, alpha=0.01).experiment.start for seed in (0, 0, 1)]
    assert np.array_equal(starts[0][0], starts[1][0])
    assert not np.array_equal(starts[0][0], starts[2][0])
    assert starts[0][0].shape == (1, 4, 6)
    assert np.abs(starts[0][0]).max() <= 0.4


def test_matched_stopping_needs_a_stepsize_in_some_range() -> None:
    spec = spec_of("single_layer", stepsize=500.0, decay=0.5, stopping="matched")
    with pytest.raises(HypothesisError, match="probabilities would be negative") as caught:
        case_of(spec)
    assert caught.value.quantity == "stepsize"


def test_outside_the_papers_range_matching_is_to_certified_constants() -> None:
    spec = spec_of("single_layer", stepsize=1.4, decay=0.5, stopping="matched")
    paper, certified = case_of(spec)[0].claims
    assert paper.bound is None
    assert certified.bound is not None
    assert not certified.vacuous


def test_alpha_is_no_less_than_the_spec_says() -> None:
    """Also where pretraining reaches more: it is an upper limit that the bound rests on."""
    spec = spec_of("multilayer", pretraining={"tolerance": 0.9})
    setting, _ = setting_from_spec(spec, values_of(spec), name="a", seed=0)
    assert setting.start is not None
    assert setting.pretraining == 0.9


def test_what_sampled_masks_add_is_the_variance_of_a_mean() -> None:
    """Two halves of so many masks per row: sigma^2 over all samples."""
    network = Network("multilayer", (16, 8, 2), (1.0, 1.0), 0.5)
    rows = np.random.default_rng(0).random((40, 16))
    setting = Setting("a", network, Data(rows, np.zeros((40, 2))), (0.5, 0.5), 8, 10)
    case = build_case(setting, seed=0, alpha=0.01)
    problem = Problem(network.kind, network.layers, (1.0, 1.0), 1.0, moments_of(setting.data), 2.0, 40, ())
    variance = float(certified_constants(problem, np.asarray(0.5)).gradient_variance)
    assert case.mask_error == pytest.approx(variance / (2 * 40 * case.experiment.mask_samples))
