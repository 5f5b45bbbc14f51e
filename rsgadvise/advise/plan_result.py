"""What `plan_iterations` returns: plain frozen records that a report renders without computing."""

from __future__ import annotations

from dataclasses import dataclass

from rsgadvise.advise.results import Stepsize
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Assumption

__all__ = ["IterationPlan", "TradeoffPoint"]


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """One point of the trade of steps against samples, for the same target."""

    batch_size: int
    iterations: int
    samples: int


@dataclass(frozen=True, slots=True)
class IterationPlan:
    """How many iterations, and how much data, an (eps, delta)-solution needs.

    Attributes:
        iterations: smallest integer N with the optimal stepsize; iterations_real before rounding up.
        iterations_paper: the integer above equation (9), iterations_paper_real its value; None
            where (9) does not apply.
        stepsize: optimal at `iterations`. keep_prob, dropout_rate: as used; None without a plan.
        bound: at these values; at most per_run_target = eps delta^(1/T).
        critical_batch_size: where steps are twice the fewest possible.
        recommended_runs: T with the fewest samples in all, T N(T) B. recommended_iterations: N of each of
            them. recommended_samples: of all of them.
        samples: N B of one run. total_samples: T N B of all.
        dataset_size: S = B N / C with the paper's N; dataset_size_exact with the exact one. Both to the
            nearest row, as S C ~ B N is itself approximate.
        tradeoff: (B, N, N B) over batch sizes.
        min_batch_size: smallest B for which the target is reachable with `runs`. least_batch_size: the same
            with any number of runs, which is `recommend`'s where the spec fixes none.
        recommended_critical_batch_size: as critical_batch_size, with recommended_runs.
        comparison_rows: fresh rows for each run, if the runs are compared by gradients of a sample, with
            which the kept one has at most 4 eps with probability 1 - 2 delta; 0 for one run.
        reason: why there is no plan, or None; among the notes too.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    eps: float
    delta: float
    runs: int
    epochs: float
    batch_size: int
    initial_loss: float
    per_run_target: float
    feasible: bool
    iterations: int | None
    iterations_real: float | None
    iterations_paper: int | None
    iterations_paper_real: float | None
    stepsize: Stepsize | None
    keep_prob: float | None
    dropout_rate: float | None
    bound: float | None
    certified_bound: float | None
    proven: bool | None
    critical_batch_size: float | None
    recommended_runs: int | None
    recommended_iterations: int | None
    recommended_samples: int | None
    samples: int | None
    total_samples: int | None
    dataset_size: int | None
    dataset_size_exact: int | None
    tradeoff: tuple[TradeoffPoint, ...]
    min_batch_size: int | None
    reason: str | None
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]
    least_batch_size: int | None = None
    recommended_critical_batch_size: float | None = None
    comparison_rows: int | None = None
