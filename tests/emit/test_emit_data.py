"""`load` of a snippet against the rows that this package measures and trains on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from snippets import run_alone

from rsgadvise.advise.recommend import recommend
from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.show.emit import DataFile, emit_snippet
from rsgadvise.spec import parse_spec

pytestmark = pytest.mark.usefixtures("advised_once")

SHORT = "budget: {samples: 400}\n"  # for what is raced before anything is written
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 2, 3), dtype=np.uint8)
LABELS = np.resize(np.array([3, 5, 9], np.uint8), 30)
WIDE = RNG.normal(0, 50, (30, 6)) * np.array([1, 1, 0, 1, 1, 1])
UNIT = RNG.random((30, 6)).astype(np.float32)


def table(path: Path) -> None:
    lines = ["a,b,c,d,e,f,kind"]
    lines += [",".join(map(str, x)) + f",{k}" for x, k in zip(WIDE.tolist(), LABELS.tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n")


# name, how it is written, keys of the spec
FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "8-bit images": ("a.npz", lambda p: np.savez(p, x=IMAGES, y=LABELS), ""),
    "columns of any range": ("a.npz", lambda p: np.savez(p, data=WIDE, labels=LABELS), ""),
    "in [0, 1], named": ("a.npz", lambda p: np.savez(p, f=UNIT, t=LABELS[:, None]), "array: f, target: t"),
    "real targets": ("a.npz", lambda p: np.savez(p, x=UNIT, y=UNIT[:, :3] * 7), ""),
    "a table": ("a.csv", table, "target: kind"),
}


def loaded(text: str) -> tuple[Any, Any]:
    """x and y as `load` of a program has them."""
    rows = run_alone(text, "load")["load"]()
    return rows.x, rows.y


@pytest.mark.parametrize(("name", "write", "keys"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("kind", ["single_layer", "autoencoder"])
def test_loads_what_is_measured(
    run: Run, tmp_path: Path, name: str, write: Callable[[Path], None], keys: str, kind: str
) -> None:
    write(tmp_path / name)
    extra = f", {keys}" if keys else ""
    tail = "[6, 3]}" if kind == "single_layer" else "[6, 2], weight_bound: 0.1}"
    spec = tmp_path / "a.yaml"
    spec.write_text(f"network: {{kind: {kind}, layers: {tail}\ndata: {{file: {name}{extra}}}\n{SHORT}")
    shown = run("recommend", spec, "--emit", "torch", "-q")
    assert (shown.code, shown.err) == (0, "")
    assert ("x = y = data.x" in shown.out) == (kind == "autoencoder")
    x, y = loaded(shown.out)
    options = dict(part.split(": ") for part in keys.split(", ") if part)
    array, target = options.get("array"), options.get("target")
    statistics = measure(open_data(tmp_path / name, array=array, target=target), spectrum=False)
    features, targets = load_rows(open_data(tmp_path / name, array=array, target=target), statistics)
    np.testing.assert_allclose(x, features, atol=1e-15)
    assert targets is not None
    np.testing.assert_allclose(y, targets, atol=1e-15)


ROBUST: Any = "robust, 1st to 99th percentile per column"


def test_robust_scaling_clips_at_two_percentiles(tmp_path: Path) -> None:
    values = RNG.normal(0, 50, (300, 4))
    values[0] = 1e6  # an outlier in every column
    values[:, 2] = 7.0  # constant
    values[:, 3] = 0.0
    values[1:3, 3] = 9.0, 3.0  # two values among others: the percentiles coincide, the range does not
    np.savez(tmp_path / "a.npz", x=values, y=np.resize(LABELS, 300))
    spec = parse_spec("network: {kind: single_layer, layers: [4, 3]}", file="a.yaml").spec
    file = DataFile(
        str(tmp_path / "a.npz"),
        ROBUST,
        {},
        labelled=True,
    )
    x, _ = loaded(emit_snippet(recommend(spec), spec, target="torch", data=file))
    expected = np.empty_like(values)
    for column in range(4):
        ordered = np.sort(values[:, column])
        # 299 gaps: the 1st percentile lies 2.99 gaps from the smallest.
        low = ordered[2] + 0.99 * (ordered[3] - ordered[2])
        high = ordered[-3] - 0.99 * (ordered[-3] - ordered[-4])
        if low == high:
            low, high = ordered[0], ordered[-1]
        width = high - low or 1.0
        expected[:, column] = [min(max((value - low) / width, 0.0), 1.0) for value in values[:, column]]
    np.testing.assert_allclose(x, expected, atol=1e-12)
    assert x[2, 3] == pytest.approx(1 / 3)


def test_robust_scaling_of_the_engine_is_the_same(tmp_path: Path) -> None:
    values = RNG.normal(0, 50, (300, 4))
    values[0] = 1e6
    np.savez(tmp_path / "a.npz", x=values, y=np.resize(LABELS, 300))
    np.savetxt(tmp_path / "a.csv", np.column_stack([values, np.resize(LABELS, 300)]), "%.17g", ",")
    statistics = replace(measure(open_data(tmp_path / "a.npz")), scaling=ROBUST)
    features, _ = load_rows(open_data(tmp_path / "a.npz"), statistics)
    spec = parse_spec("network: {kind: single_layer, layers: [4, 3]}", file="a.yaml").spec
    for file in (
        DataFile(str(tmp_path / "a.npz"), ROBUST, {}),
        DataFile(str(tmp_path / "a.csv"), ROBUST, {"target": "-1"}),
    ):
        x, _ = loaded(emit_snippet(recommend(spec), spec, target="torch", data=file))
        np.testing.assert_allclose(x, features, atol=1e-12)


@pytest.mark.parametrize(("name", "target"), [("a.npz", "torch"), ("a.csv", "sklearn")])
def test_standard_scaling_is_that_of_scikit_learn(run: Run, tmp_path: Path, name: str, target: str) -> None:
    scalers = pytest.importorskip("sklearn.preprocessing", reason="needs scikit-learn")
    values = np.column_stack([WIDE, 1e6 + UNIT[:, 0], np.full(30, 0.1)])
    np.savez(tmp_path / "a.npz", x=values, y=LABELS)
    np.savetxt(tmp_path / "a.csv", np.column_stack([values, LABELS]), "%.17g", ",")
    chosen = ", target: -1" if name == "a.csv" else ""
    spec = tmp_path / "a.yaml"
    spec.write_text(
        f"network: {{kind: single_layer, layers: [8, 3]}}\n{SHORT}"
        f"data: {{file: {name}, scaling: standard{chosen}}}\n"
    )
    shown = run("recommend", spec, "--emit", target, "-q")
    assert (shown.code, shown.err) == (0, "")
    x, _ = loaded(shown.out)
    expected = scalers.StandardScaler().fit_transform(values)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-9)


def test_columns_are_left_out_and_labels_may_be_words(tmp_path: Path) -> None:
    lines = ["id,a,day,b,kind"]
    lines += [f"{k},{k % 7},d{k},{k % 3},{'abc'[k % 3]}" for k in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    spec = parse_spec("network: {kind: single_layer, layers: [2, 3]}", file="a.yaml").spec
    file = DataFile(
        str(tmp_path / "a.csv"),
        "min-max per column",
        {"target": "kind", "exclude": ("id", "day")},
        labelled=True,
    )
    x, y = loaded(emit_snippet(recommend(spec), spec, target="keras", data=file))
    k = np.arange(30)
    np.testing.assert_allclose(x, np.column_stack([k % 7 / 6, k % 3 / 2]), atol=1e-15)
    np.testing.assert_array_equal(y, np.eye(3)[k % 3])


def test_names_of_columns_survive_broken_lines() -> None:
    spec = parse_spec("network: {kind: single_layer, layers: [2, 3]}", file="a.yaml").spec
    exclude = ("a, (b", "c] # d", 'e\'s "f"', "{{ g }} {% if h %}", "a name that makes the line longer")
    file = DataFile("a \\ b.csv", "none", {"target": "k = {1, 2}", "exclude": exclude})
    code = emit_snippet(recommend(spec), spec, target="torch", data=file)
    body = code.partition("def load():")[2].partition("\ndef ")[0]
    assert "    return read_rows(\n" in body
    values: dict[str, Any] = {
        "read_rows": lambda *args, **options: (*args, options),
        "in_one_line": nullcontext,
    }
    exec(f"def load():{body}", values)
    options = {"scaling": "none", "target": "k = {1, 2}", "exclude": exclude}
    assert values["load"]() == ("a \\ b.csv", options)


def test_an_array_alone(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a'b.npy", UNIT)
    spec = tmp_path / "a.yaml"
    network = "network: {kind: autoencoder, layers: [6, 2], weight_bound: 0.1}\n"
    spec.write_text(f'{network}data: {{file: "a\'b.npy"}}\n{SHORT}')
    shown = run("recommend", spec, "--emit", "keras", "-q")
    x, y = loaded(shown.out)
    np.testing.assert_array_equal(x, UNIT)
    assert y is None


def test_a_network_without_targets_is_refused(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", UNIT)
    spec = tmp_path / "a.yaml"
    spec.write_text("network: {kind: single_layer, layers: [6, 2]}\ndata: {file: a.npy}\n")
    assert run("recommend", spec, "-q").code == 0
    assert "data.target: must be given to train on a.npy" in run.refused(
        "recommend", spec, "--emit", "keras", "-q"
    )


def test_labels_make_a_classifier(run: Run, tmp_path: Path) -> None:
    for name in ("8-bit images", "a table"):
        file, write, keys = FILES[name]
        write(tmp_path / file)
        extra = f", {keys}" if keys else ""
        spec = tmp_path / "a.yaml"
        network = "network: {kind: single_layer, layers: [6, 3]}\n"
        spec.write_text(f"{network}data: {{file: {file}{extra}}}\n{SHORT}")
        shown = run("recommend", spec, "--emit", "sklearn", "-q")
        assert "ClassifierMixin" in shown.out
        assert "x, y = data.x, data.y.argmax(axis=1)" in shown.out
        _, y = loaded(shown.out)
        np.testing.assert_array_equal(y.argmax(axis=1), np.unique(LABELS, return_inverse=True)[1])
