"""The sentences of raced advice."""

from __future__ import annotations

from collections.abc import Sequence

from rsgadvise.pilot.results import PilotReport
from rsgadvise.pilot.second_order import NO_BETTER, StoppedState
from rsgadvise.pilot.standings import NOT_RUN, Entry
from rsgadvise.pilot.stopping_choice import StoppingChoice
from rsgadvise.stopping import Stopping

__all__ = ["INTERRUPTED", "NO_TARGET", "OTHER_BOUNDS", "plateau_note", "reason", "stopping_note", "why"]

INTERRUPTED = "Interrupted: this is the best by then."
OTHER_BOUNDS = (
    "The stepsizes come from the race: the bounds with {} constants stand beside them and do not rank them."
)
NO_TARGET = "The race looks for the smallest loss, not for the target; without it there is a plan for that."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def reason(ranked: Sequence[Entry], constant: float, *, interrupted: bool) -> str:
    """Why nobody won."""
    if all(entry.outcome == NOT_RUN for entry in ranked):
        if interrupted:
            return "The race was interrupted before any candidate had run"
        return "The pilot is too small for a race of even one iteration; raise it, or plan more iterations"
    if constant == 0:
        return "The targets are the same in every row, so that a constant prediction cannot be beaten"
    if any(entry.outcome == "left behind" for entry in ranked):
        return "Run again from another seed, the best of the race did no better than a constant prediction"
    return "No candidate of the race did better than a constant prediction"


def why(report: PilotReport, ranked: Sequence[Entry]) -> tuple[str, ...]:
    best = report.raced[0]
    reached = f"after {_percent(best.share)} of the training, where it was {best.loss:.4g}"
    failed = [entry for entry in ranked if entry.finalist is not None and entry.outcome != "won"]
    if failed:
        first = failed[0].runner.candidate.source
        sentences = [
            f"Of {len(ranked)} candidates, {first} promised the lowest loss and failed when it was run again "
            f"from another seed; {best.source} is the best of those that are no bolder {reached}."
        ]
    else:
        sentences = [f"Of {len(ranked)} candidates, {best.source} promised the lowest loss {reached}."]
    lower = [
        f"{each.source} ({each.loss:.4g} against {each.winner_loss:.4g} after {_percent(each.share)})"
        for each in report.raced[1:]
        if each.winner_loss is not None and each.loss < each.winner_loss
    ]
    if lower and not failed:
        were = "was" if len(lower) == 1 else "were"
        sentences.append(
            f"Lower than the winner after as long {were} {', '.join(lower)}, but the trend of the losses, or "
            "how the next larger stepsize did, spoke against it."
        )
    if report.loss is not None:
        sentences.append(
            f"Run again from another seed its loss went from {report.initial_loss:.4g} to {report.loss:.4g}, "
            f"where a constant prediction has a loss of {report.constant_loss:.4g}."
        )
    if report.held_out_error is not None and report.constant_error is not None:
        wrong = _percent(report.held_out_error)
        sentences.append(
            f"That second run then had {wrong} of {report.held_out_rows:,} rows held out wrong; always "
            f"saying the commonest class has {_percent(report.constant_error)} wrong."
        )
    if report.state is not None:
        iterations = ranked[0].runner.candidate.iterations
        sentences.append(_state_sentence(report.state, report.share or 0.0, iterations))
    return tuple(sentences)


def _state_sentence(state: StoppedState, share: float, iterations: int) -> str:
    """What the curvature says of where the second run stood, how sure that is, and what follows from it."""
    stood = f"after {_percent(share)} of the training, {state.rows:,} rows"
    text = f"Where that run stood, {stood} say: {state.sentence}"
    if state.kind != "descending" and state.gradient <= 2 * state.errors.gradient:
        text += " So few cannot tell the gradient from 0; a longer pilot looks at more."
    if state.go_on:
        return f"{text} So the rest of the {iterations:,} iterations of rank 1 has something to gain."
    if state.kind in ("saturated", "diverged"):
        return f"{text} The full run starts as this one did, and may end there too."
    return (
        f"{text} This is a model around one place, not a measurement of the rest of the training, which "
        f"moves on: it does not shorten the {iterations:,} iterations of rank 1, but gives no reason to plan "
        "more."
    )


def plateau_note(report: PilotReport) -> str:
    """Deep networks begin on the plateau of a constant prediction: a win there says little."""
    if report.loss is None or not report.loss > NO_BETTER * report.constant_loss:
        return ""
    return (
        f"At rank 1 the loss is still that of a constant prediction, {report.constant_loss:.4g}, where "
        "candidates hardly differ; a larger pilot, or more iterations, may tell them apart."
    )


def stopping_note(choice: StoppingChoice | None, kept: Stopping | None) -> str:
    """What was chosen, and whether the advice follows it.

    Args:
        choice: over the second run, if there was one.
        kept: P_R of the spec; None where it leaves that open.
    """
    if choice is None or (kept is not None and choice.chosen in (None, kept)):
        return ""
    if choice.chosen is None:
        return f"Choosing P_R over the length of the second run failed. {choice.reason} It stays uniform."
    text = f"Choosing P_R over the length of the second run gave {choice.reason}"
    if kept is None:
        return (
            f"{text} It is used: the ranks, their bounds and --emit stop by it. "
            "A training.stopping in the spec would be kept."
        )
    own = kept if isinstance(kept, str) else "list"
    return f"{text} It would be chosen if the spec left training.stopping open; the spec's {own} is kept."
