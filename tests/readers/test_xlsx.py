"""Excel workbooks, against what openpyxl and pandas wrote."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reader_formats import collect
from test_reader_malformed import read_or_refused, refusal, zipped

from rsgadvise.data.dialect import TableOptions
from rsgadvise.data.opening import open_data
from rsgadvise.data.words import SPEC
from rsgadvise.errors import UsageError

openpyxl: Any = pytest.importorskip(
    "openpyxl", reason="openpyxl is not installed: pip install 'rsgadvise[xlsx]'"
)


def saved(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def changed(path: Path, change: Callable[[str], str], member: str = "xl/worksheets/sheet1.xml") -> Path:
    """The same workbook with other text in one of its files."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content[member] = change(content[member].decode()).encode()
    path.write_bytes(zipped(content))
    return path


DAY = datetime.date(2020, 1, 2)
TABLES: dict[str, tuple[list[list[object]], dict[str, Any], list[list[float]], list[str] | None]] = {
    "numbers": ([[1, 2.5], [3, 1e-7]], {}, [[1, 2.5], [3, 1e-7]], None),
    "header": ([["a", "b"], [1, 2], [3, 4]], {"target": "b"}, [[1], [3]], ["2.0", "4.0"]),
    "words": (
        [["a", "y"], [1, "u"], [2, "v, w"], [3, "u"]],
        {"target": "y"},
        [[1], [2], [3]],
        ["u", "v, w", "u"],
    ),
    "truths": ([["a", "b"], [1, True], [2, False]], {}, [[1, 1], [2, 0]], None),
    "missing": ([["a", "b"], [1, None], [None, 2], [3, 4], [5, "NA"]], {}, [[3, 4]], None),
    "missing at both ends": ([["a", "b", "c"], [None, 1, 2], [1, 2, None], [3, 4, 5]], {}, [[3, 4, 5]], None),
    "errors": ([["a", "b"], [1, "#DIV/0!"], [2, "#N/A"], [3, 4], [5, 6]], {}, [[3, 4], [5, 6]], None),
    "dates": ([["a", "when"], [1, DAY], [2, DAY]], {}, [[1], [2]], None),
    "times": (
        [["a", "when"], [1, datetime.datetime(2020, 1, 2, 3)], [2, datetime.datetime(2021, 1, 2, 3, 4, 5)]],
        {},
        [[1], [2]],
        None,
    ),
    "durations": (
        [["a", "long"], [1, datetime.timedelta(hours=12)], [2, datetime.timedelta(days=3)]],
        {},
        [[1, 0.5], [2, 3]],
        None,
    ),
    "numbers as text": ([["a", "b"], ["1.5", "2"], ["3", "4"]], {}, [[1.5, 2], [3, 4]], None),
    "lines in a cell": (
        [["a", "y"], [1, "u\nv"], [2, "w"], [3, "w"]],
        {"target": "y"},
        [[1], [2], [3]],
        ["u v", "w", "w"],
    ),
    "an empty row": ([["a", "b"], [1, 2], [], [3, 4]], {}, [[1, 2], [3, 4]], None),
    "further down and right": (
        [[], [None, "a", "b"], [None, 1, 2], [None, 3, 4]],
        {},
        [[1, 2], [3, 4]],
        None,
    ),
    "a title": (
        [["Results of 2020"], [], ["a", "b", "c"], [1, 2, 3], [4, 5, 6]],
        {"target": "c"},
        [[1, 2], [4, 5]],
        ["3.0", "6.0"],
    ),
    "index of pandas": (
        [[None, "a", "b"], [0, 0.1, 0.2], [1, 0.3, 0.4], [2, 0.5, 0.6]],
        {},
        [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
        None,
    ),
}


@pytest.mark.parametrize("label", TABLES)
@pytest.mark.parametrize("max_bytes", [1, 1 << 21])
def test_sheets(tmp_path: Path, label: str, max_bytes: int) -> None:
    rows, options, expected, targets = TABLES[label]
    source = open_data(saved(tmp_path / "a.xlsx", {"data": rows}), **options)
    assert source.format == "xlsx"
    for _ in range(2):
        features, found = collect(source, max_bytes)
        assert features.tolist() == expected
        if targets is None:
            assert found is None
        else:
            assert [str(each) for each in found[:, 0].tolist()] == targets


def test_what_was_chosen_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.xlsx", {"data": TABLES["a title"][0]})
    assert "Passed over above the table: 'Results of 2020'." in open_data(path).notes
    path = saved(tmp_path / "a.xlsx", {"data": TABLES["further down and right"][0]})
    assert "The table begins in column B of the sheet, column 0 here." in open_data(path).notes
    path = saved(tmp_path / "a.xlsx", {"data": TABLES["dates"][0]})
    assert any("dates: column 1 ('when')" in note for note in open_data(path).notes)
    path = saved(tmp_path / "a.xlsx", {"data": TABLES["header"][0]})
    assert open_data(path).notes == ()
    assert open_data(path).column_names == ("a", "b")


def test_one_of_several_sheets(tmp_path: Path) -> None:
    one: list[list[object]] = [["a", "b"], [1, 2], [3, 4]]
    other: list[list[object]] = [["c"], [7], [8]]
    path = saved(tmp_path / "a.xlsx", {"empty": [], "first": one, "second": other, "none": [[]]})
    source = open_data(path)
    assert collect(source)[0].tolist() == [[1, 2], [3, 4]]
    assert source.notes == ("The table is sheet 'first'; --array names another: 'second'.",)
    source = open_data(path, array="second")
    assert collect(source)[0].tolist() == [[7], [8]]
    assert source.notes == ()
    assert "data.array names another" in open_data(path, words=SPEC).notes[0]
    assert "has no sheet 'third'; it holds 'empty', 'first', 'second', 'none'" in refusal(path, array="third")
    assert "sheet 'empty' is empty" in refusal(path, array="empty")
    assert "only empty sheets" in refusal(saved(tmp_path / "b.xlsx", {"a": [], "b": []}))
    path = saved(tmp_path / "a.xlsx", {"read me": [["made in May"], [], ["by us"]], "second": one})
    source = open_data(path)
    assert collect(source)[0].tolist() == [[1, 2], [3, 4]]
    assert source.notes == ("The table is sheet 'second'; --array names another: 'read me'.",)


def test_merged_cells_are_empty(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.xlsx", {"data": [["a", "b"], [1, 2], [3, 4], [5, 6]]})
    book = openpyxl.load_workbook(path)
    book["data"].merge_cells("A3:B3")
    book.save(path)
    source = open_data(path)
    assert collect(source)[0].tolist() == [[1, 2], [5, 6]]
    assert source.rows_skipped == 1


def test_formulas(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "b", "c"], [1, 2, "=A2+B2"], [3, 4, "=A3+B3"]]
    path = saved(tmp_path / "a.xlsx", {"data": rows})
    message = refusal(path)
    assert "sheet 'data', cell C2: holds the formula '=A2+B2' without its result" in message
    # As Excel saves them, with their results; that of the second one is a text without a letter.
    for cell, result in (("C2", "<v>3</v>"), ("C3", "<v>7</v>")):
        pattern = rf'(<c r="{cell}"[^>]*><f>[^<]*</f>)<v ?/?>(</v>)?'
        changed(path, lambda text, p=pattern, v=result: re.sub(p, rf"\1{v}", text))  # type: ignore[misc]
    assert collect(open_data(path))[0].tolist() == [[1, 2, 3], [3, 4, 7]]
    changed(
        path,
        lambda text: re.sub(r'<c r="C3"[^>]*>(<f>[^<]*</f>)<v>7</v>', r'<c r="C3" t="str">\1<v></v>', text),
    )
    source = open_data(path)
    assert collect(source)[0].tolist() == [[1, 2, 3]]
    assert source.rows_skipped == 1


def test_what_pandas_saves(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install 'rsgadvise[test]'")
    rng = np.random.default_rng(3)
    frame = pandas.DataFrame(rng.random((1500, 3)), columns=["a", "b", "c"])
    frame["y"] = rng.integers(0, 3, 1500)
    frame.to_excel(tmp_path / "a.xlsx")
    source = open_data(tmp_path / "a.xlsx", target="y")
    features, targets = collect(source)
    np.testing.assert_allclose(features, frame[["a", "b", "c"]].to_numpy(), rtol=1e-12)
    assert (targets[:, 0] == frame["y"]).all()
    frame.to_excel(tmp_path / "b.xlsx", index=False)
    assert open_data(tmp_path / "b.xlsx").column_names == ("a", "b", "c", "y")


def test_sheets_of_targets(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    saved(tmp_path / "y.xlsx", {"data": [["y"], ["u"], ["v"], ["u"]]})
    _, targets = collect(open_data(tmp_path / "x.npy", target="y.xlsx"))
    assert targets[:, 0].tolist() == ["u", "v", "u"]


def test_where_something_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "b"]]
    rows += [[at, at] for at in range(600)]
    rows[500] = [1, "many"]
    path = saved(tmp_path / "a.xlsx", {"data": rows})
    message = refusal(path)
    assert "line 501, column 1 ('b'): 'many' is not a number" in message
    assert "--table missing=many" in message
    assert collect(open_data(path, table=TableOptions(missing=("many",))))[0].shape == (599, 2)
    with pytest.raises(UsageError, match=r"--table says how .* got separator"):
        open_data(path, table=TableOptions(separator=";"))
    rows[500] = [1, 2, 3]
    assert "line 501: has 3 columns where most rows have 2" in refusal(saved(path, {"data": rows}))
    names = saved(tmp_path / "b.xlsx", {"data": [["a", "b"]]})
    assert "has a header and zero rows of data" in refusal(names)


def test_dimensions_that_a_file_claims(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.xlsx", {"data": [["a", "b"], [1, 2], [3, 4]]})
    for claim in ("A1", "A1:XFD1048576"):
        changed(path, lambda text, c=claim: re.sub('<dimension ref="[^"]*"', f'<dimension ref="{c}"', text))  # type: ignore[misc]
        assert collect(open_data(path))[0].tolist() == [[1, 2], [3, 4]]
    changed(path, lambda text: text.replace('<row r="3"', '<row r="999999999"'))
    assert "claims more than 1048576 rows" in refusal(path)


def test_files_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "(.xls), of another program (.ods) or with a password; save it as .xlsx" in refusal(path)
    assert "save it as .xlsx" in refusal(path, target="y", array="z")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<a/>")
    path.write_bytes(buffer.getvalue())
    assert "save it as .xlsx" in refusal(path)
    path.write_bytes(zipped({"[Content_Types].xml": b"<a/>", "word/document.xml": b"<a/>"}))
    assert "cannot be read" in refusal(path)
    path = saved(tmp_path / "a.xlsx", {"data": [["a", "b"], [1, 2], [3, 4]]})
    whole = path.read_bytes()
    path.write_bytes(whole[:2000])
    refusal(path)
    path.write_bytes(b"hello")
    assert "first bytes are of another format" in refusal(path)
    path.write_bytes(whole)
    for change in (lambda text: text[:-30], lambda text: "<!DOCTYPE a [<!ENTITY b 'c'>]>" + text + "<"):
        refusal(changed(path, change))
        path.write_bytes(whole)
    monkeypatch.setattr("rsgadvise.data.formats.binary.EXPANSION_FREE_BYTES", 1 << 16)
    refusal_text = refusal(
        changed(path, lambda text: text.replace("<sheetData>", "<sheetData>" + " " * (1 << 22)))
    )
    assert "more than 200 times as many" in refusal_text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_sheets_never_escape_as_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    """Damage below the compression, where checksums do not reach."""
    whole, path = tmp_path / "whole", tmp_path / "a.xlsx"
    if not whole.exists():
        whole.write_bytes(saved(path, {"data": [["a", "b"], [1, DAY], [3, "u"], [5, True]]}).read_bytes())
    path.write_bytes(whole.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = data.draw(st.sampled_from(archive.namelist()))

    def damage(text: str) -> str:
        letters = list(text)
        for _ in range(data.draw(st.integers(1, 3))):
            letters[data.draw(st.integers(0, len(letters) - 1))] = data.draw(
                st.sampled_from("<>/\"'=&;A19 tsx")
            )
        return "".join(letters)

    changed(path, damage, member)
    read_or_refused(path)
