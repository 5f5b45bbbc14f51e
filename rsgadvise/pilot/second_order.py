"""What W^R is, by the gradient and the Hessian there, and whether more iterations are worth their while.

The paper, on choosing P_R: depending on the Hessian at the R-th iteration, gradient updates may be
continued, and the results still hold for the longer run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from rsgadvise.pilot.surroundings import (
    BOX_PRODUCTS,
    FEWEST_ROWS,
    outlook,
    remaining_time,
    spectrum_ends,
    surroundings,
)
from rsgadvise.records import dataclass
from rsgadvise.training.curvature import PRODUCT_COST
from rsgadvise.training.networks import Array, Network
from rsgadvise.training.rsg import Training

StateKind = Literal["descending", "saddle", "minimum", "saturated", "diverged", "unclear"]

_LARGEST_WEIGHT = 1e30  # no training comes back from there, and products over layers are still numbers
_WORTH = 0.01  # of the loss: what further iterations have to promise
_NEGATIVE = 0.01  # of the highest eigenvalue: a negative one below it is nearly flat
NO_BETTER = 0.999  # of the best constant prediction's loss
_BEYOND = 2.0  # standard errors
_SEEN = 0.1  # per cent: the least that a digit shows


@dataclass(frozen=True, slots=True)
class Errors:
    """What each measurement may be wrong by.

    Attributes:
        gradient, loss: standard errors of the sample; 0 where it is all the data and nothing is masked.
        lowest, highest: Lanczos residual and sampling error together.
    """

    gradient: float
    loss: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class StoppedState:
    """What was found at W^R.

    Attributes:
        kind: descending, saddle, minimum, saturated, diverged or unclear; see `stopped_state`.
        go_on: whether more iterations are advised.
        gradient: squared norm of the (projected) gradient, without what sampling adds to it.
        loss: f(W^R). constant_loss: that of the best constant prediction.
        decrease: of the loss, predicted for the iterations from R to 2N.
        lowest, highest: extreme eigenvalues of the Hessian on the weights that the box does not hold.
        errors: of the above.
        share_of_boxed_weights: weights that the gradient presses against the box, of all.
        bound, longer_bound: for N and for 2N iterations, or None.
        sentence: the finding and the advice.
        rows: (row, mask) pairs of the sample.
        products: Hessian-vector products, each over all or part of the sample.
        work: in gradients of single examples.
    """

    kind: StateKind
    go_on: bool
    gradient: float
    loss: float
    constant_loss: float
    decrease: float
    lowest: float
    highest: float
    errors: Errors
    share_of_boxed_weights: float
    bound: float | None
    longer_bound: float | None
    sentence: str
    rows: int
    products: int
    work: float


def constant_loss(network: Network, targets: Array) -> float:
    """f of the best prediction that ignores the inputs.

    Example:
        >>> constant_loss(Network("single_layer", (1, 2)), np.array([[0.0, 1.0], [1.0, 1.0]]))
        0.25
    """
    return network.head.constant_loss(np.asarray(targets, np.float64))


def stopped_state(
    training: Training,
    weights: Sequence[Array],
    *,
    iteration: int,
    iterations: int,
    rng: np.random.Generator,
    rows: int = 1024,
    products: int = 40,
    bound_at: Callable[[int], float | None] | None = None,
    fell: str = "",
) -> StoppedState:
    """Classify W^R, and advise whether to go on from there until iteration 2N.

    - diverged: weights are no longer numbers, or beyond 1e30.
    - descending: the loss would fall by 1 % or more until 2N or in one step of the best length, see
      `outlook`, and the squared gradient norm is above two standard errors.
    - saturated: not descending, at a loss no better than that of the best constant prediction, and no
      negative curvature would carry the weights away by a factor e until 2N.
    - saddle: not descending, and the lowest eigenvalue is below 0 by more than its error and by 1 % of
      the highest.
    - minimum: none of these; as far as the errors tell.
    - unclear: one of the last three, and not to be left, but losses were seen to fall (`fell`), or the loss
      would fall by 1 % or more were the squared gradient norm two standard errors larger than it seems.

    Weights that the gradient presses against the box are held fixed: the Hessian is that of the others,
    so that a minimum on the box is one.

    Source: the paper's section III, "Choosing P_R".
    Kind: estimates from a quadratic model on a sample of rows.
    Reading: "the results still hold" for a run that was to take 2N iterations from the start, whose bound
        is `longer_bound`; the decision to go on, taken at W^R, is no part of any theorem.

    Args:
        training: the setting, whose stepsizes go on.
        weights: W^R, one (d_l, d_{l-1}) array per matrix.
        iteration, iterations: R and N.
        rng: of the rows, the masks and the first Lanczos vectors.
        rows: of the sample, at most and at least 16; each with a mask of its own where there are masks.
        products: Hessian-vector products of one Lanczos run, at most.
        bound_at: the bound for a number of iterations.
        fell: what training runs measured against a standstill, such as "the loss fell from 2 to 1 ..."; it
            outweighs a model of one place. Empty where nothing did.
    """
    matrices = [np.asarray(matrix, np.float64) for matrix in weights]
    constant = constant_loss(training.network, training.data.targets)
    bound, longer = (None, None) if bound_at is None else (bound_at(iterations), bound_at(2 * iterations))
    if not all(np.abs(matrix).max() < _LARGEST_WEIGHT for matrix in matrices):
        return _diverged(constant, bound, longer)
    gammas, until = training.stepsizes_at(iteration), 2 * iterations
    time = remaining_time(training, iteration=iteration, until=until)
    reach = [gamma * time for gamma in gammas]
    around = surroundings(training, matrices, reach=reach, rows=max(rows, FEWEST_ROWS), rng=rng)
    seen = float(np.sum(around.projected(gammas) ** 2))
    added, gradient_error = around.noise()
    gradient = max(0.0, seen - added)
    loss = float(around.losses.mean())
    loss_error = math.sqrt(around.correction * float(around.losses.var()) / around.rows)
    ends = spectrum_ends(around, products=products, rng=rng)
    held = BOX_PRODUCTS if training.network.weight_bounds else 0
    steepest = max(-ends.lowest, ends.highest)
    ahead = outlook(around, training, iteration=iteration, until=until, steepest=steepest)
    decrease = min(loss, ahead.decrease)
    kind: StateKind = "minimum"
    worth = decrease >= _WORTH * loss > 0
    leaves = -(ends.lowest + ends.lowest_error) * max(reach) >= 1
    if gradient > _BEYOND * gradient_error and (worth or ahead.step >= _WORTH * loss):
        kind = "descending"
    elif loss >= NO_BETTER * constant - loss_error and not leaves:
        kind = "saturated"
    elif ends.lowest < -max(ends.lowest_error, _NEGATIVE * ends.highest):
        kind = "saddle"
    go_on = (kind == "descending" and worth) or (kind == "saddle" and leaves)
    possible = min(loss, ahead.possible)
    if kind != "descending" and not go_on and (fell or possible >= _WORTH * loss > 0):
        kind, go_on = "unclear", bool(fell)
    spectrum = (
        f"the lowest eigenvalue of the Hessian is {ends.lowest:.2g} ± {ends.lowest_error:.1g}, "
        f"the highest {ends.highest:.2g}"
    )
    share = 100 * decrease / max(loss, 1e-300)
    fall = f"about {share:.1f} %" if share >= _SEEN else f"less than {_SEEN} %"
    finding = {
        "descending": f"Still descending: the loss of {loss:.4g} would fall by {fall} by iteration {until:,}",
        "saddle": f"A saddle: {spectrum}",
        "minimum": f"A minimum as far as can be told: {spectrum}",
        "saturated": f"Saturated: hardly any gradient at a loss of {loss:.4g}, where the best constant "
        f"prediction has {constant:.4g}",
        "unclear": f"Cannot tell: {fell}, which these rows do not show"
        if fell
        else f"Cannot tell: by iteration {until:,} the loss of {loss:.4g} would fall by "
        f"{100 * decrease / max(loss, 1e-300):.1f} % by what these rows show, and by up to "
        f"{100 * possible / max(loss, 1e-300):.2g} % as far as they can tell",
    }[kind]
    sustained = not worth and ahead.quiet >= _WORTH * loss > 0
    promise = _promise(kind, go_on=go_on, sustained=sustained)
    parts = [finding, promise] if promise else [finding]
    if go_on and bound is not None and longer is not None:
        parts.append(
            f"a run planned for {until:,} iterations has the bound {longer:.4g} in place of {bound:.4g}"
        )
    along = ends.steepest_stepsize(gammas)
    if kind != "saturated" and along * ends.highest > 2:
        parts.append(
            f"along the steepest direction steps are {along:.2g} long, and above {2 / ends.highest:.2g}, "
            "2 over its eigenvalue, they overshoot there"
        )
    return StoppedState(
        kind=kind,
        go_on=go_on,
        gradient=gradient,
        loss=loss,
        constant_loss=constant,
        decrease=decrease,
        lowest=ends.lowest,
        highest=ends.highest,
        errors=Errors(gradient_error, loss_error, ends.lowest_error, ends.highest_error),
        share_of_boxed_weights=1 - float(around.free.mean()),
        bound=bound,
        longer_bound=longer,
        sentence="; ".join(parts) + ".",
        rows=around.rows,
        products=held + ends.products + ahead.products,
        work=around.rows * (1 + PRODUCT_COST * held) + ends.work + ahead.work,
    )


def _promise(kind: StateKind, *, go_on: bool, sustained: bool) -> str:
    """What going on from W^R promises; what that means for a training is for whoever knows where R stands."""
    if go_on:
        worth = "going on from there is worth it"
        return worth if kind in ("descending", "unclear") else f"{worth}, with iterations enough to leave it"
    if kind == "unclear":
        return ""
    if kind == "saturated":
        return "whoever stands there starts again, with a smaller stepsize if it was training that led there"
    if sustained:
        return (
            "mini-batch noise sustains the gradient that is left, so that going on from there promises "
            "little but with smaller steps, such as those that search.decay allows, or with larger batches"
        )
    if kind == "minimum":
        return "going on from there promises little"
    return "so many iterations at these stepsizes are too few to get away from there"


def _diverged(constant: float, bound: float | None, longer: float | None) -> StoppedState:
    unknown = math.nan
    return StoppedState(
        kind="diverged",
        go_on=False,
        gradient=unknown,
        loss=unknown,
        constant_loss=constant,
        decrease=unknown,
        lowest=unknown,
        highest=unknown,
        errors=Errors(unknown, unknown, unknown, unknown),
        share_of_boxed_weights=unknown,
        bound=bound,
        longer_bound=longer,
        sentence="Diverged: the weights have left the range of numbers; start again with a smaller stepsize.",
        rows=0,
        products=0,
        work=0.0,
    )
