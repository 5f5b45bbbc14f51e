"""What training runs look like on their way: gradients, losses and held-out losses in some iterations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass
from rsgadvise.theory.stopping import probabilities
from rsgadvise.training.expectation import MOST_TERMS, Expectation
from rsgadvise.training.networks import Array, Data, Network, Weights, one_thread, projected
from rsgadvise.training.rsg import Memory, Stream, Training, train

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOSS_COST = 1 / 3
"""Work of one loss in gradients of the same row: the forward pass alone."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What was measured along a run.

    Attributes:
        iterations: where the run was looked at, (looks,), increasing, within 1..last.
        last: N.
        gradients: squared (projected) gradient norms, (looks,); may be negative where they are unbiased
            estimates.
        losses: training losses, (looks,).
        validation: losses on held-out data, (looks,), or None.
        work: what training and looking cost, in gradients of single examples.
        weights: W^N, one (1, d_l, d_{l-1}) array per matrix. memory: of the optimiser then.
    """

    iterations: IntArray
    last: int
    gradients: FloatArray
    losses: FloatArray
    validation: FloatArray | None
    work: float
    weights: Weights
    memory: Memory = ()


def look_iterations(*, iterations: int, looks: int) -> IntArray:
    """Where to look: 1, N, and quantiles of a mixture that serves the whole dictionary.

    A third each is uniform, uniform on the last tenth, and proportional to 1/k, since losses fall fast
    at first and `last` sees nothing of what comes before.

    Args:
        iterations: N.
        looks: at most so many, at least 2 unless N is 1; all of 1..N where they suffice.

    Returns:
        Increasing iterations.
    """
    if iterations <= looks:
        return np.arange(1, iterations + 1)
    early = 1 / np.arange(1, iterations + 1)
    law = early / early.sum()
    for name in ("uniform", "last"):
        law += probabilities(name, iterations=iterations, decay=0.0, curvature_share=0.0)
    below = np.cumsum(law)
    inner = np.searchsorted(below, np.linspace(0, below[-1], looks)[1:-1]) + 1
    return np.unique(np.asarray([1, *inner, iterations], np.int64))


def look_along(
    training: Training,
    start: Weights,
    stream: Stream,
    *,
    iterations: int,
    looks: int,
    validation: Data | None,
    rng: np.random.Generator,
    rows: int = 2048,
    most_terms: int = MOST_TERMS,
    threads: int = 1,
) -> Looks:
    """Train for N iterations and measure on the way.

    Where only some rows are measured, the squared gradient norm is the inner product of the gradients of
    their two halves, free of the error that a norm adds up; likewise where masks are sampled. Held-out
    losses are those of the training objective, masks included.

    Kind: unbiased estimates, but for boxes that bind, where the halves are projected apart.

    Args:
        training, start, stream, threads: as in `rsg.train`.
        iterations: N.
        looks: at most so many, see `look_iterations`.
        validation: held-out data, or None.
        rng: of the rows that are measured, where there are more than `rows`.
        rows: at most so many of the training data, and of the held-out data.
        most_terms: (row, mask) pairs up to which every mask is taken, rather than one or two for each row.
    """
    network = training.network
    at = look_iterations(iterations=iterations, looks=looks)
    objectives = _objectives(network, training.data, rows, most_terms, rng)
    held = None if validation is None else _objective(network, _some(validation, rows, rng), most_terms)
    gradients, losses, held_losses = np.empty((3, len(at)))
    with one_thread():
        for place, shot in enumerate(train(training, start, [stream], [at], threads=threads)):
            stepsizes = training.stepsizes_at(shot.iteration)
            measured = _measure(objectives, shot.weights, stepsizes, [stream.measuring])
            losses[place], gradients[place] = (each[0] for each in measured)
            if held is not None:
                held_losses[place] = held.loss(shot.weights, [stream.measuring])[0]
    a_look: float = objectives[0].samples if len(objectives) == 1 else sum(part.pairs for part in objectives)
    if held is not None:
        a_look += LOSS_COST * held.pairs
    work = (iterations - 1) * training.examples + len(at) * a_look
    held_out = None if held is None else held_losses
    return Looks(at, iterations, gradients, losses, held_out, work, shot.weights, shot.memory)


def _some(data: Data, rows: int, rng: np.random.Generator) -> Data:
    """At most so many rows, drawn without replacement."""
    if data.rows <= rows:
        return data
    chosen = rng.permutation(data.rows)[:rows]
    return Data(data.inputs[chosen], data.targets[chosen])


def _objective(network: Network, data: Data, most_terms: int) -> Expectation:
    return Expectation(network, data, most_terms=most_terms)


def _objectives(
    network: Network, data: Data, rows: int, most_terms: int, rng: np.random.Generator
) -> list[Expectation]:
    """One of all rows, or two of halves of a sample."""
    if data.rows <= max(rows, 2):
        return [_objective(network, data, most_terms)]
    sample = _some(data, max(rows, 2), rng)
    half = sample.rows // 2
    parts = slice(0, half), slice(half, sample.rows)
    return [
        _objective(network, Data(sample.inputs[part], sample.targets[part]), most_terms) for part in parts
    ]


def _measure(
    objectives: Sequence[Expectation],
    weights: Weights,
    stepsizes: Sequence[float],
    rngs: Sequence[np.random.Generator],
) -> tuple[Array, Array]:
    """(f, squared norm of its projected gradient) of each replica."""
    if len(objectives) == 1:
        measured = objectives[0].measure(weights, stepsizes, rngs)
        return measured.loss, measured.product
    (loss, one), (other_loss, two) = (objective.gradient(weights, rngs) for objective in objectives)
    network, first, second = objectives[0].network, objectives[0].data.rows, objectives[1].data.rows
    halves = (projected(network, weights, gradient, stepsizes) for gradient in (one, two))
    with np.errstate(over="ignore", invalid="ignore"):
        products = [np.einsum("mij,mij->m", a, b) for a, b in zip(*halves, strict=True)]
        mean = (first * loss + second * other_loss) / (first + second)
        return mean, np.asarray(np.sum(products, axis=0))
