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

__all__ = ["BY_TORCH", "DEVELOPMENT", "OTHERS", "REPORT", "Setting", "load_setting"]

BATCH_SIZE, ITERATIONS = 32, 600
"""Of the training that is planned; its loss is the target at every batch size."""

_SHAPES: dict[str, dict[str, Any]] = {
    "sigmoid squared": {"hidden": (32,), "activation": "sigmoid", "loss": "squared", "bias": False},
    "relu ce": {"hidden": (64,), "activation": "relu", "loss": "cross_entropy", "bias": True},
    "tanh ce": {"hidden": (32, 16), "activation": "tanh", "loss": "cross_entropy", "bias": True},
}
BY_TORCH = " by torch"
"""After the name of a setting: the same network as a torch module, so that `batch --model` predicts."""
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

OTHERS = tuple(
    f"{name}: {kind}"
    for name, kinds in {
        "fashion": ("relu ce adam by torch",),
        "spambase": ("relu ce momentum", "relu ce adamw", "tanh ce sgd by torch", "tanh ce adam by torch"),
        "wine": ("tanh ce momentum", "tanh ce adamw", "relu ce adam by torch"),
        "ionosphere": ("relu ce momentum", "tanh ce adamw", "tanh ce sgd by torch", "relu ce adam by torch"),
    }.items()
    for kind in kinds
)
"""The same tables by other optimisers and as torch modules, looked at when the method was fixed."""

_UNSEEN = (
    *("mnist", "digits", "breast-cancer", "wdbc", "australian", "banana", "contraceptive", "led7digit"),
    *("letter", "magic", "mammographic", "marketing"),
)
_TURNS = (
    ("sigmoid squared sgd", "tanh ce adam"),
    ("relu ce adam", "tanh ce sgd"),
)
REPORT = tuple(f"{name}: {kind}" for place, name in enumerate(_UNSEEN) for kind in _TURNS[place % 2])
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
    source, _, kind = name.removesuffix(BY_TORCH).partition(": ")
    shape, _, optimizer = kind.rpartition(" ")
    about = dict(_SHAPES[shape])
    data, _ = parts_of(source, folder)
    if data.inputs.shape[1] == _SIDE**2:
        data = Data(_pooled(data.inputs), data.targets)
    layers = [data.inputs.shape[1], *about.pop("hidden"), data.targets.shape[1]]
    spec: dict[str, Any] = {
        "network": {"kind": "multilayer", "layers": layers, **about},
        "training": {
            "batch_size": BATCH_SIZE,
            "iterations": ITERATIONS,
            "keep_prob": 1,
            "optimizer": optimizer,
        },
    }
    problem = resolve(parse_spec(json.dumps(spec), file="<setting>").spec)
    return Setting(name, spec, Network.of(problem), problem.optimizer, data)


def _pooled(images: Any) -> Any:
    """Means of 2 x 2 pixels."""
    parts = images.reshape(-1, _POOLED, 2, _POOLED, 2)
    return np.ascontiguousarray(parts.mean(axis=(2, 4)).reshape(len(images), -1))
