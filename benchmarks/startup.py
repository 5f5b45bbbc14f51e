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


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - begun


def run(repeats: int = 11) -> None:
    """Print medians of paired runs, and the median of the pairwise ratios."""
    peer = [sys.executable, "-c", PEER]
    for name in ("mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"):
        ours = [str(Path(sys.executable).parent / "rsgadvise"), "recommend", f"configs/{name}.yaml"]
        _seconds(ours), _seconds(peer)
        pairs = [(_seconds(ours), _seconds(peer)) for _ in range(repeats)]
        ratio = statistics.median(a / b for a, b in pairs)
        print(
            f"cold recommend {name:20} {statistics.median(a for a, _ in pairs):6.3f} s   "
            f"imports alone {statistics.median(b for _, b in pairs):6.3f} s   ratio {ratio:5.2f} (limit 1.6)"
        )


if __name__ == "__main__":
    run()
