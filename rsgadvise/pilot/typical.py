"""Typical constants: advice from statistics alone, measured and raced on made-up data that has them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.recommend import rank, training_plan, without_bounds
from rsgadvise.advise.results import Advice, TrainingPlan, cooled
from rsgadvise.advise.space import Space
from rsgadvise.errors import HypothesisError
from rsgadvise.numerals import percent
from rsgadvise.pilot.calibration import steepness
from rsgadvise.pilot.directional import directional_stepsize
from rsgadvise.pilot.experiments import USUAL_BOX
from rsgadvise.pilot.task import Task
from rsgadvise.pilot.twins import (
    COLUMNS,
    ROWS,
    Statistics,
    Twin,
    columns_for,
    make_twin,
    shared_part,
    typical_statistics,
)
from rsgadvise.records import dataclass
from rsgadvise.theory.calibrated import loss_stepsize
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import MeasuredConstants, Problem
from rsgadvise.training.curvature import PRODUCT_COST, Curvature
from rsgadvise.training.generated import refuse_standardised
from rsgadvise.training.networks import Data, Kernel, Network, Weights, clip_to_box, one_thread, with_biases

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


# A race of stepsizes on twins: the longest that trains, whatever the user's data are like.
#
# The loss at the end of a training falls with the stepsize until the first steps drive the sigmoids into
# saturation, and rises from there; where the classes are noisy it rises long before, by the noise of batches,
# even if the stepsize falls to 0 over the last steps, as it does here and in what is advised.
# How noisy they are nobody knows, so that the twins differ in it, and the stepsize of the least mean loss is
# advised. A network too large for such a race has 1/U at W^1 of one twin instead.

FloatArray = NDArray[np.float64]

RATIO = 10**0.25
"""Of neighbouring stepsizes."""

BATCH_SIZE = 32
"""Of the race."""

NOISE = (0.0, 0.5, 1.0, 0.5)
"""Share of the rows of each twin whose class is drawn anew. Without noise the stepsize is far too long for
noisy classes in networks without hidden layers; pure noise tells what the batches alone do."""

LEAST_SPREAD = 4.0
"""Twins agree better with each other, mostly to one `RATIO`, than any of them does with the user's data. The
best stepsize of a grid was within this factor in 30 of 32 settings of docs/typical.md."""

_CANDIDATES = 13
_SHALLOW = (4, 150)  # twins and steps without hidden layers, which are soon done
_LENGTHS = ((2, 1200), (2, 600), (2, 300), (2, 150), (1, 150), (1, 100), (1, 50))
_WORK = 5e9  # multiply-adds of one race: about a second
_UNIT = 20  # multiply-adds that take as long as one unit's sigmoid and its derivative
_PRODUCTS = 6  # of Lanczos, where there is no race
_SHIFTS = 2  # of the candidates, where the best is at their end
_HIDDEN = 0.29  # E h^2 of a hidden unit at W1, about
_CENTRE = 32.0  # stepsize in the middle of the candidates, times the steepness of the last layer's inputs
_FLATTEST = 1e-30
_COOLDOWN = 0.1  # of the steps: twice that of what is advised, since there are fewer of them
_FAILED = 10.0  # of a constant prediction's loss: as bad as any that is no number
_TWIN, _SHARED, _START, _MASKS = 0, 1, 2, 3  # keys of randomness
_LOOKED_AT = 64  # rows for curvature and variances


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What twins tell.

    Attributes:
        constants: for the bounds; the smoothness is the reciprocal of the stepsize.
        stepsize: the one advised for full gradients, common to all layers.
        spread: the largest factor between that of a twin alone and `stepsize`, at least `LEAST_SPREAD`.
        loss: at its end on the first twin, whose classes can be learned, as a share of a constant
            prediction's; None without a race.
        twins, steps: how many there were; no steps without a race.
        work: in multiply-adds.
    """

    constants: MeasuredConstants
    stepsize: float
    spread: float
    loss: float | None
    twins: int
    steps: int
    work: float


@one_thread()
def rehearse(
    network: Network,
    known: Statistics,
    *,
    seed: int,
    iterations: int,
    optimizer: Optimizer = PLAIN,
) -> Rehearsal:
    """Race stepsizes on twins with these statistics.

    Args:
        network: as it will be trained.
        known: statistics of its inputs.
        seed: of all randomness.
        iterations: N of the training; the race is no longer.
        optimizer: as it will be trained with.

    Raises:
        HypothesisError: the network is too large for it, or the inputs are all but zero.
    """
    tied = network.tied
    columns = known.dim if tied else columns_for(known, fewest=COLUMNS)
    small = replace(network, layers=(columns, *network.layers[1:]))
    weights = sum(math.prod(shape) for shape in small.shapes) * (2 if tied else 1)
    hidden = len(network.widths) > 2
    twins, steps, work = _length(network, weights, sum(small.widths[1:]), iterations, hidden=hidden)
    steepest = _HIDDEN * network.layers[-1 if tied else -2] if hidden else known.steepest
    if not (steepest > _FLATTEST and known.steepest > _FLATTEST):
        raise HypothesisError(
            f"must be above 0 for typical constants; got {known.mean:g}: inputs that are all but zero have "
            "no gradient, and any stepsize will do",
            quantity="data.mean",
        )
    shared = shared_part(known, columns=columns, rng=_rng(seed, _SHARED))
    made = [
        make_twin(
            known,
            columns=columns,
            outputs=None if tied else network.layers[-1],
            shared=shared,
            rng=_rng(seed, _TWIN, number),
            noise=NOISE[number],
        )
        for number in range(twins)
    ]
    starts = [
        _start(small, known.dim, made[0].group, network, _rng(seed, _START, number))
        for number in range(twins)
    ]
    boxed = _boxed(small, made[0].group)
    # The weights of a group move together, sqrt(group) times as far, where lengths of gradients do not count.
    alike = math.sqrt(made[0].group) if optimizer.scale_free else 1.0
    lengths = (alike, *(1.0,) * (len(small.shapes) - 1))
    centre = _CENTRE / steepest
    if not optimizer.plain:
        centre = _along_updates(boxed, made[0], starts[0], lengths, optimizer, steepest=steepest, seed=seed)
    if not steps and not optimizer.plain:
        here = Curvature(replace(boxed, keep_prob=1.0), _some(made[0]), [matrix[0] for matrix in starts[0]])
        known_here = _constants([here], _as_sgd(centre, optimizer, steepest))
        return Rehearsal(known_here, centre, LEAST_SPREAD, None, 1, 0, work)
    if not steps:
        return _unraced(boxed, made[0], starts[0], _rng(seed, _SHARED, 1), mean=known.mean, work=work)
    places = np.arange(_CANDIDATES) - (_CANDIDATES - 1) / 2
    grid = np.asarray(centre * RATIO**places, np.float64)
    for shift in range(_SHIFTS + 1):
        ends = [
            _raced(
                boxed,
                twin,
                start,
                _rng(seed, _MASKS, number),
                grid=grid,
                steps=steps,
                lengths=lengths,
                optimizer=optimizer,
            )
            for number, (twin, start) in enumerate(zip(made, starts, strict=True))
        ]
        losses = np.array([loss for loss, _ in ends])
        best = int(losses.mean(axis=0).argmin())
        if 0 < best < _CANDIDATES - 1 or shift == _SHIFTS or work * (shift + 2) > _WORK:
            break
        grid = np.asarray(grid * RATIO ** ((_CANDIDATES // 2) * (1 if best else -1)))
    own = [lowest(grid, loss) for loss in losses]
    gamma = lowest(grid, losses.mean(axis=0))
    found = [
        Curvature(replace(boxed, keep_prob=1.0), _some(twin), [matrix[best] for matrix in end])
        for twin, (_, end) in zip(made, ends, strict=True)
    ]
    return Rehearsal(
        constants=_constants(found, _as_sgd(gamma, optimizer, steepest), batch_size=BATCH_SIZE),
        stepsize=gamma,
        spread=max(LEAST_SPREAD, *(max(other / gamma, gamma / other) for other in own)),
        loss=float(losses[0][best]),
        twins=twins,
        steps=steps,
        work=work * (shift + 1),
    )


def _along_updates(
    network: Network,
    twin: Twin,
    start: Weights,
    lengths: Sequence[float],
    optimizer: Optimizer,
    *,
    steepest: float,
    seed: int,
) -> float:
    """gamma* at W^1, without masks: where the stepsizes of an optimiser other than SGD are looked for."""
    whole = replace(network, keep_prob=1.0)
    task = Task.of(whole, twin.data, seed=seed, hold_out=False, optimizer=optimizer)
    rows = np.arange(min(_LOOKED_AT, twin.data.rows))
    return directional_stepsize(
        task, start, rows, batch_size=BATCH_SIZE, shape=lengths, steepest=steepest
    ).stepsize


def _as_sgd(gamma: float, optimizer: Optimizer, steepest: float) -> float:
    """The stepsize that takes SGD about as far; the usual one where the optimiser's own tells nothing."""
    return _CENTRE / steepest if optimizer.scale_free else gamma * optimizer.gain


def _length(
    network: Network, weights: int, units: int, iterations: int, *, hidden: bool
) -> tuple[int, int, float]:
    """(twins, steps, work) that such a network can afford; of many units the sigmoids take longest."""
    for twins, most in _LENGTHS if hidden else (_SHALLOW, *_LENGTHS[-4:]):
        steps = min(most, iterations)
        work = 3.0 * weights * _CANDIDATES * twins * (BATCH_SIZE * steps + ROWS)
        if work * max(1.0, _UNIT * units / weights) <= _WORK:
            return twins, steps, work
    work = 3.0 * _LOOKED_AT * weights * (1 + PRODUCT_COST * _PRODUCTS)
    if work <= _WORK:
        return 1, 0, work
    raise HypothesisError(
        f"has {weights:,} weights to train on made-up data, and {_WORK / (work / weights):,.0f} are the most "
        f"for typical constants; {network.without_measuring}, or with a data file use --constants calibrated",
        quantity="network.layers",
    )


def _unraced(
    network: Network, twin: Twin, start: Weights, rng: np.random.Generator, *, mean: float, work: float
) -> Rehearsal:
    """1/U at W^1, without masks."""
    here = Curvature(replace(network, keep_prob=1.0), _some(twin), [matrix[0] for matrix in start])
    steepest = steepness(here, network, rng, products=_PRODUCTS).highest
    if not steepest > 0:
        raise HypothesisError(
            f"must leave curvature at W1 for typical constants; got {mean:g}; {network.without_measuring}",
            quantity="data.mean",
        )
    gamma = 1 / steepest
    return Rehearsal(_constants([here], gamma), gamma, LEAST_SPREAD, None, 1, 0, work)


def _rng(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5, *key)))


def _boxed(small: Network, group: float) -> Network:
    """The box of the twin's weights, each the sum of a group's over the square root of their number."""
    if not small.weight_bounds or small.tied:
        return small
    first, *others = small.weight_bounds
    return replace(small, weight_bounds=(first * math.sqrt(group), *others))


def _start(small: Network, dim: int, group: float, network: Network, rng: np.random.Generator) -> Weights:
    """W^1 as W_l ~ N(0, 1/d_{l-1}) clipped to the box leaves it, the sums of a group's in the first layer."""
    weights: Weights = []
    for level, (before, after) in enumerate(pairwise(small.layers)):
        inputs = dim if level == 0 else before
        matrix = rng.standard_normal((1, after, before)) / math.sqrt(inputs)
        if network.weight_bounds:
            bound = network.weight_bounds[level]
            if level == 0 and group > 1:
                matrix *= _clipped_deviation(bound * math.sqrt(inputs))
            else:
                matrix.clip(-bound, bound, out=matrix)
        weights.append(matrix)
    return with_biases(small, weights)


def _clipped_deviation(bound: float) -> float:
    """Standard deviation of a standard normal number that is clipped to [-bound, bound].

    Example:
        >>> round(_clipped_deviation(8.0), 6), round(_clipped_deviation(1e-3), 6)
        (1.0, 0.001)
    """
    inside = math.erf(bound / math.sqrt(2))
    tail = bound * math.sqrt(2 / math.pi) * math.exp(-(bound**2) / 2)
    return math.sqrt(max(0.0, inside - tail + min(bound, 1e100) ** 2 * math.erfc(bound / math.sqrt(2))))


def _raced(
    network: Network,
    twin: Twin,
    start: Weights,
    rng: np.random.Generator,
    *,
    grid: FloatArray,
    steps: int,
    lengths: Sequence[float],
    optimizer: Optimizer,
) -> tuple[FloatArray, Weights]:
    """(final loss over a constant prediction's, final weights) of each stepsize, from the same batches."""
    count, dtype = len(grid), np.dtype(np.float32)
    inputs, targets = twin.data.inputs.astype(dtype), twin.data.targets.astype(dtype)
    kernel = Kernel(network, replicas=count, rows=BATCH_SIZE, dtype=dtype, shared=True)
    weights: Weights = [np.repeat(matrix, count, axis=0).astype(dtype) for matrix in start]
    memory = [[np.zeros_like(matrix) for _ in optimizer.memory] for matrix in weights]
    paces = [cooled(step, steps, _COOLDOWN) for step in range(1, steps + 1)]
    gammas = np.multiply.outer(paces, grid).astype(dtype)[:, :, None, None]
    batches = rng.integers(0, ROWS, (steps, BATCH_SIZE))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for step, (batch, gamma) in enumerate(zip(batches, gammas, strict=True), start=1):
            if kernel.masks:
                _mask(kernel, network.keep_prob, twin.group, rng)
            kernel.inputs[0], kernel.targets[0] = inputs[batch], targets[batch]
            moves = kernel.gradient(weights, scale=1 / BATCH_SIZE)
            for matrix, move, kept, length in zip(weights, moves, memory, lengths, strict=True):
                if not optimizer.plain:
                    optimizer.turn(move, matrix, kept, step)
                np.multiply(move, gamma if length == 1 else length * gamma, out=move)
                np.subtract(matrix, move, out=matrix)
            clip_to_box(network, weights)
        kernel = Kernel(network, replicas=count, rows=ROWS, dtype=dtype, shared=True)
        if kernel.masks:
            _mask(kernel, network.keep_prob, twin.group, rng)
        kernel.inputs[0], kernel.targets[0] = inputs, targets
        losses = np.asarray(kernel.loss(weights, scale=1 / ROWS), np.float64)
    constant = network.head.constant_loss(np.asarray(twin.data.targets, np.float64))
    share = losses / constant if constant > 0 else losses
    return np.where(np.isfinite(share), np.minimum(share, _FAILED), _FAILED), weights


def _mask(kernel: Kernel, keep_prob: float, group: float, rng: np.random.Generator) -> None:
    """New masks; of a group of inputs the share that is kept."""
    copies = max(1, round(group))
    kernel.masks[0][:] = rng.binomial(copies, keep_prob, kernel.masks[0].shape) / copies
    for mask in kernel.masks[1:]:
        mask[:] = rng.random(mask.shape) < keep_prob


def lowest(grid: FloatArray, losses: FloatArray) -> float:
    """The stepsize of the least loss, by the parabola in logarithms through it and its two neighbours."""
    best = int(losses.argmin())
    if not 0 < best < len(grid) - 1:
        return float(grid[best])
    before, here, after = np.log(losses[best - 1 : best + 2])
    bend = before - 2 * here + after
    move = (before - after) / (2 * bend) if bend > 0 else 0.0
    return float(grid[best] * RATIO ** min(max(move, -0.5), 0.5))


def _some(twin: Twin) -> Data:
    return Data(twin.data.inputs[:_LOOKED_AT], twin.data.targets[:_LOOKED_AT])


def _constants(
    curvatures: Sequence[Curvature], gamma: float, *, batch_size: int | None = None
) -> MeasuredConstants:
    """Medians over the twins, of logarithms where that differs, at the end of their race.

    In `loss_stepsize` the stepsize of batches of B is at least 1/(U + sigma^2/(f B)). So that it is gamma for
    the batches of the race, U is what the noise leaves of 1/gamma, and at least half of it.
    """
    gradients = [here.gradient for here in curvatures]
    variances = [
        [
            max(0.0, float(squares.mean() - np.sum(part**2)))
            for squares, part in zip(here.layer_squares, gradient, strict=True)
        ]
        for here, gradient in zip(curvatures, gradients, strict=True)
    ]
    losses = [float(here.losses.mean()) for here in curvatures]
    norms = [math.sqrt(sum(float(np.sum(part**2)) for part in gradient)) for gradient in gradients]
    known = MeasuredConstants(
        smoothness=1 / gamma,
        layer_variances=tuple(_middle(layer) for layer in zip(*variances, strict=True)),
        distance=_middle(
            min(loss / norm, 1e150) if norm > 0 else 1e150 for loss, norm in zip(losses, norms, strict=True)
        ),
        loss=_middle(losses),
    )
    if batch_size is None:
        return known
    noise = known.gradient_variance / (known.loss * batch_size)
    return replace(known, smoothness=max(1 / gamma - noise, 1 / (2 * gamma)))


def _middle(values: Iterable[float]) -> float:
    """Median in logarithms."""
    return float(np.exp(np.median(np.log(np.maximum(list(values), 1e-300)))))


# Typical constants: advice from statistics alone, measured on made-up data that has them.

_NOTHING_LEARNED = 0.999


@dataclass(frozen=True, slots=True)
class Typical:
    """What made-up data tell.

    Attributes:
        advice: ranked by typical constants.
        train: what to train with; also where a target cannot be met by these constants.
        cost: of the rehearsal, in trainings.
        notes: on the stepsize, and how it was found.
    """

    advice: Advice
    train: TrainingPlan | None
    cost: float
    notes: tuple[str, ...]

    def alone(self) -> Advice:
        notes = (*self.notes, *self.advice.notes)
        return replace(self.advice, notes=notes, train=self.train, cost=self.cost)


def typical(
    spec: Spec,
    problem: Problem,
    space: Space,
    *,
    seed: int,
    top: int,
    measured: Mapping[str, float | int | None] | None,
) -> Typical:
    """Rank with constants from twins: made-up data with the spec's statistics.

    Kind: estimates. Nothing is proven, and nothing was measured on the user's data. f(W1) and the certified
        bounds are as without twins.

    Args:
        spec: a valid spec; its statistics may be missing, and typical ones are then assumed.
        problem, space: of the spec.
        seed: of the twins; the same seed gives the same advice.
        top: rows to return.
        measured: statistics of the data by spec key, in place of those in the spec.

    Raises:
        HypothesisError: the network is too large to be trained on twins, the inputs are all but zero, or
            no data have such statistics.
    """
    refuse_standardised(problem)
    known, assumed = typical_statistics(spec, measured)
    keep_prob = max(high for _, high in space.keep_probs)
    network = Network.of(problem, keep_prob)

    def tried(each: Network) -> Rehearsal:
        return rehearse(each, known, seed=seed, iterations=_longest(space), optimizer=problem.optimizer)

    found = tried(network)
    known_problem = replace(problem, measured=found.constants)
    advice = rank(known_problem, space, constants="typical", top=top)
    # What certified bounds assume beside it is another matter, and stays.
    advice = replace(advice, assumed=(*advice.assumed, *assumed))
    notes = tuple(_notes(problem, space, found))
    if not problem.optimizer.plain and advice.recommendations:
        advice = _of_its_own(advice, problem, space, found)
    if advice.recommendations:
        best = advice.recommendations[0]
    else:  # the target is out of reach, and still there is something to train with
        freed = rank(known_problem, replace(space, goal=None), constants="typical", top=1)
        if not freed.recommendations:
            return Typical(advice, None, 0.0, notes)
        best = freed.recommendations[0]
    fixed = space.stepsize is not None
    plan = training_plan(
        best, problem.weight_bounds, source="typical", spread=None if fixed else found.spread
    )
    work = found.work
    if found.loss is not None and found.loss >= _NOTHING_LEARNED and not fixed:
        wide = tuple(max(each, USUAL_BOX) for each in network.weight_bounds)
        other = tried(replace(network, weight_bounds=wide)) if wide != network.weight_bounds else None
        plan = replace(plan, reason=_reason(network, found, other))
        work += 0.0 if other is None else other.work
    weights = sum(math.prod(shape) for shape in network.shapes) * (2 if network.tied else 1)
    return Typical(advice, plan, work / (3.0 * weights * best.samples), notes)


def _of_its_own(advice: Advice, problem: Problem, space: Space, rehearsal: Rehearsal) -> Advice:
    """The first rank with the stepsize of an optimiser that no theorem is about."""
    best, optimizer = advice.recommendations[0], problem.optimizer
    if space.stepsize is None:
        sizes = np.asarray([float(best.batch_size), float(BATCH_SIZE)])
        # The square root of the batch size: Malladi et al. (2022), as in `candidates`.
        scales = (
            np.sqrt(sizes)
            if optimizer.scale_free
            else loss_stepsize(
                rehearsal.constants,
                batch_size=sizes,
                iterations=np.full(2, float(best.iterations)),
                decay=best.decay,
            )
        )
        gamma = rehearsal.stepsize * float(scales[0] / scales[1])
        best = replace(best, stepsize=(gamma,) * problem.stepsizes if problem.layered else gamma)
    objective = "smallest loss on made-up data"
    return without_bounds(advice, best, objective=objective, optimizer=optimizer)


def _longest(space: Space) -> int:
    """The most iterations that any batch size has room for."""
    sizes = np.asarray(space.batch_sizes, dtype=np.float64)
    return int(max(1.0, float(space.most_iterations(sizes, np.ones(len(sizes))).max())))


def _reason(network: Network, rehearsal: Rehearsal, wide: Rehearsal | None) -> str:
    """That no stepsize learned anything, and whether one does with weights kept within `USUAL_BOX`."""
    said = (
        "on made-up data with these statistics no stepsize got below a constant prediction within "
        f"{rehearsal.steps} steps"
    )
    if wide is None or wide.loss is None:
        return f"{said}; a data file would tell more"
    said += f" with weights kept within {min(network.weight_bounds):g}"
    if wide.loss >= _NOTHING_LEARNED:
        return f"{said}, nor within {USUAL_BOX:g}; a data file would tell more"
    return (
        f"{said}; within {USUAL_BOX:g} one ended at {percent(wide.loss)} of its loss: "
        f"set network.weight_bound to {USUAL_BOX:g}"
    )


def _notes(problem: Problem, space: Space, rehearsal: Rehearsal) -> list[str]:
    made = f"{rehearsal.twins} made-up data sets" if rehearsal.twins > 1 else "one made-up data set"
    several = "" if rehearsal.twins == 1 or not rehearsal.steps else ", some of them noisy"
    classes = "" if problem.tied else f" and random linear classes{several}"
    how = "Stepsizes were tried" if rehearsal.steps else "The curvature at W1 was measured"
    notes = [
        f"Typical: neither proven nor measured on your data. {how} on {made} of {ROWS} rows with "
        f"these statistics{classes}; on yours the best stepsize may well differ by a factor of "
        f"{rehearsal.spread:.2g}."
    ]
    if not problem.tied and problem.layers[-1] == 1:
        notes.append("The targets were taken to be 0 or 1; for other values the stepsize may differ.")
    if space.goal is None and not space.limits and not space.fixed_iterations:
        notes.append(
            "Nothing limits the work, so all of search.iterations.max is used: give budget.epochs, "
            "budget.samples or training.iterations."
        )
    if space.stepsize is not None:
        notes.append(f"The stepsize is fixed; made-up data would have it {rehearsal.stepsize:.2g}.")
    return notes
