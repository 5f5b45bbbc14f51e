"""Successive halving: short runs of many candidates in one batch, of which the better ones go on.

All candidates of a race start from the same W^1 and see the same mini-batches in the same order, so that
their losses differ by what they do and not by what they drew. A candidate is judged by the mini-batch
losses of the last part of its run: they cost nothing, and a run that oscillates does not hide it there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field, replace

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import cooled
from rsgadvise.pilot.task import Task
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Weights
from rsgadvise.training.rsg import Memory, Pace, Snapshot, Stream, Training, train

_JUDGED = 0.375  # of a run: its last part
_NEIGHBOUR = 0.05  # weight in a score of what the next larger stepsize did worse
_SATURATED = 1.01  # of the loss of a constant: a plateau just at it is where deep networks begin
_ABOUT = 0.95, 1.03  # of the loss of a constant: between these, differences are noise and not progress
_FELL = 0.95  # of a loss one heat earlier: above it a run has stopped
_LEARNT = 0.98  # of the loss of a constant: what is not below it has learnt nothing that is worth a training
_TRUST = 0.3  # in a trend: this part of what it promises is counted
_WORST_NEIGHBOUR = 1.5  # in the logarithm of the loss: one that fails counts no more than this


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hyper-parameters to try.

    Attributes:
        stepsizes: gamma of each matrix. decay: rho.
        batch_size, iterations: B and N of the whole training.
        keep_prob: zeta.
        source: where it comes from, in words.
        rung: its place among candidates that differ in the length of the stepsize alone; None if none do.
        unusual: what its distance from the stepsizes that are best most often adds to a score, see `merit`.
    """

    stepsizes: tuple[float, ...]
    decay: float
    batch_size: int
    iterations: int
    keep_prob: float
    source: str
    rung: int | None = None
    unusual: float = 0.0

    @property
    def samples(self) -> int:
        return self.batch_size * self.iterations

    def training(self, task: Task) -> Training:
        """On the rows of a task, with its masks as they are there."""
        return Training(task.network, task.data, self.stepsizes, self.batch_size, self.decay, task.optimizer)

    def slowed(self, factor: float) -> Candidate:
        """The same with shorter steps."""
        return (
            self if factor == 1 else replace(self, stepsizes=tuple(factor * each for each in self.stepsizes))
        )

    def lasting(self, share: float) -> Candidate:
        """The same for a share of its iterations."""
        return replace(self, iterations=max(1, round(share * self.iterations)))


@dataclass(slots=True)
class Runner:
    """One candidate's run under way.

    Attributes:
        candidate: what it runs with.
        done: share of its training.
        iteration: it stands at W^iteration.
        loss: mean mini-batch loss over the last part of the run, inf where it left the range of numbers.
        weights: (1, d_l, d_{l-1}) each. memory: of the optimiser, in the same shapes for each of its names.
        history: (share, loss) after each heat.
        judged: (share, loss) that a heat was decided by: without masks where networks differ in them.
    """

    candidate: Candidate
    weights: Weights
    iteration: int = 1
    done: float = 0.0
    loss: float = float("inf")
    history: list[tuple[float, float]] = field(default_factory=list)
    judged: list[tuple[float, float]] = field(default_factory=list)
    memory: Memory = ()


@dataclass(frozen=True, slots=True)
class Cooling(Pace):
    """Stepsizes that also fall to 0 over the last share of the N iterations, of each replica its own."""

    cooldowns: NDArray[np.float64]
    iterations: int

    def of(self, replicas: NDArray[np.int64]) -> Cooling:
        plain = Pace.of(self, replicas)
        return Cooling(plain.stepsizes, plain.decays, self.cooldowns[replicas], self.iterations)

    def at(self, iteration: int, group: slice) -> NDArray[np.float64]:
        factors = [cooled(iteration, self.iterations, each) for each in self.cooldowns[group]]
        return np.asarray(Pace.at(self, iteration, group) * np.array(factors)[:, None])


def cooled_down(
    training: Training,
    weights: Weights,
    memory: Memory,
    streams: Sequence[Stream],
    *,
    first: int,
    last: int,
    cooldown: float,
    threads: int = 1,
) -> Snapshot:
    """The end of runs that stand at W^first, whose stepsizes fall to 0 over the last share of N = `last`."""
    replicas = len(streams)
    pace = Cooling(
        np.tile(training.stepsizes, (replicas, 1)), np.zeros(replicas), np.full(replicas, cooldown), last
    )
    stops = [np.array([last + 1])] * replicas
    (end,) = train(training, weights, streams, stops, first=first, memory=memory, pace=pace, threads=threads)
    return end


class Heat:
    """Runs that share W^1 and mini-batches.

    Args:
        task: network and rows.
        key: of W^1 and the mini-batches; 0 starts where the calibration did.
        threads: for large networks.
    """

    def __init__(self, task: Task, *, key: int, threads: int) -> None:
        self._task, self._key, self._threads = task, key, threads
        self._start = task.start(key)
        self.work = 0.0

    def enter(self, candidate: Candidate) -> Runner:
        return Runner(candidate, self._start)

    def advance(self, runners: Sequence[Runner], *, share: float) -> None:
        """Bring all runners to that share of their trainings, those of equal batch and network together."""
        groups: dict[tuple[int, float, int, int], list[Runner]] = {}
        for runner in runners:
            candidate = runner.candidate
            until = max(runner.iteration, round(share * candidate.iterations) + 1)
            group = (candidate.batch_size, candidate.keep_prob, runner.iteration, until)
            groups.setdefault(group, []).append(runner)
        for (batch, keep_prob, first, until), members in groups.items():
            if until > first:
                self._run(members, self._task.keeping(keep_prob), batch, first, until)
            for runner in members:  # at once: an interruption must not part a loss from its share
                if share > runner.done:
                    runner.history.append((share, runner.loss))
                runner.done = share

    def _run(self, members: Sequence[Runner], task: Task, batch: int, first: int, until: int) -> None:
        judged = max(first, until - max(1, round(_JUDGED * until)))
        one = (1.0,) * len(task.network.shapes)
        training = Training(task.network, task.data, one, batch, optimizer=task.optimizer)
        # The mini-batches of a part of the run depend on where it begins, not on how it got there.
        streams = [task.stream(self._key, batch, first) for _ in members]
        pace = Pace(
            np.array([runner.candidate.stepsizes for runner in members]),
            np.array([runner.candidate.decay for runner in members]),
        )
        start, *memory = (
            [np.concatenate(level) for level in zip(*kept, strict=True)]
            for kept in zip(*((runner.weights, *runner.memory) for runner in members), strict=True)
        )
        stops = [np.unique([judged, until])] * len(members)
        before = np.zeros(len(members))
        for shot in train(
            training,
            start,
            streams,
            stops,
            first=first,
            memory=memory,
            pace=pace,
            record=True,
            threads=self._threads,
        ):
            assert shot.losses is not None
            if shot.iteration == judged:
                before[shot.replicas] = shot.losses
            if shot.iteration == until:
                for place, replica in enumerate(shot.replicas):
                    runner = members[replica]
                    runner.weights, *runner.memory = (
                        [matrix[place : place + 1] for matrix in kept]
                        for kept in (shot.weights, *shot.memory)
                    )
                    with np.errstate(invalid="ignore"):
                        loss = float(shot.losses[place] - before[replica]) / (until - judged)
                    runner.loss = loss if np.isfinite(loss) else float("inf")
                    runner.iteration = until
        self.work += len(members) * (until - first) * training.examples


def merit(runner: Runner, constant: float | None) -> float:
    """Logarithm of the loss so far, as much of it as tells candidates apart; smaller is better.

    Where networks linger about the loss of a constant, one sees the noise of long steps there and not what
    they will learn: losses there count as equal. And the more of the training is still to come, the more a
    loss is chance: that share, times what is `unusual` of the stepsizes, is added. Chosen on tables that no
    report uses, see docs/pilot.md, 4.

    Args:
        runner: to be judged.
        constant: loss of the best constant prediction; None for networks that do not linger there.
    """
    return log_loss(_levelled(runner, constant)) + _unusual(runner)


def scores(
    runners: Sequence[Runner],
    retired: Sequence[Runner] = (),
    *,
    constant: float | None = None,
) -> NDArray[np.float64]:
    """Logarithm of the loss that each may reach in its whole training; smaller is better.

    It is the loss so far, see `merit`, less what is still to come, see `prospects`, and a part of how much
    worse the next larger stepsize did by the same share of the training: whoever is below one that fails is
    close to failing.

    Args:
        runners: to be compared.
        retired: others of the race, who only count as neighbours.
        constant: as in `merit`.
    """
    runners, retired = ([_levelled(each, constant) for each in field] for field in (runners, retired))
    ladder = {runner.candidate.rung: runner for runner in (*retired, *runners)}
    scored = []
    for runner, fall in zip(runners, prospects(runners), strict=True):
        rung, score = runner.candidate.rung, log_loss(runner) + _unusual(runner) - fall
        if rung is not None and rung + 1 in ladder and math.isfinite(score):
            score += _NEIGHBOUR * min(_lead(runner, ladder[rung + 1]), _WORST_NEIGHBOUR)
        scored.append(score)
    return np.array(scored)


def _unusual(runner: Runner) -> float:
    """What its distance from the usual stepsize adds to a score."""
    return max(0.0, 1 - runner.done) * runner.candidate.unusual


def _levelled(runner: Runner, constant: float | None) -> Runner:
    """The same, with the loss of a constant where its own is about that."""
    if constant is None:
        return runner
    history = [(share, level(loss, constant)) for share, loss in runner.history]
    return replace(runner, loss=level(runner.loss, constant), history=history)


def level(loss: float, constant: float) -> float:
    """The loss, or that of a constant from 5 % below to 3 % above it.

    Example:
        >>> level(0.94, 1.0), level(0.96, 1.0), level(1.029, 1.0)
        (0.94, 1.0, 1.0)
    """
    low, high = _ABOUT
    return constant if low * constant < loss < high * constant else loss


def _lead(runner: Runner, larger: Runner) -> float:
    """By how much the logarithm of its loss was smaller where both were last seen; 0 if they never met."""
    mine, other = dict(runner.history), dict(larger.history)
    for share in sorted(mine.keys() & other.keys(), reverse=True):
        if math.isfinite(mine[share]):
            return _log(other[share]) - _log(mine[share])
    return 0.0


def prospects(runners: Sequence[Runner]) -> list[float]:
    """By how much the logarithm of each loss is taken to fall until the training ends.

    A loss that falls like k^-b between its last two heats will hardly go on so: noise holds it up, or it
    just recovered from a spike. A part of that trend is counted, up or down, enough to tell candidates of
    about the same loss apart. One that joined late has no trend and is given the middle of the others'.
    """
    falls = [_fall(runner.history) for runner in runners]
    known = [fall for fall in falls if fall is not None]
    middle = float(np.median(known)) if known else 0.0
    return [
        (middle if fall is None else fall) if math.isfinite(runner.loss) else 0.0
        for runner, fall in zip(runners, falls, strict=True)
    ]


def _fall(history: Sequence[tuple[float, float]]) -> float | None:
    """None where there are no two losses to tell a trend from."""
    if len(history) < 2 or not all(math.isfinite(loss) and loss > 0 for _, loss in history[-2:]):
        return None
    (early, before), (late, after) = history[-2:]
    return _TRUST * math.log(before / after) / math.log(late / early) * math.log(1 / late)


def judged_rows(runner: Runner) -> float:
    """Rows that its loss is a mean over."""
    return _JUDGED * runner.done * runner.candidate.samples


def fate(loss: float, constant: float) -> str | None:
    """What is wrong with a loss: "diverged", or "no better than a constant"; None if nothing is."""
    if not math.isfinite(loss):
        return "diverged"
    return "no better than a constant" if loss > _SATURATED * constant else None


def learns(loss: float, constant: float) -> bool:
    """Whether a loss is clearly below that of the best constant prediction.

    Example:
        >>> learns(0.9, 1.0), learns(0.99, 1.0)
        (True, False)
    """
    return loss < _LEARNT * constant


def stands_still(runner: Runner) -> bool:
    """Whether its loss fell by less than 5 % between its last two heats, or its whole training is over."""
    if runner.done >= 1:
        return True
    if len(runner.history) < 2:
        return False
    (_, before), (_, after) = runner.history[-2:]
    return not after < _FELL * before


def log_loss(runner: Runner) -> float:
    """Logarithm of a runner's loss; a loss of 0 counts as 1e-300."""
    return _log(runner.loss)


def _log(loss: float) -> float:
    return math.log(max(loss, 1e-300))
