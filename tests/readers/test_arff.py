"""ARFF, the tables of Weka, against scipy's reader and against what its rules say."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import arff
from test_reader_formats import collect
from test_reader_malformed import refusal

from rsgadvise.data.dialect import TableOptions
from rsgadvise.data.formats import binary
from rsgadvise.data.opening import open_data
from rsgadvise.errors import UsageError

HEADER = "@relation t\n@attribute a numeric\n@attribute b real\n@attribute y {no,yes}\n@data\n"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


ROWS: dict[str, tuple[str, list[list[float]], list[str]]] = {
    "plain": ("0.5,1,no\n1.5,2e3,yes\n", [[0.5, 1], [1.5, 2000]], ["no", "yes"]),
    "blanks": (" 0.5 ,\t1 , no \n", [[0.5, 1]], ["no"]),
    "no commas": ("0.5 1\tno\n1.5   2 'yes' % b\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "crlf": ("0.5,1,no\r\n1.5,2,'yes'\r\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "comments": ("% a,b\n0.5,1,no\n  % it's \"so\n1.5,2,yes % why\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "missing": ("?,1,no\n0.5,?,yes\n1,2,?\n1,3,yes\n", [[1, 3]], ["yes"]),
    "quotes": ("0.5,1,'no'\n1.5,2,'yes'\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "double quotes": ("0.5,1,\"no\"\n1.5,2,'yes'\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "sparse": (
        "{0 0.5, 2 yes}\n{1 2}\n{}\n{2 'yes' , 0 1}\n",
        [[0.5, 0], [0, 2], [0, 0], [1, 0]],
        ["yes", "no", "no", "yes"],
    ),
    "sparse and missing": ("{0 ?}\n{1 2,2 ?}\n{ 1 3 } % c\n", [[0, 3]], ["no"]),
    "sparse and dense": ("0.5,1,no\n{0 1}\n", [[0.5, 1], [1, 0]], ["no", "no"]),
    "no last line end": ("0.5,1,no\n1.5,2,yes", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
    "blank lines": ("\n\n0.5,1,no\n\n1.5,2,yes\n\n", [[0.5, 1], [1.5, 2]], ["no", "yes"]),
}


@pytest.mark.parametrize("label", ROWS)
@pytest.mark.parametrize("max_bytes", [1, 1 << 21])
def test_rows(tmp_path: Path, label: str, max_bytes: int) -> None:
    rows, expected, targets = ROWS[label]
    text = (HEADER + rows).encode()
    for path in (written(tmp_path / "a.arff", text), written(tmp_path / "a.arff.gz", gzip.compress(text))):
        source = open_data(path, target="y")
        assert source.format == "arff"
        assert source.column_names == ("a", "b")
        for _ in range(2):
            features, found = collect(source, max_bytes)
            assert features.tolist() == expected
            assert found[:, 0].tolist() == targets
    assert source.rows_skipped == (3 if label == "missing" else 2 if label == "sparse and missing" else 0)


def test_headers(tmp_path: Path) -> None:
    text = (
        "\ufeff% Title: it's 5\" wide\n\n@RELATION 'a b'\n"
        "@Attribute 'the \\'first\\' one' NUMERIC\n"
        '@ATTRIBUTE "second, one" Integer % counted\n'
        "@attribute third{'a, b' , \"it's\",c\\d, 'e\\'f'}\n"
        "@attribute day date 'yyyy-MM-dd'\n"
        "@attribute\tnote string\n"
        "  @DATA % rows\n"
        "1,2,'a, b','2020-01-02','x y'\n"
        "3,4,\"it's\",'2020-01-03',''\n"
        "5,6,c\\d,?,?\n"
        "7,8,'e\\'f','2020-01-03','x y'\n"
    )
    path = written(tmp_path / "named.otherwise", text)
    source = open_data(path, target="third", exclude=["note"])
    assert source.column_names == ("the 'first' one", "second, one")
    assert any("Left out by itself, dates: column 3 ('day')" in note for note in source.notes)
    features, targets = collect(source)
    assert features.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert targets[:, 0].tolist() == ["a, b", "it's", "c\\d", "e'f"]
    source = open_data(path, exclude=["note"], categories="one_hot")
    names = ("the 'first' one", "second, one", "third=a, b", "third=it's", "third=c\\d", "third=e'f")
    assert source.column_names == names
    assert collect(source)[0][:, 2:].tolist() == np.eye(4).tolist()


def test_words_are_those_of_the_header(tmp_path: Path) -> None:
    """Parts of one table have the same inputs, whatever words are in them."""
    header = "@relation t\n@attribute a numeric\n@attribute c {red,green,blue}\n@data\n"
    path = written(tmp_path / "a.arff", header + "1,blue\n2,red\n")
    assert "--categories one_hot makes an input of every word" in refusal(path)
    source = open_data(path, categories="one_hot")
    assert source.column_names == ("a", "c=red", "c=green", "c=blue")
    assert collect(source)[0].tolist() == [[1, 0, 0, 1], [2, 1, 0, 0]]
    for row in ("3,purple", "3,'purple'", "{0 3, 1 purple}"):
        path = written(tmp_path / "a.arff", header + "1,blue\n% no\n" + row + "\n")
        for options in ({"categories": "one_hot"}, {"target": "c"}):
            message = refusal(path, **options)
            assert "line 7, column 1 ('c'): 'purple' is none of its words, red, green, blue" in message
    path = written(tmp_path / "b.arff", HEADER.replace("no,yes", "NA,yes") + "1,2,NA\n1,2,yes\n")
    source = open_data(path, target="y")
    assert "The word 'NA' of attribute 'y' counts as a missing cell." in source.notes
    assert len(collect(source)[0]) == 1
    path = written(tmp_path / "b.arff", HEADER.replace("no,yes", "' no','yes '") + "1,2,' no'\n1,2,'yes '\n")
    _, targets = collect(open_data(path, target="y"))
    assert targets[:, 0].tolist() == ["no", "yes"]
    numbers = written(tmp_path / "c.arff", HEADER.replace("no,yes", "0,1") + "1,2,0\n1,2,1\n")
    _, targets = collect(open_data(numbers, target="-1"))
    assert targets[:, 0].tolist() == ["0", "1"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(["u", "v", "w"])
        ),
        min_size=1,
        max_size=20,
    ),
    max_bytes=st.integers(1, 400),
)
def test_as_scipy_reads_it(tmp_path: Path, rows: list[tuple[float, str]], max_bytes: int) -> None:
    text = "@relation t\n@attribute a numeric\n@attribute c {u,v,w}\n@data\n"
    text += "".join(f"{number!r},{word}\n" for number, word in rows)
    features, targets = collect(open_data(written(tmp_path / "a.arff", text), target="c"), max_bytes)
    expected, _ = arff.loadarff(io.StringIO(text))
    np.testing.assert_allclose(features[:, 0], expected["a"], rtol=1e-12)
    assert targets[:, 0].tolist() == [word.decode() for word in expected["c"]]


def test_many_rows_and_long_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end within the header, and rows of every kind in blocks of their own."""
    monkeypatch.setattr("rsgadvise.data.formats.tables.BLOCK_BYTES", 100)
    rng = np.random.default_rng(2)
    values = rng.integers(1, 9, (500, 2))
    text = "% comment\n" * 50 + HEADER
    for at, (a, b) in enumerate(values):
        text += [f"{a},{b},no\n", f"{a},{b},'no'\n", f"{{1 {b},0 {a}}}\n", f"{a},{b},no % c\n"][at // 50 % 4]
    features, _ = collect(open_data(written(tmp_path / "a.arff", text), target="y"))
    assert (features == values).all()
    path = written(tmp_path / "b.arff", text + "1,2\n")
    assert f"line {50 + 5 + 500 + 1}: has 2 columns where" in refusal(path, target="y")
    monkeypatch.setattr("rsgadvise.data.formats.tables.BLOCK_BYTES", 1100)
    path = written(tmp_path / "c.arff", HEADER + "{}\n" * 310 + "{0 x}\n")
    assert f"line {5 + 310 + 1}, column 0 ('a'): 'x' is not a number" in refusal(path, target="y")


def test_a_sparse_file_that_stands_for_far_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 16)
    text = "@relation t\n" + "".join(f"@attribute w{at} numeric\n" for at in range(1000)) + "@data\n"
    path = written(tmp_path / "a.arff", text + "{}\n" * 10_000)
    assert "more than 200 times as many" in refusal(path)


def test_files_of_targets(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    written(tmp_path / "y.arff", "@relation t\n@attribute y {no,yes}\n@data\nyes\n'no'\n")
    _, targets = collect(open_data(tmp_path / "x.npy", target="y.arff"))
    assert targets[:, 0].tolist() == ["yes", "no"]


WRONG: dict[str, tuple[str | bytes, str]] = {
    "no rows": (HEADER, "zero rows of data"),
    "only comments": (HEADER + "% 1,2,no\n", "zero rows of data"),
    "no attributes": ("@relation t\n@data\n1,2\n", "line 2: no @attribute comes before @data"),
    "rows in the header": ("@relation t\n@attribute a real\n1\n@data\n", "line 3: '1' is neither @relation"),
    "no type": (HEADER.replace("b real", "b"), "line 3: attribute 'b' is of type ''; numeric, real"),
    "open braces": (HEADER.replace("yes}", "yes") + "1,2,no\n", "line 4: attribute 'y' is of type '{no,yes'"),
    "no words": (
        HEADER.replace("no,yes", "") + "1,2,no\n",
        "line 4: the words .* of 'y' cannot be told apart",
    ),
    "open name": (HEADER.replace("b real", "'b real"), "line 3: .* is no attribute such as"),
    "few values": (HEADER + "1,2,no\n1,2\n", "line 7: has 2 columns where most rows have 3"),
    "many values": (HEADER + "1,2,no\n1,2,no,3\n", "line 7: has 4 columns"),
    "text": (HEADER + "1,2,no\n1,x,no\n", r"line 7, column 1 \('b'\): 'x' is not a number"),
    "infinite": (HEADER + "1,1e999,no\n", r"line 6, column 1 \('b'\): '1e999' is not finite"),
    "all missing": (HEADER + "?,2,no\n1,?,no\n", "missing cell in each of its 2 rows"),
    "sparse: open": (HEADER + "{0 1\n", "line 6: '{0 1' is no sparse row"),
    "sparse: no value": (HEADER + "{0}\n", "line 6: '.0.' is no sparse row"),
    "sparse: a name": (HEADER + "{a 1}\n", "is no sparse row"),
    "sparse: too far": (
        HEADER + "1,2,no\n{3 1}\n",
        "line 7: has an entry for attribute 3, counted from 0, and the",
    ),
    "sparse: weight": (HEADER + "{0 1}, {5}\n", "is no sparse row"),
    "binary": (HEADER.encode() + b"1,2,no\n\xff\xfe\0\0\n", "."),
    "other bytes": (b"\x00\x01\x02" * 50, "first bytes are of another format"),
    "not a header": ("a,b\n1,2\n", "line 1: 'a,b' is neither @relation"),
}


@pytest.mark.parametrize("label", WRONG)
def test_refused_in_one_line(tmp_path: Path, label: str) -> None:
    text, expected = WRONG[label]
    message = refusal(written(tmp_path / "a.arff", text), target="-1")
    assert re.search(expected, message)


def test_options_of_tables(tmp_path: Path) -> None:
    path = written(tmp_path / "a.arff", HEADER + "1,-9,no\n1,2,yes\n")
    assert len(collect(open_data(path, target="y", table=TableOptions(missing=("-9",))))[0]) == 1
    with pytest.raises(UsageError, match=r"got separator for a arff file"):
        open_data(path, table=TableOptions(separator=";"))


def test_letters_of_other_languages(tmp_path: Path) -> None:
    text = HEADER.replace("no,yes", "n\u00e3o,sim") + "1,2,n\u00e3o\n3,4,'sim'\n"
    for encoding in ("utf-8", "latin-1", "utf-16"):
        options: dict[str, Any] = {"table": TableOptions(encoding=encoding)} if encoding == "utf-16" else {}
        source = open_data(written(tmp_path / "a.arff", text.encode(encoding)), target="y", **options)
        _, targets = collect(source)
        assert targets[:, 0].tolist() == ["n\u00e3o", "sim"]
