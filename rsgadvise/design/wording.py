"""The sentences of a design. Numbers come in computed; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsgadvise.advise.wording import AT_HIGHEST_KEEP_PROB, AT_LOWEST_KEEP_PROB, WHOSE
from rsgadvise.numerals import lengths

__all__ = [
    "BATCH_RANGE",
    "EVERY_VACUOUS",
    "GRADIENTS_DIFFER",
    "NARROWEST",
    "NO_HIDDEN",
    "NO_NETWORK",
    "SAME_SPEED",
    "SAME_START",
    "SHARED_NOTES",
    "SINGLE",
    "SPEC_CANNOT",
    "SPEC_SINGLE",
    "left_aside",
    "no_room",
    "not_proven",
    "objective",
    "of_ranks",
    "pretrained",
    "reached_by",
    "unreachable",
    "vacuous",
]

NARROWEST = (
    "Every hidden layer of rank 1 has the smallest length allowed: these bounds rise with every length, so "
    "the range decides, not the theory. They say how soon a network converges, not what it can learn; set "
    "the lower end of --widths to what the task needs."
)
NO_HIDDEN = (
    "Rank 1 has no hidden layer: these bounds say how soon a network converges, not what it can learn."
)
GRADIENTS_DIFFER = (
    "A small gradient is easier to reach for a network whose gradients are all small: compare a bound with "
    "the largest gradient of the same network."
)
EVERY_VACUOUS = (
    "Every network's bound is vacuous here, no better than the largest squared gradient norm that it can "
    "have; the order says nothing."
)
SAME_SPEED = (
    "Seconds follow cost, which is the same for every architecture; --by work counts multiply-adds, "
    "which are not."
)
SAME_START = "training.initial_loss is taken for every architecture alike."
SINGLE = "Without a hidden layer the network is a single_layer: no box, no dropout, Theorem III.1."
BATCH_RANGE = (
    "In a range of batch sizes each architecture is screened to about 1 % of its best one; the ranks shown "
    "are solved as `recommend` does."
)
NO_NETWORK = "No architecture with a hidden layer is among the best, so there is nothing to pretrain."
SPEC_CANNOT = "The spec's own network does not reach the target, so its training is not planned."
SPEC_SINGLE = "The spec's own network has no hidden layer, so there is nothing to pretrain."

SHARED_NOTES = frozenset({AT_LOWEST_KEEP_PROB, AT_HIGHEST_KEEP_PROB})
"""Notes on a single recommendation that are worth saying of a design."""

_OBJECTIVES: Mapping[str, str] = {
    "iterations": "fewest iterations that meet the target",
    "samples": "fewest samples that meet the target",
    "seconds": "fewest seconds that meet the target",
    "work": "fewest multiply-adds (3 x weights x samples) that meet the target",
}


def objective(metric: str, *, limited: bool) -> str:
    """What was minimised."""
    if metric == "bound":
        return "smallest bound within the budget" if limited else "smallest bound"
    return _OBJECTIVES[metric]


def _all_or(count: int, total: int) -> str:
    return "all ranks shown" if count == total else f"{count} of the {total} ranks shown"


def of_ranks(note: str, ranks: Sequence[int], total: int) -> str:
    """A note with the ranks that it is about."""
    if len(ranks) == total:
        return f"All ranks shown: {note}"
    if len(ranks) > 2 and ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"Ranks {ranks[0]} to {ranks[-1]}: {note}"
    return f"Rank{'' if len(ranks) == 1 else 's'} {', '.join(map(str, ranks))}: {note}"


def vacuous(count: int, total: int) -> str:
    """Bounds that say nothing."""
    return (
        f"Vacuous, {_all_or(count, total)}, and after the others: the bound is no better than the largest "
        "squared gradient norm that the network can have, so their order says nothing about training."
    )


def not_proven(count: int, total: int) -> str:
    """Bounds that hold only with the paper's constants."""
    return (
        f"Not proven for this data, {_all_or(count, total)}: with constants that hold for any data the bound "
        "is larger. --constants certified ranks by what is proven."
    )


def pretrained(alpha: float) -> str:
    """Pretraining that the spec gives."""
    return (
        f"Every architecture is ranked as if its hidden layers came pretrained to alpha = {alpha:g}, free of "
        "charge; the pipeline counts the cost."
    )


def left_aside(keys: Sequence[str]) -> tuple[str, ...]:
    """What the spec fixes and a design chooses."""
    return (f"Left aside: {', '.join(keys)}, which a design chooses for every architecture.",) if keys else ()


def no_room(keys: Sequence[str]) -> str:
    """Not even one iteration fits."""
    return (
        f"no architecture and batch size leave room for an iteration within {', '.join(keys)}; raise it, or "
        "list smaller batch sizes"
    )


def reached_by(constants: str, layers: Sequence[int]) -> str:
    """The best architecture by other constants than those that none reaches the target with."""
    return f"{WHOSE[constants]} have plans, the best by {lengths(layers)} (--constants {constants})"


def unreachable(eps: float, least: str, layers: Sequence[int], keys: Sequence[str]) -> str:
    """No architecture reaches the target; `least` is the smallest eps that one does."""
    name = lengths(layers)
    return (
        f"no architecture reaches target.eps = {eps:g} with the batch sizes and iterations allowed; the "
        f"least reachable is {least}, by {name}; raise target.eps to that, or allow more in "
        f"search.batch_size, {' or '.join(keys)}"
    )
