"""From replicas to verdicts: which replicas to run next, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from rsgadvise.ask.verify.cases import FEWEST_TOGETHER, Block, BlockResult, Case, CaseResult, Claim, Verdict
from rsgadvise.records import dataclass
from rsgadvise.training.sequences import (
    ConfidenceSequence,
    binomial_limits,
    classical_upper_limit,
    student_limits,
)

PILOT = 32
"""Trajectories measured first: enough to falsify what is clearly false, and to plan the rest."""

_ROUNDING = 1e-9
_HOPE = 1.25  # continue if the plan says that so much more than the replicas left would decide
_LOSS_SHARE = 0.1  # of a case's probability of error, where the loss must fall too

Plan = Generator[list[Block], list[BlockResult], None]
"""Yields the blocks to run next, takes their results in the same order, ends when it has decided."""


@dataclass(slots=True)
class Judge:
    """What is known of a case so far; `results` may be asked at any time.

    Attributes:
        case: what is judged.
        runs: most replicas.
        trajectories: measured first.
        blocks_ahead: further blocks that will be needed after this round, as far as is known; for progress.
    """

    case: Case
    runs: int
    trajectories: int = PILOT
    _sequence: ConfidenceSequence = field(init=False)
    _loss: ConfidenceSequence = field(init=False)
    _alpha: float = field(init=False)
    _trajectories: NDArray[np.float64] = field(init=False)
    _products: NDArray[np.float64] = field(init=False)
    _losses: NDArray[np.float64] = field(init=False)
    _used: int = field(init=False, default=0)
    _seconds: float = field(init=False, default=0.0)
    _overflow: bool = field(init=False, default=False)
    _impossible: float | None = field(init=False, default=None)
    _over: bool = field(init=False, default=False)
    blocks_ahead: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        case = self.case
        on_loss = _LOSS_SHARE * case.alpha if case.loss_falls else 0.0
        self._alpha = case.alpha - on_loss
        self._sequence = ConfidenceSequence(highest=case.highest, alpha=self._alpha)
        self._loss = ConfidenceSequence(
            highest=case.largest_loss if case.loss_falls else math.inf, alpha=on_loss or case.alpha
        )
        self._trajectories = np.empty(0)
        self._products = np.empty(0)
        self._losses = np.empty(0)

    def plan(self) -> Plan:
        """Trajectories first; then, per round, what decides the bounds that are still open."""
        if self.case.survey is not None:
            yield from self._run(self.runs, trajectory=True)
            return
        yield from self._run(min(self.runs, self.trajectories), trajectory=True)
        while not self._overflow and self._impossible is None:
            kind, count = self._next()
            count = min(count, self.runs - self._used)
            if count <= 0:
                break
            yield from self._run(count, trajectory=kind)
        self._over = True

    def _run(self, count: int, *, trajectory: bool) -> Plan:
        piece = FEWEST_TOGETHER if trajectory else self.case.experiment.together
        starts = range(self._used, self._used + count, piece)
        blocks = [Block(s, min(piece, self._used + count - s), trajectory) for s in starts]
        results = yield blocks
        values = np.concatenate([result.values for result in results])
        losses = np.concatenate([result.losses for result in results])
        self._seconds += sum(result.seconds for result in results)
        self._used += count
        if not (np.isfinite(values).all() and np.isfinite(losses).all()):
            self._overflow = True
            return
        if values.max() > self._sequence.highest:
            self._impossible = float(values.max())
            return
        self._sequence.update(values)
        if trajectory:
            self._trajectories = np.concatenate([self._trajectories, values])
            self._products = np.concatenate([self._products, *(result.products for result in results)])
            self._losses = np.concatenate([self._losses, losses])
            self._loss.update(losses)

    def _next(self) -> tuple[bool, int]:
        """(whether along trajectories, how many) replicas to run next; none when all is decided."""
        mean = float(self._trajectories.mean())
        longest = (False, 0)
        self.blocks_ahead = 0
        for claim in self.case.claims:
            if claim.bound is None or self._rigorous(claim) != "inconclusive":
                continue
            if mean >= claim.bound:
                return True, self._used  # twice as many as so far
            needed = self._needed(claim.bound, mean)
            # What cannot be reached is not begun: the trajectories stand for it, approximately.
            if needed <= _HOPE * (self.runs - self._used):
                count = max(PILOT, min(self._used, math.ceil(needed) + 1))
                longest = max(longest, (False, count))
                ahead = math.ceil(max(0.0, needed - count) / self.case.experiment.together)
                self.blocks_ahead = max(self.blocks_ahead, ahead)
        return longest

    def _needed(self, bound: float, mean: float) -> float:
        """Further replicas until the largest bet against a mean of `bound` pays, if they average `mean`."""
        highest = self.case.highest
        if bound >= highest:
            return 1.0
        gain = math.log1p((bound - mean) / (highest - bound))
        return self._sequence.evidence_missing(bound) / gain if gain > 0 else math.inf

    def _limits(self) -> tuple[float, float]:
        """Limits of E||g||^2, widened by what the sampling of masks may hide."""
        if self.case.survey == "student":
            return student_limits(self._products, alpha=self._alpha)
        return self._widened(self._sequence.lower, self._sequence.upper)

    def _widened(self, lower: float, upper: float) -> tuple[float, float]:
        error = math.sqrt(self.case.mask_error)
        if error == 0:
            return lower, upper
        return max(0.0, math.sqrt(lower) - error) ** 2, (math.sqrt(upper) + error) ** 2

    def _rigorous(self, claim: Claim) -> Verdict:
        assert claim.bound is not None
        lower, upper = self._limits()
        if lower > claim.bound:
            return "falsified"
        # No gradient exceeds the limit, whatever was measured.
        certain = upper < claim.bound or claim.vacuous
        return "consistent" if certain else "inconclusive"

    def results(self) -> list[CaseResult]:
        """One result per bound, as things stand."""
        mean = float(self._products.mean()) if self._products.size and not self._overflow else None
        return [self._result(claim, mean) for claim in self.case.claims]

    def _result(self, claim: Claim, mean: float | None) -> CaseResult:
        lower, upper = self._limits()
        notes = [*self.case.notes, *claim.notes]
        if self.case.mask_error:
            sampled = (
                "Masks are too many to enumerate: `measured` is the product of two independent estimates, "
                "unbiased wherever the box is slack"
            )
            if self.case.survey != "student":
                sampled += (
                    f", and the limits allow for the sampling error, at most {self.case.mask_error:.3g} in "
                    "the mean square"
                )
            notes.append(f"{sampled}.")
        verdict: Verdict = "inconclusive"
        approximate = False
        if self._overflow:
            notes.append("Diverged: weights or losses left the range of numbers; lower the stepsize.")
        elif self._impossible is not None:
            verdict = "falsified"
            notes.append(
                f"Measured {self._impossible:.6g}, above {self.case.highest:.6g}, the largest squared "
                "gradient that this network can have: that limit is wrong."
            )
        elif mean is not None and claim.bound is not None:
            verdict = self._rigorous(claim)
            if verdict == "inconclusive" and self._over and lower <= claim.bound:
                classical = classical_upper_limit(self._trajectories, alpha=self._alpha / 2)
                classical = self._widened(0.0, max(classical, lower))[1]
                if classical < claim.bound:
                    approximate, upper = True, min(upper, classical)
        final = float(self._losses.mean()) if self._losses.size and not self._overflow else None
        verdict, approximate = self._check_loss(verdict, approximate, final, notes)
        known = mean is not None
        return CaseResult(
            name=self.case.name,
            constants=claim.constants,
            bound=claim.bound,
            measured=mean,
            lower=lower if known else None,
            upper=min(upper, self.case.limit) if known else None,
            approximate=approximate,
            runs=self._used,
            verdict=verdict,
            expected=claim.expected,
            initial_loss=self.case.initial_loss,
            final_loss=final,
            looseness=claim.bound / mean if claim.bound is not None and mean and mean > 0 else None,
            seconds=self._seconds,
            vacuous=claim.vacuous,
            checked=claim.bound is not None,
            quantity="squared_gradient",
            equation=claim.equation,
            notes=tuple(notes),
            standard_error=float(self._products.std(ddof=1)) / math.sqrt(self._products.size)
            if known and self._products.size > 1
            else None,
        )

    def _check_loss(
        self, verdict: Verdict, approximate: bool, final: float | None, notes: list[str]
    ) -> tuple[Verdict, bool]:
        """(verdict, approximate): a small gradient alone is no success where training must lower the loss."""
        start = self.case.initial_loss
        if final is not None and final > start * (1 + _ROUNDING):
            notes.append(f"The loss rose from {start:.4g} at W1 to {final:.4g} at W^R.")
        if final is None or not self.case.loss_falls or final < start:
            return verdict, approximate
        notes.append("The loss has to fall in this case: the gradient that training follows is suspect.")
        return "falsified" if self._loss.lower > start else "inconclusive", False


@dataclass(slots=True)
class MissJudge:
    """The (eps, delta) statement: how often all runs of a repetition miss eps."""

    case: Case
    runs: int
    blocks_ahead: int = field(init=False, default=0)
    _missed: int = field(init=False, default=0)
    _repetitions: int = field(init=False, default=0)
    _losses: list[float] = field(init=False, default_factory=list)
    _seconds: float = field(init=False, default=0.0)
    _overflow: bool = field(init=False, default=False)

    @property
    def repetitions(self) -> int:
        """Fixed beforehand, since the binomial interval is for one look: twice what no miss would need."""
        miss = self.case.miss
        assert miss is not None
        wanted = math.ceil(2 * math.log(2 / self.case.alpha) / -math.log1p(-miss.delta))
        return min(wanted, self.runs // miss.runs)

    def plan(self) -> Plan:
        """All repetitions at once."""
        miss = self.case.miss
        assert miss is not None
        total = self.repetitions * miss.runs
        if total == 0:
            return
        piece = self.case.experiment.together
        results = yield [Block(s, min(piece, total - s), False) for s in range(0, total, piece)]
        values = np.concatenate([result.values for result in results])
        self._losses = np.concatenate([result.losses for result in results]).tolist()
        self._seconds = sum(result.seconds for result in results)
        self._overflow = not np.isfinite(values).all()
        best = values.reshape(-1, miss.runs).min(axis=1)
        self._missed, self._repetitions = int((best > miss.eps).sum()), len(best)

    def results(self) -> list[CaseResult]:
        """One result per claim; they differ in whose constants planned N."""
        miss = self.case.miss
        assert miss is not None
        known = self._repetitions > 0 and not self._overflow
        lower, upper = 0.0, 1.0
        if known:
            lower, upper = binomial_limits(
                successes=self._missed, trials=self._repetitions, alpha=self.case.alpha
            )
        verdict: Verdict = "inconclusive"
        if lower > miss.delta:
            verdict = "falsified"
        elif upper < miss.delta:
            verdict = "consistent"
        share = self._missed / self._repetitions if known else None
        notes = (
            f"Share of {self._repetitions} repetitions of {miss.runs} runs in which no run reached a squared "
            f"gradient of {miss.eps:g}; it must not exceed delta = {miss.delta:g}.",
        )
        return [
            CaseResult(
                name=self.case.name,
                constants=claim.constants,
                bound=miss.delta,
                measured=share,
                lower=lower if known else None,
                upper=upper if known else None,
                approximate=False,
                runs=self._repetitions * miss.runs,
                verdict=verdict,
                expected=claim.expected,
                initial_loss=self.case.initial_loss,
                final_loss=float(np.mean(self._losses)) if known else None,
                looseness=miss.delta / share if share else None,
                seconds=self._seconds,
                vacuous=False,
                checked=True,
                quantity="miss_probability",
                equation=claim.equation,
                notes=notes,
            )
            for claim in self.case.claims
        ]


def judge_for(case: Case, runs: int, *, trajectories: int = PILOT) -> Judge | MissJudge:
    """The judge of a case."""
    return MissJudge(case, runs) if case.miss is not None else Judge(case, runs, trajectories)
