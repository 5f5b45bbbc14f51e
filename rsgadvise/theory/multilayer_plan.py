"""The exact plan by which (12) and (13) meet a target with the fewest iterations.

The same geometric program as in `multilayer_optimum`, solved for N instead of the bound.
"""

from __future__ import annotations

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.multilayer import Structure, smallest_batch_size
from rsgadvise.theory.multilayer_optimum import largest_shared, logit_of, shared_at, stepsizes_at
from rsgadvise.theory.search import increasing_root


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
