"""Time and memory of `measure` beside a chunked `numpy.mean` over the same file.

Each side runs in a process of its own, in turns, on arrays of 1 GiB. The peer answers a smaller question
(column means only), so the ratio says what the rest costs: moments, standard errors, ranges and checks.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np

__all__ = ["run"]

_BYTES = 1 << 30
_COLUMNS = 1024
_REPEATS = 3

_REPORT = textwrap.dedent(
    """
    import json
    # Unlike getrusage's, this peak does not start from that of the parent process.
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(json.dumps([seconds, int(peak)]))
    """
)
_PEER = textwrap.dedent(
    """
    import sys, time
    import numpy as np
    start = time.perf_counter()
    data = np.load(sys.argv[1], mmap_mode="r")
    step = (1 << 24) // (data.shape[1] * data.itemsize)
    total = np.zeros(data.shape[1])
    for first in range(0, len(data), step):
        block = data[first : first + step]
        total += np.mean(block, axis=0) * len(block)
    total / len(data)
    seconds = time.perf_counter() - start
    """
)
_PRODUCT = textwrap.dedent(
    """
    import sys, time
    from rsgadvise.data import measure
    from rsgadvise.data import open_data
    start = time.perf_counter()
    measure(open_data(sys.argv[1]), spectrum=SPECTRUM)
    seconds = time.perf_counter() - start
    """
)


def _write(path: Path, dtype: np.dtype[np.floating]) -> None:
    generator = np.random.default_rng(7)
    rows = _BYTES // (_COLUMNS * dtype.itemsize)
    with path.open("wb") as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (rows, _COLUMNS)}
        np.lib.format.write_array_header_1_0(stream, header)
        for _ in range(0, rows, 4096):
            stream.write(generator.random((4096, _COLUMNS), dtype=dtype).tobytes())


def _once(script: str, path: Path) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", script + _REPORT, str(path)], capture_output=True, text=True, check=True
    )
    seconds, kilobytes = json.loads(done.stdout)
    return seconds, kilobytes / 1000


def run() -> None:
    """Print the medians for float64 and float32."""
    product = _PRODUCT.replace("SPECTRUM", "False")
    spectrum = _PRODUCT.replace("SPECTRUM", "True")
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.npy"
            _write(path, dtype)
            peers, ours = [], []
            for _ in range(_REPEATS):
                peers.append(_once(_PEER, path)[0])
                ours.append(_once(product, path))
            eigenvalue, eigenvalue_memory = _once(spectrum, path)
        peer = statistics.median(peers)
        own = statistics.median(seconds for seconds, _ in ours)
        print(f"stats: 1 GiB {dtype.name}, {_COLUMNS} columns, median of {_REPEATS}")
        print(f"  chunked numpy.mean     {peer:7.2f} s")
        print(f"  measure, no spectrum   {own:7.2f} s   ratio {own / peer:.2f}")
        print(f"  peak memory            {max(memory for _, memory in ours):7.0f} MB")
        print(f"  measure with spectrum  {eigenvalue:7.2f} s   peak memory {eigenvalue_memory:.0f} MB")


if __name__ == "__main__":
    run()
