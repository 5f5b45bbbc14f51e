"""What was measured for an advice, as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsgadvise.advise.results import Advice, MeasuredConstant
from rsgadvise.numerals import number, percent
from rsgadvise.pilot.candidates import LAYER_ROOT
from rsgadvise.pilot.results import PilotAdvice, PilotReport, Raced
from rsgadvise.pilot.stopping_choice import StoppingChoice
from rsgadvise.show.report.blocks import Block, Column, Grid
from rsgadvise.theory import ConstantsName, about

_NAMES = {
    "initial_loss": "f(W1)",
    "smoothness": "smoothness U",
    "gradient_variance": "gradient variance",
    "squared_gradient": "squared gradient",
    "directional_stepsize": "gamma*, along updates",
}


def measured_blocks(advice: Advice) -> Iterator[Block]:
    """Grids of the race, of the choice of P_R, and of the measured constants."""
    if isinstance(advice, PilotAdvice):
        pilot = advice.pilot
        yield _race((*pilot.raced, *pilot.common), advice.measured, by_heart=pilot.by_heart)
        if advice.pilot.stopping is not None:
            yield _stopping(advice.pilot.stopping, advice.recommendations[0].stopping)
    if advice.measured:
        yield _constants(advice.measured, raced=isinstance(advice, PilotAdvice))


def _race(raced: Sequence[Raced], measured: Sequence[MeasuredConstant], *, by_heart: bool) -> Grid:
    by_layer = len(raced[0].stepsizes) > 1 if raced else False
    columns = [Column("tried", numeric=False), Column("stepsize")]
    if by_layer:
        columns[1:] = [Column("first layer"), Column("last layer")]
    columns += [Column("ran"), Column("loss")]
    met = any(each.winner_loss is not None for each in raced)
    if met:
        columns.append(Column("winner then"))
    columns.append(Column("outcome", numeric=False))
    rows = []
    for each in raced:
        ends = each.stepsizes[:1] if not by_layer else (each.stepsizes[0], each.stepsizes[-1])
        rows.append(
            (
                each.source,
                *(number(gamma) for gamma in ends),
                percent(each.share),
                number(each.loss),
                *(["" if each.winner_loss is None else number(each.winner_loss)] if met else []),
                each.outcome,
            )
        )
    return Grid(
        tuple(columns), tuple(rows), "Race", caption=_race_caption(raced, measured, by_heart=by_heart)
    )


def _race_caption(raced: Sequence[Raced], measured: Sequence[MeasuredConstant], *, by_heart: bool) -> str:
    """What the names of the candidates mean, and which losses compare."""
    parts = []
    if any("/U" in each.source for each in raced):
        smoothness = next((each.value for each in measured if each.name == "smoothness"), None)
        parts.append(f"U: measured smoothness of the loss, {number(smoothness)}.")
    along = any("gamma*" in each.source for each in raced)
    if along:
        gamma = next((each.value for each in measured if each.name == "directional_stepsize"), None)
        parts.append(
            "gamma*: E<grad f, u> / E<u, H u> at W1, u the optimiser's updates, over what they grow by: "
            f"{number(gamma)}."
        )
    if parts:
        if any("by layer" in each.source for each in raced):
            parts.append(
                "By layer: the steepest layer takes the stepsize named, layer l "
                f"(U_max/U_l)^(1/{LAYER_ROOT}) times as much, U_l being its own smoothness."
            )
        if len({each.batch_size for each in raced}) > 1 and not along:
            parts.append("With another batch size: changed as the calibrated stepsize is.")
        if any(each.decay for each in raced):
            parts.append("With decay: the stepsize named is that of iteration 8.")
    if any(each.winner_loss is not None for each in raced):
        masks = ""
        if len({each.keep_prob for each in raced}) > 1:
            masks = " (from the second heat on without masks, on rows held out)"
            if by_heart:
                masks = " (with dropout without masks, on rows held out)"
        parts.append(
            f"Loss: as far as it ran{masks}, so that rows compare at equal shares only; winner then: the "
            "winner's loss after the same share."
        )
    return " ".join(parts)


def _stopping(choice: StoppingChoice, used: str) -> Grid:
    columns = [Column("P_R", numeric=False), Column("gradient"), Column("bound"), Column("loss")]
    held_out = choice.criterion == "validation"
    if held_out:
        columns.append(Column("held-out loss"))
    columns.append(Column("chosen" if used == choice.chosen else "would be chosen", numeric=False))
    rows = []
    for row in choice.rows:
        cells = [row.stopping, number(row.gradient), number(row.bound), number(row.loss)]
        if held_out:
            cells.append(number(row.validation))
        rows.append((*cells, "yes" if row.stopping == choice.chosen else ""))
    return Grid(tuple(columns), tuple(rows), "Choosing P_R, over the length of the second run")


def _constants(measured: Sequence[MeasuredConstant], *, raced: bool) -> Grid:
    """What was measured, and what one standard error of it does."""
    columns = (
        Column("measured, not proven", numeric=False),
        Column("at W1"),
        Column("used"),
        Column("s.e."),
        Column("stepsize by 1 s.e."),
        Column("bound by 1 s.e."),
    )
    rows = tuple(
        (
            _NAMES[each.name],
            "" if each.at_start is None else number(each.at_start),
            number(each.value),
            number(each.standard_error, 2),
            _change(each.stepsize_change),
            _change(each.bound_change),
        )
        for each in measured
    )
    caption = (
        "Changes by one standard error (s.e.) are those of the advice without the race." if raced else ""
    )
    return Grid(columns, rows, "Calibrated constants", caption=caption)


def _change(share: float) -> str:
    return "0" if abs(share) < 5e-5 else f"{100 * share:+.2g} %"


def measured_sentences(advice: Advice) -> Iterator[str]:
    """The second run against what the bound says of it, and what the advice itself cost."""
    if isinstance(advice, PilotAdvice):
        plain = advice.train is None or advice.train.optimises.plain
        yield from _second_run(advice.pilot, plain=plain)
        if advice.pilot.stopping is not None:
            yield from _above(advice.pilot.stopping, advice.constants)
    if advice.cost > 0:
        yield f"This advice cost as much as {advice.cost:.3g} trainings with the N and B of rank 1."


def _above(choice: StoppingChoice, constants: ConstantsName) -> Iterator[str]:
    """Bounds that the second run exceeded."""
    for row in choice.rows:
        if row.of_bound is not None and row.of_bound > 1:
            yield (
                f"Stopped by P_R: {row.stopping}, the measured squared gradient, "
                f"{number(row.gradient)}, is {number(row.of_bound, 3)} times its bound, "
                f"{number(row.bound)}: {about(constants).above}."
            )


def _second_run(pilot: PilotReport, *, plain: bool) -> Iterator[str]:
    if pilot.gradient is None or pilot.share is None:
        return
    how = "mean" if pilot.gradient_stopping == "uniform" else "expected"
    by = "" if pilot.gradient_stopping == "uniform" else f", stopped by P_R: {pilot.gradient_stopping},"
    measured = f"the {how} squared gradient was {number(pilot.gradient)}"
    if pilot.gradient <= 0:  # an estimate without bias, from few rows
        measured = f"the {how} squared gradient was too small to be told from 0"
    if pilot.predicted_bound is None:
        why = "; these constants give no bound at such a stepsize" if plain else ""
        yield f"Over the second run{by} {measured}{why}."
    else:
        yield f"Over the second run{by} {measured}; the bound for it is {number(pilot.predicted_bound)}."
