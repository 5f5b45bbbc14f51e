"""What is guaranteed, in which box, by whose constants; against the theorems at the very choice."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, present
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.advise.guarantee import guarantee_for
from rsgadvise.advise.recommend import Rankings, choose_constants, elsewhere, rank
from rsgadvise.advise.space import Space, search_space
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.constants import (
    CertifiedNetwork,
    DeepNetwork,
    FlatNetwork,
    TiedNetwork,
)
from rsgadvise.theory.problem import Problem

DEEP: dict[str, Any] = {"kind": "multilayer", "layers": [100, 20, 5], "weight_bound": 0.05}
TARGET = {"eps": 0.05, "delta": 0.05}


def asked(network: dict[str, Any], **sections: Any) -> tuple[Problem, Space]:
    spec = Spec.model_validate({"network": network, **sections})
    problem = resolve(spec)
    return problem, search_space(spec, problem)


def constants_of(problem: Problem, zeta: float) -> tuple[float, float]:
    """(U, sigma^2) straight from the theory."""
    given: dict[str, Any] = {"layers": problem.layers, "moments": problem.moments}
    network: CertifiedNetwork = FlatNetwork(**given)
    if problem.kind == "autoencoder":
        network = TiedNetwork(**given, weight_bound=problem.weight_bounds[0])
    elif problem.kind == "multilayer":
        network = DeepNetwork(**given, weight_bound=problem.weight_bounds)
    known = network.constants(np.asarray(zeta))
    return float(known.smoothness), float(known.gradient_variance)


def by_hand(problem: Problem, constants: str, *, gamma: float, batch: float, n: float, zeta: float) -> float:
    """The bound at constant stepsize and uniform R, by the formulas of the theory notes."""
    smooth, variance = constants_of(problem, zeta)
    d, noise, e = problem.initial_loss / n, variance / batch, 1 - smooth * gamma / 2
    if constants == "floorless":
        return (2 * d / gamma + smooth * gamma * noise) / (1 - smooth * gamma)
    if problem.kind == "single_layer":
        return (d / gamma + smooth * gamma * noise / 2) / e
    return (math.sqrt((d / gamma + noise) / e) + math.sqrt(noise)) ** 2


def test_a_target_that_the_paper_has_no_plan_for() -> None:
    problem, space = asked(DEEP, target=TARGET)
    assert rank(problem, space, constants="paper", top=1).infeasible is not None
    assert choose_constants(Rankings(problem, space))[0] == "certified"
    found = present(guarantee_for(Rankings(problem, space)))
    assert (found.constants, found.proven, found.vacuous) == ("floorless", True, False)
    certified = present(Rankings(problem, space).best("certified"))
    assert found.runs * found.iterations * found.batch_size < certified.total_samples
    assert isinstance(found.stepsize, tuple)
    value = by_hand(
        problem,
        "floorless",
        gamma=found.stepsize[0],
        batch=found.batch_size,
        n=found.iterations,
        zeta=found.keep_prob,
    )
    assert value == pytest.approx(found.certified_bound, rel=1e-9)
    assert value <= 0.05 * 0.05 ** (1 / found.runs) * (1 + 1e-12)
    total = found.runs * found.iterations * found.batch_size
    length = 1 / constants_of(problem, found.keep_prob)[0]
    assert found.gradient_stepsize == pytest.approx(length)
    assert found.claim == (
        f"with probability at least 0.95 the best of {found.runs} runs has a squared projected gradient norm "
        f"at stepsize {length:.6g} of at most 0.05, after {total / 1e6:.1f}e6 samples in all"
    )
    assert found.statement.startswith(f"{found.claim}; assumes a 100-20-5 network of sigmoid units")
    assert found.statement.endswith("it is optimisation work, not a sample size for generalisation")
    assert "smallest exact gradient, over all rows and all masks" in found.statement
    assert found.comparison_rows > 0


KINDS: list[dict[str, Any]] = [
    {"kind": "single_layer", "layers": [30, 3]},
    {"kind": "autoencoder", "layers": [12, 4], "weight_bound": 0.02},
    {"kind": "multilayer", "layers": [20, 6, 2], "weight_bound": 0.1},
]


@pytest.mark.parametrize("network", KINDS)
def test_without_a_target_it_is_the_best_proven_bound(network: dict[str, Any]) -> None:
    problem, space = asked(network, data={"mean": 0.1, "samples": 20000})
    found = present(guarantee_for(Rankings(problem, space)))
    gamma = found.stepsize[0] if isinstance(found.stepsize, tuple) else found.stepsize
    held = {"batch": found.batch_size, "n": found.iterations, "zeta": found.keep_prob}
    assert by_hand(problem, found.constants, gamma=gamma, **held) == pytest.approx(found.bound, rel=1e-9)
    for factor in (0.8, 1.25):
        assert by_hand(problem, found.constants, gamma=factor * gamma, **held) > found.bound
    other = Rankings(problem, space).proven("certified")
    assert (found.constants == "floorless") == (
        problem.boxed and (other is None or other.bound > found.bound)
    )
    digits = float(found.claim.split("at most ")[1].split(" ")[0])
    assert found.bound <= digits <= 1.01 * found.bound, "rounded up, so that it stays true"
    assert f"after {found.iterations:,} iterations of {found.batch_size:,} rows" in found.claim
    paper = rank(problem, space, constants="paper", top=1).recommendations[0]
    assert not paper.proven or found.bound <= paper.bound * (1 + 1e-9)


@pytest.mark.parametrize("network", KINDS)
@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("stopping", ["uniform", "matched", "increasing", "last"])
def test_only_what_is_assumed_is_said_to_be(network: dict[str, Any], decay: float, stopping: str) -> None:
    training = {"decay": decay, "stopping": stopping, "keep_prob": 1.0, "initial_loss": 0.5}
    if network["kind"] == "single_layer":
        del training["keep_prob"]
    problem, space = asked(
        network,
        data={"mean": 0.1, "second_moment": 0.05, "samples": 2000},
        training={**training, "batch_size": 64},
        search={"iterations": {"max": 3000}},
    )
    found = guarantee_for(Rankings(problem, space))
    if found is None:
        return
    said = found.statement
    assert "inputs in [0, 1] with a mean of their squares of at most 0.05" in said
    assert "eigenvalue" not in said
    assert "f(W1) of at most 0.5" in said
    assert "mask" not in said
    assert ("projection of every weight" in said) == bool(problem.weight_bounds)
    assert ("k^-0.5 at iteration k" in said) == (decay > 0)
    assert ("drawn uniformly from all" in said) == (
        stopping == "uniform" or (stopping == "matched" and not decay)
    )
    assert "independent runs" not in said


def test_what_nobody_gave_is_at_its_worst_and_not_assumed() -> None:
    problem, space = asked({"kind": "single_layer", "layers": [5, 2]}, data={"samples": 10**6})
    found = present(guarantee_for(Rankings(problem, space)))
    assert "inputs in [0, 1], stepsize" in found.statement
    assert "f(W1)" not in found.statement, "no loss exceeds d_out"


def test_nothing_is_promised_where_nothing_is_proven() -> None:
    problem, space = asked({**DEEP, "weight_bound": 5}, budget={"samples": 100})
    assert guarantee_for(Rankings(problem, space)) is None
    constants, why = choose_constants(Rankings(problem, space))
    assert constants == "paper"
    assert "no bound below the largest gradient possible is proven" in why
    loose = {"eps": 1e4, "delta": 0.1}
    problem, space = asked(DEEP, target=loose)
    assert guarantee_for(Rankings(problem, space)) is None, (
        "no gradient is so large: one sample would meet it"
    )


def test_the_papers_bound_may_be_proven_where_the_certified_ranks_are_vacuous() -> None:
    """With half of the units kept the largest gradient is smaller than any other bound."""
    network = {"kind": "multilayer", "layers": [20, 10, 3], "weight_bound": 5}
    training = {"iterations": 500, "batch_size": 16}
    problem, space = asked(network, data={"mean": 0.4, "mean_square": 0.2}, training=training)
    known = Rankings(problem, space)
    certified, paper = known.best("certified"), known.best("paper")
    assert certified is not None
    assert certified.vacuous
    assert paper is not None
    assert paper.proven
    assert paper.bound < paper.largest_gradient
    floorless = present(known.proven("floorless"))
    assert floorless.bound < paper.bound
    constants, why = choose_constants(known)
    assert constants == "floorless"
    assert "their bound is proven" in why


@settings(deadline=None, max_examples=40)
@given(
    layers=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    mean=st.floats(0.01, 1.0),
    box=st.floats(0.01, 1.0),
    loss=st.floats(0.01, 1.0),
    samples=st.integers(1, 10**6),
    target=st.one_of(st.none(), st.floats(1e-3, 10.0)),
)
def test_no_proven_bound_of_the_papers_is_missed(
    layers: list[int], mean: float, box: float, loss: float, samples: int, target: float | None
) -> None:
    """The choice looks at the paper's ranking only where certified constants say nothing."""
    kind = "single_layer" if len(layers) == 2 else "multilayer"
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind == "multilayer":
        network["weight_bound"] = box
    problem, space = asked(
        network,
        data={"mean": mean, "samples": samples},
        training={"initial_loss": loss * layers[-1]},
        **({} if target is None else {"target": {"eps": target, "delta": 0.1}}),
    )
    known = Rankings(problem, space)
    paper, certified = known.proven("paper"), known.proven("certified")
    constants, _ = choose_constants(known)
    found = guarantee_for(known)
    other = known.proven("floorless") if kind == "multilayer" else None
    assert (found is None) == (paper is None and certified is None and other is None)
    if found is not None:
        prices = [known.price(each) for each in (paper, certified, other) if each is not None]
        assert (found.bound if target is None else found.runs * found.iterations * found.batch_size) <= min(
            prices
        ) * (1 + 1e-6)
    if paper is not None and certified is not None:
        if target is None:
            assert certified.bound <= paper.bound * (1 + 1e-6)
        else:
            assert certified.total_samples <= paper.total_samples
    if certified is not None:
        assert constants == "certified"
    if target is not None and known.best("paper") is not None and certified is None and other is None:
        assert constants == "paper" or known.best("certified") is not None


def test_the_answer_is_no_only_after_both() -> None:
    problem, space = asked(DEEP, target=TARGET)
    advice = rank(problem, space, constants="paper", top=1)
    assert advice.infeasible is not None
    best = rank(problem, space, constants="certified", top=1).recommendations[0]
    told = elsewhere(Rankings(problem, space), "paper")
    assert told == (
        f"certified constants have a plan, proven: {best.runs} runs of {best.iterations:,} iterations with "
        f"batch_size {best.batch_size:,} (--constants certified)"
    )
    assert advice.infeasible.reason.endswith(told)
    problem, space = asked(DEEP, target={"eps": 1e-9, "delta": 0.05})
    assert elsewhere(Rankings(problem, space), "paper") == (
        "certified constants and certified constants without the noise floor have no plan either"
    )
    assert choose_constants(Rankings(problem, space)) == (
        "paper",
        "Neither the paper's nor certified constants have a plan.",
    )


def written(path: Path, **sections: Any) -> Path:
    path.write_text(json.dumps({"network": DEEP, "target": TARGET, **sections}))
    return path


def test_iterations_takes_the_plan_that_there_is(run: Run, tmp_path: Path) -> None:
    spec = written(tmp_path / "s.json")
    done = run("iterations", spec, "-f", "json", "-q")
    found = json.loads(done.out)
    assert (done.code, found["constants"], found["proven"]) == (0, "certified", True)
    assert found["notes"][0] == (
        "By certified constants: the paper's constants have no plan for this target."
    )
    named = run("iterations", spec, "-f", "json", "-q", "--constants", "paper")
    refused = json.loads(named.out)
    assert (named.code, refused["constants"], refused["feasible"]) == (1, "paper", False)
    runs, n, batch = found["runs"], found["iterations"], found["batch_size"]
    assert refused["reason"].endswith(
        f"Certified constants have a plan, proven: {runs} runs of {n:,} iterations with batch_size {batch:,} "
        "(--constants certified)."
    )
    certified = run("iterations", spec, "-f", "json", "-q", "--constants", "certified")
    assert json.loads(certified.out)["iterations"] == n


def test_compare_and_design_take_the_plan_that_there_is(run: Run, tmp_path: Path) -> None:
    specs = [written(tmp_path / "a.json"), written(tmp_path / "b.json", data={"mean": 0.5})]
    compared = run.document("compare", *specs)
    assert compared["constants"] == "certified"
    assert "the paper's constants have no plan" in compared["notes"][0]
    assert run("compare", *specs, "--constants", "paper").code == 1
    design = ("design", specs[0], "--widths", "20", "--depth", "1", "--pipeline", "none", "-f", "json", "-q")
    taken = run(*design)
    assert (taken.code, json.loads(taken.out)["constants"]) == (0, "certified")
    refused = run(*design, "--constants", "paper")
    assert refused.code == 1
    assert json.loads(refused.out)["infeasible"]["reason"].endswith(
        "; certified constants have plans, the best by 100-20-5 (--constants certified)"
    )


def test_a_bound_above_the_loss_of_a_constant_prediction_is_not_useful() -> None:
    deep = {"kind": "multilayer", "layers": [20, 16, 16, 3], "weight_bound": 5, "loss": "cross_entropy"}
    found = present(guarantee_for(Rankings(*asked({**deep, "activation": "tanh"}))))
    assert found.proven
    assert found.bound > 1e3
    assert not found.useful
    known = Rankings(*asked({"kind": "multilayer", "layers": [8, 4, 2], "weight_bound": 0.05}))
    found = present(guarantee_for(known))
    assert found.bound < 0.25
    assert found.useful
    for times in (0.99, 1.01):
        again = present(guarantee_for(known, found.bound * times))
        assert again.useful == (times > 1)
    with_target = guarantee_for(Rankings(*asked(DEEP, target=TARGET)), 1e-9)
    assert with_target is None or with_target.useful
