"""`design`: which architecture, and how to train it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from rsgadvise.advise.recommend import relevant
from rsgadvise.advise.space import Space, search_space
from rsgadvise.advise.wording import no_other_plan, ranks_by, taken
from rsgadvise.ask.design import results as wording
from rsgadvise.ask.design.pipeline import plan_pipeline
from rsgadvise.ask.design.ranking import (
    Solved,
    Which,
    check_which,
    choose,
    least_eps,
    ranked,
)
from rsgadvise.ask.design.results import Architecture, Design, Infeasible, Pipeline
from rsgadvise.ask.design.screening import Lattice, Metric, Progress, Search, one_problem, screen
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.numerals import rounded_up
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName, other_than
from rsgadvise.theory.judge import Plan, check_problem, equation
from rsgadvise.theory.problem import INITIAL_LOSS, Assumption, Problem
from rsgadvise.theory.theorems import usual_constants

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


# What `--widths` and `--depth` say: lengths and numbers of hidden layers.

LARGEST_WIDTH = 10**6
MOST_HIDDEN = 16
_MOST_POINTS = 10_000

_WHOLE = r"[0-9]{1,9}"
_PIECE = re.compile(rf"({_WHOLE})(?::({_WHOLE})(?::(log|lin|)([0-9]{{1,6}}))?)?", flags=re.ASCII)
_GRAMMAR = "write 16:1024 (powers of two), 16:1024:log7, 16:1024:lin7, or a list such as 16,32,64"


def _whole(text: str, option: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise UsageError(f"{option} must lie from {low:,} to {high:,}; got {value}; give another value")
    return value


def _ordered(low: int, high: int, option: str, piece: str) -> None:
    if low > high:
        raise UsageError(f"{option} must rise from its first end to its second; got {piece}; swap the two")


def parse_widths(text: str, *, option: str = "--widths") -> tuple[int, ...]:
    """Lengths of hidden layers, in increasing order, each once.

    A list of pieces between commas: `64`; `16:1024`, the powers of two from 16 to 1024 together with both
    ends; `16:1024:log7` and `16:1024:7` or `16:1024:lin7`, seven whole numbers from end to end, equally
    spaced in their logarithms or as they are (fewer where two round to the same).

    Args:
        text: what was given.
        option: the name of the option, for messages.

    Raises:
        UsageError: it is not of that form, or a length lies outside 1 to 1,000,000.

    Example:
        >>> parse_widths("16:100"), parse_widths("4:9:lin3,64,64"), parse_widths("10:1000:log3")
        ((16, 32, 64, 100), (4, 6, 9, 64), (10, 100, 1000))
    """
    widths = set[int]()
    for piece in text.split(","):
        match = _PIECE.fullmatch(piece.strip())
        if match is None:
            raise UsageError(f"{option} must be lengths of layers; got {piece.strip()[:40]!r}; {_GRAMMAR}")
        first, last, spacing, points = match.groups()
        low = _whole(first, option, 1, LARGEST_WIDTH)
        high = low if last is None else _whole(last, option, 1, LARGEST_WIDTH)
        _ordered(low, high, option, piece.strip())
        widths |= {low, high}
        if spacing is None:
            power = 1 << (low - 1).bit_length()
            while power <= high:
                widths.add(power)
                power *= 2
            continue
        count = _whole(points, f"the number of points in {option}", 2, _MOST_POINTS)
        space = np.geomspace if spacing == "log" else np.linspace
        widths |= {min(max(round(float(value)), low), high) for value in space(low, high, count)}
    return tuple(sorted(widths))


def parse_depths(text: str, *, option: str = "--depth") -> tuple[int, ...]:
    """Numbers of hidden layers, in increasing order, each once; 0 stands for a single layer of weights.

    Pieces between commas: `3`, or `1:5` for every whole number from 1 to 5.

    Raises:
        UsageError: it is not of that form, or a number lies outside 0 to 16.

    Example:
        >>> parse_depths("1:3"), parse_depths("0,2,2")
        ((1, 2, 3), (0, 2))
    """
    depths = set[int]()
    for piece in text.split(","):
        match = _PIECE.fullmatch(piece.strip())
        if match is None or match.group(3) is not None:
            raise UsageError(
                f"{option} must be numbers of hidden layers; got {piece.strip()[:40]!r}; write 1:5, "
                "2 or 0,1,3"
            )
        low = _whole(match.group(1), option, 0, MOST_HIDDEN)
        high = low if match.group(2) is None else _whole(match.group(2), option, 0, MOST_HIDDEN)
        _ordered(low, high, option, piece.strip())
        depths |= set(range(low, high + 1))
    return tuple(sorted(depths))


By = Literal["iterations", "samples", "seconds", "work"]

MOST_ARCHITECTURES = 5_000_000
"""Architectures of one search, the cap on weights left aside."""


def design(
    spec: Spec,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    equal: bool = False,
    most_weights: int | None = None,
    constants: ConstantsName | None = None,
    by: By | None = None,
    top: int = 10,
    pipeline: Which = "best",
    measured: Mapping[str, float | int | None] | None = None,
    progress: Progress | None = None,
) -> Design:
    """Rank the architectures between a spec's inputs and outputs, each at its best hyper-parameters.

    With a target the cost to reach it is minimised, else the bound within the budget.

    Args:
        spec: its first and last layer, its weight bound, data, training, search, target and budget.
        widths, depths: lengths of hidden layers, and numbers of them; every combination is compared.
        equal: only architectures whose hidden layers all have one length.
        most_weights: cap on the number of weights.
        constants: the paper's, or certified ones; None for the paper's, or for certified ones where only
            these reach the target.
        by: the cost; by default `seconds` if the spec has a cost model, else `work`.
        top: how many architectures to return.
        pipeline: plan the training of the best architecture with a hidden layer, of the spec's own, of a
            rank, or of none.
        measured: statistics of the data file by spec key.
        progress: told how many architectures are done, of how many, and what they are.

    Raises:
        HypothesisError: the spec fixes what a design chooses, or has no meaning for it.
        UsageError: the search is too large, or the cost cannot be told.
    """
    check_which(pipeline, top, "raise --top")
    free, _ = _freed(spec)
    base = resolve(free, measured)
    space = search_space(free, base)
    _check(free, base, space, depths)
    lattice = Lattice(
        base.layers[0], base.layers[-1], tuple(widths), tuple(depths), equal, most_weights, base.bias
    )
    metric = _metric(space, by)
    if lattice.total > MOST_ARCHITECTURES:
        raise UsageError(
            f"--widths and --depth must span at most {MOST_ARCHITECTURES:,} architectures; got "
            f"{lattice.total:,}; list fewer widths, lower --depth, or use --equal"
        )

    def ask(name: ConstantsName) -> Design:
        search = Search(base, space, lattice, name, metric)
        return _design(spec, search, progress, top=top, pipeline=pipeline)

    design = ask(constants or usual_constants(base))
    if design.infeasible is None or spec.target is None:
        return design
    name = other_than(design.constants)[0]
    try:
        other = ask(name)
    except HypothesisError:
        return design
    if other.infeasible is not None:
        told = no_other_plan([name])
    elif constants is None:
        return replace(other, notes=(taken(design.constants, name), *other.notes))
    else:
        told = wording.reached_by(name, other.architectures[0].layers)
    return replace(
        design, infeasible=replace(design.infeasible, reason=f"{design.infeasible.reason}; {told}")
    )


def _freed(spec: Spec) -> tuple[Spec, tuple[str, ...]]:
    """The spec without what a design chooses for every architecture, and the keys that are left aside."""
    fixed = {"stepsize": spec.training.stepsize is not None}
    fixed["iterations"] = spec.training.iterations is not None and spec.target is not None
    keys = [key for key, given in fixed.items() if given]
    training = spec.training.model_copy(update=dict.fromkeys(keys))
    return spec.model_copy(update={"training": training}), tuple(f"training.{key}" for key in keys)


def _design(
    spec: Spec,
    search: Search,
    progress: Progress | None,
    *,
    top: int,
    pipeline: Which,
) -> Design:
    """The same with one set of constants."""
    base, space, lattice, metric = search.base, search.space, search.lattice, search.metric
    widest = (base.layers[0], *(max(lattice.widths),) * max(lattice.depths), base.layers[-1])
    check_problem(one_problem(base, widest), search.constants)
    screened = screen(search, progress)
    if screened.cost.size == 0:
        raise UsageError(
            f"--parameters must leave at least one architecture; got {lattice.most_weights:,}; the smallest "
            f"has {_fewest_weights(lattice):,} weights"
        )
    order = screened.order()
    feasible = int(np.isfinite(screened.cost).sum())
    rows = screened.take(order[:feasible])
    exact, shown = ranked(search, rows, top) if feasible else ((), ())
    best_depth = int(rows.depth[0]) if feasible else max(lattice.depths)
    source = _source(search, best_depth)
    advice = Design(
        constants=search.constants,
        equation=source if space.goal is None else f"solved for N: {source}",
        by=metric,
        objective=wording.objective(metric, limited=bool(space.limits)),
        searched=screened.cost.size,
        feasible=feasible if shown else 0,
        equations=tuple(
            _source(search, depth)
            for depth in sorted({min(int(each), 1) for each in np.unique(screened.depth)})
        ),
        assumed=(*_assumed(base, search.constants), *space.assumed),
    )
    if not shown:
        return replace(advice, infeasible=_infeasible(search))
    check_which(pipeline, len(shown), "no more architectures reach the target")
    planned, why = choose(pipeline, search, exact)
    return replace(
        advice,
        architectures=shown,
        pipeline=None if planned is None else _pipeline(search, planned),
        notes=(*wording.left_aside(_freed(spec)[1]), *_notes(spec, search, shown), *([why] if why else [])),
    )


def _assumed(base: Problem, constants: ConstantsName) -> Iterator[Assumption]:
    """What is assumed of every architecture; a loss that only a box limits has a largest one for each."""
    by_box = base.boxed and not np.isfinite(base.head.largest_loss(base.outputs))
    for item in relevant(base, constants):
        own = by_box and item.key == INITIAL_LOSS
        yield replace(item, value=wording.LARGEST_LOSS, why=wording.OWN_LARGEST_LOSS) if own else item


def _metric(space: Space, by: By | None) -> Metric:
    if space.goal is None:
        if by is not None:
            raise UsageError(
                f"--by needs a target to reach, since without one the bound is ranked; got {by}; set "
                "target.eps and target.delta, or leave --by out"
            )
        return "bound"
    if by == "seconds" and space.cost is None:
        raise UsageError(
            "--by seconds needs the time of an iteration; got a spec without cost; set cost.per_iteration or "
            "cost.per_sample, or use --by work"
        )
    return by or ("seconds" if space.cost is not None else "work")


def _check(spec: Spec, base: Problem, space: Space, depths: Sequence[int]) -> None:
    """Refuse what has no meaning for a search over architectures."""
    if base.tied:
        raise HypothesisError(
            "must be multilayer or single_layer for a design; got autoencoder; use kind: multilayer with "
            "layers: [inputs, outputs]",
            quantity="network.kind",
        )
    if max(depths) > 0 and not base.weight_bounds:
        raise HypothesisError(
            "must be multilayer where hidden layers are allowed; got single_layer; use kind: multilayer, "
            "or --depth 0",
            quantity="network.kind",
        )
    for key, what, values, fix in (
        ("weight_bound", "number", base.weight_bounds, "the bound of all layers"),
        ("activation", "word", base.activations, "the unit of all hidden layers"),
    ):
        if len(set(values)) > 1:
            raise HypothesisError(
                f"must be one {what} for a design, whose number of layers varies; got a list of different "
                f"ones; give {fix}",
                quantity=f"network.{key}",
            )
    for schedule in space.schedules:
        decay = "training.decay" if spec.training.decay is not None else "search.decay"
        if space.goal is not None and schedule.decay:
            raise HypothesisError(
                f"must be 0 for a design with a target; got {schedule.decay:g}; set it to 0, or use "
                "`rsgadvise recommend`",
                quantity=decay,
            )
        if schedule.stopping == "uniform" and schedule.decay:
            raise HypothesisError(
                f"must be 0 for a design whose training.stopping is uniform, as it is unless given; got "
                f"{schedule.decay:g}; set training.stopping to matched, or this to 0, or "
                "use `rsgadvise recommend`",
                quantity=decay,
            )
        if not schedule.monotone:
            raise HypothesisError(
                "must be uniform or matched without decay, or matched with it, for a design; got another "
                "distribution; change it, or use `rsgadvise recommend`",
                quantity="training.stopping",
            )


def _fewest_weights(lattice: Lattice) -> int:
    least = []
    for depth in lattice.depths:
        index = np.zeros(1, dtype=np.int64)  # the lengths are in increasing order
        least.append(int(lattice.weights(lattice.hidden(depth, index))[0]))
    return min(least)


def _source(search: Search, depth: int) -> str:
    kind = "multilayer" if depth else "single_layer"
    dropout = min(low for low, _ in search.space.keep_probs) < 1
    return equation(kind, search.constants, search.space.schedules[0], dropout=dropout)


def _infeasible(search: Search) -> Infeasible:
    space, goal = search.space, search.space.goal
    limits = [limit.key for limit in space.limits]
    reached = None if goal is None else least_eps(search, goal)
    if goal is None or reached is None:
        return Infeasible(wording.no_room(limits or [space.iterations_key]), None, None)
    eps, layers = reached
    told = f"{rounded_up(eps, 6):.6g}"  # what is told has to be reachable
    return Infeasible(
        wording.unreachable(goal.eps, told, layers, [space.iterations_key, *limits]), eps, layers
    )


def _notes(spec: Spec, search: Search, shown: Sequence[Architecture]) -> tuple[str, ...]:
    lattice = search.lattice
    best, notes = shown[0], []
    hidden = best.layers[1:-1]
    if hidden and len(lattice.widths) > 1 and set(hidden) == {min(lattice.widths)}:
        notes.append(wording.NARROWEST)
    elif not hidden and max(lattice.depths) > 0:
        notes.append(wording.NO_HIDDEN)
    vacuous = sum(row.vacuous for row in shown)
    if best.vacuous:
        notes.insert(0, wording.EVERY_VACUOUS)  # others would come first
    elif vacuous:
        notes.append(wording.vacuous(vacuous, len(shown)))
    unproven = sum(not row.proven and not row.vacuous for row in shown)
    if unproven:
        notes.append(wording.not_proven(unproven, len(shown)))
    notes.append(wording.GRADIENTS_DIFFER)
    if search.metric == "seconds":
        notes.append(wording.SAME_SPEED)
    if spec.training.initial_loss is not None:
        notes.append(wording.SAME_START)
    if spec.training.pretraining is not None and spec.training.pretraining.tolerance < 1:
        notes.append(wording.pretrained(spec.training.pretraining.tolerance))
    if 0 in lattice.depths and max(lattice.depths) > 0:
        notes.append(wording.SINGLE)
    about = ranks_by((row.rank, note) for row in shown for note in row.notes if note in wording.SHARED_NOTES)
    shared = [wording.of_ranks(note, ranks, len(shown)) for note, ranks in about.items()]
    return (*notes, *shared)


def _pipeline(search: Search, one: Solved) -> Pipeline:
    """The training of a network with hidden layers."""
    row, goal = one.row, one.space.goal
    runs = int(row.runs[0])
    target = float(row.value[0]) if goal is None else float(goal.per_run(np.asarray(float(runs))))
    ranked_by = Plan(
        row.stepsize[0],
        float(row.keep_prob[0]),
        float(row.batch[0]),
        float(row.iterations[0]),
        one.space.schedules[int(row.schedule[0])],
    )
    return plan_pipeline(
        one.problem, one.space, constants=search.constants, target=target, runs=runs, ranked=ranked_by
    )
