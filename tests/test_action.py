"""The GitHub action: its structure, and its scripts run as a runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from verifications import CASE, verification

from rsgadvise.ask.verify.cases import Verdict
from rsgadvise.show.formats.json import as_json
from rsgadvise.show.report.blocks import as_document

ROOT = Path(__file__).resolve().parents[1]
ACTION = ROOT / ".github" / "actions" / "verify" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "verify.yml"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(
    not ACTION.is_file() or BASH is None, reason="needs bash and the .github folder of a checkout"
)

RECORDER = """#!/bin/sh
printf '%s\\n' "$@" > "$RECORD"
while [ $# -gt 0 ]; do
  if [ "$1" = --output ] && [ "$REPORTS" = yes ]; then printf '%s' "$WRITTEN" > "$2"; fi
  shift
done
exit "$CODE"
"""
"""Stands for rsgadvise: notes its arguments, one per line, and ends with $CODE."""

PYTHON = """#!/bin/sh
printf '%s|' "$@" >> "$RECORD"
echo >> "$RECORD"
if [ "$2" = venv ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; fi
"""
"""Stands for Python: notes its arguments, one call per line, and makes an environment if asked to."""


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return found


def steps() -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in document(ACTION)["runs"]["steps"]}


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class Done:
    code: int
    arguments: list[str]
    outputs: dict[str, str]
    err: str


def run_step(step: dict[str, Any], place: Path, inputs: dict[str, str], **env: str) -> Done:
    """Run a step's script as a runner does, with the action's defaults for inputs that are not given."""
    declared = document(ACTION)["inputs"]
    assert set(inputs) <= set(declared)
    given = {}
    for variable, expression in step["env"].items():
        name = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)
        given[variable] = inputs.get(name[1], declared[name[1]]["default"]) if name else ""
    file, record, outputs = place / "step.sh", place / "record", place / "outputs"
    file.write_text(step["run"])
    record.write_text("")
    outputs.write_text("")
    system = {"GITHUB_OUTPUT": str(outputs), "RUNNER_TEMP": str(place / "temp"), "RECORD": str(record)}
    assert BASH is not None
    done = subprocess.run(
        [BASH, "--noprofile", "--norc", "-e", "-o", "pipefail", str(file)],
        cwd=place,
        env={"PATH": os.environ["PATH"], **given, **system, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    pairs = (line.partition("=") for line in outputs.read_text().splitlines())
    return Done(
        code=done.returncode,
        arguments=record.read_text().splitlines(),
        outputs={name: value for name, _, value in pairs},
        err=done.stderr,
    )


def verify(place: Path, *, code: int = 0, reports: bool = True, written: str = "{}", **inputs: str) -> Done:
    """Run the step that verifies; an input's name is written with underscores."""
    bin_ = script(place / "bin" / "rsgadvise", RECORDER).parent
    return run_step(
        steps()["verify"],
        place,
        {name.replace("_", "-"): value for name, value in inputs.items()},
        PATH=f"{bin_}{os.pathsep}{os.environ['PATH']}",
        CODE=str(code),
        REPORTS="yes" if reports else "no",
        WRITTEN=written,
    )


END = ["--junit", "rsgadvise-verify.xml", "--format", "json", "--output", "rsgadvise-verify.json", "--"]


def test_the_action_is_composite_and_every_script_names_its_shell() -> None:
    runs = document(ACTION)["runs"]
    assert runs["using"] == "composite"
    for step in runs["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert "run" not in step or step["shell"] == "bash"


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=["action", "workflow"])
def test_nothing_is_pasted_into_a_script(path: Path) -> None:
    content = document(path)
    holders = [content["runs"]] if "runs" in content else list(content["jobs"].values())
    scripts = [step["run"] for holder in holders for step in holder["steps"] if "run" in step]
    assert scripts
    assert all("${{" not in text for text in scripts)


def test_every_input_is_explained_used_and_optional() -> None:
    text = ACTION.read_text()
    for name, about in document(ACTION)["inputs"].items():
        assert about["description"]
        assert isinstance(about["default"], str)
        assert f"${{{{ inputs.{name} " in text
    used = set(re.findall(r"\binputs\.([a-z-]+)", text))
    assert used == set(document(ACTION)["inputs"])


def test_every_output_is_one_of_the_step_that_verifies() -> None:
    outputs = document(ACTION)["outputs"]
    assert set(outputs) == {"verdict", "exit-code", "report"}
    for name, about in outputs.items():
        assert about["value"] == f"${{{{ steps.verify.outputs.{name} }}}}"
        assert f'echo "{name}=' in steps()["verify"]["run"]


def test_every_variable_of_a_step_is_used_in_its_script() -> None:
    for step in steps().values():
        for variable in step.get("env", {}):
            assert variable in step["run"]


def test_the_callers_python_is_left_alone() -> None:
    assert steps()["python"]["with"]["update-environment"] is False


ASKED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, END),
    (
        {
            **{"specs": "a.yaml  b.yaml", "runs": "50", "seed": "3", "confidence": "0.95", "budget": "60"},
            **{"jobs": "2", "junit": "out/j.xml", "report": "my report.json"},
            "args": "--constants certified",
        },
        [
            "--constants",
            "certified",
            "--runs",
            "50",
            "--seed",
            "3",
            "--confidence",
            "0.95",
            "--budget",
            "60",
            "--jobs",
            "2",
            "--junit",
            "out/j.xml",
            "--format",
            "json",
            "--output",
            "my report.json",
            "--",
            "a.yaml",
            "b.yaml",
        ],
    ),
    ({"args": "--set\ndata.path=my data.npy\n", "junit": ""}, ["--set", "data.path=my data.npy", *END[2:]]),
    ({"allow_approximate": "yes"}, END),
    ({"allow_approximate": "true"}, [*END[:2], "--allow-approximate", *END[2:]]),
    ({"specs": "one.yaml"}, [*END, "one.yaml"]),
    ({"specs": "  one.yaml\ttwo.yaml "}, [*END, "one.yaml", "two.yaml"]),
    ({"specs": "with space.yaml\n"}, [*END, "with space.yaml"]),
    ({"specs": "with space.yaml\n\n  b.yaml  \nc d.yaml"}, [*END, "with space.yaml", "b.yaml", "c d.yaml"]),
    (
        {"specs": "*.yaml $(touch pwned) `touch pwned`"},
        [*END, "*.yaml", "$(touch", "pwned)", "`touch", "pwned`"],
    ),
    ({"specs": "a\"b'c\\d.yaml;\n$HOME"}, [*END, "a\"b'c\\d.yaml;", "$HOME"]),
    ({"specs": "--seed=5"}, [*END, "--seed=5"]),
    ({"specs": " \n "}, END),
]


@pytest.mark.parametrize(("inputs", "expected"), ASKED)
def test_inputs_become_arguments_and_nothing_else(
    inputs: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "there.yaml").touch()
    done = verify(tmp_path, **inputs)
    assert done.code == 0, done.err
    assert done.arguments == ["verify", *expected]
    assert done.outputs["report"] == inputs.get("report", "rsgadvise-verify.json")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("code", "inputs", "end", "verdict"),
    [
        (0, {}, 0, "consistent"),
        (1, {}, 1, "falsified"),
        (3, {}, 3, "inconclusive"),
        (130, {}, 130, "error"),
        (0, {"allow_inconclusive": "true"}, 0, "consistent"),
        (1, {"allow_inconclusive": "true"}, 1, "falsified"),
        (2, {"allow_inconclusive": "true"}, 2, "error"),
        (3, {"allow_inconclusive": "true"}, 0, "inconclusive"),
        (3, {"allow_inconclusive": "yes"}, 3, "inconclusive"),
        (1, {"report": "r.json\nverdict=consistent\n"}, 1, "falsified"),  # it cannot add an output
    ],
)
def test_the_step_ends_as_rsgadvise_does(
    code: int, inputs: dict[str, Any], end: int, verdict: str, tmp_path: Path
) -> None:
    done = verify(tmp_path, code=code, **inputs)
    assert done.code == end
    report = inputs.get("report", "rsgadvise-verify.json").partition("\n")[0]
    assert done.outputs == {"verdict": verdict, "exit-code": str(code), "report": report}


@pytest.mark.parametrize("code", [1, 2])
def test_a_failure_without_a_report_is_no_falsification(code: int, tmp_path: Path) -> None:
    (tmp_path / "rsgadvise-verify.json").write_text("of an earlier run")
    done = verify(tmp_path, code=code, reports=False)
    assert done.code == code
    assert done.outputs == {"verdict": "error", "exit-code": str(code), "report": ""}


@pytest.mark.parametrize("verdict", ["consistent", "inconclusive"])
def test_a_step_that_was_let_be_claims_no_verdict(verdict: Verdict, tmp_path: Path) -> None:
    """The report as the command writes it, with the verdicts of its cases inside."""
    cases = CASE, replace(CASE, verdict="inconclusive", approximate=True)
    whole = replace(verification(*cases, verdict=verdict), allow_approximate=True)
    done = verify(tmp_path, allow_approximate="true", written=as_json(as_document("verify", whole)))
    assert (done.code, done.outputs["verdict"]) == (0, verdict)


def test_the_installed_command_is_preferred(tmp_path: Path) -> None:
    bin_ = script(tmp_path / "own" / "rsgadvise", RECORDER).parent
    done = run_step(steps()["verify"], tmp_path, {}, INSTALLED=str(bin_), CODE="0", REPORTS="yes")
    assert done.code == 0, done.err
    assert done.arguments == ["verify", *END]


@pytest.mark.parametrize("requirement", ["", "rsgadvise[parquet]==1.2", "-r evil.txt"])
def test_the_action_installs_into_an_environment_of_its_own(requirement: str, tmp_path: Path) -> None:
    python = script(tmp_path / "python", PYTHON)
    (tmp_path / "temp").mkdir()
    done = run_step(
        steps()["install"],
        tmp_path,
        {"requirement": requirement},
        PYTHON_PATH=str(python),
        GITHUB_ACTION_PATH=str(ACTION.parent),
    )
    assert done.code == 0, done.err
    home = tmp_path / "temp" / "rsgadvise-verify"
    assert done.arguments == [
        f"-m|venv|--clear|{home}|",
        f"-m|pip|install|--quiet|--disable-pip-version-check|--|{requirement or ROOT}|",
    ]
    assert done.outputs == {"bin": str(home / "bin")}


def test_the_commands_options_exist() -> None:
    """Every option that the script passes is one of `rsgadvise verify`."""
    shown = subprocess.run(
        [sys.executable, "-m", "rsgadvise", "verify", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    for option in re.findall(r"(?<=[ (])--[a-z]+", steps()["verify"]["run"]):
        assert option in shown


def test_the_projects_own_workflow_may_only_read() -> None:
    workflow = document(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert job["steps"][-1]["run"] == "bash .ci/run"
