"""`assert_trains`: errors as rare as promised, by exact computation, and words that help at a red build."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.testing import exact, exact_verdict, outcome_of
from rsgadvise.errors import UsageError
from rsgadvise.testing import assert_trains, choose_below

trains = partial(outcome_of, assert_trains)

SETTINGS = [
    (0.9, 0.5, 1e-3),
    (0.9, 0.5, 0.05),
    (0.9, 0.5, 1e-9),
    (0.99, 0.9, 1e-3),
    (0.6, 0.4, 1e-3),
    (0.3, 0.01, 0.01),
    (1.0, 0.5, 1e-3),
    (0.9, 0.0, 1e-3),
    (1.0, 0.0, 1e-3),
]


def most_runs(rate: float, floor: float, alpha: float) -> int:
    """The default of max_runs, read off a sequence that decides nothing."""
    # Successes and failures in the proportion in which the evidence stays where it is.
    if rate == 1 or floor == 0:
        return 93
    up, down = math.log(rate / floor), math.log((1 - floor) / (1 - rate))
    ends, evidence = [], 0.0
    for _ in range(20_000):
        ends.append(0.0 if evidence <= 0 else 1.0)
        evidence += up if ends[-1] == 0 else -down
    outcome = trains(ends.__getitem__, below=0.5, rate=rate, floor=floor, alpha=alpha)
    assert outcome.verdict == "undecided"
    return outcome.runs


@pytest.mark.parametrize(("rate", "floor", "alpha"), SETTINGS)
def test_every_verdict_is_that_of_exact_ratios(rate: float, floor: float, alpha: float) -> None:
    rng = np.random.default_rng(0)
    settings = {"rate": rate, "floor": floor, "alpha": alpha}
    for p in (0.0, floor, (rate + floor) / 2, rate, 1.0):
        for _ in range(20):
            ends = (rng.random(3000) >= p).astype(float)
            found = trains(ends.__getitem__, below=0.5, **settings, max_runs=3000)
            said, successes, runs = 0, 0, 0
            while said == 0 and runs < 3000:
                successes += int(ends[runs] == 0)
                runs += 1
                said = exact_verdict(runs, successes, **settings)
            assert (found.runs, found.successes) == (runs, successes)
            assert found.verdict == {1: "passed", -1: "failed", 0: "undecided"}[said]


@pytest.mark.parametrize(("rate", "floor", "alpha"), SETTINGS)
def test_errors_are_no_likelier_than_promised(rate: float, floor: float, alpha: float) -> None:
    """All that makes good code red, undecided too, and all that makes bad code green."""
    most = most_runs(rate, floor, alpha)
    settings: dict[str, Any] = {"rate": rate, "floor": floor, "alpha": alpha, "most": most}
    for p in (rate, (1 + rate) / 2):
        good = exact(float(p), **settings)
        assert good.failed <= alpha
        assert good.failed + good.undecided <= alpha * (1 + 1e-9)
    for p in (floor, floor / 2):
        bad = exact(float(p), **settings)
        assert bad.passed <= alpha
        assert bad.undecided <= alpha


def test_the_usual_case_takes_few_runs() -> None:
    assert most_runs(0.9, 0.5, 1e-3) == 93
    assert assert_trains(lambda seed: 0.1, below=0.5).runs == 12
    assert trains(lambda seed: 0.9, below=0.5).runs == 5
    assert exact(0.9).runs < 25


def test_seeds_are_counted_from_zero_and_none_is_used_after_the_decision() -> None:
    seeds: list[int] = []

    def train(seed: int) -> float:
        seeds.append(seed)
        return 0.1

    assert_trains(train, below=0.5)
    assert seeds == list(range(12))


def test_what_is_refuted_says_what_was_seen_and_how_to_see_it_again() -> None:
    ends = [2.5, 0.21, math.nan, 1.25, math.inf, 3.0, 0.5]
    with pytest.raises(AssertionError) as caught:
        assert_trains(ends.__getitem__, below=0.5)
    assert str(caught.value).split("\n") == [
        "refuted that at least 90 % of runs end below 0.5: 1 of 6 runs ended below 0.5; error probability at "
        "most 0.001",
        "runs by what they returned: 0.21 (seed 1), 1.25 (seed 3), 2.5 (seed 0), 3 (seed 5), nan (seed 2), "
        "inf (seed 4)",
        "went wrong: seeds 0, 2, 3, 4, 5; train(0) runs the first again",
    ]


def test_what_is_undecided_is_red_and_says_what_would_decide() -> None:
    def train(seed: int) -> float:
        return 1.0 if seed % 4 == 3 else 0.1

    with pytest.raises(AssertionError, match="undecided whether at least 90 % of runs") as caught:
        assert_trains(train, below=0.5)
    message = str(caught.value)
    assert "70 of 93 runs ended below 0.5, and max_runs is 93" in message
    assert "73 more" in message, "of 93 runs twenty are listed"
    assert "seeds 3, 7, 11" in message
    assert "and 3 more; train(3)" in message
    # What it promises would decide does, and one less does not.
    found = [int(text.split()[0]) for text in message.split("\n")[1].split(", ")[:2]]
    for more, end, verdict in zip(found, (0.1, 1.0), ("passed", "failed"), strict=True):
        then = [train(seed) for seed in range(93)] + [end] * 50
        longer = trains(then.__getitem__, below=0.5, max_runs=140)
        assert (longer.runs, longer.verdict) == (93 + more, verdict)


def test_a_seed_that_is_not_used_is_told() -> None:
    with pytest.raises(AssertionError, match="all runs returned the same: does train use its seed"):
        assert_trains(lambda seed: 0.7, below=0.5)
    with pytest.raises(AssertionError) as caught:
        assert_trains(lambda seed: 0.7 + seed, below=0.5)
    assert "the same" not in str(caught.value)


NUMBERS: list[Any] = [
    0.25,
    0,
    Fraction(1, 4),
    Decimal("0.25"),
    np.float32(0.25),
    np.int64(0),
    np.array(0.25),
    np.array([[0.25]]),
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: type(number).__name__)
def test_numbers_of_any_kind(number: Any) -> None:
    assert assert_trains(lambda seed: number, below=0.5).values[0] in {0, 0.25}


def test_numbers_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[torch]'")
    weights = torch.tensor([0.25], requires_grad=True)
    assert assert_trains(lambda seed: weights.sum(), below=0.5).values[0] == 0.25
    with pytest.raises(TypeError, match="returned Tensor"):
        assert_trains(lambda seed: torch.ones(2), below=0.5)


@pytest.mark.parametrize(
    "other", [None, "0.25", [0.25], {"loss": 0.25}, True, np.True_, 1j, np.ones(2), np.array("0.25")]
)
def test_what_is_no_number_is_one_type_error(other: Any) -> None:
    with pytest.raises(TypeError, match=r"train\(0\) returned \w+; return a number$"):
        assert_trains(lambda seed: other, below=0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_not_finite_has_not_ended_below(value: float) -> None:
    with pytest.raises(AssertionError, match="0 of 5 runs ended below inf"):
        assert_trains(lambda seed: value, below=math.inf)


def test_a_run_that_ends_at_the_number_has_not_ended_below_it() -> None:
    assert trains(lambda seed: 0.5, below=0.5).successes == 0


def test_what_train_raises_is_raised_with_its_seed() -> None:
    def train(seed: int) -> float:
        if seed == 3:
            raise FloatingPointError("overflow")
        return 0.1

    with pytest.raises(FloatingPointError, match="overflow") as caught:
        assert_trains(train, below=0.5)
    assert caught.value.__notes__ == ["raised by train(3)"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"below": math.nan}, "below must be a number; got nan"),
    ({"rate": 0.5}, "0 <= floor < rate <= 1; got floor=0.5 and rate=0.5"),
    ({"rate": 1.1}, "got floor=0.5 and rate=1.1"),
    ({"floor": -0.1}, "got floor=-0.1"),
    ({"floor": math.nan}, "got floor=nan"),
    ({"alpha": 0.0}, "alpha must lie between 0 and 0.5; got 0"),
    ({"alpha": 0.5}, "alpha must lie between 0 and 0.5; got 0.5"),
    ({"alpha": math.nan}, "alpha must lie"),
    ({"max_runs": 11}, "max_runs must be at least 12 for any training to pass .* got 11"),
    ({"max_runs": -1}, "max_runs must be at least 12"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_arguments_out_of_range_are_one_line_before_anything_is_trained(
    settings: dict[str, Any], message: str
) -> None:
    def train(seed: int) -> float:
        pytest.fail("trained")

    with pytest.raises(UsageError, match=message) as caught:
        assert_trains(train, **{"below": 0.5, **settings})
    assert "\n" not in str(caught.value)


def test_as_many_runs_as_the_error_asks_for_are_enough() -> None:
    assert assert_trains(lambda seed: 0.1, below=0.5, max_runs=12).runs == 12


# `choose_below`


def _chances(runs: int, place: int, rate: float) -> float:
    """P(at least `place` of `runs` below the quantile of `rate`), summed from the other end."""
    below = sum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(place))
    return 1 - below


@pytest.mark.parametrize(("rate", "alpha", "runs"), [(0.9, 1e-3, None), (0.9, 1e-3, 66), (0.5, 0.05, 40)])
def test_the_chosen_number_is_the_lowest_that_can_be_promised(
    rate: float, alpha: float, runs: int | None
) -> None:
    seeds: list[int] = []

    def train(seed: int) -> float:
        seeds.append(seed)
        return -float(seed)

    chosen = choose_below(train, rate=rate, alpha=alpha, runs=runs)
    count = len(seeds)
    place = sum(-seed < chosen for seed in seeds)
    assert -seeds[count - place] == math.nextafter(chosen, -math.inf)
    assert _chances(count, place, rate) <= alpha
    assert _chances(count, place - 1, rate) > alpha
    assert count == (runs or 198)
    assert (place == count) == (runs == 66), "of the fewest runs the worst counts"


def test_what_was_chosen_is_too_small_no_more_often_than_promised() -> None:
    """With uniform losses the share of runs that end below a number is the number."""
    rng = np.random.default_rng(0)
    draws = rng.random((4000, 22))
    short = sum(choose_below(row.__getitem__, alpha=0.1, runs=22) < 0.9 for row in draws)
    assert 0.05 < short / 4000 <= 0.12, "0.9^22 = 0.098"


def test_runs_that_fail_are_left_aside_as_far_as_can_be() -> None:
    def train(seed: int) -> float:
        return math.nan if seed < 4 else 0.1

    with pytest.raises(UsageError, match=r"at most 0 of 66 runs may end with no finite number .* 4 did"):
        choose_below(train, runs=66)
    assert choose_below(train) == math.nextafter(0.1, 1)


CHOOSING: list[tuple[dict[str, Any], str]] = [
    ({"rate": 1.0}, "rate must lie between 0 and 1; got 1"),
    ({"alpha": 0.7}, "alpha must lie"),
    ({"runs": 65}, "runs must be at least 66 at rate=0.9 and alpha=0.001; got 65"),
]


@pytest.mark.parametrize(("settings", "message"), CHOOSING)
def test_choosing_with_arguments_out_of_range(settings: dict[str, Any], message: str) -> None:
    never: Callable[[int], float] = lambda seed: pytest.fail("trained")  # noqa: E731
    with pytest.raises(UsageError, match=message):
        choose_below(never, **settings)
