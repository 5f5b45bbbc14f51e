"""`recommend` with data: calibrated constants, and a race of short runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.recommend import described, rank, ranking_objective
from rsgadvise.advise.results import Advice, MeasuredConstant, Recommendation
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space, search_space
from rsgadvise.bounds.judge import Point, objective_for
from rsgadvise.bounds.kinds import curvature_share
from rsgadvise.bounds.objective import ConstantsName, Schedule
from rsgadvise.bounds.problem import MeasuredConstants, Problem, resolve
from rsgadvise.errors import HypothesisError
from rsgadvise.networks import Data, Network
from rsgadvise.pilot.arena import Arena
from rsgadvise.pilot.calibration import Calibration, calibrate, layer_smoothness
from rsgadvise.pilot.candidates import Proposals, layer_shape
from rsgadvise.pilot.race import Candidate, Runner
from rsgadvise.pilot.results import PilotAdvice, PilotReport, Raced
from rsgadvise.pilot.second_order import StoppedState, stopped_state
from rsgadvise.pilot.stopping_choice import StoppingChoice, choose_stopping, stopping_bound
from rsgadvise.pilot.tournament import Finalist, Progress, Tournament, predictions
from rsgadvise.rsg import Training

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["SMALLEST_PILOT", "advise_with_data"]

SMALLEST_PILOT = 0.1
"""Of one training: a pilot needs twice what its calibration takes."""

_STATE_SHARE = 0.04  # of the allowance: the curvature after stopping
_STATE_PRODUCTS = 10
_STATE_ROWS = (16, 1024)
_LAYERS = 6  # key of randomness
_STATE = 7


def advise_with_data(
    spec: Spec,
    data: Data,
    *,
    constants: ConstantsName,
    pilot: float,
    seed: int,
    top: int,
    measured: Mapping[str, float | int | None] | None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Advice:
    """Advice that rests on training runs: calibrated constants, and with `pilot` a race.

    Args:
        spec: a valid spec.
        data: rows in [0, 1].
        constants: of the bounds that are shown; those of a race's candidates are always calibrated.
        pilot: at most so many trainings may be spent; 0 for none.
        seed: of all randomness; the same seed gives the same advice.
        top: rows to return.
        measured: statistics of the data by spec key.
        threads: for large networks; changes no number.
        progress: told how far it is.

    Raises:
        HypothesisError: nothing can be calibrated, or the training is too short for a pilot.
    """
    problem = resolve(spec, measured)
    space = search_space(spec, problem)
    keep_prob = max(high for _, high in space.keep_probs)
    network = Network(problem.kind, problem.layers, problem.weight_bounds, keep_prob)
    arena = Arena.of(network, data, seed=seed, hold_out=pilot > 0)
    batch_size, iterations = _planned(problem, space)
    told = progress or (lambda part, name: None)
    told(0.0, "measuring")
    calibration = calibrate(arena, batch_size=batch_size, iterations=iterations)
    known = replace(
        problem,
        measured=calibration.constants,
        initial_loss=calibration.initial_loss,
        assumed=tuple(item for item in problem.assumed if item.key != "training.initial_loss"),
    )
    calibrated = rank(known, space, constants="calibrated", top=top)
    advice = calibrated if constants == "calibrated" else rank(known, space, constants=constants, top=top)
    advice = replace(advice, notes=(*calibration.notes, *advice.notes))
    if calibrated.infeasible is not None or advice.infeasible is not None:
        return advice
    best = calibrated.recommendations[0]
    cost = calibration.work / best.samples
    advice = replace(advice, measured=_quantities(known, space, best, calibration), cost=cost)
    if not pilot:
        return advice
    return _Pilot(known, space, arena, constants, pilot, top, threads, told).race(advice, best, calibration)


def _planned(problem: Problem, space: Space) -> tuple[int, int]:
    """(B, N) of a training like those that may be advised, for the size of the calibration."""
    sizes = space.batch_sizes
    batch = sizes[len(sizes) // 2] if not space.batch_range else round((sizes[0] * sizes[-1]) ** 0.5)
    most = float(space.iterations[1])
    for limit in space.limits:
        most = min(most, float(limit.most_iterations(np.asarray(float(batch)), np.ones(()))))
    return batch, int(max(1, most))


def _quantities(
    problem: Problem, space: Space, best: Recommendation, calibration: Calibration
) -> tuple[MeasuredConstant, ...]:
    """What each measured constant is, and what one standard error of it does to the advice."""
    known = calibration.constants
    found = []
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
        found.append(
            MeasuredConstant(
                name=quantity.name,
                at_start=quantity.at_start,
                value=quantity.value,
                standard_error=quantity.standard_error,
                stepsize_change=other / stepsize - 1,
                bound_change=other_bound / bound - 1 if np.isfinite(bound) and bound > 0 else 0.0,
            )
        )
    return tuple(found)


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
        stepsize, _ = objective.optimum(batch, n, (best.keep_prob, best.keep_prob), schedule)
    return float(np.max(stepsize)), float(objective.bound(stepsize, zeta, batch, n, schedule).value[0])


@dataclass(frozen=True, slots=True)
class _Pilot:
    """The race of one advice."""

    problem: Problem
    space: Space
    arena: Arena
    constants: ConstantsName
    trainings: float
    top: int
    threads: int
    progress: Progress

    def race(self, advice: Advice, best: Recommendation, calibration: Calibration) -> Advice:
        """The advice with the winner of the race in front."""
        budget = self.trainings * best.samples
        by_layer, work = layer_smoothness(self.arena, calibration, self.arena.rng(_LAYERS))
        work += calibration.work
        if 2 * work > budget:
            raise HypothesisError(
                f"is too small for a training of {best.samples:,} samples, of which calibration alone takes "
                f"{work / best.samples:.2g} trainings; got {self.trainings:g}; raise it, or plan more "
                "iterations",
                quantity="--pilot",
            )
        matrices = len(self.arena.network.shapes)
        advised = best.stepsize if isinstance(best.stepsize, tuple) else (best.stepsize,) * matrices
        proposals = Proposals(
            space=self.space,
            known=calibration.constants,
            shape=layer_shape(by_layer),
            batch_size=best.batch_size,
            iterations=best.iterations,
            keep_prob=best.keep_prob,
            decay=best.decay,
            advised=advised,
        )
        tournament = Tournament(
            arena=self.arena,
            proposals=proposals,
            allowance=(1 - _STATE_SHARE) * budget - work,
            threads=self.threads,
            progress=self.progress,
        )
        interrupted = False
        try:
            tournament.run()
        except KeyboardInterrupt:
            interrupted = True
        return self._report(advice, tournament, work, budget, interrupted=interrupted)

    def _report(
        self, advice: Advice, tournament: Tournament, work: float, budget: float, *, interrupted: bool
    ) -> Advice:
        """The advice with the best that the race found in front of it."""
        ranked = _ranked(tournament)
        if not ranked or ranked[0].outcome != "won":
            note = (
                "The race found nothing better than a constant prediction; this is the advice without it."
                if ranked and not interrupted
                else "The race was interrupted before any candidate had run; this is the advice without it."
            )
            spent = (work + tournament.work) / advice.recommendations[0].samples
            return replace(advice, cost=spent, notes=(note, *advice.notes))
        winner, finalist = ranked[0].runner.candidate, ranked[0].finalist
        found = described(
            self.problem,
            self.space,
            _rows([entry.runner.candidate for entry in ranked], self.problem, self.space),
            constants=self.constants,
            top=self.top,
        )
        spent = work + tournament.work
        state = None
        if finalist is not None and not interrupted:
            state = self._state(winner, finalist, budget - spent)
            spent += 0.0 if state is None else state.work
        report = self._measured(winner, finalist, ranked, state, spent / winner.samples, interrupted)
        notes = [_stopping_note(report, self.space)]
        if interrupted:
            notes.append("Interrupted: this is the best by then.")
        return PilotAdvice(
            **{
                **{key: getattr(advice, key) for key in Advice.__dataclass_fields__},
                "objective": "smallest loss in a race of short runs",
                "recommendations": found,
                "work": (),
                "why": _why(report, ranked, tournament),
                "notes": tuple(note for note in (*notes, *advice.notes) if note),
                "cost": report.cost,
            },
            pilot=report,
        )

    def _state(self, winner: Candidate, finalist: Finalist, left: float) -> StoppedState | None:
        """What the curvature says where the second run ended, if there is work left for it."""
        # Two Lanczos runs on halves, the box, the outlook and the quotients: some four runs' worth.
        each = 1 + 2 * 2 * _STATE_PRODUCTS + 2 * 20
        rows = int(min(left / each, _STATE_ROWS[1]))
        if rows < _STATE_ROWS[0]:
            return None
        arena, last = self.arena.keeping(winner.keep_prob), finalist.looks.last
        training = Training(arena.network, arena.data, winner.stepsizes, winner.batch_size, winner.decay)
        return stopped_state(
            training,
            [matrix[0] for matrix in finalist.looks.weights],
            iteration=last,
            iterations=max(last, winner.iterations),
            rng=arena.rng(_STATE),
            rows=rows,
            products=_STATE_PRODUCTS,
            bound_at=lambda n: self._bound(winner, n),
        )

    def _bound(self, candidate: Candidate, iterations: int) -> float | None:
        value = self._point(candidate, iterations)
        try:
            found = float(value.bound(objective_for(self.problem, self.constants)).value)
        except HypothesisError:
            return None
        return found if np.isfinite(found) else None

    def _point(self, candidate: Candidate, iterations: int) -> Point:
        many = self.problem.kind == "multilayer"
        return Point(
            stepsize=np.asarray(candidate.stepsizes if many else candidate.stepsizes[0]),
            keep_prob=candidate.keep_prob,
            batch_size=float(candidate.batch_size),
            iterations=float(iterations),
            schedule=Schedule(candidate.decay),
        )

    def _measured(
        self,
        winner: Candidate,
        finalist: Finalist | None,
        ranked: list[_Entry],
        state: StoppedState | None,
        cost: float,
        interrupted: bool,
    ) -> PilotReport:
        arena = self.arena.keeping(winner.keep_prob)
        raced = tuple(
            Raced(
                stepsizes=entry.runner.candidate.stepsizes,
                decay=entry.runner.candidate.decay,
                batch_size=entry.runner.candidate.batch_size,
                keep_prob=entry.runner.candidate.keep_prob,
                source=entry.runner.candidate.source,
                share=entry.runner.done,
                loss=entry.runner.loss,
                outcome=entry.outcome,
            )
            for entry in ranked
        )
        if finalist is None:
            return PilotReport(
                seed=self.arena.seed,
                raced=raced,
                share=ranked[0].runner.done,
                predicted_bound=np.inf,
                gradient=np.nan,
                initial_loss=self.problem.initial_loss,
                loss=ranked[0].runner.loss,
                constant_loss=ranked[0].constant,
                held_out_loss=None,
                held_out_error=None,
                held_out_rows=0,
                stopping=None,
                state=None,
                cost=cost,
                interrupted=interrupted,
            )
        looks = finalist.looks
        bound = self._bound(winner, looks.last)
        choice = self._stopping(winner, finalist)
        loss, error, rows = _held_out(arena, finalist)
        return PilotReport(
            seed=self.arena.seed,
            raced=raced,
            share=looks.last / winner.iterations,
            predicted_bound=np.inf if bound is None else bound,
            gradient=choice.rows[0].gradient.mean,
            initial_loss=float(looks.losses[0, 0]),
            loss=float(looks.losses[0, -1]),
            constant_loss=ranked[0].constant,
            held_out_loss=loss,
            held_out_error=error,
            held_out_rows=rows,
            stopping=choice,
            state=state,
            cost=cost,
            interrupted=interrupted,
        )

    def _stopping(self, winner: Candidate, finalist: Finalist) -> StoppingChoice:
        point = self._point(winner, finalist.looks.last)
        share = curvature_share(self.problem, "calibrated", point.stepsize, point.keep_prob)
        return choose_stopping(
            finalist.looks,
            decay=winner.decay,
            curvature_share=share,
            bound_at=stopping_bound(self.problem, point, self.constants),
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A runner in its final place."""

    runner: Runner
    finalist: Finalist | None
    outcome: str
    constant: float


def _ranked(tournament: Tournament) -> list[_Entry]:
    """Everybody who ran, best first: finalists, then by how far they came and how they did there.

    A saturated network has a tiny gradient at a loss above that of the best constant prediction. It never
    wins, and neither does one that left the range of numbers.
    """
    constant = tournament.constant
    best: list[_Entry] = []
    worst: list[_Entry] = []
    finals = [finalist.runner for finalist in tournament.finalists]
    for finalist in tournament.finalists:
        end = float(finalist.looks.losses[0, -1])
        outcome = _outcome(max(end, finalist.runner.loss), constant) or "final"
        group = best if outcome == "final" else worst
        group.append(_Entry(finalist.runner, finalist, outcome, constant))
    others = [runner for runner in tournament.standing if runner not in finals and runner.done > 0]
    for runner in sorted(others, key=lambda runner: (-runner.done, runner.loss)):
        outcome = _outcome(runner.loss, constant) or "left behind"
        (best if outcome == "left behind" else worst).append(_Entry(runner, None, outcome, constant))
    if best:
        best[0] = replace(best[0], outcome="won")
    return [*best, *worst]


_SATURATED = 1.01  # of the loss of a constant: a plateau just at it is where deep networks begin


def _outcome(loss: float, constant: float) -> str | None:
    if not np.isfinite(loss):
        return "diverged"
    return "no better than a constant" if loss > _SATURATED * constant else None


def _rows(candidates: list[Candidate], problem: Problem, space: Space) -> Rows:
    """Candidates as rows of a ranking."""
    many = problem.kind == "multilayer"
    decays = [schedule.decay for schedule in space.schedules]

    def place(keep_prob: float) -> int:
        inside = [low <= keep_prob <= high for low, high in space.keep_probs]
        return inside.index(True)

    batch = np.asarray([float(each.batch_size) for each in candidates])
    iterations = np.asarray([float(each.iterations) for each in candidates])
    return Rows(
        batch=batch,
        iterations=iterations,
        runs=np.ones(len(candidates)),
        stepsize=np.asarray([each.stepsizes if many else each.stepsizes[0] for each in candidates]),
        keep_prob=np.asarray([each.keep_prob for each in candidates]),
        value=np.zeros(len(candidates)),
        schedule=np.asarray([float(decays.index(each.decay)) for each in candidates]),
        keep_range=np.asarray([float(place(each.keep_prob)) for each in candidates]),
        seconds=space.seconds(batch, iterations),
    )


def _held_out(arena: Arena, finalist: Finalist) -> tuple[float | None, float | None, int]:
    """(loss, error, rows) of the network without masks on the rows that no run has seen."""
    if arena.held_out is None:
        return None, None, 0
    data = arena.held_out
    outputs = predictions(arena.network, finalist.looks.weights, data.inputs)
    loss = float(np.square(outputs - data.targets).sum()) / data.rows
    if not arena.labelled:
        return loss, None, data.rows
    wrong = outputs.argmax(axis=1) != data.targets.argmax(axis=1)
    return loss, float(wrong.mean()), data.rows


def _why(report: PilotReport, ranked: list[_Entry], tournament: Tournament) -> tuple[str, ...]:
    best = report.raced[0]
    sentences = [
        f"Of {len(ranked)} candidates, {best.source} had the lowest loss after {report.share:.1%} of the "
        f"training, {best.loss:.4g}."
    ]
    if tournament.finalists and not report.interrupted:
        error = "" if report.held_out_error is None else f", held-out error {report.held_out_error:.1%}"
        sentences.append(
            f"Run again from another seed it went from a loss of {report.initial_loss:.4g} to "
            f"{report.loss:.4g}{error}; a constant prediction has {report.constant_loss:.4g}."
        )
    if report.state is not None:
        sentences.append(report.state.sentence)
    return tuple(sentences)


def _stopping_note(report: PilotReport, space: Space) -> str:
    """What to set `training.stopping` to, where the spec leaves it open."""
    if report.stopping is None or report.stopping.chosen in (None, "uniform"):
        return ""
    return f"Choosing P_R, over the length of the pilot: {report.stopping.reason}"
