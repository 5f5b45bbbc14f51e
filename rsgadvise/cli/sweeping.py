"""`sweep`: vary one or two keys of a spec."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.bounds import adviser, require_bounds, require_box
from rsgadvise.cli.options import (
    AdviserOption,
    JobsOption,
    SetOption,
    check_confidence,
    usable_cores,
)
from rsgadvise.cli.output import TargetOptions, show
from rsgadvise.cli.sources import check_fit, described, rows_of, statistics_of
from rsgadvise.errors import RsgadviseError, UsageError
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rsgadvise.ask.sweep.axes import Axis, PlannedPoint
    from rsgadvise.ask.sweep.running import Options
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import LoadedSpec


_EXAMPLE = "--vary network.layers[1]=50:800:log8"


class Limits(StrEnum):
    """Kinds of confidence limits."""

    STUDENT = "student"
    RIGOROUS = "rigorous"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, all of it known to be possible."""

    loaded: LoadedSpec
    axes: tuple[Axis, ...]
    points: tuple[PlannedPoint, ...]
    statistics: Mapping[str, float | int] | None
    rows: DataStatistics | None
    notes: tuple[str, ...]


def _axes(loaded: LoadedSpec, vary: Sequence[str]) -> tuple[tuple[Axis, ...], list[str], str]:
    """(axes, notes, which option they come from): those of the command line, else those of the spec.

    Raises:
        UsageError, SpecError: nothing to vary, or a bad range.
    """
    from rsgadvise.ask.sweep.axes import check_together, parse_axis
    from rsgadvise.spec.models import MOST_AXES

    section = loaded.spec.sweep
    inside = not vary and section is not None
    texts = (section.vary or ()) if inside and section is not None else vary
    if not texts:
        raise UsageError(
            f"sweep needs a key to vary; got none; give e.g. {_EXAMPLE}, or a section sweep: in the spec"
        )
    if len(texts) > MOST_AXES:
        raise UsageError(f"--vary can be given {MOST_AXES} times; got {len(texts)}; leave out the others")
    parsed = []
    for place, text in enumerate(texts):
        try:
            parsed.append(parse_axis(text))
        except UsageError as error:
            raise _placed(loaded, text, str(error), place if inside else None) from None
    axes = tuple(each.axis for each in parsed)
    try:
        check_together(axes)
    except UsageError as error:
        raise _placed(loaded, "", str(error), 0 if inside else None) from None
    return axes, [note for each in parsed for note in each.notes], "sweep.vary" if inside else "--vary"


def _placed(loaded: LoadedSpec, text: str, message: str, place: int | None) -> RsgadviseError:
    """An error at the option, or at the entry of the spec."""
    if place is not None:
        return loaded.source.error(f"sweep.vary[{place}]", message)
    shown = text if text.isprintable() else ascii(text)[1:-1]
    shown = f" {shown}" if shown else ""
    return UsageError(f"--vary{shown if len(shown) <= 80 else f'{shown[:80]}...'}: {message}")


def _plan(loaded: LoadedSpec, vary: Sequence[str], *, quiet: bool) -> _Plan:
    """Read everything, and find every error of the spec and of its points."""
    from rsgadvise.ask.sweep.axes import plan_points

    axes, notes, option = _axes(loaded, vary)
    points = plan_points(loaded, axes, option=option)  # before the data file is read, which may take long
    for point in points:
        require_box(point.loaded)
    rows = statistics_of(points[0].loaded, quiet=quiet)
    if rows is None:
        return _Plan(loaded, axes, points, None, None, tuple(notes))
    statistics, about = described(loaded, rows)
    points = plan_points(loaded, axes, option=option, check=lambda varied: check_fit(varied, rows))
    return _Plan(loaded, axes, points, statistics, rows, (*about, *notes))


def _options(
    loaded: LoadedSpec,
    *,
    measure: bool | None,
    runs: int | None,
    seed: int | None,
    confidence: float,
    interval: Limits,
    advice: str | None,
    training: Mapping[str, object],
) -> Options:
    """The command line's options, the spec's where it has none, and defaults.

    Raises:
        UsageError: an option is about training, and there is none; or no theorem has what advises.
        SpecError: there is neither a bound nor training.
    """
    from rsgadvise.ask.sweep.running import Options

    section = loaded.spec.sweep
    wanted = measure if measure is not None else section is not None and section.measure
    if not wanted:
        for name, value in training.items():
            if value is not None:
                raise UsageError(f"{name} is about training; got no --measure; add it, or leave {name} out")
    if not wanted:
        instead = "add --measure, which trains and needs no bound"
        if advice is not None:
            instead = "add --measure in place of --advice, which trains and needs no bound"
        require_bounds(loaded, ("--advice", advice), sgd=True, instead=instead)
    require_box(loaded)
    default = Options()
    in_spec = (None, None) if section is None else (section.runs, section.seed)
    return Options(
        measure=wanted,
        runs=next(value for value in (runs, in_spec[0], default.runs) if value is not None),
        seed=next(value for value in (seed, in_spec[1], default.seed) if value is not None),
        confidence=confidence,
        interval=interval.value,
        advice=adviser(loaded, advice, sgd=True),
    )


def sweep(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or - for standard input.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=RANGE",
            help="A key and its values: LOW:HIGH:COUNT, LOW:HIGH:logCOUNT, V1,V2,... or [...];[...]. Twice "
            "for a grid. Default: the sweep section of the spec.",
        ),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="Also train at each point, and measure the gradient."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, max=10**7, help="T: independent replicas at each point; default 32.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of all randomness; default 0.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the measured limits, point by point.")] = 0.99,
    interval: Annotated[
        Limits,
        typer.Option(help="student: approximate; rigorous: valid for any number of runs, and much wider."),
    ] = Limits.STUDENT,
    advice: AdviserOption = None,
    jobs: JobsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Vary one or two keys of a spec: bounds, or measured gradients."""
    check_confidence(confidence)
    from rsgadvise.spec import load_spec

    loaded = load_spec(spec, overrides=tuple(set_ or ()))
    options = _options(
        loaded,
        measure=measure,
        runs=runs,
        seed=seed,
        confidence=confidence,
        interval=interval,
        advice=advice,
        training={"--runs": runs, "--jobs": jobs},
    )
    plan = _plan(loaded, tuple(vary or ()), quiet=to.quiet)
    from rsgadvise.ask.sweep.running import run_sweep
    from rsgadvise.ask.verify.running import make_runner
    from rsgadvise.cli.progress import SweepProgress

    data = rows_of(plan.loaded, plan.rows) if options.measure and plan.rows is not None else None
    runner = make_runner([], jobs=jobs or usable_cores(), kill=False) if options.measure else None
    with (
        closing(runner) if runner is not None else nullcontext(),
        SweepProgress(enabled=not to.quiet and options.measure) as progress,
    ):
        swept = run_sweep(
            plan.points,
            plan.axes,
            options=options,
            name=plan.loaded.source.file,
            runner=runner,
            data=data,
            statistics=plan.statistics,
            notes=plan.notes,
            progress=progress,
        )
    if swept.interrupted and not swept.points:
        raise KeyboardInterrupt  # nothing is known that would be worth a file
    if swept.interrupted:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is known is written, however often it is pressed
    from rsgadvise.show.report import sweeping as report

    spec_as_read = plan.loaded.spec.model_dump(mode="json")
    show(
        to,
        "sweep",
        report.sweep_body(swept),
        lambda _: report.sweep_blocks(swept),
        report.sweep_rows(swept),
        spec=spec_as_read,
    )
    if swept.interrupted:
        raise typer.Exit(130)
