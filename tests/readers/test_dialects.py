"""No table in any dialect is read otherwise than it was written, without a word.

`RSGADVISE_DIALECTS=3000` tries as many; some hundred are tried by default.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dialects import verdict, written

COUNT = int(os.environ.get("RSGADVISE_DIALECTS", "120"))


@pytest.mark.parametrize("part", range(8))
def test_tables_are_read_as_they_were_written(tmp_path: Path, part: int) -> None:
    verdicts: dict[str, list[str]] = {}
    for seed in range(part, COUNT, 8):
        file = written(seed, tmp_path)
        if file is not None:
            verdicts.setdefault(verdict(file, (64, 1 << 12, 1 << 21)[seed % 3]), []).append(file.about)
            file.path.unlink()
    wrong = {found: about for found, about in verdicts.items() if found not in {"same", "refused"}}
    assert not wrong
    # An empty cell between two blanks cannot be seen; hardly anything else may be refused.
    assert len(verdicts["same"]) > 20 * len(verdicts.get("refused", []))
