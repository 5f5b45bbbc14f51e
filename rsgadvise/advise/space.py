"""What may be chosen, and what limits it: a spec's fixed values, ranges, budgets and target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.spec.problem import stopping_of
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.objective import Range, Schedule
from rsgadvise.theory.problem import Assumption, Problem

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


ASSUMED_EPOCHS = 100.0
"""Budget where neither target nor budget is given: a bound alone always prefers more work."""

MOST_ITERATIONS = 10**15
"""No plan is longer than this."""

_FEW_ROWS = 64  # with fewer, batch sizes below the smallest of the default list are tried too


@dataclass(frozen=True, slots=True)
class Goal:
    """An (eps, delta) target.

    Attributes:
        eps, delta: Pr(min_t ||grad f(W^R_t)||^2 <= eps) >= 1 - delta.
        runs: T, or None where it is free.
        limit: the largest squared gradient at the smallest keep probability allowed; any weights meet a
            target from there on.
        unmissable: ranges of keep probabilities in which no weights of the network have a squared gradient
            above eps: there one run of any length meets the target.
        free: whether plans there are such runs, as where the theorem has none.
    """

    eps: float
    delta: float
    runs: int | None
    limit: float = math.inf
    unmissable: tuple[Range, ...] = ()
    free: bool = False

    def per_run(self, runs: FloatArray) -> FloatArray:
        """eps delta^(1/T): by Markov's inequality, T runs whose mean stays below it suffice."""
        return np.asarray(self.eps * self.delta ** (1 / runs))

    def freed(self, keep_range: Range) -> Range | None:
        """The part of a range of keep probabilities in which plans are free; None where there is none."""
        parts = self.unmissable if self.free else ()
        return next((part for part in parts if part[0] == keep_range[0]), None)


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper limit on total work: runs * N * (fixed + each * B) <= amount."""

    key: str
    amount: float
    fixed: float
    each: float

    def most_iterations(self, batch: FloatArray, runs: FloatArray) -> FloatArray:
        """Largest N that the limit allows; 0 where not even one iteration fits."""
        unit = runs * (self.fixed + self.each * batch)
        return np.asarray(np.floor(self.amount / unit * (1 + 1e-12)))

    def largest_batch(self, iterations: float) -> float:
        """Largest B that the limit allows with one run of so many iterations; at least 0."""
        if self.each == 0:
            return float("inf") if self.fixed * iterations <= self.amount else 0.0
        return max(0.0, float(np.floor((self.amount / iterations - self.fixed) / self.each * (1 + 1e-12))))


@dataclass(frozen=True, slots=True)
class Space:
    """The search space of one spec.

    Attributes:
        batch_sizes: the list to enumerate, or (min, max) of a range to search.
        batch_range: whether `batch_sizes` is such a range.
        iterations: (lowest, highest) N; equal where it is fixed.
        iterations_key: the key behind the highest N.
        keep_probs: ranges of zeta, each solved on its own.
        schedules: decays with their stopping distribution.
        stepsize: fixed by the user, or None.
        limits: budgets.
        goal: target, or None.
        cost: seconds per iteration (t0, t1 per sample), or None.
        assumed: what nobody gave.
        samples: S, or None; batch sizes that nobody listed do not exceed it.
    """

    batch_sizes: tuple[int, ...]
    batch_range: bool
    iterations: tuple[int, int]
    iterations_key: str
    keep_probs: tuple[Range, ...]
    schedules: tuple[Schedule, ...]
    stepsize: tuple[float, ...] | None
    limits: tuple[Limit, ...]
    goal: Goal | None
    cost: tuple[float, float] | None
    assumed: tuple[Assumption, ...]
    samples: int | None = None

    @property
    def fixed_iterations(self) -> bool:
        return self.iterations[0] == self.iterations[1]

    def closed_plan(self, schedule: Schedule) -> bool:
        """Whether the iterations that a target needs have a closed form."""
        return schedule.plain and self.stepsize is None and not self.fixed_iterations

    def seconds(self, batch: FloatArray, total_iterations: FloatArray) -> FloatArray | None:
        """Seconds of `total_iterations` iterations, or None without a cost model."""
        if self.cost is None:
            return None
        return np.asarray(total_iterations * (self.cost[0] + self.cost[1] * batch))

    def most_iterations(self, batch: FloatArray, runs: FloatArray) -> FloatArray:
        """Largest N that all limits leave; 0 where that is below the fewest allowed."""
        most = np.full(np.broadcast_shapes(batch.shape, runs.shape), float(self.iterations[1]))
        for limit in self.limits:
            most = np.minimum(most, limit.most_iterations(batch, runs))
        return np.where(most >= self.iterations[0], most, 0.0)

    def excess(self, batch: FloatArray, iterations: FloatArray, runs: FloatArray) -> FloatArray:
        """By what factor a limit, or the highest N, is exceeded most; 1 or less where none is."""
        times = [iterations / self.iterations[1]]
        times += [runs * iterations * (each.fixed + each.each * batch) / each.amount for each in self.limits]
        return np.asarray(np.max(np.broadcast_arrays(*times), axis=0))


def batch_choices(spec: Spec, samples: int | None) -> tuple[tuple[int, ...], bool]:
    """(batch sizes to choose from, False), or ((min, max), True) for a range.

    The default list ends at the number of rows, if that is known and smaller: powers of two and that number.
    What the spec lists itself stays.
    """
    if spec.training.batch_size is not None:
        return (spec.training.batch_size,), False
    listed = spec.search.batch_size
    if not isinstance(listed, tuple):
        return (listed.min, listed.max), listed.min < listed.max
    if samples is None or samples >= max(listed) or "batch_size" in spec.search.model_fields_set:
        return tuple(listed), False
    smaller = (1, 2, 4, 8) if samples < _FEW_ROWS else ()
    return (*(size for size in (*smaller, *listed) if size < samples), samples), False


def aim(problem: Problem, keep_probs: Sequence[Range], *, eps: float, delta: float, runs: int | None) -> Goal:
    """The goal of a network. Its largest squared gradient rises with the keep probability."""
    with np.errstate(over="ignore", invalid="ignore"):
        least, most = largest_gradient(problem, np.asarray(keep_probs, dtype=np.float64)).T
    parts = [
        (low, high if eps >= top else low)
        for (low, high), bottom, top in zip(keep_probs, least, most, strict=True)
        if eps >= bottom
    ]
    return Goal(eps, delta, runs, float(least.min()), tuple(parts))


def _keep_probs(spec: Spec) -> tuple[Range, ...]:
    if not spec.network.masked:
        return ((1.0, 1.0),)
    fixed = spec.training.keep_prob
    if fixed is not None:
        return ((fixed, fixed),)
    searched = spec.search.keep_prob
    if isinstance(searched, tuple):
        return tuple((value, value) for value in searched)
    return ((searched.min, searched.max),)


def _limits(spec: Spec, samples: int | None) -> list[Limit]:
    budget, limits = spec.budget, list[Limit]()
    if budget is None:
        return limits
    if budget.samples is not None:
        limits.append(Limit("budget.samples", float(budget.samples), 0.0, 1.0))
    if budget.epochs is not None and samples is not None:
        limits.append(Limit("budget.epochs", budget.epochs * samples, 0.0, 1.0))
    if budget.seconds is not None and spec.cost is not None:
        limits.append(
            Limit(
                "budget.seconds", budget.seconds, spec.cost.per_iteration or 0.0, spec.cost.per_sample or 0.0
            )
        )
    return limits


def search_space(spec: Spec, problem: Problem) -> Space:
    """Read the search space off a spec; see `Space`."""
    training, search = spec.training, spec.search
    assumed = list[Assumption]()
    stopping = stopping_of(spec)
    decays = (training.decay,) if training.decay is not None else tuple(search.decay)
    if training.iterations is not None:
        iterations, key = (training.iterations, training.iterations), "training.iterations"
    elif isinstance(stopping, tuple):
        iterations, key = (len(stopping), len(stopping)), "training.stopping"
    else:
        iterations, key = (search.iterations.min, search.iterations.max), "search.iterations.max"
        if "iterations" not in search.model_fields_set:
            assumed.append(Assumption("search.iterations.max", iterations[1], "the default limit"))
    batches, batch_range = batch_choices(spec, problem.samples)
    if training.batch_size is None and "batch_size" not in search.model_fields_set:
        ends = problem.samples is not None and batches[-1] == problem.samples
        why = "the default list" + (", up to the number of rows" if ends else "")
        assumed.append(Assumption("search.batch_size", ", ".join(map(str, batches)), why))
    keep_probs = _keep_probs(spec)
    free_keep_prob = training.keep_prob is None and spec.network.masked
    if free_keep_prob and "keep_prob" not in search.model_fields_set:
        low, high = keep_probs[0]
        assumed.append(Assumption("search.keep_prob", f"{low:g} to {high:g}", "the default range"))
    limits = _limits(spec, problem.samples)
    goal, target = None, spec.target
    if target is not None:
        goal = aim(problem, keep_probs, eps=target.eps, delta=target.delta, runs=target.runs)
    if goal is None and not limits and problem.samples is not None and iterations[0] < iterations[1]:
        limits.append(Limit("budget.epochs", ASSUMED_EPOCHS * problem.samples, 0.0, 1.0))
        assumed.append(
            Assumption(
                "budget.epochs",
                ASSUMED_EPOCHS,
                "neither target nor budget given; more work always lowers the bound",
            )
        )
    cost = None if spec.cost is None else (spec.cost.per_iteration or 0.0, spec.cost.per_sample or 0.0)
    stepsize = training.stepsize
    return Space(
        batch_sizes=batches,
        batch_range=batch_range,
        iterations=iterations,
        iterations_key=key,
        keep_probs=keep_probs,
        schedules=tuple(Schedule(decay, stopping) for decay in decays),
        stepsize=None if stepsize is None else (stepsize if isinstance(stepsize, tuple) else (stepsize,)),
        limits=tuple(limits),
        goal=goal,
        cost=cost,
        assumed=tuple(assumed),
        samples=problem.samples,
    )


def without_limits(space: Space) -> Space:
    """The same space with work unlimited, to say how far a target is out of reach."""
    highest = space.iterations[1] if space.fixed_iterations else MOST_ITERATIONS
    return replace(space, limits=(), iterations=(space.iterations[0], highest))
