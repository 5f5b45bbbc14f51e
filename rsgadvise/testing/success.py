"""Does training with a random seed mostly end below a number?"""

from __future__ import annotations

import math

from rsgadvise.errors import UsageError
from rsgadvise.testing.outcome import Outcome, Train, Verdict, again, check_alpha, ended, listed

_ROUNDING = 1e-9  # of a logarithm: sums of steps may miss a threshold that they reach


def assert_trains(
    train: Train,
    *,
    below: float,
    rate: float = 0.9,
    floor: float = 0.5,
    alpha: float = 1e-3,
    max_runs: int | None = None,
) -> Outcome:
    """Assert that training with a random seed mostly ends below a number.

    Wald's sequential probability ratio test. With k of n runs below, the assertion fails once

        (floor/rate)^k ((1 - floor)/(1 - rate))^(n - k) >= 1/alpha

    and passes once the inverse of that ratio is. The ratio is a supermartingale wherever each run ends below
    with probability `rate` or more, and its inverse wherever that is `floor` or less, so that neither
    reaches 1/alpha with more than probability alpha (Ville's inequality), however long one goes on.

    Source: Wald, Sequential tests of statistical hypotheses, Annals of Mathematical Statistics 16 (1945).
    Kind: P(fails as refuted | at least `rate`) <= alpha and P(passes | at most `floor`) <= alpha. In between
        either may come.
    Assumes: runs with different seeds are independent. A `train` that ignores its seed is one run.

    Args:
        train: train(seed) trains once, with nothing random but the seed, and returns a number, such as the
            final loss. A run that returns NaN or an infinite number has not ended below. What it raises
            is raised.
        below: what a run that went well ends below; `choose_below` measures it.
        rate: share of runs that end below where all is well.
        floor: share of runs that end below where something is broken.
        alpha: probability of either error, between 0 and 0.5.
        max_runs: most runs. By default 1.5 ln(alpha)/ln(sqrt(rate floor) + sqrt((1 - rate)(1 - floor))),
            93, by which a share of `rate` or more, or of `floor` or less, is undecided with probability at
            most alpha (Chernoff's inequality).

    Returns:
        What was seen.

    Raises:
        AssertionError: refuted that at least `rate` of runs end below; or undecided after `max_runs`.
        TypeError: `train` returned no number.
        UsageError: an argument is out of range, or `max_runs` are too few to pass.

    Example:
        >>> assert_trains(lambda seed: 1 / (seed + 3), below=0.5).runs
        12
    """
    __tracebackhide__ = True
    check_alpha(alpha)
    if math.isnan(below):
        raise UsageError("below must be a number; got nan; choose_below(train) measures one")
    if not 0 <= floor < rate <= 1:
        raise UsageError(
            f"floor and rate must be shares with 0 <= floor < rate <= 1; got floor={floor:g} and "
            f"rate={rate:g}; change one of the two"
        )
    up = math.log(rate / floor) if floor else math.inf
    down = math.log((1 - floor) / (1 - rate)) if rate < 1 else math.inf
    needed = -math.log(alpha) - _ROUNDING
    most = _most_runs(rate, floor, alpha) if max_runs is None else max_runs
    fewest = _steps(needed, up)
    if most < fewest:
        raise UsageError(
            f"max_runs must be at least {fewest} for any training to pass at floor={floor:g}, "
            f"rate={rate:g} and alpha={alpha:g}; got {most}; raise it, lower floor, or raise alpha"
        )
    values: list[float] = []
    evidence = 0.0
    while abs(evidence) < needed and len(values) < most:
        values.append(ended("train", train, len(values)))
        evidence += up if _ends_below(values[-1], below) else -down
    wrong = [seed for seed, value in enumerate(values) if not _ends_below(value, below)]
    successes = len(values) - len(wrong)
    seen = f"{successes} of {len(values)} runs ended below {below:g}"
    claim = f"at least {100 * rate:g} % of runs end below {below:g}"
    rest = [f"runs by what they returned: {listed(values)}", again("train", wrong)]
    if len(set(values)) == 1:
        rest.append("all runs returned the same: does train use its seed?")
    verdict: Verdict
    if evidence >= needed:
        verdict = "passed"
        lines = [f"refuted that at most {100 * floor:g} % of runs end below {below:g}: {seen}"]
    elif evidence <= -needed:
        verdict = "failed"
        lines = [f"refuted that {claim}: {seen}; error probability at most {alpha:g}", *rest]
    else:
        verdict = "undecided"
        lines = [
            f"undecided whether {claim}, or at most {100 * floor:g} %: {seen}, and max_runs is {most}",
            f"{_steps(needed - evidence, up)} more in a row that end below would pass, "
            f"{_steps(needed + evidence, down)} that do not would fail: raise max_runs; where the true "
            "share lies between the two, move rate, floor or below, or mend the training",
            *rest,
        ]
    return Outcome(verdict, len(values), successes, "\n".join(lines), tuple(values)).settled()


def choose_below(train: Train, *, rate: float = 0.9, alpha: float = 1e-3, runs: int | None = None) -> float:
    """What to write as `below` of `assert_trains`, measured on code that is known to train.

    The smallest of the returned values, in order of size, that a share `rate` of all runs stay at or below
    with confidence 1 - alpha: the m-th, with P(Binomial(runs, rate) >= m) <= alpha. It says when good code
    passes, and nothing of the faults that it lets through: plant those that matter, and see them fail.

    Source: Wilks, Determination of sample sizes for setting tolerance limits, Annals of Mathematical
        Statistics 12 (1941).
    Kind: P(fewer than `rate` of runs end below the number returned) <= alpha, whatever their distribution.
    Assumes: runs with different seeds are independent.

    Args:
        train: as of `assert_trains`, with code that is known to be good.
        rate: the one to be asserted, between 0 and 1.
        alpha: probability that the number is too small, between 0 and 0.5.
        runs: trainings, by default three times the fewest possible, ln(alpha)/ln(rate): 198. Of the fewest
            the worst counts, so that one unlucky seed decides; more leave the worst of them aside.

    Returns:
        The next number above that value.

    Raises:
        TypeError: `train` returned no number.
        UsageError: an argument is out of range, `runs` are too few, or too many of them end with no finite
            number.

    Example:
        >>> round(choose_below(lambda seed: float(seed), runs=66), 9)
        65.0
    """
    __tracebackhide__ = True
    check_alpha(alpha)
    if not 0 < rate < 1:
        raise UsageError(
            f"rate must lie between 0 and 1; got {rate:g}; give that of assert_trains, such as 0.9"
        )
    fewest = math.ceil(math.log(alpha) / math.log(rate) - _ROUNDING)
    count = 3 * fewest if runs is None else runs
    if count < fewest:
        raise UsageError(
            f"runs must be at least {fewest} at rate={rate:g} and alpha={alpha:g}; got {count}; raise it, "
            "lower rate, or raise alpha"
        )
    place = _place(count, rate, alpha)
    values = sorted(
        (ended("train", train, seed) for seed in range(count)),
        key=lambda value: (not math.isfinite(value), value),
    )
    if not math.isfinite(values[place - 1]):
        broken = sum(not math.isfinite(value) for value in values)
        raise UsageError(
            f"at most {count - place} of {count} runs may end with no finite number at rate={rate:g} and "
            f"alpha={alpha:g}; {broken} did; mend the training, lower rate, or raise runs"
        )
    return math.nextafter(values[place - 1], math.inf)


def _place(count: int, rate: float, alpha: float) -> int:
    """Smallest m with P(Binomial(count, rate) >= m) <= alpha, where there is one."""
    tail, place = rate**count, count
    while True:
        more = math.comb(count, place - 1) * rate ** (place - 1) * (1 - rate) ** (count - place + 1)
        if tail + more > alpha:
            return place
        tail, place = tail + more, place - 1


def _most_runs(rate: float, floor: float, alpha: float) -> int:
    """Runs after which a share of `rate` is undecided with probability at most alpha, as is one of `floor`.

    At both, the square root of the ratio against has the mean of the Bhattacharyya coefficient, and beyond
    a smaller one; undecided after n runs means that the ratio is above alpha: P <= alpha^(-1/2) c^n.
    """
    coefficient = math.sqrt(rate * floor) + math.sqrt((1 - rate) * (1 - floor))
    return math.ceil(1.5 * math.log(alpha) / math.log(coefficient)) if coefficient else 1


def _steps(evidence: float, step: float) -> int:
    return max(1, math.ceil(evidence / step))


def _ends_below(value: float, below: float) -> bool:
    return math.isfinite(value) and value < below
