"""A whole race within an allowance: heats, variants of the leader, and the finalists from another seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rsgadvise.errors import UsageError
from rsgadvise.networks import Array, Network
from rsgadvise.pilot.arena import Arena
from rsgadvise.pilot.candidates import Proposals
from rsgadvise.pilot.looking import LOSS_COST, Looks, look_along
from rsgadvise.pilot.race import Heat, Runner, log_loss, prospects, scores
from rsgadvise.pilot.second_order import constant_loss
from rsgadvise.rsg import Training

__all__ = ["Finalist", "Tournament", "predictions"]

Progress = Callable[[float, str], None]

_FIRST_HEAT = 0.25  # of the final length
_FEWEST_STEPS = 2  # of the first heat: the loss before the first one is that of W^1, the same for all
_KEPT = 4  # after the first heat
_FINALISTS = 2
_LOOKS = 12  # along a finalist's second run
_LOOK_ROWS = 256
_JUDGED = 0.375  # of a second run: its last part
_LOOK_COST = 0.08  # of an allowance: what looking may take
_COMPARED_ROWS = 512
_COMPARE_COST = 0.08  # of an allowance: what comparing networks with different masks may take
_AGAIN, _LOOKING, _COMPARING = 1, 4, 5  # keys of randomness


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate that was run again from another W^1 and other mini-batches.

    Attributes:
        runner: its first run.
        looks: along its second.
        score: mean logarithm of the losses at the end of both, less what is still to come.
        end: loss at the very end of the second, without masks where candidates differ in them.
    """

    runner: Runner
    looks: Looks
    score: float
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
        finalists: those that were run again.
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
        kept = min(_KEPT, len(first))
        finalists = min(_FINALISTS, kept + len(variants))
        self.comparing = comparing = any(each.keep_prob != self.proposals.keep_prob for each in variants)
        heats = [_FIRST_HEAT * len(first), (1 - _FIRST_HEAT) * kept, len(variants), finalists]
        samples = max(candidate.samples for candidate in (*first, *variants))
        looking, comparison = _LOOK_COST * self.allowance, 0.0
        if comparing:
            each = LOSS_COST * (kept + len(variants) + finalists)
            self.compared_rows = int(max(1, min(_COMPARED_ROWS, _COMPARE_COST * self.allowance / each)))
            comparison = each * self.compared_rows
        length = min(1.0, max(0.0, self.allowance - looking - comparison) / (samples * sum(heats)))
        steps = length * _FIRST_HEAT * first[0].iterations
        if round(steps) < _FEWEST_STEPS:
            raise UsageError(
                f"the pilot is too small for a race of {len(first) + len(variants)} candidates: the first "
                f"heat must have {_FEWEST_STEPS} or more of the {first[0].iterations:,} iterations; got "
                f"{steps:.2g}; raise it, or plan more iterations"
            )
        heat = Heat(self.arena, key=0, threads=self.threads)
        self.standing = [heat.enter(candidate) for candidate in first]
        self._report(0.0)
        alive = self._halve(heat, self.standing, length * _FIRST_HEAT, kept)
        self._report(0.3)
        newcomers = [heat.enter(candidate) for candidate in self.proposals.variants(alive[0].candidate)]
        self.standing += newcomers
        if comparing:
            self._advance(heat, [*alive, *newcomers], length)
            self._compare([*alive, *newcomers])
            alive = self._ranked([*alive, *newcomers])[:finalists]
        else:
            alive = self._halve(heat, [*alive, *newcomers], length, finalists)
        self._report(0.8)
        for place, (runner, fall) in enumerate(zip(alive, prospects(alive), strict=True)):
            if math.isfinite(runner.loss):
                self.finalists.append(self._again(runner, fall, length, looking / (2 * finalists)))
            self._report(0.8 + 0.2 * (place + 1) / len(alive))
        self.finalists.sort(key=lambda finalist: finalist.score)

    def _halve(self, heat: Heat, runners: list[Runner], share: float, kept: int) -> list[Runner]:
        self._advance(heat, runners, share)
        return self._ranked(runners)[:kept]

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

    def _again(self, runner: Runner, fall: float, share: float, looking: float) -> Finalist:
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
        late = looks.iterations >= (1 - _JUDGED) * looks.last
        judged, end = float(looks.losses[0, late].mean()), float(looks.losses[0, -1])
        if self.comparing:
            judged = end = self._unmasked(candidate.keep_prob, looks.weights)
        again = math.log(max(judged, 1e-300)) if math.isfinite(judged) else math.inf
        return Finalist(runner, looks, (log_loss(runner) + again) / 2 - fall, end)

    def _report(self, part: float) -> None:
        self.progress(part, "racing")


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
