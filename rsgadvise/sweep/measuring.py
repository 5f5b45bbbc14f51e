"""What training says at one point: the same replicas, from the same seeds, as those of `verify`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.errors import HypothesisError
from rsgadvise.networks import Data
from rsgadvise.sweep.predicting import reason
from rsgadvise.sweep.results import Interval, Measurement
from rsgadvise.verify.cases import Claim, build_case
from rsgadvise.verify.experiment import Block, BlockResult
from rsgadvise.verify.from_spec import Values, setting_from_spec
from rsgadvise.verify.running import Progress, run_cases

if TYPE_CHECKING:
    from rsgadvise.spec import Spec
    from rsgadvise.verify.runners import ReusableRunner

__all__ = ["Computer", "Measuring", "Options", "measure_point"]

# There is nothing to decide: one claim without a bound carries the measurement through the machinery.
_NO_CLAIM = Claim("certified", None, "", False, "consistent")


@dataclass(frozen=True, slots=True)
class Options:
    """How a sweep is made.

    Attributes:
        measure: whether to train at each point.
        runs: replicas at each point. seed: of all randomness.
        confidence: of the limits at each point.
        interval: student: approximate, from trajectory averages; rigorous: valid for any number of runs.
        advice: whose constants choose what the spec leaves open.
    """

    measure: bool = False
    runs: int = 32
    seed: int = 0
    confidence: float = 0.99
    interval: Interval = "student"
    advice: ConstantsName = "paper"


class Computer:
    """A runner that is started when it is first needed, and goes on from one point to the next.

    Args:
        start: makes the runner.
    """

    def __init__(self, start: Callable[[], ReusableRunner]) -> None:
        self._start = start
        self._runner: ReusableRunner | None = None
        self.slots = 1

    def ready(self) -> ReusableRunner:
        """The runner, started by now."""
        if self._runner is None:
            self._runner = self._start()
            self.slots = self._runner.slots
        return self._runner

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Start a block."""
        return self.ready().submit(case, block)

    def close(self, *, abandon: bool) -> None:
        """After a point there is nothing to release, unless it was given up."""
        if abandon:
            self.end(abandon=True)

    def end(self, *, abandon: bool) -> None:
        """Release everything."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            runner.close(abandon=abandon)


@dataclass(frozen=True, slots=True)
class Measuring:
    """A measurement, or None and why; `interrupted` by the user."""

    found: Measurement | None
    notes: tuple[str, ...] = ()
    interrupted: bool = False


def measure_point(
    spec: Spec,
    values: Values,
    *,
    name: str,
    options: Options,
    computer: Computer,
    data: Data | None,
    statistics: Mapping[str, float | int | None] | None,
    progress: Progress | None = None,
) -> Measuring:
    """Train the replicas of one point and average.

    Args:
        spec, values: what is trained.
        name: of the spec, which with the seed decides all randomness, as in `verify`; so W^1 and the
            mini-batches are alike at all points of the same shape.
        options: runs, seed and confidence.
        computer: what computes.
        data: rows of the data file; without them rows are generated.
        statistics: of those rows, by spec key.
        progress: called after every block.
    """
    alpha = 1 - options.confidence
    try:
        setting, moments = setting_from_spec(
            spec, values, name=name, seed=options.seed, data=data, measured=statistics
        )
        case = build_case(setting, seed=options.seed, alpha=alpha, moments=moments)
    except HypothesisError as error:
        return Measuring(None, (f"Not measured: {reason(error)}.",))
    case = replace(case, claims=(_NO_CLAIM,), survey=options.interval)
    computer.ready().equip([case.experiment])
    done = run_cases(
        [case],
        computer,
        runs=options.runs,
        confidence=options.confidence,
        seed=options.seed,
        progress=progress,
    )
    if done.interrupted:
        return Measuring(None, interrupted=True)
    (result,) = done.cases
    notes = tuple(note for note in result.notes if note)
    if result.measured is None or result.lower is None or result.upper is None:
        return Measuring(None, notes)
    found = Measurement(
        gradient=result.measured,
        lower=result.lower,
        upper=result.upper if math.isfinite(result.upper) else None,
        runs=result.runs,
        initial_loss=result.initial_loss,
        final_loss=result.final_loss,
        seconds=result.seconds,
    )
    return Measuring(found, notes)
