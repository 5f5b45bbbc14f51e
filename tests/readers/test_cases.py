"""Small files that people reported, in the folder RSGADVISE_CASES: each is read right, or refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsgadvise.data.opening import open_data
from rsgadvise.data.rows import read_rows
from rsgadvise.data.statistics import measure
from rsgadvise.errors import DataError

FOLDER = Path(os.environ.get("RSGADVISE_CASES", Path(__file__).resolve().parents[3] / "shared" / "cases"))

# File: (options, rows, inputs, outputs, encoding of the targets, what is said).
READ: dict[str, tuple[dict[str, Any], int, int, int | None, str | None, str]] = {
    "csv_header_of_numbers_pandas.csv": ({"target": "2"}, 4, 2, 2, "one-hot", "counts the columns"),
    "csv_unnamed_index_column_pandas.csv": ({"target": "y"}, 4, 2, 2, "one-hot", "row names"),
    "parquet_index_level_0_pandas.parquet": ({"target": "y"}, 4, 2, 2, "one-hot", "pandas saved"),
    "scipy_sparse_bsr_read_as_dense.npz": ({}, 6, 4, None, None, ""),
    "scipy_sparse_csr.npz": ({}, 6, 4, None, None, ""),
    "mat_sparse_fea_labels_become_features.mat": ({}, 6, 4, 3, "one-hot", ""),
    "npz_data_target_sklearn_names.npz": ({}, 6, 3, 3, "one-hot", ""),
    "npz_labels_as_floats.npz": ({}, 4, 2, 3, "one-hot", ""),
    "csv_labels_written_as_floats.csv": ({"target": "y"}, 4, 2, 3, "one-hot", ""),
    "csv_regression_whole_numbers.csv": (
        {"target": "price"},
        5,
        2,
        1,
        "min-max per column",
        "taken for values",
    ),
    "csv_line_over_131072_chars.csv": ({"target": "-1"}, 2, 20_000, 2, "one-hot", ""),
    "txt_spaces_numpy_savetxt.txt": ({"target": "-1"}, 3, 2, 2, "one-hot", "blanks"),
    "txt_r_write_table.txt": ({"target": "y"}, 3, 2, 2, "one-hot", "row names"),
    "tsv_r_row_names_header_one_short.tsv": ({"target": "y"}, 2, 2, 2, "one-hot", "row names"),
    "csv_pipes.csv": ({"target": "y"}, 2, 2, 2, "one-hot", "'|'"),
    "tsv_double_tabs_uci_seeds.txt": ({"target": "-1"}, 3, 2, 2, "one-hot", "blanks"),
    "csv_trailing_comma.csv": ({"target": "2"}, 3, 2, 2, "one-hot", "empty"),
    "csv_comment_lines.csv": ({"target": "y"}, 2, 2, 2, "one-hot", "#"),
    "csv_missing_as_NaN.csv": ({"target": "y"}, 2, 2, 1, "one-hot", "1 of 3 rows"),
    "csv_missing_as_dash.csv": ({"target": "y"}, 2, 2, 1, "one-hot", "1 of 3 rows"),
    "csv_true_false_get_dummies.csv": ({"target": "y"}, 2, 3, 2, "one-hot", ""),
    "csv_decimal_comma.csv": ({"target": "y"}, 2, 2, 2, "one-hot", "decimal comma"),
    "csv_labels_minus1_plus1.csv": ({"target": "y"}, 3, 2, 2, "one-hot", ""),
    "csv_labels_01_one_sigmoid_output.csv": ({"target": "y"}, 3, 2, 2, "one-hot", ""),
    "csv_latin1_after_4096_bytes.csv": (
        {"target": "y", "exclude": ["name"]},
        251,
        1,
        2,
        "one-hot",
        "Latin-1",
    ),
    "csv_utf16.txt": ({"target": "y"}, 2, 2, 2, "one-hot", ""),
    "csv_in_zip.csv.zip": ({"target": "y"}, 2, 2, 2, "one-hot", ""),
    "csv_date_and_id_columns.csv": ({"target": "y"}, 4, 2, 2, "one-hot", "dates"),
    "arff.arff": ({"target": "-1"}, 2, 2, 2, "one-hot", ""),
    "parquet_list_column.parquet": ({"target": "label"}, 3, 2, 2, "one-hot", ""),
    "mat_v73.mat": ({}, 6, 4, 3, "one-hot", ""),
}
REFUSED = {
    "mat_complex_numbers.mat": "complex numbers",
    "segv_scipy.mat": "segv_scipy",
}


def case(name: str) -> Path:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not in {FOLDER}; set RSGADVISE_CASES to the folder of the cases")
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rsgadvise[parquet]'")
    if name == "mat_v73.mat":
        pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")
    return path


@pytest.mark.parametrize("name", READ)
def test_it_is_read_as_it_should_be(name: str) -> None:
    options, rows, inputs, outputs, encoding, said = READ[name]
    found = measure(open_data(case(name), **options))
    assert (found.samples, found.input_dim) == (rows, inputs)
    assert (found.output_dim, found.target_encoding) == (outputs, encoding)
    assert said in " ".join(found.notes)


@pytest.mark.parametrize("name", READ)
def test_its_rows_come_again_later(name: str, tmp_path: Path) -> None:
    """All at once and, of text, each alone below the header, which says less of how it is written."""
    path = case(name)
    rows = read_rows(path, **READ[name][0])
    found = rows.like(path)
    there = np.array([not lacks for lacks in found.filled or [""] * len(found.x)])
    assert (found.x[there] == rows.x).all()
    assert (found.y is None) == (rows.y is None)
    assert found.y is None or rows.y is None or (found.y[there[found.known]] == rows.y).all()
    if path.suffix not in (".csv", ".tsv", ".txt"):
        return
    encoding = "utf-16" if "utf16" in name else "latin-1"
    lines = path.read_bytes().decode(encoding).splitlines()
    below = len(lines) - len(rows.x) - len(rows.source.left_out)
    kept = [place for place in range(len(lines) - below) if place not in rows.source.left_out]
    for at, place in enumerate(kept[:5]):
        again = tmp_path / name
        again.write_bytes("\n".join([*lines[:below], lines[below + place], ""]).encode(encoding))
        assert (rows.like(again).x == rows.x[at]).all()


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(DataError, match=REFUSED[name]) as caught:
        measure(open_data(case(name)))
    assert "\n" not in str(caught.value)
