"""`rsgadvise verify` as users and scripts meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import Run

SPEC = """
network: {kind: single_layer, layers: [6, 2]}
data: {mean: 0.3, mean_square: 0.12}
training: {stepsize: 0.4, batch_size: 8, iterations: 20}
"""
ROW_KEYS = {
    "name",
    "constants",
    "bound",
    "measured",
    "lower",
    "upper",
    "approximate",
    "runs",
    "verdict",
    "expected",
    "final_loss",
    "seconds",
}


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """By a name that is the same every time: with the seed it decides what is drawn."""
    monkeypatch.chdir(tmp_path)
    path = Path("spec.yaml")
    path.write_text(SPEC)
    return path


def documents(run: Run, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    result = run("verify", *arguments, "--jobs", "1", "-q", "-f", "json")
    assert result.code == code, result.err
    assert result.err == ""
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_the_contract(run: Run, spec: Path) -> None:
    found = documents(run, spec)
    assert found["schema"] == "rsgadvise.verify/1"
    assert found["verdict"] == "consistent"
    assert [case["constants"] for case in found["cases"]] == ["paper", "certified"]
    for case in found["cases"]:
        assert set(case) >= ROW_KEYS
        assert case["name"] == str(spec)
        assert case["lower"] <= case["measured"] <= case["upper"] < case["bound"]
        assert case["verdict"] == "consistent"


def plain(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in case.items() if k != "seconds"} for case in found["cases"]]


def test_a_seed_decides_every_bit_whatever_the_jobs(run: Run, spec: Path) -> None:
    first = plain(documents(run, spec, "--seed", "3"))
    assert plain(documents(run, spec, "--seed", "3")) == first
    assert plain(documents(run, spec, "--seed", "4")) != first
    result = run("verify", spec, "--seed", "3", "--jobs", "2", "-q", "-f", "json")
    assert plain(json.loads(result.out)) == first


def test_a_case_does_not_depend_on_its_neighbours(run: Run, spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SPEC.replace("0.4", "0.2"))
    both = documents(run, spec, other, "--confidence", "0.98")
    assert [case["name"] for case in both["cases"]] == [str(spec)] * 2 + [str(other)] * 2
    # Two cases share what one has to itself at 0.99: the same limits.
    assert plain(both)[:2] == plain(documents(run, spec, "--confidence", "0.99"))[:2]


def test_names_are_unique_whatever_the_files_are_called(run: Run, spec: Path) -> None:
    other = spec.with_name(f"{spec.name} #2")
    other.write_text(SPEC)
    names = [case["name"] for case in documents(run, spec, spec, other)["cases"]]
    assert names[::2] == [str(spec), f"{spec} #2", f"{spec} #2 #2"]


def counter_example(tmp_path: Path) -> Path:
    """One input of ones and y = 1/2: the paper's (7) is false, and does not know it."""
    np.savez(tmp_path / "ones.npz", x=np.ones((1, 784)), y=np.full((1, 1), 0.5))
    path = tmp_path / "ones.yaml"
    path.write_text(
        "network: {kind: single_layer, layers: [784, 1]}\n"
        "data: {file: ones.npz}\n"
        "training: {stepsize: 0.03, batch_size: 100, iterations: 150}\n"
    )
    return path


def test_a_false_bound_is_falsified_and_exits_with_one(run: Run, tmp_path: Path) -> None:
    path = counter_example(tmp_path)
    found = documents(run, path, code=1)
    paper, certified = found["cases"]
    assert (paper["verdict"], certified["verdict"]) == ("falsified", "consistent")
    assert paper["lower"] > paper["bound"]
    assert found["verdict"] == "falsified"
    assert documents(run, path, "--constants", "certified")["verdict"] == "consistent"
    shown = run("verify", path, "--jobs", "1")
    assert "falsified !" in shown.out
    assert "Not as expected" in shown.out


def test_what_the_spec_leaves_open_is_recommended(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(
        "network: {kind: multilayer, layers: [5, 3, 2], weight_bound: 0.5}\n"
        "data: {mean: 0.3, mean_square: 0.12}\n"
        "search: {batch_size: [16], iterations: {max: 30}, keep_prob: [0.8]}\n"
    )
    found = documents(run, path)
    notes = " ".join(found["cases"][0]["notes"])
    assert "as ranked with paper constants" in notes
    assert "batch size 16, 30 iterations, keep probability 0.8" in notes
    assert "generated rows with mu_x = 0.3 and tau_x = 0.12" in notes


def test_it_trains_on_the_data_file(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.integers(0, 256, (50, 6), np.uint8), y=rng.integers(0, 2, 50))
    path = tmp_path / "s.yaml"
    path.write_text(SPEC.replace("{mean: 0.3, mean_square: 0.12}", "{file: d.npz}"))
    found = documents(run, path)
    assert any("Data measured from d.npz: scaling divide by 255" in n for n in found["cases"][0]["notes"])


def test_paper_bound_outside_its_range_is_null_with_a_note(run: Run, spec: Path) -> None:
    found = documents(run, spec, "--set", "training.stepsize=2")
    paper, certified = found["cases"]
    assert paper["bound"] is None
    assert not paper["checked"]
    assert any("must lie in (0, 1.23077)" in note for note in paper["notes"])
    assert certified["verdict"] == "consistent"


ONE, TIED, TWO = (
    "single_layer, layers: [6, 2]",
    "autoencoder, layers: [1, 1]",
    "multilayer, layers: [3, 1, 1]",
)
MASKED = "stepsize: 0.1, batch_size: 4, iterations: 3, keep_prob: 0.5"
SIX, BOXED = "0.3, mean_square: 0.12", "multilayer, layers: [3, 2, 2], weight_bound: 1"


@pytest.mark.parametrize(
    ("network", "mean", "training"),
    [
        (ONE, SIX, "stepsize: 0.4, batch_size: 8, iterations: 1"),
        (ONE, SIX, "stepsize: 0.4, batch_size: 1000, iterations: 20"),
        (ONE, SIX, "stepsize: 1.0e300, batch_size: 8, iterations: 20"),
        (ONE, SIX, "stepsize: 0.4, batch_size: 8, iterations: 20, decay: 1, stopping: matched"),
        (ONE, SIX, "stepsize: 0.4, batch_size: 8, iterations: 3, stopping: [0, 0.5, 0.5]"),
        (ONE, "1, mean_square: 1", "stepsize: 0.4, batch_size: 8, iterations: 20"),
        (f"{TIED}, weight_bound: 0", "0.3, mean_square: 0.09", MASKED),
        (f"{TIED}, weight_bound: 0.3", "0.3, mean_square: 0.09", MASKED),
        (f"{TWO}, weight_bound: 0", SIX, MASKED),
        (f"{TWO}, weight_bound: 0.3", SIX, MASKED),
        # A box holds whatever the stepsize: nothing diverges, and nothing warns.
        (BOXED, SIX, "stepsize: [1.0e-300, 1.0e9], batch_size: 4, iterations: 40"),
        (BOXED, SIX, "stepsize: [1.0e300, 1.0e300], batch_size: 4, iterations: 40, decay: 2"),
    ],
)
def test_edges_have_a_verdict(run: Run, tmp_path: Path, network: str, mean: str, training: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"network: {{kind: {network}}}\ndata: {{mean: {mean}}}\ntraining: {{{training}}}\n")
    result = run("verify", path, "--jobs", "1", "--runs", "40", "-q", "-f", "json")
    assert result.code in (0, 3)
    assert result.err == ""
    cases = json.loads(result.out)["cases"]
    assert cases
    assert network != BOXED or not any("Diverged" in note for case in cases for note in case["notes"])


def test_pretraining_is_done_and_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "network: {kind: multilayer, layers: [5, 3, 2], weight_bound: 0.5}\n"
        "data: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.1, batch_size: 4, iterations: 5, pretraining: {tolerance: 0.05}}\n"
    )
    found = documents(run, path)
    assert any("Hidden layers pretrained" in note for note in found["cases"][0]["notes"])


def test_one_run_is_inconclusive(run: Run, spec: Path) -> None:
    found = documents(run, spec, "--runs", "1", "--set", "training.iterations=400", code=3)
    assert found["verdict"] == "inconclusive"
    assert {case["runs"] for case in found["cases"]} == {1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "0"], "--runs"),
        (["--confidence", "1"], "--confidence must be a probability between 0 and 1; got 1"),
        (["--confidence", "nan"], "--confidence must be a probability"),
        (["--budget", "0"], "--budget must be a number of seconds above 0; got 0"),
        (["--budget", "inf"], "--budget must be"),
        (["--seed", "-1"], "--seed"),
        (["--jobs", "0"], "--jobs"),
        (["--set", "training.decay=1"], "--set overrides a key of a spec"),
        (["--constants", "paper"], "--constants chooses the bounds of a spec"),
        (["-", "-"], "standard input"),
        (["absent.yaml"], "absent.yaml"),
        (["SPEC", "--set", "training.iterations=10000001"], "must be at most 10,000,000 to be trained"),
        (["SPEC", "--set", "training.batch_size=1000000000"], "examples of one step"),
        (["SPEC", "--set", "network.layers=[100000, 100000]"], "need more than 4 GiB"),
        (["SPEC", "--set", "data.mean=0", "--set", "data.mean_square=0"], "inputs that are all zero"),
        (
            ["SPEC", "--set", "data.mean=1e-300", "--set", "data.mean_square=0"],
            "must be larger for certified constants; got 1e-300, a squared norm E||x||^2 of at most 6e-300",
        ),
        (
            [
                *("SPEC", "--set", "data.mean=1e-300", "--set", "data.mean_square=0"),
                *("--set", "data.second_moment=0"),
            ],
            "got 1e-300, a squared norm E||x||^2 of at most 0, below 1e-120; use features that fill",
        ),
        (["SPEC", "--set", "data.mean_square=0.29"], "data.mean_square: must lie between mean**2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(run: Run, spec: Path, arguments: list[str], message: str) -> None:
    assert message in run.refused("verify", *[str(spec) if part == "SPEC" else part for part in arguments])


def test_progress_goes_to_stderr_in_plain_lines(run: Run, spec: Path) -> None:
    result = run("verify", spec, "--jobs", "1")
    lines = result.err.splitlines()
    assert [line.startswith(f"done: {spec} (") for line in lines] == [True, True]
    assert "Verification: consistent" in result.out


def test_junit_file(run: Run, spec: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.xml"
    assert run("verify", spec, "--jobs", "1", "--junit", target).code == 0
    root = ElementTree.parse(target).getroot()
    assert [entry.get("name") for entry in root.iter("testcase")] == ["paper", "certified"]
    assert "its directory does not exist" in run.refused(
        "verify", spec, "--jobs", "1", "--junit", tmp_path / "absent" / "report.xml"
    )


def test_standard_output_holds_one_document(
    run: Run, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ("--jobs", "1", "-q", "-f", "json")
    assert json.loads(run("verify", spec, *quick, "-o", "-").out)["verdict"] == "consistent"
    result = run("verify", spec, *quick, "-o", "result.json", "--junit", "-")
    assert [case.get("name") for case in ElementTree.fromstring(result.out).iter("testcase")] == [
        "paper",
        "certified",
    ]
    for output in ([], ["-o", "-"]):
        assert "--junit - writes to standard output, where the result goes" in run.refused(
            "verify", spec, *quick, *output, "--junit", "-"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json", spec.name]


def test_actions_get_one_annotation_and_a_summary(
    run: Run, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = run("verify", spec, "--jobs", "1", "-q")
    assert [line[:8] for line in result.err.splitlines()] == ["::notice"]
    assert "## Verification: consistent" in summary.read_text()


def long_running(tmp_path: Path) -> Path:
    path = tmp_path / "long.yaml"
    path.write_text(
        "network: {kind: single_layer, layers: [50, 5]}\n"
        "data: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.01, batch_size: 32, iterations: 1000000}\n"
    )
    return path


def test_a_budget_ends_it(run: Run, spec: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    result = run("verify", spec, long_running(tmp_path), "--budget", "1", "-q", "-f", "json")
    assert time.monotonic() - begun < 12
    found = json.loads(result.out)
    assert result.code == 3
    assert not found["complete"]
    assert "budget of 1 seconds" in found["notes"][0]
    assert {case["verdict"] for case in found["cases"][2:]} == {"inconclusive"}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_a_partial_report(tmp_path: Path, spec: Path, jobs: str) -> None:
    target = tmp_path / "report.json"
    command = [sys.executable, "-m", "rsgadvise", "verify", str(spec), str(long_running(tmp_path))]
    process = subprocess.Popen(
        [*command, "--jobs", jobs, "-f", "json", "-o", str(target)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told.startswith("done: ")
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        _, rest = process.communicate(timeout=20)
    finally:
        process.kill()  # where it does not hear it; its workers end with it
    assert process.returncode == 130
    assert "Traceback" not in rest
    found = json.loads(target.read_text())
    assert found["interrupted"]
    assert found["cases"][0]["verdict"] == "consistent"
    assert found["cases"][2]["verdict"] == "inconclusive"
    assert "Interrupted" in found["notes"][0]


def test_a_reader_of_the_progress_that_has_left_changes_nothing(spec: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    here, there = os.pipe()
    os.close(here)
    command = [sys.executable, "-m", "rsgadvise", "verify", str(spec), "--jobs", "1", "-f", "json"]
    done = subprocess.run([*command, "-o", str(target)], stderr=there, check=False)
    os.close(there)
    assert done.returncode == 0
    assert json.loads(target.read_text())["verdict"] == "consistent"


def test_a_vacuous_bound_is_never_inconclusive(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "network: {kind: multilayer, layers: [14, 2, 2], weight_bound: 1}\n"
        "data: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.1, batch_size: 4, iterations: 20, keep_prob: 0.5}\n"
    )
    found = documents(run, path, "--runs", "1")
    assert found["cases"][1]["vacuous"]
    assert found["cases"][1]["upper"] <= found["cases"][1]["bound"]
    row = run("verify", path, "--runs", "1", "--jobs", "1", "-q").out.split("\n")[-3]
    assert row.split()[0] == "certified"
    assert row.endswith(" vacuous")


@pytest.mark.parametrize(
    ("options", "said"), [([], "2, assumed"), (["--set", "training.initial_loss=0.7"], "0.7, given")]
)
def test_a_spec_learns_why_its_bounds_differ(run: Run, spec: Path, options: list[str], said: str) -> None:
    quick = ("--runs", "2", "--jobs", "1", "-q", "-f", "json")
    found = json.loads(run("verify", spec, "--constants", "certified", *quick, *options).out)
    [note] = [note for note in found["cases"][0]["notes"] if "f(W1) as measured" in note]
    assert f"`recommend`, `bound` and `sweep` take {said} as training.initial_loss" in note
    theirs = run.document("bound", spec, *options)["certified_bound"]
    assert found["cases"][0]["bound"] != pytest.approx(theirs, rel=1e-3)
    # A sweep's bounds are those of the spec, whatever it measures beside them.
    measured = ("--measure", "--runs", "2", "--jobs", "1")
    swept = run("sweep", spec, "--vary", "training.batch_size=8,16", *measured, *options).out
    assert "The bounds here hold" not in swept


def test_confidence_is_not_rounded_up(run: Run, spec: Path) -> None:
    result = run("verify", spec, "--jobs", "1", "--confidence", "0.99999999", "--runs", "40")
    assert "confidence 0.99999999 over all" in result.out
