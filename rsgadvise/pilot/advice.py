"""`recommend` with data: calibrated constants, and a race of short runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.recommend import rank, ranking_objective, training_plan, without_bounds
from rsgadvise.advise.results import Advice, MeasuredConstant, Recommendation, by_matrix
from rsgadvise.advise.space import Space, search_space
from rsgadvise.errors import UsageError
from rsgadvise.pilot.calibration import SHARE, Calibration, calibrate
from rsgadvise.pilot.candidates import ANCHOR, Proposals, usual_stepsize
from rsgadvise.pilot.directional import Unit, unit_for
from rsgadvise.pilot.reporting import Reporter, calibration_spread
from rsgadvise.pilot.task import FEWEST_SAMPLES, Spending, Task
from rsgadvise.pilot.tournament import Progress, Tournament
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Plans, Schedule
from rsgadvise.theory.problem import INITIAL_LOSS, MeasuredConstants, Problem
from rsgadvise.training.networks import Data, Network, one_thread

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


_CALIBRATION_SHARE = 0.6  # of the allowance: what has to be left after it for the race
_STATE_SHARE = 0.04  # of the allowance: the curvature after stopping
_CALIBRATION_PART = 0.1  # of what work is enough for, where it is for less than a training
_LAYERS = 6  # key of randomness


@one_thread()
def advise_with_data(
    spec: Spec,
    data: Data,
    *,
    constants: ConstantsName = "calibrated",
    spending: Spending | None,
    seed: int,
    top: int,
    measured: Mapping[str, float | int | None] | None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Advice:
    """Advice that rests on training runs: calibrated constants, and a race where there is `spending`.

    A lenient one is done with what it is enough for: fewer candidates race, then none, and the calibration
    keeps to its fewest rows; some five hundred gradients of single examples are spent in any case.

    Args:
        spec: a valid spec.
        data: rows in [0, 1].
        constants: of the bounds that are shown; those of a race's candidates are always calibrated.
        spending: on a race; None for none.
        seed: of all randomness; the same seed gives the same advice.
        top: rows to return.
        measured: statistics of the data by spec key.
        threads: for large networks; changes no number.
        progress: told how far it is.

    Raises:
        HypothesisError: nothing can be calibrated.
        UsageError: the pilot is too small for its own calibration, or for a race.
    """
    problem = resolve(spec, measured)
    space = search_space(spec, problem)
    keep_prob = max(high for _, high in space.keep_probs)
    network = Network.of(problem, keep_prob)
    optimizer = problem.optimizer
    task = Task.of(network, data, seed=seed, hold_out=spending is not None, optimizer=optimizer)
    told = progress or (lambda part, name: None)
    told(0.0, "measuring")
    calibration = _calibration(task, problem, space, spending)
    known = _calibrated(problem, calibration)
    calibrated = rank(known, space, constants="calibrated", top=top)
    advice = calibrated if about(constants).on_rows else rank(known, space, constants=constants, top=top)
    if calibrated.infeasible is not None or advice.infeasible is not None:
        return advice
    best, unit = calibrated.recommendations[0], None
    if optimizer.plain:
        quantities = _quantities(known, space, best, calibration)
    else:
        unit = unit_for(task, calibration, task.rng(_LAYERS), batch_size=best.batch_size)
        quantities = _along(unit, calibration)
        if space.stepsize is None:
            gammas = tuple(ANCHOR**best.decay / unit.smoothness * part for part in unit.shape)
            best = replace(best, stepsize=gammas if problem.layered else gammas[0])
        advice = without_bounds(advice, best, objective="directional stepsize at W1", optimizer=optimizer)
    work = calibration.work + (0.0 if unit is None else unit.work)
    plan = training_plan(
        best,
        known.weight_bounds,
        source="calibrated",
        spread=calibration_spread(quantities),
        constant_loss=task.constant_loss,
    )
    advice = replace(advice, measured=quantities, cost=work / best.samples, train=plan)
    if spending is None:
        return replace(advice, critical_batch_size=calibration.noise)
    stopping_is_open = spec.training.stopping is None
    free_box = spec.network.weight_bound is None and bool(problem.weight_bounds)
    reporter = Reporter(
        known,
        space,
        task,
        constants,
        stopping_is_open,
        top,
        calibration.noise,
        spending,
        free_box,
        free_length=spec.training.iterations is None and not isinstance(spec.training.stopping, tuple),
    )
    unit = unit or unit_for(task, calibration, task.rng(_LAYERS), batch_size=best.batch_size)
    return _raced(
        advice, best, calibration, unit, reporter, spending=spending, threads=threads, progress=told
    )


def _along(unit: Unit, calibration: Calibration) -> tuple[MeasuredConstant, ...]:
    """What was measured where the stepsize rests on none of the constants, but on the optimiser's updates."""
    assert unit.directional is not None
    quantities = [
        MeasuredConstant(each.name, each.at_start, each.value, each.standard_error, 0.0, 0.0)
        for each in calibration.quantities
    ]
    gamma, error = unit.directional.stepsize, unit.directional.standard_error
    return (*quantities, MeasuredConstant("directional_stepsize", gamma, gamma, error, error / gamma, 0.0))


def _calibrated(problem: Problem, calibration: Calibration) -> Problem:
    """The problem with what was measured in place of what was assumed."""
    return replace(
        problem,
        measured=calibration.constants,
        initial_loss=calibration.initial_loss,
        assumed=tuple(item for item in problem.assumed if item.key != INITIAL_LOSS),
    )


def _calibration(task: Task, problem: Problem, space: Space, spending: Spending | None) -> Calibration:
    """Measure at the cost of a share of the training that may be advised, or of what work is enough for.

    How long that is nobody knows where there is a target: the shortest calibration tells about how long.
    """
    batch_size, iterations = _planned(space)

    def allowed() -> float | None:
        if spending is None or not spending.lenient:
            return None
        training = float(batch_size * iterations)
        enough = spending.samples(task.network, batch_size=batch_size, training=training)
        return min(SHARE * max(training, FEWEST_SAMPLES), _CALIBRATION_PART * enough)

    if space.goal is None:
        return calibrate(task, batch_size=batch_size, iterations=iterations, allowed=allowed())
    short = calibrate(task, batch_size=batch_size, iterations=1)
    plan = rank(_calibrated(problem, short), space, constants="calibrated", top=1)
    if plan.infeasible is None:
        best = plan.recommendations[0]
        batch_size, iterations = best.batch_size, best.iterations
    long = calibrate(task, batch_size=batch_size, iterations=iterations, allowed=allowed())
    return replace(long, work=short.work + long.work)


def _planned(space: Space) -> tuple[int, int]:
    """(B, N) of a training like those that may be advised, for the size of the calibration."""

    def most_iterations(batch: int) -> int:
        most = float(space.iterations[1])
        for limit in space.limits:
            most = min(most, float(limit.most_iterations(np.asarray(float(batch)), np.ones(()))))
        return int(max(1, most))

    sizes = space.batch_sizes
    largest = min([limit.largest_batch(float(space.iterations[0])) for limit in space.limits], default=np.inf)
    if space.batch_range:
        batch = round((sizes[0] * max(sizes[0], min(sizes[-1], largest))) ** 0.5)
    else:
        fitting = [size for size in sizes if size <= largest] or [min(sizes)]
        batch = fitting[len(fitting) // 2]
    return batch, most_iterations(batch)


def _quantities(
    problem: Problem, space: Space, best: Recommendation, calibration: Calibration
) -> tuple[MeasuredConstant, ...]:
    """What each measured constant is, and what one standard error of it does to the advice."""
    known = calibration.constants
    quantities = []
    for quantity in calibration.quantities:
        share = 1 + quantity.standard_error / quantity.value if quantity.value > 0 else 1.0
        moved = {
            "initial_loss": replace(problem, initial_loss=problem.initial_loss * share),
            "smoothness": _with(problem, replace(known, smoothness=known.smoothness * share)),
            "gradient_variance": _with(
                problem, replace(known, layer_variances=tuple(v * share for v in known.layer_variances))
            ),
            "squared_gradient": _with(problem, replace(known, distance=known.distance / share**0.5)),
        }[quantity.name]
        stepsize, bound = _at(problem, space, best)
        other, other_bound = _at(moved, space, best)
        quantities.append(
            MeasuredConstant(
                name=quantity.name,
                at_start=quantity.at_start,
                value=quantity.value,
                standard_error=quantity.standard_error,
                stepsize_change=other / stepsize - 1,
                bound_change=other_bound / bound - 1 if np.isfinite(bound) and bound > 0 else 0.0,
            )
        )
    return tuple(quantities)


def _rounded_up(value: float) -> str:
    """Three digits, never below the value.

    Example:
        >>> _rounded_up(0.10201), _rounded_up(1234.0)
        ('0.103', '1,240')
    """
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return f"{math.ceil(value / unit) * unit:,.6g}"


def _with(problem: Problem, known: MeasuredConstants) -> Problem:
    return replace(problem, measured=known)


def _at(problem: Problem, space: Space, best: Recommendation) -> tuple[float, float]:
    """(stepsize, bound) of the calibrated advice at the B, N, rho and zeta of `best`."""
    objective = ranking_objective(problem, space, "calibrated")
    batch, n = np.asarray([float(best.batch_size)]), np.asarray([float(best.iterations)])
    schedule = Schedule(best.decay, space.schedules[0].stopping)
    zeta = np.asarray([best.keep_prob])
    if space.stepsize is not None:
        shape = objective.largest_stepsizes(zeta).shape
        stepsize = (
            np.broadcast_to(np.asarray(space.stepsize), shape)
            if len(shape) > 1
            else np.full(shape, space.stepsize[0])
        )
    else:
        stepsize = objective.optimum(batch, n, (best.keep_prob, best.keep_prob), schedule).stepsize
    plans = Plans(stepsize, zeta, batch, n, schedule)
    bound = objective_for(problem, "calibrated").bound(plans)
    return float(np.max(stepsize)), float(bound.value[0])


def _raced(
    advice: Advice,
    best: Recommendation,
    calibration: Calibration,
    unit: Unit,
    reporter: Reporter,
    *,
    spending: Spending,
    threads: int,
    progress: Progress,
) -> Advice:
    """The advice with the winner of a race in front; `best` is the calibrated advice."""
    task = reporter.task
    work = calibration.work + unit.work
    matrices = len(task.network.shapes)
    proposals = Proposals(
        space=reporter.space,
        known=replace(calibration.constants, smoothness=unit.smoothness),
        shape=unit.shape,
        batch_size=best.batch_size,
        iterations=best.iterations,
        keep_prob=best.keep_prob,
        decay=best.decay,
        advised=by_matrix(best.stepsize, matrices),
        usual=usual_stepsize(task.network, task.data.inputs, task.optimizer),
        optimizer=task.optimizer,
        lingers=task.network.lingers,
    )
    # Rounding N makes other batch sizes a little cheaper, and the winner's training is what counts.
    first = proposals.first()[0]
    samples = min(candidate.samples for candidate in (first, *proposals.variants(first)))
    budget = spending.samples(task.network, batch_size=best.batch_size, training=samples)
    if work > _CALIBRATION_SHARE * budget and not spending.lenient:
        raise UsageError(
            f"the pilot must be at least {_rounded_up(work / (_CALIBRATION_SHARE * samples))} for a training "
            f"of {best.samples:,} samples, since calibration alone costs {work / samples:.2g} of it; got "
            f"{spending.trainings:g}; raise it, or plan more iterations"
        )
    tournament = Tournament(
        task=task,
        proposals=proposals,
        allowance=(1 - _STATE_SHARE) * budget - work,
        threads=threads,
        progress=progress,
        lenient=spending.lenient,
    )
    try:
        tournament.run()
        return reporter.report(advice, tournament, before=work, budget=budget, interrupted=False)
    except KeyboardInterrupt:
        return reporter.report(advice, tournament, before=work, budget=budget, interrupted=True)
