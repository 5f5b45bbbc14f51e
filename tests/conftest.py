"""Where the real data sets lie; tests that need them are skipped, with the reason, where they are absent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Path of a real data file, from RSGADVISE_DATA or the folder beside the repository."""
    root = Path(os.environ.get("RSGADVISE_DATA", _DEFAULT))

    def find(name: str) -> Path:
        path = root / name
        if not path.is_file():
            pytest.skip(f"{name} is not in {root}; set RSGADVISE_DATA to the folder of the data sets")
        return path

    return find
