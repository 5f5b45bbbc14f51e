"""Imports point down only, from room to room, and start-up loads what a command needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rsgadvise
from rsgadvise.kinds import KINDS
from rsgadvise.theory import BY_THEOREM

PACKAGE = Path(rsgadvise.__file__).parent
ROOMS = (
    ("records",),
    ("errors", "interrupts", "kinds", "modules", "numerals"),
    ("files",),
    ("data", "theory"),
    ("spec",),
    ("training",),
    ("advise",),
    ("pilot",),
    ("ask",),
    ("show",),
    ("estimators",),
    ("library",),
    ("cli",),
    ("testing", "__main__"),
)
"""From the ground up; rooms of one line do not see each other."""

UPWARDS = {("advise", "show")}  # an advice in a notebook shows itself, and imports how when it is asked to


NAMES = {*KINDS, *BY_THEOREM}
ASKED_BY_NAME = {"show/emit/plan.py", "show/html/figures.py", "show/report/sweeping.py"}
"""Where the name of a kind or of a set of constants still decides, beside the spec, theorems and pictures."""


def test_imports_point_down() -> None:
    storey = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    upwards = set()
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for there in (name.split(".")[1] for name in names if name.startswith("rsgadvise.")):
                if here not in ("__init__", there) and storey[there] >= storey[here]:
                    upwards.add((here, there))
    assert upwards == UPWARDS


def test_a_network_and_a_theorem_are_asked_what_they_are_and_not_for_their_name() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts: list[ast.expr | None] = []
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
            elif isinstance(node, ast.Dict):
                parts = [*node.keys]
            elif isinstance(node, ast.Subscript):
                parts = [node.slice]
            if any(isinstance(part, ast.Constant) and part.value in NAMES for part in parts):
                found.add(path.relative_to(PACKAGE).as_posix())
    own = ("spec/", "theory/theorems/", "show/plot/")
    assert {name for name in found if not name.startswith(own)} <= ASKED_BY_NAME


def test_frozen_classes_are_not_compiled_method_by_method() -> None:
    """A short command makes a hundred of them: see rsgadvise/records.py."""
    named = [path for path in PACKAGE.rglob("*.py") if "import dataclass\n" in path.read_text()]
    assert len(named) > 100
    dear = [path.name for path in named if "from dataclasses import dataclass" in path.read_text()]
    assert dear == ["records.py"]


@pytest.mark.parametrize("command", ["recommend", "iterations", "schema"])
def test_advice_never_loads_what_only_statistics_need(command: str) -> None:
    """Start-up is a feature: these libraries cost more than the whole answer."""
    code = (
        "import sys; sys.argv = ['rsgadvise', *sys.argv[1:]]\n"
        "from rsgadvise.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'scipy', 'rich', 'numpy.ma', 'jinja2'}\n"
        "heavy |= {'rsgadvise.training.rsg', 'concurrent.futures'}\n"
        "heavy |= {'numpy'} if 'schema' in sys.argv else set()\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    arguments = {
        "recommend": ["configs/mnist_autoencoder.yaml", "--constants", "paper"],
        "iterations": ["--eps", "0.05", "--delta", "0.05"],
        "schema": [],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", code, command, *arguments],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=True,
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_the_project_does_not_depend_on_where_it_lies() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "configs").glob("*.yaml")]:
        assert str(PACKAGE.parent) not in path.read_text()
