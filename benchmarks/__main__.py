"""`python -m benchmarks`: every figure beside a peer measured in the same run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys


def main() -> None:
    """Run all benchmarks in turn."""
    from benchmarks import startup, stats, training

    print(f"Python {platform.python_version()}, {os.cpu_count()} cores", flush=True)
    startup.run()
    # They pin themselves to one core and one thread, so each runs in a process of its own.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in ("ranking", "design"):
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True, env=environment)
    stats.run()
    training.run()


if __name__ == "__main__":
    main()
