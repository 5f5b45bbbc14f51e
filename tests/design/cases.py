"""Specs of designs, and the brute-force loop over architectures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Recommendation
from rsgadvise.spec import Spec
from rsgadvise.theory import ConstantsName

BASE: dict[str, Any] = {
    "network": {"kind": "multilayer", "layers": [60, 16, 4], "weight_bound": 0.05},
    "data": {"mean": 0.2, "mean_square": 0.06, "second_moment": 0.1, "top_eigenvalue": 4.0, "samples": 5000},
    "search": {"batch_size": [64, 512, 4096], "keep_prob": {"min": 0.5, "max": 1.0}},
}


def spec_of(**sections: Any) -> Spec:
    return Spec.model_validate({**BASE, **sections})


def architectures(widths: Sequence[int], depths: Sequence[int]) -> list[tuple[int, ...]]:
    found = []
    for depth in depths:
        found += [(60, *hidden, 4) for hidden in itertools.product(widths, repeat=depth)]
    return found


def spec_for(spec: Spec, layers: tuple[int, ...]) -> Spec:
    """The spec of one architecture; without hidden layers that of a single layer."""
    raw = spec.model_dump(exclude_unset=True)
    raw["network"] |= {"kind": "multilayer", "layers": layers}
    if len(layers) == 2:
        raw["network"] = {"kind": "single_layer", "layers": layers, "loss": spec.network.loss}
        raw["search"] = {k: v for k, v in raw["search"].items() if k != "keep_prob"}
        raw["training"] = {k: v for k, v in raw.get("training", {}).items() if k != "pretraining"}
    return Spec.model_validate(raw)


def weights_of(layers: tuple[int, ...]) -> int:
    return sum(a * b for a, b in itertools.pairwise(layers))


def cost_of(row: Recommendation, by: str, weights: int) -> float:
    if by == "bound":
        return row.bound
    if by == "seconds":
        assert row.seconds is not None
        return row.seconds
    if by == "iterations":
        return row.iterations * row.runs
    return row.total_samples * (3 * weights if by == "work" else 1)


def brute_force(
    spec: Spec, widths: Sequence[int], depths: Sequence[int], by: str, constants: ConstantsName
) -> list[tuple[float, int, int, tuple[int, ...], Recommendation]]:
    """(cost, weights, layers, row) of every feasible architecture, vacuous ones last, by `recommend`."""
    found = []
    for layers in architectures(widths, depths):
        rows = recommend(spec_for(spec, layers), constants=constants, top=200).recommendations
        if not rows:
            continue
        weights = weights_of(layers)
        best = min(rows, key=lambda row: (cost_of(row, by, weights), row.total_samples))
        found.append((cost_of(best, by, weights), weights, len(layers), layers, best))
    return sorted(found, key=lambda entry: (entry[-1].vacuous, *entry[:4]))
