"""No table that pandas writes, in any dialect, is read otherwise than it was, without a word.

`RSGADVISE_DIALECTS=3000` tries as many; some hundred are tried by default.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsgadvise.data.opening import open_data
from rsgadvise.errors import RsgadviseError

COUNT = int(os.environ.get("RSGADVISE_DIALECTS", "120"))
_MARKS = ["", "NA", "N/A", "NaN", "null", "?", "-", ".", "#N/A", "<NA>"]
_NAMES = ["x", "width", "a b", "é", "Größe", "col,1", '"q"', "v"]
_KINDS = ["unit", "wide", "whole", "below 0", "tiny", "bits"]


@dataclass(frozen=True)
class Written:
    """A file, and what is in it: rows without a missing cell."""

    path: Path
    about: str
    header: bool
    features: Any
    targets: Any


def _column(kind: str, rows: int, rng: random.Random, numbers: np.random.Generator) -> Any:
    match kind:
        case "unit":
            return numbers.random(rows).round(rng.choice([2, 4, 17]))
        case "wide":
            return (numbers.normal(size=rows) * 10 ** rng.randint(1, 6)).round(rng.choice([0, 2, 3]))
        case "whole":
            return numbers.integers(0, rng.choice([3, 1000, 2_000_000]), rows)
        case "below 0":
            return -numbers.random(rows).round(3) * 50
        case "tiny":
            return numbers.random(rows) * 1e-7
    return numbers.integers(0, 2, rows)


def written(seed: int, folder: Path) -> Written | None:
    """One file by `DataFrame.to_csv`; None where the dialect cannot hold the table."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    rows, width = rng.choice([3, 5, 17, 60, 400, 1500]), rng.randint(1, 6)
    names = [
        rng.choice(["x", "width", "a b", "é", "Größe", "col,1", '"q"', "v"]) + str(k) for k in range(width)
    ]
    columns = [_column(rng.choice(_KINDS), rows, rng, numbers) for _ in range(width)]
    words = rng.choice([["no", "yes", "maybe"], ["+", "-"], None, None])
    targets = numbers.random(rows).round(3) if rng.random() < 0.5 else numbers.integers(0, 3, rows)
    if words:
        targets = np.array(words)[numbers.integers(0, len(words), rows)]
    frame = pd.DataFrame({name: pd.Series(column) for name, column in zip(names, columns, strict=True)})
    if rng.random() < 0.1:
        frame.columns = pd.RangeIndex(width)
    missing, keep = rng.choice([None, None, *_MARKS]), np.ones(rows, bool)
    if missing is not None:
        for _ in range(rng.randint(1, max(1, rows // 5))):
            row, place = rng.randrange(rows), rng.randrange(width)
            if columns[place].dtype.kind == "i":
                frame.isetitem(place, frame.iloc[:, place].astype("Int64"))
            frame.iat[row, place] = None
            keep[row] = False
    separator, header = rng.choice([",", ";", "\t", "|", " "]), rng.random() < 0.75
    end = rng.choice(["\n", "\r\n"])
    options: dict[str, Any] = {
        "sep": separator,
        "decimal": rng.choice([".", ".", ","]),
        "header": header,
        "index": rng.random() < 0.25,
        "quoting": rng.choice([0, 0, 1, 2]),
        "na_rep": missing or "",
    }
    text = frame.assign(target=targets).to_csv(lineterminator=end, **options)
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
    if rng.random() < 0.1 and encoding == "utf-8":
        text = f"# made by hand for a test of tables{end}{text}"
    packing = rng.choice(["", "", "gz", "bz2", "xz", "zip"])
    if not keep.any():
        return None
    path = folder / f"f{seed}.csv"
    try:
        _pack(path, text.encode(encoding), packing)
    except UnicodeEncodeError:
        return None
    path = path.with_name(path.name + (f".{packing}" if packing else ""))
    features = np.column_stack([column.astype(float) for column in columns])[keep]
    about = f"seed {seed}: {rows} x {width}, {options}, {encoding}, {end!r}, {packing}"
    return Written(path, about, header, features, targets[keep])


def _pack(path: Path, data: bytes, packing: str) -> None:
    place = path.with_name(path.name + (f".{packing}" if packing else ""))
    if packing == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr(path.name, data)
        return
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    place.write_bytes(packed[packing](data) if packing else data)


def verdict(file: Written, chunk: int) -> str:
    """same, refused, or what is wrong.

    A column that was left out with a note counts as the same: the first may look like numbers of rows.
    """
    try:
        source = open_data(file.path, target="target" if file.header else "-1")
        parts = [(x.copy(), y) for x, y in source.chunks(max_bytes=chunk)]
    except RsgadviseError as error:
        return "refused" if "\n" not in str(error) else "more than a line"
    features = np.concatenate([x for x, _ in parts])
    targets = np.concatenate([y[:, 0] for _, y in parts if y is not None])
    expected = file.features
    if features.shape != expected.shape:
        if not any("Left out by itself" in note for note in source.notes):
            return f"{features.shape} for {expected.shape}, and nothing is said"
        places = np.asarray(source.column_numbers)
        first = "row names" in " ".join(source.notes) or "numbers of rows" in " ".join(source.notes)
        expected = expected[:, places - first] if places.max() - first < expected.shape[1] else expected
    if features.shape != expected.shape or not np.allclose(features, expected, rtol=1e-12, atol=0):
        return f"other features: {source.notes}"
    if file.targets.dtype.kind in "fi":
        same = np.allclose(targets.astype(float), file.targets, rtol=1e-12, atol=0)
    else:
        same = targets.tolist() == file.targets.tolist()
    return "same" if same else "other targets"


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
