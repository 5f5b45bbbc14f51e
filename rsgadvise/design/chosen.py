"""Which of the ranked networks get a curve of equal bounds and a training plan, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rsgadvise.design import wording
from rsgadvise.design.lattice import Lattice
from rsgadvise.design.ranking import Solved
from rsgadvise.design.screening import Screened
from rsgadvise.errors import UsageError
from rsgadvise.numerals import lengths

__all__ = ["Chosen", "Which", "check_which", "choose", "parse_which"]

Which = Literal["best", "deep", "spec", "none"] | int
"""The best network with a hidden layer, the best with at least two, the spec's own, none, or a rank."""

_DEEP = 4  # d_0, two hidden layers and d_L
_TRIES = 16  # networks screened as feasible that are solved until one is
_KNOWN = "best, deep, spec, none, or a rank that is shown, such as 2"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The networks whose curve and whose training are shown, if any, and sentences on the choice."""

    curve: Solved | None
    planned: Solved | None
    notes: tuple[str, ...]


def parse_which(text: str) -> Which:
    """What `--pipeline` says.

    Raises:
        UsageError: it is neither a word that it knows nor a rank.

    Example:
        >>> parse_which("deep"), parse_which("2")
        ('deep', 2)
    """
    match text:
        case "best" | "deep" | "spec" | "none":
            return text
    if text.isascii() and text.isdigit() and 0 < len(text) < 5 and int(text) > 0:
        return int(text)
    raise UsageError(f"--pipeline must be {_KNOWN}; got {text[:40]!r}; use one of these")


def check_which(which: Which, ranks: int, option: str) -> None:
    """Refuse a rank beyond those that are shown.

    Raises:
        UsageError: `which` is a rank above `ranks`; `option` says how to get more.
    """
    if isinstance(which, int) and which > ranks:
        raise UsageError(f"--pipeline must be a rank from 1 to {ranks}; got {which}; {option}")


def choose(
    which: Which,
    exact: Sequence[Solved],
    rows: Screened,
    lattice: Lattice,
    *,
    shown: int,
    own: tuple[int, ...],
    solve: Callable[[tuple[int, ...]], Solved | None],
    capped: bool,
) -> Chosen:
    """The networks to look at more closely.

    The curve needs two hidden layers: it is that of the network whose training is planned if that has them,
    else of the best one that has.

    Args:
        which: whose training to plan.
        exact: solved networks, best first. rows: all that are feasible, cheapest first.
        lattice: what the rows are numbered in.
        shown: how many of the ranks are shown. own: d_0..d_L of the spec.
        solve: the best row of a network, None if it does not reach the target.
        capped: whether the bound of a vacuous network is shown as its largest gradient, which other lengths
            have not in common with it.
    """
    notes = list[str]()
    planned = _planned(which, exact, own, solve)
    if isinstance(planned, str):
        return Chosen(None, None, (planned,))
    deep = planned if len(planned.problem.layers) >= _DEEP else None
    if deep is None and which != "spec":
        deep = _best_deep(exact, rows, lattice, solve)
    if which == "deep" and deep is not None:
        planned = deep
    short = len(planned.problem.layers) < _DEEP
    curve = None if deep is None or (capped and deep.vacuous) else deep
    if deep is None:
        notes.append(_no_curve(which, lattice))
    elif curve is None:
        notes.append(f"No curve of equal bounds: the bound of {lengths(deep.problem.layers)} is vacuous.")
    elif short or len(exact[0].problem.layers) < _DEEP <= len(planned.problem.layers):
        notes.append(_curve_of(deep, exact[:shown]))
    if short and which == "best" and deep is not None:
        notes.append(_deeper(planned, deep, exact[:shown]))
    if which == "deep" and deep is None:
        return Chosen(None, None, tuple(notes))
    return Chosen(curve, None if which == "none" else planned, tuple(notes))


def _planned(
    which: Which,
    exact: Sequence[Solved],
    own: tuple[int, ...],
    solve: Callable[[tuple[int, ...]], Solved | None],
) -> Solved | str:
    """The network asked for, or why there is none."""
    if which == "spec":
        one = solve(own) if len(own) > 2 else None
        return one or (wording.SPEC_CANNOT if len(own) > 2 else wording.SPEC_SINGLE)
    if isinstance(which, int):
        one = exact[which - 1]
        if len(one.problem.layers) > 2:
            return one
        return f"Rank {which} has no hidden layer, so there is nothing to pretrain."
    return next((one for one in exact if len(one.problem.layers) > 2), wording.NO_NETWORK)


def _best_deep(
    exact: Sequence[Solved],
    rows: Screened,
    lattice: Lattice,
    solve: Callable[[tuple[int, ...]], Solved | None],
) -> Solved | None:
    for one in exact:
        if len(one.problem.layers) >= _DEEP:
            return one
    for at in np.flatnonzero(rows.depth >= _DEEP - 2)[:_TRIES]:
        found = solve(lattice.layers(int(rows.depth[at]), int(rows.index[at])))
        if found is not None:
            return found
    return None


def _hidden(one: Solved) -> str:
    count = len(one.problem.layers) - 2
    return ("no hidden layer", "one hidden layer")[count] if count < 2 else f"{count} hidden layers"


def _named(one: Solved, ranks: Sequence[Solved]) -> str:
    """The network, with its rank where it is among those shown, which are in order."""
    found = next((at + 1 for at, other in enumerate(ranks) if other is one), None)
    return ("" if found is None else f"rank {found}, ") + lengths(one.problem.layers)


def _no_curve(which: Which, lattice: Lattice) -> str:
    why = "the spec's own network has one"
    if which != "spec":
        deep = max(lattice.depths) >= _DEEP - 2
        why = "no network with two fits" if deep else f"--depth allows at most {max(lattice.depths)}"
    return f"No curve of equal bounds: it trades two hidden layers against each other, and {why}."


def _curve_of(deep: Solved, ranks: Sequence[Solved]) -> str:
    return (
        f"The curve of equal bounds is that of {_named(deep, ranks)}, the best with at "
        f"least two hidden layers to trade against each other; rank 1 has {_hidden(ranks[0])}."
    )


def _deeper(planned: Solved, deep: Solved, ranks: Sequence[Solved]) -> str:
    return (
        f"The training planned is that of {lengths(planned.problem.layers)}, with a single layer to "
        f"pretrain. The same command with --pipeline deep plans that of {_named(deep, ranks)}."
    )
