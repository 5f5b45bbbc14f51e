"""What a study of optuna searches: what the spec leaves free, around the advice."""

from __future__ import annotations

from dataclasses import dataclass

from rsgadvise.advise.space import batch_choices
from rsgadvise.emit.plan import Plan
from rsgadvise.errors import UsageError

__all__ = ["Space", "space_of"]

_NEIGHBOURS = 1


@dataclass(frozen=True, slots=True)
class Space:
    """The values that may be tried; a single one is not searched.

    Attributes:
        stepsize_is_free: whether the spec leaves it open.
        work_is_kept: whether a larger batch is paid for with fewer iterations; not where the spec fixes N.
        batches: the advised batch size among its neighbours in the spec.
        keeps: the keep probabilities that the spec allows: one, a list, or the two ends of a range.
        keeps_are_ends: whether `keeps` are the ends of a range.
        decays: as listed in the spec.
    """

    stepsize_is_free: bool
    work_is_kept: bool
    batches: tuple[int, ...]
    keeps: tuple[float, ...]
    keeps_are_ends: bool
    decays: tuple[float, ...]


def space_of(plan: Plan) -> Space:
    """What is searched around a plan.

    Raises:
        UsageError: the spec leaves nothing free.
    """
    training, search = plan.spec.training, plan.spec.search
    space = Space(
        stepsize_is_free=training.stepsize is None,
        work_is_kept=training.iterations is None,
        batches=_batches(plan),
        keeps=_keeps(plan),
        keeps_are_ends=training.keep_prob is None and not isinstance(search.keep_prob, tuple),
        decays=tuple(search.decay) if training.decay is None else (plan.train.decay,),
    )
    searched = (space.batches, space.keeps, space.decays)
    if not space.stepsize_is_free and all(len(values) == 1 for values in searched):
        raise UsageError(
            "optuna needs something to search; got a spec that fixes the stepsize, the batch size, the keep "
            "probability and the decay; free one of them, or emit for another library"
        )
    return space


def _keeps(plan: Plan) -> tuple[float, ...]:
    spec, searched = plan.spec, plan.spec.search.keep_prob
    if spec.network.kind == "single_layer" or spec.training.keep_prob is not None:
        return (plan.train.keep_prob,)
    if isinstance(searched, tuple):
        return searched
    return (searched.min, searched.max) if searched.min < searched.max else (searched.min,)


def _batches(plan: Plan) -> tuple[int, ...]:
    spec, train, best = plan.spec, plan.train, plan.train.batch_size
    if spec.training.batch_size is not None or isinstance(plan.stopping, tuple):
        return (best,)
    rows = None if not train.epochs else round(train.batch_size * train.iterations / train.epochs)
    searched, is_range = batch_choices(spec, rows)
    if is_range:
        return tuple(sorted({max(searched[0], best // 2), best, min(searched[1], 2 * best)}))
    ordered = sorted({*searched, best})
    place = ordered.index(best)
    return tuple(ordered[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])
