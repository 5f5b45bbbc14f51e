"""Searches over independent problems at once, their grids, and whole numbers. They know no domain words."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ENDS = 1e-300, 1e300  # of a geometric grid; quotients of neighbours are numbers there
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_SCAN = 2048  # points of a scan asked for in one call, so that their work arrays stay small
_FEW = 24  # problems up to which a call costs more than its elements
_SHALLOW = 100.0  # a valley that stands so much higher on the grid of a scan is not worth refining


def distinct(values: FloatArray) -> FloatArray:
    """The distinct values in increasing order.

    `numpy.unique` would do, but it loads `numpy.ma`, which costs more than all else here.
    """
    ordered = np.sort(values)
    return np.asarray(ordered[np.concatenate([[True], np.diff(ordered) > 0])])


def once(function: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    """`function(values)`, worked out for one where all are the same, as keep probabilities nearly always are.

    Example:
        >>> once(lambda zeta: zeta**2, np.array([0.5, 0.5])).tolist()
        [0.25, 0.25]
    """
    if values.size < _FEW or (values != values.flat[0]).any():
        return function(values)
    value = function(np.asarray(values.flat[0]))
    return np.asarray(np.broadcast_to(value, np.broadcast_shapes(value.shape, values.shape)))


def whole_number(value: float, *, most: int = 10**15) -> int:
    """A computed number that stands for a whole one, rounded to it and held within [-most, most].

    Every float that a formula gave becomes an integer here: infinity, which `int` refuses, is `most`.

    Raises:
        HypothesisError: the number is none, which nothing could be said of.

    Example:
        >>> whole_number(2.9999999999), whole_number(float("inf"), most=4096), whole_number(np.floor(2.7))
        (3, 4096, 2)
    """
    if math.isnan(value):
        raise HypothesisError(
            "must stay within the range of floating-point numbers; got no number (nan); make the extreme "
            "values of the spec less extreme"
        )
    if abs(value) >= most:
        return most if value > 0 else -most
    return round(float(value))


def geometric(
    lower: FloatArray | float, upper: FloatArray | float, points: int, *, axis: int = 0
) -> FloatArray:
    """Points at even steps of the logarithm, both ends among them; ends are held where logarithms exist.

    Example:
        >>> geometric(1.0, 100.0, 3).tolist(), bool(geometric(0.0, 1.0, 3)[0] > 0)
        ([1.0, 10.0, 100.0], True)
    """
    low, high = (np.clip(np.asarray(end, dtype=np.float64), *_ENDS) for end in (lower, upper))
    grid = np.geomspace(low, high, points, axis=axis)
    ends = np.expand_dims(low, axis), np.expand_dims(high, axis)
    return np.asarray(np.clip(grid, *ends))  # by rounding points leave an interval that is short


def whole_grid(
    lower: FloatArray | float, upper: FloatArray | float, points: int, *, axis: int = 0
) -> FloatArray:
    """The same rounded to whole numbers, so that neighbours may be equal.

    Example:
        >>> whole_grid(1, 1000, 4).tolist()
        [1.0, 10.0, 100.0, 1000.0]
    """
    return np.asarray(np.round(geometric(lower, upper, points, axis=axis)))


def minimize_unimodal(
    function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, *, steps: int = 60
) -> FloatArray:
    """Minimiser of each unimodal function on [lower, upper], by Brent's method.

    Parabolas through the three best points where they can be trusted, else golden sections. The ends are
    compared with the interior at the close, so a minimum on the boundary is returned exactly. Where all
    that was seen of a function is inf the search goes left.

    Source: Brent, Algorithms for Minimization without Derivatives, 1973, chapter 5.

    Args:
        function: maps one point per problem to one value per problem; may return inf.
        lower, upper: interval ends, one per problem.
        steps: the most evaluations after the first; the interval shrinks 0.618-fold in each at worst, and
            the search ends as soon as all have shrunk as much as that.

    Returns:
        One minimiser per problem.

    Example:
        >>> minimize_unimodal(lambda x: (x - 3.0) ** 2, np.array([2.0]), np.array([9.0])).round(6)
        array([3.])
    """

    def value_at(points: FloatArray) -> FloatArray:
        values = function(points)
        return np.where(np.isnan(values), np.inf, values)

    first, last = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    left, right, close = first, last, (last - first) * _GOLDEN**steps
    best = first + (1 - _GOLDEN) * (last - first)
    second = third = best
    at_best = at_second = at_third = value_at(best)
    step, before = np.zeros(best.shape), np.zeros(best.shape)
    for _ in range(steps):
        middle = (left + right) / 2
        if np.all(np.abs(best - middle) <= 2 * close - (right - left) / 2):
            break
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            r = (best - second) * (at_best - at_third)
            q = (best - third) * (at_best - at_second)
            bend = 2 * (r - q)
            jump = ((best - third) * q - (best - second) * r) / bend
            trusted = (np.abs(before) > close) & (np.abs(jump) < np.abs(before) / 2)
            trusted &= (best + jump > left) & (best + jump < right)
            edge = (best + jump - left < 2 * close) | (right - best - jump < 2 * close)
        jump = np.where(edge, np.where(middle >= best, close, -close), jump)
        side = np.where(best >= middle, left, right) - best
        before, step = np.where(trusted, step, side), np.where(trusted, jump, (1 - _GOLDEN) * side)
        probe = np.clip(best + np.where(np.abs(step) >= close, step, np.copysign(close, step)), left, right)
        value = value_at(probe)
        on_right = probe >= best
        better = (value <= at_best) & ~(np.isinf(value) & on_right)
        left = np.where(better & on_right, best, np.where(~better & ~on_right, probe, left))
        right = np.where(better & ~on_right, best, np.where(~better & on_right, probe, right))
        next_best = ~better & ((value <= at_second) | (second == best))
        fourth = ~(better | next_best) & ((value <= at_third) | (third == best) | (third == second))
        moved = better | next_best
        third, at_third = (
            np.where(moved, old, np.where(fourth, new, kept))
            for old, new, kept in ((second, probe, third), (at_second, value, at_third))
        )
        second, at_second = (
            np.where(better, old, np.where(next_best, new, kept))
            for old, new, kept in ((best, probe, second), (at_best, value, at_second))
        )
        best, at_best = np.where(better, probe, best), np.where(better, value, at_best)
    points = np.stack([best, first, last])
    values = np.stack([at_best, value_at(first), value_at(last)])
    at = np.argmin(values, axis=0)
    return np.asarray(np.take_along_axis(points, at[None, ...], axis=0)[0])


def minimize_scan(
    function: Callable[[FloatArray], FloatArray],
    lower: FloatArray,
    upper: FloatArray,
    *,
    points: int = 97,
    steps: int = 45,
    valleys: int = 1,
) -> FloatArray:
    """Minimiser of each function on [lower, upper] where unimodality is not proven.

    The lowest `valleys` local minima among `points` equally spaced points (ends included), each refined
    by `minimize_unimodal` between its two neighbours. Exact for a unimodal function; for any other the best
    local minimum among those that the scan resolves: a narrow valley can look shallower on the grid than
    a wide one, so more than one is refined where both occur.

    Args:
        function: maps points, along new first axes, to values of the same shape; may return inf.
        lower, upper: interval ends, one per problem.
        points, valleys: of the scan. steps: of each refinement.
    """
    first, last = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    shares = np.linspace(0.0, 1.0, points)
    at_once = max(1, _SCAN // max(first.size, 1))
    blocks = [shares[k : k + at_once].reshape(-1, *(1,) * first.ndim) for k in range(0, points, at_once)]
    values = np.concatenate([function(first + block * (last - first)) for block in blocks])
    values = np.where(np.isnan(values), np.inf, values)
    best = np.argmin(values, axis=0)[None, ...]
    if valleys > 1:
        wall = np.full((1, *first.shape), np.inf)
        low = (values <= np.concatenate([wall, values[:-1]])) & (values <= np.concatenate([values[1:], wall]))
        lowest = np.where(low, values, np.inf)
        others = np.argsort(lowest, axis=0, kind="stable")[:valleys]
        if np.any(np.take_along_axis(lowest, others[1:], axis=0) <= _SHALLOW * lowest.min(axis=0)):
            best = others
    step = (last - first) / (points - 1)
    left = first + np.maximum(best - 1, 0) * step
    right = np.minimum(first + np.minimum(best + 1, points - 1) * step, last)
    if first.size <= _FEW:
        minimisers = minimize_grid(function, left, right, points=33, rounds=-(-steps // 6))
    else:
        minimisers = minimize_unimodal(function, left, right, steps=steps)
    if len(best) == 1:
        return np.asarray(minimisers[0])
    at = np.argmin(function(minimisers), axis=0)[None, ...]
    return np.asarray(np.take_along_axis(minimisers, at, axis=0)[0])


def minimize_grid(
    function: Callable[[FloatArray], FloatArray],
    lower: FloatArray,
    upper: FloatArray,
    *,
    points: int = 9,
    rounds: int = 7,
) -> FloatArray:
    """Minimiser of each unimodal function on [lower, upper], by grids that narrow around their best point.

    For functions whose cost is in the call rather than in its elements: 9 points and 7 rounds narrow an
    interval 16,384-fold in 7 calls.

    Args:
        function: maps points, along a new first axis, to values of the same shape.
        lower, upper: interval ends, one per problem.

    Example:
        >>> minimize_grid(lambda x: (x - 3.0) ** 2, np.array([2.0]), np.array([9.0])).round(3)
        array([3.])
    """
    left, right = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    shares = np.linspace(0.0, 1.0, points).reshape(-1, *(1,) * left.ndim)
    best = left
    for _ in range(rounds):
        grid = left + shares * (right - left)
        values = function(grid)
        at = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0)[None, ...]

        def pick(index: NDArray[np.intp], among: FloatArray = grid) -> FloatArray:
            return np.asarray(np.take_along_axis(among, index, axis=0)[0])

        best = pick(at)
        left, right = pick(np.maximum(at - 1, 0)), pick(np.minimum(at + 1, points - 1))
    return best


def increasing_root(
    function: Callable[[FloatArray], FloatArray],
    lower: FloatArray,
    upper: FloatArray,
    *,
    tolerance: float = 1e-9,
    steps: int = 200,
) -> FloatArray:
    """Root of each increasing function on [lower, upper]; an end where there is no sign change.

    Chandrupatla's method: inverse quadratic interpolation where it is safe, else bisection.

    Source: Chandrupatla, Advances in Engineering Software 28(3), 1997.

    Args:
        function: maps one point per problem to one value per problem.
        lower, upper: brackets.
        tolerance: absolute accuracy of the root.
        steps: hard limit on the number of evaluations after the first two.

    Returns:
        One root per problem: `lower` where the function is nowhere negative, `upper` where it is
        nowhere positive.

    Example:
        >>> increasing_root(lambda x: x**3 - 8.0, np.array([1.0]), np.array([50.0])).round(6)
        array([2.])
    """
    first, last = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    newest, other = first, last
    at_newest, at_other = function(newest), function(other)
    fixed = np.where(at_newest >= 0, first, last)
    outside = (at_newest >= 0) | (at_other <= 0)
    share: FloatArray = np.full(first.shape, 0.5)
    above, gap = at_newest > 0, other - newest
    for _ in range(steps):
        point = newest + share * gap
        value = function(point)
        before, above = above, value > 0
        same = above == before
        third, at_third = np.where(same, newest, other), np.where(same, at_newest, at_other)
        other, at_other = np.where(same, other, newest), np.where(same, at_other, at_newest)
        newest, at_newest = point, value
        gap = other - newest
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            margin = tolerance / np.abs(gap)
            if (outside | (margin > 0.5) | (value == 0)).all():
                break
            # Every step of a search is here: what two quotients share is computed once, and none by np.clip.
            near, far = at_other - at_newest, at_other - at_third
            xi, phi = gap / (other - third), near / far
            inverse = (
                at_newest / near * at_third / far
                - (third - newest) / gap * at_newest / (at_third - at_newest) * at_other / far
            )
            rest = 1 - phi
            safe = (phi * phi < xi) & (rest * rest < 1 - xi)
        margin = np.minimum(margin, 0.5)
        share = np.minimum(np.maximum(np.where(safe, inverse, 0.5), margin), 1 - margin)
    closest = np.where(np.abs(at_newest) <= np.abs(at_other), newest, other)
    return np.where(outside, fixed, closest)


def smallest_integer(
    accept: Callable[[IntArray], NDArray[np.bool_]], lower: IntArray, upper: IntArray, *, points: int = 9
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Smallest integer in [lower, upper] that is accepted, where acceptance is monotone.

    Each call of `accept` narrows every interval eightfold, for functions whose cost is in the call.

    Args:
        accept: maps integers, along a new first axis, to answers of the same shape; once true an
            answer stays true.
        lower, upper: inclusive ends.

    Returns:
        The integers, and whether one was accepted at all (else the integer is `upper`).

    Example:
        >>> found, ok = smallest_integer(lambda n: n * n >= 50, np.array([0]), np.array([100]))
        >>> int(found[0]), bool(ok[0])
        (8, True)
    """
    first, last = np.broadcast_arrays(np.asarray(lower, np.int64), np.asarray(upper, np.int64))
    ends = np.asarray(accept(np.stack([first, last])), dtype=bool)
    accepted = ends[1]
    # The interval (fails, meets] holds the answer; it is empty where an end is the answer.
    meets = np.where(ends[0], first, last)
    fails = np.where(accepted & ~ends[0], first, meets)
    steps = np.arange(1, points).reshape(-1, *(1,) * first.ndim)
    while (meets - fails > 1).any():
        width = meets - fails
        # Quotient and remainder apart, so that no product leaves the range of the integers.
        inner = fails + width // (points - 1) * steps + width % (points - 1) * steps // (points - 1)
        good = np.asarray(accept(inner), dtype=bool)
        good[-1] = True  # the last point is `meets`
        at = np.argmax(good, axis=0)[None, ...]
        before = np.concatenate([fails[None, ...], inner[:-1]])
        fails, meets = (np.take_along_axis(among, at, axis=0)[0] for among in (before, inner))
    return meets, accepted
