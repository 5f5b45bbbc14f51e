"""Time and memory of `measure` beside a pass of the library that reads such files, on 1 GiB each.

Each side runs in a process of its own, in turns, with its libraries imported. Beside arrays stands a chunked
`numpy.mean`, which answers a smaller question (column means only), beside tables `pandas.read_csv` in chunks,
which answers none. So the ratio says what the rest costs: moments, standard errors, ranges and checks.
"""

from __future__ import annotations

import io
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
_READER = textwrap.dedent(
    """
    import sys, time
    import pandas
    start = time.perf_counter()
    for _ in pandas.read_csv(sys.argv[1], chunksize=100_000):
        pass
    seconds = time.perf_counter() - start
    """
)
_PRODUCT = textwrap.dedent(
    """
    import sys, time
    import pandas
    from rsgadvise.data import measure, open_data
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


def _write_table(path: Path) -> None:
    """Twenty columns beyond [0, 1], of different ranges, and three classes; the same rows many times."""
    generator = np.random.default_rng(7)
    rows = 60_000
    features = generator.normal(size=(rows, 20)) * np.geomspace(0.1, 1000, 20)
    table = np.column_stack([features, generator.integers(0, 3, rows)])
    text = io.StringIO()
    np.savetxt(text, table, fmt=["%.6g"] * 20 + ["%d"], delimiter=",")
    body = text.getvalue().encode()
    with path.open("wb") as stream:
        stream.write((",".join([*(f"x{at}" for at in range(20)), "class"]) + "\n").encode())
        for _ in range(_BYTES // len(body)):
            stream.write(body)


def _once(script: str, path: Path) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", script + _REPORT, str(path)], capture_output=True, text=True, check=True
    )
    seconds, kilobytes = json.loads(done.stdout)
    return seconds, kilobytes / 1000


def run() -> None:
    """Print the medians for arrays of float64 and float32, and for a table of text."""
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.npy"
            _write(path, dtype)
            _compare(f"1 GiB {dtype.name}, {_COLUMNS} columns", path, "chunked numpy.mean", _PEER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        _write_table(path)
        _compare("1 GiB CSV, 21 columns", path, "pandas.read_csv", _READER)


def _compare(what: str, path: Path, peer_name: str, peer_script: str) -> None:
    """Print the medians, and the ratios to the peer."""
    scripts = {
        peer_name: peer_script,
        "measure, no spectrum": _PRODUCT.replace("SPECTRUM", "False"),
        "measure with spectrum": _PRODUCT.replace("SPECTRUM", "True"),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in scripts}
    for _ in range(_REPEATS):
        for name, script in scripts.items():
            found[name].append(_once(script, path))
    peer = statistics.median(seconds for seconds, _ in found[peer_name])
    print(f"stats: {what}, median of {_REPEATS}")
    for name, times in found.items():
        own, memory = statistics.median(seconds for seconds, _ in times), max(peak for _, peak in times)
        print(f"  {name:22} {own:7.2f} s   ratio {own / peer:.2f}   peak memory {memory:.0f} MB")


if __name__ == "__main__":
    run()
