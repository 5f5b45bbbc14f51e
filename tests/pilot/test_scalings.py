"""Which scalings are tried, and which is kept, of answers that are made up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rsgadvise.advise.results import Advice
from rsgadvise.library import recommend
from rsgadvise.pilot.scalings import best_scaling, other_scalings


def _asked(*, bias: bool, scaling: str = "auto") -> Any:
    return SimpleNamespace(data=SimpleNamespace(scaling=scaling), network=SimpleNamespace(bias=bias))


def _measured(
    scaling: str = "min-max per column", crushed: tuple[str, ...] = (), tailed: tuple[str, ...] = ()
) -> Any:
    return SimpleNamespace(scaling=scaling, crushed_columns=crushed, tailed_columns=tailed)


@pytest.mark.parametrize(
    ("spec", "statistics", "others"),
    [
        (_asked(bias=True), _measured(), ("standard",)),
        (_asked(bias=True), _measured("none"), ("standard",)),
        (_asked(bias=True), _measured(crushed=("a",)), ("standard", "robust")),
        (_asked(bias=True), _measured(tailed=("a",)), ("standard", "logarithms")),
        (_asked(bias=False), _measured(tailed=("a",)), ()),
        (_asked(bias=False), _measured(), ()),  # such a network needs its inputs on one side of 0
        (_asked(bias=False), _measured(crushed=("a",)), ("robust",)),
        (_asked(bias=True), _measured("divide by 255"), ()),
        (_asked(bias=True, scaling="minmax"), _measured(crushed=("a",)), ()),
    ],
)
def test_scalings_that_are_tried(spec: Any, statistics: Any, others: tuple[str, ...]) -> None:
    assert other_scalings(spec, statistics) == others


@pytest.fixture(scope="module")
def advice() -> Advice:
    network = {"kind": "single_layer", "layers": [4, 2]}
    return recommend({"network": network, "data": {"mean": 0.5, "samples": 60}}, constants="paper")


@pytest.mark.parametrize(
    ("own", "other", "best"),
    [
        ((0.5, None), (0.48, None), 0),  # not clearly lower
        ((0.5, None), (0.47, None), 1),
        ((0.5, 0.9), (0.6, 0.7), 1),  # rows held out, where they lose more
        ((0.5, 0.1), (0.4, 0.1), 1),
        ((None, None), (0.9, None), 1),
        ((None, None), (None, None), 0),
    ],
)
def test_the_specs_own_scaling_is_kept_unless_another_is_clearly_better(
    own: tuple[float | None, float | None],
    other: tuple[float | None, float | None],
    best: int,
    advice: Advice,
) -> None:
    assert advice.train is not None
    tried = [
        (
            _measured(scaling),
            replace(advice, cost=0.5, train=replace(advice.train, loss=loss, held_out_loss=held_out)),
        )
        for scaling, (loss, held_out) in (("none", own), ("standard", other))
    ]
    at, found = best_scaling(tried)
    assert (at, found.cost, found.train) == (best, 1.0, tried[best][1].train)
    said = [note for note in found.notes if note.startswith("Scalings")]
    assert len(said) == ((own[0], other[0]) != (None, None))
    assert all(("not clearly lower" in note) == (best == 0) for note in said)
