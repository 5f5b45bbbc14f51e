"""What a race found, as advice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np

from rsgadvise.advise.recommend import described, training_plan
from rsgadvise.advise.results import Advice, Expected, MeasuredConstant, NoiseScale, TrainingPlan
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space
from rsgadvise.advise.wording import NO_BOUND_FOR
from rsgadvise.numerals import number
from rsgadvise.pilot import wording
from rsgadvise.pilot.calibration import steepness
from rsgadvise.pilot.checkpoints import LOSS_COST, Looks
from rsgadvise.pilot.experiments import Change, Experiment, Explorer, boxed_share
from rsgadvise.pilot.forecast import COOLED, REHEARSED, expected
from rsgadvise.pilot.noise_scale import LEAST_WORK, measured_noise
from rsgadvise.pilot.race import Candidate, Runner, cooled_down, fate, judged_rows, learns, stands_still
from rsgadvise.pilot.rehearsal import SHORTER, Rehearsal, Trials
from rsgadvise.pilot.results import PilotAdvice, PilotReport, Raced, Rerun, StoppedState
from rsgadvise.pilot.stopping_choice import StoppingChoice, choose_stopping, stopping_bound
from rsgadvise.pilot.task import Spending, Task, flat
from rsgadvise.pilot.tournament import NOT_RUN, Entry, Finalist, Tournament, loss_of, predictions, standings
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import Plan, equation
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import Stopping
from rsgadvise.training.curvature import PRODUCT_COST
from rsgadvise.training.networks import Weights, projected

_LITTLE = 0.1  # of a constant's loss: a run that stands still above it may lack something
_TOUCHED = 0.01  # of the weights at the bound of their box: more, and a wider one is tried
_NOISE_PART = 0.5  # of what a race leaves
_STATE_PRODUCTS = 40
_LOSS_ROWS = 1 << 13  # for one loss at the end: at most so many
_STATE_ROWS = (16, 1024)
_STATE_COST = 1 + PRODUCT_COST * _STATE_PRODUCTS  # of each row
_STATE, _COOL = 7, 10  # keys of randomness
_COOLING, _SHORTEST_COOLING = 0.25, 0.08  # of a run: how much longer it goes on while its stepsize falls to 0
_BEYOND = 2.0  # standard errors
_HALF_RUNG = 2**0.5  # the ladder's own resolution


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns the outcome of a race into advice.

    Attributes:
        problem, space: of the spec.
        task: of the race.
        constants: of the bounds that are shown.
        stopping_is_open: whether the spec leaves P_R to the pilot.
        top: rows to return.
        calibrated: the noise scale where the calibration ended.
        free_box: whether the spec leaves the box to the pilot.
        spending: what the pilot may cost, and what whole trainings of the winner are like.
        free_length: whether fewer iterations may be advised than were raced for.
    """

    problem: Problem
    space: Space
    task: Task
    constants: ConstantsName
    stopping_is_open: bool
    top: int
    calibrated: NoiseScale
    spending: Spending
    free_box: bool = False
    free_length: bool = True

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
        ranked = standings(tournament)
        spent = before + tournament.work
        tried: tuple[Experiment, ...] = ()
        if ranked and not interrupted:
            tried = self._explored(ranked, tournament, budget - spent)
            spent = before + tournament.work
        if not ranked or ranked[0].outcome != "won":
            noise, more = self._noise(ranked, budget - spent)
            return self._without_one(
                advice, ranked, tournament, tried, noise, spent=spent + more, interrupted=interrupted
            )
        winner, finalist = ranked[0].runner.candidate, ranked[0].finalist
        first = tournament.common[0].candidate if self.spending.single and tournament.common else winner
        advised, rehearsal, whole = (
            (first, None, 0.0) if interrupted else self._rehearsed(first, tournament, ranked[0])
        )
        touched = boxed_share(self.task, ranked[0].runner.weights)
        # A wider box matters more than what is expected.
        free = self.free_box and touched > _TOUCHED and not interrupted
        # Ends of short runs say less than those of whole trainings.
        alone = rehearsal is None and not interrupted and not free
        cooled, taken = self._cooled(ranked[0], budget - spent if alone else 0.0, tournament.threads)
        noise, more = self._noise(ranked, budget - spent - taken)
        spent += more + taken
        choice = None if finalist is None else self._stopping(winner, finalist)
        stopping = self._used(choice)
        state = None
        wider = None
        if free:
            with self._explorer(ranked[0].runner, tournament, budget - spent) as explorer:
                wider = explorer.wider()
            spent = before + tournament.work + more + taken
        if finalist is not None and not interrupted:
            state, taken = self._state(winner, finalist, budget - spent)
            spent += taken
        spent += whole
        report = self._without_winner(ranked, tournament, spent / winner.samples)
        report = replace(report, experiments=tried, stands_still=stands_still(ranked[0].runner))
        if finalist is not None and choice is not None:
            report = self._with_winner(report, winner, finalist, choice, stopping)
            report = replace(report, state=state, cooled=cooled)
        space = replace(
            self.space,
            schedules=tuple(replace(schedule, stopping=stopping) for schedule in self.space.schedules),
        )
        share = 1.0 if rehearsal is None else rehearsal.share
        candidates = [advised.lasting(share), *(each.runner.candidate.lasting(share) for each in ranked[1:])]
        rows = described(
            self.problem,
            space,
            _rows(candidates, self.problem, space, advice.recommendations[0].runs),
            constants=self.constants,
            top=self.top,
        )
        notes = (
            wording.INTERRUPTED if interrupted else "",
            wording.shorter_note(first, advised),
            wording.seeds_note(report),
            wording.plateau_note(report),
            wording.help_note(report),
            wording.box_note(wider, touched, max(self.problem.weight_bounds, default=0.0)),
            wording.stopping_note(
                choice,
                None if self.stopping_is_open else stopping,
                bounded=self.task.optimizer.plain,
            ),
            "" if about(self.constants).on_rows else wording.OTHER_BOUNDS.format(self.constants),
            "" if self.space.goal is None else wording.NO_TARGET,
            "" if self.task.optimizer.plain else NO_BOUND_FOR.format(self.task.optimizer.title),
        )
        plan = training_plan(rows[0], self.problem.weight_bounds)
        part = advised.stepsizes[0] / first.stepsizes[0]
        spread = _spread(tournament, rehearsal, part)
        plan = raced_plan(plan, report, spread=spread, rehearsal=rehearsal, part=part)
        if wider is not None and wider.helps:
            plan = replace(plan, weight_bound=wider.value)
        dropout = min(low for low, _ in space.keep_probs) < 1
        schedule = Schedule(winner.decay, stopping)
        limit = float(largest_gradient(self.problem, np.asarray(winner.keep_prob)))
        return _piloted(
            advice,
            report,
            equation=equation(self.problem.kind, self.constants, schedule, dropout=dropout)
            if self.task.optimizer.plain
            else rows[0].equation,
            objective="smallest loss in a race of short runs",
            recommendations=rows,
            why=wording.why(report, ranked),
            notes=tuple(note for note in notes if note),
            largest_gradient=limit,
            critical_batch_size=noise,
            cost=report.cost,
            interrupted=interrupted,
            train=plan,
        )

    def _without_one(
        self,
        advice: Advice,
        ranked: list[Entry],
        tournament: Tournament,
        tried: tuple[Experiment, ...],
        noise: NoiseScale,
        *,
        spent: float,
        interrupted: bool,
    ) -> PilotAdvice:
        """The advice as it was before a race that nobody won."""
        reason = wording.reason(ranked, tournament.constant, interrupted=interrupted)
        best = advice.recommendations[0]
        report = self._without_winner(ranked, tournament, spent / best.samples)
        still = bool(ranked) and stands_still(ranked[0].runner)
        report = replace(report, experiments=tried, stands_still=still)
        assert advice.train is not None
        plan = raced_plan(advice.train, report, spread=advice.train.spread)
        helped = wording.help_note(report)
        return _piloted(
            advice,
            report,
            notes=(
                f"{reason}; this is the advice without it.",
                *([helped] if helped else []),
                *advice.notes,
            ),
            critical_batch_size=noise,
            cost=report.cost,
            interrupted=interrupted,
            train=plan,
        )

    def _rehearsed(
        self, winner: Candidate, tournament: Tournament, entry: Entry
    ) -> tuple[Candidate, Rehearsal | None, float]:
        """(what is advised, its whole trainings, what all of them cost), where the length is open."""
        if not self.free_length or not learns(entry.runner.loss, tournament.constant):
            return winner, None, 0.0
        trials = Trials.of(
            self.task,
            winner,
            self.spending,
            fewest=int(self.space.iterations[0]),
            threads=tournament.threads,
            progress=tournament.progress,
        )
        if trials is None:
            return winner, None, 0.0
        if self.space.stepsize is not None:
            return trials.at(winner)
        reached = entry.runner.loss if entry.finalist is None else entry.finalist.end
        return trials.best(winner, reached, tournament.constant)

    def _explored(self, ranked: list[Entry], tournament: Tournament, left: float) -> tuple[Experiment, ...]:
        """What was tried where the best learns nothing, or stands still far from a loss of 0."""
        first, constant = ranked[0], tournament.constant
        runner = first.runner
        if not runner.loss > 0 or not math.isfinite(runner.loss) or constant == 0:
            return ()
        won, changes = first.outcome == "won", list[Change]()
        constant *= 1 - min(1.0, self._chance(runner, tournament))
        if not won or not learns(runner.loss, constant):
            changes = ["weight_bound", "scaling", "stepsize", "iterations", "bias"]
        elif first.finalist is not None and runner.loss > _LITTLE * constant and not first.finalist.falls:
            # The curvature after stopping keeps what was laid aside for it.
            changes, left = ["bias"], tournament.allowance - tournament.work
        with self._explorer(runner, tournament, left) as explorer:
            return tuple(explorer.explore(changes))

    def _chance(self, runner: Runner, tournament: Tournament) -> float:
        """Of its loss, which may be one of rows held out; see `Task.chance`."""
        held = self.task.held_out
        rows = judged_rows(runner)
        if tournament.comparing and held is not None:
            rows = min(held.rows, tournament.compared_rows)
        return self.task.chance(rows)

    @contextmanager
    def _explorer(self, runner: Runner, tournament: Tournament, left: float) -> Iterator[Explorer]:
        """One whose work counts as the tournament's, an interrupted one's too."""
        task = self.task.keeping(runner.candidate.keep_prob)
        if tournament.comparing and runner.history:
            runner = replace(
                runner, loss=runner.history[-1][1]
            )  # of its own rows, as the losses of trials are
        explorer = Explorer(task, runner, tournament.constant, left, tournament.threads)
        try:
            yield explorer
        finally:
            tournament.work += explorer.work

    def _noise(self, ranked: list[Entry], left: float) -> tuple[NoiseScale, float]:
        """(the noise scale where whoever stands first ended its first run, what it took).

        Where too little work is left it is that of the calibration, which costs no more.
        """
        aside = _STATE_ROWS[0] * _STATE_COST if self.task.optimizer.plain else 0
        allowed = min(_NOISE_PART * left, left - aside)
        if not ranked or not math.isfinite(ranked[0].runner.loss) or allowed < LEAST_WORK:
            return self.calibrated, 0.0
        runner = ranked[0].runner
        return measured_noise(self.task.keeping(runner.candidate.keep_prob), runner.weights, allowed=allowed)

    def _used(self, choice: StoppingChoice | None) -> Stopping:
        """P_R of the advice: the spec's, or the chosen one where the spec leaves it open."""
        if self.stopping_is_open and choice is not None and choice.chosen is not None:
            return choice.chosen
        return self.space.schedules[0].stopping

    def _state(self, winner: Candidate, finalist: Finalist, left: float) -> tuple[StoppedState | None, float]:
        """(the curvature where the second run ended, what it took), if work is left for it; of SGD alone."""
        rows = int(min(left / _STATE_COST, _STATE_ROWS[1]))
        if rows < _STATE_ROWS[0] or not self.task.optimizer.plain:
            return None, 0.0
        task = self.task.keeping(winner.keep_prob)
        rng = task.rng(_STATE)
        here = task.curvature(finalist.looks.weights, task.sample(rows, rng), rng)
        weights = [matrix[0] for matrix in finalist.looks.weights]
        gradient = flat(projected(task.network, weights, [*here.gradient], winner.stepsizes))
        ends = steepness(here, task.network, rng, products=_STATE_PRODUCTS)
        state = StoppedState(float(gradient @ gradient), ends.lowest, ends.highest, ends.error, here.rows)
        return state, here.rows * (1 + PRODUCT_COST * ends.products)

    def _point(self, candidate: Candidate, iterations: int, stopping: Stopping) -> Plan:
        many = self.problem.layered
        return Plan(
            stepsize=np.asarray(candidate.stepsizes if many else candidate.stepsizes[0]),
            keep_prob=candidate.keep_prob,
            batch_size=float(candidate.batch_size),
            iterations=float(iterations),
            schedule=Schedule(candidate.decay, stopping),
        )

    def _without_winner(self, ranked: list[Entry], tournament: Tournament, cost: float) -> PilotReport:
        """What is known before a second run is looked at."""
        winner = ranked[0].runner if ranked and ranked[0].outcome == "won" else None
        won = {} if winner is None else dict(winner.judged)
        raced = tuple(
            _raced(
                entry.runner,
                entry.outcome,
                None if entry.runner is winner else won.get(entry.runner.done),
            )
            for entry in ranked
        )
        before = {} if winner is None else dict(winner.history)
        common = tuple(
            _raced(
                runner,
                fate(runner.loss, tournament.constant) or ("left behind" if place else "best of these"),
                before.get(runner.done),
            )
            for place, runner in enumerate(tournament.common)
        )
        return PilotReport(
            seed=self.task.seed,
            raced=raced,
            common=common,
            constant_loss=tournament.constant,
            by_heart=tournament.by_heart,
            chance=self._chance(ranked[0].runner, tournament) if ranked else 0.0,
            cost=cost,
            again=tuple(
                Rerun(
                    source=each.runner.candidate.source,
                    share=each.share,
                    loss=each.end,
                    first_share=None if each.before is None else each.before[0],
                    first_loss=None if each.before is None else each.before[1],
                    repeats=each.repeats,
                )
                for each in tournament.finalists
            ),
        )

    def _with_winner(
        self,
        report: PilotReport,
        winner: Candidate,
        finalist: Finalist,
        choice: StoppingChoice,
        stopping: Stopping,
    ) -> PilotReport:
        looks = finalist.looks
        # A list is one of N probabilities, and says nothing of a run as short as this.
        row = next((row for row in choice.rows if row.stopping == stopping), choice.rows[0])
        whole, loss = self._whole_loss(winner, finalist.looks.weights), float(looks.losses[-1])
        if whole is not None and not learns(max(whole, loss), report.constant_loss):
            loss = whole  # the rows that were looked at are too few of a rare class
        return replace(
            report,
            share=finalist.share,
            predicted_bound=row.bound if row.bound is not None and np.isfinite(row.bound) else None,
            gradient=row.gradient,
            gradient_stopping=row.stopping,
            initial_loss=float(looks.losses[0]),
            loss=loss,
            curve=tuple(zip(looks.iterations.tolist(), looks.losses.tolist(), strict=True)),
            whole_loss=whole,
            stopping=choice,
            **_held_out(self.task.keeping(winner.keep_prob), finalist),
            **_least_held_out(looks),
        )

    def _whole_loss(self, winner: Candidate, weights: Weights) -> float | None:
        """Over all rows where looks took a few; None with masks."""
        task = self.task.keeping(winner.keep_prob)
        if task.network.masked_widths:
            return None
        data = task.part(np.arange(min(task.data.rows, _LOSS_ROWS)))  # which stand in no order
        return loss_of(task.network, predictions(task.network, weights, data.inputs), data.targets)

    def _cooled(self, first: Entry, left: float, threads: int) -> tuple[tuple[tuple[int, float], ...], float]:
        """((k, loss) of both runs of the winner with a stepsize that falls to 0 in the end, what it took).

        None with masks, with a stepsize that falls anyway, or with too little work left.
        """
        if first.finalist is None:
            return (), 0.0
        runner, looks = first.runner, first.finalist.looks
        winner = runner.candidate
        if winner.decay or self.task.keeping(winner.keep_prob).network.masked_widths:
            return (), 0.0
        runs = (looks.last, looks.weights, looks.memory), (runner.iteration, runner.weights, runner.memory)
        looking = LOSS_COST * len(runs) * min(self.task.data.rows, _LOSS_ROWS)
        aside = _STATE_ROWS[0] * _STATE_COST + LEAST_WORK  # for the curvature and the noise scale
        longer = (left - looking - aside) / (winner.batch_size * sum(at for at, _, _ in runs))
        if longer < _SHORTEST_COOLING:
            return (), 0.0
        ends, work = list[tuple[int, float]](), float(looking)
        for key, (at, weights, memory) in enumerate(runs):
            steps = max(1, int(min(longer, _COOLING) * at))
            last = at - 1 + steps
            training = winner.training(self.task)
            stream = self.task.stream(_COOL, winner.batch_size, key)
            end = cooled_down(
                training,
                weights,
                memory,
                [stream],
                first=at,
                last=last,
                cooldown=steps / last,
                threads=threads,
            )
            work += steps * training.examples
            ends.append((last, self._whole_loss(winner, end.weights) or 0.0))
        return tuple(sorted(ends)), work

    def _stopping(self, winner: Candidate, finalist: Finalist) -> StoppingChoice:
        point = self._point(winner, finalist.looks.last, "uniform")
        # Of the same constants as the bound: `matched` is a distribution of its own for each of them.
        share = point.matched_share(self.problem, self.constants)
        if not self.task.optimizer.plain:
            return choose_stopping(finalist.looks, decay=winner.decay, curvature_share=None)
        return choose_stopping(
            finalist.looks,
            decay=winner.decay,
            curvature_share=share,
            bound_at=stopping_bound(self.problem, point, self.constants),
        )


def _raced(runner: Runner, outcome: str, winner_loss: float | None) -> Raced:
    candidate = runner.candidate
    return Raced(
        stepsizes=candidate.stepsizes,
        decay=candidate.decay,
        batch_size=candidate.batch_size,
        keep_prob=candidate.keep_prob,
        source=candidate.source,
        share=0.0 if outcome == NOT_RUN else runner.done,
        loss=runner.loss,
        winner_loss=winner_loss,
        outcome=outcome,
    )


def _rows(candidates: list[Candidate], problem: Problem, space: Space, runs: int) -> Rows:
    """Candidates as rows of a ranking, each to be run so many times."""
    many = problem.layered
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


def _held_out(task: Task, finalist: Finalist) -> dict[str, Any]:
    """Fields of a `PilotReport`: what a network without masks does on the rows that no run has seen."""
    data = task.held_out
    if data is None:
        return {}
    outputs = predictions(task.network, finalist.looks.weights, data.inputs)
    told = {"held_out_loss": loss_of(task.network, outputs, data.targets), "held_out_rows": data.rows}
    if task.judge is None:
        return told
    error, off = task.judge.told(task.judge.errors(outputs, data.targets))
    constant_error, constant_off = task.judge.told(task.judge.constant(task.data.targets, data.targets))
    return told | {
        "held_out_error": error,
        "constant_error": constant_error,
        "counted": task.judge.counted,
        "held_out_off": off,
        "constant_off": constant_off,
    }


def _least_held_out(looks: Looks) -> dict[str, Any]:
    """Fields of a `PilotReport`: where rows held out had their least loss."""
    held = looks.validation
    if held is None or not np.isfinite(held).all():
        return {}
    at = int(np.argmin(held))
    return {"least_held_out": (int(looks.iterations[at]), float(held[at])), "last_held_out": float(held[-1])}


def _piloted(advice: Advice, report: PilotReport, **changed: Any) -> PilotAdvice:
    kept = {field.name: getattr(advice, field.name) for field in fields(Advice)}
    return PilotAdvice(**{**kept, **changed}, pilot=report)


# What to train with, from what a calibration and a race measured.


def calibration_spread(measured: Sequence[MeasuredConstant]) -> float | None:
    """Factor within which the calibrated stepsize lies, as far as groups of the rows tell.

    Each measured constant moves the stepsize by some factor if it is one standard error larger. Their
    logarithms add up in squares, and two of that sum are counted.

    Args:
        measured: with what one standard error does to the stepsize.

    Returns:
        1 or more; None where nothing was measured.
    """
    if not measured:
        return None
    moves = [math.log(max(1 + each.stepsize_change, 1e-6)) for each in measured]
    return math.exp(_BEYOND * math.sqrt(sum(move**2 for move in moves)))


def raced_spread(tournament: Tournament) -> float | None:
    """Factor within which the winner's stepsizes lie, as far as the race tells.

    The rungs of the ladder are a factor of 2 apart, so that the best stepsize is known to no better than
    its root. The same candidate from another seed had another loss by then: rungs that lost by no more than
    that when they last met the winner may as well be the best, and what lies between them and it counts.

    Returns:
        2^(1/2) or more; None where the stepsize was given, or nobody won.
    """
    winner = tournament.winner
    rungs = [runner for runner in tournament.standing if runner.candidate.rung is not None and runner.judged]
    if winner is None or not rungs:
        return None
    # One with another batch size, say, took its stepsize from the ladder, and tells nothing of the rungs.
    best = winner if winner in rungs else min(rungs, key=lambda runner: (-runner.done, runner.loss))
    noise = max((_seed_noise(finalist) for finalist in tournament.finalists), default=0.0)
    apart = 0.0
    for runner in rungs:
        share = min(runner.done, best.done)
        mine, other = (dict(each.judged).get(share) for each in (best, runner))
        if mine is None or other is None or not (mine > 0 and 0 < other < math.inf):
            continue
        if math.log(other / mine) <= noise:
            ratio = runner.candidate.stepsizes[0] / best.candidate.stepsizes[0]
            apart = max(apart, abs(math.log(ratio)))
    return _HALF_RUNG * math.exp(apart)


def _spread(tournament: Tournament, rehearsal: Rehearsal | None, part: float) -> float | None:
    """That of what is advised, which is such a part of what was raced, after its whole trainings."""
    spread = raced_spread(tournament) if part == 1 else 1 / part
    tried = rehearsal is not None and rehearsal.shorter
    return min(spread, 1 / SHORTER) if tried and spread is not None else spread


def _seed_noise(finalist: Finalist) -> float:
    """By how much the logarithm of its loss differed from that of its first run at the same share."""
    known = [(share, loss) for share, loss in finalist.runner.judged if 0 < loss < math.inf]
    if not known or not 0 < finalist.end < math.inf:
        return 0.0
    shares, losses = np.log(known).T
    return abs(math.log(finalist.end) - float(np.interp(math.log(finalist.share), shares, losses)))


def _learnt(report: PilotReport) -> bool | None:
    """Whether it ends better than a constant prediction; None where a race of a part of the training cannot
    tell: its loss still fell, stood still without a cause that was found, or was lower in one of two runs."""
    if not report.raced or report.constant_loss == 0:
        return None
    first = report.raced[0]
    seen = [first.loss] if report.loss is None else [first.loss, report.loss]
    if first.outcome == "won" and learns(max(seen), report.constant_loss):
        return True
    helped = {each.change for each in report.experiments if each.helps}
    if "iterations" in helped:
        return True
    return False if report.stands_still and (helped or first.share >= 1) else None


def _doubt(report: PilotReport, learnt: bool | None) -> str:
    """What to know of a winner that did no better than a constant prediction when it was run again."""
    if learnt is not None or not report.raced or report.constant_loss == 0:
        return ""
    first = report.raced[0]
    if first.share == 0:
        return ""
    if first.outcome == "won" and learns(first.loss, (1 - min(1.0, report.chance)) * report.constant_loss):
        return (
            "its first run, for longer, had done better than a constant prediction "
            f"({number(first.loss, 3)}): it may learn from some starts and not from others"
        )
    return "by then it had done no better than a constant prediction: it may learn later, or nothing at all"


def raced_plan(
    plan: TrainingPlan,
    report: PilotReport,
    *,
    spread: float | None,
    rehearsal: Rehearsal | None = None,
    part: float = 1.0,
) -> TrainingPlan:
    """The plan of whoever stands first, with what its race and its second run measured.

    Args:
        plan: of the first rank.
        report: of the race.
        spread: factor within which the stepsize lies.
        rehearsal: whole trainings of it, whose losses count for more.
        part: of the stepsizes that were raced, that is advised.
    """
    won = bool(report.raced) and report.raced[0].outcome == "won"
    learnt = _learnt(report)
    helped = {each.change for each in report.experiments if each.helps}
    reason = wording.help_note(report) if not learnt or helped else ""
    reason = reason or _doubt(report, learnt)
    if not won:
        ran = [each for each in report.raced if math.isfinite(each.loss) and each.share > 0]
        lowest = min((each.loss for each in ran), default=None)
        return replace(plan, learns=learnt, reason=reason, loss=lowest, constant_loss=report.constant_loss)
    loss = report.raced[0].loss if report.loss is None else report.loss
    common = [each.stepsizes[0] for each in report.common if each.outcome == "best of these"]
    plan = replace(
        plan,
        common_stepsize=part * common[0] if common else plan.common_stepsize,
        source="raced",
        learns=learnt,
        reason=reason,
        loss=loss,
        constant_loss=report.constant_loss,
        held_out_loss=report.held_out_loss,
        held_out_error=report.held_out_error,
        constant_error=report.constant_error,
        counted=report.counted,
        held_out_off=report.held_out_off,
        constant_off=report.constant_off,
        held_out_rows=report.held_out_rows,
        spread=spread,
    )
    if rehearsal is None:
        plan = replace(plan, reason=plan.reason or wording.by_heart(report, plan))
    if learnt and rehearsal is not None:
        look = rehearsal.best
        if rehearsal.cooldown:
            plan = replace(plan, stopping="end", schedule="linear", cooldown=rehearsal.cooldown)
        curve = [(each.iterations, each.loss) for each in rehearsal.looks]
        others = [each.held_out_loss for each in rehearsal.looks]
        return replace(
            plan,
            looks=rehearsal.looks,
            loss=look.loss,
            held_out_loss=look.held_out_loss,
            held_out_error=look.held_out_error,
            constant_error=rehearsal.constant[0],
            held_out_off=look.held_out_off,
            constant_off=rehearsal.constant[1],
            held_out_rows=rehearsal.rows,
            folds=rehearsal.folds,
            expected=expected(curve, plan.iterations, held_out=others, seen=REHEARSED),
        )
    if not (learnt and report.curve):
        return plan
    return replace(plan, expected=_expected(report, plan.iterations))


def _expected(report: PilotReport, iterations: int) -> tuple[Expected, ...]:
    """By the cooled ends of both runs where there are any, else along the second."""
    held_out = report.held_out_loss
    losses = expected(report.cooled, iterations, held_out=held_out, seen=COOLED) if report.cooled else ()
    return losses or expected(report.curve, iterations, end=report.whole_loss, held_out=held_out)
