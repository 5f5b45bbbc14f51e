"""The answer that comes first: what to train with, how good it was, what is guaranteed, what next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rsgadvise.numerals import count, number, percent, stepsizes

if TYPE_CHECKING:
    from rsgadvise.advise.answer import Guarantee, TrainingPlan
    from rsgadvise.advise.results import Advice

__all__ = ["brief", "guarantee_sentences", "lead"]

_MOST_LINES = 6
_SHORT = 150  # characters of a line that is still read in passing
_LAYERS_NAMED = 4
_MANY = 100  # epochs whose fraction nobody needs


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
        lines.append(f"This network learns nothing so: {plan.reason or 'no cause was found'}.")
    lines.append(f"Train with {_values(plan)}.")
    if plan.learns is not False:
        lines += _worth(plan)
    if advice.guarantee is not None and plan.source != "theorem":
        lines.append(_guaranteed(advice.guarantee))
    if source:
        lines.append(f"Next: {source} --emit torch > train.py (or keras, sklearn, optuna)")
    return tuple(lines)[:4]


def _values(plan: TrainingPlan) -> str:
    """Every value that a training needs."""
    parts = [_stepsizes(plan)]
    if plan.decay:
        parts.append(f"falling as k^-{number(plan.decay)} with iteration k")
    parts.append("batches of 1 row" if plan.batch_size == 1 else f"batches of {count(plan.batch_size)} rows")
    steps = "1 iteration" if plan.iterations == 1 else f"{count(plan.iterations)} iterations"
    if plan.epochs is not None:
        steps += f" ({count(round(plan.epochs)) if plan.epochs >= _MANY else number(plan.epochs, 3)} epochs)"
    parts.append(steps)
    parts.append(f"dropout {number(plan.dropout_rate, 3)}" if plan.dropout_rate else "no dropout")
    if plan.scaling not in (None, "none"):
        parts.append(f"inputs scaled: {plan.scaling}")
    if plan.weight_bound is not None and plan.source != "theorem":
        box = plan.weight_bound if isinstance(plan.weight_bound, tuple) else (plan.weight_bound,)
        low, high = number(min(box)), number(max(box))
        parts.append(f"weights kept within {high if low == high else f'{low} to {high}'}")
    return ", ".join(parts)


def _stepsizes(plan: TrainingPlan) -> str:
    """The stepsize with no more digits than are known, by layer where layers differ, and the common one."""
    digits = 4 if plan.spread is None else 3 if plan.spread < 1.1 else 2
    own = plan.stepsize if isinstance(plan.stepsize, tuple) else (plan.stepsize,)
    texts = [number(gamma, digits) for gamma in own]
    if len(set(texts)) == 1:
        return f"stepsize {texts[0]}"
    if len(texts) > _LAYERS_NAMED:
        texts = [*texts[:2], "...", texts[-1]]
    common = number(plan.common_stepsize, digits)
    return f"stepsizes {', '.join(texts)} by layer (where a library knows one rate only: {common})"


def _worth(plan: TrainingPlan) -> Iterator[str]:
    """How good it was, against a constant prediction; or what it is known by."""
    within = "" if plan.spread is None else f", within a factor of {number(plan.spread, 2)}"
    if plan.source == "typical":
        yield (
            f"That is typical for data with these statistics{within}: neither proven nor measured on your "
            "data; name a data file to have it measured."
        )
    elif plan.loss is not None and plan.constant_loss is not None:
        text = f"A short run with it reached a loss of {number(plan.loss, 3)}, "
        text += f"a constant prediction has {number(plan.constant_loss, 3)}"
        if plan.held_out_error is not None and plan.constant_error is not None:
            text += (
                f"; of rows held out {percent(plan.held_out_error)} were wrong, always saying the commonest "
                f"class {percent(plan.constant_error)}"
            )
        yield f"{text}."
        if plan.learns is None and plan.reason:
            yield f"{plan.reason[0].upper()}{plan.reason[1:]}."
    elif plan.source == "calibrated":
        yield f"The stepsize was measured on your data{within}; nothing was trained to try it."


def _guaranteed(found: Guarantee) -> str:
    """The claim, and that it is about stepsizes of its own."""
    gammas = stepsizes(found.stepsize)
    return f"Proven for stepsize {gammas} instead: {found.claim}."


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


def brief(advice: Advice, row_notes: Sequence[str]) -> Iterator[str]:
    """At most six short lines on what to mind; the rest is for --details.

    Args:
        advice: with a plan.
        row_notes: on its ranks.
    """
    lines = [advice.chosen, *advice.notes, *([] if advice.measured else row_notes)]
    if advice.assumed:
        lines.append(f"Assumed: {_assumed(advice)}.")
    short = [line for line in lines if line and len(line) <= _SHORT]
    yield from short[:_MOST_LINES]


def _assumed(advice: Advice) -> str:
    items = [
        f"{item.key} {item.value if isinstance(item.value, str) else number(float(item.value))}"
        for item in advice.assumed
    ]
    text = ", ".join(items)
    while len(text) > _SHORT - len("Assumed: .") and len(items) > 1:
        items.pop()
        text = f"{', '.join(items)} and more"
    return text
