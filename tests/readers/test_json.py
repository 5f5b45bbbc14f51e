"""JSON tables in the forms in which programs write them, beside the CSV of the same table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run

from rsgadvise.data.formats import json_tables
from rsgadvise.data.opening import open_data
from rsgadvise.errors import DataError

RNG = np.random.default_rng(5)
TABLE = pd.DataFrame(
    {
        "id": range(1, 41),
        "day": pd.date_range("2024-01-31", periods=40).strftime("%Y-%m-%dT%H:%M:%S.000"),
        "age": RNG.integers(18, 80, 40),
        "weight": np.where(RNG.random(40) < 0.1, np.nan, RNG.normal(70, 9, 40).round(2)),
        "smokes": RNG.random(40) < 0.5,
        "town": RNG.choice(["Łódź", 'so "called"', "a, b"], 40),
        "label": RNG.choice(["yes", "no"], 40),
    }
)


def orient(how: str, **options: Any) -> Callable[[pd.DataFrame], str]:
    return lambda table: str(table.to_json(orient=how, **options))


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return found


FORMS: dict[str, Callable[[pd.DataFrame], str]] = {
    "records": orient("records"),
    "records, indented": orient("records", indent=2),
    "lines": orient("records", lines=True),
    "columns": orient("columns"),
    "columns, index of words": lambda t: orient("columns")(t.set_index("r" + t["id"].astype(str))),
    "index": orient("index"),
    "split": orient("split"),
    "table": orient("table", index=False),
    "columns of R": lambda t: json.dumps({name: [row[name] for row in rows(t)] for name in t}),
    "rows of R, without missing cells": lambda t: json.dumps(
        [{k: v for k, v in row.items() if v is not None} for row in rows(t)]
    ),
    "of a server": lambda t: json.dumps({"status": "ok", "count": len(t), "result": rows(t)}),
    "lines that are lists": lambda t: "\n".join(json.dumps(list(row.values())) for row in rows(t)),
    "lines with blank ones": lambda t: "\n\n".join(json.dumps(row) for row in rows(t)) + "\n\n",
}


def read(path: Path, **options: Any) -> tuple[list[list[float]], list[str]]:
    source = open_data(path, categories="one_hot", **options)
    parts = [(x.copy(), y.copy()) for x, y in source.chunks(max_bytes=256) if y is not None]
    return np.concatenate([x for x, _ in parts]).tolist(), np.concatenate([y for _, y in parts])[
        :, 0
    ].tolist()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gzip"])
def test_every_form_is_read_as_the_csv_is(tmp_path: Path, form: str, encoding: str) -> None:
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    text = FORMS[form](TABLE)
    path = tmp_path / ("t.json.gz" if encoding == "gzip" else "t.json")
    path.write_bytes(gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding))
    found, expected = read(path, target="-1"), read(tmp_path / "t.csv", target="-1")
    assert found == expected
    assert len(found[0]) == int(TABLE["weight"].notna().sum())
    assert len(found[0][0]) == 6  # without id and day, and the towns in three


def test_rows_may_hold_objects_and_lists(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (9, 2, 3))
    content = [{"image": image.tolist(), "at": {"x": k / 8}, "y": k % 2} for k, image in enumerate(images)]
    for name, text in (
        ("rows", json.dumps(content)),
        ("columns", json.dumps({key: [row[key] for row in content] for key in ("image", "at", "y")})),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        source = open_data(path, target="y")
        pixels = [f"image[{i}][{j}]" for i in range(2) for j in range(3)]
        assert source.column_names == (*pixels, "at.x")
        x, y = read(path, target="y")
        assert x == [[*image.ravel().tolist(), k / 8] for k, image in enumerate(images)]
        assert [float(each) for each in y] == [k % 2 for k in range(9)]


def test_lists_of_rows_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_tables, "_READ", 7)
    monkeypatch.setattr(json_tables, "MOST_LETTERS", 400)
    path = tmp_path / "t.json"
    expected = None
    for form in ("records", "lines"):
        path.write_text(FORMS[form](TABLE))
        found = read(path, target="label")
        assert expected in (None, found)
        expected = found
    path.write_text(FORMS["columns"](TABLE))
    with pytest.raises(DataError, match="one row a line"):
        read(path, target="label")


BAD = {
    "cut": ('[{"a": 1, "y": 0}, {"a": 2,', "value 2 is not JSON: the file ends inside it"),
    "comma": ('[{"a": 1, "y": 0}, {"a": 2,,}]', "value 2 is not JSON"),
    "numbers": ("[1, 2, 3]", "write one row a line"),
    "word": ('"a"', "write one row a line"),
    "mixed": ('[{"a": 1, "y": 0}, [2, 1]]', "row 2 is"),
    "no rows": ("[]", "write one row a line"),
    "text among numbers": (
        '{"a":1,"y":0}\n{"a":2,"y":1}\n{"a":"x","y":1}\n',
        r"row 3, column 0 \('a'\): 'x'",
    ),
    "other lengths": ('{"train": [{"a": 1}, {"a": 2}], "test": [{"a": 1}]}', "--array NAME"),
    "infinite": ('{"a":1,"y":0}\n{"a":Infinity,"y":1}\n', "not finite"),
    "deep": ("[" * 100_000, "t.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    text, said = BAD[name]
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / "t.json", target="-1")
    assert "\n" not in str(caught.value)


def test_one_of_several_tables_is_chosen(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"train": rows(TABLE[:30]), "test": rows(TABLE[30:])}))
    found = run("stats", str(path), "--array", "train", "--categories", "one_hot", "-f", "json")
    assert json.loads(found.out)["samples"] == TABLE[:30]["weight"].notna().sum()
    assert "'train', 'test'" in run("stats", str(path), "--array", "validation").err


def test_a_table_is_no_spec_whatever_its_columns_are_called(tmp_path: Path, run: Run) -> None:
    table = TABLE[["age", "smokes", "label"]].rename(columns={"age": "data"})
    path = tmp_path / "t.json"
    for how in ("records", "split"):
        path.write_text(str(table.to_json(orient=how)))
        answer = run("recommend", str(path), "--epochs", "2", "-f", "json")
        assert json.loads(answer.out)["train"]["iterations"] > 0, answer.err
    spec = tmp_path / "spec.json"
    spec.write_text('{"network": {"kind": "single_layer", "layers": [4, 2]}, "training": {"iterations": 9}}')
    assert run("bound", str(spec)).code == 2  # and not: has no column
    assert "stepsize" in run("bound", str(spec)).err
