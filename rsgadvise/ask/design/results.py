"""What a design is, plain frozen records that a report renders, and its sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsgadvise.advise.results import Stepsize
from rsgadvise.advise.wording import AT_HIGHEST_KEEP_PROB, AT_LOWEST_KEEP_PROB
from rsgadvise.numerals import lengths
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.problem import Assumption

# What a design is: plain frozen records that a report renders without computing.

SCRATCH = "dropout from scratch"
"""The name of the way to train without pretraining, whatever its keep probability."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One ranked architecture at its best hyper-parameters.

    Attributes:
        rank: 1 is best.
        layers: d_0..d_L. weights: their number. depth: hidden layers.
        stepsize: gamma, or one per layer. decay: rho.
        batch_size, iterations, runs: B, N and T.
        keep_prob: zeta. dropout_rate: 1 - zeta.
        bound, certified_bound, proven, vacuous: as in a recommendation.
        certified_vacuous: the certified bound is the largest gradient possible, and says nothing.
        largest_gradient: no squared gradient norm of this network exceeds it.
        samples: examples of one run, N B. total_samples: over all runs.
        work: multiply-adds over all runs, 3 x weights x total_samples.
        seconds: over all runs, or None without a cost model.
        ratio: what was minimised, over that of rank 1.
        notes: plain sentences.
    """

    rank: int
    layers: tuple[int, ...]
    weights: int
    depth: int
    stepsize: Stepsize
    decay: float
    batch_size: int
    iterations: int
    runs: int
    keep_prob: float
    dropout_rate: float
    bound: float
    certified_bound: float
    certified_vacuous: bool
    proven: bool
    vacuous: bool
    largest_gradient: float
    samples: int
    total_samples: int
    work: int
    seconds: float | None
    ratio: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """The pretraining of one hidden layer as a denoising autoencoder, or the training of all layers.

    Attributes:
        layer: 1 is the first hidden layer; None for all. layers: lengths, of an autoencoder [d_x, d_h].
        stepsize, batch_size, iterations, runs, keep_prob: of its training.
        bound: on the mean squared gradient norm of one run, of pretraining with the paper's (11).
        certified_bound: the same with certified constants. certified_vacuous: it is `limit`.
        vacuous: the bound is no better than that.
        limit: the largest squared gradient norm that it can have; alpha at or above it says nothing.
        samples: over all runs. work: multiply-adds, those of the layers below included.
    """

    layer: int | None
    layers: tuple[int, ...]
    stepsize: Stepsize
    batch_size: int
    iterations: int
    runs: int
    keep_prob: float
    bound: float
    certified_bound: float
    certified_vacuous: bool
    vacuous: bool
    limit: float
    samples: int
    work: int


@dataclass(frozen=True, slots=True)
class Mix:
    """One way to train the network, pretraining and fine-tuning together.

    Attributes:
        name: in words.
        alpha: of all hidden layers, a squared norm of the projected gradient; 1 stands for no pretraining.
        claim: whose constants it rests on.
        pretraining, fine_tuning: its stages; None where no batch size allowed reaches the target this way.
        samples, work: of all stages and runs. share: of the work that is pretraining.
    """

    name: str
    alpha: float
    claim: str
    pretraining: tuple[Stage, ...] = ()
    fine_tuning: Stage | None = None
    samples: int | None = None
    work: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All stages of the training of one network.

    Attributes:
        layers: d_0..d_L.
        target: the bound that each run of the fine-tuning has to reach.
        options: ways to train it. cheapest: the name of the one with the least work, or None.
        notes, assumed: plain sentences; what is assumed is no result of the paper.
    """

    layers: tuple[int, ...]
    target: float
    options: tuple[Mix, ...]
    cheapest: str | None
    notes: tuple[str, ...]
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No architecture meets the target.

    Attributes:
        reason: in words.
        least_eps: the smallest eps that one of them reaches within the limits, or None.
        layers: which one.
    """

    reason: str
    least_eps: float | None
    layers: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Design:
    """Ranked architectures, and everything needed to judge them.

    Attributes:
        constants: behind the ranking. equation: of rank 1. by: what was minimised.
        equations: that of networks without hidden layers, then that of those with some, as far as compared.
        objective: the same in words.
        architectures: best first; empty where `infeasible` says why.
        searched: number of architectures within the cap. feasible: of those that reach the target.
        pipeline: all stages of the training of one network, or None.
        notes: plain sentences. assumed: values that nobody gave.
    """

    constants: ConstantsName
    equation: str
    by: str
    objective: str
    searched: int
    feasible: int
    equations: tuple[str, ...] = ()
    architectures: tuple[Architecture, ...] = ()
    pipeline: Pipeline | None = None
    infeasible: Infeasible | None = None
    notes: tuple[str, ...] = ()
    assumed: tuple[Assumption, ...] = ()


# The sentences of a design. Numbers come in computed; nothing is computed here.

NARROWEST = (
    "Every hidden layer of rank 1 has the smallest length allowed: these bounds rise with every length, so "
    "the range decides, not the theory. They say how soon a network converges, not what it can learn; set "
    "the lower end of --widths to what the task needs."
)
NO_HIDDEN = (
    "Rank 1 has no hidden layer: these bounds say how soon a network converges, not what it can learn."
)
GRADIENTS_DIFFER = (
    "A small gradient is easier to reach for a network whose gradients are all small: compare a bound with "
    "the largest gradient of the same network."
)
EVERY_VACUOUS = (
    "Every network's bound is vacuous here, no better than the largest squared gradient norm that it can "
    "have; the order says nothing."
)
SAME_SPEED = (
    "Seconds follow cost, which is the same for every architecture; --by work counts multiply-adds, "
    "which are not."
)
SAME_START = "training.initial_loss is taken for every architecture alike."
LARGEST_LOSS = "the largest possible"
OWN_LARGEST_LOSS = "each network's own, so a safe f(W1); without hidden layers no loss is the largest"
SINGLE = "Without a hidden layer the network is a single_layer: no box, no dropout, Theorem III.1."
NO_NETWORK = "No architecture with a hidden layer is among the best, so there is nothing to pretrain."
SPEC_CANNOT = "The spec's own network does not reach the target, so its training is not planned."
SPEC_SINGLE = "The spec's own network has no hidden layer, so there is nothing to pretrain."

SHARED_NOTES = frozenset({AT_LOWEST_KEEP_PROB, AT_HIGHEST_KEEP_PROB})
"""Notes on a single recommendation that are worth saying of a design."""

_OBJECTIVES: Mapping[str, str] = {
    "iterations": "fewest iterations that meet the target",
    "samples": "fewest samples that meet the target",
    "seconds": "fewest seconds that meet the target",
    "work": "fewest multiply-adds (3 x weights x samples) that meet the target",
}


def objective(metric: str, *, limited: bool) -> str:
    """What was minimised."""
    if metric == "bound":
        return "smallest bound within the budget" if limited else "smallest bound"
    return _OBJECTIVES[metric]


def _all_or(count: int, total: int) -> str:
    return "all ranks shown" if count == total else f"{count} of the {total} ranks shown"


def of_ranks(note: str, ranks: Sequence[int], total: int) -> str:
    """A note with the ranks that it is about."""
    if len(ranks) == total:
        return f"All ranks shown: {note}"
    if len(ranks) > 2 and ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"Ranks {ranks[0]} to {ranks[-1]}: {note}"
    return f"Rank{'' if len(ranks) == 1 else 's'} {', '.join(map(str, ranks))}: {note}"


def vacuous(count: int, total: int) -> str:
    """Bounds that say nothing."""
    return (
        f"Vacuous, {_all_or(count, total)}, and after the others: the bound is no better than the largest "
        "squared gradient norm that the network can have, so their order says nothing about training."
    )


def not_proven(count: int, total: int) -> str:
    """Bounds that hold only with the paper's constants."""
    return (
        f"Not proven for this data, {_all_or(count, total)}: with constants that hold for any data the bound "
        "is larger. --constants certified ranks by what is proven."
    )


def pretrained(alpha: float) -> str:
    """Pretraining that the spec gives."""
    return (
        f"Every architecture is ranked as if its hidden layers came pretrained to alpha = {alpha:g}, free of "
        "charge; the pipeline counts the cost."
    )


def left_aside(keys: Sequence[str]) -> tuple[str, ...]:
    """What the spec fixes and a design chooses."""
    return (f"Left aside: {', '.join(keys)}, which a design chooses for every architecture.",) if keys else ()


def no_room(keys: Sequence[str]) -> str:
    """Not even one iteration fits."""
    return (
        f"no architecture and batch size leave room for an iteration within {', '.join(keys)}; raise it, or "
        "list smaller batch sizes"
    )


def reached_by(constants: str, layers: Sequence[int]) -> str:
    """The best architecture by other constants than those that none reaches the target with."""
    return f"{about(constants).whose} have plans, the best by {lengths(layers)} (--constants {constants})"


def unreachable(eps: float, least: str, layers: Sequence[int], keys: Sequence[str]) -> str:
    """No architecture reaches the target; `least` is the smallest eps that one does."""
    name = lengths(layers)
    return (
        f"no architecture reaches target.eps = {eps:g} with the batch sizes and iterations allowed; the "
        f"least reachable is {least}, by {name}; raise target.eps to that, or allow more in "
        f"search.batch_size, {' or '.join(keys)}"
    )
