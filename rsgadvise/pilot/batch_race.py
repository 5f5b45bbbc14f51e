"""The critical batch size by a race of batch sizes: how many iterations each takes to the same early loss.

Batches of B/4, B and 4B rows train from the same start, each with a few stepsizes about the one that is
advised for B, until the loss of some rows is as low as the largest batches brought it in a short while. The
hyperbola S_min (1 + B_c/B) through the three numbers of iterations has B_c, at that loss. It grows while
training goes on, and is carried on to the end of the training that is advised.

Why not by the noise of gradients alone: at weights that a training passes, most of the gradient in the steep
directions is what the noise of its own batches put there, so that tr Sigma / ||grad f||^2 tells of the
batches that were used, and nothing of how far the curvature lets a step go. See docs/batch.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rsgadvise.advise.results import NoiseScale, TrainingPlan, by_matrix
from rsgadvise.pilot.task import Task, multiply_adds
from rsgadvise.pilot.tournament import loss_at
from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.training.networks import Data, Network, one_thread
from rsgadvise.training.rsg import Training, train

Run = Callable[[int, float, Sequence[int]], Iterator[tuple[int, float]]]
"""Trains with a batch size and a multiple of the advised stepsize, and yields after each of the given numbers
of updates that number and the loss of the rows that all are judged by."""

_TRAININGS, _FEWEST_SAMPLES, _MOST_TRAININGS = 1.0, 80_000, 4.5
"""What the race costs at most, about: of the advised length, or examples where that is shorter; but never so
many that its runs go beyond the training itself."""

SEEDS = 2
"""Runs of each stepsize, with mini-batches of their own: one that is lucky would set the target alone."""

_RATIO = 4  # of neighbouring batch sizes
_FEWEST_ROWS = 2  # of a batch: of one, some modules have no statistics
_RUNGS = (-1, 0, 1)  # powers of two, about the stepsize that the root of the batch size would have
_MOST_FURTHER = 2  # rungs beyond an end that is best
_GROWTH = 1.12  # from a look to the next
_MEDIAN_OF = 3  # looks: a loss counts once the middle one of these is there
_FEWEST = 10  # updates of the largest batches
_LEARNT = 0.97  # of the first loss: a race that ends above has told nothing

# All on the development settings of benchmarks/batch:
_ERROR, _SURE = 0.2, 2.0  # of the logarithm of a number of iterations, and how surely, in observations
_USUAL = 20.0, 150.0  # critical batch size of plain SGD, and of updates that know no lengths
_SPREAD = 1.0  # of the logarithm of a usual critical batch size
_POWERS = 0.2, 0.4  # of the iterations with which it grows
_POWER_ERROR = 0.2
_ENDS = 0.05, 0.5, 0.95  # shares of what is believed that lie below

_PLACES = np.linspace(math.log(1e-2), math.log(1e6), 500)  # of the logarithm of a critical batch size

_JUDGED = 512  # rows, by the numpy engine
_START, _BATCHES, _JUDGING = 3, 9, 9  # keys of randomness


@dataclass(frozen=True, slots=True)
class Usual:
    """What is believed of the critical batch size of whole trainings before anything is measured.

    Attributes:
        critical: in the middle.
        power: of the iterations with which it grew.
        spread: standard deviation of its logarithm.
    """

    critical: float
    power: float
    spread: float = _SPREAD

    @classmethod
    def of(cls, optimizer: Optimizer | None, rows: int | None = None) -> Usual:
        """Of an optimiser, None for one that nothing is known of, and so many rows, None where unknown.

        Momentum goes 1/(1 - beta) times as far for each gradient, so that it needs so many times fewer, and
        larger batches pay so many times longer (Shallue et al., 2019); to no more than Adam's, the largest
        that was measured. On few rows it was about their number.

        Example:
            >>> from rsgadvise.theory.optimizers import optimizer_of
            >>> [round(Usual.of(optimizer_of(name)).critical) for name in ("sgd", "momentum", "adam")]
            [20, 150, 150]
        """
        most = min(_USUAL[1], rows or math.inf)
        if optimizer is None or optimizer.scale_free:
            return cls(most, _POWERS[1])
        return cls(min(_USUAL[0] * optimizer.gain, most), _POWERS[bool(optimizer.memory)])


@dataclass(frozen=True, slots=True)
class BatchRace:
    """What a race of batch sizes found.

    Attributes:
        steps: iterations to the loss that it ran to by batch size; empty where nothing was learnt.
        at: that loss.
        samples: that it took.
    """

    steps: Mapping[int, float]
    at: float
    samples: float

    def carried(self, batch_size: int, iterations: int, usual: Usual) -> NoiseScale:
        """The critical batch size of a training of so many iterations of such batches.

        Kind: an extrapolation, see `critical`.
        """
        if not self.steps:
            return usual_critical(usual)
        further = math.log(max(1.0, iterations / self.steps[batch_size]))
        return NoiseScale(*critical(self.steps, usual, further), self.at, "race")


def usual_critical(usual: Usual) -> NoiseScale:
    """What is believed of a critical batch size before anything is measured; `at` is not known.

    Example:
        >>> found = usual_critical(Usual.of(None))
        >>> round(found.lower), round(found.value), round(found.upper)
        (29, 150, 777)
    """
    return NoiseScale(*critical({}, usual), None, "typical")


def critical(steps: Mapping[int, float], usual: Usual, further: float = 0.0) -> tuple[float, float, float]:
    """(B_c at the end of a training, the lower and the upper end of 90 %) by iterations S at an early loss.

    Before anything is measured log B_c is normal about what is usual. The early one is smaller by the factor
    (N/k)^-p, where k iterations came to the early loss, with the power p known to a normal error. Logarithms
    of S are those of S_min (1 + B_c/B), S_min being whatever fits, to an error of about 0.2 that the misfit
    itself makes larger (Student's t): where all sizes took as long, or each as many samples, B_c is only
    known to lie below or above them, and the usual one decides how far.

    Kind: the median and quantiles of a posterior, on a grid.

    Args:
        steps: S by batch size. usual: what is believed before.
        further: log(N/k).

    Example:
        >>> steps = {size: 10 * (1 + 50 / size) for size in (8, 32, 128)}
        >>> [round(each) for each in critical(steps, Usual(50.0, 0.2))]
        [51, 25, 113]
    """
    believed = np.exp(-(((_PLACES - math.log(usual.critical)) / usual.spread) ** 2) / 2)
    if steps:
        sizes, logs = np.array(list(steps), np.float64), np.log(list(steps.values()))
        rest = logs - np.log1p(np.exp(_PLACES)[:, None] / sizes)
        misfit = np.sum((rest - rest.mean(axis=1, keepdims=True)) ** 2, axis=1) / _ERROR**2
        free = _SURE + len(sizes) - 1
        early = ((_SURE + misfit) / (_SURE + misfit.min())) ** (-free / 2)
        error = max(_POWER_ERROR * further, _PLACES[1] - _PLACES[0])
        apart = _PLACES[:, None] - usual.power * further - _PLACES
        believed *= np.exp(-((apart / error) ** 2) / 2) @ early
    below = (np.cumsum(believed) - believed / 2) / believed.sum()
    lower, value, upper = np.exp(np.interp(_ENDS, below, _PLACES))
    return float(value), float(lower), float(upper)


def raced_sizes(batch_size: int, rows: int) -> tuple[int, ...]:
    """Three batch sizes, the given one among them, as far as there are rows; none of one row but for that.

    Example:
        >>> raced_sizes(32, 1000), raced_sizes(32, 100), raced_sizes(4, 1000), raced_sizes(8, 8)
        ((8, 32, 128), (2, 8, 32), (4, 16, 64), (2, 8))
    """
    least = batch_size // _RATIO
    if least < _FEWEST_ROWS:
        sizes = [batch_size * _RATIO**power for power in range(3)]
    elif batch_size * _RATIO <= rows:
        sizes = [least, batch_size, batch_size * _RATIO]
    else:
        sizes = [least // _RATIO, least, batch_size]
    return tuple(size for size in sizes if size == batch_size or _FEWEST_ROWS <= size <= rows)


def batch_race(run: Run, *, batch_size: int, rows: int, whole: float, work: float) -> BatchRace:
    """Race three batch sizes to the loss that the largest reaches with its share of the budget.

    Args:
        run: trains.
        batch_size: B, for which the stepsize is advised.
        rows: to train on.
        whole: samples of the training that is advised.
        work: samples that it may take at most, about.
    """
    sizes, taken = raced_sizes(batch_size, rows), 0.0
    if len(sizes) < 2:  # too few rows for another
        return BatchRace({}, math.inf, 0.0)
    largest = sizes[-1]
    budget = min(max(_TRAININGS * whole, _FEWEST_SAMPLES), _MOST_TRAININGS * whole, work) / SEEDS
    most = max(_FEWEST, round(budget / (len(_RUNGS) * len(sizes) * largest)))

    def advance(size: int, rung: int, steps: float, target: float) -> list[tuple[int, float]]:
        """(updates, loss) at each look, until the target is reached."""
        nonlocal taken
        last: list[float] = []
        means: list[tuple[int, float]] = []
        for at, loss in run(size, 2.0**rung * math.sqrt(size / batch_size), _looks(steps)):
            last = [*last, loss][-_MEDIAN_OF:]
            means.append((at, float(np.median(last))))
            if not means[-1][1] > target or not math.isfinite(loss):
                break
        taken += SEEDS * size * means[-1][0]
        return means

    tried, wanted = dict[int, list[tuple[int, float]]](), list(_RUNGS)
    while wanted:
        tried |= {rung: advance(largest, rung, most, -math.inf) for rung in wanted}
        wanted = _beyond({rung: means[-1][1] for rung, means in tried.items()})
    ends = [means[-1][1] for means in tried.values() if math.isfinite(means[-1][1])]
    start = min((means[0][1] for means in tried.values()), default=math.inf)
    target = min(ends, default=math.inf)
    if not target < _LEARNT * start:
        return BatchRace({}, target, taken)
    steps = {largest: min(_crossing(means, target) for means in tried.values())}
    for size, larger in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        noise = steps[larger] * larger / size  # iterations where noise is all there is
        crossings = dict[int, float]()
        wanted = list(_RUNGS)
        while wanted:
            limit = min([noise, *crossings.values()])
            crossings |= {rung: _crossing(advance(size, rung, limit, target), target) for rung in wanted}
            wanted = _beyond(crossings)
        steps[size] = min(noise, *crossings.values())
    return BatchRace(steps, target, taken)


def _beyond(found: Mapping[int, float]) -> list[int]:
    """The next rung where the best stands at an end."""
    best = min(found, key=lambda rung: found[rung])
    if not math.isfinite(found[best]) or len(found) >= len(_RUNGS) + _MOST_FURTHER:
        return []
    if best == min(found):
        return [best - 1]
    return [best + 1] if best == max(found) else []


def mean_loss(losses: Sequence[float]) -> float:
    """Of the runs with one stepsize: the geometric mean; inf where one has diverged.

    Example:
        >>> mean_loss([1.0, 4.0]), mean_loss([1.0, float("nan")]), mean_loss([0.0, 1.0])
        (2.0, inf, 0.0)
    """
    if not all(map(math.isfinite, losses)):
        return math.inf
    return math.prod(max(loss, 0.0) for loss in losses) ** (1 / len(losses))


def _looks(steps: float) -> list[int]:
    looks, at = [1], 1.0
    while looks[-1] < steps:
        at *= _GROWTH
        if round(at) > looks[-1]:
            looks.append(min(round(at), math.ceil(steps)))
    return looks


def _crossing(means: Sequence[tuple[int, float]], target: float) -> float:
    """Updates until the loss is at the target, between looks by logarithms; inf where it never is."""
    before: tuple[int, float] | None = None
    for at, mean in means:
        if mean <= target:
            if before is None or not before[1] > mean > 0 or target <= 0:
                return float(at)
            share = math.log(before[1] / target) / math.log(before[1] / mean)
            return float(before[0] * (at / before[0]) ** share)
        before = at, mean
    return math.inf


@one_thread()
def race_batches(
    network: Network, data: Data, optimizer: Optimizer, plan: TrainingPlan, *, seed: int, work: float
) -> BatchRace:
    """Race batch sizes about a plan.

    Args:
        network, data, optimizer: what is trained.
        plan: with the stepsizes of its batch size.
        seed: of the start and the mini-batches.
        work: multiply-adds that it may cost.
    """
    task = Task.of(network, data, seed=seed, hold_out=False, optimizer=optimizer)
    starts = [task.start(_START + seed) for seed in range(SEEDS)]
    start = [np.concatenate(level) for level in zip(*starts, strict=True)]
    own = by_matrix(plan.stepsize, len(network.shapes))

    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        stepsizes = tuple(multiple * gamma for gamma in own)
        training = Training(network, task.data, stepsizes, size, optimizer=optimizer)
        streams = [task.stream(_BATCHES, size, seed) for seed in range(SEEDS)]
        for shot in train(training, start, streams, [np.array(looks) + 1] * SEEDS):
            losses = [
                loss_at(network, one, judged)
                for one in ([matrix[seed : seed + 1] for matrix in shot.weights] for seed in range(SEEDS))
            ]
            yield shot.iteration - 1, mean_loss(losses)

    judged = task.part(task.sample(_JUDGED, task.rng(_JUDGING)))
    return batch_race(
        run,
        batch_size=plan.batch_size,
        rows=data.rows,
        whole=plan.batch_size * plan.iterations,
        work=work / multiply_adds(network, plan.batch_size),
    )
