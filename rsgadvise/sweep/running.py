"""Point after point: what the theory says, what training says, and on to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.networks import Data
from rsgadvise.sweep.log import SweepLog
from rsgadvise.sweep.measuring import Computer, Measuring, Options, measure_point
from rsgadvise.sweep.points import PlannedPoint
from rsgadvise.sweep.predicting import Prediction, predict
from rsgadvise.sweep.results import Axis, Measurement, PointWork, Sweep, SweepPoint
from rsgadvise.verify.from_spec import GENERATED_ROWS
from rsgadvise.verify.running import State

if TYPE_CHECKING:
    from rsgadvise.spec import Spec
    from rsgadvise.verify.from_spec import Values

__all__ = ["Progress", "SweepState", "run_sweep"]


@dataclass(frozen=True, slots=True)
class SweepState:
    """Progress: points finished, and the share of the one under way.

    A new one is told in `finished`, and what training it takes, before it begins, in `work`.
    """

    done: int
    total: int
    share: float = 0.0
    finished: SweepPoint | None = None
    work: PointWork | None = None


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
    log: SweepLog | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """The bounds at each point, and with a computer what training measures there.

    Every number depends on the spec, its name, the axes and the options alone: not on what computes, nor
    on which points were found in the log.

    Args:
        points: planned, in the order of the axes.
        axes: what varies.
        options: of the sweep.
        name: of the spec; with the seed it decides all randomness.
        computer: needed to measure; ended at the end, whatever happens.
        data: rows to train on; without them rows are generated.
        statistics: of those rows, by spec key.
        notes: on the whole, such as those of the data file.
        log: of finished points, which are taken from there and put there.
        progress: called after every block and every point.

    Raises:
        WorkerDiedError: a block was lost, or failed where it was computed.
        UsageError: the log cannot be written.
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
                known = None if log is None else log.found.get(number)
                new = known is None
                if known is None:
                    measuring = Measuring(None)
                    if computer is not None and prediction.values is not None:
                        work = _work(spec, prediction.values, options, data)
                        tell(SweepState(number, len(points), work=work))
                        measuring = measure_point(
                            spec,
                            prediction.values,
                            name=name,
                            options=options,
                            computer=computer,
                            data=data,
                            statistics=statistics,
                            progress=_forward(tell, number, len(points), work),
                        )
                    if measuring.interrupted:
                        interrupted = True
                        break
                    known = _point(planned, prediction, measuring.found, measuring.notes)
                predictions.append(prediction)
                # Before the log: whenever the user interrupts, what is on the disk is also shown.
                finished.append(known)
                if new and log is not None:
                    log.append(number, known)
                tell(SweepState(number + 1, len(points), finished=known if new else None))
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
            *([_ended(len(finished), len(points), kept=log is not None)] if interrupted else ()),
        ),
        interrupted=interrupted,
    )


def _work(spec: Spec, values: Values, options: Options, data: Data | None) -> PointWork:
    layers = spec.network.layers
    return PointWork(
        rows=GENERATED_ROWS if data is None else data.rows,
        columns=layers[0],
        generated=data is None,
        weights=sum(before * after for before, after in pairwise(layers)),
        iterations=values.iterations,
        runs=options.runs,
    )


def _forward(tell: Progress, number: int, total: int, work: PointWork) -> Callable[[State], None]:
    def told(state: State) -> None:
        share = state.blocks_done / max(1, state.blocks)
        tell(SweepState(number, total, share, work=work if not state.blocks_done else None))

    return told


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
        notes.append(
            "What the spec leaves open is advised at each point: the first rank of `rsgadvise recommend "
            f"--constants {options.advice}`."
        )
    assumed = {(item.key, item.why): None for each in predictions for item in each.assumed}
    notes += [f"Assumed {key}: {why}." for key, why in assumed]
    return notes


def _about_proofs(
    points: Sequence[SweepPoint], predictions: Sequence[Prediction], options: Options
) -> list[str]:
    """At how many points the certified bound is no more than the largest gradient possible."""
    many = sum(point.certified_vacuous for point in points)
    if not many:
        return []
    where = f"{many} of {len(points)} points" if len(points) > 1 else "this point"
    note = (
        f"At {where} the certified bound is only the largest gradient possible: nothing more is proven there."
    )
    if options.advice == "paper" and any(each.advised for each in predictions):
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


def _ended(done: int, total: int, *, kept: bool) -> str:
    further = "run it again to go on" if kept else "with --resume FILE a further run would go on from there"
    return f"Interrupted after {done} of {total} points; {further}."
