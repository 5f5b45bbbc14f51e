"""No command writes over what it reads, by whatever name, nor twice into one file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Run

from rsgadvise.cli import COMMANDS

FIXED = "training: {stepsize: 0.01, batch_size: 4, iterations: 9}\n"
NETWORK = "network: {kind: single_layer, layers: [5, 2]}\n"

# Everything that reads a spec, with the least it takes; {} stands for the spec.
SPECS: dict[str, tuple[str, ...]] = {
    "recommend": ("{}",),
    "design": ("{}", "--widths", "4", "--depth", "0"),
    "compare": ("{}", "other.yaml"),
    "explain": ("{}",),
    "iterations": ("{}", "--eps", "0.05", "--delta", "0.05"),
    "bound": ("{}",),
    "batch": ("{}",),
    "verify": ("{}", "--runs", "1", "--jobs", "1"),
    "sweep": ("{}", "--vary", "training.keep_prob=1"),
    "report": ("{}",),
}
OTHERS = {"plot", "stats", "init", "schema"}
NAMES: dict[str, Callable[[Path], str]] = {
    "same": str,
    "absolute": lambda path: str(path.absolute()),
    "roundabout": lambda path: f"sub/../{path}",
    "symbolic link": lambda path: _linked(path, os.symlink),
    "hard link": lambda path: _linked(path, os.link),
}


def _linked(path: Path, link: Callable[[Path, Path], None]) -> str:
    there = Path("sub") / f"link{path.suffix}"
    link(path.absolute(), there)
    return str(there)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a spec on data, its data and its targets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.random((12, 5)))
    np.save("y.npy", rng.random((12, 2)))
    text = NETWORK + "data: {file: x.npy, target: y.npy}\n" + FIXED
    Path("spec.yaml").write_text(text)
    Path("other.yaml").write_text(text)
    return tmp_path


def refused(run: Run, before: bytes, kept: Path, *arguments: str, option: str = "--output") -> str:
    """Run, expect one clear line, and the file as it was."""
    done = run.refused(*arguments)
    assert done.startswith(f"error: {option} must name a file of its own; got "), done
    assert kept.read_bytes() == before
    return done


def test_every_command_is_here() -> None:
    assert set(SPECS) | OTHERS == set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "name"), [*((command, "same") for command in SPECS), *(("recommend", name) for name in NAMES)]
)
def test_the_spec_is_not_written_over(run: Run, command: str, name: str) -> None:
    spec = Path("spec.yaml")
    arguments = [part.format(spec) for part in SPECS[command]]
    said = refused(run, spec.read_bytes(), spec, command, *arguments, "-q", "-o", NAMES[name](spec))
    assert "the spec;" in said


@pytest.mark.parametrize("command", SPECS)
@pytest.mark.parametrize("name", ["x.npy", "y.npy"])
def test_the_data_of_a_spec_is_not_written_over(run: Run, command: str, name: str) -> None:
    arguments = [part.format("spec.yaml") for part in SPECS[command]]
    kept = Path(name)
    said = refused(run, kept.read_bytes(), kept, command, *arguments, "-q", "-o", f"sub/../{name}")
    assert {"x.npy": "the data file;", "y.npy": "the file of the targets;"}[name] in said


def test_overrides_name_data_too(run: Run) -> None:
    shutil.copy("x.npy", "z.npy")
    kept = Path("z.npy")
    refused(
        run,
        kept.read_bytes(),
        kept,
        *("recommend", "spec.yaml", "--set", "data.file=z.npy", "-q", "-o", "z.npy"),
    )


def test_the_second_spec_counts_too(run: Run) -> None:
    kept = Path("other.yaml")
    for command in ("compare", "verify"):
        refused(run, kept.read_bytes(), kept, command, "spec.yaml", "other.yaml", "-o", "other.yaml")


@pytest.mark.parametrize("target", ["torch", "keras", "sklearn", "optuna"])
def test_emitted_code_is_not_written_over_the_spec(run: Run, target: str) -> None:
    kept = Path("spec.yaml")
    refused(run, kept.read_bytes(), kept, "recommend", "spec.yaml", "--emit", target, "-o", "spec.yaml")


@pytest.mark.parametrize("name", ["spec.yaml", "x.npy", "y.npy"])
def test_other_outputs_are_not_written_over_inputs(run: Run, name: str) -> None:
    kept = Path(name)
    before = kept.read_bytes()
    refused(run, before, kept, "verify", "spec.yaml", "-q", "--junit", name, option="--junit")


def test_outputs_are_kept_apart(run: Run) -> None:
    for first, second in (("a", "a"), ("a", "sub/../a")):
        done = run.refused("verify", "spec.yaml", "-q", "-o", first, "--junit", second)
        assert "--junit must name a file of its own" in done
        assert "that of --output" in done
        assert not Path("a").exists()


def test_devices_take_everything(run: Run) -> None:
    done = run(
        "verify", "spec.yaml", "-q", "--runs", "1", "--jobs", "1", "-o", os.devnull, "--junit", os.devnull
    )
    assert done.code in (0, 3), done.err


def test_stats_keeps_its_data(run: Run) -> None:
    for name in ("x.npy", "y.npy"):
        kept = Path(name)
        refused(run, kept.read_bytes(), kept, "stats", "x.npy", "--target", "y.npy", "-q", "-o", name)
    kept = Path("spec.yaml")
    into = ("--into", "spec.yaml", "-o", "spec.yaml")
    refused(run, kept.read_bytes(), kept, "stats", "x.npy", "-q", *into, option="--into")
    done = run("stats", "x.npy", "-q", "--into", "spec.yaml", "-o", "fresh.txt")
    assert done.code == 0, done.err


def test_init_keeps_its_data_even_by_force(run: Run) -> None:
    kept = Path("x.npy")
    arguments = ("--data", "x.npy", "--target", "y.npy", "--force", "-q")
    refused(run, kept.read_bytes(), kept, "init", "x.npy", *arguments, option="FILE")
    refused(run, kept.read_bytes(), kept, "init", "-o", "x.npy", *arguments)
    assert run("init", "spec.yaml", *arguments).code == 0  # what it is for


def test_plot_keeps_the_result(run: Run) -> None:
    """A result may have any name, also that of a picture."""
    done = run("recommend", str(ROOT / "configs/mnist_single_layer.yaml"), "-f", "json", "-o", "result.png")
    assert done.code == 0
    kept = Path("result.png")
    refused(run, kept.read_bytes(), kept, "plot", "result.png", "-q", "-o", "result.png")
    assert json.loads(kept.read_text())["schema"] == "rsgadvise.recommend/1"


def test_a_redirected_spec_is_not_written_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path("spec.yaml")
    with kept.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        said = refused(run, kept.read_bytes(), kept, "recommend", "-", "-o", "spec.yaml")
    assert "the spec on standard input" in said
