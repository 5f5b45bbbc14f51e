"""Tables of text as programs write them: what is found of their writing, and what is said of it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsgadvise.data.columns import Column
from rsgadvise.data.dialect import Numbers
from rsgadvise.data.formats import tables
from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import measure
from rsgadvise.data.text import Records, Writing
from rsgadvise.data.words import OPTIONS
from rsgadvise.errors import DataError, UsageError

ROWS = [[0.25, 12.5, 1], [0.5, 7.0, 0], [0.75, 1250.25, 1], [1.0, 3.5, 0]]
NAMES = ["a", "b", "y"]


def read(path: Path, **options: Any) -> tuple[list[list[float]], list[Any], str]:
    """(features, targets, everything that is said)."""
    source = open_data(path, **options)
    parts = [(x.copy(), None if y is None else y.copy()) for x, y in source.chunks(max_bytes=64)]
    again = [x.copy() for x, _ in source.chunks()]
    features = np.concatenate([x for x, _ in parts])
    assert (features == np.concatenate(again)).all(), "a second pass reads the same"
    targets = [y[:, 0] for _, y in parts if y is not None]
    notes = (*source.notes, f"skipped {source.rows_skipped}")
    return features.tolist(), np.concatenate(targets).tolist() if targets else [], " ".join(notes)


def text(
    separator: str = ",", *, header: bool = True, end: str = "\n", number: Callable[[float], str] = repr
) -> str:
    lines = [separator.join(NAMES)] if header else []
    lines += [
        separator.join(number(cell) if k < 2 else str(int(cell)) for k, cell in enumerate(row))
        for row in ROWS
    ]
    return end.join(lines) + end


def beside(table: str, cells: list[str], separator: str = ",") -> str:
    """A column before the others."""
    return "".join(f"{cell}{separator}{line}\n" for cell, line in zip(cells, table.splitlines(), strict=True))


def comma(value: float) -> str:
    return str(value).replace(".", ",")


SAME = {  # text, target, what is said of it
    "commas": (text(), "y", ""),
    "semicolons": (text(";"), "y", ""),
    "tabs": (text("\t"), "y", ""),
    "pipes": (text("|"), "y", "separated by '|'"),
    "single blanks": (text(" "), "y", "separated by blanks"),
    "columns of blanks": (text("   "), "y", "separated by blanks"),
    "blanks around tabs": (text(" \t "), "y", ""),
    "two tabs": (text("\t").replace("0.5\t", "0.5\t\t"), "y", "separated by blanks"),
    "old line ends": (text(end="\r"), "y", ""),
    "windows": (text(end="\r\n"), "y", ""),
    "decimal commas": (text(";", number=comma), "y", "decimal comma"),
    "decimal commas, tabs": (text("\t", number=comma), "y", "decimal comma"),
    "decimal commas, quoted": (text(number=lambda v: f'"{comma(v)}"'), "y", "decimal comma"),
    "german thousands": (text(";", number=comma).replace("1250,25", "1.250,25"), "y", "between thousands"),
    "english thousands": (text().replace("1250.25", '"1,250.25"'), "y", "',' between thousands"),
    "swiss thousands": (text(";").replace("1250.25", "1'250.25"), "y", "between thousands"),
    **{f"{name} between thousands": (text(";").replace("1250.25", f"1{mark}250.25"), "y", "between thousands")
       for name, mark in (("typeset apostrophes", "\u2019"), ("blanks", " "), ("hard blanks", "\xa0"),
                          ("thin blanks", "\u2009"), ("narrow blanks", "\u202f"))},
    "exponents of Fortran": (text(number=lambda v: f"{v:.8E}".replace("E", "D")), "y", ""),
    "two commas at the end": (text().replace("\n", ",,\n"), "y", "empty: columns 3 (''), 4 ('')"),
    "groups of columns above": ("in,in,out\n" + text(), "y", "first 2 lines were taken as headers, line 2"),
    "trailing commas": (text().replace("\n", ",\n"), "y", "empty: column 3"),
    "trailing commas in rows": (text().replace("\n", ",\n").replace("y,", "y"), "y", "empty: column 3"),
    "settings of a device": ("Length,2500,Points\nInterval,0.5,s\n" + text(header=False), "-1",
                             "first 2 lines were taken as headers"),
    "titles with commas": ("Seeds, by hand, 2024\nAll in cm\n" + text(), "y", "line 3 for the names"),
    "a title, no names": ("|1x3 Cross validator\n" + text(header=False), "-1",
                          "Passed over as titles: the first line."),
    "titles above names": ('"Source","Bank"\n"Day","2024-01-01"\n' + beside(text(), ["land", *"uvwx"]), "y",
                           "line 3 for the names"),
    "a header of years": (text().replace("a,b,y", "2019,2020,y"), "y", "counts the columns"),
    "a header of numbers, one the target's": (text().replace("a,b,y", "5,6,7"), "7", "column 2 ('7')"),
    "an end of DOS": (text() + "\x1a", "y", ""),
    "comments": ("# made by hand\n" + text().replace("0.75", "# half way\n0.75"), "y", "start with #"),
    "names in a comment": ("# a,b,y\n" + text(header=False), "y", "start with #"),
    "percent signs as comments": ("% made\n" + text(), "y", "start with %"),
    "a header of numbers": (text().replace("a,b,y", "0,1,2"), "2", "counts the columns"),
    "rows counted": (beside(text(), ["", "0", "1", "2", "3"]), "y", "row names: column 0"),
    "rows counted, no names": (beside(text(header=False), list("0123")), "-1", "numbers of rows: column 0"),
    "row names of R": ('"a" "b" "y"\n' + beside(text(" ", header=False), ['"1"', '"2"', '"3"', '"4"'], " "),
                       "y", "row names: column 0"),
    "dates": (beside(text(), ["when", "2024-01-02", "2024-01-03", "2024-02-01", "2024-02-02"]), "y",
              "dates: column 0 ('when')"),
    "numbers of rows": (beside(text(), ["S.No.", "1", "2", "3", "4"]), "y",
                        "numbers of rows: column 0 ('S.No.')"),
    "keys": (beside(text(), ["id", "k1", "k2", "k3", "k4"]), "y", "a word of its own"),
    "rows shuffled before they were saved": (beside(text(), ["", "12", "3", "0", "7"]), "y",
                                             "row names: column 0"),
    "saved twice": (beside(beside(text(), ["Unnamed: 0", "4", "2", "3", "9"]), ["", "0", "1", "2", "3"]), "y",
                    "row names: columns 0 (''), 1 ('Unnamed: 0')"),
    "a title and an empty line": ("Seeds of 2024,,\n,,\n" + text(), "y",
                                  "first 3 lines were taken as headers, line 3"),
    "a title alone": ("Seeds of 2024\n" + text(), "y", "first 2 lines were taken as headers, line 2"),
    "the header again": (text() * 2, "y", "lines that repeat the header: 1"),
    "a separator for Excel": ("sep=;\n" + text(";"), "y", ""),
    "a separator for Excel, no header": ("sep=;\n" + text(";", header=False), "-1", "column 2"),
    "units": (text(number=lambda v: f"{v} kg/m²"), "y",
              "unit 'kg/m²' of column 0 ('a'), 'kg/m²' of column 1 ('b')"),
    "money": (text(number=lambda v: f'"${v:,}"'), "y", "',' between thousands"),
    "money behind": (text(";", number=lambda v: f"{comma(v)} €"), "y", "decimal comma"),
    "codes of currencies": (text(number=lambda v: f"CHF {v}"), "y", ""),
    "several signs of dollars": (text(number=lambda v: f"{'US' if v < 1 else 'R'}${v}"), "y", ""),
    "text of Excel that looks like numbers": (text(number=lambda v: f'="{v}"'), "y", ""),
    "blanks in units do not separate": (text(number=lambda v: f"{v} km/h"), "y", "unit 'km/h'"),
    "lines of several systems": (text().replace("1\n", "1\r").replace("0\n", "0\r\n"), "y", ""),
    "a mark of byte order below a comment": ("# joined\n\ufeff" + text(), "y", "start with #"),
    "two marks of byte order": ("\ufeff\ufeff" + text(), "y", ""),
    "joined files": (text() + "\ufeff" + text(), "y", "lines that repeat the header: 1"),
    "rows counted below": (text("|") + "(4 rows)\n", "y", "separated by '|'"),
    "rows counted by another shell": (text("\t") + "4 rows affected\n\n", "y", ""),
    "seconds since 1970": (beside(text(), ["ts", *(f"165000{k}123" for k in "3014")]), "y",
                           "dates: column 0 ('ts')"),
    "milliseconds since 1970": (beside(text(), ["event_time", *(f"165000{k}000123" for k in "3014")]), "y",
                                "dates: column 0 ('event_time')"),
    "a column without a cell": (beside(text(), ["Alley", "NA", "", "NA", "NA"]), "y",
                                "empty: column 0 ('Alley')"),
}  # fmt: skip


@pytest.mark.parametrize("block", [1 << 22, 16], ids=["one block", "many"])
@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, block: int
) -> None:
    monkeypatch.setattr(tables, "BLOCK_BYTES", block)
    written, target, said = SAME[kind]
    (tmp_path / "t.csv").write_bytes(written.encode())
    features, targets, notes = read(tmp_path / "t.csv", target=target)
    times = written.count(NAMES[0] + ",") if "repeat" in said else 1
    assert features == [row[:2] for row in ROWS] * times
    assert targets == [row[2] for row in ROWS] * times
    assert said in notes
    if not said:
        assert notes == "skipped 0"


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "NA",
        "N/A",
        "n/a",
        "NaN",
        "nan",
        "null",
        "Null",
        "None",
        "?",
        "-",
        ".",
        "#N/A",
        "<NA>",
        "N.A.",
        "-nan",
        "-1.#IND",
        "1.#QNAN",
        "#DIV/0!",
        "#VALUE!",
        "\\N",
        "(null)",
        "N.D.",
        "\u2014",
        "Missing",
    ],
)
def test_every_usual_missing_mark(tmp_path: Path, mark: str) -> None:
    (tmp_path / "t.csv").write_text(text().replace("0.5,", f"{mark},").replace("0.75,", f" {mark} ,"))
    features, targets, notes = read(tmp_path / "t.csv", target="y")
    assert (features, targets) == ([[0.25, 12.5], [1.0, 3.5]], [1, 0])
    assert "skipped 2" in notes


@pytest.mark.parametrize(
    "of",
    [
        "%d-%b-%Y",
        "%b %d, %Y",
        "%a %b %d %Y",
        "%Y-%m",
        "%B %Y",
        "%d %B %Y %H:%M",
        "%m/%d/%y %I:%M %p",
        "%a %b %d %H:%M:%S %Y",
        "%Y-%m-%dT%H:%M:%S.000Z",
        "%Y%m%d",
    ],
)
def test_dates_are_no_inputs(tmp_path: Path, of: str) -> None:
    days = [day.strftime(of) for day in pd.date_range("2023-02-27 13:05", periods=4, freq="40D")]
    written = beside(text(";"), ["day", *days], ";")
    (tmp_path / "t.csv").write_text(written)
    features, _, notes = read(tmp_path / "t.csv", target="y")
    assert features == [row[:2] for row in ROWS]
    assert "dates: column 0 ('day')" in notes
    (tmp_path / "t.csv").write_text(
        beside(text(";"), ["code", "20230101", "20230102", "20230103", "20230104"], ";")
    )
    assert len(read(tmp_path / "t.csv", target="y")[0][0]) == 3


def test_a_number_that_may_stand_for_a_missing_one_is_said(tmp_path: Path) -> None:
    rows = [f"{5 + k / 7:.2f},{-40 + k},{1000 * k},{k % 2}\n" for k in range(30)]
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,y\n" + "".join([*rows, "-999,-7,3,1\n", "6,-8,-9999,0\n"]))
    said = (
        "Column 0 ('a') holds -999, far from every other number; if that stands for a missing value, --table"
    )
    assert f"{said} missing=-999." in read(path, target="y")[2]
    assert "Column 1" not in read(path, target="y")[2]
    assert "Column 2" not in read(path, target="y")[2]
    features, _, notes = read(path, target="y", table={"missing": ("-999",)})
    assert len(features) == 31
    assert "far from" not in notes


@pytest.mark.parametrize("mark", ["-", "+", "None"])
def test_a_mark_may_be_a_word_among_words(tmp_path: Path, mark: str) -> None:
    (tmp_path / "t.csv").write_text(text().replace(",0\n", f",{mark}\n").replace(",1\n", ",yes\n"))
    assert read(tmp_path / "t.csv", target="y")[1] == ["yes", mark, "yes", mark]


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    written = text().replace("a,", "größe,").replace(",0\n", ",schön\n").replace(",1\n", ",süß\n")
    (tmp_path / "t.txt").write_bytes(written.encode(encoding))
    features, targets, notes = read(tmp_path / "t.txt", target="y")
    assert features == [row[:2] for row in ROWS]
    assert targets == ["süß", "schön", "süß", "schön"]
    assert ("Latin-1" in notes) == (encoding == "latin-1")


def test_latin_1_far_down(tmp_path: Path) -> None:
    rows = 20_000
    (tmp_path / "t.csv").write_bytes(b"a,y\n" + b"0.5,ja\n" * rows + "0.25,schön\n".encode("latin-1"))
    features, targets, notes = read_quickly(tmp_path / "t.csv")
    assert (len(features), features[-1], targets[-1]) == (rows + 1, [0.25], "schön")
    assert f"Line {rows + 2} is not UTF-8: read as Latin-1." in notes
    (tmp_path / "t.csv").write_bytes("ä,y\n".encode() + b"0.5,ja\n" * rows + "0.25,schön\n".encode("latin-1"))
    with pytest.raises(DataError, match=f"line {rows + 2}: is not UTF-8, as the lines before are"):
        read_quickly(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"a,y\n" + b"0.5,ja\n" * 3 + "0.25,schön\n".encode("latin-1"))
    with pytest.raises(DataError, match="line 5: is not UTF-8"):
        read_quickly(tmp_path / "t.csv", table={"encoding": "utf-8"})


def read_quickly(path: Path, **options: Any) -> tuple[list[Any], list[Any], str]:
    source = open_data(path, target="y", **options)
    parts = [(x, y) for x, y in source.chunks(max_bytes=1 << 23)]
    targets = [label for _, y in parts if y is not None for label in y[:, 0].tolist()]
    return [row for x, _ in parts for row in x.tolist()], targets, " ".join(source.notes)


def packed(path: Path, data: bytes, how: str) -> Path:
    place = path / f"t.csv.{how}"
    if how == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("some folder/", "")
            archive.writestr("some folder/t.csv", data)
            archive.writestr("__MACOSX/._t.csv", b"\0")
        return place
    if how == "zst":
        zstandard = pytest.importorskip("zstandard", reason="needs zstandard: pip install 'rsgadvise[zstd]'")
        place.write_bytes(zstandard.compress(data))
        return place
    place.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[how].compress(data))
    return place


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "zst", "zip"])
def test_packed(tmp_path: Path, how: str) -> None:
    path = packed(tmp_path, text(end="\r\n").encode("utf-16"), how)
    assert read(path, target="y")[:2] == ([row[:2] for row in ROWS], [row[2] for row in ROWS])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as caught:
        read(path, target="y")
    assert "\n" not in str(caught.value)


def test_true_and_false_and_percent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "a,b,c,y\nTrue,50%,1,0\nfalse,12.5 %,2,1\nTRUE,,3,1\nNA,1%,4,0\nFalse,0%,5,1\n"
    )
    features, targets, notes = read(tmp_path / "t.csv", target="y")
    assert features == [[1, 0.5, 1], [0, 0.125, 2], [0, 0, 5]]
    assert targets == [0, 1, 1]
    assert "skipped 2" in notes


def test_signs_of_money_and_typeset_minuses(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n-$1.50,\u22122,1\n$ 2,3,0\n\u2212$3,\u22124.5,1\n")
    assert read(tmp_path / "t.csv", target="y")[:2] == ([[-1.5, -2], [2, 3], [-3, -4.5]], [1, 0, 1])


def test_numbers_that_name_each_row_are_no_inputs(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["PassengerId", "customer_id", "paid", "humid", "Identity"]
    cells = (f"{70 - 3 * k},{9000 + 7 * k},{k * k},{k + 2},{k + 5},{k % 2}\n" for k in range(12))
    path.write_text(",".join([*names, "y"]) + "\n" + "".join(cells))
    source = open_data(path, target="y")
    assert source.column_names == ("paid", "humid", "Identity")
    assert "a number of its own in every row: columns 0 ('PassengerId'), 1 (" in " ".join(source.notes)
    path.write_text("X,Y,y\n3,4,1\n7,2,0\n5,9,1\n")  # coordinates
    assert open_data(path, target="y").column_names == ("X", "Y")
    path.write_text("X,Y,y\n3,4,1\n7,2,0\n5,9,1\n".replace("X", "Unnamed: 0"))
    assert open_data(path, target="y").column_names == ("Y",)


def test_words_with_numbers_before_them_stay_words(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "1,1st\n2,2nd\n1,1st\n2,3rd\n" * 3)
    assert set(read(tmp_path / "t.csv", target="y")[1]) == {"1st", "2nd", "3rd"}


def test_less_than_nothing_as_accountants_write_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b,y\n12.5,"(1,250.5)",1\n7.25-,$3.5,0\n3.5,($7),1\n')
    features, _, _ = read(tmp_path / "t.csv", target="y")
    assert features == [[12.5, -1250.5], [-7.25, 3.5], [3.5, -7]]


def test_lakh_and_crore_are_grouped_by_two(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,y\n"12,34,567.5",1\n"1,05,000",0\n950,1\n')
    assert read(tmp_path / "t.csv", target="y")[0] == [[1234567.5], [105000], [950]]
    assert Numbers(".", ",").value("12,34,56") is None


def test_letters_of_windows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("Größe;y\n1.250,50 €;ü\n950,00 €;b\n7,25 €;ü\n".encode("cp1252"))
    features, targets, notes = read(tmp_path / "t.csv", target="y")
    assert (features, targets) == ([[1250.5], [950], [7.25]], ["ü", "b", "ü"])
    assert "Latin-1" in notes


def test_numbers_with_text_that_differs_are_not_left_out_in_silence(tmp_path: Path) -> None:
    for cells in (["1.5K", "2.25M", "7.75K", "3.5M"], ["1.5 ± 0.1", "2.5 ± 0.2", "3.5 ± 0.1", "4.5 ± 0.3"]):
        (tmp_path / "t.csv").write_text(beside(text(), ["v", *cells]))
        with pytest.raises(
            DataError, match=f"numbers beside text, such as '{cells[0]}', not numbers; leave it"
        ):
            open_data(tmp_path / "t.csv", target="y")


def test_points_that_may_stand_between_thousands_are_asked_about(tmp_path: Path) -> None:
    written = "a;y\n1.250;1\n975;0\n12.400;1\n3.125;0\n60;1\n"
    (tmp_path / "t.csv").write_text(written)
    with pytest.raises(DataError, match=r"'1\.250' may be 1\.25 or 1250; say which: --table decimal=\. or"):
        open_data(tmp_path / "t.csv", target="y")
    for said, first in (({"decimal": "."}, 1.25), ({"thousands": "."}, 1250)):
        assert read(tmp_path / "t.csv", target="y", table=said)[0][0] == [first]
    for plain in (
        written.replace(";", ","),
        written.replace("975", "1975"),
        written.replace("3.125", "3.12"),
    ):
        (tmp_path / "t.csv").write_text(plain)
        assert read(tmp_path / "t.csv", target="y")[0][0] == [1.25]


@pytest.mark.parametrize("called", ["Total", "Mittelwert", "GRAND TOTAL:"])
def test_a_last_row_that_sums_up_is_refused(tmp_path: Path, called: str) -> None:
    share = 4 if called == "Mittelwert" else 1
    sums = [sum(row[k] for row in ROWS) / share for k in range(3)]
    named = beside(text(), ["name", "p", "q", "r", "s"])
    path = tmp_path / "t.csv"
    path.write_text(f"{named}{called},{sums[0]},{sums[1]},{sums[2]}\n")
    with pytest.raises(DataError, match=f"its last row, '{called}', sums up those above; take it out"):
        open_data(path, target="y")
    path.write_text(named)
    assert len(read(path, target="y")[0]) == 4
    path.write_text(f"{named}{called},0.1,0.2,1\n")  # a row like any other
    assert len(read(path, target="y")[0]) == 5
    path.write_text(f"{named}{called},{sums[0]},{sums[1]},\n")  # is left out anyway
    assert len(read(path, target="y")[0]) == 4


def test_labels_that_differ_in_capitals_are_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,yes\n2,no\n3,Yes\n4,no\n5,YES\n")
    found = measure(open_data(tmp_path / "t.csv", target="y"))
    assert found.output_dim == 4
    assert (
        "Labels that differ in capital letters only are classes of their own: 'YES' and 'Yes'." in found.notes
    )


def test_blanks_within_cells_do_not_separate(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "q,b,y\n1 - never,0.5,1\n5 - always,0.25,0\n1 - never,1,1\n5 - always,3,1\n"
    )
    features, targets, _ = read(tmp_path / "t.csv", target="y", categories="one_hot")
    assert features[:2] == [[1, 0, 0.5], [0, 1, 0.25]]
    assert targets == [1, 0, 1, 1]


def test_a_cell_of_many_letters(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "a,note,y\n" + "".join(f"{k},No{k}{'x' * 140_000},{k % 2}\n" for k in range(4))
    )
    assert read(tmp_path / "t.csv", target="y")[0] == [[0], [1], [2], [3]]


def test_a_line_of_many_cells(tmp_path: Path) -> None:
    row = np.round(np.random.default_rng(0).random(16_000), 6)
    (tmp_path / "t.csv").write_text("\n".join(",".join([*map(str, row.tolist()), str(k)]) for k in (0, 1, 1)))
    features, targets, _ = read(tmp_path / "t.csv", target="-1")
    assert features == [row.tolist()] * 3
    assert targets == [0, 1, 1]


SAID: dict[str, tuple[str, dict[str, Any], list[list[float]]]] = {
    "separator": ("a^y\n0.5^1\n0.25^0\n", {"separator": "^"}, [[0.5], [0.25]]),
    "separator by its name": ("a;y\n0,5;1\n0,25;0\n", {"separator": "semicolon"}, [[0.5], [0.25]]),
    "blanks that each count": ("a  y\n0.5  1\n0.25 x 0\n", {"separator": "space", "missing": ("x",)}, []),
    "decimal": ("a;y\n1,234;1\n5,678;0\n", {"decimal": ","}, [[1.234], [5.678]]),
    "thousands": ("a;y\n1,234;1\n5,678;0\n", {"thousands": ","}, [[1234], [5678]]),
    "missing": ("a,y\n-999,1\n0.25,0\nn.d.,1\n", {"missing": ("-999", "n.d.")}, [[0.25]]),
    "comment": ("a,y\n;0.5,1\n0.25,0\n", {"comment": ";"}, [[0.25]]),
    "no comment": ("#a,y\n0.5,1\n0.25,0\n", {"comment": ""}, [[0.5], [0.25]]),
    "header": ("1,y\n0.5,1\n0.25,0\n", {"header": True}, [[0.5], [0.25]]),
    "encoding": ("a,y\n0.5,ä\n0.25,b\n", {"encoding": "utf-8"}, [[0.5], [0.25]]),
}


@pytest.mark.parametrize("key", [key for key in SAID if SAID[key][2]])
def test_what_is_found_can_be_overruled(tmp_path: Path, key: str) -> None:
    written, said, expected = SAID[key]
    (tmp_path / "t.csv").write_text(written)
    assert read(tmp_path / "t.csv", target="y", table=said)[0] == expected


def test_no_header_though_it_looks_like_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0,1,2,3\n0.5,0.25,0.5,1\n")
    assert read(tmp_path / "t.csv", table={"header": False})[0] == [[0, 1, 2, 3], [0.5, 0.25, 0.5, 1]]
    assert read(tmp_path / "t.csv")[0] == [[0.5, 0.25, 0.5, 1]]


def test_what_may_be_two_numbers_is_asked(tmp_path: Path) -> None:
    """And either answer that the message names works."""
    (tmp_path / "t.csv").write_text(SAID["decimal"][0])
    with pytest.raises(DataError, match=r"'1,234' may be 1\.234 or 1234; say which") as caught:
        open_data(tmp_path / "t.csv", target="y")
    assert "--table decimal=, or --table thousands=," in str(caught.value)


REFUSED = {
    "a word among numbers": ("a,y\n0.5,1\nlow,0\n0.1,1\n", "line 3, column 0 ('a'): 'low' is not a number"),
    "further down": ("a,y\n" + "0.5,1\n" * 9000 + "low,0\n", "line 9002, column 0 ('a'): 'low' is not"),
    "a mark of its own": ("a,y\n" + "0.5,1\n" * 9 + "-999x,0\n", "--table missing=-999x"),
    "a short row": ("a,b,y\n1,2,1\n1,2\n3,4,0\n", "line 3: has 2 columns where most rows have 3"),
    "a long row": ("a,b,y\n1,2,1\n1,2,3,4\n3,4,0\n", "line 3: has 4 columns where most rows have 3"),
    "a short row far down": ("a,b,y\n" + "1,2,1\n" * 9000 + "1,2\n", "line 9002: has 2 columns"),
    "a long row far down": ("a,b,y\n" + "1,2,1\n" * 9000 + "1,2,3,4\n", "line 9002: has 4 columns"),
    "a long and a short row": ("a,b,y\n" + "1,2,1\n" * 900 + "1,2,3,4\n1,2\n", "line 902: has 4 columns"),
    "an infinity": ("a,y\n0.5,1\ninf,0\n", "line 3, column 0 ('a'): 'inf' is not finite"),
    "neither true nor false": ("a,b,y\nTrue,1,0\n" * 1 + "False,2,1\n" * 500 + "maybe,1,0\n",
                               "line 503, column 0 ('a'): 'maybe' is neither True nor False"),
    "an unclosed quote": ('a,y\n"0.5,1\n0.25,0\n', "a quote near here is never closed"),
    "a word late in the target": ("a,y\n" + "0.5,1\n" * 900 + "0.5,no\n", "--target-kind classes"),
    "Thai digits": ("a,y\n0.5,1\n๑,0\n0.1,1\n", "'๑' is not a number"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_place_and_cell(tmp_path: Path, kind: str) -> None:
    written, said = REFUSED[kind]
    (tmp_path / "t.csv").write_text(written)
    with pytest.raises(DataError) as caught:
        read_quickly(tmp_path / "t.csv")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_fixes_that_are_named_work(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(REFUSED["a mark of its own"][0])
    assert len(read(path, target="y", table={"missing": ("-999x",)})[0]) == 9
    path.write_text(REFUSED["a word late in the target"][0])
    assert set(read(path, target="y", target_kind="classes")[1]) == {"1", "no"}
    path.write_text("sex,town,a,y\n" + "m,Bonn,0.5,1\nf,Ulm,0.25,0\n" * 5)
    with pytest.raises(DataError, match=r"columns 0 \('sex'\), 1 \('town'\) hold no numbers") as caught:
        open_data(path, target="y")
    assert "--categories one_hot" in str(caught.value)
    assert "leave them out with --exclude" in str(caught.value)
    assert open_data(path, target="y", exclude=["sex", "town"]).input_dim == 1
    source = open_data(path, target="y", categories="one_hot")
    assert source.column_names == ("sex=f", "sex=m", "town=Bonn", "town=Ulm", "a")
    features, _, notes = read(path, target="y", categories="one_hot")
    assert features[:2] == [[0, 1, 1, 0, 0.5], [1, 0, 0, 1, 0.25]]
    assert "one a word: 0 ('sex') 2, 1 ('town') 2" in notes
    assert read(path, target="y", categories="exclude")[0] == [[0.5], [0.25]] * 5


def test_what_is_left_out_by_itself_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,a,y\n1,0.5,1\n2,0.25,0\n3,0.5,1\n")
    assert open_data(tmp_path / "t.csv", target="y").column_names == ("a",)
    assert open_data(tmp_path / "t.csv", target="y", exclude=["none"]).column_names == ("id", "a")


def test_words_that_a_later_row_brings_are_inputs_too(tmp_path: Path) -> None:
    lines = ["c,a,y", *(f"{'red' if k % 2 else 'blue'},0.5,{k % 2}" for k in range(900)), "green,0.5,1"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    source = open_data(tmp_path / "t.csv", target="y", categories="one_hot")
    assert source.column_names == ("c=blue", "c=green", "c=red", "a")
    assert measure(source).samples == 901


def test_a_table_that_is_none_is_told_so(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    with pytest.raises(
        UsageError, match="--table says how a table of text is written; got decimal for a npy"
    ):
        open_data(tmp_path / "a.npy", table={"decimal": ","})
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "1,2\n")
        archive.writestr("b.csv", "1,2\n")
    with pytest.raises(DataError, match="unpack it and name a file in it"):
        open_data(tmp_path / "two.zip")


@pytest.mark.parametrize("target", [None, "y", "-1"])
def test_a_header_alone_is_said_to_be_one(tmp_path: Path, target: str | None) -> None:
    (tmp_path / "a.csv").write_text(",".join(NAMES) + "\n")
    with pytest.raises(DataError, match="has a header and zero rows of data; at least one is needed"):
        open_data(tmp_path / "a.csv", target=target)


def test_a_line_of_numbers_alone_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0.25,0.5,1\n")
    assert read(tmp_path / "a.csv")[0] == [[0.25, 0.5, 1]]


@pytest.mark.parametrize(("different", "own"), [(1, False), (18, False), (19, True), (20, True)])
def test_words_of_their_own_are_more_than_nine_in_ten(different: int, own: bool) -> None:
    assert Column("key", "word", tuple(f"k{at % different}" for at in range(20))).own == own


def test_thousands_are_groups_that_no_zero_leads() -> None:
    found = [Numbers(thousands=",").value(cell) for cell in ("1,234", "0,123", "1,23", "12,345.5")]
    assert found == [1234, None, None, 12345.5]


def test_several_columns_may_be_the_targets(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,"b,c",red,blue,name\n' + "0.5,1,0,1,p\n0.25,2,1,0,q\n0.125,3,1,0,p\n")
    source = open_data(path, target="red, blue", exclude=["name"])
    assert source.column_names == ("a", "b,c")
    assert "The targets are columns 2 ('red'), 3 ('blue'), one output each." in source.notes
    both = measure(open_data(path, target="red,blue", exclude=["name"], target_kind="classes"))
    assert both.target_encoding == "none"
    assert "(--target-kind classes) is about a single one" in " ".join(both.notes)
    found = measure(source)
    assert (found.output_dim, found.target_encoding) == (2, "none")
    parts = [y for _, y in source.chunks() if y is not None]
    assert np.concatenate(parts).tolist() == [[0, 1], [1, 0], [1, 0]]
    assert open_data(path, target="2,-2", exclude=["name"]).column_names == ("a", "b,c")
    assert read(path, target="b,c", exclude=["name"])[1] == [1, 2, 3], "a name with a comma is one"
    for target, said in {
        "red,bleu": "has no target column 'bleu'; did you mean 'blue'?",
        "red,name": "column 4 ('name') is one of 2 targets and holds no numbers; name one column of classes",
        "rot,blau": "has no target column 'rot,blau' and there is no such file",
    }.items():
        with pytest.raises(DataError) as caught:
            open_data(path, target=target)
        assert said in str(caught.value)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_no_line_end_is_lost_where_blocks_part_it(end: str, encoding: str, tmp_path: Path) -> None:
    lines = [f"{'é' * (i % 4)}{i},x" for i in range(20)]
    path = tmp_path / "lines.txt"
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    for size in range(8, 40):
        found = list(Records(path, None, Writing(encoding, True, OPTIONS)).blocks(size))
        assert b"".join(block for _, block in found).decode().splitlines() == lines
        assert found[-1][0] + found[-1][1].count(b"\n") == 21


def test_labels_of_many_digits_stay_apart(tmp_path: Path) -> None:
    """Of 2^53 and the next whole number no float is the second."""
    labels = [str(2**53 + k % 2) for k in range(6)]
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{k},{label}\n" for k, label in enumerate(labels)))
    assert read(tmp_path / "t.csv", target="y")[1] == labels


@pytest.mark.parametrize("rows", [3, 500])
def test_a_plain_number_among_those_in_percent_is_none(tmp_path: Path, rows: int) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "5 %,1\n" * rows + "0,2\n7,3\n")
    said = "numbers in percent beside others" if rows < 400 else f"line {rows + 3}, .*'7' is not in percent"
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n" + "5 %,1\n" * rows + "0,2\n")
    assert read(tmp_path / "t.csv")[0][-2:] == [[0.05, 1], [0, 2]]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a,b,y\n<0.1,2,u\n0.3,4,v\n0.5,6,u\n0.7,8,v\n", "line 2, column 0 .*'<0.1' is not a number"),
        ("a,b,y\n" + '1,"[0, 10)",u\n2,"(0, 10]",v\n' * 3, "holds text such as"),
        ("a,b,y\n" + '1,"[0, 10]",u\n2,"[0, 1]",v\n' * 200 + '3,"[1]",u\n', r"line 402.*no list of as many"),
        ("a,b,y\n" + "1,2,1 2 3 4 5\n" * 3, "lists of 5 numbers, which is no target"),
    ],
    ids=["a mistake in the first row", "intervals", "a short list", "lists as targets"],
)
def test_what_may_be_taken_for_something_else_is_refused(tmp_path: Path, written: str, said: str) -> None:
    """The first row for a line of units, intervals for lists."""
    (tmp_path / "t.csv").write_text(written)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.csv", target="y")


@pytest.mark.parametrize(
    "written",
    ["{0} {1} {2} {3} {4} {5}", "[{0}, {1}, {2}, {3}, {4}, {5}]", "({0}. {1}. {2}. {3}. {4}. {5}.)"],
)
def test_lists_of_numbers_are_inputs_each(tmp_path: Path, written: str) -> None:
    """Of three digits all, which are no number with blanks between thousands; one cell is missing."""
    lists = [[100 + (k * place) % 899 for place in range(6)] for k in range(1, 500)]
    cells = [f'{k},"{written.format(*row)}",{"uv"[k % 2]}' for k, row in enumerate(lists)]
    cells[7] = '7,,"v"'
    (tmp_path / "t.csv").write_text("a,pixels,y\n" + "\n".join(cells))
    features, _, notes = read(tmp_path / "t.csv", target="y")
    assert features == [[k, *row] for k, row in enumerate(lists) if k != 7]
    assert "Column 1 ('pixels') holds lists of 6 numbers" in notes
    assert open_data(tmp_path / "t.csv", target="y").column_names == (
        "a",
        *(f"pixels[{k}]" for k in range(6)),
    )
