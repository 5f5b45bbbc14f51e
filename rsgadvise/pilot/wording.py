"""The sentences of raced advice."""

from __future__ import annotations

from collections.abc import Sequence

from rsgadvise.advise.results import TrainingPlan
from rsgadvise.pilot.experiments import Experiment
from rsgadvise.pilot.race import Candidate, learns
from rsgadvise.pilot.results import PilotReport, StoppedState
from rsgadvise.pilot.stopping_choice import StoppingChoice
from rsgadvise.pilot.tournament import NOT_RUN, Entry
from rsgadvise.theory.stopping import Stopping

INTERRUPTED = "Interrupted: this is the best by then."
OTHER_BOUNDS = (
    "The stepsizes come from the race: the bounds with {} constants stand beside them and do not rank them."
)
NO_TARGET = "The race looks for the smallest loss, not for the target; without it there is a plan for that."


_PARTS = {2: "half", 4: "a quarter", 8: "an eighth"}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def reason(ranked: Sequence[Entry], constant: float, *, interrupted: bool) -> str:
    """Why nobody won."""
    if all(entry.outcome == NOT_RUN for entry in ranked):
        if interrupted:
            return "The race was interrupted before any candidate had run"
        return "The pilot is too small for a race; raise it, or plan more iterations"
    if constant == 0:
        return "The targets are the same in every row, so that a constant prediction cannot be beaten"
    if any(entry.finalist is not None for entry in ranked):
        return "Run again from another seed, the best of the race did no better than a constant prediction"
    if any(entry.outcome == "left behind" for entry in ranked):
        return (
            "Whoever ran the last heat of the race did no better than a constant prediction there, and who "
            "was left behind before has not shown that it goes on"
        )
    return "No candidate of the race did better than a constant prediction"


def why(report: PilotReport, ranked: Sequence[Entry]) -> tuple[str, ...]:
    best = report.raced[0]
    reached = f"after {_percent(best.share)} of the training, where it was {best.loss:.4g}"
    leader = report.again[0].source if report.again else best.source
    failed = [entry for entry in ranked if entry.finalist is not None and entry.outcome != "won"]
    if failed and leader != best.source:
        sentences = [
            f"Of {len(ranked)} candidates, {leader} promised the lowest loss and "
            + (
                "did not repeat it when it was run again from another seed; over both seeds the next one of "
                f"the last heat is lower: {best.source}, {reached}."
                if failed[0].outcome == "left behind"
                else "failed when it was run again from another seed; "
                f"{best.source} is the next of those that ran as long, {reached}."
            )
        ]
    else:
        sentences = [f"Of {len(ranked)} candidates, {best.source} promised the lowest loss {reached}."]
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
        sentences.append(_state_sentence(report.state, report.share or 0.0))
    return tuple(sentences)


def _state_sentence(state: StoppedState, share: float) -> str:
    """The curvature where the second run stood."""
    return (
        f"Where that run stood, after {_percent(share)} of the training, the squared gradient of "
        f"{state.rows:,} rows is {state.gradient:.2g}, and the eigenvalues of their Hessian lie between "
        f"{state.lowest:.2g} and {state.highest:.2g}."
    )


_WORSE = 1.05  # of the least loss of rows held out: beyond this it has risen


def by_heart(report: PilotReport, plan: TrainingPlan) -> str:
    """That rows held out did worse as the second run went on, and how long to train then; else empty."""
    least, last = report.least_held_out, report.last_held_out
    if least is None or last is None or report.loss is None or plan.epochs is None:
        return ""
    if not last > _WORSE * least[1] or not _WORSE * report.loss < least[1]:  # a run may just be up or down
        return ""
    at = max(1, round(plan.epochs * least[0] / plan.iterations))
    return (
        f"it learns its rows by heart: of rows held out the loss was {last:.3g} by then, and least, "
        f"{least[1]:.3g}, after {at} epoch{'s' * (at > 1)}; so many may do better on new rows"
    )


def box_note(wider: Experiment | None, share: float, bound: float) -> str:
    """What the winner did in a wider box, where none was given and it touched the one it was raced in."""
    if wider is None:
        return ""
    told = (
        f"No network.weight_bound is given, and {_percent(share)} of the weights stood at the bound of the "
        f"box of {bound:g} that was raced. In one of {wider.value:g} the winner had {wider.loss:.4g} "
        f"as its loss against {wider.without:.4g} after {_percent(wider.share)} of the training"
    )
    if wider.helps:
        return f"{told}: train in that one, with network.weight_bound: {wider.value:g}."
    return f"{told}: the narrower one is kept."


def seeds_note(report: PilotReport) -> str:
    """What to do where one run says little, in a line."""
    if not report.again or report.again[0].repeats:
        return ""
    first = report.again[0]
    return (
        f"Seeds decide much: a second run had a loss of {first.loss:.3g} where the first had "
        f"{first.first_loss:.3g}, so train from several and keep the best."
    )


def plateau_note(report: PilotReport) -> str:
    """Deep networks begin on the plateau of a constant prediction: a win there says little."""
    loss = report.raced[0].loss if report.loss is None else report.loss
    if learns(loss, report.constant_loss) or any(each.helps for each in report.experiments):
        return ""
    return (
        f"At rank 1 the loss is still that of a constant prediction, {report.constant_loss:.4g}, where "
        "candidates hardly differ; a larger pilot, or more iterations, may tell them apart."
    )


_CAUSES = {
    "weight_bound": "the box",
    "scaling": "the data, whose columns are crushed by outliers",
    "bias": "a network without biases",
    "stepsize": "the stepsize",
}
_MOST_CAUSES = 2
_LITTLE = 0.8  # of the loss of a constant prediction: noise alone is learnt by heart so far
_NOTHING_IN_IT = "the inputs may say nothing of the target"


def help_note(report: PilotReport) -> str:
    """What helps where a network learns nothing, or stands still; empty where nothing was tried, or none is
    known for one that learns."""
    helped = sorted((each for each in report.experiments if each.helps), key=lambda each: each.loss)
    if helped:
        said = "; or ".join(
            f"with {each.words} the loss was {each.loss:.4g} against {each.without:.4g} after "
            f"{_percent(each.share)} of the training"
            for each in helped[:_MOST_CAUSES]
        )
        constant = f"A constant prediction has {report.constant_loss:.4g}."
        if helped[0].loss > _LITTLE * report.constant_loss:
            constant += f" That is little: {_NOTHING_IN_IT}."
        if helped[0].change == "iterations":
            return f"It takes longer than the race to learn: {said}. {constant}"
        if not report.stands_still:
            return f"Faster, by experiment, while its loss still fell: {said}. {constant}"
        return f"What holds it back, by experiment, is {_CAUSES[helped[0].change]}: {said}. {constant}"
    if not report.raced:
        return ""
    first = report.raced[0]
    if not report.experiments or (first.outcome == "won" and learns(first.loss, report.constant_loss)):
        return ""
    said = ", ".join(f"{each.words} (loss {each.loss:.4g})" for each in report.experiments)
    constant = f"{report.constant_loss:.4g}"
    return (
        f"Tried without help, none clearly better than a constant prediction's {constant}: {said}. "
        f"Or {_NOTHING_IN_IT}."
    )


def stopping_note(choice: StoppingChoice | None, kept: Stopping | None, *, bounded: bool) -> str:
    """What was chosen, and whether the advice follows it.

    Args:
        choice: over the second run, if there was one.
        kept: P_R of the spec; None where it leaves that open.
        bounded: whether there are bounds.
    """
    if choice is None or (kept is not None and choice.chosen in (None, kept)):
        return ""
    if choice.chosen is None:
        return f"Choosing P_R over the length of the second run failed. {choice.reason} It stays uniform."
    text = f"Choosing P_R over the length of the second run gave {choice.reason}"
    if kept is None:
        return (
            f"{text} It is used: the ranks {'and their bounds ' if bounded else ''}are for it. "
            "A training.stopping in the spec would be kept."
        )
    own = kept if isinstance(kept, str) else "list"
    return f"{text} It would be chosen if the spec left training.stopping open; the spec's {own} is kept."


def shorter_note(winner: Candidate, advised: Candidate) -> str:
    """Why the stepsize is shorter than that of the race."""
    if advised is winner:
        return ""
    part = round(winner.stepsizes[0] / advised.stepsizes[0])
    return (
        f"Advised is {_PARTS.get(part, f'1/{part}')} of the stepsize that won short runs: whole trainings "
        "from other starts did as well or better by it."
    )
