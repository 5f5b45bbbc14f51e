"""Point after point: what the theory says, what training says, and on to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.results import Stepsize, as_stepsize
from rsgadvise.ask.sweep.axes import Axis, Interval, Measurement, PlannedPoint, Sweep, SweepPoint
from rsgadvise.ask.verify.cases import Claim, build_case
from rsgadvise.ask.verify.from_spec import Values, chosen_values, setting_from_spec
from rsgadvise.ask.verify.running import Progress, Runner, State, run_cases
from rsgadvise.errors import HypothesisError, InfeasibleError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import DEFAULT, ConstantsName, about
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import attempted, check_problem, judge, plan_at
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import theorem_of, usual_constants
from rsgadvise.training.networks import Data

if TYPE_CHECKING:
    from rsgadvise.ask.verify.from_spec import Values
    from rsgadvise.spec import Spec


# The bounds at one point of a sweep; a hypothesis that fails there leaves a gap and a note.


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the theory says at one point.

    Attributes:
        values: the hyper-parameters, or None where nothing can be advised.
        stepsize: among them; for a multilayer network one per layer.
        advised: whether they are advice.
        paper_bound: None outside its range.
        certified_bound, largest_gradient: as in `SweepPoint`.
        assumed: what neither the spec nor its data say.
        notes: why something is missing.
    """

    values: Values | None
    stepsize: Stepsize | None
    advised: bool
    paper_bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    assumed: tuple[Assumption, ...]
    notes: tuple[str, ...]

    @property
    def vacuous(self) -> bool:
        """Whether the paper's bound, or the certified one where there is none, says nothing."""
        value = self.certified_bound if self.paper_bound is None else self.paper_bound
        if self.largest_gradient is None:
            return value is None
        return value is None or not value < self.largest_gradient


def reason(error: HypothesisError) -> str:
    """What a hypothesis says of the quantity that breaks it, as part of a sentence."""
    key = error.quantity
    name = key if not key or "." in key else f"training.{key}"
    return f"{name} {error}".strip()


def predict(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
) -> Prediction:
    """Both bounds at the spec's hyper-parameters, or at those advised for what it leaves open.

    They are those of `rsgadvise bound` at the same values: D_f is the spec's f(W^1), or the largest loss.
    Where no theorem is about the training there are none.

    Args:
        spec: a valid spec.
        constants: whose constants choose what the spec leaves open.
        measured: statistics of the data file by spec key.
    """
    problem = resolve(spec, measured)
    try:
        values, advised = chosen_values(spec, constants=constants, measured=measured)
    except (HypothesisError, InfeasibleError) as error:
        why = reason(error) if isinstance(error, HypothesisError) else str(error)
        # The largest gradient rises with the keep probability: at 1 it holds for all of them.
        keep_prob = spec.training.keep_prob or 1.0
        limit = float(largest_gradient(problem, np.asarray(keep_prob)))
        note = f"Nothing to advise: {why}."
        proven = limit if problem.has_sgd_bound else math.inf
        return _prediction(problem, None, paper=None, proven=proven, limit=limit, notes=(note,))
    point = plan_at(
        problem,
        stepsize=values.stepsize,
        batch_size=values.batch_size,
        iterations=values.iterations,
        keep_prob=values.keep_prob,
        decay=values.decay,
        stopping=stopping_of(spec),
    )
    chosen = values, as_stepsize(point.stepsize), advised
    if not problem.has_sgd_bound:
        limit = float(largest_gradient(problem, np.asarray(values.keep_prob)))
        note = wording.no_theorem(problem)
        return _prediction(problem, chosen, paper=None, proven=math.inf, limit=limit, notes=(note,))
    try:
        check_problem(problem, usual_constants(problem))
    except HypothesisError as error:  # no constants then have a use, only the limit is left
        limit = float(largest_gradient(problem, np.asarray(values.keep_prob)))
        note = f"No bound: {reason(error)}."
        return _prediction(problem, chosen, paper=None, proven=limit, limit=limit, notes=(note,))
    if theorem_of(problem.kind, "paper").refusal(problem):
        bound, missing = (
            None,
            wording.NO_PAPER_BOUND if problem.unit_inputs else wording.NO_PAPER_BOUND_BEYOND,
        )
    else:
        bound, missing = attempted(problem, point, "paper")
        missing = f"No paper bound: {missing}." if missing else ""
    judged = judge(problem, point, "paper")
    return _prediction(
        problem,
        chosen,
        paper=bound,
        proven=judged.sure,
        limit=judged.limit,
        notes=(missing,) if missing else (),
    )


def _prediction(
    problem: Problem,
    chosen: tuple[Values, Stepsize, bool] | None,
    *,
    paper: float | None,
    proven: float,
    limit: float,
    notes: tuple[str, ...],
) -> Prediction:
    """What overflows is left out, with a note: such a limit is no number, and nor is what it stands for."""
    if not math.isfinite(limit) and problem.has_sgd_bound:
        notes = (*notes, "The largest gradient of this network is too large for any number.")
    values, stepsize, advised = (None, None, False) if chosen is None else chosen
    return Prediction(
        values=values,
        stepsize=stepsize,
        advised=advised,
        paper_bound=paper,
        certified_bound=proven if math.isfinite(proven) else None,
        largest_gradient=limit if math.isfinite(limit) else None,
        assumed=problem.assumed if problem.has_sgd_bound else (),  # all but the box, which the training names
        notes=notes,
    )


# What training says at one point: the same replicas, from the same seeds, as those of `verify`.

# There is nothing to decide: one claim without a bound carries the measurement through the machinery.
_NO_CLAIM = Claim("certified", None, "", False, "consistent")


@dataclass(frozen=True, slots=True)
class Options:
    """How a sweep is made.

    Attributes:
        measure: whether to train at each point.
        runs: replicas at each point. seed: of all randomness.
        confidence: of the limits at each point.
        interval: student: approximate, from trajectory averages; rigorous: valid for any number of runs.
        advice: whose constants choose what the spec leaves open.
    """

    measure: bool = False
    runs: int = 32
    seed: int = 0
    confidence: float = 0.99
    interval: Interval = "student"
    advice: ConstantsName = DEFAULT


@dataclass(frozen=True, slots=True)
class Measuring:
    """A measurement, or None and why; `interrupted` by the user."""

    found: Measurement | None
    notes: tuple[str, ...] = ()
    interrupted: bool = False


def measure_point(
    spec: Spec,
    values: Values,
    *,
    name: str,
    options: Options,
    runner: Runner,
    data: Data | None,
    statistics: Mapping[str, float | int | None] | None,
    progress: Progress | None = None,
) -> Measuring:
    """Train the replicas of one point and average.

    Args:
        spec, values: what is trained.
        name: of the spec, which with the seed decides all randomness, as in `verify`; so W^1 and the
            mini-batches are alike at all points of the same shape.
        options: runs, seed and confidence.
        runner: what computes; it goes on from one point to the next.
        data: rows of the data file; without them rows are generated.
        statistics: of those rows, by spec key.
        progress: called after every block.
    """
    alpha = 1 - options.confidence
    try:
        setting, moments = setting_from_spec(
            spec, values, name=name, seed=options.seed, data=data, measured=statistics
        )
        case = build_case(setting, seed=options.seed, alpha=alpha, moments=moments)
    except HypothesisError as error:
        return Measuring(None, (f"Not measured: {reason(error)}.",))
    case = replace(case, claims=(_NO_CLAIM,), survey=options.interval)
    runner.equip([case.experiment])
    done = run_cases(
        [case],
        runner,
        runs=options.runs,
        confidence=options.confidence,
        seed=options.seed,
        progress=progress,
    )
    if done.interrupted:
        return Measuring(None, interrupted=True)
    (result,) = done.cases
    notes = tuple(note for note in result.notes if note)
    if result.measured is None or result.lower is None or result.upper is None:
        return Measuring(None, notes)
    measurement = Measurement(
        gradient=result.measured,
        lower=result.lower,
        upper=result.upper if math.isfinite(result.upper) else None,
        runs=result.runs,
        initial_loss=result.initial_loss,
        final_loss=result.final_loss,
        seconds=result.seconds,
    )
    return Measuring(measurement, notes)


# Point after point.


@dataclass(frozen=True, slots=True)
class SweepState:
    """Progress: points finished, and the share of the one under way; a new one is told in `finished`."""

    done: int
    total: int
    share: float = 0.0
    finished: SweepPoint | None = None


def run_sweep(
    points: Sequence[PlannedPoint],
    axes: Sequence[Axis],
    *,
    options: Options,
    name: str,
    runner: Runner | None = None,
    data: Data | None = None,
    statistics: Mapping[str, float | int | None] | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[SweepState], None] = lambda _: None,
) -> Sweep:
    """The bounds at each point, and with a runner what training measures there.

    Every number depends on the spec, its name, the axes and the options alone, not on what computes.

    Args:
        points: planned, in the order of the axes.
        axes: what varies.
        options: of the sweep.
        name: of the spec; with the seed it decides all randomness.
        runner: needed to measure.
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
    try:
        with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
            for number, planned in enumerate(points):
                spec = planned.loaded.spec
                prediction = predict(spec, constants=options.advice, measured=statistics)
                measuring = Measuring(None)
                if runner is not None and prediction.values is not None:
                    measuring = measure_point(
                        spec,
                        prediction.values,
                        name=name,
                        options=options,
                        runner=runner,
                        data=data,
                        statistics=statistics,
                        progress=_forward(progress, number, len(points)),
                    )
                if measuring.interrupted:
                    interrupted = True
                    break
                point = _point(planned, prediction, measuring.found, measuring.notes)
                predictions.append(prediction)
                finished.append(point)
                progress(SweepState(number + 1, len(points), finished=point))
    except KeyboardInterrupt:
        interrupted = True
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


def _forward(tell: Callable[[SweepState], None], number: int, total: int) -> Callable[[State], None]:
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
