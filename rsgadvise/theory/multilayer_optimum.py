"""The exact optimum of (12) and (13) over stepsizes and keep probability.

Both are posynomials in (stepsizes, zeta, B, N, 1/g) with g = e_gamma^m, and g <= gamma_l - b_l gamma_l^2
is a posynomial constraint, so choosing the hyper-parameters is a geometric program: convex in
logarithms, one global optimum. For fixed g the best stepsizes and the best zeta are closed forms;
what remains is convex in log g and solved here for many candidates at once.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from rsgadvise.theory.descent import Bound, FloatArray, Geometry, Numeric, optimal_stepsize, start_weight
from rsgadvise.theory.multilayer import Structure, smallest_batch_size
from rsgadvise.theory.search import increasing_root, minimize_scan
from rsgadvise.theory.stopping import Stopping, StoppingSums, prepare_sums

_POINTS = 65  # shares of the curvature scanned where stepsizes decay
_STEPS = 26  # the most that refine the best of them
_VALLEYS = 2
_SHARE_LOGIT = 20.7  # shares from 1e-9, as good as none, to 1 - 1e-9: their range is open
_EDGE_LOGIT = 17.0
_LEAST = 1e-280  # share of the largest g at which the search begins
_BLOCK = 8192  # candidates solved together: their work arrays stay in the second-level cache


class _Candidates(TypedDict):
    batch_size: FloatArray
    iterations: FloatArray
    initial_loss: FloatArray
    ceiling: FloatArray


def stepsizes_at(net: Structure, shared: FloatArray) -> list[FloatArray]:
    """gamma_l(g) = 2g / (1 + sqrt(1 - 4 b_l g)): the smallest stepsizes that reach g."""
    twice = 2 * shared
    return [twice / (1 + np.sqrt(np.maximum(1 - 4 * np.asarray(b) * shared, 0.0))) for b in net.curvatures]


def largest_shared(net: Structure) -> FloatArray:
    """1 / (4 max_l b_l), the largest g that every layer can reach."""
    return np.asarray(0.25 / np.maximum.reduce(np.broadcast_arrays(*map(np.asarray, net.curvatures))))


def _best_keep_prob(
    second: Numeric, first: Numeric, rising: Numeric, lower: float, upper: float
) -> FloatArray:
    """Minimiser of second/zeta^2 + first/zeta + rising zeta on [lower, upper].

    The derivative changes sign once, at the positive root of rising t^3 - first t - 2 second, so
    clipping is exact. Newton's method from above converges monotonically, as the cubic is convex.
    """
    c = np.asarray(rising, dtype=np.float64)
    if not np.any(c > 0):  # of two layers neither is below the top hidden one
        return np.full(np.broadcast_shapes(np.shape(second), np.shape(first), c.shape), upper)
    safe = np.where(c > 0, c, 1.0)
    p, q = np.asarray(first / safe), np.asarray(2 * np.asarray(second) / safe)
    rising_at_end = (upper * upper - p) * upper - q > 0
    if not np.any(rising_at_end & (c > 0)):  # as mostly, and roots take time
        return np.full(rising_at_end.shape, upper)
    t = np.minimum(np.cbrt(q) + np.sqrt(p), 2 * upper)
    # The cap lies left of the root: the answer is the upper end. Only the cap can, except by rounding.
    below = (t >= 2 * upper) & ((t * t - p) * t - q < 0)
    p, q = np.where(below, 0.0, p), np.where(below, 0.0, q)
    for _ in range(5):
        square = t * t  # a power of 3 would take ten times as long
        t = np.maximum((2 * square * t + q) / np.maximum(3 * square - p, 1e-300), 0.0)
    return np.where(below | (c <= 0), upper, np.clip(t, lower, upper))


def _bracket(
    net: Structure, start: FloatArray, batch: FloatArray, keep_prob: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Shares of the largest g between which the optimum at constant stepsize lies.

    The part of g^2 dF/dg that rises with g, over g^2, is least at g = 0, where it is the coefficient
    below, and at most 3.6 times that while all b_l g <= 3/16.
    """
    output = net.output_noise / batch
    bends = [
        net.pretraining * k * b / batch for k, b in zip(net.hidden_noise, net.hidden_curvature, strict=True)
    ]

    def coefficient(zeta: float) -> FloatArray:
        low = np.asarray(sum(bends[:-1], np.zeros(())))
        return np.asarray(output / zeta + (bends[-1] if bends else 0.0) + zeta * low) * zeta**2

    edge = largest_shared(net)
    ceiling = np.minimum(np.sqrt(start / coefficient(keep_prob[0])) / edge, 1 - 1e-15)
    floor = np.minimum(np.sqrt(start / (3.7 * coefficient(keep_prob[1]))) / edge, 0.75)
    return floor, ceiling


def _solve_block(
    net: Structure, start: FloatArray, batch: FloatArray, lower: float, upper: float
) -> tuple[FloatArray, FloatArray]:
    """(g, zeta) that minimise (13) at constant stepsize, `start` being D_f/N or its [T1] counterpart."""
    output = net.output_noise / batch
    weights = [net.pretraining * k / batch for k in net.hidden_noise]
    edge = largest_shared(net)

    def keep_prob(gammas: list[FloatArray]) -> FloatArray:
        if lower == upper:
            return np.full(start.shape, lower)
        low = [w * gamma for w, gamma in zip(weights[:-1], gammas[:-2], strict=True)] if weights else []
        rising = np.asarray(sum(low, np.zeros(())))
        return _best_keep_prob(start, output * gammas[-1] ** 2, rising, lower, upper)

    def slope(logit: FloatArray) -> FloatArray:
        """log of the part of g^2 dF/dg that rises with g over the part that falls."""
        shared = shared_at(logit, edge)
        gammas = stepsizes_at(net, shared)
        zeta = keep_prob(gammas)
        bend = net.output_curvature * gammas[-1]
        rise = output * gammas[-1] ** 2 / (zeta * np.maximum(1 - 2 * bend, 1e-16))
        for index, weight in enumerate(weights):
            bend = net.hidden_curvature[index] * gammas[index]
            damping = zeta if index < len(weights) - 1 else 1.0
            rise = rise + damping * weight * gammas[index] * bend / np.maximum(1 - 2 * bend, 1e-16)
        return np.log(rise * zeta**2 / start)

    floor, ceiling = _bracket(net, start, batch, (lower, upper))
    logit = increasing_root(slope, logit_of(floor), logit_of(ceiling), tolerance=1e-7)
    shared = shared_at(logit, edge)
    return shared, keep_prob(stepsizes_at(net, shared))


def logit_of(share: FloatArray) -> FloatArray:
    """t with share = tau (2 - tau), tau = 1/(1 + e^-t): smooth where a layer reaches its largest g."""
    root = np.sqrt(1 - share)
    return np.asarray(np.log(share / ((1 + root) * root)))


def shared_at(logit: FloatArray, edge: FloatArray) -> FloatArray:
    """g = edge tau (2 - tau), the inverse of `logit_of`."""
    tau = 1 / (1 + np.exp(-logit))
    return np.asarray(edge * tau * (2 - tau))


def _slice(net: Structure, shape: tuple[int, ...], part: slice) -> Structure:
    """The structure of some candidates, flattened; scalars stay scalars, which are cheaper."""

    def take(value: FloatArray) -> FloatArray:
        return value if value.ndim == 0 else np.broadcast_to(value, shape).reshape(-1)[part]

    return Structure(
        hidden_noise=tuple(map(take, net.hidden_noise)),
        hidden_curvature=tuple(map(take, net.hidden_curvature)),
        output_noise=take(net.output_noise),
        output_curvature=net.output_curvature,
        pretraining=take(net.pretraining),
    )


def optimal_hyperparameters(
    *,
    net: Structure,
    batch_size: Numeric,
    iterations: Numeric,
    initial_loss: Numeric,
    ceiling: Numeric,
    keep_prob: tuple[float, float] = (1.0, 1.0),
    decay: float = 0.0,
    stopping: Stopping = "uniform",
) -> tuple[FloatArray, FloatArray]:
    """Stepsizes and keep probability that minimise (13): the global optimum of the program.

    Every layer takes the smallest stepsize that reaches one common g, zeta is the root of a cubic
    clipped to its range, and g is found from the sign of the derivative in log g.

    Source: the geometric program (12), (13) reduced to one dimension.
    Kind: exact at constant stepsize, to a relative 1e-12 of the bound; with decay two numbers are
        searched instead of one, to about 1e-6.

    Args:
        net: from `structure`.
        batch_size, iterations, initial_loss, ceiling: B, N, f(W^1), F_max; broadcast.
        keep_prob: (lowest, highest) zeta allowed.
        decay, stopping: rho and P_R.

    Returns:
        Stepsizes of shape (candidates..., L) and zeta of shape (candidates...).
    """
    batch, n, loss, top, *_ = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (batch_size, iterations, initial_loss, ceiling)),
        net.output_noise,
        net.pretraining,
        *net.hidden_noise,
    )
    lower, upper = keep_prob
    if decay > 0:
        candidates = _Candidates(batch_size=batch, iterations=n, initial_loss=loss, ceiling=top)
        return _searched(net, candidates, keep_prob, decay, stopping)
    start = start_weight(stopping, iterations=n, suboptimality=loss, ceiling=top)
    shape, size = start.shape, start.size
    shared, zeta = np.empty(size), np.empty(size)
    flat_start, flat_batch = start.reshape(-1), batch.reshape(-1)
    for begin in range(0, size, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        shared[part], zeta[part] = _solve_block(
            _slice(net, shape, part), flat_start[part], flat_batch[part], lower, upper
        )
    gammas = stepsizes_at(net, shared.reshape(shape))
    return np.stack(np.broadcast_arrays(*gammas), axis=-1), zeta.reshape(shape)


def best_keep_prob(bound: Bound, lower: float, upper: float) -> FloatArray:
    """Keep probability in [lower, upper] that minimises (13) at given stepsizes.

    Args:
        bound: the terms of (13) at keep_prob = 1.
    """
    terms = bound.terms
    second = terms["initial_error"] + terms.get("late_stopping", 0.0)
    rising = terms.get("lower_hidden_noise", np.zeros(()))
    return _best_keep_prob(second, terms["output_noise"], rising, lower, upper)


def _searched_single(
    net: Structure, candidates: _Candidates, keep_prob: tuple[float, float], decay: float, stopping: Stopping
) -> tuple[FloatArray, FloatArray]:
    """One layer: (13) falls with zeta, and its best stepsize is that of a plain descent."""
    zeta = keep_prob[1]
    smoothness = 2 * net.output_curvature
    gamma = optimal_stepsize(
        batch_size=candidates["batch_size"],
        iterations=candidates["iterations"],
        suboptimality=candidates["initial_loss"] / zeta**2,
        ceiling=candidates["ceiling"] / zeta**2,
        smoothness=smoothness,
        gradient_variance=2 * net.output_noise / (smoothness * zeta),
        geometry=Geometry.FREE,
        decay=decay,
        stopping=stopping,
    )
    # The limit itself is outside the open range of (13).
    gamma = np.minimum(gamma, (1 - 1e-9) / net.output_curvature)
    return gamma[..., None], np.full(gamma.shape, zeta)


def _searched(
    net: Structure, candidates: _Candidates, keep_prob: tuple[float, float], decay: float, stopping: Stopping
) -> tuple[FloatArray, FloatArray]:
    """`optimal_hyperparameters` for decaying stepsizes, by a search over one number.

    The bound knows the stepsizes by their noise, by g = min gamma_l - b_l gamma_l^2 and by the share
    r = m / (g + m), m = min b_l gamma_l^2, on which alone the sums over P_R depend. At given r what is left
    is a geometric program again, see `_at_share`, and over r the optimum is scanned as in `descent`.
    """
    if not net.hidden_noise:
        return _searched_single(net, candidates, keep_prob, decay, stopping)
    sums_at = prepare_sums(stopping, iterations=candidates["iterations"], decay=decay)
    shape = candidates["batch_size"].shape

    def solved(share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return _at_share(net, candidates, keep_prob, share, sums_at(share))

    def value(logit: FloatArray) -> FloatArray:
        return solved(1 / (1 + np.exp(-logit)))[0]

    flat, gammas, zeta = solved(np.zeros(shape))
    # A layer in a box of width 0 has no curvature: then m is 0 whatever the stepsizes.
    if not all(np.all(np.greater(b, 0)) for b in net.curvatures):
        return np.moveaxis(gammas, 0, -1), zeta
    ends = np.full(shape, -_SHARE_LOGIT), np.full(shape, _SHARE_LOGIT)
    logits = minimize_scan(value, *ends, points=_POINTS, steps=_STEPS, valleys=_VALLEYS)
    bent, others, other_zeta = solved(1 / (1 + np.exp(-logits)))
    better = bent < flat
    return np.moveaxis(np.where(better, others, gammas), 0, -1), np.where(better, other_zeta, zeta)


def _at_share(
    net: Structure,
    candidates: _Candidates,
    keep_prob: tuple[float, float],
    share: FloatArray,
    sums: StoppingSums,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(bound, stepsizes along a first axis, zeta) at the best g for a share r, or less, of the curvature.

    With s = r / (1 - r) each layer takes the smallest stepsize that allows both g and m = s g,
    max(gamma_l(g), sqrt(s g / b_l)), and g (1 + s) times the bound is
    C/zeta^2 + e_L/zeta + alpha e_{L-1} + alpha zeta sum e_l: a posynomial with log-convex stepsizes, so its
    minimum over g is the one change of sign of the derivative. For r >= 1/2 every layer takes the second
    form, the bound falls with g, and the layer with the largest b_l allows g = r (1 - r) / b_l.
    """
    edge, batch, (lower, upper) = largest_shared(net), candidates["batch_size"], keep_prob
    start = sums.first * candidates["initial_loss"] + sums.variation * candidates["ceiling"]
    # Layers are stacked along a first axis, since with few candidates it is the calls that cost.
    noise = np.stack(
        [
            *(np.asarray(net.pretraining * k * sums.linear / batch) for k in net.hidden_noise),
            np.asarray(net.output_noise * sums.quadratic / batch),
        ]
    )
    b = np.stack([np.broadcast_to(np.asarray(each, np.float64), batch.shape) for each in net.curvatures])
    b = b.reshape(len(b), *(1,) * (share.ndim - batch.ndim), *batch.shape)
    # Where a layer's two stepsizes meet, b_l gamma_l = r. The largest b_l meets first, and begins the search.
    small = np.minimum(share, 0.5)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        meets = np.minimum(small * (1 - small) / (b * edge), 1.0)
        ratio = share / (1 - share) / b
    # fmax drops 0/0, a layer without curvature that shares none.
    kinks = np.minimum(logit_of(np.minimum(np.fmax(meets, _LEAST), 1 - 1e-15)), _EDGE_LOGIT)
    first = kinks.min(axis=0)

    def stepsizes(shared: FloatArray, held: NDArray[np.bool_]) -> FloatArray:
        with np.errstate(invalid="ignore", over="ignore"):
            bent = np.sqrt(ratio * shared)
        plain = 2 * shared / (1 + np.sqrt(np.maximum(1 - 4 * b * shared, 0.0)))
        return np.where(held, bent, plain)

    def noises(gammas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each term but the first without its zeta, and zeta."""
        terms = noise * gammas
        terms[-1] *= gammas[-1]
        if lower == upper:
            return terms, np.full(terms[-1].shape, lower)
        return terms, _best_keep_prob(start, terms[-1], terms[:-2].sum(axis=0), lower, upper)

    def slope(logit: FloatArray, held: NDArray[np.bool_]) -> FloatArray:
        """log of the part of g^2 dF/dg that rises with g over the part that falls."""
        gammas = stepsizes(shared_at(logit, edge), held)
        terms, zeta = noises(gammas)
        terms[:-2] *= zeta
        terms[-1] /= zeta
        # A held stepsize grows as the root of g: a hidden layer's term falls by half, the last one's stays.
        fall = start / zeta**2 + np.where(held[:-1], terms[:-1], 0.0).sum(axis=0) / 2
        bends = b * gammas
        steep = np.maximum(1 - 2 * bends, 1e-16)
        bends[-1] = 1.0
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.where(held, 0.0, terms * bends / steep).sum(axis=0) / fall))

    # Between two kinks the derivative is smooth, and which layers are held is known.
    low, high = first, np.full(first.shape, _EDGE_LOGIT)
    for kink in kinks:
        low = np.where(slope(kink, kinks > kink) < 0, np.maximum(low, kink), low)
    high = np.where(kinks > low, kinks, high).min(axis=0)
    held = kinks > low
    logit = increasing_root(lambda t: slope(t, held), low, high, tolerance=1e-5)
    shared = np.where(share >= 0.5, 4 * edge * share * (1 - share), shared_at(logit, edge))
    gammas = stepsizes(shared, held | (share >= 0.5))
    terms, zeta = noises(gammas)
    value = start / zeta**2 + terms[-1] / zeta + terms[-2] + zeta * terms[:-2].sum(axis=0)
    return np.asarray(value * (1 - share) / shared), gammas, zeta


# The plan by which (12) and (13) meet a target: the same program, solved for N instead of the bound.


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # of targets near the least float
def required_iterations(
    *,
    net: Structure,
    target: Numeric,
    batch_size: Numeric,
    initial_loss: Numeric,
    keep_prob: tuple[float, float] = (1.0, 1.0),
) -> tuple[FloatArray, FloatArray]:
    """Smallest real N for which the optimum of (13) meets a target, and the zeta that attains it.

    N = (D_f/q) / max_{g, zeta} P, P = zeta^2 g - (zeta e_L + zeta^2 alpha e_{L-1} + zeta^3 alpha sum e_l)/Bq
    with e_l at gamma_l(g). {P >= c} is convex in logarithms for every c > 0, so the search over g,
    with zeta in closed form, finds the global maximum.

    Source: (13) solved for N; the plan that the paper omits. Kind: exact. Assumes: constant
        stepsizes, uniform R.

    Returns:
        N, inf where the target is out of reach, and the zeta that attains it.
    """
    q, batch, *_ = np.broadcast_arrays(
        np.asarray(target, dtype=np.float64),
        np.asarray(batch_size, dtype=np.float64),
        np.asarray(initial_loss, dtype=np.float64),
        net.output_noise,
        net.pretraining,
        *net.hidden_noise,
    )
    lower, upper = keep_prob
    edge = largest_shared(net)
    weights = [net.pretraining * k / batch / q for k in net.hidden_noise]

    only = np.full(batch.shape, lower)

    def best(shared: FloatArray, gammas: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """P and the best zeta."""
        output = net.output_noise * gammas[-1] * (gammas[-1] / batch / q)  # a square may underflow
        hidden = [weight * gamma for weight, gamma in zip(weights, gammas[:-1], strict=True)]
        gain = np.asarray(shared - (hidden[-1] if hidden else 0.0))
        low = np.asarray(sum(hidden[:-1], np.zeros(())))
        choices: list[Numeric] = [upper]
        if lower < upper:
            choices = [lower, upper]
            if len(hidden) > 1:
                root = np.sqrt(np.maximum(gain**2 - 3 * output * low, 0.0))
                inner = np.where(low > 0, (gain + root) / (3 * low), upper)
                choices.append(np.clip(inner, lower, upper))
        value, zeta = np.full(batch.shape, -np.inf), only
        for choice in choices:
            reached = choice * (choice * (gain - choice * low) - output)
            more = reached > value
            value, zeta = np.where(more, reached, value), np.where(more, choice, zeta)
        return value, zeta

    def slope(logit: FloatArray) -> FloatArray:
        """Log of what lowers dP/dg over what raises it."""
        shared = shared_at(logit, edge)
        gammas = stepsizes_at(net, shared)
        zeta = best(shared, gammas)[1] if lower < upper else only
        bends = [np.asarray(b) * gamma for b, gamma in zip(net.curvatures, gammas, strict=True)]
        slopes = [1 / np.maximum(1 - 2 * bend, 1e-16) for bend in bends]
        falls = 2 * net.output_noise * (gammas[-1] / batch / q) * slopes[-1] / zeta
        for index, weight in enumerate(weights):
            falls = falls + (zeta if index < len(weights) - 1 else 1.0) * weight * slopes[index]
        return np.asarray(np.log(falls))

    def ends() -> tuple[FloatArray, FloatArray]:
        """Below and above the root, which is where what lowers dP/dg is 1.

        With x = g/edge and s = 1/sqrt(1 - x), that is at most (A x + h) s and at least A x/2 + h for hidden
        noise h and A = 4 k_L edge/(B q zeta), since g <= gamma_l <= 2g and 1 <= 1/(1 - 2 b gamma_l) <= s.
        """
        *below, top = weights or [np.zeros(())]
        low = np.asarray(sum(below, np.zeros(())))
        steep = 4 * net.output_noise * edge / batch / q
        most, least = top + upper * low, top + lower * low
        a, b = steep / lower, steep / upper
        middle = 2 * a * most + 1
        share = 2 * (1 - most**2) / (middle + np.sqrt(middle**2 + 4 * a**2 * (1 - most**2)))
        first = np.where(most < 1, logit_of(np.maximum(share, 0.0)), -np.inf)
        last = logit_of(np.clip(2 * (1 - least) / b, 0.0, 1.0))
        return np.clip(first - 1e-3, -690.0, 17.0), np.clip(last + 1e-3, -690.0, 17.0)

    # For given zeta P is concave in g and 0 at g = 0, so where P < 0 it falls: one sign change.
    logit = increasing_root(slope, *ends(), tolerance=1e-7)
    shared = shared_at(logit, edge)
    progress, zeta = best(shared, stepsizes_at(net, shared))
    reached = (progress > 0) & (batch > smallest_batch_size(net=net, target=q, lowest_keep_prob=lower))
    safe = np.where(progress > 0, progress, 1.0)
    return np.where(reached, initial_loss / q / safe, np.inf), zeta
