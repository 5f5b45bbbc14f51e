"""Whole trainings of what won a race, of several lengths: how long rows that were held out gain from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import field, replace

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import Look
from rsgadvise.pilot.checkpoints import LOSS_COST
from rsgadvise.pilot.race import Candidate, cooled_down
from rsgadvise.pilot.task import EACH_STEP, FloatArray, Judge, Spending, Task, multiply_adds
from rsgadvise.pilot.tournament import losses_of, predictions
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Data
from rsgadvise.training.rsg import Snapshot, train

_KEY = 8  # of the start and the mini-batches
_CLOSE, _FAR = 2 ** (1 / 3), 2.0  # between lengths; far where each has an end of its own to be trained
_SHORTEST = 2.0**-10  # of the lengths, as a share of the longest
_ROWS = 1 << 12  # of either part, that losses are taken over
_AS_GOOD = 1.1  # times the least loss of rows held out, up to which a longer training is as good
_SURELY = 1.65  # standard errors: more of them wrong than that is no accident of a few rows
_REPLICAS = 3  # whole trainings side by side, at most
_IN_TURN = 0.5  # of the work for whole trainings: what those with rows held out in turn may take
_LEAST_PART = 1 / 16  # of a training: what whole ones have to last
_TWICE = 2.0  # times the work for whole trainings: what those of all stepsizes may take together
_HALVINGS = 3  # of a stepsize whose whole trainings end higher than a short run, at most
SHORTER = 0.25  # of a stepsize: what is tried too
_AS_WELL, _OF_GAIN = 0.05, 0.25  # of a loss, and of what it gains on a constant's: so much more is as good
_HIGHER, _SLIGHTLY = 1.3, 0.05  # times the loss of a short run, or so much of a constant's above it

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Trainings of several lengths.

    Attributes:
        looks: of increasing lengths, the last one whole where rows were not learnt by heart before.
        best: that which rows held out do best after, or the longest that is as good.
        longest: iterations that the last length of all has.
        work: in gradients of single examples.
        cooldown: share of each over which its stepsize fell to 0.
        folds: parts of the rows that were held out in turn; 1 where one was.
        constant: errors of one answer to all rows held out: see `Judge.told`.
        rows: held out, that errors and losses are means over.
        part: of the iterations of a whole training that the longest has.
        shorter: whether shorter steps were tried too, and rows held out did worse.
    """

    looks: tuple[Look, ...]
    best: Look
    longest: int
    work: float
    cooldown: float = 0.0
    folds: int = 1
    constant: tuple[float | None, tuple[float, ...] | None] = (None, None)
    rows: int = 0
    part: float = 1.0
    shorter: bool = False

    @property
    def whole(self) -> Look:
        """The last."""
        return self.looks[-1]

    @property
    def share(self) -> float:
        """Of the iterations, that best is."""
        return self.part * self.best.iterations / self.longest


def rehearse(
    task: Task,
    candidate: Candidate,
    *,
    cooldown: float = 0.0,
    replicas: int = 1,
    fewest: int = 1,
    threads: int = 1,
) -> Rehearsal:
    """Train from starts of its own, and find the length that rows held out do best after.

    Trainings of all lengths are one until their stepsizes fall, from where each is taken to its own end.
    Best is the longest whose loss of rows held out is at most 1.1 times the least, of those with not surely
    more of them wrong than the longest has. Where the last two were both worse than that, the second more
    than the first and with not surely fewer wrong than the best, while the loss of rows trained on did not
    rise, longer ones are not trained: rows are learnt by heart. Lengths below the fewest do not count. Where
    stepsizes are constant, and so oscillate, losses of neighbouring lengths are averaged, and of the last two
    the better one stands for the end.

    Args:
        task: with rows held out, or that can be in turn: see `Task.folds`.
        candidate: what is trained with.
        cooldown: share of the iterations over which the stepsize falls linearly to 0; 0 for a constant one.
        replicas: trainings side by side, whose losses are averaged.
        fewest: iterations that are not gone below.
        threads: for large networks.
    """
    folds, judge = task.folds, task.judge
    lengths = _lengths(candidate.iterations, cooldown)
    own, seen = np.zeros(len(lengths)), 0
    judged, constants = list[tuple[FloatArray, FloatArray]](), list[FloatArray]()
    for fold in folds:
        assert fold.held_out is not None
        here = fold.keeping(candidate.keep_prob)
        parts = [_first(fold.data), _first(fold.held_out)]
        others, errors = np.zeros((len(lengths), parts[1].rows)), list[FloatArray]()
        ends = _ends(here, candidate, lengths, cooldown=cooldown, replicas=replicas, threads=threads)
        # Of several folds all have to go as far; a constant stepsize costs no more for more lengths.
        stops = bool(cooldown) and len(folds) == 1
        for place, shot in enumerate(ends):
            errors.append(np.zeros((parts[1].rows, 1)))
            for r in np.argsort(shot.replicas):
                weights = [matrix[r : r + 1] for matrix in shot.weights]
                outputs = [predictions(here.network, weights, part.inputs) for part in parts]
                losses = [
                    losses_of(here.network, output, part.targets).astype(np.float64)
                    for output, part in zip(outputs, parts, strict=True)
                ]
                own[place] += losses[0].mean() / (replicas * len(folds))
                others[place] += losses[1] / replicas
                if judge is not None:
                    errors[place] = errors[place] + judge.errors(outputs[1], parts[1].targets) / replicas
            able = np.flatnonzero(lengths[: place + 1] >= fewest)
            wrong = _wrong(judge, np.stack(errors))[able]
            if stops and len(able) and _by_heart(own[able], others[able].mean(axis=1), wrong):
                lengths, own, others = lengths[: place + 1], own[: place + 1], others[: place + 1]
                break
        judged.append((others, np.stack(errors)))
        if judge is not None:
            constants.append(judge.constant(fold.data.targets, fold.held_out.targets))
        seen += sum(part.rows for part in parts)
    others, wrongs = (np.concatenate(turns, axis=1) for turns in zip(*judged, strict=True))
    looks = tuple(
        Look(int(k), float(loss), float(other.mean()), *((None, None) if judge is None else judge.told(each)))
        for k, loss, other, each in zip(lengths, own, others, wrongs, strict=True)
    )
    falls = _constant(lengths, cooldown)
    steps = falls[-1] + (lengths - falls).sum()
    looking = LOSS_COST * len(lengths) * seen
    work = replicas * (len(folds) * float(steps) * candidate.batch_size + looking)
    best = _best(others.mean(axis=1), _wrong(judge, wrongs), lengths >= fewest, oscillates=not cooldown)
    constant = (None, None) if judge is None else judge.told(np.concatenate(constants))
    return Rehearsal(
        looks,
        looks[best],
        candidate.iterations,
        work,
        cooldown,
        len(folds),
        constant,
        rows=others.shape[1],
    )


@dataclass(slots=True)
class Trials:
    """Whole trainings with one stepsize after another, as long as their work lasts.

    A stepsize at the edge of what is stable goes well from some starts, and for a while: of two that do as
    well the shorter is safer from others. Short runs cannot tell, which go further by long steps.

    Attributes:
        task: with rows held out.
        cooldown, fewest, threads, replicas: see `rehearse`.
        part: of a training that the longest lasts for.
        allowed: multiply-adds for all of them.
        each, sample: of those with one stepsize at most, and of the gradient of one example.
        progress: is told of each.
        tried: what was trained with, and what came of it.
    """

    task: Task
    cooldown: float
    fewest: int
    threads: int
    replicas: int
    part: float
    allowed: float
    each: float
    sample: float
    progress: Callable[[float, str], None]
    tried: list[tuple[Candidate, Rehearsal]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        task: Task,
        winner: Candidate,
        spending: Spending,
        *,
        fewest: int,
        threads: int,
        progress: Callable[[float, str], None],
    ) -> Trials | None:
        """As many side by side, and as much of them, as the work is there for; None where that is too little.

        Of few rows, of which each fifth is held out in its turn, the longest training is rarely the best; of
        others less than the whole shows where rows are learnt by heart.
        """
        folds, allowed, part = len(task.folds), spending.rehearsal, 1.0
        if not (folds and allowed):
            return None
        sample = multiply_adds(task.network, winner.batch_size)
        length = folds * rehearsal_length(spending.cooldown)
        cost = length * winner.samples * sample
        while part * cost > allowed * (_IN_TURN if folds > 1 else 1):
            part /= 2
        if part < _LEAST_PART:
            return None
        part = winner.lasting(part).iterations / winner.iterations
        cost, shared = part * cost, part * length * winner.iterations * EACH_STEP  # by those side by side
        replicas = max(1, int(min(_REPLICAS, (allowed - shared) / (cost - shared))))
        each = shared + replicas * (cost - shared)
        return cls(task, spending.cooldown, fewest, threads, replicas, part, allowed, each, sample, progress)

    @property
    def work(self) -> float:
        """Of all that were made, in gradients of single examples."""
        return sum(rehearsal.work for _, rehearsal in self.tried)

    def at(self, candidate: Candidate) -> tuple[Candidate, Rehearsal | None, float]:
        """(the candidate, its trainings if they tell anything, what they took)."""
        rehearsal = self._train(candidate)
        return candidate, rehearsal if self._tells(rehearsal) else None, self.work

    def best(
        self, winner: Candidate, reached: float, constant: float
    ) -> tuple[Candidate, Rehearsal | None, float]:
        """(what is advised, its trainings, what all of them took): of the winner of a race, or of shorter
        steps, where its own end higher than its short run or shorter ones do as well.

        Args:
            winner: of short runs. reached: its loss there. constant: that of a constant prediction.
        """
        fine = max(_HIGHER * reached, reached + _SLIGHTLY * constant)
        for halvings in range(_HALVINGS + 1):
            if not self._affordable(_TWICE * self.allowed):
                break
            rehearsal = self._train(winner.slowed(0.5**halvings))
            if rehearsal.whole.loss <= fine or rehearsal.whole.iterations < winner.iterations:
                break  # of a part of a training the loss is not that of its end
        told = [one for one in self.tried if self._tells(one[1])]
        best = min(told, key=lambda one: one[1].best.held_out_loss, default=None)
        while best is not None and len(self.tried) <= _HALVINGS and self._affordable(self.allowed):
            rehearsal = self._train(best[0].slowed(SHORTER))
            if not self._tells(rehearsal):
                break
            if not self._as_good(rehearsal.best, best[1].best, constant):
                best = best[0], replace(best[1], shorter=True)
                break
            best = self.tried[-1]
        return (winner, None, self.work) if best is None else (*best, self.work)

    def _train(self, candidate: Candidate) -> Rehearsal:
        self.progress(1.0, "rehearsing")
        rehearsal = rehearse(
            self.task,
            candidate.lasting(self.part),
            cooldown=self.cooldown,
            replicas=self.replicas,
            fewest=self.fewest,
            threads=self.threads,
        )
        rehearsal = replace(rehearsal, part=self.part)
        self.tried.append((candidate, rehearsal))
        return rehearsal

    def _affordable(self, allowed: float) -> bool:
        """Whether shorter steps, which learn more slowly, are too."""
        if not self.tried:
            return True
        last = self.tried[-1][1].work * self.sample
        return self.work * self.sample + min(self.each, last / SHORTER) <= allowed

    def _tells(self, rehearsal: Rehearsal) -> bool:
        """Whether its best is one: of a part of a training longer ones than the last might do better, or have
        to be made."""
        part = self.part < 1 and (rehearsal.folds == 1 or rehearsal.best.iterations < self.fewest)
        return math.isfinite(rehearsal.best.loss + rehearsal.best.held_out_loss) and not (
            part and rehearsal.best is rehearsal.whole
        )

    def _as_good(self, look: Look, other: Look, constant: float) -> bool:
        """Whether rows held out do about as well as after another training, whose steps are longer."""
        rows = sum(min(fold.held_out.rows, _ROWS) for fold in self.task.folds if fold.held_out is not None)
        loss, wrong = other.held_out_loss, other.held_out_error or 0.0
        well = loss + min(_AS_WELL * loss, _OF_GAIN * max(0.0, constant - loss))
        surely = wrong + _SURELY * math.sqrt(wrong * (1 - wrong) / rows)
        return look.held_out_loss <= well and (look.held_out_error or 0.0) <= surely


def rehearsal_length(cooldown: float) -> float:
    """Iterations of all lengths together, in those of the longest.

    Example:
        >>> rehearsal_length(0.0), rehearsal_length(0.5)
        (1.0, 1.5)
    """
    each = _FAR if cooldown else _CLOSE
    return 1 - cooldown + cooldown * each / (each - 1)


def _lengths(longest: int, cooldown: float) -> IntArray:
    """N of each training, in increasing order."""
    each = _FAR if cooldown else _CLOSE
    shares = each ** -np.arange(1 + int(np.log(1 / _SHORTEST) / np.log(each) + 1e-9))
    return np.unique(np.maximum(1, np.round(longest * shares).astype(np.int64)))


def _constant(lengths: IntArray, cooldown: float) -> IntArray:
    """Iterations of each length before its stepsize falls."""
    return np.asarray(np.floor((1 - cooldown) * lengths).astype(np.int64))


def _ends(
    task: Task, candidate: Candidate, lengths: IntArray, *, cooldown: float, replicas: int, threads: int
) -> Iterator[Snapshot]:
    """The weights at the end of each length."""
    training, batch = candidate.training(task), candidate.batch_size
    starts = zip(*(task.start(_KEY + r) for r in range(replicas)), strict=True)
    streams = [task.stream(_KEY + r, batch) for r in range(replicas)]
    falls = _constant(lengths, cooldown)
    stops = [np.unique(falls) + 1] * replicas
    shots = train(training, [np.concatenate(level) for level in starts], streams, stops, threads=threads)
    for shot in shots:
        order = np.argsort(shot.replicas)  # threads change it
        weights, *memory = ([matrix[order] for matrix in each] for each in (shot.weights, *shot.memory))
        for last in lengths[falls + 1 == shot.iteration]:
            if last < shot.iteration:
                yield shot
                continue
            yield cooled_down(
                training,
                weights,
                memory,
                [task.stream(_KEY + r, batch, int(last)) for r in range(replicas)],
                first=shot.iteration,
                last=int(last),
                cooldown=cooldown,
                threads=threads,
            )


def _by_heart(own: FloatArray, losses: FloatArray, wrong: FloatArray) -> bool:
    """Whether rows held out are past their best, of the lengths so far; see `_best`.

    Not where `own`, losses of rows trained on, rose too: such steps are unstable.
    """
    *_, before, last = np.inf, *losses
    best = int(np.argmin(losses))
    past = last > before > _AS_GOOD * losses[best] and not _surely(wrong[best] - wrong[-1])
    return bool(past and own[-1] <= own[best])


def _wrong(judge: Judge | None, errors: FloatArray) -> FloatArray:
    """Share of what each row answers that is wrong, (lengths, rows); 0 where nothing is counted."""
    counted = judge is not None and judge.counted is not None
    return np.asarray(errors.mean(axis=-1) * counted)


def _surely(more: FloatArray) -> NDArray[np.bool_]:
    """Whether more rows are wrong, by how much more each is, (..., rows), than chance among them makes."""
    error = more.std(axis=-1) / np.sqrt(more.shape[-1])
    return np.asarray(more.mean(axis=-1) > _SURELY * error)


def _first(data: Data) -> Data:
    """At most `_ROWS` of them, which stand in no order."""
    return Data(data.inputs[:_ROWS], data.targets[:_ROWS])


def _best(losses: FloatArray, wrong: FloatArray, allowed: NDArray[np.bool_], *, oscillates: bool) -> int:
    """Which length: the longest that is about as good as the best; the last if some have no loss.

    Args:
        losses: of rows held out, (lengths,).
        wrong: which of these rows are, (lengths, rows), in the mean of the starts.
        allowed: lengths that may be chosen.
        oscillates: whether one loss may be lucky.
    """
    end = last = len(losses) - 1
    if last < 1 or not np.isfinite(losses).all():
        return last
    if oscillates:
        end = last if losses[last] <= losses[last - 1] else last - 1
        steady = np.concatenate([losses[:1], losses[:last], losses[[end, end]]])
        losses = (steady[:-2] + 2 * steady[1:-1] + steady[2:]) / 4
    able = np.flatnonzero(allowed & ~_surely(wrong - wrong[end]))
    good = able[losses[able] <= _AS_GOOD * losses[able].min(initial=np.inf)]
    return last if not len(good) or good[-1] >= end else int(good[-1])
