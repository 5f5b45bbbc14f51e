"""The settings: data sets by networks, losses and optimisers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import parts_of
from rsgadvise.spec import parse_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.training.networks import Data, Network

__all__ = ["DEVELOPMENT", "REPORT", "Setting", "load_setting"]

BATCH_SIZE, ITERATIONS = 32, 600
"""Of the training that is planned; its loss is the target at every batch size."""

_KINDS: dict[str, dict[str, Any]] = {
    "sigmoid squared sgd": {"hidden": (32,), "activation": "sigmoid", "loss": "squared", "optimizer": "sgd"},
    "relu ce adam": {"hidden": (64,), "activation": "relu", "loss": "cross_entropy", "optimizer": "adam"},
    "tanh ce sgd": {"hidden": (32, 16), "activation": "tanh", "loss": "cross_entropy", "optimizer": "sgd"},
    "tanh ce adam": {"hidden": (32, 16), "activation": "tanh", "loss": "cross_entropy", "optimizer": "adam"},
}
_SIDE, _POOLED = 28, 14

DEVELOPMENT = tuple(
    f"{name}: {kind}"
    for name, kinds in {
        "fashion": ("sigmoid squared sgd", "relu ce adam"),
        "spambase": ("tanh ce sgd", "tanh ce adam"),
        "wine": ("sigmoid squared sgd", "relu ce adam"),
        "ionosphere": ("tanh ce sgd", "relu ce adam"),
        "eeg": ("sigmoid squared sgd", "tanh ce adam"),
    }.items()
    for kind in kinds
)
"""What the method may look at."""

_OTHERS = (
    *("mnist", "digits", "breast-cancer", "wdbc", "australian", "banana", "contraceptive", "led7digit"),
    *("letter", "magic", "mammographic", "marketing"),
)
_TURNS = (
    ("sigmoid squared sgd", "tanh ce adam"),
    ("relu ce adam", "tanh ce sgd"),
)
REPORT = tuple(f"{name}: {kind}" for place, name in enumerate(_OTHERS) for kind in _TURNS[place % 2])
"""What it had not seen when it was fixed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A training that is planned."""

    name: str
    spec: dict[str, Any]
    network: Network
    optimizer: Optimizer
    data: Data


def load_setting(name: str, folder: Path) -> Setting:
    """One of the above."""
    source, _, kind = name.partition(": ")
    about = _KINDS[kind]
    data, _ = parts_of(source, folder)
    if data.inputs.shape[1] == _SIDE**2:
        data = Data(_pooled(data.inputs), data.targets)
    layers = [data.inputs.shape[1], *about["hidden"], data.targets.shape[1]]
    spec: dict[str, Any] = {
        "network": {
            "kind": "multilayer",
            "layers": layers,
            "activation": about["activation"],
            "loss": about["loss"],
            "bias": kind != "sigmoid squared sgd",
        },
        "training": {
            "batch_size": BATCH_SIZE,
            "iterations": ITERATIONS,
            "keep_prob": 1,
            "optimizer": about["optimizer"],
        },
    }
    problem = resolve(parse_spec(json.dumps(spec), file="<setting>").spec)
    return Setting(name, spec, Network.of(problem), problem.optimizer, data)


def _pooled(images: Any) -> Any:
    """Means of 2 x 2 pixels."""
    parts = images.reshape(-1, _POOLED, 2, _POOLED, 2)
    return np.ascontiguousarray(parts.mean(axis=(2, 4)).reshape(len(images), -1))
