"""`training.optimizer`: what may be written, what it becomes, and one clear line for all else."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Run

from rsgadvise.errors import SpecError
from rsgadvise.spec import Spec, parse_spec

BASE = "network: {kind: multilayer, layers: [4, 3, 2]}\ntraining:\n  optimizer: "


def spec(text: str) -> Spec:
    return parse_spec(BASE + text, file="s.yaml").spec


@pytest.mark.parametrize(
    ("text", "name", "settings", "dumped"),
    [
        ("sgd", "sgd", {}, "sgd"),
        (
            "{name: sgd, weight_decay: 0.1}",
            "sgd",
            {"weight_decay": 0.1},
            {"name": "sgd", "weight_decay": 0.1},
        ),
        ("{name: sgd, weight_decay: 0}", "sgd", {}, "sgd"),
        ("momentum", "momentum", {"beta": 0.9}, "momentum"),
        (
            "{name: momentum, beta: 0.5}",
            "momentum",
            {"beta": 0.5},
            {"name": "momentum", "beta": 0.5},
        ),
        ("{name: nesterov}", "nesterov", {"beta": 0.9}, "nesterov"),
        ("adam", "adam", {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}, "adam"),
        ("adamw", "adamw", {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}, "adamw"),
        (
            "{betas: [0.8, 0.99], eps: 1e-6, name: adam, weight_decay: 0.1}",
            "adam",
            {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1},
            {"name": "adam", "betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.1},
        ),
    ],
)
def test_what_may_be_written(text: str, name: str, settings: dict[str, Any], dumped: object) -> None:
    found = spec(text)
    chosen = found.training.chosen_optimizer
    assert (chosen.name, chosen.settings) == (name, settings)
    written = found.model_dump(mode="json")
    assert written["training"]["optimizer"] == dumped
    assert Spec.model_validate(written) == found
    assert Spec.model_validate({"network": found.network, "training": {"optimizer": chosen}}) == found


def test_sgd_where_nothing_is_written() -> None:
    found = parse_spec("network: {kind: single_layer, layers: [4, 2]}", file="s.yaml").spec
    assert found.training.optimizer is None
    assert found.training.chosen_optimizer.plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "adamm",
            "3:14: training.optimizer: must be one of sgd, adam, adamw, momentum, nesterov; "
            "got 'adamm'; "
            "did you mean 'adam'?",
        ),
        ("3", "training.optimizer: must be one of sgd"),
        ("{beta: 0.9}", "must be a name, or a section with a name"),
        ("{name: rmsprop, beta: 0.9}", "3:21: training.optimizer.name: must be one of sgd"),
        (
            "{name: momentum, bta: 0.5}",
            "3:36: training.optimizer.bta: must be absent for "
            "optimizer momentum; got "
            "a setting bta; did you mean 'beta'?",
        ),
        (
            "{name: sgd, beta: 0.5}",
            "must be absent for optimizer sgd; got a setting beta; its settings are weight_decay",
        ),
        ("{name: adam, momentum: 0.5}", "its settings are betas, eps, weight_decay"),
        ("{name: momentum, beta: 1}", "optimizer.beta: must be a number at least 0 and below 1; got 1"),
        ("{name: nesterov, beta: 0}", "must be a number above 0 and below 1; got 0"),
        ("{name: adam, betas: 0.9}", "optimizer.betas: must be a list, each entry a number at least 0"),
        ("{name: adam, betas: [0.9]}", "must be a list of 2 entries; got a list of 1 entry"),
        ("{name: adam, betas: [0.9, 2]}", "3:40: training.optimizer.betas[1]: must be a number at least 0"),
        ("{name: adam, eps: 0}", "training.optimizer.eps: must be a number at least 1e-30; got 0"),
        ("{name: adamw, weight_decay: -1}", "training.optimizer.weight_decay: must be a number at least 0"),
        ("adam\ntarget: {eps: 0.1, delta: 0.1}", "must be sgd where there is a target"),
        ("adam\n  stopping: matched", "training.stopping: must be uniform, increasing, last or a list"),
    ],
)
def test_anything_else_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unit", ["relu", "tanh"])
def test_a_target_and_bounded_singular_values_are_refused_with_one_whole_fix(run: Run, unit: str) -> None:
    text = (
        f"network: {{kind: multilayer, layers: [4, 3, 2], activation: {unit}, spectral_bound: 2}}\n"
        "data: {mean: 0.3, mean_square: 0.1, samples: 50}\n"
        "training: {optimizer: adam}\nbudget: {epochs: 2}\n"
    )
    said = run("recommend", "-", stdin=text + "target: {eps: 0.1, delta: 0.1}\n").err
    assert "remove the target, write weight_bound in place of network.spectral_bound" in said
    assert ("or remove the optimizer, and use --constants certified" in said) == (unit == "tanh")
    assert run("recommend", "-", stdin=text.replace("spectral_bound", "weight_bound")).code == 0
    alone = text.replace("training: {optimizer: adam}\n", "") + "target: {eps: 0.1, delta: 0.1}\n"
    if unit == "tanh":
        assert run("recommend", "-", "--constants", "certified", stdin=alone).code in (0, 1)


def test_the_schema_has_every_optimizer_with_its_settings() -> None:
    import jsonschema

    from rsgadvise.spec.schema import json_schema

    found = json_schema()
    network = {"kind": "single_layer", "layers": [4, 2]}

    def valid(optimizer: object) -> bool:
        document = {"network": network, "training": {"optimizer": optimizer}}
        return bool(jsonschema.Draft202012Validator(found).is_valid(document))

    assert valid("adamw")
    assert valid({"name": "adam", "betas": [0.9, 0.99]})
    assert valid(None)
    assert not valid("adamm")
    assert not valid({"name": "momentum", "betas": [0.9, 0.99]})
    assert not valid({"name": "momentum", "beta": 1})
    assert not valid({"beta": 0.5})
