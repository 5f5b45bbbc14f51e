"""Ranges of batch sizes against every batch size of the range, listed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from cases import spec_of
from hypothesis import given
from hypothesis import strategies as st

from rsgadvise.advise.space import search_space
from rsgadvise.ask.design import design, parse_depths, parse_widths
from rsgadvise.ask.design.screening import Lattice, Metric, Screened, Search, one_problem, one_space, screen
from rsgadvise.errors import UsageError
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Schedule

LATTICE = Lattice(60, 4, (4, 32), (0, 1, 2, 3))
COST = {"per_iteration": 1e-3, "per_sample": 1e-5}
GOAL = {"eps": 0.3, "delta": 0.1}
FIXED = {**GOAL, "runs": 3}
LONG: dict[str, Any] = {"iterations": {"max": 10**9}}
KEEP = {"keep_prob": {"min": 0.5, "max": 1.0}}
CASES: list[tuple[Metric, tuple[int, int], dict[str, Any], dict[str, Any]]] = [
    ("work", (1, 600), LONG, {"target": FIXED}),
    ("work", (300, 900), LONG, {"target": {**FIXED, "eps": 0.05}}),
    ("work", (400, 1000), LONG, {"target": {**FIXED, "eps": 3.0}}),
    ("work", (1, 700), {"iterations": {"max": 700}}, {"target": FIXED}),
    ("work", (1, 700), {"iterations": {"min": 500, "max": 10**6}}, {"target": {**FIXED, "eps": 3.0}}),
    ("work", (1, 300), LONG, {"target": {**GOAL, "eps": 0.9}}),
    ("samples", (50, 700), LONG, {"target": FIXED, "budget": {"samples": 600_000}}),
    ("iterations", (50, 700), LONG, {"target": FIXED}),
    ("iterations", (50, 400), LONG, {"target": GOAL}),
    ("seconds", (1, 700), LONG, {"target": FIXED, "cost": COST}),
    ("seconds", (1, 700), LONG, {"target": FIXED, "cost": COST, "budget": {"seconds": 15.0}}),
    ("work", (1, 600), {**LONG, "keep_prob": [0.4, 0.8]}, {"target": FIXED}),
    ("bound", (1, 600), {"iterations": {"max": 10**6}}, {"budget": {"samples": 100_000}}),
    ("bound", (1, 600), {"iterations": {"max": 400}}, {"budget": {"samples": 100_000}}),
    ("bound", (20, 900), {"iterations": {"max": 10**6}}, {"budget": {"samples": 5_000}}),
    ("bound", (20, 600), {"iterations": {"max": 10**6}}, {"cost": COST, "budget": {"seconds": 2.0}}),
]


def screened(
    metric: Metric, sizes: Any, search: dict[str, Any], sections: dict[str, Any], constants: Any
) -> tuple[Any, Any, Screened]:
    spec = spec_of(search={**KEEP, **search, "batch_size": sizes}, **sections)
    base = resolve(spec)
    space = search_space(spec, base)
    return base, space, screen(Search(base, space, LATTICE, constants, metric))


@pytest.mark.parametrize(
    ("case", "constants"), list(zip(CASES, itertools.cycle(["paper", "certified", "paper"]), strict=False))
)
def test_a_range_is_as_good_as_the_list_of_all_its_integers(
    case: tuple[Metric, tuple[int, int], dict[str, Any], dict[str, Any]], constants: Any
) -> None:
    metric, (low, high), search, sections = case
    listed = list(range(low, high + 1))
    _, _, wanted = screened(metric, listed, search, sections, constants)
    base, space, found = screened(metric, {"min": low, "max": high}, search, sections, constants)
    assert np.array_equal(np.isfinite(found.cost), np.isfinite(wanted.cost))
    done = np.isfinite(found.cost)
    # Few iterations are jagged in B. Screening only chooses which networks are solved again.
    slack = np.where(wanted.iterations[done] < 40, 0.04, 0.015)
    assert (found.cost[done] >= wanted.cost[done] * (1 - 1e-9)).all()
    assert (found.cost[done] <= wanted.cost[done] * (1 + slack)).all()
    for row in np.flatnonzero(done)[::2]:
        layers = LATTICE.layers(int(found.depth[row]), int(found.index[row]))
        own = objective_for(one_problem(base, layers), constants)
        batch, n = found.batch[[row]], found.iterations[[row]]
        assert low <= batch[0] <= high
        assert (batch[0], n[0]) == (int(batch[0]), int(n[0]))
        assert n[0] <= space.most_iterations(batch, found.runs[[row]])[0]
        values = []
        for keep in one_space(space, len(layers) - 2).keep_probs:
            plans = own.optimum(batch, n, keep, Schedule())
            values.append(float(own.bound(plans).value[0]))
        limit = found.value[row] if space.goal is None else float(space.goal.per_run(found.runs[row]))
        assert min(values) <= limit * (1 + 1e-9)


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("eps", [1e-3, 0.05])
def test_in_a_wide_range_the_ranks_are_those_of_a_dense_list(eps: float, constants: Any) -> None:
    low, high = 16, 10**8
    dense = sorted({round(float(size)) for size in np.geomspace(low, high, 950)})
    search = {"iterations": {"max": 10**12}}
    sections = {"target": {"eps": eps, "delta": 0.05, "runs": 4}}
    _, _, wanted = screened("work", dense, search, sections, constants)
    _, _, found = screened("work", {"min": low, "max": high}, search, sections, constants)
    assert np.array_equal(np.isfinite(found.cost), np.isfinite(wanted.cost))
    done = np.isfinite(wanted.cost)
    assert done.sum() > 10
    ratio, whole = found.cost[done] / wanted.cost[done], 1 / wanted.iterations[done]  # N is rounded up
    assert (ratio >= 1 - 3e-3).all()
    assert (ratio <= 1 + 1e-3 + whole).all()
    if eps < 0.05:
        return  # the order of one target is enough: each network that is ranked takes half a second
    spec = spec_of(search={**KEEP, **search, "batch_size": {"min": low, "max": high}}, **sections)
    few = {"widths": (4, 32), "depths": (1, 2), "equal": True}
    shown = design(spec, **few, constants=constants, pipeline="none")  # type: ignore[arg-type]
    order = wanted.order()
    cost = dict(
        zip(
            [LATTICE.layers(int(wanted.depth[i]), int(wanted.index[i])) for i in order],
            wanted.cost[order],
            strict=True,
        )
    )
    ranks = [cost[row.layers] for row in shown.architectures]
    assert len(ranks) > 2
    assert all(after >= before * (1 - 2e-3) for before, after in itertools.pairwise(ranks))


# The grammar of --widths and --depth, against a reading of it in other words.


LENGTH = st.integers(1, 10**6)


@given(a=LENGTH, b=LENGTH)
def test_a_range_holds_its_ends_and_the_powers_of_two_between(a: int, b: int) -> None:
    low, high = sorted((a, b))
    wanted = {low, high} | {2**k for k in range(21) if low <= 2**k <= high}
    assert parse_widths(f"{low}:{high}") == tuple(sorted(wanted))


@given(a=LENGTH, b=LENGTH, points=st.integers(2, 60), spacing=st.sampled_from(["log", "lin"]))
def test_points_of_a_range_are_equally_spaced_up_to_rounding(
    a: int, b: int, points: int, spacing: str
) -> None:
    low, high = sorted((a, b))
    found = parse_widths(f"{low}:{high}:{spacing}{points}")
    assert found[0] == low
    assert found[-1] == high
    assert list(found) == sorted(set(found))
    assert len(found) <= points
    for index in range(points):
        share = index / (points - 1)
        real = low * (high / low) ** share if spacing == "log" else low + (high - low) * share
        assert any(abs(value - real) <= 0.5 + 1e-6 * real for value in found)


@given(values=st.lists(LENGTH, min_size=1, max_size=20))
def test_a_list_is_sorted_and_each_value_comes_once(values: list[int]) -> None:
    assert parse_widths(",".join(map(str, values))) == tuple(sorted(set(values)))
    assert parse_widths(" , ".join(map(str, values))) == tuple(sorted(set(values)))


@given(text=st.text(max_size=30))
def test_anything_else_is_one_usage_error(text: str) -> None:
    for parse in (parse_widths, parse_depths):
        message, found = "--", tuple[int, ...]()
        try:
            found = parse(text)
        except UsageError as error:
            message = str(error)
        assert message.startswith(("--", "the number of points in --"))
        assert all(isinstance(value, int) for value in found)


@given(a=st.integers(0, 16), b=st.integers(0, 16))
def test_depths_are_every_whole_number_of_a_range(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert parse_depths(f"{low}:{high}") == tuple(range(low, high + 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0:4", "from 1 to 1,000,000"),
        ("8:4", "swap the two"),
        ("4:8:log1", "from 2 to 10,000"),
        ("4:8:cube3", "powers of two"),
        ("4:2000000", "from 1 to 1,000,000"),
        ("", "powers of two"),
        ("-4", "powers of two"),
        ("1e3", "powers of two"),
        ("٣", "powers of two"),
    ],
)
def test_wrong_widths_say_what_is_right(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_widths(text)


@pytest.mark.parametrize("text", ["1:5:log3", "17", "3:1", "x", "1.5"])
def test_wrong_depths_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--depth"):
        parse_depths(text)
