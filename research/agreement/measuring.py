"""Training one configuration, and everything that bounds speak of measured along its trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.agreement.design import Configuration, Sweep, held
from research.agreement.sources import rows_of
from rsgadvise.pilot.calibration import Calibration, calibrate, steepness
from rsgadvise.pilot.task import Task
from rsgadvise.theory import BY_THEOREM
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.problem import MeasuredConstants, Problem
from rsgadvise.theory.theorems import theorem_for
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, Weights, initial_weights, one_thread
from rsgadvise.training.rsg import Stream, Training, train

__all__ = ["LOOKS", "PROTOCOL", "Outcome", "measure_one", "measure_sweep", "strata", "with_calibration"]

LOOKS = 6
"""Parts of equal length of 1..N, and as many in geometric progression, that cut P_R into strata: the
gradient is largest in the first iterations, which equal parts alone would meet by chance."""

_WATCHED = 2  # replicas along which variance and smoothness are measured
_VARIANCE_ROWS = 256
_SMOOTHNESS_ROWS, _SMOOTHNESS_EVERY, _PRODUCTS = 128, 8, 6
_KEY = 0xA6EE
PROTOCOL = (LOOKS, _WATCHED, _VARIANCE_ROWS, _SMOOTHNESS_ROWS, _SMOOTHNESS_EVERY, _PRODUCTS, _KEY)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What training showed. Means are over R and replicas, each with a W^1 of its own.

    Attributes:
        stepsize: gamma. moments: of the rows.
        gradients: ||g(W^R)||^2 of each replica, over its looks.
        first_gradients: ||g(W^1)||^2 of each replica.
        first_loss, last_loss: f(W^1) and f(W^(N+1)).
        variances: of one example's gradient along the trajectory, one per matrix.
        smoothness: largest Hessian eigenvalue along the trajectory.
        calibrated_variances, calibrated_smoothness, calibrated_loss: what `calibrate` says beforehand.
    """

    configuration: Configuration
    stepsize: float
    moments: InputMoments
    gradients: tuple[float, ...]
    first_gradients: tuple[float, ...]
    first_loss: float
    last_loss: float
    variances: tuple[float, ...]
    smoothness: float
    calibrated_variances: tuple[float, ...]
    calibrated_smoothness: float
    calibrated_loss: float

    @property
    def measured(self) -> float:
        """E||g(W^R)||^2."""
        return float(np.mean(self.gradients))

    def problem(self) -> Problem:
        """What the theory knows before training: f(W^1) is the largest loss, as where nobody gives it."""
        network = _network(self.configuration, self.moments.dim)
        return _problem(network, self.moments)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Outcome:
        """From what JSON makes of one."""
        listed: dict[str, Any]
        listed = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        listed["configuration"] = Configuration.of(stored["configuration"])
        listed["moments"] = InputMoments(**stored["moments"])
        return cls(**listed)


def _network(configuration: Configuration, inputs: int) -> Network:
    layers = configuration.layers(inputs)
    boxes = 0 if configuration.family == "single_layer" else len(layers) - 1
    bounds = (configuration.weight_bound,) * boxes
    hidden = boxes - (configuration.family == "multilayer")
    return Network(
        configuration.family,
        layers,
        bounds,
        configuration.keep_prob,
        (configuration.activation,) * hidden,
        configuration.loss,
    )


def _problem(network: Network, moments: InputMoments) -> Problem:
    return Problem(
        kind=network.kind,
        layers=network.layers,
        weight_bounds=network.weight_bounds,
        pretraining=1.0,
        moments=moments,
        initial_loss=network.largest_loss,
        samples=None,
        assumed=(),
        activations=network.activations,
        loss=network.loss,
    )


def with_calibration(problem: Problem, outcome: Outcome) -> Problem:
    """The problem as calibrated advice sees it."""
    known = MeasuredConstants(
        outcome.calibrated_smoothness, outcome.calibrated_variances, distance=1.0, loss=1.0
    )
    return replace(problem, measured=known, initial_loss=outcome.calibrated_loss)


def _calibration(configuration: Configuration, network: Network, data: Data) -> Calibration:
    task = Task.of(network, data, seed=configuration.key, hold_out=False)
    return calibrate(task, batch_size=configuration.batch_size, iterations=configuration.iterations)


def _limit(
    configuration: Configuration, network: Network, moments: InputMoments, known: Calibration
) -> float:
    """What the stepsize is a fraction of."""
    if configuration.block == "realistic":
        return 2 / known.constants.smoothness
    problem, zeta = _problem(network, moments), np.asarray(network.keep_prob)
    theorems = [theorem_for(problem, name) for name in BY_THEOREM]
    objectives = [theorem.objective for theorem in theorems if not theorem.refusal(problem)]
    return min(float(np.min(objective.largest_stepsizes(zeta))) for objective in objectives)


def measure_one(configuration: Configuration, folder: Path, replicas: int) -> Outcome:
    """Train the replicas of a configuration and look at them."""
    data, moments = rows_of(configuration, folder)
    network = _network(configuration, data.inputs.shape[1])
    with one_thread():
        known = _calibration(configuration, network, data)
        stepsize = configuration.stepsize
        if stepsize is None:
            stepsize = configuration.fraction * _limit(configuration, network, moments, known)
    return _trained(configuration, (data, moments), known, stepsize, replicas)


def measure_sweep(sweep: Sweep, folder: Path, replicas: int) -> list[Outcome]:
    """All levels of a sweep, with the stepsize that is valid for each of them."""
    if sweep.knob == "stepsize":
        return [measure_one(level, folder, replicas) for level in sweep.levels]
    limits = []
    for level in sweep.levels:
        data, moments = rows_of(level, folder)
        network = _network(level, data.inputs.shape[1])
        with one_thread():
            limits.append(_limit(level, network, moments, _calibration(level, network, data)))
    stepsize = sweep.levels[0].fraction * min(limits)
    return [measure_one(level, folder, replicas) for level in held(sweep, stepsize)]


def strata(iterations: int) -> NDArray[np.int64]:
    """Edges of the strata of a uniform R: stratum i holds the iterations edges[i]..edges[i + 1] - 1.

    Example:
        >>> strata(40).tolist()
        [1, 2, 3, 6, 8, 12, 14, 21, 22, 28, 34, 41]
    """
    end = iterations + 1
    cuts = np.concatenate([np.geomspace(1, end, LOOKS + 1), np.linspace(1, end, LOOKS + 1)])
    return np.unique(np.round(cuts).astype(np.int64))


def _trained(
    configuration: Configuration,
    rows: tuple[Data, InputMoments],
    known: Calibration,
    stepsize: float,
    replicas: int,
) -> Outcome:
    data, moments = rows
    network = _network(configuration, moments.dim)
    key, n = configuration.key, configuration.iterations
    gammas = (stepsize,) * len(network.shapes)
    training = Training(network, data, gammas, configuration.batch_size, configuration.decay)
    streams = [Stream(key, (_KEY, replica)) for replica in range(replicas)]
    starts = [initial_weights(network, np.random.default_rng([key, _KEY, r])) for r in range(replicas)]
    start = [np.concatenate(matrices).astype(np.float32) for matrices in zip(*starts, strict=True)]
    edges = strata(n)
    shares = np.diff(edges) / n
    looks = [stream.stopping.integers(edges[:-1], edges[1:]) for stream in streams]
    # W^1 tells where training starts, W^(N+1) how far the loss has come.
    stops = [np.array([1, *drawn, n + 1]) for drawn in looks]
    objective = Expectation(network, data)
    watch = _Watch(network, data, np.random.default_rng([key, _KEY]))
    gradients, first_gradients, first, last = np.zeros((4, replicas))
    with one_thread():
        for shot in train(training, start, streams, stops):
            found = objective.measure(
                shot.weights,
                training.stepsizes_at(shot.iteration),
                [streams[replica].measuring for replica in shot.replicas],
            )
            for place, replica in enumerate(shot.replicas):
                share = float(shares[looks[replica] == shot.iteration].sum())
                gradients[replica] += share * found.product[place]
                if shot.iteration == 1:
                    first_gradients[replica], first[replica] = found.product[place], found.loss[place]
                if shot.iteration == n + 1:
                    last[replica] = found.loss[place]
                if share and replica < _WATCHED:
                    watch.see([matrix[place] for matrix in shot.weights], share)
    return Outcome(
        configuration=configuration,
        stepsize=stepsize,
        moments=moments,
        gradients=tuple(gradients.tolist()),
        first_gradients=tuple(first_gradients.tolist()),
        first_loss=float(first.mean()),
        last_loss=float(last.mean()),
        variances=watch.variances,
        smoothness=watch.smoothness,
        calibrated_variances=known.constants.layer_variances,
        calibrated_smoothness=known.constants.smoothness,
        calibrated_loss=known.initial_loss,
    )


class _Watch:
    """Variance and smoothness at the weights that pass by, on samples of rows."""

    def __init__(self, network: Network, data: Data, rng: np.random.Generator) -> None:
        self._network, self._data, self._rng = network, data, rng
        self._variances: list[list[float]] = []
        self._eigenvalues: list[float] = []
        self._shares: list[float] = []
        self._spans: list[float] = []

    def see(self, weights: Weights, share: float) -> None:
        """Measure here, for a share of P_R; the smoothness only now and then."""
        here = self._at(weights, _VARIANCE_ROWS)
        pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
        pairs = list(zip(here.layer_squares, here.gradient, strict=True))
        left = 1 - 1 / here.rows
        if len(self._shares) % _SMOOTHNESS_EVERY == 0:
            there = self._at(weights, _SMOOTHNESS_ROWS)
            found = steepness(there, self._network, self._rng, products=_PRODUCTS)
            self._eigenvalues.append(found.highest)
            self._spans.append(0.0)
        self._variances.append([max(0.0, float(s.mean() - np.sum(g**2))) / left for s, g in pairs])
        self._shares.append(share)
        self._spans[-1] += share

    def _at(self, weights: Weights, count: int) -> Curvature:
        rows = self._rng.permutation(self._data.rows)[:count]
        masks = [
            (self._rng.random((len(rows), width)) < self._network.keep_prob).astype(np.float64)
            for width in self._network.masked_widths
        ]
        part = Data(self._data.inputs[rows], self._data.targets[rows])
        return Curvature(self._network, part, [matrix.astype(np.float64) for matrix in weights], masks)

    @property
    def variances(self) -> tuple[float, ...]:
        """Means of sigma_l^2."""
        return tuple(np.average(self._variances, axis=0, weights=self._shares).tolist())

    @property
    def smoothness(self) -> float:
        """Mean of U."""
        return float(np.average(self._eigenvalues, weights=self._spans))
