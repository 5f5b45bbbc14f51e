"""What scripts rely on: keys, exit codes, formats, one-line errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict
from rich.console import Console

from rsgadvise.cli.bounds import located
from rsgadvise.cli.output import screen
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import parse_spec

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]
CONFIGS = ["paper_example", "mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]
BOTH = ["paper", "certified"]
FIXED = [
    *("--set", "training.stepsize=0.001"),
    *("--set", "training.batch_size=100"),
    *("--set", "training.iterations=500"),
]
BRIEFLY = ("--work", "1e7")  # reads the rows and measures on them, where the race itself does not matter

RECOMMENDATION = {
    "rank",
    "stepsize",
    "decay",
    "batch_size",
    "iterations",
    "keep_prob",
    "dropout_rate",
    "bound",
    "certified_bound",
    "proven",
    "vacuous",
    "terms",
    "samples",
    "epochs",
    "elasticities",
    "notes",
}
PLAN = {
    "iterations",
    "iterations_paper",
    "stepsize",
    "critical_batch_size",
    "recommended_runs",
    "samples",
    "dataset_size",
    "dataset_size_exact",
    "tradeoff",
    "feasible",
    "min_batch_size",
}
STATS = {
    "mean",
    "mean_square",
    "mean_square_unbiased",
    "second_moment",
    "standard_errors",
    "top_eigenvalue",
    "samples",
    "input_dim",
    "scaling",
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_recommend_json(run: Run, config: Config, name: str, constants: str) -> None:
    result = run("recommend", config(name), "-f", "json", "--constants", constants, "--top", "3")
    document = strict(result.out)
    assert document["schema"] == "rsgadvise.recommend/1"
    assert {"recommendations", "assumed", "constants", "spec"} <= set(document)
    assert document["constants"] == constants
    assert (result.code, result.err) == (0, "")
    assert document["recommendations"]
    for row in document["recommendations"]:
        assert set(row) >= RECOMMENDATION
        assert sum(row["terms"].values()) == pytest.approx(row["bound"])
        assert row["certified_bound"] is not None
        assert isinstance(row["stepsize"], list) == (name == "mnist_multilayer")


def test_iterations_with_the_two_options_alone_is_the_worked_example(run: Run, config: Config) -> None:
    document = run.document("iterations", "--eps", "0.05", "--delta", "0.05")
    assert document["schema"] == "rsgadvise.iterations/1"
    assert set(document) >= PLAN
    assert (document["iterations"], document["iterations_paper"]) == (7835, 7842)
    assert (document["dataset_size_exact"], document["dataset_size"]) == (1959, 1960)
    assumed = {item["key"] for item in document["assumed"]}
    assert {"--runs", "--epochs", "--input-dim", "--output-dim", "--batch-size", "--initial-loss"} <= assumed
    same = run.document("iterations", config("paper_example"))
    assert same["iterations"] == 7835
    assert [set(point) for point in same["tradeoff"]] == [{"batch_size", "iterations", "samples"}] * len(
        same["tradeoff"]
    )


def test_iterations_options_stand_above_the_spec(run: Run, config: Config) -> None:
    spec = config("paper_example")
    changed = run.document("iterations", spec, "--eps", "0.1", "--runs", "6", "--batch-size", "500")
    assert (changed["eps"], changed["runs"], changed["batch_size"]) == (0.1, 6, 500)
    assert "--input-dim is for use without SPEC" in run("iterations", spec, "--input-dim", "5").err
    values = (
        "--set",
        "training.stepsize=50",
        "--set",
        "training.iterations=10",
        "--set",
        "training.decay=0.5",
    )
    fixed = run.document("iterations", spec, *values)
    plain = run.document("iterations", spec)
    left = "Left aside: training.stepsize, training.iterations, training.decay. "
    assert fixed["notes"][0].startswith(left)
    assert (fixed["iterations"], fixed["notes"][1:]) == (plain["iterations"], plain["notes"])


def test_infeasible_is_exit_code_1_with_a_full_answer(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "-f", "json")
    advice = run("recommend", config("mnist_autoencoder"), *options, "--constants", "paper")
    assert (advice.code, advice.err) == (1, "")
    document = strict(advice.out)
    assert document["recommendations"] == []
    assert document["infeasible"]["min_batch_size"] > 8192
    paper = ("iterations", config("mnist_autoencoder"), *options, "--constants", "paper", "--batch-size")
    plan = run(*paper, "100")
    assert (plan.code, plan.err) == (1, "")
    found = strict(plan.out)
    assert found["feasible"] is False
    assert found["iterations"] is None
    enough = run(*paper, str(found["min_batch_size"] * 2))
    assert enough.code == 0


def test_bound_json(run: Run, config: Config) -> None:
    for name in ("mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"):
        document = run.document("bound", config(name), *FIXED)
        assert {"bound", "terms", "certified_bound", "proven"} <= set(document)
        assert sum(document["terms"].values()) == pytest.approx(document["bound"])
    assert "training.stepsize: must be given" in run.refused("bound", config("mnist_single_layer"))


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_stepsize_out_of_range(run: Run, config: Config, constants: str) -> None:
    """No theorem reaches so far: that is an answer, and the certified bound is the largest gradient."""
    wide = [*FIXED, "--set", "training.stepsize=7"]
    result = run("bound", config("mnist_single_layer"), *wide, "--constants", constants, "-f", "json")
    document = strict(result.out)
    assert (result.code, document["vacuous"]) == (0, True)
    assert document["certified_bound"] == document["largest_gradient"]
    if constants == "paper":
        assert (document["bound"], document["terms"], document["proven"]) == (None, {}, False)
        assert any("lies outside (0, 1.23077)" in note for note in document["notes"])
    else:
        assert document["bound"] == document["largest_gradient"]


@pytest.mark.parametrize(
    ("command", "constants"),
    [
        *((command, constants) for command in ("recommend", "bound", "explain") for constants in BOTH),
        ("compare", ""),
        ("sweep", ""),
        ("report", ""),
    ],
)
def test_every_command_takes_any_stepsize(
    run: Run, config: Config, tmp_path: Path, command: str, constants: str
) -> None:
    for stepsize in ("1e-12", "5", "1e9"):
        arguments = [config("mnist_single_layer"), *FIXED, "--set", f"training.stepsize={stepsize}"]
        more: dict[str, list[Any]] = {
            "compare": [config("mnist_single_layer")],
            "sweep": ["--vary", "training.batch_size=8,16"],
            "report": ["-o", tmp_path / "r.html"],
        }
        result = run(command, *arguments, *more.get(command, ["--constants", constants]))
        # Of networks that promise nothing none is better: there the answer of a comparison is no.
        codes = (0, 1) if command == "compare" else (0,)
        assert result.code in codes, (stepsize, result)
        assert result.err == ""


def test_errors_point_into_the_file(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("network:\n  kind: single_layer\n  layers: [4, 2]\ndata:\n  mean: 0\n")
    result = run.refused("recommend", spec, "--constants", "certified")
    assert result.startswith(f"error: {spec}:5:9: data.mean: must be above 0")


def test_an_error_of_the_theory_stands_at_its_key() -> None:
    text = "network: {kind: single_layer, layers: [4, 2]}\ntraining: {stepsize: 9}\n"
    for quantity, place in (
        ("stepsize", "s.yaml:2:22: training.stepsize: no"),
        ("data.mean", "s.yaml: data.mean: no"),
        ("network.layers[5]", "s.yaml:1:39: network.layers: no"),
    ):
        found = located(HypothesisError("no", quantity=quantity), parse_spec(text, file="s.yaml"))
        assert str(found) == place


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    path = tmp_path / "data.npz"
    np.savez(path, x=generator.random((50, 6)), y=generator.integers(0, 3, 50))
    return path


def test_stats_json_and_into(run: Run, numbers: Path, tmp_path: Path) -> None:
    document = run.document("stats", numbers)
    assert document["schema"] == "rsgadvise.stats/1"
    assert set(document) >= STATS
    assert run.document("stats", numbers, "--no-spectrum")["top_eigenvalue"] is None
    spec = tmp_path / "s.yaml"
    spec.write_text("# mine\nnetwork: {kind: single_layer, layers: [6, 3]}  # keep\n")
    assert run("stats", numbers, "--into", spec).code == 0
    text = spec.read_text()
    assert text.startswith("# mine\nnetwork: {kind: single_layer, layers: [6, 3]}  # keep\n")
    assert repr(document["mean"]) in text
    assert run("recommend", spec).code == 0


def test_a_data_file_is_measured(run: Run, numbers: Path, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        f"network: {{kind: single_layer, layers: [6, 3]}}\ndata: {{file: {numbers.name}, mean: 0.1}}\n"
    )
    document = run.document("recommend", spec, *BRIEFLY)
    measured = run.document("stats", numbers)
    assert document["data"]["mean"] == measured["mean"]
    assert document["recommendations"][0]["epochs"] is not None
    assert any("the file counts" in note for note in document["notes"])
    assert "network.layers[0]: must be the number of features of data.npz, 6; got 7" in run.refused(
        "recommend", spec, "--set", "network.layers[0]=7", "--set", "data.mean=null"
    )
    assert (
        "must be the number of targets in data.npz, 3; got 4"
        in run("recommend", spec, "--set", "network.layers[1]=4").err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["recommend"], "needs a spec, a data file or --model"),
        (["recommend", "x.yaml", "--top", "0"], "Invalid value for '--top'"),
        (["iterations", "--eps", "0.05"], "--delta is needed"),
        (["iterations", "--eps", "nan", "--delta", "0.1"], "--eps must be a finite number above 0; got nan"),
        (["iterations", "--eps", "-1", "--delta", "0.1"], "--eps must be a finite number above 0; got -1"),
        (["iterations", "--eps", "1", "--delta", "1"], "--delta must be a probability below 1; got 1"),
        (["iterations", "--eps", "1", "--delta", "0.1", "--initial-loss", "6"], "at most --output-dim = 5"),
        (["iterations", "--eps", "1", "--delta", "0.1", "--set", "a=1"], "got no SPEC"),
        (["stats", "missing.npy"], "missing.npy"),
        (["init", "--layers", "7,x"], "--layers must be whole numbers"),
        (["init", "--kind", "cnn"], "cnn"),
    ],
)
def test_bad_usage_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    assert message in run.refused(*arguments)


def test_init_writes_a_spec_that_works_and_its_schema(run: Run, tmp_path: Path) -> None:
    for kind in ("single_layer", "autoencoder", "multilayer"):
        target = tmp_path / kind / "spec.yaml"
        target.parent.mkdir()
        made = run("init", target, "--kind", kind)
        assert (made.code, made.out) == (0, "")
        assert target.read_text().startswith("# yaml-language-server: $schema=./rsgadvise.schema.json")
        schema = json.loads((target.parent / "rsgadvise.schema.json").read_text())
        assert schema == json.loads(run("schema").out)
        assert run("recommend", target, "--constants", "paper").code == 0
        assert "exists already" in run.refused("init", target, "--kind", kind)
        assert run("init", target, "--kind", kind, "--force").code == 0
    assert run("init").out.startswith("# yaml-language-server")


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["asked", "forced"])
def test_init_replaces_no_data(force: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("a,b\n1,2\n")
    refused = run("init", table, *force)
    assert (refused.code, table.read_text()) == (2, "a,b\n1,2\n")
    assert "is no spec; give the spec another name" in refused.err
    for command in ("explain", "iterations"):
        told = (
            run(command, table, "--set", "training.decay=0") if command == "explain" else run(command, table)
        )
        assert f"`rsgadvise recommend {table} --save SPEC`" in told.err
    made = tmp_path / "made.yaml"
    rows = [f"{i % 7},{i % 5},{'yes' if i % 3 else 'no'}" for i in range(60)]
    table.write_text("\n".join(["a,b,kind", *rows]) + "\n")
    assert run("recommend", table, "--save", made, "--constants", "paper").code == 0
    assert run("iterations", made, "--eps", "9", "--delta", "0.5").code == 0, "the fix works"


def test_iterations_takes_the_epochs_of_the_spec(run: Run, config: Config) -> None:
    spec = config("mnist_single_layer")
    asked = ("iterations", spec, "--eps", "0.5", "--delta", "0.1", "-f", "json")
    said = {item["key"] for item in strict(run(*asked).out)["assumed"]}
    assert "--epochs" not in said
    rows = [
        strict(run(*asked, "--set", f"budget.epochs={count}").out)["dataset_size_exact"] for count in (10, 20)
    ]
    assert rows[0] == pytest.approx(2 * rows[1], rel=1e-3)


def test_init_from_data(run: Run, numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "spec.yaml"
    assert run("init", target, "--data", numbers).code == 0
    document = run.document("recommend", target, *BRIEFLY)
    assert document["layers"] == [6, 100, 3], "as `recommend DATA` assumes it"
    measured = run.document("stats", numbers)
    assert document["spec"]["data"]["mean"] == measured["mean"]
    wrong = run("init", "--data", numbers, "--layers", "7,3")
    assert "--layers must start with the number of features" in wrong.err


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two features and a label, in a folder of its own."""
    path = tmp_path / "data" / "t.csv"
    path.parent.mkdir()
    rows = [f"{i % 7 / 7},{i % 5 / 5},{i % 2}" for i in range(40)]
    path.write_text("a,b,label\n" + "\n".join(rows) + "\n")
    return path


def test_a_spec_from_data_can_be_calibrated_at_once(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    made = run(
        "init", "specs/s.yaml", "--kind", "multilayer", "--layers", "2,3,2", "--data", "data/t.csv",
        "--target", "-1",
    )  # fmt: skip
    assert (made.code, made.out) == (0, "")
    text = (tmp_path / "specs" / "s.yaml").read_text()
    assert "\n  file: ../data/t.csv " in text
    assert "\n  target: -1 " in text
    assert "\n  weight_bound: 5 " in text
    assert max(map(len, text.splitlines())) <= 80
    monkeypatch.chdir(tmp_path / "specs")  # the path is the spec's, not that of the shell
    advice = run.document("recommend", "s.yaml", "--constants", "calibrated")
    assert advice["constants"] == "calibrated"
    measured = run.document("stats", table, "--target", "label")
    assert advice["spec"]["data"]["mean"] == measured["mean"]


@pytest.mark.parametrize(
    ("options", "widths", "lines", "told"),
    [
        (["--target", "label"], "2,2", ["  file: data/t.csv ", "  target: label "], ""),
        (["--target", "0"], "2,1", ["  file: data/t.csv ", "  target: 0 "], ""),
        (["--target", "labels.npy"], "3,2", ["  file: data/t.csv ", "  target: labels.npy "], ""),
        (["--target", "far/labels.npy"], "3,2", ["  file: data/t.csv ", "  target: ../far/labels.npy"], ""),
        (
            [],
            "3,2",
            ["  file: data/t.csv ", "  # target:"],
            "every column of data/t.csv counts as a feature;",
        ),
        (["--target", "label", "--exclude", "a"], "1,2", ["  target: label ", "  exclude: [a] "], ""),
        (["--target", "-1", "--exclude", "0"], "1,2", ["  target: -1 ", "  exclude: [0] "], ""),
        (["--target", "-1", "--scaling", "robust"], "2,2", ["  scaling: robust "], ""),
    ],
)
def test_the_data_that_a_new_spec_names(
    run: Run,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    widths: str,
    lines: list[str],
    told: str,
) -> None:
    for folder in (table.parent, tmp_path / "far"):
        folder.mkdir(exist_ok=True)
        np.save(folder / "labels.npy", np.arange(40) % 2)
    monkeypatch.chdir(tmp_path)
    made = run("init", "s.yaml", "--data", "data/t.csv", "--layers", widths, *options)
    assert made.code == 0, made.err
    text = (tmp_path / "s.yaml").read_text()
    for line in lines:
        assert f"\n{line}" in text
    assert told in made.err
    assert ("data.file is left out" in made.err) == ("# file:" in text)
    assert run("recommend", "s.yaml", *BRIEFLY).code == 0
    # Standard output is a spec for the working directory, as `-` reads it.
    shown = run("init", "--data", "data/t.csv", "--layers", widths, *options)
    assert shown.out == text


@pytest.fixture
def wide_table(tmp_path: Path) -> Path:
    """A table with columns that are no features, text labels, and one feature with an outlier."""
    rng = np.random.default_rng(0)
    rows = [
        f"p{i},2024-01-{i % 28},{i % 7},{x},{'yes' if i % 3 else 'no'}" for i, x in enumerate(rng.random(300))
    ]
    rows[9] = "p9,2024-01-09,2,5000,yes"
    (tmp_path / "w.csv").write_text("\n".join(["id,date,a,b,y", *rows]) + "\n")
    return tmp_path / "w.csv"


@pytest.mark.parametrize(
    "command",
    [
        ["recommend"],
        ["recommend", "--constants", "calibrated"],
        ["recommend", "--emit", "torch"],
        ["bound", *FIXED],
        ["iterations", "--eps", "1", "--delta", "0.1"],
        ["explain"],
        ["compare"],
        ["sweep", "--vary", "training.keep_prob=0.5,1"],
        ["verify", "--jobs", "1", "--runs", "2", *FIXED, "--set", "training.iterations=20"],
        ["report", "-o", "page.html"],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_every_command_leaves_columns_out_and_scales_as_the_spec_says(
    run: Run, wide_table: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(wide_table.parent)
    spec = Path("s.yaml")
    spec.write_text(
        "network: {kind: multilayer, layers: [2, 3, 2]}\nsearch: {batch_size: [16]}\n"
        "data: {file: w.csv, target: y, exclude: [id, date], scaling: robust}\n"
    )
    found = run(command[0], *[spec] * (2 if command[0] == "compare" else 1), *command[1:])
    assert found.code != 2, found.err
    text = Path("page.html").read_text() if command[0] == "report" else found.out
    if "--emit" in command:
        assert 'exclude=("id", "date")' in text
        assert 'scaling="robust, 1st to 99th percentile per column"' in text
    elif command[0] not in {"explain", "iterations"}:
        assert "robust, 1st to 99th percentile" in " ".join(text.split())
    elif command[0] == "explain":
        assert "from its 1st to its 99th percentile" in " ".join(text.split())


def test_rows_to_train_on_are_the_rows_that_were_measured(
    run: Run, wide_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moments by `stats`, by the spec's own measurement, and by plain numpy on the columns."""
    monkeypatch.chdir(wide_table.parent)
    columns = [line.split(",")[2:4] for line in wide_table.read_text().split()[1:]]
    values = np.array(columns, dtype=float)
    low, high = np.percentile(values, [1, 99], axis=0)
    mean = np.clip((values - low) / (high - low), 0, 1).mean()
    options = ["--target", "y", "--exclude", "id", "--exclude", "date"]
    plain = run.document("stats", "w.csv", *options)
    assert plain["crushed_columns"] == ["b"]
    assert any("1 of 2 columns is crushed by outliers: b:" in note for note in plain["notes"])
    robust = run.document("stats", "w.csv", *options, "--scaling", "robust")
    assert robust["mean"] == pytest.approx(mean, rel=1e-12)
    options += ["--layers", "2,3,2", "--scaling", "robust"]
    assert run("init", "s.yaml", "--data", "w.csv", *options).code == 0
    advice = run.document("recommend", "s.yaml", *BRIEFLY)
    assert advice["data"]["mean"] == robust["mean"]
    assert advice["spec"]["data"]["exclude"] == ["id", "date"]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ([], ["w.csv: column 4 ('y') holds text such as 'no'", "if it is the target, name it with --target"]),
        (
            ["--layers", "4,2"],
            ["column 4 ('y')", "name it with --target", "--categories one_hot", "--exclude"],
        ),
        (["--exclude", "y"], ["w.csv: a target must be named", "--target"]),
        (["--target", "y", "--layers", "1,2"], ["w.csv, 2; got 1; leave columns out with --exclude"]),
        (
            ["--kind", "autoencoder", "--exclude", "y", "--layers", "1,2"],
            ["2; got 1; leave columns out with"],
        ),
        (["--target", "yy"], ["no target column 'yy'", "did you mean 'y'?"]),
        (["--target", "y", "--scaling", "rubost"], ["rubost", "robust"]),
    ],
)
def test_init_never_suggests_that_the_target_be_a_feature(
    run: Run, wide_table: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(wide_table.parent)
    refused = run.refused("init", "s.yaml", "--data", "w.csv", *options)
    for part in parts:
        assert part in refused
    assert not refused.endswith("change it\n") or "leave columns out" in refused
    assert not Path("s.yaml").exists()


@pytest.mark.parametrize(
    ("layers", "data", "fix"),
    [
        ("[2, 2]", "", "3; got 2; name the column of the target with data.target, and leave others out with"),
        ("[1, 2]", "target: y", "2; got 1; leave columns out with data.exclude, or change it"),
        ("[3, 2]", "target: y", "2; got 3; change it"),
    ],
)
def test_a_spec_whose_data_have_another_width(
    run: Run, tmp_path: Path, layers: str, data: str, fix: str
) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n0.1,0.2,0\n0.3,0.4,1\n0.5,0.1,1\n")
    spec = tmp_path / "s.yaml"
    spec.write_text(f"network: {{kind: single_layer, layers: {layers}}}\ndata: {{file: t.csv, {data}}}\n")
    assert f"network.layers[0]: must be the number of features of t.csv, {fix}" in run.refused(
        "recommend", spec
    )
    spec.write_text(f"network: {{kind: single_layer, layers: {layers}}}\n")
    options = ["--target", "y"] if data else []
    into = run("stats", tmp_path / "t.csv", "--into", spec, *options).err
    assert fix.replace("data.target", "--target").replace("data.exclude", "--exclude") in into


def test_a_file_elsewhere_keeps_its_absolute_name(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    assert run("init", tmp_path / "specs" / "s.yaml", "--data", table, "--target", "2").code == 0
    assert f"\n  file: {table}" in (tmp_path / "specs" / "s.yaml").read_text()
    assert run("init", table.parent / "s.yaml", "--data", table, "--target", "2").code == 0
    assert "\n  file: t.csv" in (table.parent / "s.yaml").read_text()


def test_init_refuses_a_place_before_it_reads_the_data(run: Run, tmp_path: Path) -> None:
    assert "its directory does not exist" in run.refused(
        "init", tmp_path / "no" / "s.yaml", "--data", tmp_path / "missing.csv"
    )


def test_stats_into_says_which_data_the_spec_names(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "s.yaml"
    spec.write_text("network: {kind: single_layer, layers: [2, 2]}\n")
    first = run("stats", "data/t.csv", "--target", "-1", "--into", "s.yaml")
    assert "add to data: file: data/t.csv, target: -1\n" in first.err
    spec.write_text(spec.read_text() + "  file: data/t.csv\n  target: -1\n")
    assert run("recommend", "s.yaml", "--constants", "calibrated").code == 0
    again = run("stats", "data/t.csv", "--target", "-1", "--into", "s.yaml")
    assert again.err == "wrote the statistics into s.yaml\n"
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("a,b", "c,d"))
    wrong = run("stats", other, "--target", "-1", "--into", "s.yaml")
    assert "data.file is data/t.csv, which counts instead of these numbers" in wrong.err
    assert "file: data/t.csv\n" in spec.read_text()


def test_version_and_help(run: Run) -> None:
    for arguments in (["--version"], ["recommend", "--version"], ["stats", "--version"]):
        result = run(*arguments)
        assert result.code == 0
        assert re.fullmatch(r"rsgadvise \d+\.\d+\.\d+\n", result.out)
    assert "recommend" in run("--help").out


def test_an_interrupt_while_importing_is_one_line() -> None:
    """Ctrl-C may come before there is a command line to catch it."""
    code = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "rsgadvise.cli.MODULE":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
sys.argv = ["rsgadvise", "--version"]
from rsgadvise.__main__ import main
main()
"""
    for module in ("advice", "verify"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("MODULE", module)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def shell(command: str) -> tuple[int, str]:
    """Exit code and stderr of a shell command in which @ is the program."""
    program = f"{sys.executable} -m rsgadvise"
    done = subprocess.run(
        command.replace("@", program), shell=True, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_or_closed_standard_output_is_one_line(config: Config) -> None:
    bound = f"@ bound {config('mnist_single_layer')} {' '.join(FIXED)}"
    for command, redirection in ((bound, ">/dev/full"), ("@ init", ">&-")):
        code, err = shell(f"{command} {redirection}")
        assert code == 2
        assert err.startswith("error: cannot write to standard output")
        assert err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_pipe_is_a_place_to_write_to(run: Run, config: Config) -> None:
    given = ("bound", str(config("mnist_single_layer")), *FIXED)
    command = [sys.executable, "-m", "rsgadvise", *given, "-o", "/dev/stdout"]
    written = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (written.returncode, written.stdout, written.stderr) == (0, run(*given).out, "")


def test_a_reader_that_leaves_is_no_error(config: Config) -> None:
    code, err = shell(
        f"bash -c 'set -o pipefail; @ bound {config('mnist_single_layer')} {' '.join(FIXED)} | true'"
    )
    assert (code, err) == (0, "")


@pytest.mark.parametrize("columns", [None, "", "0", "33", "abc"])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_terminals_are_seen_as_by_rich(
    columns: str | None, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LINES", raising=False)
    settings = {
        "TTY_COMPATIBLE": (None, "", "0", "1"),
        "FORCE_COLOR": (None, "", "1"),
        "NO_COLOR": (None, "", "1"),
    }
    for isatty, values in product((False, True), product(*settings.values())):
        monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda isatty=isatty: isatty))
        for name, value in zip((*settings, "TERM", "COLUMNS"), (*values, term, columns), strict=True):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        for no_color in (False, True):
            theirs = Console(no_color=no_color or None)
            seen = max(theirs.width, 20), theirs.is_terminal and not theirs.no_color
            assert screen(no_color=no_color) == seen, (values, isatty)


def test_odd_encodings(config: Config) -> None:
    setting = "LC_ALL=C PYTHONIOENCODING=ascii"
    code, err = shell(f"{setting} @ recommend {config('mnist_single_layer')} --constants paper")
    assert (code, err) == (0, "")


def test_a_result_that_cannot_be_written_leaves_the_spec_alone(
    run: Run, numbers: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("network: {kind: single_layer, layers: [6, 3]}\n")
    run.refused("stats", numbers, "--into", spec, "-o", tmp_path / "no" / "x")
    assert spec.read_text() == "network: {kind: single_layer, layers: [6, 3]}\n"
    spec.write_text("network: {kind: single_layer, layers: [7, 3]}\n")
    wrong = run("stats", numbers, "--into", spec)
    assert "network.layers[0]: must be the number of features" in wrong.err


def test_quiet_still_says_why_there_is_no_plan(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "-q")
    assert (
        "No batch size allowed reaches the target"
        in run("recommend", config("mnist_autoencoder"), *options).out
    )


@pytest.mark.parametrize(
    "options", [("--eps", "1e-300", "--delta", "1e-300"), ("--eps", "1e-9", "--delta", "1e-300")]
)
def test_absurd_targets_are_infeasible_without_noise(run: Run, options: tuple[str, ...]) -> None:
    result = run("iterations", *options, "-f", "json")
    assert (result.code, result.err) == (1, "")
    assert strict(result.out)["feasible"] is False


def test_a_statistic_of_the_spec_is_held_against_the_file_in_proportion(run: Run, tmp_path: Path) -> None:
    x = np.full((200, 2), 0.002)
    x[0] = 0, 1
    np.savez(tmp_path / "small.npz", x=x, y=np.arange(200) % 2)
    spec = tmp_path / "s.yaml"
    mean = float(x.mean())
    for share, samples, named in ((1.3, 200, ["mean"]), (1.0, 201, []), (0.995, 210, ["samples"])):
        spec.write_text(
            "network: {kind: single_layer, layers: [2, 2]}\n"
            f"data: {{file: small.npz, mean: {mean * share!r}, samples: {samples}}}\n"
            "training: {stepsize: 0.1, batch_size: 4, iterations: 9}\n"
        )
        notes = run.document("bound", spec)["notes"]
        found = [note.split()[0] for note in notes if "the file counts" in note]
        assert found == [f"data.{key}" for key in named]


def test_a_torch_model_names_the_extra_where_torch_is_absent(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "rsgadvise[torch]" in run.refused("recommend", "--model", "net.py:make", "--data", "table.csv")
