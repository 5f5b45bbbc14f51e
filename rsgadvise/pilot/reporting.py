"""What a race found, as advice."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rsgadvise.advise.recommend import described
from rsgadvise.advise.results import Advice
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space
from rsgadvise.bounds.judge import Point, objective_for
from rsgadvise.bounds.kinds import curvature_share, largest_gradient
from rsgadvise.bounds.objective import ConstantsName, Schedule
from rsgadvise.bounds.problem import Problem
from rsgadvise.errors import HypothesisError
from rsgadvise.pilot.arena import Arena
from rsgadvise.pilot.race import Candidate, Runner, fate
from rsgadvise.pilot.results import PilotAdvice, PilotReport, Raced
from rsgadvise.pilot.second_order import NO_BETTER, StoppedState, stopped_state
from rsgadvise.pilot.stopping_choice import StoppingChoice, choose_stopping, stopping_bound
from rsgadvise.pilot.tournament import Finalist, Tournament, predictions
from rsgadvise.rsg import Training

__all__ = ["Reporter"]

_STATE_PRODUCTS = 10
_STATE_ROWS = (16, 1024)
_STATE = 7  # key of randomness
_NOT_RUN = "not run"  # its share of the race was less than one iteration
_NO_TARGET = "The race looks for the smallest loss, not for the target; without it there is a plan for that."


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns the outcome of a race into advice.

    Attributes:
        problem, space: of the spec.
        arena: of the race.
        constants: of the bounds that are shown.
        top: rows to return.
        notes: on what was measured; the other notes of an advice are about its own ranking.
    """

    problem: Problem
    space: Space
    arena: Arena
    constants: ConstantsName
    top: int
    notes: tuple[str, ...]

    def report(
        self,
        advice: Advice,
        tournament: Tournament,
        *,
        before: float,
        budget: float,
        interrupted: bool,
    ) -> PilotAdvice:
        """The advice with the best that the race found in front of it.

        Args:
            advice: without the race.
            tournament: over, or interrupted.
            before: work that came before it.
            budget: work allowed in all.
            interrupted: by the user.
        """
        ranked = _ranked(tournament)
        spent = before + tournament.work
        if not ranked or ranked[0].outcome != "won":
            reason = _reason(ranked, tournament.constant, interrupted=interrupted)
            best = advice.recommendations[0]
            report = self._without_winner(ranked, tournament, spent / best.samples)
            notes = (f"{reason}; this is the advice without it.", *advice.notes)
            return _piloted(advice, report, notes=notes, cost=report.cost, interrupted=interrupted)
        winner, finalist = ranked[0].runner.candidate, ranked[0].finalist
        state = None
        if finalist is not None and not interrupted:
            state = self._state(winner, finalist, budget - spent)
            spent += 0.0 if state is None else state.work
        report = self._without_winner(ranked, tournament, spent / winner.samples)
        if finalist is not None:
            report = self._with_winner(report, winner, finalist, state)
        found = described(
            self.problem,
            self.space,
            _rows(
                [entry.runner.candidate for entry in ranked],
                self.problem,
                self.space,
                advice.recommendations[0].runs,
            ),
            constants=self.constants,
            top=self.top,
        )
        notes = (
            "Interrupted: this is the best by then." if interrupted else "",
            _plateau_note(report),
            _stopping_note(report, self.space),
            "" if self.space.goal is None else _NO_TARGET,
        )
        limit = float(largest_gradient(self.problem, np.asarray(winner.keep_prob)))
        return _piloted(
            advice,
            report,
            objective="smallest loss in a race of short runs",
            recommendations=found,
            work=(),
            why=_why(report, ranked),
            notes=(*(note for note in notes if note), *self.notes),
            largest_gradient=limit,
            critical_batch_size=None,
            cost=report.cost,
            interrupted=interrupted,
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

    def _without_winner(self, ranked: list[_Entry], tournament: Tournament, cost: float) -> PilotReport:
        """What is known before a second run is looked at."""
        raced = tuple(
            Raced(
                stepsizes=entry.runner.candidate.stepsizes,
                decay=entry.runner.candidate.decay,
                batch_size=entry.runner.candidate.batch_size,
                keep_prob=entry.runner.candidate.keep_prob,
                source=entry.runner.candidate.source,
                share=0.0 if entry.outcome == _NOT_RUN else entry.runner.done,
                loss=entry.runner.loss,
                outcome=entry.outcome,
            )
            for entry in ranked
        )
        return PilotReport(
            seed=self.arena.seed,
            raced=raced,
            constant_loss=tournament.constant,
            cost=cost,
        )

    def _with_winner(
        self, report: PilotReport, winner: Candidate, finalist: Finalist, state: StoppedState | None
    ) -> PilotReport:
        looks = finalist.looks
        bound = self._bound(winner, looks.last)
        choice = self._stopping(winner, finalist)
        loss, error, rows = _held_out(self.arena.keeping(winner.keep_prob), finalist)
        return replace(
            report,
            share=looks.last / winner.iterations,
            predicted_bound=bound,
            gradient=choice.rows[0].gradient.mean,
            initial_loss=float(looks.losses[0, 0]),
            loss=float(looks.losses[0, -1]),
            held_out_loss=loss,
            held_out_error=error,
            held_out_rows=rows,
            stopping=choice,
            state=state,
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


def _reason(ranked: list[_Entry], constant: float, *, interrupted: bool) -> str:
    """Why nobody won."""
    if all(entry.outcome == _NOT_RUN for entry in ranked):
        if interrupted:
            return "The race was interrupted before any candidate had run"
        return "The pilot is too small for a race of even one iteration; raise it, or plan more iterations"
    if constant == 0:
        return "The targets are the same in every row, so that a constant prediction cannot be beaten"
    if any(entry.outcome == "left behind" for entry in ranked):
        return "Run again from another seed, the best of the race did no better than a constant prediction"
    return "No candidate of the race did better than a constant prediction"


def _ranked(tournament: Tournament) -> list[_Entry]:
    """Everybody who ran, best first: the winner, then by how far they came and how they did there.

    A saturated network has a tiny gradient at a loss above that of the best constant prediction. It never
    wins, and neither does one that left the range of numbers. While nobody was run again, the best by
    then has won; where those fail that were, the others do not win either: nobody ran them again.
    """
    constant = tournament.constant
    again = {id(finalist.runner): finalist for finalist in tournament.finalists}
    best: list[_Entry] = []
    worst: list[_Entry] = []

    def place(runner: Runner) -> tuple[bool, bool, float, float]:
        return runner is not tournament.winner, runner.iteration == 1, -runner.done, runner.loss

    for runner in sorted((each for each in tournament.standing if each.done > 0), key=place):
        finalist = again.get(id(runner))
        end = runner.loss if finalist is None else max(finalist.end, runner.loss)
        outcome = _NOT_RUN if runner.iteration == 1 else fate(end, constant) or "left behind"
        (best if outcome == "left behind" else worst).append(_Entry(runner, finalist, outcome))
    if best and (best[0].runner is tournament.winner or not again):
        best[0] = replace(best[0], outcome="won")
    return [*best, *worst]


def _rows(candidates: list[Candidate], problem: Problem, space: Space, runs: int) -> Rows:
    """Candidates as rows of a ranking, each to be run so many times."""
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
        runs=np.full(len(candidates), float(runs)),
        stepsize=np.asarray([each.stepsizes if many else each.stepsizes[0] for each in candidates]),
        keep_prob=np.asarray([each.keep_prob for each in candidates]),
        value=np.zeros(len(candidates)),
        schedule=np.asarray([float(decays.index(each.decay)) for each in candidates]),
        keep_range=np.asarray([float(place(each.keep_prob)) for each in candidates]),
        seconds=space.seconds(batch, iterations * runs),
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


def _piloted(advice: Advice, report: PilotReport, **changed: Any) -> PilotAdvice:
    kept = {field.name: getattr(advice, field.name) for field in fields(Advice)}
    return PilotAdvice(**{**kept, **changed}, pilot=report)


def _why(report: PilotReport, ranked: list[_Entry]) -> tuple[str, ...]:
    best = report.raced[0]
    reached = f"after {100 * best.share:.1f} % of the training, where it was {best.loss:.4g}"
    failed = [entry for entry in ranked if entry.finalist is not None and entry.outcome != "won"]
    if failed:
        first = failed[0].runner.candidate.source
        sentences = [
            f"Of {len(ranked)} candidates, {first} promised the lowest loss and failed when it was run again "
            f"from another seed; {best.source} is the best of those that are no bolder {reached}."
        ]
    else:
        sentences = [f"Of {len(ranked)} candidates, {best.source} promised the lowest loss {reached}."]
    rivals = [each for each in report.raced[1:] if each.share == best.share and each.loss < best.loss]
    if rivals and not failed:
        rival = min(rivals, key=lambda each: each.loss)
        sentences.append(
            f"{rival.source} stood at {rival.loss:.4g} there, but the trend of its losses, or how the next "
            "larger stepsize did, speaks against it."
        )
    if report.loss is not None:
        missed = report.held_out_error
        error = "" if missed is None else f", held-out error {100 * missed:.1f} %"
        sentences.append(
            f"Run again from another seed it went from a loss of {report.initial_loss:.4g} to "
            f"{report.loss:.4g}{error}; a constant prediction has {report.constant_loss:.4g}."
        )
    if report.state is not None:
        sentences.append(_state_sentence(report.state, report.share or 0.0))
    return tuple(sentences)


def _state_sentence(state: StoppedState, share: float) -> str:
    """What the curvature says, and how much that can be."""
    part = f"{100 * share:.1f} %"
    text = f"Where that run ended, {part} of the training, {state.rows:,} rows say: {state.sentence}"
    if state.kind != "descending" and state.gradient <= 2 * state.errors.gradient:
        text += " So few cannot tell the gradient from 0; a longer pilot looks at more."
    return text


def _plateau_note(report: PilotReport) -> str:
    """Deep networks begin on the plateau of a constant prediction: a win there says little."""
    if report.loss is None or not report.loss > NO_BETTER * report.constant_loss:
        return ""
    return (
        f"At rank 1 the loss is still that of a constant prediction, {report.constant_loss:.4g}, where "
        "candidates hardly differ; a larger pilot, or more iterations, may tell them apart."
    )


def _stopping_note(report: PilotReport, space: Space) -> str:
    """What to set `training.stopping` to, where the spec does not say that already."""
    if report.stopping is None or report.stopping.chosen in (None, space.schedules[0].stopping):
        return ""
    return f"Choosing P_R, over the length of the pilot: {report.stopping.reason}"
