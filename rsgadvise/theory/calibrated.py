"""The descent argument with constants measured on the data, and the stepsize that is best for the loss.

A bound on the squared gradient asks for small stepsizes: they lower the noise of the gradient at the end,
at the price of a loss that has fallen less. The convex half of the same randomized theorem is about the loss
itself. Were f convex, with a minimiser at a distance of D, and p_k ~ gamma_k (1 - U gamma_k/2),

    E f(W^R) - f* <= (D^2/gamma + gamma h2 sigma^2/B) / (2 h1 - U gamma h2),  h1 = H_N(rho), h2 = H_N(2 rho).

Its authors take gamma = min(1/U, (D/sigma) sqrt(B/h2)), which balances the numerator. The exact minimiser
at constant stepsize is 0.62 to 1 times that; but all that is known of D is that it is at least f/||grad f||,
so the larger of the two is taken.

That sigma^2 is the noise where it was measured, early in the training. The noise of a loss that is never
negative shrinks with it: were it in proportion, sigma^2 f(W)/f, and the loss able to reach 0, the same
argument at constant stepsizes gives

    E f(W^R) <= D^2/gamma / (N (2 - gamma (U + sigma^2/(f B)))),

which is smallest at gamma = 1/(U + sigma^2/(f B)), whatever D and N. The noise of a true training lies
between the two, and the larger of the two stepsizes is taken: both are at most 1/U.

Source: Ghadimi and Lan, Stochastic first- and zeroth-order methods for nonconvex stochastic programming,
    SIAM J. Optimization 23 (2013), Theorem 2.1(b) and Corollary 2.2; its other half is behind (7). Noise in
    proportion to the loss: Srebro, Sridharan and Tewari, Smoothness, low noise and fast rates (2010);
    Vaswani, Bach and Schmidt, Fast and faster convergence of SGD for over-parameterized models (2019).
Kind: a score, no bound. It orders choices and chooses the stepsize; the loss may end above it. f is not
    convex, its minimum need not be 0 nor be attained, D is replaced by the least that it can be, P_R of the
    spec is left aside, and the constants are measured. What is proven stays in the column of the certified
    bound.
"""

from __future__ import annotations

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory.descent import Bound, FloatArray
from rsgadvise.theory.objective import DerivedObjective, Plans, Range, Schedule
from rsgadvise.theory.problem import MeasuredConstants
from rsgadvise.theory.stopping import harmonic_number


def loss_stepsize(
    known: MeasuredConstants, *, batch_size: FloatArray, iterations: FloatArray, decay: float = 0.0
) -> FloatArray:
    """max(min(1/U, (D/sigma) sqrt(B/H_N(2 rho))), 1/(U + sigma^2/(f B))): see the module's docstring.

    Args:
        known: what was measured.
        batch_size, iterations, decay: B, N and rho.

    Example:
        >>> known = MeasuredConstants(smoothness=2.0, layer_variances=(4.0,), distance=1.0, loss=0.2)
        >>> loss_stepsize(known, batch_size=np.array([1.0, 64.0]), iterations=np.array(100.0)).tolist()
        [0.05, 0.43243243243243246]
        >>> loss_stepsize(known, batch_size=np.array(1e6), iterations=np.array(100.0)).tolist()
        0.5
    """
    steps = harmonic_number(2 * decay, iterations)
    variance, smoothness = known.gradient_variance, known.smoothness
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lasting = known.distance * np.sqrt(batch_size / (variance * steps))
        shrinking = 1 / (smoothness + np.divide(variance, known.loss * batch_size))
    # Without noise, and at a minimum (0/0), every stepsize up to 1/U is as good: fmin drops NaN.
    return np.asarray(np.fmax(np.fmin(lasting, 1 / smoothness), np.fmin(shrinking, 1 / smoothness)))


@dataclass(frozen=True, slots=True)
class LossObjective(DerivedObjective):
    """The loss score: the smaller of the two right-hand sides in the module's docstring, at their stepsize.

    It has the shape of an objective so that the search can minimise it, but it bounds nothing: it only
    chooses and ranks. The bound shown beside a choice is that on the gradient, of `inner`.
    """

    known: MeasuredConstants

    @property
    def for_loss(self) -> bool:
        return True

    def bound(self, plans: Plans) -> Bound:
        known = self.known
        stepsize, batch, n, schedule = plans.stepsize, plans.batch_size, plans.iterations, plans.schedule
        many = stepsize.ndim > np.broadcast(plans.keep_prob, batch, n).ndim
        shortest, longest = (stepsize.min(axis=-1), stepsize.max(axis=-1)) if many else (stepsize, stepsize)
        first, second = (harmonic_number(times * schedule.decay, n) for times in (1, 2))
        noise, start = known.gradient_variance / batch, known.distance**2 / shortest
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            lasting = 2 * first - known.smoothness * longest * second
            shrinking = first * (2 - longest * (known.smoothness + noise / known.loss))
            bounds = [
                np.where(lasting > 0, (start + longest * second * noise) / lasting, np.inf),
                np.where(shrinking > 0, start / shrinking, np.inf),
            ]
        return Bound({"loss": np.asarray(np.fmin(*bounds))})

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        shape = np.broadcast_shapes(batch.shape, n.shape)
        # Measured at the highest keep probability, so that nothing is known of the others.
        zeta = np.full(shape, keep_prob[1])
        gamma = loss_stepsize(self.known, batch_size=batch, iterations=n, decay=schedule.decay)
        tail = self.inner.largest_stepsizes(zeta).shape[len(shape) :]
        wide = np.broadcast_to(gamma, shape).reshape(*shape, *(1,) * len(tail))
        return Plans(np.broadcast_to(wide, (*shape, *tail)).copy(), zeta, batch, n, schedule)

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        return np.full(plans.shape, keep_prob[1])
