"""An output format is one file: put beside the others, every command writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KEYS = "def render(shown):\n    return ' '.join(shown.document()) + '\\n'\n"
ASK = """
import sys
from rsgadvise.show import formats
formats.__path__.append(sys.argv.pop(1))
from rsgadvise.cli import main
main()
"""


@pytest.mark.parametrize(
    ("command", "key"), [("recommend", "recommendations"), ("bound", "certified_bound"), ("explain", "terms")]
)
def test_a_format_is_one_file(command: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "keys.py").write_text(KEYS)
    spec = "configs/mnist_single_layer.yaml"
    fixed = [
        "--set",
        "training.stepsize=0.1",
        "--set",
        "training.batch_size=5",
        "--set",
        "training.iterations=9",
    ]
    asked = [
        command,
        spec,
        "--constants",
        "paper",
        *(fixed if command != "recommend" else ()),
        "-f",
        "keys",
    ]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path), *asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("schema ")
    assert key in done.stdout.split()
