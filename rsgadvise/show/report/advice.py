"""Advice, bounds and plans as blocks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.advise.results import Advice, NoiseScale, Recommendation, by_matrix
from rsgadvise.advise.wording import SAME_TARGETS, ranks_by, ranks_in_words
from rsgadvise.numerals import count, epochs, network, number, percent, stepsizes
from rsgadvise.show.report.blocks import (
    Block,
    Column,
    Grid,
    Lead,
    Sentences,
    Title,
    assumptions,
    capitalised,
    noise_sentence,
    one_stepsize,
    sentences,
    terms_grid,
    verdict,
)
from rsgadvise.theory import about
from rsgadvise.theory.search import whole_number
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Expected, Guarantee, TrainingPlan


# The answer that comes first: what to train with, how good it was, what is guaranteed, what next.

_MOST_LINES = 6
_SHORT = 150  # characters of a line that is still read in passing
_LAYERS_NAMED = 4
_LISTED = 2  # targets whose errors are told one by one
_ALIKE = 1.02  # times one stepsize is another that is shown as the same
_SAID = ("Data measured from ", "Typical: ")  # what the first lines say already
_GUESSED_TARGET = "is assumed to be what to predict"
_COSTLY = (
    "Interrupted: ",
    "What holds it back|It takes longer than|Tried without help|At rank 1 the loss is still",
    ".* holds no targets, so nothing was measured",
    "[0-9,]+ of [0-9,]+ rows .*left out",
    "The rows are in order of time",
    "Left out by itself, (dates|a word)",
    ".* crushed by outliers|.*far from every other number|The targets(, | of .* far outside)|"
    "Labels that differ|"
    "The targets? ha.* long tail",
)
"""How notes begin that cost a user something, the dearest first."""
_HARMLESS = (
    f".* {_GUESSED_TARGET}",
    "[0-9,]+ missing cells?, in |Words became inputs|The output is |The target is column",
    "Left out by itself",
    "Assumed: ",
    "No bound",
    "Left out",
)
"""How those begin that are usual, or as was asked for, which come last."""
_ASSUMED: Mapping[str, str] = {
    "network.weight_bound": "weights within {} (network.weight_bound)",
    "training.initial_loss": "a loss of {} before training (training.initial_loss)",
    "training.pretraining.tolerance": "no pretraining",
}


def lead(advice: Advice, source: str = "") -> tuple[str, ...]:
    """At most four sentences, the most important first; one more for a loss that was asked for.

    Args:
        advice: with or without a plan.
        source: the command that gave the advice, which the next one goes on from; "" for none.
    """
    plan = advice.train
    if plan is None:
        reason = "" if advice.infeasible is None else f" {capitalised(advice.infeasible.reason)}."
        return (f"No plan meets what the spec asks for.{reason}",)
    lines = []
    if plan.learns is False:
        none = "no cause was found; the inputs may say nothing of the target"
        lines.append(f"This network learns nothing so: {plan.reason.rstrip('.') or none}.")
    if plan.reason == SAME_TARGETS:  # no stepsize is better than another
        return tuple(lines)
    lines.append(f"Train with {_values(advice, plan)}.")
    asked = tuple(wanted(plan))
    lines += asked
    if plan.learns is not False:
        lines += _worth(advice, plan)
    if advice.infeasible is not None:
        lines.append("No proven plan meets the target: that stepsize is for training, and promises nothing.")
    if advice.guarantee is not None and not advice.guarantee.useful:
        lines.append(
            "Nothing useful is proven: the smallest bound on the expected squared gradient norm is "
            f"{number(advice.guarantee.bound, 3)}."
        )
    elif advice.guarantee is not None and plan.source != "theorem":
        lines.append(_guaranteed(advice.guarantee, plan))
    if source:
        lines.append(f"Next: {source} --emit torch > train.py (or keras, sklearn, optuna)")
    return tuple(lines)[: 4 + len(asked)]


def _values(advice: Advice, plan: TrainingPlan) -> str:
    """Every value that a training needs."""
    optimizer = plan.optimises
    parts = [*([] if optimizer.bare else [optimizer.words]), _stepsizes(advice, plan)]
    if plan.decay:
        parts.append(f"falling as k^-{number(plan.decay)} with iteration k")
    parts.append("batches of 1 row" if plan.batch_size == 1 else f"batches of {count(plan.batch_size)} rows")
    steps = "1 iteration" if plan.iterations == 1 else f"{count(plan.iterations)} iterations"
    if plan.epochs is not None:
        steps += f" ({epochs(plan.epochs)} epochs)"
    parts.append(steps)
    if plan.cooldown:
        parts.append(f"the stepsize falling linearly to 0 over the last {percent(plan.cooldown)}")
    parts.append(f"dropout {number(plan.dropout_rate, 3)}" if plan.dropout_rate else "no dropout")
    if plan.scaling not in (None, "none"):
        parts.append(f"inputs scaled: {plan.scaling}")
    if plan.weight_bound is not None and plan.source != "theorem":
        box = plan.weight_bound if isinstance(plan.weight_bound, tuple) else (plan.weight_bound,)
        low, high = number(min(box)), number(max(box))
        parts.append(f"weights kept within {high if low == high else f'{low} to {high}'}")
    return ", ".join(parts)


def digits_of(advice: Advice) -> int:
    """As many digits of the stepsizes to train with as are known."""
    plan = advice.train
    if plan is None or plan.spread is None:
        return 4
    return 3 if plan.spread < 1.1 else 2


def _fixed(advice: Advice) -> bool:
    """Whether the spec fixes the stepsize: what twins tell of another has no spread then."""
    plan = advice.train
    return plan is not None and plan.source == "typical" and plan.spread is None


def plan_stepsizes(advice: Advice, plan: TrainingPlan) -> str:
    """The stepsize with no more digits than are known, one for each layer where layers differ."""
    own = by_matrix(plan.stepsize)
    texts = [number(gamma, digits_of(advice)) for gamma in own]
    if len(set(texts)) == 1:
        return texts[0]
    if len(texts) > _LAYERS_NAMED:
        texts = [*texts[:2], "...", texts[-1]]
    return ", ".join(texts)


def _stepsizes(advice: Advice, plan: TrainingPlan) -> str:
    """The same in words, with the common one."""
    text = plan_stepsizes(advice, plan)
    if "," not in text:
        return f"stepsize {text}"
    common = number(plan.common_stepsize, digits_of(advice))
    return f"stepsizes {text} by layer (where a library knows one rate only: {common})"


def _worth(advice: Advice, plan: TrainingPlan) -> Iterator[str]:
    """How good it was, against a constant prediction; or what it is known by."""
    within = ""
    if plan.spread is not None and plan.spread >= 1.05:  # a factor of 1 tells nobody anything
        within = f", within a factor of {number(plan.spread, 2)}"
    if _fixed(advice):
        yield "The spec fixes that stepsize; nothing was measured on your data."
    elif plan.source == "typical" and plan.reason:
        yield f"That is a guess: {plan.reason}."
    elif plan.source == "typical":
        how = "name a data file" if plan.scaling is None else "leave out --constants"
        yield (
            f"That is typical for data with these statistics{within}: neither proven nor measured on your "
            f"data; {how} to have it measured."
        )
    elif plan.loss is not None and plan.constant_loss is not None:
        known = ""
        if plan.spread is not None and plan.spread >= 1.05:
            known = f"known within a factor of {number(plan.spread, 2)}"
        if plan.source == "calibrated":
            text = "The stepsize was measured on your data; the least loss that any short run reached was "
            text += f"{number(plan.loss, 3)}, a constant prediction has {number(plan.constant_loss, 3)}"
            yield f"{text}.{_but(plan)}"
            return
        if plan.looks and plan.held_out_loss is not None:
            text, end = _whole(plan), f". The stepsize is {known}" if known else ""
        else:
            several = "," in plan_stepsizes(advice, plan)
            tried = ("those stepsizes" if several else "that stepsize") if plan.cooldown or known else "it"
            text, end = (
                f"A short run with {tried}{f' ({known})' if known else ''} reached a training loss of ",
                "",
            )
            text += f"{number(plan.loss, 3)}, a constant prediction has {number(plan.constant_loss, 3)}"
            untold = "; no rows were held out, so that it says little of new ones"
            text += untold * (plan.held_out_loss is None)
            if judged := errors(plan):
                text += f"; it {judged}"
        if _no_better(plan):
            same = "the median" if plan.held_out_error is None else "the commonest class"
            text += f"; that is no better than {same}{_why_no_better(plan)}"
        yield f"{text}{end}.{_but(plan)}"
    elif plan.source == "calibrated":
        yield f"The stepsize was measured on your data{within}; nothing was trained to try it."


def _whole(plan: TrainingPlan) -> str:
    """What whole trainings came to on rows held out."""
    turns = ", each fifth left out in its turn," * (plan.folds > 1)
    trained = f"Trained so on four fifths of the rows{turns}"
    losses = [
        f"a constant prediction: {number(plan.constant_loss or 0.0, 3)}",
        f"the rows trained on: {number(plan.loss or 0.0, 3)}",
    ]
    whole = plan.looks[-1]
    if whole.iterations > plan.iterations:
        later = f"after {count(whole.iterations)} iterations: {number(whole.held_out_loss, 3)}"
        losses.append(f"{later}, so it ends early")
    loss = f"a loss of {number(plan.held_out_loss or 0.0, 3)} ({'; '.join(losses)})"
    others = "the others" if plan.folds > 1 else f"the {count(plan.held_out_rows)} others"
    if judged := errors(plan, others):
        return f"{trained} it {judged}, at {loss}"
    return f"{trained} it came to {loss} on {others}"


def errors(plan: TrainingPlan, rows: str = "") -> str:
    """What "it" got wrong of rows held out, or by how much, beside one answer to all; or nothing."""
    rows = rows or f"{count(plan.held_out_rows)} rows held out"
    if plan.held_out_error is not None and plan.constant_error is not None:
        what, same = rows, "the commonest class"
        if plan.counted == "answers":
            what, same = f"the 0s and 1s of {rows}", "the commoner of each"
        wrong, constant = percent(plan.held_out_error), percent(plan.constant_error)
        return f"had {wrong} of {what} wrong (always saying {same}: {constant})"
    if plan.held_out_off is None or plan.constant_off is None:
        return ""
    off, constants = plan.held_out_off, plan.constant_off
    if len(off) > _LISTED:
        shares = [mine / constant for mine, constant in zip(off, constants, strict=True) if constant > 0]
        share = number(sum(shares) / max(len(shares), 1), 3)
        return f"was {share} times as far off on {rows} as medians are, in the mean of {len(off)} targets"
    listed, same = (" and ".join(number(each, 3) for each in several) for several in (off, constants))
    medians = "medians" if len(off) > 1 else "median"
    return f"was off by {listed} on average on {rows} (always saying the {medians}: {same})"


def _no_better(plan: TrainingPlan) -> bool:
    if plan.held_out_error is not None and plan.constant_error is not None:
        return plan.held_out_error >= plan.constant_error
    off, constant = plan.held_out_off or (), plan.constant_off or ()
    return bool(off) and all(mine >= same for mine, same in zip(off, constant, strict=True))


def _why_no_better(plan: TrainingPlan) -> str:
    """What may be the cause, where nothing else is said of it."""
    if plan.reason:
        return ""
    from rsgadvise.pilot.race import learns  # of such an advice it is loaded already

    if learns(plan.held_out_loss or math.inf, plan.constant_loss or 0.0):
        loss = number(plan.held_out_loss or 0.0, 3)
        if plan.held_out_error is None:
            return f" by how far it is off, though by the loss, {loss}, in which what is far off counts more"
        return f" by its labels, though by their loss, {loss}: of a rare class probabilities say more"
    if plan.looks:
        return ": the inputs may say nothing of the target"
    if plan.learns:
        return ": it learns its rows by heart, and fewer epochs may do better on new ones"
    return ": a longer training may be, or the inputs may say nothing of the target"


def _but(plan: TrainingPlan) -> str:
    """What to know of one that learns, or may."""
    return f" {capitalised(plan.reason.rstrip('.'))}." if plan.learns is not False and plan.reason else ""


def expectation(plan: TrainingPlan | None) -> str:
    """The loss to expect at the end, and what longer trainings would bring; empty where nobody knows."""
    if plan is None or plan.longer is None:
        return ""
    own, longest = plan.longer
    if plan.looks:  # its own loss is known
        return ""
    text = f"Expected at the end: a loss of about {_between(own)}"
    times = count(round(longest.iterations / own.iterations))
    if plan.level:
        return f"{text}; more iterations hardly help."
    return f"{text}; with {times} times the iterations {_between(longest)}."


def _between(expected: Expected) -> str:
    return f"{number(expected.loss, 2)} ({number(expected.low, 2)} to {number(expected.high, 2)})"


def wanted(plan: TrainingPlan) -> Iterator[str]:
    """How long to train for the loss that was asked for."""
    asked = plan.until
    if asked is None:
        return
    loss = f"a loss of {number(asked.loss, 3)}"
    if not plan.expected:
        yield f"How long {loss} takes is not known: it needs short runs that learn."
    elif asked.iterations is None:
        yield f"{loss.capitalize()} is not expected within {count(plan.expected[-1].iterations)} iterations."
    else:
        ends = (asked.soonest, asked.iterations, asked.latest)
        soonest, middle, latest = (
            "never" if each is None else count(int(float(f"{each:.2g}"))) for each in ends
        )
        ends_at = f"{soonest} to {'perhaps ' if asked.latest is None else ''}{latest}"
        yield f"{loss.capitalize()} is expected after about {middle} iterations ({ends_at})."


def _guaranteed(guarantee: Guarantee, plan: TrainingPlan) -> str:
    """The claim, and that it is about a stepsize of its own where it is."""
    if guarantee.stepsize == plan.stepsize:
        return f"Proven: {guarantee.claim}."
    dropped = 1 - guarantee.keep_prob
    masks = "" if guarantee.keep_prob == plan.keep_prob else f" and dropout {number(dropped, 3)}"
    return f"Proven for stepsize {stepsizes(guarantee.stepsize)}{masks} instead: {guarantee.claim}."


def guaranteed(advice: Advice) -> tuple[str, ...]:
    """The statement whole, where there is one."""
    return () if advice.guarantee is None else (f"{capitalised(advice.guarantee.statement)}.",)


def _cost(note: str) -> int:
    """Where a note belongs: below 0 those of `_COSTLY`, above it those of `_HARMLESS`."""
    for place, begins in enumerate(_COSTLY):
        if re.match(begins, note):
            return place - len(_COSTLY)
    return next((1 + place for place, begins in enumerate(_HARMLESS) if re.match(begins, note)), 0)


def by_cost(notes: Iterable[str]) -> list[str]:
    """What costs a user most first: rows or columns lost before what is usual; else as they came."""
    return sorted(notes, key=_cost)


def brief(advice: Advice, row_notes: Iterable[str] = ()) -> Iterator[str]:
    """At most six short lines on what to mind; the rest is for --details.

    Args:
        advice: with a plan.
        row_notes: on its ranks, where they are what to train with.
    """
    guessed = any(_GUESSED_TARGET in note for note in advice.notes)
    said = (*_SAID, *(["The target is "] if guessed else []))
    lines = [
        advice.chosen,
        expectation(advice.train),
        *(note for note in advice.notes if not note.startswith(said)),
        *row_notes,
    ]
    assumed = _assumed(advice)
    if assumed:
        lines.append(f"Assumed: {assumed}.")
    short = [
        line for line in by_cost(lines) if line and len(line) <= (_SHORT if _cost(line) >= 0 else 2 * _SHORT)
    ]
    yield from short[:_MOST_LINES]


def _assumed(advice: Advice) -> str:
    """What nobody gave, in a line; the ranges of the search are left to --details."""
    items = [
        _ASSUMED.get(item.key, f"{item.key} {{}}").format(
            item.value if isinstance(item.value, str) else number(float(item.value))
        )
        for item in advice.assumed
        if not item.key.startswith("search.") and item.value != math.inf
    ]
    if advice.raced_box is not None:
        items = [item.replace("weights within", "for the bounds, weights within") for item in items]
    text = ", ".join(items)
    while len(text) > _SHORT - len("Assumed: .") and len(items) > 1:
        items.pop()
        text = f"{', '.join(items)} and more"
    return text


_NO_BOUND = "no bound"
_RANKS_BY_LAYER = 5
_LAYERS_SHOWN = 12
_LAYERS_BESIDE = 3
_OF_BOUNDS = ("loss score", "gradient bound", "bound", "certified", "proven")


def _ranks(ranks: Sequence[int], total: int) -> str:
    if len(ranks) == total:
        return "" if total == 1 else "All ranks: "
    return f"{ranks_in_words(ranks).capitalize()}: "


def _held_by(row: Recommendation) -> str:
    # The ends of keep_prob and of batch_size have a note of their own.
    own = ("search.keep_prob", "search.batch_size")
    return ", ".join(key for key in row.binding if not key.startswith(own))


def _row_notes(rows: Sequence[Recommendation]) -> Iterator[str]:
    """Each sentence once, with the ranks that it is about."""
    limits = ranks_by((row.rank, held_by) for row in rows if (held_by := _held_by(row)))
    for held_by, ranks in limits.items():
        start = _ranks(ranks, len(rows))
        yield f"{start}limited by {held_by}." if start else f"Limited by {held_by}."
    for note, ranks in ranks_by((row.rank, note) for row in rows for note in row.notes).items():
        yield f"{_ranks(ranks, len(rows))}{note}"


def _layer_grid(rows: Sequence[Recommendation]) -> Grid:
    """Stepsizes by layer for the first ranks; a deep network shows its first and last layers."""
    shown = rows[:_RANKS_BY_LAYER]
    vectors = [by_matrix(row.stepsize) for row in shown]
    depth = len(vectors[0])
    indices = list(range(depth))
    if depth > _LAYERS_SHOWN:
        indices = [*range(_LAYERS_SHOWN - 2), depth - 2, depth - 1]
    body = [(str(index + 1), *(number(vector[index]) for vector in vectors)) for index in indices]
    columns = (Column("layer"), *(Column(f"rank {row.rank}") for row in shown))
    title = "Stepsizes by layer"
    if depth > _LAYERS_SHOWN:
        title += f" (of {depth}; all of them in --format json)"
    return Grid(columns, tuple(body), title)


def _cost_column(advice: Advice) -> tuple[str, Callable[[Recommendation], str]]:
    """What a choice costs over all its runs: seconds, else epochs, else samples."""
    best = advice.recommendations[0]
    if best.seconds is not None:
        return "seconds", lambda row: number(row.seconds)
    every = "all " if any(row.runs > 1 for row in advice.recommendations) else ""
    if best.total_epochs is not None:
        return f"{every}epochs", lambda row: number(row.total_epochs)
    return f"{every}samples", lambda row: count(row.total_samples)


def _ranking(advice: Advice, *, by_layer: bool, digits: int = 4) -> Grid:
    rows = advice.recommendations
    cost_name, cost = _cost_column(advice)
    columns: list[tuple[Column, Callable[[Recommendation], str]]] = [(Column("#"), lambda row: str(row.rank))]
    if not by_layer:
        columns.append((Column("stepsize"), lambda row: number(_first(row), digits)))
    columns.append((Column("batch"), lambda row: count(row.batch_size)))
    if any(row.runs > 1 for row in rows):
        columns.append((Column("runs"), lambda row: str(row.runs)))
    columns.append((Column("iterations"), lambda row: count(row.iterations)))
    if any(row.decay for row in rows):
        columns.append((Column("decay"), lambda row: number(row.decay)))
    columns += [
        (Column("keep"), lambda row: number(row.keep_prob, 3)),
        (Column("drop"), lambda row: number(row.dropout_rate, 3)),
    ]
    by_loss = rows[0].loss_score is not None
    if by_loss:
        columns.append((Column("loss score"), lambda row: number(row.loss_score)))
    name = "gradient bound" if by_loss else "bound"
    columns.append((Column(name), lambda row: number(row.bound) if math.isfinite(row.bound) else _NO_BOUND))
    if not theorem_of(advice.kind, advice.constants).proven:
        columns.append((Column("certified"), lambda row: number(row.certified_bound)))
    columns += [
        (Column("proven", numeric=False), _verdict),
        (Column(cost_name), cost),
    ]
    body = tuple(tuple(cell(row) for _, cell in columns) for row in rows)
    return Grid(tuple(column for column, _ in columns), body)


def _first(row: Recommendation) -> float:
    """The stepsize of the first layer, which is that of all where there is a column for it."""
    return row.stepsize if isinstance(row.stepsize, float) else row.stepsize[0]


def _verdict(row: Recommendation) -> str:
    return verdict(proven=row.proven, vacuous=row.vacuous) if math.isfinite(row.bound) else _NO_BOUND


def _limits(advice: Advice) -> Iterator[str]:
    """The largest gradient possible, which rises with the keep probability."""
    if advice.largest_gradient is None or advice.largest_gradient == math.inf:
        return
    text = f"No squared gradient norm of this network exceeds {number(advice.largest_gradient)}"
    span = stepsizes([row.largest_gradient for row in advice.recommendations])
    differ = " to " in span
    yield (
        f"{text} at rank 1; over all ranks the limit runs from {span}, with keep_prob."
        if differ
        else f"{text}."
    )


def _why(advice: Advice) -> Iterator[str]:
    yield from advice.why
    if advice.measured:
        # What only training needs is loaded only where there was some: most advice is without.
        from rsgadvise.show.report.piloting import measured_sentences

        yield from measured_sentences(advice)
    yield from _limits(advice)
    noise = advice.critical_batch_size
    if isinstance(noise, NoiseScale):
        yield noise_sentence(noise)
    elif noise is not None:
        knee = count(whole_number(noise))
        runs = advice.recommendations[0].runs
        at = "" if runs == 1 else f" of {runs:,} runs"
        yield f"Critical batch size{at} {knee}: there the iterations are twice the fewest possible."


def measured_blocks(advice: Advice) -> Iterator[Block]:
    """The race, the choice of P_R and the constants, where anything was measured."""
    if advice.measured:
        from rsgadvise.show.report import piloting

        yield from piloting.measured_blocks(advice)


def advice_blocks(advice: Advice, *, details: bool = True, source: str = "") -> tuple[Block, ...]:
    """The answer, the ranks and a few lines; with details also why, and all that was measured and assumed.

    Args:
        advice: of any kind.
        details: everything; what a theorem was asked for by name comes with it.
        source: the command that gave it, for the one that comes next.
    """
    title = Title(f"Advice for {network(advice.kind, advice.layers)}", _context(advice))
    assumed = sentences("Assumed", assumptions(advice.assumed))
    asked = advice.train is None or (advice.train.source == "theorem" and not advice.chosen)
    answer = () if asked else (Lead(lead(advice, source)),)
    if advice.infeasible is not None:
        head = title if asked or details else replace(title, context="")
        reason = f"{capitalised(advice.infeasible.reason)}."
        return (head, *answer, *sentences("No plan", (reason,)), *assumed)
    if not (details or asked):
        beside = advice.measured or (advice.train is not None and advice.train.source != "theorem")
        mind = brief(advice, () if beside else _row_notes(advice.recommendations))
        same = advice.train is not None and advice.train.reason == SAME_TARGETS
        ranks = () if same else brief_ranking(advice)
        return (replace(title, context=""), *answer, *ranks, *sentences("Mind", mind))
    best = advice.recommendations[0]
    return (
        title,
        *answer,
        *ranking_blocks(advice),
        *([terms_grid(best.terms, best.bound, _terms_title(best))] if best.terms else []),
        *measured_blocks(advice),
        *reason_blocks(advice),
        *sentences("Guaranteed", guaranteed(advice)),
        *assumed,
    )


def _context(advice: Advice) -> str:
    """Whose bounds the ranks show, and what they are ranked by."""
    caveat = about(advice.constants).caveat
    proven = f", {caveat}" if caveat else ""
    context = f"{advice.constants} constants{proven}, {advice.equation}; {advice.objective}"
    if advice.recommendations and advice.recommendations[0].stopping != "uniform":
        context += f"; P_R: {advice.recommendations[0].stopping}"
    return context


def brief_ranking(advice: Advice) -> tuple[Grid, ...]:
    """The ranks with what to train with; bounds only where they are a theorem's."""
    if not advice.measured and advice.train is not None and not advice.train.optimises.plain:
        return ()  # no theorem ranks it
    if not advice.measured:
        grids = ranking_blocks(advice)
        beside = advice.train is not None and advice.train.source != "theorem"
        title = "Ranks of the theorem"
        if about(advice.constants).measured:
            title = "Ranks by estimates: nothing here is promised"
        elif beside:
            title = "The theorem's ranks: what can be promised, not what to train with"
        return (
            replace(grids[0], title=title, caption=_context(advice)),
            *grids[1:],
        )
    rows = advice.recommendations
    by_layer = any(one_stepsize(row.stepsize) is None for row in rows)
    digits = digits_of(advice)
    grid = _without(_ranking(advice, by_layer=by_layer, digits=digits), _OF_BOUNDS)
    title, caption = _order(advice)
    grid = replace(grid, title=title, caption=caption)
    if not by_layer:
        return (grid,)
    vectors = [by_matrix(row.stepsize) for row in rows]
    if len(vectors[0]) > _LAYERS_BESIDE:
        return (grid, _layer_grid(rows))
    cells = [", ".join(number(gamma, min(digits, 3)) for gamma in vector) for vector in vectors]
    first = (grid.columns[0], Column("stepsizes by layer"), *grid.columns[1:])
    body = tuple((row[0], cell, *row[1:]) for row, cell in zip(grid.rows, cells, strict=True))
    return (replace(grid, columns=first, rows=body),)


def _order(advice: Advice) -> tuple[str, str]:
    """(title, what the order of the ranks means), where they are none of a theorem."""
    from rsgadvise.pilot.results import PilotAdvice

    if not isinstance(advice, PilotAdvice) or not advice.pilot.raced or len(advice.recommendations) < 2:
        return "", ""
    first, plan = advice.pilot.raced[0], advice.train
    text = "Nobody won the race of short runs"
    if first.outcome == "won":
        steps = first.stepsizes if plan is None else by_matrix(plan.stepsize, len(first.stepsizes))
        times = [one / other for one, other in zip(first.stepsizes, steps, strict=True)]
        if max(times) > _ALIKE * min(times):
            text = (
                "Rank 1 has one stepsize in place of those that won a race of short runs; the others lost it"
            )
        else:
            alike = 1 / _ALIKE < max(times) < _ALIKE
            part = "" if alike else f"with steps {number(max(times), 2)} times as long "
            text = f"Rank 1 {part}won a race of short runs; the others lost it"
    return "Tried on the data", f"{text}, those that ran longest first."


def _without(grid: Grid, names: Sequence[str]) -> Grid:
    kept = [place for place, column in enumerate(grid.columns) if column.name not in names]
    return replace(
        grid,
        columns=tuple(grid.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in grid.rows),
    )


def _terms_title(best: Recommendation) -> str:
    kind = "bound" if best.loss_score is None else "gradient bound"
    return f"Terms of the {kind} at rank 1"


def ranking_blocks(advice: Advice) -> tuple[Grid, ...]:
    """The ranks, and where layers differ their stepsizes."""
    rows = advice.recommendations
    by_layer = any(one_stepsize(row.stepsize) is None for row in rows)
    return (_ranking(advice, by_layer=by_layer), *([_layer_grid(rows)] if by_layer else []))


def reason_blocks(advice: Advice) -> tuple[Sentences, ...]:
    """Why, and what to mind."""
    mind = (*advice.notes, *_row_notes(advice.recommendations))
    return (*sentences("Why", _why(advice)), *sentences("Mind", mind))
