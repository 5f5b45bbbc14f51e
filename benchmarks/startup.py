"""Cold start of `rsgadvise recommend` against importing what any such program must import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER = (
    "import numpy, typer, pydantic, rich.table; "
    "type('M', (pydantic.BaseModel,), {'__annotations__': {'a': int}})"
)

ROWS = (
    ("mnist_single_layer", "paper", 1.3),
    ("mnist_autoencoder", "paper", 1.3),
    ("mnist_multilayer", "paper", 1.3),
    ("mnist_single_layer", "auto", 2.0),
    ("mnist_autoencoder", "auto", None),  # what networks with many weights are tried with takes seconds
    ("mnist_multilayer", "auto", None),
)


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - begun


def run(repeats: int = 11) -> None:
    """Print medians of paired runs, and the median of the pairwise ratios."""
    peer = [sys.executable, "-c", PEER]
    for name, constants, limit in ROWS:
        program = str(Path(sys.executable).parent / "rsgadvise")
        ours = [program, "recommend", f"configs/{name}.yaml", "--constants", constants]
        _seconds(ours), _seconds(peer)
        pairs = [(_seconds(ours), _seconds(peer)) for _ in range(repeats)]
        ratio = statistics.median(a / b for a, b in pairs)
        promised = "" if limit is None else f" (limit {limit})"
        print(
            f"cold recommend {name:20} {constants:5} {statistics.median(a for a, _ in pairs):6.3f} s   "
            f"imports alone {statistics.median(b for _, b in pairs):6.3f} s   ratio {ratio:5.2f}{promised}"
        )


if __name__ == "__main__":
    run()
