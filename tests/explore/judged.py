"""What must be true of every answer, however odd the question."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from rsgadvise.advise.space import Space, search_space
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Objective, Plans, Schedule
from rsgadvise.theory.problem import Problem

NEAR = 1e-6
"""Relative gain of a point near by, or of a cheaper neighbour, that counts."""
_SAME = 1e-9
_NOBODYS = ("out of memory", "got nan", "(nan)", "got inf")
Find = tuple[str, str]


def strict(text: str) -> Any:
    """JSON without NaN and Infinity."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def streams(code: object, out: str, err: str, given: str = "") -> Iterator[Find]:
    """Exit codes, and one line of error alone where there is one; `given` are the spec and the command."""
    if code not in {0, 1, 2, 3}:
        yield "exit code", str(code)
        return
    lines = err.splitlines()
    if code == 2 or (code == 1 and lines):
        if len(lines) != 1 or not lines[0].startswith("error: "):
            yield "error not on one line", err[:300]
        elif not re.search(r"(\.| )(nan|inf)", given) and any(words in err for words in _NOBODYS):
            yield "error that nobody can act on", err[:300]
        if out:
            yield "output beside an error", out[:100]
    elif lines:
        yield "something on stderr", err[:300]


def numbers(document: Any, path: str = "") -> Iterator[Find]:
    """Probabilities and rates that are none."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from numbers(value, f"{path}.{key}")
            if key in {"bound", "certified_bound"} and isinstance(value, float) and value < 0:
                yield "a bound below 0", f"{path}.{key} = {value}"
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from numbers(value, f"{path}[{place}]")


def ranked(document: Any) -> Iterator[Find]:
    """Ranks in their order, terms that sum to the bound, words that agree with the numbers."""
    rows = document["recommendations"]
    if [row["rank"] for row in rows] != list(range(1, len(rows) + 1)):
        yield "rank numbers", str([row["rank"] for row in rows])
    spec = document["spec"]
    by_loss = document["constants"] in {"calibrated", "typical"}
    if by_loss and document["objective"].startswith("smallest loss"):
        spec = {**spec, "target": None}  # which a race leaves aside
    if spec["target"] is None:
        order = "loss_score" if by_loss else "bound"
    else:
        order = "seconds" if spec["cost"] is not None else "total_samples"
    raced = document["objective"] == "smallest loss in a race of short runs"  # of which no column tells
    values = [] if raced else [row[order] for row in rows]
    for before, after in pairwise(values):
        if None not in {before, after} and after < before * (1 - _SAME):
            yield "ranks out of order", f"{order}: {before} before {after}"
    for row in rows:
        yield from summed(row)
        yield from _kept(row, spec, {each["key"] for each in document["assumed"]})


def summed(row: Any) -> Iterator[Find]:
    """Terms of one bound, and what is said of it."""
    bound, certified = row.get("bound"), row.get("certified_bound")
    if bound is not None and row.get("terms"):
        total = math.fsum(row["terms"].values())
        if abs(total - bound) > _SAME * max(abs(bound), 1e-290):
            yield "terms do not sum to the bound", f"{total} and {bound}"
    if row.get("proven") and bound is not None and certified > bound * (1 + _SAME):
        yield "proven and not", f"certified {certified}, bound {bound}"
    if "certified_bound" in row and certified is None:
        yield "certified bound is null", str(row.get("rank"))
    limit = row.get("largest_gradient")
    if None not in {certified, limit} and certified > limit * (1 + _SAME):
        yield "certified bound above the largest gradient", f"{certified} and {limit}"


def _kept(row: Any, spec: Any, assumed: set[str]) -> Iterator[Find]:
    """A recommendation within the spec's own limits; the default batch sizes end at the number of rows."""
    training, search, budget = spec["training"], spec["search"], spec["budget"] or {}
    for key in ("batch_size", "iterations", "keep_prob", "decay"):
        if training[key] is not None and row[key] != training[key]:
            yield "a fixed value was moved", f"{key}: {row[key]} for {training[key]}"
    if training["iterations"] is None and not isinstance(training["stopping"], list):
        low, high = search["iterations"]["min"], search["iterations"]["max"]
        if not low <= row["iterations"] <= high:
            yield "iterations outside their range", f"{row['iterations']} of {low} to {high}"
    batches, size = search["batch_size"], row["batch_size"]
    if training["batch_size"] is None:
        if "search.batch_size" in assumed:
            inside = size <= max(batches)
        else:
            inside = (
                size in batches if isinstance(batches, list) else batches["min"] <= size <= batches["max"]
            )
        if not inside:
            yield "a batch size outside its range", str(size)
    for key, used in (("samples", "total_samples"), ("epochs", "total_epochs"), ("seconds", "seconds")):
        limit = budget.get(key)
        if limit is not None and row[used] is not None and row[used] > limit * (1 + 1e-9):
            yield "over budget", f"{used} {row[used]} of {limit}"
    target = spec["target"]
    if target is None or target["eps"] >= row["largest_gradient"]:  # any weights meet it
        return
    if row["bound"] > target["eps"] * target["delta"] ** (1 / row["runs"]) * (1 + _SAME):
        yield "the target is missed", f"bound {row['bound']} with {row['runs']} runs"


def better(text: str, document: Any) -> Iterator[Find]:
    """Points near the first rank with a smaller bound, and neighbours that meet the target for less."""
    rows = document["recommendations"]
    if not rows or document["constants"] not in {"paper", "certified"} or document["data"]:
        return
    spec = Spec.model_validate(json.loads(text))  # which the command has accepted
    problem = resolve(spec)
    first, space = rows[0], search_space(spec, problem)
    objective = objective_for(problem, document["constants"])
    with np.errstate(all="ignore"):
        yield from _near(spec, problem, objective, space, first)
        # What no weights miss is met by less than any plan of a theorem, which the notes say.
        if space.goal is not None and not space.goal.unmissable:
            yield from _cheaper(spec, objective, space, first)


def _near(spec: Spec, problem: Problem, objective: Objective, space: Space, row: Any) -> Iterator[Find]:
    if row["bound"] is None:  # outside the theorem's range, where nothing is smaller
        return
    stepsize = np.asarray(row["stepsize"], dtype=np.float64)
    keep, here = row["keep_prob"], min(row["bound"], row["largest_gradient"])  # beyond, none is a guarantee
    keeps = [keep]
    goal = space.goal
    free = goal is not None and row["bound"] > goal.per_run(np.asarray(float(row["runs"])))
    for low, high in goal.unmissable if goal is not None and free else space.keep_probs:
        if low <= keep <= high:
            keeps += [min(max(keep * factor, low), high) for factor in (0.97, 0.999, 1.001, 1.03)]
            keeps += [low, high]
    moves = [np.ones(stepsize.shape)]
    if space.stepsize is None:
        factors = (0.5, 0.97, 0.999, 1.001, 1.03, 2.0)
        moves += [np.full(stepsize.shape, factor) for factor in factors]
        for layer in range(stepsize.size if stepsize.ndim else 0):
            for factor in factors:
                move = np.ones(stepsize.shape)
                move[layer] = factor
                moves.append(move)
    pairs = [(each, move) for each in dict.fromkeys(keeps) for move in moves]
    gammas = np.stack([stepsize * move for _, move in pairs])
    zetas = np.asarray([each for each, _ in pairs])
    batch, n = (np.full(zetas.shape, float(row[key])) for key in ("batch_size", "iterations"))
    try:
        there = objective.bound(
            Plans(gammas, zetas, batch, n, Schedule(row["decay"], stopping_of(spec)))
        ).value
    except HypothesisError:
        return
    at = int(np.argmin(np.where(np.isnan(there), np.inf, there)))
    if there[at] < here * (1 - NEAR):
        each, move = pairs[at]
        yield "a better point near by", f"{there[at]} below {here} at {move.tolist()}, keep_prob {each}"


def _cheaper(spec: Spec, objective: Objective, space: Space, row: Any) -> Iterator[Find]:
    goal = space.goal
    assert goal is not None
    batch, n, runs = row["batch_size"], row["iterations"], row["runs"]
    here = _cost(space, batch, n, runs)
    batches = {batch + step for step in (-2, -1, 0, 1, 2)} | {round(batch * f) for f in (0.5, 0.9, 1.1, 2)}
    counts = {n + step for step in (-2, -1, 0, 1)} | {round(n * f) for f in (0.5, 0.9, 1.1, 2)}
    tries = {runs} if goal.runs is not None else {1, runs - 1, runs, runs + 1}
    cheaper = [
        (b, count, t)
        for t in sorted(tries)
        for b in sorted(batches)
        for count in sorted(counts)
        if 1 <= t <= 4096 and _allowed(space, b, count, t) and _cost(space, b, count, t) < here * (1 - NEAR)
    ]
    if not cheaper or spec.training.stepsize is not None:  # one point alone, which the search has tried
        return
    b, count, t = (np.asarray(column, dtype=np.float64) for column in zip(*cheaper, strict=True))
    schedule = Schedule(row["decay"], stopping_of(spec))
    keep = next(ends for ends in space.keep_probs if ends[0] <= row["keep_prob"] <= ends[1])
    try:
        plans = objective.optimum(b, count, keep, schedule)
        value = objective.bound(plans).value
    except HypothesisError:
        return
    for at in np.flatnonzero(value <= goal.eps * goal.delta ** (1 / t))[:1]:
        found = "B {}, N {}, T {}".format(*cheaper[at])
        yield "a cheaper neighbour", f"{found} for B {batch}, N {n}, T {runs}"


def _cost(space: Space, batch: int, n: int, runs: int) -> float:
    seconds = space.seconds(np.asarray(float(batch)), np.asarray(float(n * runs)))
    return float(batch * n * runs) if seconds is None else float(seconds)


def _allowed(space: Space, batch: int, n: int, runs: int) -> bool:
    sizes = space.batch_sizes
    inside = sizes[0] <= batch <= sizes[1] if space.batch_range else batch in sizes
    most = float(space.most_iterations(np.asarray(float(batch)), np.asarray(float(runs)))) if inside else 0.0
    return inside and space.iterations[0] <= n <= most
