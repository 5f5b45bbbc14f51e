"""Verdicts on invented measurements, whose means are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from conftest import present
from scipy import stats

from rsgadvise.ask.verify import judging
from rsgadvise.ask.verify.cases import (
    Block,
    BlockResult,
    Case,
    CaseResult,
    Claim,
    Experiment,
    Miss,
    Setting,
    Verification,
    build_case,
)
from rsgadvise.ask.verify.running import overall, run_cases
from rsgadvise.training.networks import Data, Network
from rsgadvise.training.sequences import ConfidenceSequence

Draw = Callable[[np.random.Generator], float]


class Invented:
    """A runner that draws each replica's value from a law of its case, without training anything."""

    slots = 4

    def __init__(self, single: list[Draw], *, seed: int = 0, spread: int = 16, loss: float = 0.1) -> None:
        self.single, self.seed, self.spread, self.loss = single, seed, spread, loss
        self.blocks: list[tuple[int, Block]] = []

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        self.blocks.append((case, block))
        rng, draw = np.random.default_rng((self.seed, case, block.first)), self.single[case]
        looks = self.spread if block.trajectory else 1
        future: Future[BlockResult] = Future()
        found = np.array([[draw(rng) for _ in range(looks)] for _ in range(block.count)]).mean(axis=1)
        future.set_result(BlockResult(found, found, np.full(block.count, self.loss), 0.01))
        return future

    def equip(self, experiments: Sequence[Experiment]) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def case(
    bounds: tuple[float | None, ...], *, highest: float = 1.0, alpha: float = 0.001, name: str = "a"
) -> Case:
    plain = build_case(
        Setting(
            name=name,
            network=Network("single_layer", (2, 1)),
            data=Data(np.ones((1, 2)), np.zeros((1, 1))),
            stepsizes=(0.1,),
            batch_size=1,
            iterations=3,
        ),
        seed=0,
        alpha=alpha,
    )
    names = ("paper", "certified")
    claims = tuple(
        Claim(constants, bound, "(7)", vacuous=False, expected="consistent")
        for constants, bound in zip(names, bounds, strict=False)
    )
    return replace(plain, claims=claims, highest=highest, limit=highest, alpha=alpha)


def judged(cases: list[Case], runner: Invented, *, runs: int = 1000) -> Verification:
    return run_cases(cases, runner, runs=runs, confidence=0.99, seed=0)


def one(bound: float, draw: Draw, *, runs: int = 1000, highest: float = 1.0) -> CaseResult:
    found = judged([case((bound,), highest=highest)], Invented([draw]), runs=runs).cases
    assert len(found) == 1
    return found[0]


def exponential(mean: float) -> Draw:
    return lambda rng: min(1.0, float(rng.exponential(mean)))


@pytest.mark.parametrize(
    ("bound", "draw", "most", "verdict", "approximate", "runs"),
    [
        (0.1, exponential(0.01), 1000, "consistent", False, range(33, 400)),  # it stops when it has decided
        (0.01, exponential(0.1), 1000, "falsified", False, [32]),  # by the pilot
        (1e-5, exponential(2e-6), 1000, "inconclusive", True, [32]),  # what cannot be reached is not begun
        (0.0999, exponential(0.1), 64, "inconclusive", False, [64]),  # a mean above it is never approximate
        (0.011, exponential(0.01), 1, "inconclusive", False, [1]),
        (0.5, lambda _: 0.1, 2, "inconclusive", True, [2]),
        (0.1, lambda _: 0.0, 1000, "consistent", False, range(33, 400)),
    ],
)
def test_verdicts(
    bound: float, draw: Draw, most: int, verdict: str, approximate: bool, runs: Sequence[int]
) -> None:
    found = one(bound, draw, runs=most)
    assert (found.verdict, found.approximate, found.passed) == (verdict, approximate, verdict == "consistent")
    assert found.runs in runs
    assert found.lower is not None
    assert found.upper is not None
    assert found.measured is not None
    assert found.lower <= found.measured <= found.upper
    assert (found.upper < bound) == (approximate or verdict == "consistent")
    assert (found.lower > bound) == (verdict == "falsified")
    assert (found.looseness is None) == (found.measured == 0)


def test_slightly_above_needs_more_trajectories_and_gets_them() -> None:
    runner = Invented([exponential(0.1)])
    (found,) = judged([case((0.08,))], runner, runs=4000).cases
    assert found.verdict == "falsified"
    assert found.runs > 32
    assert all(block.trajectory for _, block in runner.blocks)


@pytest.mark.parametrize("allowed", [False, True])
def test_approximate_is_no_pass(allowed: bool) -> None:
    """The mean is the bound: rare spikes, which half of all samples of 32 do not hold."""

    def spike(rng: np.random.Generator) -> float:
        return float(rng.random() < 0.02)

    approximate = 0
    for seed in range(40):
        found = run_cases(
            [case((0.02,))],
            Invented([spike], seed=seed, spread=1),
            runs=32,
            confidence=0.99,
            seed=0,
            allow_approximate=allowed,
        )
        (entry,) = found.cases
        assert not entry.passed
        assert found.verdict == "inconclusive"
        assert found.exit_code == (0 if allowed and entry.approximate else 3)
        approximate += entry.approximate
    assert approximate > 10, "or this tests nothing"


def test_what_is_allowed_excuses_nothing_else() -> None:
    def together(*draws: Draw, expected: str = "consistent") -> Verification:
        plain = [case((0.02,), name=str(number)) for number in range(len(draws))]
        hoped = [
            replace(entry, claims=(replace(entry.claims[0], expected=expected),))  # type: ignore[arg-type]
            for entry in plain
        ]
        return run_cases(
            hoped, Invented(list(draws)), runs=32, confidence=0.99, seed=0, allow_approximate=True
        )

    below, unclear, above = lambda _: 0.01, exponential(0.0199), exponential(0.2)
    assert together(below).exit_code == 0
    assert together(below, unclear).exit_code == 3
    assert together(below, above).exit_code == 1
    assert together(below, expected="falsified").exit_code == 3


def test_a_loss_that_does_not_fall_is_not_approximate() -> None:
    strict = replace(case((1e-5,)), loss_falls=True, initial_loss=0.5)
    (found,) = judged([strict], Invented([exponential(2e-6)], loss=0.50001)).cases
    assert (found.verdict, found.approximate) == ("inconclusive", False)


def test_one_sequence_serves_both_bounds() -> None:
    runner = Invented([exponential(0.05)])
    paper, certified = judged([case((0.01, 0.3))], runner).cases
    assert (paper.verdict, certified.verdict) == ("falsified", "consistent")
    assert (paper.lower, paper.upper, paper.runs) == (certified.lower, certified.upper, certified.runs)
    assert sum(block.count for _, block in runner.blocks) == paper.runs


def test_a_claim_without_a_bound_is_not_counted() -> None:
    found = judged([case((None, 0.3))], Invented([exponential(0.01)]))
    assert [entry.verdict for entry in found.cases] == ["inconclusive", "consistent"]
    assert not found.cases[0].checked
    assert found.verdict == "consistent"
    nothing = judged([case((None,))], Invented([exponential(0.01)]))
    assert nothing.verdict == "inconclusive"


def test_divergence_is_inconclusive() -> None:
    found = one(0.1, lambda rng: float("nan") if rng.random() < 0.2 else 0.01)
    assert found.verdict == "inconclusive"
    assert any("Diverged" in note for note in found.notes)
    assert found.measured is None


def test_more_than_the_largest_gradient_falsifies_the_limit() -> None:
    found = one(0.9, lambda _: 1.5)
    assert found.verdict == "falsified"
    assert any("limit is wrong" in note for note in found.notes)


@pytest.mark.parametrize(
    ("loss", "verdict"), [(0.2, "consistent"), (0.50001, "inconclusive"), (0.9, "falsified")]
)
def test_the_loss_has_to_fall(loss: float, verdict: str) -> None:
    strict = replace(case((0.5,)), loss_falls=True, initial_loss=0.5)
    (found,) = judged([strict], Invented([exponential(0.01)], loss=loss)).cases
    assert found.verdict == verdict
    relaxed = replace(strict, loss_falls=False)
    (found,) = judged([relaxed], Invented([exponential(0.01)], loss=loss)).cases
    assert found.verdict == "consistent"


def test_sampled_masks_widen_the_limits() -> None:
    plain = case((0.1,))
    noisy = replace(plain, mask_error=0.01)
    (sharp,) = judged([plain], Invented([lambda _: 0.05]), runs=400).cases
    (wide,) = judged([noisy], Invented([lambda _: 0.05]), runs=400).cases
    assert sharp.verdict == "consistent"
    assert wide.verdict == "inconclusive", "(sqrt 0.05 + 0.1)^2 is above 0.1"
    assert present(wide.lower) <= (0.05**0.5 - 0.1) ** 2
    (far,) = judged([replace(noisy, claims=plain.claims)], Invented([lambda _: 0.5])).cases
    assert far.verdict == "falsified"


@pytest.mark.parametrize(
    ("miss_chance", "verdict"), [(0.0, "consistent"), (0.01, "consistent"), (0.5, "falsified")]
)
def test_share_of_misses(miss_chance: float, verdict: str) -> None:
    """Each run misses with the square root, so both of a repetition miss with `miss_chance`."""

    def draw(rng: np.random.Generator) -> float:
        return 0.9 if rng.random() < miss_chance**0.5 else 0.001

    statement = replace(case((0.5,)), miss=Miss(eps=0.01, delta=0.1, runs=2))
    (found,) = judged([statement], Invented([draw]), runs=2000).cases
    assert found.verdict == verdict
    assert (found.quantity, found.bound) == ("miss_probability", 0.1)
    assert found.runs % 2 == 0


def test_misses_need_at_least_one_repetition() -> None:
    statement = replace(case((0.5,)), miss=Miss(eps=0.01, delta=0.1, runs=5))
    (found,) = judged([statement], Invented([lambda _: 0.0]), runs=4).cases
    assert (found.verdict, found.runs, found.measured) == ("inconclusive", 0, None)


def test_an_expected_falsification_that_fails_to_appear_fails_the_whole() -> None:
    def as_expected(claim: Claim, verdict: str) -> Claim:
        return replace(claim, expected=verdict)  # type: ignore[arg-type]

    plain = case((0.5,))
    hoped = replace(plain, claims=(as_expected(plain.claims[0], "falsified"),))
    found = judged([hoped], Invented([exponential(0.01)]))
    assert (found.cases[0].verdict, found.verdict, found.exit_code) == ("consistent", "falsified", 1)
    assert overall([]) == "inconclusive"


def test_false_alarms_over_the_whole_suite() -> None:
    """Means exactly at the bound, laws of every shape: some verdict is wrong in at most 1 - confidence."""

    def rare(rng: np.random.Generator) -> float:
        return float(rng.random() < 0.05)

    laws: list[tuple[Draw, float]] = [
        (rare, 0.05),
        (lambda rng: float(rng.random() < 0.5), 0.5),
        (lambda rng: float(rng.beta(0.1, 0.9)), 0.1),
        (lambda rng: float(rng.uniform(0.0, 0.4)), 0.2),
        (lambda _: 0.25, 0.25),
        (lambda rng: float(rng.beta(8, 2)), 0.8),
    ]
    confidence, suites, wrong = 0.7, 60, 0
    alpha = (1 - confidence) / len(laws)
    cases = [case((mean,), alpha=alpha, name=str(n)) for n, (_, mean) in enumerate(laws)]
    for suite in range(suites):
        runner = Invented([draw for draw, _ in laws], seed=suite, spread=1)
        found = judged(cases, runner, runs=128).cases
        wrong += any(entry.verdict != "inconclusive" for entry in found)
    assert stats.binomtest(wrong, suites, 1 - confidence, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize("loss_falls", [False, True])
def test_a_case_spends_no_more_than_its_share(loss_falls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sequences of one case together err with at most the probability that the case was given."""
    spent: list[float] = []

    def sequence(*, highest: float, alpha: float) -> ConfidenceSequence:
        spent.append(alpha)
        return ConfidenceSequence(highest=highest, alpha=alpha)

    monkeypatch.setattr(judging, "ConfidenceSequence", sequence)
    judging.Judge(replace(case((0.5,), alpha=0.01), loss_falls=loss_falls), runs=10)
    _, on_the_loss = spent  # which decides nothing where no loss has to fall
    assert sum(spent) - on_the_loss * (not loss_falls) == pytest.approx(0.01)


def test_no_lower_limit_is_left_where_sampled_masks_hide_more_than_was_measured() -> None:
    noisy = replace(case((0.9,)), mask_error=0.25)
    (found,) = judged([noisy], Invented([lambda _: 0.01]), runs=400).cases
    assert found.lower == 0
    assert present(found.upper) >= (0.01**0.5 + 0.5) ** 2
