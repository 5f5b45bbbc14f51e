"""A whole race within an allowance: heats, variants of the leader, and the finalists from another seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rsgadvise.errors import UsageError
from rsgadvise.networks import Array, Network
from rsgadvise.pilot.arena import Arena
from rsgadvise.pilot.candidates import MOST_ADDED, Proposals
from rsgadvise.pilot.looking import LOSS_COST, Looks, look_along
from rsgadvise.pilot.race import Candidate, Heat, Runner, fate, log_loss, scores
from rsgadvise.pilot.second_order import constant_loss
from rsgadvise.rsg import Training

__all__ = ["Finalist", "Tournament", "predictions"]

Progress = Callable[[float, str], None]

_HEATS = ((0.1, 4), (0.3, 3), (0.6, 2), (1.0, 1))
"""(share of a race's length, how many go on after it)."""

_HEATS_PART = 0.85  # of the progress that is shown
_AGAIN_SHARE = 0.5  # of a race's length: the second run of the winner
_SPARE = 0.4  # of that, kept for another one if the winner fails there
_FEWEST_STEPS = 2  # of the first heat: the loss before the first one is that of W^1, the same for all
_LOOKS = 12  # along a second run
_LOOK_ROWS = 256
_LOOK_COST = 0.05  # of an allowance: what looking may take
_SPARE_LOOKS = 0.2  # of what is left then
_COMPARED_ROWS = 512
_COMPARE_COST = 0.08  # of an allowance: what comparing networks with different masks may take
_AGAIN, _LOOKING, _COMPARING = 1, 4, 5  # keys of randomness


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate that was run again from another W^1 and other mini-batches.

    Attributes:
        runner: its first run.
        looks: along its second.
        end: loss at the very end of the second, without masks where candidates differ in them.
    """

    runner: Runner
    looks: Looks
    end: float


@dataclass(slots=True)
class Tournament:
    """Finds the best of the proposals.

    Attributes:
        arena: network with the highest keep probability, and rows.
        proposals: what may be raced.
        allowance: work that it may take, in gradients of single examples.
        threads, progress: how it is run.
        standing: every runner so far, for when it is interrupted.
        finalists: those that were run again; all but the last failed there.
        winner: once it is over; None if whoever was run again failed.
        work: taken so far.
        comparing: whether networks with different masks meet, whose mini-batch losses are of different
            objectives: they are judged as they are used, without masks, on rows that are the same for all.
        compared_rows: at most so many.
    """

    arena: Arena
    proposals: Proposals
    allowance: float
    threads: int
    progress: Progress
    standing: list[Runner] = field(default_factory=list)
    finalists: list[Finalist] = field(default_factory=list)
    winner: Runner | None = None
    work: float = 0.0
    comparing: bool = False
    compared_rows: int = _COMPARED_ROWS

    @property
    def constant(self) -> float:
        """Loss of the best constant prediction."""
        return constant_loss(self.arena.data.targets)

    def run(self) -> None:
        """Race until the allowance is used up.

        Raises:
            UsageError: it is too small for the first heat.
        """
        first = self.proposals.first()
        variants = self.proposals.variants(first[0])
        self.comparing = any(each.keep_prob != self.proposals.keep_prob for each in variants)
        length = self._planned(first, variants)
        heat = Heat(self.arena, key=0, threads=self.threads)
        runners = self.standing = [heat.enter(candidate) for candidate in first]
        self._report(0.0)
        for number, (share, kept) in enumerate(_HEATS):
            if number == 1:
                newcomers = [heat.enter(each) for each in self.proposals.variants(runners[0].candidate)]
                self.standing += newcomers
                runners = [*runners, *newcomers]
            self._advance(heat, runners, share * length)
            if number == 0:
                runners = self._widened(heat, share * length)
            elif self.comparing:
                self._compare(runners)
            for runner in runners:
                runner.judged.append((runner.done, runner.loss))
            runners = self._ranked(runners)[:kept]
            self._report(_HEATS_PART * share)
        self._decide(runners[0], _AGAIN_SHARE * length)
        self._report(1.0)

    def _planned(self, first: Sequence[Candidate], variants: Sequence[Candidate]) -> float:
        """Length of the race as a share of the training: what the allowance is enough for."""
        running = len(first) + (MOST_ADDED if first[0].rung is not None else 0)
        work = before = 0.0
        compared = 1
        for number, (share, kept) in enumerate(_HEATS):
            work += (share - before) * running
            if number == 1:
                work += share * len(variants)
                running += len(variants)
            compared += running if number else 0
            running, before = min(kept, running), share
        work += _AGAIN_SHARE * (1 + _SPARE)
        aside = _LOOK_COST * self.allowance
        if self.comparing:
            each = LOSS_COST * compared
            self.compared_rows = int(max(1, min(_COMPARED_ROWS, _COMPARE_COST * self.allowance / each)))
            aside += each * self.compared_rows
        samples = max(candidate.samples for candidate in (*first, *variants))
        length = min(1.0, max(0.0, self.allowance - aside) / (samples * work))
        steps = length * _HEATS[0][0] * first[0].iterations
        if round(steps) < _FEWEST_STEPS:
            raise UsageError(
                f"the pilot is too small for a race of {len(first) + len(variants)} candidates: the first "
                f"heat must have {_FEWEST_STEPS} or more of the {first[0].iterations:,} iterations; got "
                f"{steps:.2g}; raise it, or plan more iterations"
            )
        return length

    def _widened(self, heat: Heat, share: float) -> list[Runner]:
        """Everybody, with the next rungs while the best stands at an end of the ladder."""
        while True:
            leader = min(self.standing, key=log_loss)
            ladder = [runner.candidate.rung for runner in self.standing if runner.candidate.rung is not None]
            added = self.proposals.beside(leader.candidate, ladder) if ladder else None
            if added is None:
                return self.standing
            runner = heat.enter(added)
            self.standing = [*self.standing, runner]
            self._advance(heat, [runner], share)

    def _decide(self, leader: Runner, share: float) -> None:
        """Run the leader again; where it fails there, the next that is no bolder takes its place."""
        if fate(leader.loss, self.constant) is not None:
            return
        self._again(leader, share, _LOOK_COST * self.allowance)
        if self.winner is not None:
            return
        largest = max(leader.candidate.stepsizes)
        others = [
            runner
            for runner in sorted(self.standing, key=lambda runner: (-runner.done, runner.loss))
            if runner is not leader
            and max(runner.candidate.stepsizes) <= largest
            and fate(runner.loss, self.constant) is None
        ]
        if not others:
            return
        left = self.allowance - self.work - LOSS_COST * self.compared_rows
        looking = _SPARE_LOOKS * left
        affordable = (left - looking) / others[0].candidate.samples
        self._again(others[0], min(share, affordable), looking)

    def _report(self, part: float) -> None:
        self.progress(part, "racing")

    def _advance(self, heat: Heat, runners: list[Runner], share: float) -> None:
        before = heat.work
        try:
            heat.advance(runners, share=share)
        finally:  # what was run before an interruption was spent too
            self.work += heat.work - before

    def _ranked(self, runners: Sequence[Runner]) -> list[Runner]:
        # Losses of the retired are those of mini-batches: no measure for those that were compared.
        retired = [] if self.comparing else [runner for runner in self.standing if runner not in runners]
        order = np.argsort(scores(runners, retired), kind="stable")
        return [runners[place] for place in order]

    def _compare(self, runners: Sequence[Runner]) -> None:
        """Replace mini-batch losses by those of the networks without masks."""
        for runner in runners:
            if math.isfinite(runner.loss):
                runner.loss = self._unmasked(runner.candidate.keep_prob, runner.weights)

    def _unmasked(self, keep_prob: float, weights: Sequence[Array]) -> float:
        data = self.arena.held_out or self.arena.data
        chosen = self.arena.rng(_COMPARING).permutation(data.rows)[: self.compared_rows]
        network = self.arena.keeping(keep_prob).network
        error = predictions(network, weights, data.inputs[chosen]) - data.targets[chosen]
        self.work += LOSS_COST * len(chosen)
        loss = float(np.square(error).sum()) / len(chosen)
        return loss if math.isfinite(loss) else math.inf

    def _again(self, runner: Runner, share: float, looking: float) -> None:
        """A second run, looked at on the way, with rows as far as the work for looking goes."""
        candidate = runner.candidate
        arena = self.arena.keeping(candidate.keep_prob)
        training = Training(
            arena.network, arena.data, candidate.stepsizes, candidate.batch_size, candidate.decay
        )
        iterations = max(1, round(share * candidate.iterations))
        each = looking / min(_LOOKS, iterations)
        if arena.network.masked_widths:
            each /= 2  # two masks for each row
        rows = int(max(2, min(_LOOK_ROWS, each / (1 + LOSS_COST))))
        looks = look_along(
            training,
            arena.start(_AGAIN),
            [arena.stream(_AGAIN, candidate.batch_size)],
            iterations=iterations,
            looks=_LOOKS,
            validation=arena.held_out,
            rng=arena.rng(_LOOKING),
            rows=rows,
            most_terms=rows,
            threads=self.threads,
        )
        self.work += looks.work
        end = float(looks.losses[0, -1])
        if self.comparing:
            end = self._unmasked(candidate.keep_prob, looks.weights)
        self.finalists.append(Finalist(runner, looks, end))
        if fate(end, self.constant) is None:
            self.winner = runner


def predictions(network: Network, weights: Sequence[Array], inputs: Array) -> Array:
    """Outputs of the network as it is used after training: every unit kept, its signal taken times zeta.

    Args:
        network: which.
        weights: (1, d_l, d_{l-1}) each.
        inputs: (rows, d_0).

    Example:
        >>> net = Network("multilayer", (2, 1), (1.0,), keep_prob=0.5)
        >>> predictions(net, [np.zeros((1, 1, 2))], np.ones((3, 2))).ravel().tolist()
        [0.5, 0.5, 0.5]
    """
    matrices = [matrix[0] for matrix in weights]
    if network.kind == "autoencoder":
        matrices.append(matrices[0].T)
    signal = inputs
    for level, matrix in enumerate(matrices):
        kept = network.keep_prob if level < len(network.masked_widths) else 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            signal = np.asarray(1 / (1 + np.exp(-(kept * signal) @ matrix.T)))
    return signal
