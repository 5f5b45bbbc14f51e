"""A spec as a setting to verify."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import by_matrix
from rsgadvise.ask.verify.cases import FEWEST_TOGETHER, Setting, Verdict, case_key
from rsgadvise.errors import HypothesisError, InfeasibleError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import BY_THEOREM, ConstantsName, about
from rsgadvise.theory.constants import InputMoments, TiedNetwork
from rsgadvise.theory.judge import check_problem
from rsgadvise.theory.theorems import refusal
from rsgadvise.training.expectation import FEWEST_ROWS, Expectation
from rsgadvise.training.generated import generated_data, moments_of, refuse_standardised
from rsgadvise.training.networks import Array, Data, Network, Weights, initial_weights, with_biases
from rsgadvise.training.rsg import Stream, Training, train

if TYPE_CHECKING:
    from rsgadvise.advise.results import Recommendation, TrainingPlan
    from rsgadvise.spec import Spec
    from rsgadvise.theory.problem import Problem


# Layer-wise pretraining: each hidden layer as a denoising autoencoder of the layer below.

_ROUND = 50  # iterations
_MOST_WORK = 3e11  # multiplications per layer: some ten seconds
_MOST_ROUNDS = 200
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Where fine-tuning starts.

    Attributes:
        weights: W^1, hidden layers pretrained, the output layer random.
        reached: largest squared projected gradient norm among the hidden layers: alpha.
        iterations: of each hidden layer.
    """

    weights: Weights
    reached: float
    iterations: tuple[int, ...]


def pretrain(network: Network, data: Data, *, tolerance: float, rng: np.random.Generator) -> Pretrained:
    """Train every hidden layer until its squared projected gradient norm is at most `tolerance`.

    Layer l is the encoder of an autoencoder (4) with the network's keep probability and the layer's box,
    trained on what the layers below it, without masks, make of the data. The stepsize starts at 1/U with
    the certified U; after each round of 50 iterations it is doubled if the loss fell, else the round is
    taken back and the stepsize halved. A layer that does not get there with the work allowed is left at
    its best. The projected gradient is that of the first stepsize.

    Args:
        network: multilayer.
        data: its inputs are used.
        tolerance: alpha of the (alpha, delta)-solution.
        rng: of starts, mini-batches and masks.
    """
    weights = initial_weights(replace(network, bias=False), rng)  # the autoencoders have none
    signal = data.inputs
    reached, iterations = 0.0, []
    for level, (before, after) in enumerate(pairwise(network.layers[:-1])):
        layer = Network(
            "autoencoder",
            (before, after),
            (network.weight_bounds[level],),
            network.keep_prob,
            network.activations[level : level + 1],
            spectral=network.spectral,
        )
        seed = int(rng.integers(2**63))
        matrix, norm, steps = _layer(layer, Data(signal, signal), [weights[level]], tolerance, seed)
        weights[level] = matrix
        reached = max(reached, norm)
        iterations.append(steps)
        signal = signal @ matrix[0].T
        with np.errstate(over="ignore"):
            network.units[level].forward(signal)
    return Pretrained(with_biases(network, weights), reached, tuple(iterations))


def _layer(
    network: Network, data: Data, start: Weights, tolerance: float, seed: int
) -> tuple[Array, float, int]:
    """(weights, squared projected gradient norm, iterations) of one layer."""
    known = TiedNetwork(
        layers=network.layers,
        weight_bound=network.weight_bounds[0],
        moments=moments_of(data),
        unit=network.units[0],
        spectral=network.spectral,
    )
    first = gamma = 1 / float(known.constants(network.keep_prob).smoothness)
    objective = Expectation(network, data, mask_samples=16)
    work = _ROUND * _BATCH * 6 * start[0].size + 6 * objective.samples * start[0].size
    rounds = int(min(_MOST_ROUNDS, max(1, _MOST_WORK // work)))
    here = objective.measure(start, (first,), [Stream(seed, (0,)).measuring])
    done = 0
    for round_ in range(1, rounds + 1):
        if float(here.squared_norm[0]) <= tolerance:
            break
        stream = Stream(seed, (round_,))
        training = Training(network, data, (gamma,), _BATCH)
        (shot,) = train(training, start, [stream], [np.array([_ROUND + 1])])
        there = objective.measure(shot.weights, (first,), [stream.measuring])
        done += _ROUND
        if there.loss[0] < here.loss[0]:
            start, here, gamma = shot.weights, there, 2 * gamma
        else:
            gamma /= 2
    return start[0], float(here.squared_norm[0]), done


MOST_ITERATIONS = 10**7
LARGEST_BYTES = 1 << 32
GENERATED_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Values:
    """The hyper-parameters to train with: those that a spec fixes, or those recommended for it.

    Attributes:
        stepsize: gamma, or one per layer.
        batch_size, iterations, keep_prob, decay: B, N, zeta, rho.
        source: where they come from, for the report.
    """

    stepsize: float | tuple[float, ...]
    batch_size: int
    iterations: int
    keep_prob: float
    decay: float
    source: str


def setting_from_spec(
    spec: Spec,
    values: Values,
    *,
    name: str,
    seed: int,
    data: Data | None = None,
    measured: Mapping[str, float | int | None] | None = None,
    constants: tuple[ConstantsName, ...] = BY_THEOREM,
    notes: tuple[str, ...] = (),
) -> tuple[Setting, InputMoments]:
    """What to train, on which data, and the moments of exactly that data.

    Args:
        spec: the network and what is known of its data.
        values: hyper-parameters.
        name: of the case.
        seed: of generated data and of pretraining.
        data: rows of the data file; without them, rows are generated with the spec's mu_x and tau_x.
        measured: statistics of those rows by spec key.
        constants: whose bounds to check, of those that are about the training; there may be none.
        notes: for the report.

    Raises:
        HypothesisError: too large to be trained here, or no data in [0, 1] have the spec's moments.
    """
    problem = resolve(spec, measured)
    if data is None:
        refuse_standardised(problem)
    constants = tuple(each for each in constants if not refusal(problem, each))
    for each in constants:
        check_problem(problem, each)
    layers = problem.layers
    network = Network.of(problem, values.keep_prob)
    rows = GENERATED_ROWS if data is None else data.rows
    _check_size(network, values, rows)
    said = [*notes, values.source]
    said += [f"{a.key} = {a.value:g}: {a.why}." for a in problem.assumed if a.key == "network.weight_bound"]
    if data is None:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(name), 4)))
        data = generated_data(
            mean=problem.moments.mean,
            mean_square=problem.moments.mean_square,
            second_moment=spec.data.second_moment,
            columns=layers[0],
            outputs=None if problem.tied else layers[-1],
            rows=rows,
            rng=rng,
        )
        said.append(
            f"Trained on {rows:,} generated rows with mu_x = {problem.moments.mean:.6g} and tau_x = "
            f"{problem.moments.mean_square:.6g}; name a data.file to train on your own."
        )
        moments = moments_of(data)
    else:
        moments = problem.moments
    start, alpha, about = _start(spec, network, data, seed, name)
    stepsizes = by_matrix(values.stepsize)
    matrices = len(network.shapes)
    setting = Setting(
        name=name,
        network=network,
        data=data,
        stepsizes=stepsizes if len(stepsizes) == matrices else stepsizes * matrices,
        batch_size=values.batch_size,
        iterations=values.iterations,
        decay=values.decay,
        stopping=stopping_of(spec),
        start=start,
        pretraining=alpha,
        constants=constants,
        optimizer=problem.optimizer,
        expected=tuple[Verdict, ...]("consistent" for _ in constants),
        notes=(*said, *about),
    )
    return setting, moments


def _start(
    spec: Spec, network: Network, data: Data, seed: int, name: str
) -> tuple[Weights | None, float, tuple[str, ...]]:
    """(W^1 or None, alpha, notes): hidden layers are pretrained where the spec asks for it."""
    wanted = spec.training.pretraining
    if wanted is None or not network.layered or len(network.layers) == 2:
        return None, 1.0, ()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(name), 2)))
    done = pretrain(network, data, tolerance=wanted.tolerance, rng=rng)
    steps = ", ".join(f"{count:,}" for count in done.iterations)
    alpha = max(done.reached, wanted.tolerance)
    note = (
        f"Hidden layers pretrained for {steps} iterations, to a squared gradient of {done.reached:.4g}; the "
        f"bound uses alpha = {alpha:.4g}"
    )
    short = done.reached > wanted.tolerance
    note += f", since the spec's {wanted.tolerance:g} was not reached." if short else "."
    return done.weights, alpha, (note,)


def _check_size(network: Network, values: Values, rows: int) -> None:
    """Refuse what cannot be trained here, before any memory is taken."""
    if values.iterations > MOST_ITERATIONS:
        raise HypothesisError(
            f"must be at most {MOST_ITERATIONS:,} to be trained; got {values.iterations:,}; verify a shorter "
            "run with --set training.iterations=10000",
            quantity="training.iterations",
        )
    weights = 8 * sum(math.prod(shape) for shape in network.shapes) * 3 * FEWEST_TOGETHER
    data = 24 * max(rows, FEWEST_ROWS) * max(network.widths)
    if weights > LARGEST_BYTES or data > 3 * LARGEST_BYTES:
        raise HypothesisError(
            f"need more than {LARGEST_BYTES >> 30} GiB to be trained; got "
            f"{'-'.join(map(str, network.layers))}; verify a smaller network",
            quantity="network.layers",
        )
    examples = 24 * values.batch_size * sum(network.widths)
    if examples > LARGEST_BYTES:
        raise HypothesisError(
            f"needs more than {LARGEST_BYTES >> 30} GiB for the examples of one step; got "
            f"{values.batch_size:,}; verify with a smaller one",
            quantity="training.batch_size",
        )


# The hyper-parameters of a spec, and what is advised where it leaves them open.


def fixed_values(spec: Spec) -> Values | None:
    """The spec's own hyper-parameters, or None if it leaves one open; keep_prob defaults to 1, decay to 0."""
    training = spec.training
    iterations = training.iterations
    if iterations is None and isinstance(training.stopping, tuple):
        iterations = len(training.stopping)
    if training.stepsize is None or training.batch_size is None or iterations is None:
        return None
    return Values(
        stepsize=training.stepsize,
        batch_size=training.batch_size,
        iterations=iterations,
        keep_prob=1.0 if training.keep_prob is None else training.keep_prob,
        decay=training.decay or 0.0,
        source="",
    )


def chosen_values(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
) -> tuple[Values, bool]:
    """(hyper-parameters, whether they were advised): the spec's own, or the first rank of its advice.

    Where no theorem is about its training they are what is typical for its statistics.

    Args:
        spec: a valid spec.
        constants: whose constants choose, of those that a theorem has.
        measured: statistics of the data file by spec key.

    Raises:
        InfeasibleError: nothing can be recommended; the message is the reason alone.
        HypothesisError: a fixed stepsize lies outside the range of these constants.
    """
    fixed = fixed_values(spec)
    if fixed is not None:
        return fixed, False
    best: Recommendation | TrainingPlan
    problem = resolve(spec)
    by_theorem = problem.has_sgd_bound if constants is None else _advises(problem, constants)
    if by_theorem:
        advice = recommend(spec, constants=constants, top=1, measured=measured)
        if advice.infeasible is not None:
            raise InfeasibleError(advice.infeasible.reason)
        best = advice.recommendations[0]
    else:
        best = typical_plan(spec, measured)
    values = Values(
        stepsize=best.stepsize,
        batch_size=best.batch_size,
        iterations=best.iterations,
        keep_prob=1.0 if best.keep_prob is None else best.keep_prob,
        decay=best.decay,
        source="",
    )
    return values, True


def _advises(problem: Problem, constants: ConstantsName) -> bool:
    """Whether ranks by these constants are asked for: of SGD they say themselves why there are none."""
    if about(constants).measured:
        return False
    return problem.has_sgd_bound or refusal(problem, constants) is None


def typical_plan(spec: Spec, measured: Mapping[str, float | int | None] | None = None) -> TrainingPlan:
    """What to train with where no theorem is about it: typical for the statistics of its data, if those fit.

    Raises:
        InfeasibleError: nothing fits the limits of the spec.
        HypothesisError: it is too large to be tried on made-up data, or the inputs are all but zero.
    """
    from rsgadvise.pilot import Effort
    from rsgadvise.pilot.advising import advise

    advice = advise(spec, None, Effort(), top=1, measured=measured)
    if advice.train is None:
        raise InfeasibleError(advice.infeasible.reason if advice.infeasible else "nothing fits its limits")
    return advice.train
