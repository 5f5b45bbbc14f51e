"""The exact optimum of (12) and (13) over stepsizes and keep probability.

Both are posynomials in (stepsizes, zeta, B, N, 1/g) with g = e_gamma^m, and g <= gamma_l - b_l gamma_l^2
is a posynomial constraint, so choosing the hyper-parameters is a geometric program: convex in
logarithms, one global optimum. For fixed g the best stepsizes and the best zeta are closed forms;
what remains is convex in log g and solved here for many candidates at once.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from rsgadvise.search import increasing_root, minimize_grid, minimize_scan, minimize_unimodal
from rsgadvise.stopping import Stopping, prepare_sums
from rsgadvise.theory.bound import Bound, FloatArray, Numeric
from rsgadvise.theory.descent import Geometry, optimal_stepsize, start_weight
from rsgadvise.theory.multilayer import Structure, descent_scale, dropout_terms

__all__ = [
    "best_keep_prob",
    "largest_shared",
    "logit_of",
    "optimal_hyperparameters",
    "shared_at",
    "stepsizes_at",
]

_FEW = 24  # candidates up to which a call costs more than its elements
_BLOCK = 8192  # candidates solved together: their work arrays stay in the second-level cache


class _Candidates(TypedDict):
    batch_size: FloatArray
    iterations: FloatArray
    initial_loss: FloatArray
    ceiling: FloatArray


def stepsizes_at(net: Structure, shared: FloatArray) -> list[FloatArray]:
    """gamma_l(g) = 2g / (1 + sqrt(1 - 4 b_l g)): the smallest stepsizes that reach g."""
    return [
        2 * shared / (1 + np.sqrt(np.maximum(1 - 4 * np.asarray(b) * shared, 0.0))) for b in net.curvatures
    ]


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
    safe = np.where(c > 0, c, 1.0)
    p, q = np.asarray(first / safe), np.asarray(2 * np.asarray(second) / safe)
    t = np.minimum(np.cbrt(q) + np.sqrt(p), 2 * upper)
    below = t**3 - p * t - q < 0  # the cap lies left of the root: the answer is the upper end
    p, q = np.where(below, 0.0, p), np.where(below, 0.0, q)
    for _ in range(5):
        t = np.maximum((2 * t**3 + q) / np.maximum(3 * t**2 - p, 1e-300), 0.0)
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
    """`optimal_hyperparameters` for decaying stepsizes, by a search over two numbers.

    The bound depends on the stepsizes through their noise, which rises with each, through
    g = min gamma_l - b_l gamma_l^2 and through m = min b_l gamma_l^2. So for given g and m each
    layer takes the smallest stepsize that allows both, max(gamma_l(g), sqrt(m / b_l)).
    """
    if not net.hidden_noise:
        return _searched_single(net, candidates, keep_prob, decay, stopping)
    edge = largest_shared(net)
    sums_at = prepare_sums(stopping, iterations=candidates["iterations"], decay=decay)
    shape = candidates["batch_size"].shape
    # A box of width 0 has layers without curvature: then m is 0 whatever the stepsizes.
    bends = all(np.all(np.greater(b, 0)) for b in net.curvatures)

    def at(logit: FloatArray, rise: FloatArray) -> tuple[FloatArray, list[FloatArray], FloatArray]:
        shared = shared_at(logit, edge)
        gammas = smallest = stepsizes_at(net, shared)
        if bends:
            low = [np.asarray(b * g**2) for b, g in zip(net.curvatures, smallest, strict=True)]
            high = [np.asarray(b * (1 / b - g) ** 2) for b, g in zip(net.curvatures, smallest, strict=True)]
            least, most = np.minimum.reduce(low), np.minimum.reduce(high)
            bend = least * (np.maximum(most, least) / least) ** rise
            gammas = [np.maximum(g, np.sqrt(bend / b)) for b, g in zip(net.curvatures, smallest, strict=True)]
        scale, share = descent_scale(net, gammas)
        bound = dropout_terms(
            net=net,
            stepsizes=gammas,
            scale=scale,
            sums=sums_at(share),
            keep_prob=1.0,
            batch_size=candidates["batch_size"],
            initial_loss=candidates["initial_loss"],
            ceiling=candidates["ceiling"],
        )
        zeta = best_keep_prob(bound, *keep_prob)
        terms = bound.terms
        value = (terms["initial_error"] + terms.get("late_stopping", 0.0)) / zeta**2
        value = value + terms["output_noise"] / zeta + terms.get("top_hidden_noise", 0.0)
        return np.asarray(value + terms.get("lower_hidden_noise", 0.0) * zeta), gammas, zeta

    def best_rise(logit: FloatArray) -> FloatArray:
        if not bends:
            return np.zeros(shape)
        ends = np.zeros(shape), np.full(shape, 1 - 1e-9)
        if np.prod(shape) > _FEW:
            return minimize_unimodal(lambda t: at(logit, t)[0], *ends, steps=22)
        return minimize_grid(lambda t: at(logit, t)[0], *ends)

    logit = minimize_scan(
        lambda t: at(t, best_rise(t))[0], np.full(shape, -30.0), np.full(shape, 12.0), points=33, steps=22
    )
    _, gammas, zeta = at(logit, best_rise(logit))
    return np.stack(np.broadcast_arrays(*gammas), axis=-1), zeta
