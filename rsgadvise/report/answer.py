"""The answer that comes first: what to train with, how good it was, what is guaranteed, what next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rsgadvise.numerals import count, epochs, number, percent, stepsizes

if TYPE_CHECKING:
    from rsgadvise.advise.answer import Guarantee, TrainingPlan
    from rsgadvise.advise.results import Advice

__all__ = ["brief", "digits_of", "guarantee_sentences", "lead", "plan_stepsizes"]

_MOST_LINES = 6
_SHORT = 150  # characters of a line that is still read in passing
_LAYERS_NAMED = 4
_SAID = ("Data measured from ", "Typical: ")  # what the first lines say already
_GUESSED_TARGET = "is assumed to be what to predict"
_ASSUMED: Mapping[str, str] = {
    "network.weight_bound": "weights within {} (network.weight_bound)",
    "training.initial_loss": "a loss of {} before training (training.initial_loss)",
    "training.pretraining.tolerance": "no pretraining",
}


def lead(advice: Advice, source: str = "") -> tuple[str, ...]:
    """At most four sentences, the most important first.

    Args:
        advice: with or without a plan.
        source: the command that gave the advice, which the next one goes on from; "" for none.
    """
    plan = advice.train
    if plan is None:
        reason = "" if advice.infeasible is None else f" {advice.infeasible.reason}."
        return (f"No plan meets what the spec asks for.{reason}",)
    lines = []
    if plan.learns is False:
        lines.append(f"This network learns nothing so: {plan.reason.rstrip('.') or 'no cause was found'}.")
    lines.append(f"Train with {_values(advice, plan)}.")
    if plan.learns is not False:
        lines += _worth(advice, plan)
    if advice.infeasible is not None:
        lines.append("No proven plan meets the target: that stepsize is for training, and promises nothing.")
    if advice.guarantee is not None and plan.source != "theorem":
        lines.append(_guaranteed(advice.guarantee, plan))
    if source:
        lines.append(f"Next: {source} --emit torch > train.py (or keras, sklearn, optuna)")
    return tuple(lines)[:4]


def _values(advice: Advice, plan: TrainingPlan) -> str:
    """Every value that a training needs."""
    parts = [_stepsizes(advice, plan)]
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
        return 2 if plan is not None and plan.source == "typical" and not _fixed(advice) else 4
    return 3 if plan.spread < 1.1 else 2


def _fixed(advice: Advice) -> bool:
    """Whether the spec fixes the stepsize: then the theorem's ranks have the very one that is typical."""
    plan, ranks = advice.train, advice.recommendations
    return (
        plan is not None and bool(ranks) and plan.source == "typical" and plan.stepsize == ranks[0].stepsize
    )


def plan_stepsizes(advice: Advice, plan: TrainingPlan) -> str:
    """The stepsize with no more digits than are known, one for each layer where layers differ."""
    own = plan.stepsize if isinstance(plan.stepsize, tuple) else (plan.stepsize,)
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
        yield (
            f"That is typical for data with these statistics{within}: neither proven nor measured on your "
            "data; name a data file to have it measured."
        )
    elif plan.loss is not None and plan.constant_loss is not None:
        known = f", known to a factor of {number(plan.spread, 2)}," if plan.spread is not None else ""
        several = "," in plan_stepsizes(advice, plan)
        tried = ("those stepsizes" if several else "that stepsize") if plan.cooldown or known else "it"
        text = f"A short run with {tried}{known} reached a training loss of {number(plan.loss, 3)}, "
        text += f"a constant prediction has {number(plan.constant_loss, 3)}"
        if plan.held_out_error is not None and plan.constant_error is not None:
            text += (
                f"; of rows held out {percent(plan.held_out_error)} were wrong, always saying the commonest "
                f"class {percent(plan.constant_error)}"
            )
        yield f"{text}."
        if plan.learns is None and plan.reason:
            yield f"{plan.reason[0].upper()}{plan.reason[1:].rstrip('.')}."
    elif plan.source == "calibrated":
        yield f"The stepsize was measured on your data{within}; nothing was trained to try it."


def _guaranteed(found: Guarantee, plan: TrainingPlan) -> str:
    """The claim, and that it is about a stepsize of its own where it is."""
    if found.stepsize == plan.stepsize:
        return f"Proven: {found.claim}."
    dropped = 1 - found.keep_prob
    masks = "" if found.keep_prob == plan.keep_prob else f" and dropout {number(dropped, 3)}"
    return f"Proven for stepsize {stepsizes(found.stepsize)}{masks} instead: {found.claim}."


def guarantee_sentences(found: Guarantee) -> Iterator[str]:
    """The statement whole, and what other boxes would make of it."""
    yield f"{found.statement[0].upper()}{found.statement[1:]}."
    values = [
        f"{number(each.weight_bound)}: "
        + (
            "no plan"
            if each.bound is None and each.iterations is None
            else f"{count(each.iterations)} iterations"
            if each.iterations is not None
            else f"a bound of {number(each.bound)}"
        )
        for each in found.growth
    ]
    if values:
        yield f"The same with weights kept within {'; within '.join(values)}."


def brief(advice: Advice, row_notes: Iterable[str] = ()) -> Iterator[str]:
    """At most six short lines on what to mind; the rest is for --details.

    Args:
        advice: with a plan.
        row_notes: on its ranks, where they are what to train with.
    """
    guessed = any(_GUESSED_TARGET in note for note in advice.notes)
    said = (*_SAID, *(["The target is "] if guessed else []))
    lines = [advice.chosen, *(note for note in advice.notes if not note.startswith(said)), *row_notes]
    assumed = _assumed(advice)
    if assumed:
        lines.append(f"Assumed: {assumed}.")
    short = [line for line in lines if line and len(line) <= _SHORT]
    yield from short[:_MOST_LINES]


def _assumed(advice: Advice) -> str:
    """What nobody gave, in a line; the ranges of the search are left to --details."""
    items = [
        _ASSUMED.get(item.key, f"{item.key} {{}}").format(
            item.value if isinstance(item.value, str) else number(float(item.value))
        )
        for item in advice.assumed
        if not item.key.startswith("search.")
    ]
    text = ", ".join(items)
    while len(text) > _SHORT - len("Assumed: .") and len(items) > 1:
        items.pop()
        text = f"{', '.join(items)} and more"
    return text
