"""The advisor as a function: the same answers as the command line, and arrays refused in one clear line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, present
from numpy.typing import NDArray
from ruamel.yaml import YAML

import rsgadvise
from rsgadvise import recommend
from rsgadvise.errors import DataError, SpecError, UsageError
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.show.formats.json import as_json
from rsgadvise.show.report.blocks import as_document
from rsgadvise.spec import Spec

Float = NDArray[np.float64]
RNG = np.random.default_rng(0)
X, LABELS = RNG.random((60, 4)), np.arange(60) % 3
Y = np.eye(3)[LABELS]
SPEC: dict[str, Any] = {
    "network": {"kind": "single_layer", "layers": [4, 3]},
    "training": {"iterations": 3000, "batch_size": 8},
}
TIED: dict[str, Any] = {**SPEC, "network": {"kind": "autoencoder", "layers": [4, 3], "weight_bound": 1.0}}
TEXT = "network: {kind: single_layer, layers: [4, 3]}\ntraining: {iterations: 3000, batch_size: 8}\n"


def with_value(value: float, array: Float = X) -> Float:
    changed = array.copy()
    changed[7, 1] = value
    return changed


def test_a_spec_a_mapping_and_a_path_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    calls: list[dict[str, Any]] = [
        {},
        {"data": (X, LABELS)},
        {"data": (X, LABELS), "constants": "calibrated"},
    ]
    for options in calls:
        answers = [recommend(spec, **options) for spec in (SPEC, Spec.model_validate(SPEC), path, str(path))]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0].recommendations


def test_labels_may_be_words() -> None:
    words = np.array(["ash", "elm", "oak"])[LABELS]
    of_numbers = recommend(SPEC, data=(X, LABELS))
    assert recommend(SPEC, data=(X, words)) == of_numbers
    assert recommend(SPEC, data=(X, words.astype(object))) == of_numbers


@pytest.mark.parametrize("scaling", ["minmax", "robust", "standard"])
def test_a_spec_may_say_how_arrays_are_scaled(scaling: str) -> None:
    """As by hand with numpy, and what is proven of a single layer is proven of all."""
    raw = 7 * X - 3
    low, high = np.percentile(raw, (1, 99), axis=0) if scaling == "robust" else (raw.min(0), raw.max(0))
    by_hand = {"standard": (raw - raw.mean(0)) / raw.std(0)}.get(
        scaling, ((raw - low) / (high - low)).clip(0, 1)
    )
    found = recommend({**SPEC, "data": {"scaling": scaling}}, data=(raw, LABELS))
    assert found.train is not None
    assert present(found.train.scaling).startswith(scaling[:3])
    assert ("scaled to mean 0" in present(found.guarantee).statement) == (scaling == "standard")
    if scaling != "standard":
        other = present(recommend(SPEC, data=(by_hand, LABELS)).train)
        assert found.train.stepsize == pytest.approx(other.stepsize, rel=1e-6)


def test_mappings_hold_what_python_holds() -> None:
    """Tuples, and numbers and arrays of numpy."""
    spec = {
        "network": {"kind": "single_layer", "layers": np.array([4, 3])},
        "training": {"iterations": np.int64(3000), "batch_size": 8},
        "data": {"mean": np.float64(0.25)},
    }
    plain = recommend({**SPEC, "data": {"mean": 0.25}})
    assert recommend(spec) == plain
    assert recommend({**spec, "network": {"kind": "single_layer", "layers": (4, 3)}}) == plain


def test_what_is_no_spec_is_told_what_is_one() -> None:
    with pytest.raises(UsageError, match="got ndarray; rows go into data="):
        recommend(np.ones((4, 3)))  # type: ignore[call-overload]
    rows = np.random.default_rng(0).random((60, 8))
    with pytest.raises(UsageError, match="got neither") as refused:
        recommend(data=(rows, np.arange(60) % 3))  # type: ignore[call-overload]
    named = json.loads(re.findall(r"such as ({.*}) for 8 inputs", str(refused.value))[0])
    assert recommend(named, data=(rows, np.arange(60) % 3), work=1e6).train


def test_what_breaks_a_rule_is_refused_as_in_a_file() -> None:
    for wrong, message in (
        ({"network": {"kind": "dense", "layers": [4, 3]}}, "network.kind: must be"),
        ({**SPEC, "training": {"stepsize": -1}}, "training.stepsize: must be"),
        ({**SPEC, "trainin": {}}, "trainin"),
        ({}, "network"),
    ):
        with pytest.raises(SpecError, match=message):
            recommend(wrong)
    with pytest.raises(SpecError, match=r"nowhere\.yaml"):
        recommend("nowhere.yaml")


REFUSED: dict[str, tuple[Any, str]] = {
    "x alone": (X, "got x alone; pass x and its targets"),
    "no y": ((X, None), "got x alone"),
    "three": ((X, Y, Y), "got 3 values"),
    "nothing": ((), r"got \(\)"),
    "too narrow": ((X[:, :3], Y), r"x must have one or more rows of 4 values.*got shape \(60, 3\)"),
    "one row as a vector": ((X[0], Y), r"x must have .* got shape \(4,\)"),
    "images": ((X.reshape(60, 2, 2), Y), r"x must have .* got shape \(60, 2, 2\)"),
    "no rows": ((X[:0], Y[:0]), r"x must have one or more rows.* got shape \(0, 4\)"),
    "too large": ((255 * X, Y), r"x must lie in \[0, 1\]; got .* scale it"),
    "negative": ((X - 0.5, Y), r"x must lie in \[0, 1\]; got -0\."),
    "infinite": ((with_value(np.inf), Y), "x must be finite; got 1 infinities"),
    "a gap": ((with_value(np.nan), Y), "x must have no gaps; got 1 NaN"),
    "text": (([["a"] * 4] * 60, Y), "x must be an array of numbers, one row per example; got list"),
    "ragged": (([[0.1, 0.2], [0.3]], Y), "x must be an array of numbers"),
    "complex": ((X + 1j, Y), "x must be an array of numbers"),
    "None": ((None, Y), r"x must have .* got shape \(\)"),
    "fewer targets": ((X, Y[:50]), "as many rows as each other; got 60 and 50"),
    "fewer labels": ((X, LABELS[:50]), "as many rows as each other; got 60 and 50"),
    "too few classes": ((X, LABELS.clip(0, 1)), r"y must have .* rows of 3 values.* got shape \(60, 2\)"),
    "too many classes": ((X, np.arange(60) % 5), r"y must have .* rows of 3 values.* got shape \(60, 5\)"),
    "labels as numbers": ((X, LABELS.astype(float)), r"y must have .* got shape \(60, 1\)"),
    "targets too large": ((X, 2 * Y), r"y must lie in \[0, 1\]; got 0 to 2"),
    "a gap in y": ((X, with_value(np.nan, Y)), "y must have no gaps"),
    "words and more": (
        (X, np.array(["a", 3, []], object)[LABELS]),
        "y must be an array of numbers",
    ),
    "one y": ((X, 1), r"y must have .* got shape \(\)"),
    "no y at all": ((X, []), r"y must have .* got shape \(0, 1\)"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("constants", ["paper", "calibrated"])
def test_data_that_do_not_fit(what: str, constants: Any) -> None:
    data, message = REFUSED[what]
    with pytest.raises(DataError, match=message) as caught:
        recommend(SPEC, data=data, constants=constants)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("; ") >= (0 if "labels" in what else 2), "rule, value and fix"


def test_a_loss_of_classes_is_for_rows_that_share_1() -> None:
    classes = {**SPEC, "network": {**SPEC["network"], "loss": "cross_entropy"}}
    with pytest.raises(DataError, match=r"rows that sum to 1 at most .* got 2 in row 4 \(counted from 0\)"):
        recommend(classes, data=(X, np.where(np.arange(60)[:, None] == 4, [[1.0, 1.0, 0.0]], Y)))


def test_labels_targets_and_lists_are_one() -> None:
    wanted = recommend(SPEC, data=(X, Y), constants="calibrated")
    same: list[Any] = [LABELS, LABELS.astype(np.uint8), LABELS.tolist(), Y.tolist(), Y.astype(bool)]
    for y in same:
        assert recommend(SPEC, data=(X, y), constants="calibrated") == wanted
    assert recommend(SPEC, data=(X.tolist(), Y), constants="calibrated") == wanted
    one = {**SPEC, "network": {"kind": "single_layer", "layers": [4, 1]}}
    vector = recommend(one, data=(X, X[:, 0]), constants="calibrated")
    assert vector == recommend(one, data=(X, X[:, :1]), constants="calibrated")


def test_an_autoencoder_takes_x_alone_and_no_notice_of_y() -> None:
    wanted = recommend(TIED, data=X, constants="calibrated")
    for data in ((X,), (X, None), (X, LABELS), X.tolist()):
        assert recommend(TIED, data=data, constants="calibrated") == wanted


def test_the_arrays_are_left_as_they_were() -> None:
    x, y = X.copy(), LABELS.copy()
    x.flags.writeable = y.flags.writeable = False
    recommend(SPEC, data=(x, y), constants="calibrated", pilot=1.0)
    assert np.array_equal(x, X)


def test_moments_of_the_data_count() -> None:
    """And their rows, so that a budget in epochs needs no number of samples besides."""
    from_data = recommend(
        {**SPEC, "training": {}, "budget": {"epochs": 50}}, data=(X, LABELS), constants="paper"
    )
    told = {
        "mean": float(X.mean()),
        "mean_square": float(np.square(X.mean(axis=0)).mean()),
        "second_moment": float(np.square(X).mean()),
        "top_eigenvalue": float(np.linalg.eigvalsh(X.T @ X / 60)[-1]),
        "samples": 60,
    }
    by_hand = recommend({**SPEC, "training": {}, "budget": {"epochs": 50}, "data": told}, constants="paper")
    one, other = from_data.recommendations[0], by_hand.recommendations[0]
    assert one.epochs == other.epochs
    assert 40 < present(one.epochs) <= 50
    assert one.certified_bound == pytest.approx(other.certified_bound, rel=0.02)
    wrong = {**SPEC, "data": {"mean": 0.9, "samples": 7}}
    assert recommend(wrong, data=(X, LABELS)) == recommend(SPEC, data=(X, LABELS))


@pytest.mark.parametrize("options", [{"constants": "calibrated"}, {"pilot": 0.5}])
def test_what_needs_data_says_so(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"need data; got none; pass data=\(x, y\)"):
        recommend(SPEC, **options)


@pytest.fixture
def file_spec(tmp_path: Path) -> Path:
    """Columns that reach from 0 to 1, which are taken as they are."""
    np.savez(tmp_path / "data.npz", x=X, y=LABELS)
    path = tmp_path / "s.yaml"
    path.write_text(f"{TEXT}data: {{file: data.npz}}\n")
    return path


CALLS: dict[str, dict[str, Any]] = {
    "auto": {},
    "auto with little work": {"work": 1e5, "seed": 2},
    "paper": {"constants": "paper"},
    "typical": {"constants": "typical"},
    "certified": {"constants": "certified"},
    "calibrated": {"constants": "calibrated", "seed": 3},
    "pilot": {"constants": "calibrated", "pilot": 0.5, "top": 3},
    "paper with pilot": {"constants": "paper", "pilot": 0.8, "seed": 1},
}


@pytest.mark.parametrize("call", CALLS)
def test_the_command_line_says_the_same(run: Run, file_spec: Path, call: str) -> None:
    options = CALLS[call]
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    document = run.document("recommend", file_spec, *flags, "-q")
    advice = recommend(file_spec, data=(X, LABELS), **options)
    assert isinstance(advice, PilotAdvice) == ("pilot" in options or call.startswith("auto"))
    own = json.loads(as_json(as_document("recommend", advice)))
    del own["notes"]
    moments = ("certified_bound", "stepsize", "bound", "terms", "elasticities")  # summed in another order
    for key, value in own.items():
        if key == "recommendations":
            assert len(document[key]) == len(value) > 0
            for one, other in zip(document[key], value, strict=True):
                for name in other:
                    summed = name in moments or (call == "typical" and isinstance(other[name], float))
                    near = summed and other[name] is not None
                    assert one[name] == (pytest.approx(other[name], rel=1e-6) if near else other[name])
        elif key in ("measured", "pilot", "cost"):
            assert document[key] == value, "not a digit differs in what was measured"


def test_it_is_what_the_package_offers() -> None:
    assert rsgadvise.recommend is recommend
    assert "recommend" in rsgadvise.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rsgadvise.nothing
    assert {"recommend", "__version__"} <= set(dir(rsgadvise))


@pytest.mark.parametrize("constants", ["auto", "paper", "certified", "typical"])
def test_the_dictionary_is_the_document_of_the_command_line(run: Run, tmp_path: Path, constants: Any) -> None:
    path = tmp_path / "s.yaml"
    # A stepsize outside the paper's range: its bound is infinite, which JSON does not know.
    path.write_text(
        "network: {kind: single_layer, layers: [6, 2]}\ndata: {mean: 0.5}\n"
        "training: {stepsize: 9, iterations: 30}\nbudget: {samples: 900}\n"
    )
    advice = recommend(path, constants=constants)
    document = run.document("recommend", path, "--constants", constants)
    assert document.pop("spec")["network"]["layers"] == [6, 2]
    assert document.pop("data", {}) == {}
    own = advice.to_dict()
    assert {key: value for key, value in own.items() if key not in ("spec", "data")} == document
    assert json.loads(json.dumps(own, allow_nan=False)) == own
    shown = run("recommend", path, "--constants", constants).out if constants == "auto" else ""
    told = [line for line in shown.splitlines() if not line.startswith(("Next:", "  "))]
    assert all(line.rstrip() in str(advice) for line in told)
    assert "<table>" in advice._repr_html_()


def test_every_face_has_the_same_order(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "network: {kind: single_layer, layers: [6, 2]}\ndata: {mean: 0.5}\nbudget: {samples: 900}\n"
    )
    advice = recommend(path)
    faces = {
        "str": str(advice),
        "html": advice._repr_html_(),
        **{form: run("recommend", path, "-f", form).out for form in ("table", "markdown")},
    }
    for name, text in faces.items():
        places = [text.index(mark) for mark in ("Train with ", "batch", "Mind")]
        assert places == sorted(places), name
        assert name == "html" or text.index("Advice for") < places[0]
        assert len(text.split("Mind")[1].strip().splitlines()) <= 12
    rows = run("recommend", path, "-f", "csv").out.splitlines()
    assert len(rows) == 1 + len(advice.recommendations)
    written = YAML(typ="safe").load(run("recommend", path, "-f", "yaml").out)
    assert written["train"] == advice.to_dict()["train"]


def test_the_box_that_a_race_took_is_not_called_assumed() -> None:
    statistics = {
        "samples": 300,
        "mean": 0.4,
        "mean_square": 0.2,
        "second_moment": 0.25,
        "top_eigenvalue": 1.2,
    }
    spec = {
        "network": {"kind": "multilayer", "layers": [6, 4, 3]},
        "budget": {"epochs": 5},
        "data": statistics,
        "training": {"initial_loss": 2.0},
    }
    advice = rsgadvise.recommend(spec)
    assert advice.train is not None
    assert "Assumed: weights within 5 (network.weight_bound)" in str(advice)
    raced = replace(advice, train=replace(advice.train, weight_bound=50.0))
    assert "Assumed: for the bounds, weights within 5 (network.weight_bound)" in str(raced)
