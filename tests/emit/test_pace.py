"""`TrainingPlan.pace` against the programs, which have it written out."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import present
from snippets import run_alone

from rsgadvise.advise.recommend import recommend
from rsgadvise.show.emit import emit_snippet, model_program
from rsgadvise.spec import parse_spec

SPEC = parse_spec(
    "network: {kind: single_layer, layers: [4, 2]}\ntraining: {iterations: 40}\n", file="a.yaml"
).spec
ADVICE = recommend(SPEC)
PLAN = present(ADVICE.train)


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_of_a_module(schedule: Any, warmup: int) -> None:
    assert PLAN is not None
    plan = replace(PLAN, schedule=schedule, warmup=warmup)
    advice: Any = SimpleNamespace(train=plan, recommendations=())
    text = model_program(
        advice,
        file="net.py",
        name="make",
        loss="nn.MSELoss()",
        optimizer="torch.optim.SGD({}, lr={})",
        data={"path": "a.npz", "options": {}, "scaling": "none"},
        classes=False,
        second=False,
        judged=False,
        tensor=True,
        shape=None,
        turned=False,
        seed=0,
    )
    names = run_alone(text.replace("import torch\n", "").replace("from torch import nn\n", ""), "pace")
    names["math"] = math
    for done in range(plan.iterations):
        assert plan.pace(done) == pytest.approx(names["pace"](done), rel=1e-12)
    assert plan.pace(plan.iterations) == (1 if schedule == "constant" else 0)


def test_of_a_network_of_a_spec() -> None:
    assert PLAN is not None
    plan = replace(PLAN, stopping="end", schedule="linear", cooldown=0.25)
    text = emit_snippet(replace(ADVICE, train=plan), SPEC, target="torch", data=None)
    pace = run_alone(text, "pace")["pace"]
    for done in range(plan.iterations + 1):
        assert plan.pace(done) == pytest.approx(pace(done + 1), abs=1e-15)
    decaying = replace(PLAN, decay=0.5)
    assert [decaying.pace(done) for done in (0, 3)] == [1, 0.5]
