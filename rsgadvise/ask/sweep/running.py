"""Point after point: what the theory says, what training says, and on to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rsgadvise.ask.sweep.axes import PlannedPoint
from rsgadvise.ask.sweep.measuring import Computer, Measuring, Options, Prediction, measure_point, predict
from rsgadvise.ask.sweep.results import Axis, Measurement, Sweep, SweepPoint
from rsgadvise.ask.verify.running import State
from rsgadvise.records import dataclass
from rsgadvise.theory import about
from rsgadvise.theory.theorems import theorem_of
from rsgadvise.training.networks import Data


@dataclass(frozen=True, slots=True)
class SweepState:
    """Progress: points finished, and the share of the one under way; a new one is told in `finished`."""

    done: int
    total: int
    share: float = 0.0
    finished: SweepPoint | None = None


Progress = Callable[[SweepState], None]


def run_sweep(
    points: Sequence[PlannedPoint],
    axes: Sequence[Axis],
    *,
    options: Options,
    name: str,
    computer: Computer | None = None,
    data: Data | None = None,
    statistics: Mapping[str, float | int | None] | None = None,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Sweep:
    """The bounds at each point, and with a computer what training measures there.

    Every number depends on the spec, its name, the axes and the options alone, not on what computes.

    Args:
        points: planned, in the order of the axes.
        axes: what varies.
        options: of the sweep.
        name: of the spec; with the seed it decides all randomness.
        computer: needed to measure; ended at the end, whatever happens.
        data: rows to train on; without them rows are generated.
        statistics: of those rows, by spec key.
        notes: on the whole, such as those of the data file.
        progress: called after every block and every point.

    Raises:
        WorkerDiedError: a block was lost, or failed where it was computed.
    """
    finished: list[SweepPoint] = []
    predictions: list[Prediction] = []
    interrupted = False
    tell = progress or (lambda _: None)
    try:
        with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
            for number, planned in enumerate(points):
                spec = planned.loaded.spec
                prediction = predict(spec, constants=options.advice, measured=statistics)
                measuring = Measuring(None)
                if computer is not None and prediction.values is not None:
                    measuring = measure_point(
                        spec,
                        prediction.values,
                        name=name,
                        options=options,
                        computer=computer,
                        data=data,
                        statistics=statistics,
                        progress=_forward(tell, number, len(points)),
                    )
                if measuring.interrupted:
                    interrupted = True
                    break
                point = _point(planned, prediction, measuring.found, measuring.notes)
                predictions.append(prediction)
                finished.append(point)
                tell(SweepState(number + 1, len(points), finished=point))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if computer is not None:
            computer.end(abandon=interrupted)
    return Sweep(
        axes=tuple(axes),
        points=tuple(finished),
        measured=options.measure,
        confidence=options.confidence if options.measure else None,
        seed=options.seed,
        runs=options.runs,
        notes=(
            *notes,
            *_about_values(predictions, options),
            *_about_proofs(finished, predictions, options),
            *(_about_limits(options) if options.measure else ()),
            *([f"Interrupted after {len(finished)} of {len(points)} points."] if interrupted else ()),
        ),
        interrupted=interrupted,
    )


def _forward(tell: Progress, number: int, total: int) -> Callable[[State], None]:
    return lambda state: tell(SweepState(number, total, state.blocks_done / max(1, state.blocks)))


def _point(
    planned: PlannedPoint, prediction: Prediction, measured: Measurement | None, notes: tuple[str, ...]
) -> SweepPoint:
    spec, values = planned.loaded.spec, prediction.values
    return SweepPoint(
        values=planned.values,
        kind=spec.network.kind,
        layers=spec.network.layers,
        stepsize=prediction.stepsize if values else spec.training.stepsize,
        batch_size=values.batch_size if values else spec.training.batch_size,
        iterations=values.iterations if values else spec.training.iterations,
        keep_prob=values.keep_prob if values else spec.training.keep_prob,
        decay=values.decay if values else spec.training.decay,
        paper_bound=prediction.paper_bound,
        certified_bound=prediction.certified_bound,
        largest_gradient=prediction.largest_gradient,
        vacuous=prediction.vacuous,
        measured=measured,
        notes=(*prediction.notes, *notes),
    )


def _about_values(predictions: Sequence[Prediction], options: Options) -> list[str]:
    """Where values come from that the spec does not give, each sentence once."""
    notes = []
    if any(each.advised for each in predictions):
        typical = about(options.advice).on_twins
        what = "typical for its statistics, as by" if typical else "the first rank of"
        notes.append(
            f"What the spec leaves open is advised at each point: {what} `rsgadvise recommend --constants "
            f"{options.advice}`."
        )
    assumed = {(item.key, item.why): None for each in predictions for item in each.assumed}
    notes += [f"Assumed {key}: {why}." for key, why in assumed]
    return notes


def _about_proofs(
    points: Sequence[SweepPoint], predictions: Sequence[Prediction], options: Options
) -> list[str]:
    """At how many points the certified bound is no more than the largest gradient possible."""
    many = sum(point.certified_vacuous and point.certified_bound is not None for point in points)
    if not many:
        return []
    where = f"{many} of {len(points)} points" if len(points) > 1 else "this point"
    note = (
        f"At {where} the certified bound is only the largest gradient possible: nothing more is proven there."
    )
    proven = all(theorem_of(point.kind, options.advice).proven for point in points)
    if not proven and any(each.advised for each in predictions):
        note += " --advice certified finds the stepsizes with the best proven bound."
    return [note]


def _about_limits(options: Options) -> list[str]:
    """What is measured, and what its limits are."""
    what = (
        "Student's, on averages along trajectories: approximate; --interval rigorous gives limits that hold "
        "for any number of runs"
        if options.interval == "student"
        else "rigorous for any number of runs, and wide where the largest gradient is far above the mean"
    )
    return [
        "measured: E||grad f(W^R)||^2 over the runs (of the projected gradient where there is a box), from "
        "the measured f(W1), not the one that the bounds assume; all runs of a point share W1. Its limits "
        f"hold with probability {options.confidence:.15g} at each point by itself. They are {what}."
    ]
