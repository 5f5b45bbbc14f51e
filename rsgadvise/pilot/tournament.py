"""A whole race within an allowance: heats, variants of the leader, and the finalists from another seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import field, replace

import numpy as np

from rsgadvise.errors import UsageError
from rsgadvise.pilot.candidates import MOST_ADDED, Proposals
from rsgadvise.pilot.checkpoints import LOSS_COST, Looks, look_along
from rsgadvise.pilot.race import Candidate, Heat, Runner, fate, learns, log_loss, merit, scores
from rsgadvise.pilot.task import Task
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Array, Data, Network, widened

# Who ran the last heat, run again from another start; and what a trained network says.

_WORSE = 2.0  # times a loss that the first run had earlier: a larger one does not repeat it
_SLIGHT = 0.05  # of a constant's loss: a difference below it is none
_FELL = 0.05  # of a loss: less is no slope


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate that was run again from another W^1 and other mini-batches.

    Attributes:
        runner: its first run.
        looks: along its second.
        end: loss at the end of the second, in the middle of its last three looks, since a run that oscillates
            may just be up or down; at the very end without masks where candidates differ in them.
        before: (share, loss) of the first at the last heat that is no later than that; None where the two are
            of different objectives.
        constant: loss of the best constant prediction.
    """

    runner: Runner
    looks: Looks
    end: float
    before: tuple[float, float] | None
    constant: float

    @property
    def share(self) -> float:
        return self.looks.last / self.runner.candidate.iterations

    @property
    def both(self) -> float:
        """Mean logarithm of the losses of both runs."""
        return (log_loss(self.runner) + math.log(max(self.end, 1e-300))) / 2

    @property
    def repeats(self) -> bool:
        """Whether the second run came as far as the first had come much earlier.

        Losses of one setting differ by what its seeds draw, most where they fall fast. So this asks for no
        more than about the loss of the heat before: a run that has not even come there took another way.
        """
        if self.before is None:
            return True
        _, loss = self.before
        return self.end <= max(_WORSE * loss, loss + _SLIGHT * self.constant)

    @property
    def falls(self) -> bool:
        """Whether losses speak against a standstill: in the second half of the second run, or those of the
        first after the same share of the training."""
        looks = self.looks
        half, end = np.interp((looks.last / 2, looks.last), looks.iterations, looks.losses)
        later = [loss for share, loss in self.runner.judged if share >= self.share]
        return bool(end < (1 - _FELL) * half or (len(later) > 1 and later[-1] < (1 - _FELL) * later[0]))


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
    if network.tied:
        matrices.append(matrices[0].T)
    signal = inputs
    for level, matrix in enumerate(matrices):
        kept = network.keep_prob if level < len(network.masked_widths) else 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            signal = widened(kept * signal, network) @ matrix.T
            (network.units[level] if level < len(network.units) else network.head).forward(signal)
    return signal


def loss_of(network: Network, outputs: Array, targets: Array) -> float:
    """Mean loss of the rows with such `predictions`."""
    return float(losses_of(network, outputs, targets).sum(dtype=np.float64)) / len(outputs)


def losses_of(network: Network, outputs: Array, targets: Array) -> Array:
    """The same of each row."""
    with np.errstate(over="ignore", invalid="ignore"):
        losses: Array = network.head.losses(outputs[None], targets[None], (outputs - targets)[None])[0]
    return losses


def loss_at(network: Network, weights: Sequence[Array], data: Data) -> float:
    """Mean loss of rows, as the network is used after training."""
    return loss_of(network, predictions(network, weights, data.inputs), data.targets)


Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Programme:
    """How a race is run.

    Attributes:
        heats: (share of the race's length, how many go on after it).
        rungs: of the ladder that start, of the lowest so many around 1/U; None for all.
        added: rungs that may join at its ends.
        variants: whether others in the knobs that the spec leaves open join.
    """

    heats: tuple[tuple[float, int], ...] = ((0.1, 4), (0.3, 3), (0.6, 2), (1.0, 1))
    rungs: int | None = None
    added: int = MOST_ADDED
    variants: bool = True


_PROGRAMMES = (
    Programme(),
    Programme(variants=False),
    Programme(((0.3, 2), (1.0, 1)), rungs=3, added=0, variants=False),
    Programme(((1.0, 1),), rungs=3, added=0, variants=False),
)
"""The first is that of every race; where its first heat is too short and nothing may fail, the next is."""

_HEATS_PART = 0.85  # of the progress that is shown
_AGAIN_SHARE = 0.5  # of a race's length: the second run of the winner
_SPARE = 0.4  # of that, kept for another one if the winner fails there or does not repeat its first run
_COMMON_RUNGS = range(3)  # of the smallest stepsize of the winner's layers: a common one lies above it
_COMMON_SHARES = (0.1, 0.25)  # of a race's length: all of them, then the best and the next smaller
_COMMON_COST = 0.7  # in such lengths, where that one joins late
_COMMON_SHARE = 0.5  # kept for it in any case, since most races need no third run
_ENOUGH = 1  # the heat after which a race without anybody sound ends
_FEWEST_STEPS = 2  # of the first heat: the loss before the first one is that of W^1, the same for all
_LOOKS = 12  # along a second run
_LAST_LOOKS = 3
_LOOK_ROWS = 256
_LOOK_COST = 0.05  # of an allowance: what looking may take
_SPARE_LOOKS = 0.2  # of what is left then
_COMPARED_ROWS = 512
_VERDICT_ROWS = 1 << 13
_SAFER = 0.75  # times a stepsize: above that another is about as long
_TIED = 1.02  # times a loss: more is a difference
_COMPARE_COST = 0.08  # of an allowance: what comparing networks with different masks may take
_AGAIN, _AND_AGAIN, _LOOKING, _COMPARING = 1, 2, 4, 5  # keys of randomness


@dataclass(slots=True)
class Tournament:
    """Finds the best of the proposals.

    Attributes:
        task: network with the highest keep probability, and rows.
        proposals: what may be raced.
        allowance: work that it may take, in gradients of single examples.
        threads, progress: how it is run.
        standing: every runner so far, for when it is interrupted.
        finalists: those that were run again, in that order.
        winner: once it is over; None if nobody who ran the last heat is sound, see `_decide`.
        common: the winner with one stepsize for all layers, best first; empty where it has one.
        work: taken so far.
        comparing: whether networks with different masks meet, whose mini-batch losses are of different
            objectives: they are judged as they are used, without masks, on rows that are the same for all.
        by_heart: whether all learnt their rows and nothing of rows held out, so that those without masks are
            judged by what they learnt after all.
        compared_rows: at most so many.
        lenient: whether a small allowance means a smaller race, or none, and not an error.
        programme: by which it is run.
        constant: loss of the best constant prediction.
    """

    task: Task
    proposals: Proposals
    allowance: float
    threads: int
    progress: Progress
    standing: list[Runner] = field(default_factory=list)
    finalists: list[Finalist] = field(default_factory=list)
    winner: Runner | None = None
    common: list[Runner] = field(default_factory=list)
    work: float = 0.0
    comparing: bool = False
    by_heart: bool = False
    compared_rows: int = _COMPARED_ROWS
    lenient: bool = False
    programme: Programme = _PROGRAMMES[0]
    constant: float = field(init=False)

    def __post_init__(self) -> None:
        self.constant = self.task.constant_loss

    @property
    def plateau(self) -> float | None:
        """A constant's loss, about which a network lingers at first; None of those that do not.

        Others are there when a long step has killed or saturated their units.
        """
        network = self.task.network
        return self.constant if len(network.shapes) > 1 and network.lingers else None

    def run(self) -> None:
        """Race until the allowance is used up.

        Raises:
            UsageError: it is too small for the first heat, and not lenient.
        """
        programmes = _PROGRAMMES if self.lenient else _PROGRAMMES[:1]
        for programme in programmes:
            self.programme = programme
            first = self.proposals.first(programme.rungs)
            variants = self.proposals.variants(first[0]) if programme.variants else []
            self.comparing = any(each.keep_prob != self.proposals.keep_prob for each in variants)
            length = self._planned(first, variants)
            steps = length * programme.heats[0][0] * first[0].iterations
            if round(steps) >= _FEWEST_STEPS:
                break
        else:
            if self.lenient:
                return
            raise UsageError(
                f"the pilot is too small for a race of {len(first) + len(variants)} candidates: the first "
                f"heat must have {_FEWEST_STEPS} or more of the {first[0].iterations:,} iterations; got "
                f"{steps:.2g}; raise it, or plan more iterations"
            )
        heat = Heat(self.task, key=0, threads=self.threads)
        runners = self.standing = [heat.enter(candidate) for candidate in first]
        self._report(0.0)
        for number, (share, kept) in enumerate(self.programme.heats):
            if number == 1 and variants:
                newcomers = [heat.enter(each) for each in self.proposals.variants(runners[0].candidate)]
                self.standing += newcomers
                runners = [*runners, *newcomers]
            self._advance(heat, runners, share * length)
            if number == 0:
                runners = self._widened(heat, share * length)
            elif self.comparing:
                self._compare(runners)
                if not any(map(self._sound, runners)):
                    runners = self._learnt_by_heart(runners)
            for runner in runners:
                runner.judged.append((runner.done, runner.loss))
            ranked = self._ranked(runners)
            runners = ranked[:kept]
            self._report(_HEATS_PART * share)
            if number >= _ENOUGH and not any(map(self._sound, self.standing)):
                ranked = self._brought_on(heat, [], length) if share < 1 else []
                break
        if ranked:
            self._decide(heat, ranked, length)
        self._find_common(heat, length)
        self._report(1.0)

    def _planned(self, first: Sequence[Candidate], variants: Sequence[Candidate]) -> float:
        """Length of the race as a share of the training: what the allowance is enough for."""
        running = len(first) + (self.programme.added if first[0].rung is not None else 0)
        work = before = 0.0
        compared = 1
        for number, (share, kept) in enumerate(self.programme.heats):
            work += (share - before) * running
            if number == 1:
                work += share * len(variants)
                running += len(variants)
            compared += running if number else 0
            running, before = min(kept, running), share
        work += _AGAIN_SHARE * (1 + _SPARE)
        if self.proposals.common(first[0], 0) is not None:
            work += _COMMON_SHARE
        aside = _LOOK_COST * self.allowance
        if self.comparing:
            each = LOSS_COST * compared
            self.compared_rows = int(max(1, min(_COMPARED_ROWS, _COMPARE_COST * self.allowance / each)))
            aside += each * self.compared_rows
        samples = max(candidate.samples for candidate in (*first, *variants))
        return min(1.0, max(0.0, self.allowance - aside) / (samples * work))

    def _widened(self, heat: Heat, share: float) -> list[Runner]:
        """Everybody, with the next rungs while the best stands at an end of the ladder."""
        while True:
            leader = min(self.standing, key=lambda runner: merit(runner, self.plateau))
            ladder = [runner.candidate.rung for runner in self.standing if runner.candidate.rung is not None]
            joins = ladder and self.programme.added > 0
            added = self.proposals.beside(leader.candidate, ladder) if joins else None
            if added is None:
                return self.standing
            runner = heat.enter(added)
            self.standing = [*self.standing, runner]
            self._advance(heat, [runner], share)

    def _decide(self, heat: Heat, last: Sequence[Runner], length: float) -> None:
        """Run the best of the last heat again, and another where it fails or does not repeat its first run.

        Where it fails, the next of the last heat takes its place if it passes from the same new start. Where
        it does not repeat its first run, the next does if its two runs are lower together; with no other it
        runs from a third start. Nobody wins who was left behind before the last heat: where none of that
        is sound, the best of the others is brought as far first, if the allowance is enough.
        """
        sound = [runner for runner in last if self._sound(runner)] or self._brought_on(heat, last, length)
        if not sound:
            return
        safer = self._safer(sound[0])
        if safer is not None:
            sound = [safer, *sound]
        leader = sound[0]
        if not learns(leader.loss, self.constant):
            # On the plateau of a constant seeds tell nothing: what helps is tried with that work instead.
            self.winner = leader
            return
        first = self._again(leader, _AGAIN, _AGAIN_SHARE * length, _LOOK_COST * self.allowance)
        if first is None:
            self.winner = leader  # nothing is left to run it again
            return
        passed = fate(first.end, self.constant) is None
        if passed:
            self.winner = leader
            if first.repeats:
                return
        other, key = (sound[1], _AGAIN) if len(sound) > 1 else (leader, _AND_AGAIN)
        if other is leader and not passed:
            return
        left = self.allowance - self.work - LOSS_COST * self.compared_rows
        looking = _SPARE_LOOKS * left
        share = min(_AGAIN_SHARE * length, (left - looking) / other.candidate.samples)
        second = self._again(other, key, share, looking)
        if second is None or fate(second.end, self.constant) is not None:
            return
        if not passed or second.both < first.both:
            self.winner = other

    def _safer(self, leader: Runner) -> Runner | None:
        """One of clearly smaller stepsizes that was no worse than the leader where both were last judged.

        Of optimisers whose steps are not in proportion to gradients: what speaks for the longer ones then is
        their trend and what is usual, and of these some kill a network late, when no race sees it.
        """
        if not self.task.optimizer.scale_free or self.plateau is not None:
            return None
        own, known = leader.candidate, dict(leader.judged)
        early = min(share for runner in self.standing for share, _ in runner.judged)
        safer: list[tuple[float, Runner]] = []
        for runner in self.standing:
            shared = [each for each in runner.judged if each[0] > early and each[0] in known]
            other = runner.candidate
            # Larger batches take steps that grow with their root.
            times = other.stepsizes[0] / own.stepsizes[0] * math.sqrt(own.batch_size / other.batch_size)
            if not shared or times > _SAFER or other.keep_prob != own.keep_prob or not self._sound(runner):
                continue
            share, loss = shared[-1]
            if loss < _TIED * known[share]:
                safer.append((loss / known[share], runner))
        return min(safer, key=lambda each: each[0])[1] if safer else None

    def _find_common(self, heat: Heat, length: float) -> None:
        """Race one stepsize for all layers of the winner: for libraries that know no more than one.

        Short runs favour long steps, so that the best of a first heat meets the next smaller once more.
        """
        if self.winner is None or not learns(self.winner.loss, self.constant):
            return
        leader = self.winner.candidate
        unit, left = length * leader.samples, self.allowance - self.work
        rounding = (1 + len(_COMMON_RUNGS)) * leader.batch_size  # half an iteration for each, twice
        full = left - rounding >= _COMMON_COST * unit
        share = _COMMON_SHARES[0] if full else min(_COMMON_SHARES[1], left / (unit * len(_COMMON_RUNGS)))
        steps = math.floor(share * length * leader.iterations)
        if steps < _FEWEST_STEPS:
            return
        ladder = {rung: self.proposals.common(leader, rung) for rung in (-1, *_COMMON_RUNGS)}
        runners = {rung: heat.enter(each) for rung, each in ladder.items() if each is not None}
        if not runners:
            return
        entered = [runners[rung] for rung in _COMMON_RUNGS]
        self._advance(heat, entered, steps / leader.iterations)
        best = min(_COMMON_RUNGS, key=lambda rung: log_loss(runners[rung]))
        self.common = sorted(entered, key=log_loss)
        if full:
            last = [runners[best], runners[best - 1]]
            self._advance(heat, last, _COMMON_SHARES[1] * length)
            order = np.argsort(scores(last, entered), kind="stable")
            rest = [runner for runner in self.common if runner not in last]
            self.common = [*(last[place] for place in order), *rest]

    def _sound(self, runner: Runner) -> bool:
        return fate(runner.loss, self.constant) is None

    def _brought_on(self, heat: Heat, last: Sequence[Runner], length: float) -> list[Runner]:
        """The best of those left behind before the last heat, run as far; empty if it is unsound there.

        A race ends early where nobody does better than a constant: one that goes on alone tells whether that
        was a question of time, and leaves the rest of the allowance to find out why.
        """
        behind = [runner for runner in self.standing if runner not in last and math.isfinite(runner.loss)]
        behind = [runner for runner in behind if self._sound(runner)] or behind
        if not behind:
            return []
        best = min(behind, key=lambda runner: (-runner.done, runner.loss))
        cost = (length - best.done) * best.candidate.samples + LOSS_COST * self.compared_rows
        if cost > self.allowance - self.work:
            return []
        self._advance(heat, [best], length)
        if self.comparing:
            self._compare([best])
        best.judged.append((best.done, best.loss))
        return [best] if self._sound(best) else []

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
        scored = scores(runners, retired, constant=self.plateau)
        order = np.argsort(scored, kind="stable")
        return [runners[place] for place in order]

    def _compare(self, runners: Sequence[Runner]) -> None:
        """Replace mini-batch losses by those of the networks without masks."""
        for runner in runners:
            if math.isfinite(runner.loss):
                runner.loss = self._unmasked(runner.candidate.keep_prob, runner.weights)

    def _learnt_by_heart(self, runners: list[Runner]) -> list[Runner]:
        """Those to go on where nobody does better than a constant on rows held out, judged by their own rows
        if these are learnt: what learns its rows by heart does not fail as one that learns nothing does."""
        plain = [each for each in runners if each.candidate.keep_prob == self.proposals.keep_prob]
        if not any(learns(each.history[-1][1], self.constant) for each in plain if each.history):
            return runners
        self.comparing, self.by_heart = False, True
        for each in self.standing:
            if each.candidate.keep_prob == self.proposals.keep_prob and each.history:
                # Whoever runs is judged by this heat in a moment.
                each.loss, each.judged = each.history[-1][1], each.history[: -1 if each in plain else None]
        return plain

    def _unmasked(self, keep_prob: float, weights: Sequence[Array]) -> float:
        data = self.task.held_out or self.task.data
        chosen = self.task.rng(_COMPARING).permutation(data.rows)[: self.compared_rows]
        network = self.task.keeping(keep_prob).network
        self.work += LOSS_COST * len(chosen)
        loss = loss_at(network, weights, Data(data.inputs[chosen], data.targets[chosen]))
        return loss if math.isfinite(loss) else math.inf

    def _again(self, runner: Runner, key: int, share: float, looking: float) -> Finalist | None:
        """Another run, looked at on the way, with rows as far as the work for looking goes.

        Args:
            runner: whose candidate is run.
            key: of the start and the mini-batches.
            share: of its training, if the allowance is enough.
            looking: work.

        Returns:
            What it did; None where nothing is left for it.
        """
        candidate = runner.candidate
        task = self.task.keeping(candidate.keep_prob)
        iterations = max(1, round(share * candidate.iterations))
        if looking <= 0 or iterations * candidate.batch_size + looking > self.allowance - self.work:
            return None
        each = looking / min(_LOOKS, iterations)
        if task.network.masked_widths:
            each /= 2  # two masks for each row
        rows = int(max(2, min(_LOOK_ROWS, each / (1 + LOSS_COST))))
        looks = look_along(
            candidate.training(task),
            task.start(key),
            task.stream(key, candidate.batch_size),
            iterations=iterations,
            looks=_LOOKS,
            validation=task.held_out,
            rng=task.rng(_LOOKING),
            rows=rows,
            most_terms=rows,
            threads=self.threads,
        )
        self.work += looks.work
        end = float(np.median(looks.losses[-_LAST_LOOKS:]))
        if self.comparing:
            end = self._unmasked(candidate.keep_prob, looks.weights)
        elif (
            fate(end, self.constant) is not None and rows < task.data.rows and not task.network.masked_widths
        ):
            # Of a rare class the rows that were looked at hold too few for a verdict.
            data = task.part(np.arange(min(task.data.rows, _VERDICT_ROWS)))  # which stand in no order
            self.work += LOSS_COST * data.rows
            end = loss_at(task.network, looks.weights, data)
            end = end if math.isfinite(end) else math.inf
        reached = looks.last / candidate.iterations
        earlier = [each for each in self._comparable(runner) if each[0] <= reached]
        finalist = Finalist(runner, looks, end, earlier[-1] if earlier else None, self.constant)
        self.finalists.append(finalist)
        return finalist

    def _comparable(self, runner: Runner) -> list[tuple[float, float]]:
        """(share, loss) of the heats; where masks differ, without the first, whose losses are masked."""
        first = self.programme.heats[0][0] * max(share for share, _ in runner.judged)
        return [each for each in runner.judged if not self.comparing or each[0] > 1.5 * first]


NOT_RUN = "not run"
"""Outcome of one whose share of the race was less than one iteration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A runner in its final place."""

    runner: Runner
    finalist: Finalist | None
    outcome: str


def standings(tournament: Tournament) -> list[Entry]:
    """Everybody who ran, best first: the winner, then by how far they came and how they did there.

    A saturated network has a tiny gradient at a loss above that of the best constant prediction. It never
    wins, and neither does one that left the range of numbers, nor one that was left behind before the last
    heat. In a race that was interrupted the best by then of those that came farthest has won.
    """
    constant = tournament.constant
    again: dict[int, Finalist] = {}
    for finalist in tournament.finalists:
        again.setdefault(id(finalist.runner), finalist)  # a third run is shorter than the second
    farthest = max((runner.done for runner in tournament.standing), default=0.0)
    best: list[Entry] = []
    worst: list[Entry] = []

    def place(runner: Runner) -> tuple[bool, bool, float, float]:
        return runner is not tournament.winner, runner.iteration == 1, -runner.done, runner.loss

    for runner in sorted((each for each in tournament.standing if each.done > 0), key=place):
        reruns = again.get(id(runner))
        end = runner.loss if reruns is None else max(reruns.end, runner.loss)
        outcome = NOT_RUN if runner.iteration == 1 else fate(end, constant) or "left behind"
        (best if outcome == "left behind" else worst).append(Entry(runner, reruns, outcome))
    unfinished = tournament.winner is None and not again
    if best and (best[0].runner is tournament.winner or (unfinished and best[0].runner.done == farthest)):
        best[0] = replace(best[0], outcome="won")
    return [*best, *worst]
