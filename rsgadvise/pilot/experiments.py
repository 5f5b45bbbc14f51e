"""Why a network learns nothing, found by trying: short runs with one thing changed, each for as much work.

Nothing is concluded from what a spec looks like. A change that helps is named with the loss it reached; where
none does, that is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rsgadvise.data.scaling import crushed, percentiles, robust
from rsgadvise.errors import HypothesisError
from rsgadvise.numerals import stepsizes_by_layer
from rsgadvise.pilot.calibration import calibrate, fewest_work
from rsgadvise.pilot.directional import unit_for
from rsgadvise.pilot.race import Candidate, Heat, Runner, judged_rows, learns, log_loss
from rsgadvise.pilot.task import Task
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Array, Data

Change = Literal["weight_bound", "scaling", "bias", "stepsize", "iterations"]

USUAL_BOX = 5.0
"""One that is wide enough for most trainings."""

_WIDER = 10.0  # times a box that is as wide already
_MULTIPLES = (1.0, 4.0)  # of 1/U, measured afresh where the network or the data are others
_LONGER = (8.0, 64.0)  # times the stepsizes of the race, whose ladder ended below
_FEWEST_STEPS = 2
_HELPS = 0.95  # of the loss without the change, after no less of the training: above it is no help
_LOWER = 0.98  # of the loss in a narrower box: what the wider one has to be below to be worth its constants
_ON_BOX = 1 - 1e-6
_LAYERS = 8  # key of randomness


@dataclass(frozen=True, slots=True)
class Experiment:
    """One change, tried.

    Attributes:
        change: what was changed.
        words: the same as a phrase, with its number.
        value: the new weight bound, or how many times the stepsizes or the iterations; None for the others.
        loss: that the best of its runs reached.
        share: of the training that they took.
        without: loss without the change, after no less of the training.
        helps: it is clearly below that, and below a constant prediction's.
    """

    change: Change
    words: str
    value: float | None
    loss: float
    share: float
    without: float
    helps: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be changed: `value` and `words` as in an `Experiment`, and the network and rows with it."""

    change: Change
    words: str
    value: float | None
    task: Task


def boxed_share(task: Task, weights: Sequence[Array]) -> float:
    """Share of the weights that stand at the bound of their box."""
    bounds = task.network.weight_bounds
    at = sum(
        int((np.abs(matrix) >= _ON_BOX * bound).sum()) for matrix, bound in zip(weights, bounds, strict=False)
    )
    return at / sum(matrix.size for matrix in weights)


@dataclass(slots=True)
class Explorer:
    """Tries changes one after the other.

    Attributes:
        task: of the race, with the keep probability of `leader`.
        leader: the best of the race.
        constant: loss of the best constant prediction.
        left: work that it may take, in gradients of single examples.
        threads: for large networks.
        work: taken so far.
    """

    task: Task
    leader: Runner
    constant: float
    left: float
    threads: int
    work: float = 0.0

    def explore(self, changes: Sequence[Change]) -> list[Experiment]:
        """Try what can be changed, in this order, each with an equal part of the work that is left."""
        trials = [trial for change in changes for trial in _TRIALS[change](self)]
        experiments = []
        for place, trial in enumerate(trials):
            part = (self.left - self.work) / (len(trials) - place)
            experiment = self._tried(trial, part)
            if experiment is not None:
                experiments.append(experiment)
        return experiments

    def wider(self) -> Experiment | None:
        """The leader itself in a box ten times as wide: it helps if its loss is the lower one at that share.

        The start is drawn as before, and differs where the narrow box clipped it.
        """
        (trial,) = _boxes(self)
        share = self._share(self.left - self.work)
        known = [each for each in self.leader.history if share is not None and each[0] <= share]
        if not known:
            return None
        at, without = known[-1]
        heat = Heat(trial.task, key=0, threads=self.threads)
        runner = heat.enter(self.leader.candidate)
        self._advance(heat, [runner], at)
        helps = runner.loss < _LOWER * without
        return Experiment(trial.change, trial.words, trial.value, runner.loss, at, without, helps)

    def _tried(self, trial: Trial, part: float) -> Experiment | None:
        """None where there is not enough work."""
        heat = Heat(trial.task, key=0, threads=self.threads)
        if trial.change == "iterations":
            return self._longer(heat, part)
        before = self.work
        runners = [heat.enter(candidate) for candidate in self._candidates(trial, part)]
        # One run more than that: the same stepsizes without the change, where it seems to help.
        each = (part - (self.work - before)) / (len(runners) + 1)
        share = self._share(each)
        if not runners or share is None:
            return None
        self._advance(heat, runners, share)
        best = min(runners, key=log_loss)
        experiment = Experiment(
            trial.change, trial.words, trial.value, best.loss, best.done, self.leader.loss, False
        )
        if not self._helps(best.loss, self.leader.loss, judged_rows(best)) or trial.change == "stepsize":
            return replace(experiment, helps=self._helps(best.loss, self.leader.loss, judged_rows(best)))
        unchanged = Heat(self.task, key=0, threads=self.threads)
        control = unchanged.enter(best.candidate)
        self._advance(unchanged, [control], share)
        without = min(control.loss, self.leader.loss)
        if self._helps(best.loss, without, judged_rows(best)):
            return replace(experiment, without=without, helps=True)
        steps = stepsizes_by_layer(control.candidate.stepsizes)
        helps = self._helps(control.loss, self.leader.loss, judged_rows(control))
        return replace(
            experiment, change="stepsize", words=f"a stepsize of {steps}", loss=control.loss, helps=helps
        )

    def _longer(self, heat: Heat, part: float) -> Experiment | None:
        """The leader of the race by itself for longer."""
        runner, own = replace(self.leader, history=[]), self.leader.candidate
        share = min(1.0, self.leader.done + part / own.samples)
        if (share - self.leader.done) * own.iterations < _FEWEST_STEPS:
            return None
        self._advance(heat, [runner], math.floor(share * own.iterations) / own.iterations)
        times = runner.done / self.leader.done
        helps = self._helps(runner.loss, self.leader.loss, judged_rows(runner))
        words = f"{times:.2g} times as many iterations as in the race"
        return Experiment("iterations", words, times, runner.loss, runner.done, self.leader.loss, helps)

    def _helps(self, loss: float, without: float, rows: float = math.inf) -> bool:
        """Whether a loss over so many rows is lower by more than chance."""
        surely = 1 - min(1.0, self.task.chance(rows))
        return loss < min(_HELPS, surely) * without and learns(loss, surely * self.constant)

    def _share(self, work: float) -> float | None:
        """Of the training, no more than the race took; None where it is less than two steps."""
        own = self.leader.candidate
        steps = math.floor(min(self.leader.done, work / own.samples) * own.iterations)
        return steps / own.iterations if steps >= _FEWEST_STEPS else None

    def _advance(self, heat: Heat, runners: Sequence[Runner], share: float) -> None:
        before = heat.work
        try:
            heat.advance(runners, share=share)
        finally:
            self.work += heat.work - before

    def _candidates(self, trial: Trial, part: float) -> list[Candidate]:
        """Stepsizes to try there: none where not even their unit can be measured."""
        own = self.leader.candidate
        if trial.change == "stepsize":
            times = trial.value or 1.0
            return [replace(own, stepsizes=tuple(times * gamma for gamma in own.stepsizes))]
        if part < 2 * fewest_work(own.batch_size, matrices=len(own.stepsizes)):
            return []
        try:
            calibration = calibrate(
                trial.task, batch_size=own.batch_size, iterations=own.iterations, allowed=0.0
            )
        except HypothesisError:
            return []
        there = unit_for(trial.task, calibration, trial.task.rng(_LAYERS), batch_size=own.batch_size)
        self.work += there.work + calibration.work
        unit = 1 / there.smoothness
        return [
            replace(own, stepsizes=tuple(times * unit * length for length in there.shape))
            for times in _MULTIPLES
        ]


def _boxes(explorer: Explorer) -> Iterator[Trial]:
    network = explorer.task.network
    if not network.weight_bounds:
        return
    widest = max(network.weight_bounds)
    wider = USUAL_BOX if widest < USUAL_BOX else _WIDER * widest
    own = f"{widest:g}" if len(set(network.weight_bounds)) == 1 else f"at most {widest:g}"
    boxed = replace(network, weight_bounds=(wider,) * len(network.weight_bounds))
    words = f"a box of {wider:g} instead of {own} (network.weight_bound)"
    yield Trial("weight_bound", words, wider, replace(explorer.task, network=boxed))


def _scalings(explorer: Explorer) -> Iterator[Trial]:
    task = explorer.task
    if task.network.tied:
        return  # its targets would be others too, and losses would not compare
    inputs, targets = task.data.inputs, task.data.targets
    rows, columns = inputs.shape
    low, high = inputs.min(axis=0).astype(np.float64), inputs.max(axis=0).astype(np.float64)
    if not len(crushed(rows, low, high, lambda: [inputs])):
        return  # it would be no help
    scaling, _ = robust(percentiles(rows, columns, lambda: [inputs]), low, high)
    spread = scaling.apply(inputs, np.empty(inputs.shape)).astype(inputs.dtype)
    data = Data(spread, targets)
    yield Trial("scaling", "robust scaling (data.scaling: robust)", None, replace(task, data=data))


def _biases(explorer: Explorer) -> Iterator[Trial]:
    task = explorer.task
    if task.network.tied or task.network.bias:
        return
    network = replace(task.network, bias=True)
    yield Trial("bias", "biases (network.bias: true)", None, replace(task, network=network))


def _stepsizes(explorer: Explorer) -> Iterator[Trial]:
    for times in _LONGER:
        yield Trial("stepsize", f"stepsizes {times:g} times as long", times, explorer.task)


def _iterations(explorer: Explorer) -> Iterator[Trial]:
    yield Trial("iterations", "more iterations", None, explorer.task)


_TRIALS: dict[Change, Callable[[Explorer], Iterator[Trial]]] = {
    "weight_bound": _boxes,
    "scaling": _scalings,
    "bias": _biases,
    "stepsize": _stepsizes,
    "iterations": _iterations,
}
