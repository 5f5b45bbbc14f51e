"""Specs whose advice is written down, and what runs the text without the library."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from typing import Any, get_args

from rsgadvise.advise.recommend import recommend, training_plan
from rsgadvise.advise.results import Advice, Recommendation, TrainingPlan
from rsgadvise.pilot import Effort
from rsgadvise.pilot.advising import advise
from rsgadvise.show.emit import DataFile, Target, emit_snippet
from rsgadvise.spec import Spec, parse_spec
from rsgadvise.training.networks import Network

TARGETS: tuple[Target, ...] = get_args(Target)

SPECS = {
    "single layer": """
network: {kind: single_layer, layers: [6, 3]}
training: {iterations: 30}
search: {batch_size: [2, 4, 8]}
""",
    "single layer, decay, several runs": """
network: {kind: single_layer, layers: [6, 1]}
training: {decay: 0.3, stopping: increasing}
target: {eps: 1.0, delta: 0.05, runs: 2}
""",
    "autoencoder": """
network: {kind: autoencoder, layers: [6, 4], weight_bound: 0.6}
training: {iterations: 30, batch_size: 3, keep_prob: 0.7}
""",
    "autoencoder, several runs": """
network: {kind: autoencoder, layers: [5, 2], weight_bound: 0.3}
training: {keep_prob: 1, batch_size: 40}
target: {eps: 3.0, delta: 0.05, runs: 3}
""",
    "layers with masks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: [0.6, 0.5, 0.4]}
training: {iterations: 30, batch_size: 4, decay: 0.5, stopping: matched}
search: {keep_prob: {min: 0.6, max: 0.9}}
data: {samples: 50}
""",
    "layers, listed stopping": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.5}
training: {stopping: [0.0, 0.25, 0.25, 0.5], keep_prob: 1}
search: {decay: [0, 0.5]}
""",
    "layers, range of batches, several runs": """
network: {kind: multilayer, layers: [4, 3, 2], weight_bound: 0.2}
training: {decay: 0.2, stepsize: [0.4, 0.8]}
search: {batch_size: {min: 3, max: 50}, keep_prob: [0.5, 1.0], iterations: {max: 20}}
target: {eps: 20.0, delta: 0.05, runs: 2}
""",
    "layers with masks, several runs": """
network: {kind: multilayer, layers: [5, 4, 2], weight_bound: [0.3, 0.4]}
training: {keep_prob: 0.75, stepsize: [0.9, 0.5]}
search: {batch_size: [5, 6], iterations: {max: 20}}
target: {eps: 20.0, delta: 0.05, runs: 2}
""",
    "biases with masks, several runs": """
network: {kind: multilayer, layers: [5, 4, 2], weight_bound: [0.3, 0.4], bias: true}
training: {keep_prob: 0.75, stepsize: [0.9, 0.5]}
search: {batch_size: [5, 6], iterations: {max: 20}}
target: {eps: 20.0, delta: 0.05, runs: 2}
""",
    "one boxed layer with masks": """
network: {kind: multilayer, layers: [5, 2], weight_bound: 0.05}
training: {iterations: 20, batch_size: 4, stopping: increasing, stepsize: 0.7}
search: {keep_prob: [0.5, 0.8]}
""",
}


@cache
def answered(text: str) -> tuple[Spec, Advice]:
    """Once for all that is written of it."""
    spec = parse_spec(text, file="a.yaml").spec
    if spec.network.obstacle is not None:  # no theorem ranks it
        return spec, advise(spec, None, Effort())
    return spec, recommend(spec)


def advised(text: str) -> tuple[Spec, Recommendation]:
    spec, advice = answered(text)
    assert advice.recommendations, advice.infeasible
    return spec, advice.recommendations[0]


def to_the_end(text: str, target: Target, *, iterations: int, cooldown: float) -> str:
    """The same values, trained to the end with a stepsize that falls to 0 there."""
    spec, best = advised(text)
    plan = training_plan(best, spec.network.weight_bounds, source="raced")
    plan = replace(plan, stopping="end", decay=0.0, iterations=iterations, cooldown=cooldown)
    plan = optimised(plan, spec)
    return emit_snippet(replace(answered(text)[1], train=plan), spec, target=target)


def snippet(text: str, target: Target, data: DataFile | None = None) -> str:
    spec, advice = answered(text)
    if not spec.training.chosen_optimizer.plain:
        assert advice.train is not None
        advice = replace(advice, train=optimised(advice.train, spec))
    return emit_snippet(advice, spec, target=target, data=data)


def optimised(plan: TrainingPlan, spec: Spec) -> TrainingPlan:
    """The plan with the optimiser of the spec."""
    chosen = spec.training.chosen_optimizer
    return replace(plan, optimizer=chosen.name, optimizer_settings=chosen.settings)


def network_of(spec: Spec, best: Recommendation) -> Network:
    given = spec.network
    return Network(
        given.kind,
        given.layers,
        given.weight_bounds,
        best.keep_prob,
        given.activations,
        given.loss,
        given.bias,
        spectral=given.spectral,
    )


def run(text: str) -> dict[str, Any]:
    """Everything but the main part, whose library must be there."""
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(text, "snippet.py", "exec"), names)
    return names


def run_alone(text: str, *functions: str) -> dict[str, Any]:
    """Constants and the named functions only, without the library."""
    tree = ast.parse(text)
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            kept = any(alias.name == "numpy" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            kept = (node.module or "").startswith(("rsgadvise", "dataclasses"))
        elif isinstance(node, ast.FunctionDef):
            kept = node.name in functions
        else:
            kept = isinstance(node, ast.Assign)
        if kept:
            body.append(node)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(ast.Module(body, []), "snippet.py", "exec"), names)
    return names
