"""Imports point down only, files stay short, and public names are what `__all__` says."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rsgadvise

PACKAGE = Path(rsgadvise.__file__).parent
LAYERS = {
    "errors": 0,
    "interrupts": 0,
    "lanczos": 0,
    "numerals": 0,
    "spec": 1,
    "stopping": 1,
    "search": 1,
    "datastats": 1,
    "readers": 1,
    "theory": 2,
    "networks": 2,
    "rsg": 3,
    "expectation": 3,
    "curvature": 3,
    "bounds": 3,
    "advise": 5,
    "verify": 5,
    "design": 6,
    "pilot": 6,
    "sweep": 6,
    "explain": 6,
    "compare": 6,
    "curves": 6,
    "library": 7,
    "report": 7,
    "emit": 7,
    "plot": 7,
    "html": 7,
    "cli": 8,
    "__main__": 9,
}
WITHIN_A_LAYER = {
    *(("datastats", "readers"), ("report", "plot"), ("html", "report")),
    *(("advise", "report"), ("advise", "html")),
}
"""Rooms that may see each other: statistics consume streams, a page and charts share the words of
reports, and an advice in a notebook shows itself."""

MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
)


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name == "rsgadvise" or not name.startswith("rsgadvise."):
                continue
            there = room(name)
            down = LAYERS[there] < LAYERS[here] or there == here or (here, there) in WITHIN_A_LAYER
            assert down, f"{path.name} in {here} imports {name} from above"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600


def test_all_lists_the_public_names() -> None:
    for info in pkgutil.walk_packages([str(PACKAGE)], "rsgadvise."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        if hasattr(module, "__all__"):
            missing = [name for name in module.__all__ if not hasattr(module, name)]
            assert not missing, f"{info.name}: {missing}"


@pytest.mark.parametrize("command", ["recommend", "bound", "iterations", "schema"])
def test_advice_never_loads_what_only_statistics_need(command: str) -> None:
    """Start-up is a feature: these libraries cost more than the whole answer."""
    code = (
        "import sys; sys.argv = ['rsgadvise', *sys.argv[1:]]\n"
        "from rsgadvise.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'scipy', 'rich.progress', 'rich.markdown', 'numpy.ma', 'jinja2'}\n"
        "heavy |= {'rsgadvise.rsg', 'concurrent.futures'}\n"
        "heavy |= {'numpy'} if 'schema' in sys.argv else set()\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    arguments = {
        "recommend": ["configs/mnist_autoencoder.yaml", "--constants", "paper"],
        "bound": [
            "configs/mnist_single_layer.yaml",
            *("--set", "training.stepsize=0.1"),
            *("--set", "training.batch_size=5"),
            *("--set", "training.iterations=9"),
        ],
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
