"""Ranges become the values that they describe, or one sentence that says why not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st

from rsgadvise.ask.sweep.axes import Axis, check_together, override, parse_axis
from rsgadvise.errors import UsageError
from rsgadvise.spec import Spec, parse_spec, with_override
from rsgadvise.spec.load import rule_of
from rsgadvise.spec.rules import Number

ENDS = st.floats(1e-6, 1e6)
TEXT = "network: {kind: multilayer, layers: [6, 4, 2], weight_bound: [0.5, 0.5]}"


@given(low=ENDS, high=ENDS, count=st.integers(2, 50), spaced=st.sampled_from(["", "log"]))
def test_ranges_are_those_of_numpy(low: float, high: float, count: int, spaced: str) -> None:
    if not high > low * (1 + 1e-6):
        return
    axis = parse_axis(f"target.eps={low!r}:{high!r}:{spaced}{count}").axis
    expected = (np.geomspace if spaced else np.linspace)(low, high, count)
    assert np.allclose(axis.values, expected, rtol=1e-11, atol=0)
    assert (axis.values[0], axis.values[-1]) == (low, high)


@given(low=st.integers(1, 2000), more=st.integers(1, 2000), count=st.integers(2, 60))
def test_whole_numbers_are_rounded_and_distinct(low: int, more: int, count: int) -> None:
    parsed = parse_axis(f"training.batch_size={low}:{low + more}:{count}")
    values = parsed.axis.values
    assert all(isinstance(value, int) for value in values)
    assert sorted(set(values)) == list(values)
    exact = np.linspace(low, low + more, count)
    assert all(np.abs(exact - np.asarray(value)).min() <= 0.5 + 1e-6 for value in values)
    assert all(np.abs(np.asarray(values) - each).min() <= 0.5 + 1e-6 for each in exact)
    assert bool(parsed.notes) == (len(values) < count)
    if parsed.notes:
        assert f"{len(values)} distinct" in parsed.notes[0]
        assert f"of the {count} asked for" in parsed.notes[0]


def test_the_forms_of_the_manual() -> None:
    assert parse_axis("network.layers[1]=50:800:log8").axis.values == (50, 74, 110, 164, 244, 362, 538, 800)
    tenths = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert parse_axis("training.keep_prob=0.1:1:10").axis.values == tenths
    assert parse_axis(" network.weight_bound = 0.01, 0.05,0.1 ").axis.values == (0.01, 0.05, 0.1)
    assert parse_axis("data.mean=0.5").axis.values == (0.5,)
    assert parse_axis("network.layers=[784,100,10]; [784,1e2,100,10]").axis.values == (
        (784, 100, 10),
        (784, 100, 100, 10),
    )
    assert parse_axis("search.batch_size=[16];[16,32]").axis.values == ((16,), (16, 32))


BAD = {
    "x": "must be KEY=RANGE",
    "training.stepsize=": "must be KEY=RANGE",
    "=1:2:3": "must be a key of the spec",
    "a b=1,2": "must be a key of the spec",
    "network.layer[1]=1:2:3": "did you mean 'layers'?",
    "training.lr=1,2": "the learning rate is called stepsize",
    "stepsize=1,2": "belongs under training",
    "training=1,2": "must be a key; got the section training",
    "training.pretraining=1,2": "got the section pretraining; name a key in it, such as",
    "network.kind=1:2:3": "must be a numeric key; got network.kind",
    "data.file=1,2": "must be a numeric key",
    "training.stopping=1,2": "must be a numeric key",
    "sweep.runs=1,2": "that the bounds depend on",
    "network.layers=1:5:2": "got network.layers, a list; vary one entry, as in network.layers[0]=",
    "network.layers[0][1]=1,2": "holds no such entry",
    "data.mean[0]=1,2": "holds no such entry",
    "data.mean.x=1,2": "holds no such entry",
    "search.iterations=1,2": "vary search.iterations.max",
    "search.iterations=[1];[2]": "takes no list",
    "data.mean=[1];[2]": "takes no list",
    "network.layers[0]=[1];[2]": "takes no list",
    "network.layers=[1,2],[3,4]": "lists in brackets with ; between them",
    "network.layers=[1,2];3": "lists in brackets with ; between them",
    "network.layers=[];[1,2]": "lists in brackets",
    "network.layers=[1,2];[1,2]": "must have values that differ; got [1, 2] twice",
    "network.layers=[1,a]": "made of numbers such as 100, 0.05 or 1e-3; got 'a'",
    "data.mean=0.1:0.5": "must be LOW:HIGH:COUNT",
    "data.mean=0.1:0.5:3:4": "must be LOW:HIGH:COUNT",
    "data.mean=0.1:0.5:cub3": "must be LOW:HIGH:COUNT",
    "training.batch_size=16:8": "must have whole numbers with 1 <= LOW < HIGH",
    "data.mean=0.1:0.5:2.5": "must be LOW:HIGH:COUNT",
    "data.mean=0.1:0.5:-2": "must be LOW:HIGH:COUNT",
    "data.mean=0.1:0.5:1": "a COUNT from 2 to 1000; got 1",
    "data.mean=0.1:0.5:1001": "a COUNT from 2 to 1000; got 1001; that is too many, lower it",
    "data.mean=0.1:0.5:1000000000": "a COUNT from 2 to 1000; got 1000000000; that is too many",
    "data.mean=0.1:0.5:log9999999999999": "a COUNT from 2 to 1000; got 9999999999999; that is too many",
    "data.mean=0.5:0.1:3": "must have LOW below HIGH; got 0.5 and 0.1",
    "data.mean=0.5:0.5:3": "must have LOW below HIGH",
    "data.mean=0:0.5:log3": "must have LOW above 0 for logarithmic steps; got 0",
    "data.mean=-1:0.5:log3": "must have LOW above 0 for logarithmic steps; got -1",
    "data.mean=1:1.0000000000000002:9": "must have ends far enough apart",
    "data.mean=a:b:3": "got 'a'",
    "data.mean=nan,1": "got 'nan'",
    "data.mean=1:inf:3": "got 'inf'",
    "data.mean=1e999,1": "finite numbers; got 1e999",
    "data.mean=0.1,,0.2": "got ''",
    "data.mean=0.1;0.2": "got '0.1;0.2'",
    "data.mean=0.1,0.10": "must have values that differ; got 0.1 twice",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_range_says_what_is_wrong(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(BAD[text])):
        parse_axis(text)


@given(st.text(st.sampled_from("data.mean=0123456789:,;[]loge- \x00é"), max_size=30))
def test_no_text_is_worse_than_a_usage_error(text: str) -> None:
    for start in ("", "data.mean=", "network.layers=", "training.batch_size=", "network.layers["):
        try:
            values = parse_axis(start + text).axis.values
        except UsageError:
            continue
        assert 1 <= len(values) <= 1000


def test_axes_that_undo_each_other_are_refused() -> None:
    layers, entry = Axis("network.layers", ((6, 2),)), Axis("network.layers[1]", (2, 3))
    for axes in ((layers, entry), (entry, layers)):
        with pytest.raises(UsageError, match=r"got network.layers and network.layers\[1\], which is a part"):
            check_together(axes)
    check_together((entry, Axis("network.layers[10]", (2, 3))))
    with pytest.raises(UsageError, match="twice"):
        check_together((entry, entry))
    long = tuple(float(value) for value in range(1000))
    with pytest.raises(UsageError, match="at most 10,000 points; got 11,000"):
        check_together((Axis("a.b", long), Axis("a.c", long[:11])))


@given(st.floats(1e-300, 1.0))
def test_a_value_arrives_in_the_spec_bit_for_bit(value: float) -> None:
    loaded = parse_spec(TEXT, file="a.yaml")
    axis = parse_axis(f"training.stepsize={value!r}").axis
    assert with_override(loaded, override(axis.key, axis.values[0])).spec.training.stepsize == value
    assert loaded.spec.training.stepsize is None


def _numeric(schema: dict[str, Any]) -> bool:
    ways = schema.get("anyOf", [schema])
    return any(way.get("type") in ("number", "integer") for way in ways)


def test_every_numeric_key_of_the_schema_can_vary() -> None:
    """The JSON schema is made by pydantic: another reader of the same models."""
    found = Spec.model_json_schema()
    definitions = found["$defs"]
    seen = 0
    for name, entry in found["properties"].items():
        targets = re.findall(r"#/\$defs/(\w+)", str(entry))
        if name == "sweep":
            continue
        for key, schema in definitions[targets[0]]["properties"].items():
            flat = [way for outer in schema.get("anyOf", [schema]) for way in outer.get("anyOf", [outer])]
            numeric = any(_numeric(way) for way in flat) and key not in (
                "target",
                "exclude",
                "array",
                "file",
                "stopping",
            )
            try:
                axis = parse_axis(f"{name}.{key}=1").axis
            except UsageError:
                assert not numeric, f"{name}.{key}"
            else:
                assert numeric, f"{name}.{key}"
                assert list(axis.values) == [1]
                seen += 1
    assert seen > 20
    assert isinstance(rule_of("search.keep_prob.min"), Number)


@pytest.mark.parametrize(("low", "high"), [(16, 1000), (16, 1024), (16, 1025), (5, 6), (3, 4), (1, 9)])
def test_two_ends_have_all_powers_of_two_between_them(low: int, high: int) -> None:
    powers = [2**k for k in range(14) if low < 2**k < high]
    assert list(parse_axis(f"training.batch_size={low}:{high}").axis.values) == [low, *powers, high]


# The bounds at each point are those of `rsgadvise bound`, asked point by point.


SPECS = {
    "single_layer": "network: {kind: single_layer, layers: [20, 3]}",
    "autoencoder": "network: {kind: autoencoder, layers: [20, 6], weight_bound: 0.1}",
    "multilayer": "network: {kind: multilayer, layers: [20, 6, 3], weight_bound: 0.1}",
}
REST = """
data: {mean: 0.3, mean_square: 0.12, samples: 1000}
training: {stepsize: 0.05, batch_size: 16, iterations: 500}
"""
SAME = ("stepsize", "batch_size", "iterations", "keep_prob", "decay", "largest_gradient", "kind", "layers")


def settings(values: dict[str, Any]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    "vary",
    [
        ("training.stepsize=0.001:30:log7",),
        ("network.layers[1]=2:40:log4", "training.batch_size=1,64"),
        ("data.mean=0.2:0.9:3", "training.decay=0,0.3"),
        ("training.initial_loss=0.5,1",),
    ],
    ids=" ".join,
)
def test_bounds_are_those_of_the_bound_command(
    run: Run, tmp_path: Path, kind: str, vary: tuple[str, ...]
) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS[kind] + REST.replace(", mean_square: 0.12", ""))
    found = run.document("sweep", spec, *(part for text in vary for part in ("--vary", text)))
    assert len(found["points"]) == np.prod([len(axis["values"]) for axis in found["axes"]])
    outside = 0
    for point in found["points"]:
        alone = run("bound", spec, *settings(point["values"]), "-f", "json")
        if json.loads(alone.out)["bound"] is None:  # outside the theorem's range
            assert point["paper_bound"] is None
            assert "No paper bound: the stepsize must " in point["notes"][0]
            alone = run("bound", spec, *settings(point["values"]), "-f", "json", "--constants", "certified")
            report = json.loads(alone.out)
            assert point["certified_bound"] == report["bound"]
            assert point["vacuous"] == (report["bound"] >= report["largest_gradient"])
            outside += 1
        else:
            report = json.loads(alone.out)
            assert (point["paper_bound"], point["vacuous"]) == (report["bound"], report["vacuous"])
            assert point["certified_bound"] == report["certified_bound"]
        assert {key: point[key] for key in SAME} == {key: report[key] for key in SAME}
        assert 0 < point["certified_bound"] <= point["largest_gradient"]
    if vary[0].startswith("training.stepsize"):
        assert 0 < outside < len(found["points"])


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("advice", ["paper", "certified"])
def test_what_is_open_is_the_first_rank_of_recommend(
    run: Run, tmp_path: Path, kind: str, advice: str
) -> None:
    spec = tmp_path / "a.yaml"
    text = SPECS[kind] + "\ndata: {mean: 0.3, mean_square: 0.12, samples: 1000}\nbudget: {epochs: 20}\n"
    spec.write_text(text)
    found = run.document("sweep", spec, "--vary", "network.layers[1]=2:40:log3", "--advice", advice)
    assert any("recommend" in note and advice in note for note in found["notes"])
    for point in found["points"]:
        chosen = settings(point["values"])
        best = run.document("recommend", spec, *chosen, "--constants", advice, "--top", "1")[
            "recommendations"
        ][0]
        for key in ("stepsize", "batch_size", "iterations", "keep_prob", "decay", "certified_bound"):
            assert point[key] == best[key]
        if advice == "paper":
            assert point["paper_bound"] == pytest.approx(best["bound"], rel=1e-12)


def test_no_plan_at_some_points_is_a_gap_there(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["autoencoder"] + "\ndata: {mean: 0.3}\ntarget: {eps: 0.1, delta: 0.1}\n")
    found = run.document(
        "sweep", spec, "--vary", "target.eps=0.001:5:log2", "--set", "search.batch_size=[16]"
    )
    first, last = found["points"]
    assert run("recommend", spec, "--set", "target.eps=0.001", "--set", "search.batch_size=[16]").code == 1
    assert first["notes"][0].startswith("Nothing to advise: ")
    assert (first["paper_bound"], first["stepsize"], first["batch_size"]) == (None, None, None)
    assert first["certified_bound"] == first["largest_gradient"] > 0
    assert first["vacuous"]
    assert last["paper_bound"] > 0
    assert last["notes"] == []


def test_a_network_beyond_all_numbers_is_a_gap(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    deep = ",".join(["1000"] * 60)
    found = run.document(
        "sweep", spec, "--vary", f"network.layers=[20,6,3];[20,{deep},3]", "--set", "network.weight_bound=1e6"
    )
    bad = found["points"][1]
    assert bad["paper_bound"] is None
    assert "constants too large for any number" in bad["notes"][0]
    assert bad["largest_gradient"] is None
    assert "too large for any number" in bad["notes"][-1]
    assert found["points"][0]["certified_bound"] > 0


def test_depth_varies_with_whole_lists(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    found = run.document("sweep", spec, "--vary", "network.layers=[20,6,3];[20,6,6,3]")
    assert [point["layers"] for point in found["points"]] == [[20, 6, 3], [20, 6, 6, 3]]
    assert found["points"][1]["values"] == {"network.layers": [20, 6, 6, 3]}
