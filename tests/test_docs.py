"""The documentation shows what the program does."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shlex
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

pytestmark = pytest.mark.usefixtures("advised_once")

ROOT = Path(__file__).resolve().parents[1]


def test_command_page_is_current() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["render"]()
    assert (ROOT / "docs" / "commands.md").read_text() == page, "run `python docs/generate.py`"


def test_every_command_is_in_the_readme() -> None:
    from rsgadvise.cli import COMMANDS

    text = (ROOT / "README.md").read_text()
    for name in COMMANDS:
        assert f"rsgadvise {name}" in text


def blocks() -> list[tuple[str, str]]:
    """(command, output) of each console block in the README that runs on packaged files alone."""
    text = (ROOT / "README.md").read_text()
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.S):
        command, _, output = block.partition("\n")
        assert command.startswith("$ rsgadvise ")
        found.append((command.removeprefix("$ rsgadvise "), output))
    return found


@pytest.mark.parametrize(("command", "output"), blocks(), ids=[command for command, _ in blocks()])
def test_readme_output_is_real(
    command: str, output: str, run: Run, real_data: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    arguments = shlex.split(command)
    data = {
        "train-images-idx3-ubyte.gz": "mnist/train-images-idx3-ubyte.gz",
        "data_batch_1.npz": "cifar10/data_batch_1.npz",
    }
    for name, where in data.items():
        if name in arguments:
            (tmp_path / name).symlink_to(real_data(where))  # type: ignore[operator]
    monkeypatch.chdir(tmp_path if any(name in arguments for name in data) else ROOT)
    shown = run(*arguments).out
    lines = output.rstrip("\n").split("\n")
    if lines[-1] == "...":  # the rest is left out of the page
        lines = lines[:-1]
    assert shown.rstrip("\n").split("\n")[: len(lines)] == lines


def test_the_readmes_spec_works(run: Run, tmp_path: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert text
    for number, spec in enumerate(text):
        path = tmp_path / f"{number}.yaml"
        path.write_text(spec)
        assert run("recommend", path).code == 0


PAGE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "spec.md").read_text(), flags=re.S)


@pytest.mark.parametrize("library", ["sklearn", "torch", "keras"])
def test_specs_of_models_are_as_the_page_shows(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if library == "keras" and importlib.util.find_spec("torch") is not None:
        monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    pytest.importorskip(library, reason=f"needs {library}: pip install 'rsgadvise[integrations]'")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec("from rsgadvise.spec import from_model", names)
    start = next(
        place for place, block in enumerate(PAGE) if re.search(rf"^(from|import) {library}", block, re.M)
    )
    shown = 0
    for block in PAGE[start : start + (2 if library == "sklearn" else 1)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries, and of what is left out
            exec(block, names)
        for expression, value in re.findall(r"^(spec\.\S.*?)  # (.+)$", block, flags=re.M):
            assert repr(eval(expression, names)) == value
            shown += 1
    assert shown


def test_a_plan_trains_in_the_loop_of_another_library_as_the_page_shows() -> None:
    pytest.importorskip("skorch", reason="needs skorch: pip install 'rsgadvise[integrations]'")
    (block,) = (block for block in PAGE if "import NeuralNetClassifier" in block)
    names: dict[str, Any] = {"__name__": "page"}
    exec(block, names)
    plan, net = names["plan"], names["net"]
    (group,) = net.optimizer_.param_groups
    assert plan.iterations == 20 * 400 // 16
    assert group["lr"] == pytest.approx(plan.common_stepsize * plan.pace(plan.iterations), abs=1e-12)
    assert plan.pace(plan.iterations) == 0
    assert net.score(names["x"], names["y"].numpy()) > 0.9


def test_the_schema_beside_the_configs_is_current(run: Run) -> None:
    assert (ROOT / "configs" / "rsgadvise.schema.json").read_text() == run("schema").out
