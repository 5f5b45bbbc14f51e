"""An output format is one file: put beside the others, every command writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KEYS = "def render(shown):\n    return ' '.join(shown.document()) + '\\n'\n"
ASK = """
import sys
from rsgadvise.show import formats
formats.__path__.append(sys.argv.pop(1))
from rsgadvise.cli import main
for line in sys.stdin:
    sys.argv[1:] = line.split()
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 0
"""
FIXED = " ".join(f"--set training.{key}" for key in ("stepsize=0.1", "batch_size=5", "iterations=9"))
ASKED = {"recommend": "recommendations", f"bound {FIXED}": "certified_bound", f"explain {FIXED}": "terms"}


def test_a_format_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "keys.py").write_text(KEYS)
    lines = [f"{asked} configs/mnist_single_layer.yaml --constants paper -f keys\n" for asked in ASKED]
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=True)
    for key, answer in zip(ASKED.values(), done.stdout.splitlines(), strict=True):
        assert answer.startswith("schema ")
        assert key in answer.split()
