"""(12) and (13): reductions, the global optimum against a geometric-program solver, plans."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import cvxpy
import numpy as np
import pytest

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import Geometry, optimal_stepsize
from rsgadvise.theory.multilayer import (
    Structure,
    dropout_bound,
    smallest_batch_size,
    stepsize_limits,
    structure,
)
from rsgadvise.theory.multilayer_optimum import optimal_hyperparameters, required_iterations


def network(seed: int) -> tuple[Structure, dict[str, Any]]:
    """A random network with a random horizon, batch and start."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 7))
    layers = np.round(np.exp(rng.uniform(0, 6.5, depth + 1))).astype(int)
    boxes = np.exp(rng.uniform(-6, 1, depth))
    net = structure(
        layers=layers.tolist(), weight_bound=boxes.tolist(), pretraining=float(np.exp(rng.uniform(-6, 1)))
    )
    case: dict[str, Any] = {
        "batch_size": float(np.round(np.exp(rng.uniform(0, 8)))),
        "iterations": float(np.round(np.exp(rng.uniform(0, 14)))),
        "initial_loss": float(layers[-1] * rng.uniform(0.05, 1)),
        "ceiling": float(layers[-1]),
    }
    return net, case


def solve_gp(net: Structure, case: dict[str, Any], low: float, high: float) -> float:
    """The minimum of (13) by cvxpy's disciplined geometric programming."""
    depth = len(net.curvatures)
    gammas = [cvxpy.Variable(pos=True) for _ in range(depth)]
    zeta, shared = cvxpy.Variable(pos=True), cvxpy.Variable(pos=True)
    alpha, batch = float(net.pretraining), case["batch_size"]
    cost = case["initial_loss"] / case["iterations"] / zeta**2
    cost += float(net.output_noise) / batch * gammas[-1] ** 2 / zeta
    for index, noise in enumerate(net.hidden_noise):
        damping = 1 if index == depth - 2 else zeta
        cost += alpha * float(noise) / batch * gammas[index] * damping
    rules = [zeta >= low, zeta <= high]
    rules += [shared / g + float(b) * g <= 1 for g, b in zip(gammas, net.curvatures, strict=True)]
    problem = cvxpy.Problem(cvxpy.Minimize(cost / shared), rules)
    with warnings.catch_warnings():
        # "May be inaccurate" is judged by the comparison itself.
        warnings.simplefilter("ignore", UserWarning)
        problem.solve(gp=True, solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status in ("optimal", "optimal_inaccurate")
    return float(problem.value)


@pytest.mark.parametrize("seed", range(18))
def test_optimum_agrees_with_a_geometric_program_solver(seed: int) -> None:
    net, case = network(seed)
    keep_prob = ((1.0, 1.0), (0.05, 1.0), (0.5, 0.8))[seed % 3]
    stepsize, zeta = optimal_hyperparameters(net=net, keep_prob=keep_prob, **case)
    ours = float(dropout_bound(net=net, stepsize=stepsize, keep_prob=zeta, **case).value)
    assert ours == pytest.approx(solve_gp(net, case, *keep_prob), rel=1e-6)


def test_many_candidates_at_once_equal_one_at_a_time() -> None:
    """More than one block, with widths that vary by candidate."""
    rng = np.random.default_rng(5)
    count = 9000
    hidden = np.asarray(np.round(np.exp(rng.uniform(1, 6, count))), dtype=np.float64)
    net = structure(layers=[50, hidden, 30, 4], weight_bound=[0.1, 0.2, 0.1], pretraining=0.3)
    batch = np.asarray(np.round(np.exp(rng.uniform(0, 6, count))), dtype=np.float64)
    n = np.asarray(np.round(np.exp(rng.uniform(1, 12, count))), dtype=np.float64)
    stepsize, zeta = optimal_hyperparameters(
        net=net, batch_size=batch, iterations=n, initial_loss=1.0, ceiling=4.0, keep_prob=(0.1, 1.0)
    )
    assert stepsize.shape == (count, 3)
    for index in (0, 17, 8191, 8192, 8999):
        alone = structure(
            layers=[50, float(hidden[index]), 30, 4], weight_bound=[0.1, 0.2, 0.1], pretraining=0.3
        )
        one, keep = optimal_hyperparameters(
            net=alone,
            batch_size=batch[index],
            iterations=n[index],
            initial_loss=1.0,
            ceiling=4.0,
            keep_prob=(0.1, 1.0),
        )
        assert stepsize[index] == pytest.approx(one, rel=1e-6)
        assert zeta[index] == pytest.approx(float(keep), rel=1e-6)


def test_13_without_dropout_is_12_written_out() -> None:
    layers, boxes, alpha = [7, 5, 4, 3], [0.2, 0.3, 0.4], 0.6
    gammas, n, b, loss = np.asarray([0.1, 0.2, 0.3]), 50.0, 4.0, 1.5
    e = [gammas[i] / 4 * layers[i] * layers[i + 1] * layers[i + 2] * boxes[i] for i in range(2)]
    e_last = 13 * layers[2] * layers[3] * gammas[2] ** 2 / 256
    parts = [gammas[2] - 13 / 16 * gammas[2] ** 2]
    parts += [gammas[i] - alpha * layers[i + 2] * boxes[i] / 20 * gammas[i] ** 2 for i in range(2)]
    by_hand = (loss / n + (e_last + alpha * sum(e)) / b) / min(parts)
    net = structure(layers=layers, weight_bound=boxes, pretraining=alpha)
    bound = dropout_bound(
        net=net, stepsize=gammas, keep_prob=1.0, batch_size=b, iterations=n, initial_loss=loss, ceiling=3.0
    )
    assert float(bound.value) == pytest.approx(by_hand, rel=1e-13)


@pytest.mark.parametrize("stopping", ["uniform", "matched", "increasing", "last"])
@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_other_schedules_agree_with_the_single_layer_descent(stopping: str, decay: float) -> None:
    """At L = 1 the layered [T1] must be the scalar one, term for term."""
    from rsgadvise.theory.descent import descent_bound

    net = structure(layers=[100, 5], weight_bound=[1.0])
    common: dict[str, Any] = {
        "batch_size": 50.0,
        "iterations": 400.0,
        "ceiling": 5.0,
        "decay": decay,
        "stopping": stopping,
    }
    ours = dropout_bound(net=net, stepsize=np.asarray([0.3]), keep_prob=1.0, initial_loss=5.0, **common)
    scalar = descent_bound(
        stepsize=0.3,
        suboptimality=5.0,
        smoothness=13 / 8,
        gradient_variance=500 / 16,
        geometry=Geometry.FREE,
        **common,
    )
    assert float(ours.value) == pytest.approx(float(scalar.value), rel=1e-12)


@pytest.mark.parametrize(
    ("layers", "boxes", "pretraining", "n", "decay", "stopping", "loss", "batch"),
    [
        ([7, 70, 11], [7.8e-4, 0.0119], 0.0165, 14, 7e-4, "uniform", 1.16e-5, 82171.0),
        ([38, 10, 38], [0.092, 1.8e-4], 0.696, 8, 0.707, "uniform", 7.5e-6, 67.5),
        ([9, 171, 10], [0.054, 0.0111], 0.404, 12, 0.179, "uniform", 4.3e-5, 1853.0),
        ([30, 31, 20], [0.015, 5e-4], 1.47, 29, 1.415, "increasing", 1.785, 1.98),
        ([11, 192, 3], [0.0239, 2.5e-4], 0.735, 27, 0.543, "increasing", 2.15, 236.0),
    ],
)
def test_decaying_optimum_where_the_bound_has_two_valleys(
    layers: list[int], boxes: list[float], pretraining: float, n: int, decay: float, stopping: Any,
    loss: float, batch: float,
) -> None:  # fmt: skip
    """A scan of five or nine shares falls into the wrong one here; a grid of both stepsizes does not."""
    net = structure(layers=layers, weight_bound=boxes, pretraining=pretraining)
    common: dict[str, Any] = {
        "net": net, "batch_size": batch, "iterations": float(n), "initial_loss": loss,
        "ceiling": float(layers[-1]), "decay": decay, "stopping": stopping,
    }  # fmt: skip
    stepsize, zeta = optimal_hyperparameters(keep_prob=(0.5, 1.0), **common)
    best = float(dropout_bound(stepsize=stepsize, keep_prob=zeta, **common).value)
    shares = 1 / (1 + np.exp(-np.linspace(-12, 12, 161)))
    pairs = np.stack(np.meshgrid(*(float(limit) * shares for limit in stepsize_limits(net))), axis=-1)
    values = [
        dropout_bound(stepsize=pairs, keep_prob=keep, **common).value.min() for keep in (0.5, 0.75, 1.0)
    ]
    assert best <= min(values) * (1 + 1e-9)
    assert min(values) <= best * 1.1


@pytest.mark.parametrize("loss", [1e-300, 1e-200, 1e-100, 1e-30, 1e-9, 1.0, 30.0])
@pytest.mark.parametrize("boxes", [(1.3, 1.3, 1.3), (1e-3, 5.0, 0.1)])
def test_the_keep_probability_of_the_optimum_is_the_best_of_a_grid(loss: float, boxes: Any) -> None:
    # Where nearly nothing is to be learned all terms but the lower layers' noise are as good as 0.
    net = structure(layers=[7, 12, 112, 43], weight_bound=boxes)
    for n in np.geomspace(1, 1e6, 25).round():
        case: dict[str, Any] = {"batch_size": 11.0, "iterations": n, "initial_loss": loss, "ceiling": 43.0}
        stepsize, zeta = optimal_hyperparameters(net=net, keep_prob=(0.5, 1.0), **case)
        kept = np.linspace(0.5, 1.0, 26)
        values = dropout_bound(net=net, stepsize=np.tile(stepsize, (26, 1)), keep_prob=kept, **case).value
        here = dropout_bound(net=net, stepsize=stepsize, keep_prob=zeta, **case).value
        assert here <= values.min() * (1 + 1e-9), (n, zeta)


@pytest.mark.parametrize("stopping", ["matched", "uniform", "increasing"])
def test_decaying_optimum_of_one_layer_is_that_of_the_descent(stopping: Any) -> None:
    net = structure(layers=[100, 5], weight_bound=[1.0])
    common: dict[str, Any] = {"batch_size": 50.0, "iterations": 4000.0, "decay": 0.5, "stopping": stopping}
    ours, _ = optimal_hyperparameters(net=net, initial_loss=5.0, ceiling=5.0, **common)
    scalar = optimal_stepsize(
        suboptimality=5.0,
        ceiling=5.0,
        smoothness=13 / 8,
        gradient_variance=500 / 16,
        geometry=Geometry.FREE,
        **common,
    )
    assert float(ours[0]) == pytest.approx(float(scalar), rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_plan_is_the_inverse_of_the_optimum(seed: int) -> None:
    net, case = network(seed + 100)
    keep_prob = (0.1, 1.0)
    stepsize, zeta = optimal_hyperparameters(net=net, keep_prob=keep_prob, **case)
    reached = float(dropout_bound(net=net, stepsize=stepsize, keep_prob=zeta, **case).value)
    needed, _ = required_iterations(
        net=net,
        target=reached,
        batch_size=case["batch_size"],
        initial_loss=case["initial_loss"],
        keep_prob=keep_prob,
    )
    # The bound must move with N for its inverse to be well conditioned.
    terms = dropout_bound(net=net, stepsize=stepsize, keep_prob=zeta, **case).terms
    share = float(terms["initial_error"]) / reached
    assert float(needed) == pytest.approx(case["iterations"], rel=1e-10 / share**2 + 1e-9)


@pytest.mark.parametrize("target", [1e-1, 1e-30, 1e-102, 1e-160, 1e-290])
def test_plan_of_targets_of_any_size(target: float) -> None:
    """Of one layer by hand, N = 4 D (k/B + b q)/q^2: 60 orders of magnitude below the edge is not the end."""
    net = structure(layers=[174, 126], weight_bound=[0.0013])
    loss, batch = 1e-300, 49.0
    needed, _ = required_iterations(net=net, target=target, batch_size=batch, initial_loss=loss)
    noise = 13 * 174 * 126 / 256 / batch
    by_hand = 4 * (loss / target) * (noise / target + 13 / 16)
    assert float(needed) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("target", [5e-324, 0.0])
def test_a_target_that_underflows_is_out_of_reach(target: float) -> None:
    for box in (0.0, 0.5):
        net = structure(layers=[17, 12, 3], weight_bound=[box, 1.0])
        needed, _ = required_iterations(
            net=net, target=target, batch_size=49.0, initial_loss=1.0, keep_prob=(0.1, 1.0)
        )
        assert np.isinf(needed)


@pytest.mark.parametrize("seed", range(6))
def test_feasibility_edge_is_the_closed_form(seed: int) -> None:
    net, case = network(seed + 300)
    edge = float(smallest_batch_size(net=net, target=0.05, lowest_keep_prob=0.3))
    if len(net.curvatures) == 1:
        assert edge == 0
        return
    batches = np.asarray([edge * 0.999, edge, edge * 1.01])
    needed, _ = required_iterations(
        net=net, target=0.05, batch_size=batches, initial_loss=case["initial_loss"], keep_prob=(0.3, 1.0)
    )
    assert np.isinf(needed[:2]).all()
    assert np.isfinite(needed[2])
    # Brute force agrees that below the edge even endless training stays above the target.
    grid = np.geomspace(1e-9, 0.99, 60) * float(min(stepsize_limits(net))) / 2
    for zeta in (0.3, 0.6, 1.0):
        values = dropout_bound(
            net=net,
            stepsize=np.repeat(grid[:, None], len(net.curvatures), axis=1),
            keep_prob=zeta,
            batch_size=edge * 0.999,
            iterations=1e300,
            initial_loss=1.0,
            ceiling=1.0,
        ).value
        assert values.min() > 0.05 * 0.999


def test_plan_against_a_grid_over_stepsizes_and_keep_prob() -> None:
    net = structure(layers=[784, 200, 100, 10], weight_bound=[0.05] * 3, pretraining=0.1)
    target, batch, loss = 0.05, 1e5, 2.5
    needed, zeta = required_iterations(
        net=net, target=target, batch_size=batch, initial_loss=loss, keep_prob=(0.1, 1.0)
    )
    best = np.inf
    for share, keep in itertools.product(np.geomspace(1e-3, 1, 400), np.linspace(0.1, 1, 91)):
        g = share * 0.25 / max(float(b) for b in net.curvatures)
        gammas = [2 * g / (1 + np.sqrt(max(1 - 4 * float(b) * g, 0))) for b in net.curvatures]
        noise = float(net.output_noise) * gammas[-1] ** 2 / keep + float(net.top_noise) * gammas[-2]
        noise += (
            keep * 0.1 * sum(float(k) * s for k, s in zip(net.hidden_noise[:-1], gammas[:-2], strict=True))
        )
        room = (target * g - noise / batch) * keep**2
        best = min(best, loss / room if room > 0 else np.inf)
    assert float(needed) <= best <= float(needed) * 1.01
    assert 0.1 < float(zeta) < 1


def test_zero_weight_bound_leaves_hidden_layers_free() -> None:
    net = structure(layers=[10, 5, 2], weight_bound=[0.0, 0.0])
    stepsize, zeta = optimal_hyperparameters(
        net=net, batch_size=8.0, iterations=100.0, initial_loss=1.0, ceiling=2.0, keep_prob=(0.5, 1.0)
    )
    assert np.isfinite(stepsize).all()
    assert float(zeta) == 1.0


@pytest.mark.parametrize(
    ("stepsize", "message"),
    [
        ([0.1, 0.1], "one stepsize per layer, 3; got 2"),
        ([0.1, 0.1, 1.3], "layer 3; got 1.3"),
        ([0.0, 0.1, 0.1], "layer 1"),
    ],
)
def test_bad_stepsizes_are_refused(stepsize: list[float], message: str) -> None:
    net = structure(layers=[10, 5, 4, 2], weight_bound=[0.1] * 3)
    with pytest.raises(HypothesisError, match=message):
        dropout_bound(
            net=net,
            stepsize=np.asarray(stepsize),
            keep_prob=1.0,
            batch_size=1.0,
            iterations=10.0,
            initial_loss=1.0,
            ceiling=2.0,
        )
