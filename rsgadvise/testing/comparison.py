"""Is one training worse than another with the same seed, by more than a margin?"""

from __future__ import annotations

import math

from rsgadvise.errors import UsageError
from rsgadvise.testing.outcome import Outcome, Train, Verdict, again, check_alpha, ended, listed

_MOST_PAIRS = 200  # enough where new is worse in at most a quarter of the seeds, or in three quarters or more


def assert_not_worse(
    new: Train, old: Train, *, margin: float, alpha: float = 1e-3, max_runs: int | None = None
) -> Outcome:
    """Assert that a new training is not worse than an old one by more than a margin, seed by seed.

    A sign test: with q the probability that new(seed) > old(seed) + margin, a confidence sequence for q,
    which holds at all times together, goes on until it lies above or below 1/2. Nothing is assumed of the
    losses, not even a mean. Where q < 1/2 the median of new(seed) - old(seed) is at most the margin; the
    mean may be more, where few seeds are much worse.

    Source: `rsgadvise.training.sequences.ConfidenceSequence`.
    Kind: P(fails as refuted | q <= 1/2) <= alpha/2 and P(passes | q >= 1/2) <= alpha/2.
    Assumes: seeds are independent of each other; new(seed) and old(seed) need not be.

    Args:
        new, old: train once with a seed and return a loss: smaller is better. NaN and infinite numbers count
            as an infinite loss, which is not worse than another one. What they raise is raised.
        margin: by how much a loss may be worse. Two codes that train alike are each worse in half of the
            seeds, so that they need one that matters beside the differences between seeds.
        alpha: probability of error, between 0 and 0.5.
        max_runs: most pairs, 200 by default, by which a q of at most 1/4, or at least 3/4, is decided with
            probability 0.998 at least.

    Returns:
        What was seen.

    Raises:
        AssertionError: new is worse by more than the margin in more than half of the seeds; or undecided
            after `max_runs`.
        TypeError: new or old returned no number.
        UsageError: an argument is out of range, or `max_runs` are too few to decide.

    Example:
        >>> assert_not_worse(lambda seed: 0.30, lambda seed: 0.31, margin=0.02).runs
        12
    """
    __tracebackhide__ = True
    import numpy as np

    from rsgadvise.training.sequences import ConfidenceSequence

    check_alpha(alpha)
    if not math.isfinite(margin):
        raise UsageError(f"margin must be a finite number; got {margin:g}; give what a loss may be worse by")
    fewest, best = 0, ConfidenceSequence(highest=1.0, alpha=alpha)
    while best.upper >= 0.5:
        best.update(np.zeros(1))
        fewest += 1
    most = _MOST_PAIRS if max_runs is None else max_runs
    if most < fewest:
        raise UsageError(
            f"max_runs must be at least {fewest} for anything to be decided at alpha={alpha:g}; got "
            f"{most}; raise it, or raise alpha"
        )
    limits = ConfidenceSequence(highest=1.0, alpha=alpha)
    differences: list[float] = []
    while limits.lower <= 0.5 <= limits.upper and len(differences) < most:
        seed = len(differences)
        differences.append(_difference(ended("new", new, seed), ended("old", old, seed)))
        limits.update(np.array([float(differences[-1] > margin)]))
    wrong = [seed for seed, difference in enumerate(differences) if difference > margin]
    claim = f"new is worse than old by more than {margin:g}"
    seen = (
        f"it was in {len(wrong)} of {len(differences)}, and is in {100 * limits.lower:.3g} to "
        f"{100 * min(limits.upper, 1):.3g} % of all; error probability at most {alpha:g}"
    )
    rest = [f"runs by new - old: {listed(differences)}", again("new", wrong)]
    verdict: Verdict
    if limits.upper < 0.5:
        verdict = "passed"
        lines = [f"refuted that {claim} in at least half of the seeds: {seen}"]
    elif limits.lower > 0.5:
        verdict = "failed"
        lines = [f"refuted that {claim} in at most half of the seeds: {seen}", *rest]
    else:
        verdict = "undecided"
        lines = [
            f"undecided whether {claim} in half of the seeds: {seen}; max_runs is {most}",
            "a margin farther from what is usual below, a mean of several trainings in place of each, or a "
            "larger max_runs would decide",
            *rest,
        ]
    successes = len(differences) - len(wrong)
    return Outcome(verdict, len(differences), successes, "\n".join(lines), tuple(differences)).settled()


def _difference(new: float, old: float) -> float:
    """new - old, where a run that ended with no finite number has an infinite loss."""
    if not math.isfinite(new):
        return math.inf if math.isfinite(old) else 0.0
    return new - old if math.isfinite(old) else -math.inf
