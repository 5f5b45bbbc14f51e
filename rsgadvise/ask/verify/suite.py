"""The built-in cases: every theorem where it holds, and settings in which the paper's (7) is exceeded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rsgadvise.ask.verify.cases import Case, Miss, Setting, build_case, case_key
from rsgadvise.ask.verify.from_spec import pretrain
from rsgadvise.theory import BY_THEOREM, FLOORLESS
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.optimizers.momentum import Momentum
from rsgadvise.theory.optimizers.sgd import Sgd
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import Stopping
from rsgadvise.theory.theorems import theorem_for
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.generated import generated_data, moments_of
from rsgadvise.training.networks import Data, Network, initial_weights

_ROWS = 64

# 1.3/U for one all-ones input of 20 features, U = 20 c2. A number, not a formula: the case is there to
# catch a wrong U.
_FIRST_STEP = 0.4219174

# (features, stepsize, 2000 iterations): one input of ones, y = 1/2, where E||grad f||^2 stays far above
# (7), whose constants know nothing of the length of x.
_FALSE_SETTINGS = ((100, 0.24), (784, 0.03), (1000, 0.024), (3072, 0.01))


def _data(name: str, seed: int, *, columns: int, outputs: int | None, mean: float, square: float) -> Data:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(name), 4)))
    return generated_data(
        mean=mean,
        mean_square=square,
        second_moment=None,
        columns=columns,
        outputs=outputs,
        rows=_ROWS,
        rng=rng,
    )


def _one_layer(seed: int) -> list[Setting]:
    network = Network("single_layer", (12, 3))
    data = _data("1-NN", seed, columns=12, outputs=3, mean=0.3, square=0.12)

    def setting(
        name: str, stepsize: float, iterations: int, decay: float = 0.0, stopping: Stopping = "uniform"
    ) -> Setting:
        return Setting(
            name=f"1-NN {name}",
            network=network,
            data=data,
            stepsizes=(stepsize,),
            batch_size=16,
            iterations=iterations,
            decay=decay,
            stopping=stopping,
            loss_falls=True,
        )

    falling = tuple((np.arange(200, 0, -1) / 20100).tolist())
    momentum: dict[str, Any] = {"constants": ("certified",), "expected": ("consistent",)}
    return [
        replace(setting("momentum", 0.01, 400), optimizer=Momentum(0.9), **momentum),
        setting("constant", 0.6, 100),
        setting("decay, matched R", 1.0, 100, 0.5, "matched"),
        setting("decay, uniform R", 1.0, 400, 0.5),
        setting("increasing R", 0.6, 400, 0.0, "increasing"),
        setting("last tenth", 0.6, 600, 0.0, "last"),
        setting("listed R", 0.6, 200, 0.0, falling),
    ]


def _extreme() -> list[Setting]:
    ones = Data(np.ones((1, 20)), np.zeros((1, 1)))
    first = Setting(
        name="1-NN ones, first step",
        network=Network("single_layer", (20, 1)),
        data=ones,
        stepsizes=(_FIRST_STEP,),
        batch_size=10**9,
        iterations=1,
        start_scale=0.0,
        constants=("certified",),
        expected=("consistent",),
    )
    false = [
        Setting(
            name=f"1-NN {columns} ones, fast",
            network=Network("single_layer", (columns, 1)),
            data=Data(np.ones((1, columns)), np.full((1, 1), 0.5)),
            stepsizes=(stepsize,),
            batch_size=100,
            iterations=2000,
            expected=("falsified", "consistent"),
        )
        for columns, stepsize in _FALSE_SETTINGS
    ]
    # f(w) = (w - 1)^2 from 0 to its end at 1, in steps so short that the bound is 4/c times what is measured.
    ball = Setting(
        name="1-NN singular value, all the way",
        network=Network("multilayer", (1, 1), (1.0,), loss="squared_linear", spectral=True),
        data=Data(np.ones((1, 1)), np.ones((1, 1))),
        stepsizes=(0.01,),
        batch_size=10**9,
        iterations=100,
        start=[np.zeros((1, 1, 1))],
        constants=(FLOORLESS,),
        expected=("consistent",),
    )
    return [first, ball, *false]


def _autoencoders(seed: int) -> list[Setting]:
    def setting(name: str, keep_prob: float, stepsize: float = 0.3, **theorem: Any) -> Setting:
        full = f"DA {name}"
        return Setting(
            name=full,
            network=Network("autoencoder", (6, 3), (0.5,), keep_prob),
            data=_data(full, seed, columns=6, outputs=None, mean=0.35, square=0.16),
            stepsizes=(stepsize,),
            batch_size=32,
            iterations=60,
            loss_falls=True,
            **theorem,
        )

    floorless: dict[str, Any] = {"constants": (FLOORLESS,), "expected": ("consistent",)}
    return [
        setting("no noise", 1.0),
        setting("half dropped", 0.5),
        setting("without a floor", 1.0, 0.1, **floorless),
    ]


def _multilayer(seed: int) -> list[Setting]:
    def setting(
        name: str, layers: tuple[int, ...], box: float, keep_prob: float, *, pretrained: bool = False
    ) -> Setting:
        full = f"{len(layers) - 1}-NN {name}"
        network = Network("multilayer", layers, (box,) * (len(layers) - 1), keep_prob)
        data = _data(full, seed, columns=layers[0], outputs=layers[-1], mean=0.35, square=0.16)
        start, alpha = None, 1.0
        if pretrained:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(full), 2)))
            done = pretrain(network, data, tolerance=0.05, rng=rng)
            start, alpha = done.weights, done.reached
        return Setting(
            name=full,
            network=network,
            data=data,
            stepsizes=(0.5,) * len(network.shapes),
            batch_size=64,
            iterations=60,
            start=start,
            pretraining=alpha,
            loss_falls=True,
        )

    def ball(name: str) -> Setting:
        found = setting(name, (6, 4, 2), 1.5, 1.0)
        return replace(found, network=replace(found.network, spectral=True))

    certified: dict[str, Any] = {"constants": ("certified",), "expected": ("consistent",)}
    floorless: dict[str, Any] = {"constants": (FLOORLESS,), "expected": ("consistent",)}
    return [
        replace(ball("singular values"), **certified),
        replace(ball("singular values, no floor"), stepsizes=(0.1, 0.1), **floorless),
        replace(setting("weight decay", (6, 4, 2), 0.5, 1.0), optimizer=Sgd(0.1), **certified),
        setting("pretrained", (8, 4, 3, 2), 1.0, 1.0, pretrained=True),
        setting("dropout, every mask", (5, 4, 2), 1.0, 0.7),
        setting("dropout, sampled masks", (16, 8, 2), 1.0, 0.5),
    ]


def _guarantees(seed: int) -> list[Setting]:
    """(eps, delta)-solutions with the N that each set of constants plans from the measured f(W^1)."""
    network, eps, delta, runs, batch = Network("single_layer", (8, 2)), 0.02, 0.1, 2, 32
    settings = []
    for constants in reversed(BY_THEOREM):
        name = f"(eps, delta), {constants}"
        data = _data(name, seed, columns=8, outputs=2, mean=0.3, square=0.12)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(case_key(name), 0)))
        start = initial_weights(network, rng)
        loss = float(Expectation(network, data).gradient(start, [rng])[0][0])
        moments = moments_of(data)
        problem = Problem(network.kind, network.layers, (), 1.0, moments, loss, data.rows, ())
        objective = theorem_for(problem, constants).objective
        size, kept = np.asarray(float(batch)), (1.0, 1.0)
        needed, _ = objective.required_iterations(np.asarray(eps * delta ** (1 / runs)), size, kept)
        iterations = math.ceil(needed)
        stepsize = objective.optimum(size, np.asarray(float(iterations)), kept, Schedule()).stepsize
        settings.append(
            Setting(
                name=name,
                network=network,
                data=data,
                stepsizes=(float(stepsize),),
                batch_size=batch,
                iterations=iterations,
                constants=(constants,),
                expected=("consistent",),
                miss=Miss(eps, delta, runs),
            )
        )
    return settings


_PARTS: Sequence[Callable[[int], list[Setting]]] = (
    _one_layer,
    lambda _: _extreme(),
    _autoencoders,
    _multilayer,
    _guarantees,
)


def suite_settings(seed: int) -> list[Setting]:
    """The settings of the built-in suite."""
    return [setting for part in _PARTS for setting in part(seed)]


def suite(*, seed: int, confidence: float) -> list[Case]:
    """The built-in suite, ready to run; the cases share the probability of error equally.

    Args:
        seed: of data, starts and replicas.
        confidence: 1 minus the probability that any of its verdicts is wrong.
    """
    settings = suite_settings(seed)
    alpha = (1 - confidence) / len(settings)
    return [build_case(setting, seed=seed, alpha=alpha) for setting in settings]
