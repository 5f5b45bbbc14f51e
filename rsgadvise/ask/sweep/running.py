"""Point after point: what the theory says, what training says, and on to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.results import as_stepsize
from rsgadvise.ask.sweep.axes import Axis, PlannedPoint, Value
from rsgadvise.ask.verify.cases import Claim, build_case
from rsgadvise.ask.verify.from_spec import Values, chosen_values, setting_from_spec
from rsgadvise.ask.verify.running import Runner, State, run_cases
from rsgadvise.errors import HypothesisError, InfeasibleError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import DEFAULT, ConstantsName, about
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import Plan, attempted, check_problem, judge, plan_at
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import theorem_of, usual_constants
from rsgadvise.training.networks import Data

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


@dataclass(frozen=True, slots=True)
class Options:
    """How a sweep is made.

    Attributes:
        measure: whether to train at each point.
        runs: replicas at each point. seed: of all randomness.
        confidence: of the limits at each point, which are Student's, from averages along trajectories.
        advice: whose constants choose what the spec leaves open.
    """

    measure: bool = False
    runs: int = 32
    seed: int = 0
    confidence: float = 0.99
    advice: ConstantsName = DEFAULT


@dataclass(frozen=True, slots=True)
class Measurement:
    """What training measured at one point.

    Attributes:
        gradient: mean of ||grad f(W^R)||^2 over the runs (projected where there is a box).
        lower, upper: limits of its expectation; None where one run has no upper limit.
        runs: independent replicas.
        initial_loss: f(W^1). final_loss: mean of f(W^R).
        seconds: computing time of the replicas.
    """

    gradient: float
    lower: float
    upper: float | None
    runs: int
    initial_loss: float
    final_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point: the values of the axes, the hyper-parameters there, and the bounds.

    Attributes:
        values: by key.
        kind, layers: the network.
        stepsize, batch_size, iterations, keep_prob, decay: fixed by the spec, or advised; None where
            nothing can be advised, and `notes` say why.
        paper_bound: None outside the range of the theorem.
        certified_bound: at most `largest_gradient`, which stands in for it outside its range.
        largest_gradient: no squared gradient norm of this network exceeds it; None if it overflows.
        vacuous: the paper's bound, or the certified one where there is none, is no better than that.
        measured: None where nothing was measured.
        notes: plain sentences.
        certified_vacuous: the certified bound is no better than `largest_gradient`, so nothing is proven.
    """

    values: Mapping[str, Value]
    kind: str
    layers: tuple[int, ...]
    stepsize: float | tuple[float, ...] | None
    batch_size: int | None
    iterations: int | None
    keep_prob: float | None
    decay: float | None
    paper_bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    vacuous: bool
    measured: Measurement | None
    notes: tuple[str, ...]
    certified_vacuous: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points that were finished, in the order of the axes, the first one slowest.

    Attributes:
        axes: what was varied.
        points: all of them, or those before an interruption.
        measured: whether there was training at each point.
        confidence: of each point's limits by themselves; None without training.
        seed, runs: of the training.
        notes: plain sentences on the whole.
        interrupted: whether the user ended it early.
    """

    axes: tuple[Axis, ...]
    points: tuple[SweepPoint, ...]
    measured: bool
    confidence: float | None
    seed: int
    runs: int
    notes: tuple[str, ...]
    interrupted: bool = False


# The bounds at one point; a hypothesis that fails there leaves a gap and a note.


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the theory says at one point.

    Attributes:
        point: without a measurement.
        values: to train with, or None where nothing can be advised. advised: whether they are advice.
        assumed: what neither the spec nor its data say.
    """

    point: SweepPoint
    values: Values | None
    advised: bool
    assumed: tuple[Assumption, ...]


def predict(
    planned: PlannedPoint,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
) -> Prediction:
    """Both bounds at the spec's hyper-parameters, or at those advised for what it leaves open.

    They are those of `rsgadvise bound` at the same values: D_f is the spec's f(W^1), or the largest loss.
    Where no theorem is about the training there are none.

    Args:
        planned: the point.
        constants: whose constants choose what the spec leaves open.
        measured: statistics of the data file by spec key.
    """
    spec = planned.loaded.spec
    problem = resolve(spec, measured)
    try:
        values, advised = chosen_values(spec, constants=constants, measured=measured)
    except (HypothesisError, InfeasibleError) as error:
        note = f"Nothing to advise: {_reason(error)}."
        # The largest gradient rises with the keep probability: at 1 it holds for all of them.
        limit = _limit(problem, spec.training.keep_prob or 1.0)
        paper, proven = None, limit if problem.has_sgd_bound else math.inf
        return _prediction(planned, problem, None, (paper, proven, limit), note)
    plan = plan_at(
        problem,
        stepsize=values.stepsize,
        batch_size=values.batch_size,
        iterations=values.iterations,
        keep_prob=values.keep_prob,
        decay=values.decay,
        stopping=stopping_of(spec),
    )
    values = replace(values, stepsize=as_stepsize(plan.stepsize))
    return _prediction(planned, problem, values, *_bounds(problem, plan), advised=advised)


def _bounds(problem: Problem, plan: Plan) -> tuple[tuple[float | None, float, float], str]:
    """(the paper's bound, the certified one, the largest gradient), and why something is missing."""
    limit = _limit(problem, plan.keep_prob)
    if not problem.has_sgd_bound:
        return (None, math.inf, limit), wording.no_theorem(problem)
    try:
        check_problem(problem, usual_constants(problem))
    except HypothesisError as error:  # no constants then have a use, only the limit is left
        return (None, limit, limit), f"No bound: {_reason(error)}."
    if theorem_of(problem.kind, "paper").refusal(problem):
        bound, missing = None, wording.NO_PAPER_BOUND
    else:
        bound, missing = attempted(problem, plan, "paper")
        missing = f"No paper bound: {missing}." if missing else ""
    return (bound, judge(problem, plan, "paper").sure, limit), missing


def _limit(problem: Problem, keep_prob: float) -> float:
    return float(largest_gradient(problem, np.asarray(keep_prob)))


def _reason(error: HypothesisError | InfeasibleError) -> str:
    """What an error says of the quantity that breaks a hypothesis, as part of a sentence."""
    key = error.quantity if isinstance(error, HypothesisError) else ""
    name = key if not key or "." in key else f"training.{key}"
    return f"{name} {error}".strip()


def _prediction(
    planned: PlannedPoint,
    problem: Problem,
    values: Values | None,
    bounds: tuple[float | None, float, float],
    note: str,
    *,
    advised: bool = False,
) -> Prediction:
    """What overflows is left out, with a note: such a limit is no number, and nor is what it stands for."""
    paper, proven, limit = bounds
    notes = [note] if note else []
    if not math.isfinite(limit) and problem.has_sgd_bound:
        notes.append("The largest gradient of this network is too large for any number.")
    chosen = values or planned.loaded.spec.training
    shown = proven if paper is None else paper
    point = SweepPoint(
        values=planned.values,
        kind=problem.kind,
        layers=problem.layers,
        stepsize=chosen.stepsize,
        batch_size=chosen.batch_size,
        iterations=chosen.iterations,
        keep_prob=chosen.keep_prob,
        decay=chosen.decay,
        paper_bound=paper,
        certified_bound=proven if math.isfinite(proven) else None,
        largest_gradient=limit if math.isfinite(limit) else None,
        vacuous=not (math.isfinite(shown) and shown < limit),
        measured=None,
        notes=tuple(notes),
        certified_vacuous=not (math.isfinite(proven) and proven < limit < math.inf),
    )
    assumed = problem.assumed if problem.has_sgd_bound else ()  # all but the box, which the training names
    return Prediction(point, values, advised, assumed)


# What training says at one point: the same replicas, from the same seeds, as those of `verify`.

# There is nothing to decide: one claim without a bound carries the measurement through the machinery.
_NO_CLAIM = Claim("certified", None, "", False, "consistent")


def measure_point(
    spec: Spec,
    values: Values,
    *,
    name: str,
    options: Options,
    runner: Runner,
    data: Data | None = None,
    statistics: Mapping[str, float | int | None] | None = None,
    progress: Callable[[State], None] | None = None,
) -> tuple[Measurement | None, tuple[str, ...]]:
    """Train the replicas of one point and average: (a measurement, or None where there is none; notes).

    Args:
        spec, values: what is trained.
        name: of the spec, which with the seed decides all randomness, as in `verify`; so W^1 and the
            mini-batches are alike at all points of the same shape.
        options: runs, seed and confidence.
        runner: what computes.
        data: rows of the data file; without them rows are generated.
        statistics: of those rows, by spec key.
        progress: called after every block.

    Raises:
        KeyboardInterrupt: by the user.
    """
    try:
        setting, moments = setting_from_spec(
            spec, values, name=name, seed=options.seed, data=data, measured=statistics
        )
        case = build_case(setting, seed=options.seed, alpha=1 - options.confidence, moments=moments)
    except HypothesisError as error:
        return None, (f"Not measured: {_reason(error)}.",)
    done = run_cases(
        [replace(case, claims=(_NO_CLAIM,), survey=True)],
        runner,
        runs=options.runs,
        confidence=options.confidence,
        seed=options.seed,
        progress=progress,
    )
    if done.interrupted:
        raise KeyboardInterrupt
    (result,) = done.cases
    if result.measured is None or result.lower is None or result.upper is None:
        return None, result.notes
    found = Measurement(
        gradient=result.measured,
        lower=result.lower,
        upper=result.upper if math.isfinite(result.upper) else None,
        runs=result.runs,
        initial_loss=result.initial_loss,
        final_loss=result.final_loss,
        seconds=result.seconds,
    )
    return found, result.notes


@dataclass(frozen=True, slots=True)
class SweepState:
    """Progress: points finished, the share of the one under way, and the point that was just finished."""

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
    progress: Callable[[SweepState], None] | None = None,
) -> Sweep:
    """The bounds at each point, and with a runner what training measures there.

    Every number depends on the spec, its name, the axes and the options alone: not on what computes.

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
    tell = progress or (lambda _: None)

    def told(state: State) -> None:
        tell(SweepState(len(finished), len(points), state.blocks_done / max(1, state.blocks)))

    try:
        with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
            for planned in points:
                prediction = predict(planned, constants=options.advice, measured=statistics)
                point = prediction.point
                if runner is not None and prediction.values is not None:
                    measured, about_it = measure_point(
                        planned.loaded.spec,
                        prediction.values,
                        name=name,
                        options=options,
                        runner=runner,
                        data=data,
                        statistics=statistics,
                        progress=told,
                    )
                    point = replace(point, measured=measured, notes=(*point.notes, *about_it))
                predictions.append(prediction)
                finished.append(point)
                tell(SweepState(len(finished), len(points), finished=point))
    except KeyboardInterrupt:
        interrupted = True
        notes = (*notes, f"Interrupted after {len(finished)} of {len(points)} points.")
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
            *_about_proofs(predictions, options),
            *([_about_limits(options)] if options.measure else ()),
        ),
        interrupted=interrupted,
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


def _about_proofs(predictions: Sequence[Prediction], options: Options) -> list[str]:
    """At how many points the certified bound is no more than the largest gradient possible."""
    points = [each.point for each in predictions]
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


def _about_limits(options: Options) -> str:
    """What is measured, and what its limits are."""
    return (
        "measured: E||grad f(W^R)||^2 over the runs (of the projected gradient where there is a box), from "
        "the measured f(W1), not the one that the bounds assume; all runs of a point share W1. Its limits "
        f"hold with probability {options.confidence:.15g} at each point by itself. They are Student's, on "
        "averages along trajectories: approximate."
    )
