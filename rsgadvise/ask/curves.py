"""The bound of the first rank against each knob, the others held.

Every value is that of `rsgadvise bound` with the knob set by hand: the same objective, asked for many
points at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from rsgadvise.advise.space import MOST_ITERATIONS, search_space
from rsgadvise.records import dataclass
from rsgadvise.theory import about
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import certified_beside, objective_for
from rsgadvise.theory.objective import FixedStepsize, Plans, Schedule
from rsgadvise.theory.search import distinct, geometric, whole_grid
from rsgadvise.theory.theorems import theorem_for

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.advise.space import Space
    from rsgadvise.spec import Spec
    from rsgadvise.theory.descent import FloatArray
    from rsgadvise.theory.objective import Objective
    from rsgadvise.theory.problem import Problem


# What is drawn: plain frozen records, in the words of the code; a renderer finds its own.

Knob = Literal["iterations", "stepsize", "stepsize_factor", "batch_size"]
SeriesName = Literal["held", "best", "same_work", "same_work_held", "certified"]
EdgeName = Literal["range", "certified_range", "largest_gradient", "target"]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a curve.

    Attributes:
        name: held, all other knobs as advised; best, the stepsize optimal at each x; same_work, N B as
            advised and the stepsize optimal, or same_work_held where the spec fixes that; certified, as held
            but with certified constants.
        values: the bound at each x; inf (null in JSON) where there is none.
    """

    name: SeriesName
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A line across the figure: ranges at a value of x, largest_gradient and target at one of y."""

    name: EdgeName
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The bound against one knob.

    Attributes:
        knob: what x is. stepsize_factor: the multiple of the advised stepsizes of all layers.
        x: increasing, the advised value among them.
        at: value of x that is advised. bound: there.
    """

    knob: Knob
    x: tuple[float, ...]
    at: float
    bound: float
    series: tuple[Series, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Everything that is drawn for one advice: the bound against iterations, stepsize and batch size.

    Attributes:
        curves: those that there are. absent: what is not drawn, and why.
    """

    curves: tuple[Curve, ...] = ()
    absent: tuple[str, ...] = ()


_POINTS = 45
_FEWER_POINTS = 23  # where stepsizes decay or R is not uniform, the best stepsize is searched, not solved
_ITERATIONS_SPAN = 1e3  # times the advised number, upwards; downwards see `_down`
_BATCH_SPAN = 256.0
_CLOSE_POINTS = 14
_STEPSIZE_SPAN = 1e3  # above the advised stepsize, where no range ends
_DOWN = (1e-3, 0.1)  # how far below the advised value a figure reaches at most and at least
_NEAR_END = 1e-3  # relative gap to the open end of the stepsizes, where the bound is infinite
_SMALLEST_FACTOR = 1e-6
_LARGEST_BATCH = 10**12
_MEASURED = (
    "The bound against iterations, stepsize and batch size: constants that were measured at W1 and in short "
    "runs say nothing of training far from there."
)
_NO_BOUND = (
    "The bound against iterations, stepsize and batch size: at this stepsize there is none, so there is "
    "nothing to draw."
)


@dataclass(frozen=True, slots=True)
class _Base:
    """The advised point, and the objectives that are asked around it."""

    objective: Objective
    certified: Objective | None  # at the P_R of the other; None where it is the same
    own_end: FloatArray  # largest stepsizes of the objective's theorem
    certified_end: FloatArray  # largest certified stepsizes
    limit: float
    stepsize: FloatArray
    keep_prob: float
    batch: float
    iterations: float
    schedule: Schedule
    fixed_stepsize: bool
    goal: float | None

    def held(
        self,
        objective: Objective,
        *,
        factor: FloatArray | float = 1.0,
        batch: FloatArray | float | None = None,
        iterations: FloatArray | float | None = None,
    ) -> FloatArray:
        """The bound with the advised stepsizes times `factor`, and what is given in place of the advice."""
        factor, batch, iterations = np.broadcast_arrays(
            np.atleast_1d(factor),
            self.batch if batch is None else batch,
            self.iterations if iterations is None else iterations,
        )
        wide = factor.reshape(*factor.shape, *(1,) * self.stepsize.ndim) * self.stepsize
        zeta = np.full(factor.shape, self.keep_prob)
        value = objective.bound(Plans(wide, zeta, batch, iterations, self.schedule)).value
        return np.broadcast_to(value, factor.shape)

    def lines(self, changed: Mapping[str, FloatArray], **others: FloatArray | None) -> tuple[Series, ...]:
        """The bound where one knob is changed, others by the names of `SeriesName`, and the certified one."""
        certified = None if self.certified is None else self.held(self.certified, **changed)
        named = dict(held=self.held(self.objective, **changed), **others, certified=certified)
        return tuple(
            Series(name, _values(values))  # type: ignore[arg-type]
            for name, values in named.items()
            if values is not None
        )

    def best(self, *, batch: FloatArray | float, iterations: FloatArray) -> FloatArray:
        """The bound with the stepsize that is optimal at each point, unless the spec fixes it."""
        batch, iterations = np.broadcast_arrays(batch, iterations)
        chooser = FixedStepsize(self.objective, self.stepsize) if self.fixed_stepsize else self.objective
        zeta = (self.keep_prob, self.keep_prob)
        return self.objective.bound(chooser.optimum(batch, iterations, zeta, self.schedule)).value

    @property
    def advised(self) -> float:
        """The bound of the advice."""
        return float(self.held(self.objective)[0])

    def levels(self) -> tuple[Edge, ...]:
        edges = [Edge("largest_gradient", self.limit)]
        if self.goal is not None:
            edges.append(Edge("target", self.goal))
        return tuple(edges)


def curves_of(spec: Spec, problem: Problem, advice: Advice) -> Curves:
    """The curves of an advice with the paper's constants or certified ones.

    What was measured is true near where that was, and the curves go far from there: then there are none.

    Args:
        spec: the spec behind the advice.
        problem: the same as numbers, with what was measured.
        advice: what `recommend` found for it.

    Returns:
        The curves; empty where the advice has no rank, and `absent` says so.
    """
    if not advice.recommendations:
        return Curves(absent=("No plan meets the target or the budget, so there is nothing to draw.",))
    if advice.measured or about(advice.constants).measured:
        return Curves(absent=(_MEASURED,))
    best, space = advice.recommendations[0], search_space(spec, problem)
    if not np.isfinite(best.bound):
        return Curves(absent=(_NO_BOUND,))
    base = _base(problem, space, advice, best)
    with np.errstate(all="ignore"):  # what overflows becomes inf, which is not drawn
        curves, absent = [], []
        if isinstance(base.schedule.stopping, tuple):
            absent.append(
                "Bound against iterations: P_R is a list of probabilities, whose length is the number of "
                "iterations."
            )
        else:
            curves.append(_against_iterations(base))
        curves += [_against_stepsize(base), _against_batch(base)]
    return Curves(tuple(curves), tuple(absent))


def _base(problem: Problem, space: Space, advice: Advice, best: Recommendation) -> _Base:
    zeta = np.asarray(best.keep_prob)
    stopping = space.schedules[0].stopping
    own, certified = (theorem_for(problem, name) for name in (advice.constants, "certified"))
    with np.errstate(all="ignore"):
        return _Base(
            objective=objective_for(problem, advice.constants),
            certified=None if own.proven else certified_beside(problem, advice.constants),
            own_end=own.objective.largest_stepsizes(zeta),
            certified_end=certified.objective.largest_stepsizes(zeta),
            limit=float(largest_gradient(problem, zeta)),
            stepsize=np.asarray(best.stepsize, dtype=np.float64),
            keep_prob=best.keep_prob,
            batch=float(best.batch_size),
            iterations=float(best.iterations),
            schedule=Schedule(best.decay, stopping),
            fixed_stepsize=space.stepsize is not None,
            goal=None if space.goal is None else float(space.goal.per_run(np.asarray(float(best.runs)))),
        )


def _whole(base: _Base, low: float, high: float, at: float) -> FloatArray:
    """Whole numbers spaced evenly on a log scale, the advised one among them."""
    grid = whole_grid(low, high, _POINTS if base.schedule.plain else _FEWER_POINTS)
    return distinct(np.concatenate([grid[grid < 2**53], [at]]))


def _values(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) if np.isfinite(value) else float("inf") for value in values)


def _down(base: _Base) -> float:
    """The factor below 1 down to which a figure is worth drawing.

    With small stepsizes and few iterations the bound is D_f/(N gamma): so far down it is four times the
    largest gradient possible, and says nothing.
    """
    return float(np.clip(base.advised / (4 * base.limit), *_DOWN)) if base.limit > 0 else _DOWN[0]


def _against_iterations(base: _Base) -> Curve:
    low = max(1.0, base.iterations * _down(base))
    high = min(max(base.iterations * _ITERATIONS_SPAN, 10.0), float(MOST_ITERATIONS))
    n = _whole(base, low, high, base.iterations)
    best = None if base.fixed_stepsize else base.best(batch=base.batch, iterations=n)
    return Curve(
        knob="iterations",
        x=_values(n),
        at=base.iterations,
        series=base.lines({"iterations": n}, best=best),
        bound=base.advised,
        edges=base.levels(),
    )


def _against_batch(base: _Base) -> Curve:
    low = max(1.0, base.batch / _BATCH_SPAN)
    high = min(max(base.batch * _BATCH_SPAN, 10.0), float(_LARGEST_BATCH))
    b = _whole(base, low, high, base.batch)
    same_work = None
    if not isinstance(base.schedule.stopping, tuple):
        left = np.floor(base.batch * base.iterations / b)
        inside = left >= 1  # a batch beyond all of the work leaves no iteration
        same_work = np.full(b.shape, np.inf)
        same_work[inside] = base.best(batch=b[inside], iterations=left[inside])
    return Curve(
        knob="batch_size",
        x=_values(b),
        at=base.batch,
        series=base.lines(
            {"batch": b}, **{"same_work_held" if base.fixed_stepsize else "same_work": same_work}
        ),
        bound=base.advised,
        edges=base.levels(),
    )


def _against_stepsize(base: _Base) -> Curve:
    """Against the stepsize; where layers differ, against one factor for all of them."""
    flat = base.stepsize.ravel()
    same = bool(np.all(flat == flat[0]))
    unit = float(flat[0]) if same else 1.0
    certified_end = _end(base, base.certified_end)
    # Beyond its range an objective is flat, at the limit or infinite: nothing to see there.
    own, both = _end(base, base.own_end), base.certified is not None
    factor = _factors(_down(base), own, certified_end)
    return Curve(
        knob="stepsize" if same else "stepsize_factor",
        x=_values(factor * unit),
        at=unit,
        series=base.lines({"factor": factor}),
        bound=base.advised,
        edges=(
            *base.levels(),
            *([Edge("range", own * unit)] if np.isfinite(own) else []),
            *([Edge("certified_range", certified_end * unit)] if np.isfinite(certified_end) and both else []),
        ),
    )


def _end(base: _Base, largest: FloatArray) -> float:
    """The open end of the factors: where the first layer leaves its range; inf where none does."""
    return float(np.min(np.asarray(largest) / base.stepsize))


def _factors(low: float, own: float, certified_end: float) -> FloatArray:
    """Factors on the advised stepsize, from well below it to the open end of its range."""
    if np.isfinite(certified_end):  # where the advice lies far beyond the certified range, that is shown too
        low = min(low, max(certified_end / 10, _SMALLEST_FACTOR))
    end = own if np.isfinite(own) else _STEPSIZE_SPAN
    grid = geometric(low, end * (1 - _NEAR_END), _POINTS)
    close = end * (1 - geometric(0.6, _NEAR_END, _CLOSE_POINTS))  # where the bound climbs steeply
    factors = distinct(np.concatenate([grid, close, [1.0]]))
    inside = (factors >= low) & ((factors < end) | (factors == 1.0))
    return np.asarray(factors[inside])
