"""Confidence limits for the mean of bounded observations and for a probability."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Bets as shares of the largest one that cannot lose more than everything, and what is put on each. Half
# goes on the largest: it decides wherever the observations vary little, as trajectory averages do.
_SHARES = 2.0 ** (-np.arange(25) / 2)
_LOG_STAKES = -np.log((np.arange(25) + 1.0) * (np.arange(25) + 2.0))
_STEP_BACK = 1e-8  # of a limit: more than the root search can be off
_TINY = 1e-250  # observations that small say nothing that a float could hold
_ROUNDING = 1e-9  # of the largest value: observations may exceed it by rounding


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of an increasing function; `low` where it is nowhere negative, `high` where nowhere positive."""
    from scipy.optimize import brentq

    if function(low) >= 0:
        return low
    return high if function(high) <= 0 else float(brentq(function, low, high, xtol=1e-10))


class ConfidenceSequence:
    """Limits for the mean of observations in [0, highest], valid at all times together.

    The observations need not be alike: each has the same conditional mean m given those before it. With
    shares c and stakes s that sum to at most 1, the capitals

        K_low(m)  = sum_c s_c prod_i (1 + c (X_i - m) / m),
        K_high(m) = sum_c s_c prod_i (1 + c (m - X_i) / (highest - m))

    are non-negative martingales that start at no more than 1 where m is the mean, so that each ever
    reaches 2/alpha with probability at most alpha/2 (Ville's inequality). Excluded is every m at which
    one of them ever did; since K_low falls and K_high rises with m, what is left is an interval.

    Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86
        (2024), with a fixed mixture of bets in place of predicted ones.
    Kind: P(the mean ever lies outside) <= alpha, at any sample size and under any stopping rule.
    Assumes: 0 <= X_i <= highest.

    Args:
        highest: largest possible observation.
        alpha: probability of error.

    Example:
        >>> limits = ConfidenceSequence(highest=1.0, alpha=0.05)
        >>> limits.update(np.full(40, 0.25))
        >>> round(limits.lower, 2), round(limits.upper, 2)
        (0.22, 0.33)
    """

    def __init__(self, *, highest: float, alpha: float) -> None:
        self.highest = highest * (1 + _ROUNDING)
        self.lower, self.upper = 0.0, self.highest
        self._threshold = math.log(2 / alpha)
        self._seen: FloatArray = np.empty(0)

    def update(self, values: FloatArray) -> None:
        """Take in further observations and narrow the limits.

        Raises:
            ValueError: an observation lies outside [0, highest], so that the assumption is wrong.
        """
        if values.size and not (np.min(values) >= 0 and np.max(values) <= self.highest):
            raise ValueError(
                f"observations must lie in [0, {self.highest:g}]; got {values.min():g} to {values.max():g}"
            )
        self._seen = np.concatenate([self._seen, values])
        if self._seen.size == 0 or self.highest == 0:
            return
        self.lower = max(self.lower, self._lower_limit() * (1 - _STEP_BACK))
        self.upper = min(self.upper, self._upper_limit() * (1 + _STEP_BACK))

    def evidence_missing(self, bound: float) -> float:
        """What the logarithm of K_high(bound) still lacks for the upper limit to fall below `bound`."""
        if bound >= self.highest:
            return 0.0
        gains = (bound - self._seen) / (self.highest - bound)
        return max(0.0, self._threshold - self._log_capital(gains))

    def _lower_limit(self) -> float:
        """Largest m > 0 at which K_low has reached the threshold, or 0; no less than the limit so far."""
        top = float(self._seen.max())
        if top < _TINY:
            return 0.0

        def shortfall(logarithm: float) -> float:
            return self._threshold - self._log_capital(self._seen / math.exp(logarithm) - 1)

        bottom = math.log(top) - 60.0
        if self.lower > 0:
            known = math.log(self.lower)
            if known >= math.log(top) or shortfall(known) > 0:
                return self.lower  # most looks move no limit: one evaluation in place of a search
            bottom = max(bottom, known)
        root = _root(shortfall, bottom, math.log(top))
        return 0.0 if root <= bottom else math.exp(root)

    def _upper_limit(self) -> float:
        """Smallest m at which K_high has reached the threshold, or `highest`; no more than the last."""
        room = self.highest - self._seen

        def surplus(gap: float) -> float:
            # Searched in the logarithm of highest - m: the capital moves on that scale near the top.
            return -self._threshold + self._log_capital(room / math.exp(-gap) - 1)

        # K_high rises with m, so it falls with the gap; the gap runs from that of the smallest value up.
        widest, narrowest = float(room.max()), self.highest * 1e-12
        if widest <= narrowest:
            return self.highest
        known = self.highest - self.upper
        if known > narrowest:
            if known >= widest or surplus(-math.log(known)) < 0:
                return self.upper
            narrowest = known
        root = _root(surplus, -math.log(widest), -math.log(narrowest))
        if root >= -math.log(narrowest):
            return self.highest
        return self.highest - math.exp(-root) * (1 - _STEP_BACK)

    def _log_capital(self, gains: FloatArray) -> float:
        """log sum_c s_c prod_i (1 + c gain_i), gains >= -1."""
        with np.errstate(divide="ignore"):
            wealth = np.log1p(np.maximum(_SHARES[:, None] * gains, -1.0)).sum(axis=1) + _LOG_STAKES
        highest = float(wealth.max())
        return highest if math.isinf(highest) else highest + math.log(np.exp(wealth - highest).sum())


def classical_upper_limit(values: FloatArray, *, alpha: float) -> float:
    """Student's one-sided upper limit mean + t s/sqrt(n): approximate, and valid for one look only.

    Kind: coverage 1 - alpha for normal observations, less for skewed ones.
    """
    from scipy.special import stdtrit

    if values.size < 2:
        return math.inf
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    return float(values.mean()) + float(stdtrit(values.size - 1, 1 - alpha)) * error


def student_limits(values: FloatArray, *, alpha: float) -> tuple[float, float]:
    """Student's interval mean -+ t s/sqrt(n) for the mean of non-negative observations, alpha/2 on each side.

    Kind: as `classical_upper_limit`, on both sides; (0, infinity) for a single observation.

    Example:
        >>> [round(limit, 3) for limit in student_limits(np.array([1.0, 2.0, 3.0]), alpha=0.05)]
        [0.0, 4.484]
        >>> [round(limit, 3) for limit in student_limits(np.array([9.0, 10.0, 11.0]), alpha=0.05)]
        [7.516, 12.484]
    """
    upper = classical_upper_limit(values, alpha=alpha / 2)
    if not math.isfinite(upper):
        return 0.0, math.inf
    # The mean of what is never negative is not negative either.
    return max(0.0, -classical_upper_limit(-values, alpha=alpha / 2)), upper


def binomial_limits(*, successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """Clopper and Pearson's exact interval for a probability, alpha/2 on each side.

    Example:
        >>> low, high = binomial_limits(successes=0, trials=100, alpha=0.05)
        >>> low, round(high, 4)
        (0.0, 0.0362)
    """
    from scipy.special import betaincinv

    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, alpha / 2))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - alpha / 2))
    return low, high
