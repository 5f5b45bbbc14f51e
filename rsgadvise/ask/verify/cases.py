"""A case: one training setting, the bounds that it is held against, and what came of it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Literal, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory import BY_THEOREM, ConstantsName
from rsgadvise.theory.certified import certified_constants, largest_gradient
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.judge import Plan, attempted, certified_beside, equation_for, gradient_stepsize
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import Stopping, draw_iterations, probabilities
from rsgadvise.theory.theorems import theorem_of
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, Network, Weights, initial_weights, one_thread
from rsgadvise.training.rsg import Stream, Training, train

Verdict = Literal["consistent", "falsified", "inconclusive"]
Quantity = Literal["squared_gradient", "miss_probability"]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One bound against one measurement.

    Attributes:
        name: of the setting; the paper's and the certified bound of a setting share its training runs.
        constants: whose constants the bound has. equation: where it comes from.
        quantity: squared_gradient: the bound is on E||grad f(W^R)||^2 (projected where there is a box);
            miss_probability: it is delta of an (eps, delta)-solution.
        bound: None where the theorem does not apply; `notes` say why.
        measured: mean over the replicas, None if none has run.
        lower, upper: limits of the true mean; outside them with at most the case's share of the allowed
            probability of error.
        approximate: undecided, and no pass: the runs ended before a rigorous decision, but `upper`, then a
            classical limit computed once, lies below the bound. The verdict is inconclusive.
        runs: independent replicas behind the numbers.
        verdict: consistent: upper < bound; falsified: lower > bound; else inconclusive.
        expected: the verdict that this case must have.
        initial_loss: f(W^1). final_loss: mean of f(W^R); None where it was not measured.
        looseness: bound / measured.
        vacuous: the bound is no better than the largest gradient that the network can have.
        checked: whether the verdict counts; not where there is no bound.
        seconds: computing time of its replicas.
        standard_error: of `measured`, from the trajectories; None for fewer than two.
        notes: plain sentences.
    """

    name: str
    constants: ConstantsName
    bound: float | None
    measured: float | None
    lower: float | None
    upper: float | None
    approximate: bool
    runs: int
    verdict: Verdict
    expected: Verdict
    initial_loss: float
    final_loss: float | None
    looseness: float | None
    seconds: float
    vacuous: bool
    checked: bool
    quantity: Quantity
    equation: str
    notes: tuple[str, ...] = ()
    standard_error: float | None = None

    @property
    def outcome(self) -> str:
        """The verdict in one word, `approximate` where a classical limit alone speaks for the bound."""
        return "approximate" if self.approximate else self.verdict

    @property
    def passed(self) -> bool:
        """Whether the case came out as it must."""
        return not self.checked or self.verdict == self.expected


@dataclass(frozen=True, slots=True)
class Verification:
    """All cases together.

    Attributes:
        cases: in the order in which they were asked for.
        verdict: falsified if a checked case came out falsified against its expectation, or consistent
            where a falsification was expected; else inconclusive if any checked case is; else consistent.
        confidence: 1 minus the probability that any case is wrong, all of them together.
        seed: of all randomness.
        complete: False where a budget or an interruption ended it early.
        interrupted: whether it was the user.
        seconds: elapsed.
        notes: plain sentences on the whole.
        allow_approximate: whether the exit code lets approximate cases be; the verdict does not.
    """

    cases: tuple[CaseResult, ...]
    verdict: Verdict
    confidence: float
    seed: int
    complete: bool
    interrupted: bool
    seconds: float
    notes: tuple[str, ...] = ()
    allow_approximate: bool = False

    @property
    def only_approximate(self) -> bool:
        """Whether every case that did not come out as it must is approximate."""
        failed = [case for case in self.cases if not case.passed]
        return bool(failed) and all(case.approximate and case.expected == "consistent" for case in failed)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 falsified, 3 inconclusive, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.allow_approximate and self.only_approximate:
            return 0
        return {"consistent": 0, "falsified": 1, "inconclusive": 3}[self.verdict]


# One training setting, and how its replicas are run and measured.

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

STRATA = 16
"""Iterations at which one trajectory is measured, one from each sixteenth of P_R."""

FEWEST_TOGETHER = 4
"""Replicas of one block, at least: large networks have to fit in memory so many times."""

MOST_TOGETHER = 64
_WEIGHTS_TOGETHER = 1 << 23

WHOLE = 32
"""Up to this many iterations a trajectory is measured in each of them."""

Look = bool
"""True: along the whole trajectory. False: in one iteration R, and trained no further than that."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that decides the outcome of a replica, but for its number.

    Attributes:
        training: what is trained on what.
        start: W^1, common to all replicas.
        probabilities: P_R, N numbers.
        seed, key: of the replicas' randomness.
        mask_samples: masks per row, in each half, where the gradient's masks have to be sampled.
        gradient_stepsize: of the projected gradient that is measured; None for the one trained with.
    """

    training: Training
    start: Weights
    probabilities: FloatArray
    seed: int
    key: int
    mask_samples: int = 1
    gradient_stepsize: float | None = None

    @property
    def iterations(self) -> int:
        """N."""
        return len(self.probabilities)

    @property
    def together(self) -> int:
        """Replicas of one block that are looked at once; a matter of speed and memory alone."""
        weights = sum(matrix.size for matrix in self.start)
        return int(max(FEWEST_TOGETHER, min(MOST_TOGETHER, _WEIGHTS_TOGETHER // max(1, weights))))

    def stream(self, replica: int) -> Stream:
        """The randomness of one replica."""
        return Stream(self.seed, (self.key, 1, replica))


@dataclass(frozen=True, slots=True)
class Block:
    """Replicas first, ..., first + count - 1, looked at in one way."""

    first: int
    count: int
    trajectory: Look


@dataclass(frozen=True, slots=True)
class BlockResult:
    """One entry per replica.

    Attributes:
        values: unbiased for E||g(W^R)||^2, but for the sampling of masks, which can only add to it.
        products: the same without that addition wherever the box is slack; may be negative.
        losses: unbiased for E f(W^R).
        seconds: of the whole block.
    """

    values: FloatArray
    products: FloatArray
    losses: FloatArray
    seconds: float


def _looks(experiment: Experiment, stream: Stream, trajectory: Look) -> tuple[IntArray, FloatArray]:
    """The iterations at which one replica is measured, and their weights."""
    p = experiment.probabilities
    if trajectory and len(p) <= WHOLE:
        inside = np.flatnonzero(p)
        return inside + 1, p[inside]
    strata = STRATA if trajectory else 1
    return draw_iterations(p, stream.stopping, strata=strata), np.full(strata, 1 / strata)


def run_block(experiment: Experiment, block: Block) -> BlockResult:
    """Train and measure the replicas of one block; the result of each depends on its number only."""
    begun = time.perf_counter()
    streams = [experiment.stream(block.first + place) for place in range(block.count)]
    looks = [_looks(experiment, stream, block.trajectory) for stream in streams]
    values, products, losses = np.zeros((3, block.count))
    training = experiment.training
    objective = Expectation(
        training.network,
        training.data,
        mask_samples=experiment.mask_samples,
        penalty=training.optimizer.penalty,
    )
    with one_thread():
        for shot in train(training, experiment.start, streams, [stops for stops, _ in looks]):
            stepsizes = training.stepsizes_at(shot.iteration)
            if experiment.gradient_stepsize is not None:
                stepsizes = (experiment.gradient_stepsize,) * len(stepsizes)
            measured = objective.measure(
                shot.weights,
                stepsizes,
                [streams[replica].measuring for replica in shot.replicas],
            )
            for place, replica in enumerate(shot.replicas):
                stops, weights = looks[replica]
                share = float(weights[stops == shot.iteration].sum())
                values[replica] += share * measured.squared_norm[place]
                products[replica] += share * measured.product[place]
                losses[replica] += share * measured.loss[place]
    return BlockResult(values, products, losses, time.perf_counter() - begun)


_LOSS_SAMPLES = 1 << 17  # (row, mask) pairs behind f(W^1) where masks are sampled
_MASK_ERROR = 0.05  # of the square root of the smallest bound: what sampling the masks may add
_MOST_SAMPLES = 1 << 14  # (row, mask) pairs of one half, where that allows one mask per row at all
_LOSS_SHARE = 0.02  # of a case's probability of error, for f(W^1) with sampled masks


@dataclass(frozen=True, slots=True)
class Miss:
    """An (eps, delta) statement: at least one of `runs` replicas has ||g||^2 <= eps, but for delta."""

    eps: float
    delta: float
    runs: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What a case is about; every number is fixed.

    Attributes:
        name: unique among the cases of one verification.
        network, data: what is trained on what.
        stepsizes: gamma of each matrix. decay: rho.
        batch_size, iterations: B and N.
        stopping: P_R.
        optimizer: that is trained with.
        start_scale: W^1 ~ start_scale * N(0, 1/d_{l-1}), clipped to the box.
        start: W^1 itself, from pretraining; or None.
        pretraining: alpha.
        constants: whose bounds are checked, all of them on the same gradient; none where no theorem is about
            the training.
        expected: the verdict each bound must have.
        loss_falls: whether training must lower the loss, or the case fails.
        miss: an (eps, delta) statement to check in place of the mean.
        notes: for the report.
    """

    name: str
    network: Network
    data: Data
    stepsizes: tuple[float, ...]
    batch_size: int
    iterations: int
    decay: float = 0.0
    stopping: Stopping = "uniform"
    optimizer: Optimizer = PLAIN
    start_scale: float = 1.0
    start: Weights | None = None
    pretraining: float = 1.0
    constants: tuple[ConstantsName, ...] = BY_THEOREM
    expected: tuple[Verdict, ...] = ("consistent", "consistent")
    loss_falls: bool = False
    miss: Miss | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One bound of a case; `bound` is None where its theorem does not apply."""

    constants: ConstantsName
    bound: float | None
    equation: str
    vacuous: bool
    expected: Verdict
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A setting made ready to run.

    Attributes:
        claims: the bounds to check.
        highest: no squared gradient norm that a replica measures exceeds it.
        limit: no true one does; lower where masks are sampled.
        initial_loss: f(W^1), an upper limit where masks are sampled. largest_loss: F_max.
        mask_error: at most E||sampled gradient - true gradient||^2; 0 where it is exact.
        alpha: the case's probability of error.
        loss_falls: whether the loss must fall.
        miss: an (eps, delta) statement to check in place of the mean.
        survey: nothing is decided: all runs are made, and `lower` and `upper` are Student's limits, or
            rigorous ones.
    """

    name: str
    experiment: Experiment
    claims: tuple[Claim, ...]
    highest: float
    limit: float
    initial_loss: float
    largest_loss: float
    mask_error: float
    alpha: float
    loss_falls: bool = False
    miss: Miss | None = None
    notes: tuple[str, ...] = ()
    survey: Literal["student", "rigorous"] | None = None


def case_key(name: str) -> int:
    """The number that tells one case's randomness from another's, whatever else is verified."""
    return crc32(name.encode())


def build_case(setting: Setting, *, seed: int, alpha: float, moments: InputMoments | None = None) -> Case:
    """Draw W^1, measure f(W^1) and evaluate the bounds.

    Args:
        setting: what to verify.
        seed: of all randomness.
        alpha: probability of error allowed to this case.
        moments: of the inputs, where they were measured before.

    Raises:
        HypothesisError: no stopping distribution can be formed, or a constant overflows.
    """
    network, data, key = setting.network, setting.data, case_key(setting.name)
    start = setting.start
    if start is None:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key, 0)))
        start = initial_weights(network, rng, scale=setting.start_scale)
    known = moments_of(data) if moments is None else moments
    problem = Problem(
        kind=network.kind,
        layers=network.layers,
        weight_bounds=network.weight_bounds,
        pretraining=setting.pretraining,
        moments=known,
        initial_loss=math.inf,
        samples=data.rows,
        assumed=(),
        activations=network.activations,
        loss=network.loss,
        optimizer=setting.optimizer,
        bias=network.bias,
        spectral=network.spectral,
    )
    loss = _initial_loss(setting, problem, start, seed, alpha)
    problem = replace(problem, initial_loss=loss)
    point = Plan(
        stepsize=np.asarray(setting.stepsizes if problem.layered else setting.stepsizes[0]),
        keep_prob=network.keep_prob,
        batch_size=float(setting.batch_size),
        iterations=float(setting.iterations),
        schedule=Schedule(setting.decay, setting.stopping),
    )
    chances = _stopping_probabilities(problem, point, bounded=bool(setting.constants))
    claims = tuple(
        _claim(problem, point, constants, expected)
        for constants, expected in zip(setting.constants, setting.expected, strict=True)
    )
    lengths = {gradient_stepsize(problem, point.keep_prob, constants) for constants in setting.constants}
    (length,) = lengths or {None}
    limit_at, most = network.keep_prob, problem
    masks, error = 1, 0.0
    if not Expectation(network, data).exact:
        masks, error = _sampled_masks(problem, point, claims)
        limit_at = 1.0  # an average over a few masks may exceed what the mean over all of them can be
        if not problem.unit_inputs:  # and of inputs of either sign have a mean and an eigenvalue of its own
            second = known.second_moment
            free = replace(known, mean_square=second, top_eigenvalue=known.squared_norm)
            most = replace(problem, moments=free)
    return Case(
        name=setting.name,
        experiment=Experiment(
            training=Training(
                network, data, setting.stepsizes, setting.batch_size, setting.decay, setting.optimizer
            ),
            start=start,
            probabilities=chances,
            seed=seed,
            key=key,
            mask_samples=masks,
            gradient_stepsize=length,
        ),
        claims=claims,
        highest=float(largest_gradient(most, np.asarray(limit_at))),
        limit=float(largest_gradient(problem, np.asarray(network.keep_prob))),
        initial_loss=loss,
        largest_loss=problem.largest_loss,
        mask_error=error,
        alpha=alpha * (1 - _LOSS_SHARE) if error else alpha,
        loss_falls=setting.loss_falls,
        miss=setting.miss,
        notes=setting.notes,
    )


def _initial_loss(setting: Setting, problem: Problem, start: Weights, seed: int, alpha: float) -> float:
    """f(W^1); where masks are sampled, Hoeffding's upper limit, so that a bound stays on the safe side."""
    network, data, penalty = setting.network, setting.data, setting.optimizer.penalty
    objective = Expectation(network, data, penalty=penalty)
    if not objective.exact:
        masks = max(1, math.ceil(_LOSS_SAMPLES / (2 * data.rows)))
        objective = Expectation(network, data, mask_samples=masks, penalty=penalty)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(setting.name), 3)))
    weights = [matrix.astype(data.inputs.dtype) for matrix in start]
    loss = float(objective.measure(weights, setting.stepsizes, [rng]).loss[0])
    if setting.constants and not objective.exact:
        slack = math.sqrt(math.log(1 / (_LOSS_SHARE * alpha)) / (2 * objective.samples))
        loss = min(problem.largest_loss, loss + problem.largest_with(0.0) * slack)
    return loss


def _stopping_probabilities(problem: Problem, point: Plan, *, bounded: bool) -> NDArray[np.float64]:
    """P_R: `matched` to the paper's constants, or where they leave no probabilities to certified ones."""
    schedule, n = point.schedule, int(point.iterations)
    plain = schedule.stopping != "matched" or schedule.decay == 0
    if not (plain or bounded):
        raise HypothesisError(
            "must be uniform, increasing, last or a list where no bound has a distribution to match; got "
            "matched; leave it out",
            quantity="training.stopping",
        )
    share = 0.0 if plain else point.matched_share(problem, "paper")
    if math.isfinite(share):
        return probabilities(schedule.stopping, iterations=n, decay=schedule.decay, curvature_share=share)
    raise HypothesisError(
        "is too large for `stopping: matched`, whose probabilities would be negative with the paper's and "
        f"with certified constants; got {np.max(point.stepsize):g}; lower it, or choose another stopping",
        quantity="stepsize",
    )


def _claim(problem: Problem, point: Plan, constants: ConstantsName, expected: Verdict) -> Claim:
    """The bound of one set of constants, or why there is none."""
    name = equation_for(problem, constants, point.schedule, dropout=point.keep_prob < 1)
    limit = float(largest_gradient(problem, np.asarray(point.keep_prob)))
    with np.errstate(all="ignore"):
        if theorem_of(problem.kind, constants).proven:
            objective = certified_beside(problem, "paper", constants)
            bound, missing = float(point.bound(objective).value), "it is not a finite number"
            value = bound if math.isfinite(bound) else None
        else:
            value, missing = attempted(problem, point, constants)
    if value is None:
        return Claim(constants, None, name, False, expected, (f"No bound: {missing}.",))
    return Claim(constants, value, name, value >= limit, expected)


def _sampled_masks(problem: Problem, point: Plan, claims: tuple[Claim, ...]) -> tuple[int, float]:
    """Masks per row and half, and sigma^2/samples, which E||sampled - true gradient||^2 cannot exceed."""
    variance = float(certified_constants(problem, np.asarray(point.keep_prob)).gradient_variance)
    rows = problem.samples or 1
    smallest = min((claim.bound for claim in claims if claim.bound), default=0.0)
    wanted = variance / (2 * rows * _MASK_ERROR**2 * smallest) if smallest else math.inf
    most = max(1, _MOST_SAMPLES // rows)
    masks = max(1, math.ceil(wanted)) if wanted < most else most
    return masks, variance / (2 * rows * masks)
