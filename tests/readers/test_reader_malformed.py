"""Whatever is wrong with a file is said in one line of DataError, and nothing in it ever runs."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsgadvise.data.formats import binary
from rsgadvise.data.opening import open_data
from rsgadvise.errors import DataError, RsgadviseError


def read_all(path: Path, **options: Any) -> int:
    return sum(len(features) for features, _ in open_data(path, **options).chunks())


def refusal(path: Path, **options: Any) -> str:
    """The message of the refusal, checked to be a single line that names the file."""
    with pytest.raises(DataError) as caught:
        read_all(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def read_or_refused(path: Path, **options: Any) -> None:
    """Whatever is in it."""
    try:
        read_all(path, **options)
    except RsgadviseError as error:
        assert "\n" not in str(error)  # noqa: PT017


def matlab(
    *,
    flags: int = 6,
    shape: tuple[int, ...] = (3, 1),
    name: bytes = b"x",
    kind: int = 9,
    data: bytes = bytes(24),
) -> bytes:
    """One array in a MATLAB 5 file, its entries the tag `kind` and `data`."""
    parts = [(6, struct.pack("<II", flags, 0)), (5, struct.pack(f"<{len(shape)}i", *shape)), (1, name)]
    inside = b"".join(
        struct.pack("<II", k, len(d)) + d + bytes(-len(d) % 8) for k, d in [*parts, (kind, data)]
    )
    return b" " * 124 + b"\x00\x01IM" + struct.pack("<II", 14, len(inside)) + inside


def npy(shape: tuple[int, ...], descr: str = "<f8", data: bytes = b"") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def idx(*shape: int, data: bytes = b"") -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + data


class Trap:
    """Pickles to a call that would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.path),)


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


CASES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.npy", b"", "is empty"),
    "npy: named only": ("a.npy", b"1,2\n3,4\n", "first bytes are of another format"),
    "npy: no header": ("a.npy", b"\x93NUMPY\x01\x00", "complete npy header"),
    "npy: cut header": ("a.npy", npy((2, 2))[:60], "ends inside its header"),
    "npy: version": ("a.npy", b"\x93NUMPY\x09\x00" + bytes(200), "version 9"),
    "npy: truncated": ("a.npy", npy((2, 2), data=bytes(31)), "claims 32 for shape"),
    "npy: trailing": ("a.npy", npy((2, 2), data=bytes(33)), "something else too"),
    "npy: absurd shape": ("a.npy", npy((10**9, 10**9), data=bytes(8)), "claims 8000000000000000000"),
    "npy: huge header": ("a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31), "header of 2147483648"),
    "npy: negative": ("a.npy", npy((-1, 2), data=bytes(16)), "without descr"),
    "npy: zero columns": ("a.npy", npy((2, 0)), "zero columns"),
    "npy: scalar": ("a.npy", npy((), data=bytes(8)), "scalar"),
    "npy: strings": ("a.npy", npy((1, 1), "<U2", bytes(8)), "str64"),
    "npy: objects": ("a.npy", npy((1, 1), "|O", pickle.dumps([1])), "no array of the shape"),
    "npy: bad float": ("a.npy", npy((1, 1), "<f7", bytes(7)), "cannot be read"),
    "npz: not a zip": ("a.npz", b"PK\x03\x04" + bytes(50), "cannot be read"),
    "npz: truncated member": ("a.npz", zipped({"x.npy": npy((2, 2), data=bytes(31))}), "cut short"),
    "idx: truncated": ("a-idx2-ubyte", idx(2, 2, data=bytes(3)), "claims 16"),
    "idx: trailing": ("a-idx2-ubyte", idx(2, 2, data=bytes(5)), "claims 16"),
    "idx: cut header": ("a-idx2-ubyte", b"\0\0\x08\x03\0\0", "IDX header"),
    "idx: zero rows": ("a-idx2-ubyte", idx(0, 2), "zero rows"),
    "idx.gz: truncated": ("a.gz", gzip.compress(idx(9, 9, data=bytes(81)))[:-20], "cannot be read"),
    "idx.gz: short": ("a.gz", gzip.compress(idx(9, 9, data=bytes(80))), "ended before"),
    "idx.gz: trailing": ("a.gz", gzip.compress(idx(9, 9, data=bytes(82))), "goes on after"),
    "idx.gz: impossible": ("a.gz", gzip.compress(idx(60000, 28, 28)), "more than"),
    "gz: other": (
        "a.gz",
        gzip.compress(b"\x01\x02\0\x03"),
        "packed .gzip. with neither .*IDX.* nor .* inside; unpack it first",
    ),
    "gz: garbage": ("a.gz", b"\x1f\x8b" + bytes(40), "cannot be read"),
    "csv: ragged": ("a.csv", b"1,2\n3,4,5\n6,7\n", "line 2"),
    "csv: ragged late": ("a.csv", b"a,b\n1,2\n3\n", "line 3: has 1 columns"),
    "csv: text": ("a.csv", b"a,b\n1,2\n3,x\n", r"line 3, column 1 \('b'\): 'x' is not a number.*--target"),
    "csv: nan": ("a.csv", b"1,2\n3,nan\n5,1_0\n", "line 3, column 1: '1_0' is not a number"),
    "csv: infinite": ("a.csv", b"1,2\n-inf,4\n", "line 2, column 0: '-inf' is not finite"),
    "csv: overflow": ("a.csv", b"1,2\n1e999,4\n", "not finite"),
    "csv: header only": ("a.csv", b"a,b\n", "."),
    "csv: all missing": ("a.csv", b"a,b\n1,?\n?,2\n", "missing cell in each"),
    "csv: blank": ("a.csv", b"\n\n", "only empty lines"),
    "csv: not utf-8": (
        "a.csv",
        "ü,2\n".encode() + b"3,\xff\xfe4\n",
        "line 2: is not UTF-8, as the lines before are",
    ),
    "csv: late bad byte": ("a.csv", b"1,2\n" * 5000 + b"\xff,1\n", "line 5001, column 0: .* is not a number"),
    "csv: NUL": ("a.csv", b"1,2\n3,\x004\n", "take them out: tr"),
    "csv: names": ("a.csv", b"a,b,c\n1,2\n3,4\n", "line 1"),
    "csv: names lower down": ("a.csv", b"\n\na,b,c\n1,2\n3,4\n", "line 3"),
    "mat: named only": ("a.mat", b"hello" * 100, "another format"),
    "mat: no arrays": ("a.mat", b" " * 124 + b"\x00\x01IM", "no numeric array"),
    "mat: long element": (
        "a.mat",
        b" " * 124 + b"\x00\x01IM" + struct.pack("<II", 14, 999),
        "cannot be read",
    ),
    "mat: bad kind": ("a.mat", b" " * 124 + b"\x00\x01IM" + struct.pack("<II", 99, 0), "cannot be read"),
    "mat: entries of no kind": ("a.mat", matlab(kind=0), "'x': cannot be read: .* unknown kind 0"),
    "mat: narrow entries": ("a.mat", matlab(flags=9, data=bytes(24)), "uint8 are stored as float64"),
    "mat: fewer entries": ("a.mat", matlab(shape=(4, 1)), "claims 24 bytes .* shape"),
    "mat: absurd shape": ("a.mat", matlab(shape=(2**31 - 1,) * 2), "more than 200 times"),
    "mat: negative shape": ("a.mat", matlab(shape=(-3, 1)), "claims the shape"),
    "mat: one axis": ("a.mat", matlab(shape=(3,)), "claims the shape"),
    "mat: zero rows": ("a.mat", matlab(shape=(0, 1), data=b""), "zero rows"),
    "mat: sparse and not": ("a.mat", matlab(flags=5), "cannot be read"),
    "mat: long name": ("a.mat", matlab(name=b"x" * 5000), "at most 4096 make sense"),
    "mat: odd name": (
        "a.mat",
        matlab(name=b"\n\x1b") + matlab(name=b"z")[128:] + matlab(name=b"w")[128:],
        r"'\\n\\x1b'",
    ),
    "mat: cut tag": ("a.mat", matlab()[:131], "ends inside an element"),
    "mat: cut array": ("a.mat", matlab()[:-8], "claims 80 bytes and 72 are left"),
    "pickle: list": ("batch", pickle.dumps([1], 2), "is a list"),
    "pickle: escape": ("batch", b"\x80\x02S'\\u'\n.", "without arrays"),
    "pickle: truncated": ("batch", pickle.dumps({"data": np.ones((9, 9))}, 2)[:-9], "."),
    "pickle: trailing": ("batch", pickle.dumps({"data": np.ones((9, 9))}, 2) + b"x", "follow the end"),
    "pickle: objects": ("batch", pickle.dumps({"data": np.array([[{}]])}, 2), "no numbers or words"),
    "pickle: import": ("batch", pickle.dumps({"data": struct.pack}, 2), "struct"),
    "pickle: memo": ("batch", b"\x80\x02}r\xff\xff\xff\x7f.", "memo slot"),
    "pickle: length": ("batch", b"\x80\x04B\xff\xff\xff\x7fabc.", "cannot be read"),
    "pickle: deep list": ("batch", b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b".", "without arrays"),
    "pickle: deep tuple": ("batch", b"\x80\x02}" + b")" + b"\x85" * 2_000_000 + b"Ns.", "tuples"),
    "pickle: no array": ("batch", pickle.dumps({"data": [1, 2]}, 2), "."),
    "unknown": ("a.bin", bytes(range(1, 255)), "unknown format; structured .npy, .npy, .* are read"),
    "unknown text": ("a.yaml", b"network:\n  kind: single_layer\n", "unknown format"),
}


@pytest.mark.parametrize("label", CASES)
def test_refused_in_one_line(tmp_path: Path, label: str) -> None:
    name, data, expected = CASES[label]
    (tmp_path / name).write_bytes(data)
    assert re.search(expected, refusal(tmp_path / name))


def test_no_file_at_all(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.npy")
    assert "is a folder without images" in refusal(tmp_path)
    assert "not a regular file" in refusal(Path("/dev/zero"))
    with pytest.raises(DataError):
        open_data("a\0b")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((2, 2)))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "permission denied" in refusal(path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_never_run(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Trap(trap)}, protocol))
    assert "could run code" in refusal(tmp_path / "batch")
    objects = np.array([[Trap(trap)]], dtype=object)
    np.save(tmp_path / "a.npy", objects)
    refusal(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=objects)
    refusal(tmp_path / "a.npz")
    assert not trap.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cnumpy.core.multiarray\n_reconstruct\n}X\x01\x00\x00\x00aK\x01sb.",  # BUILD on a stand-in
        b"cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
        b"c_codecs\nencode\nX\x02\x00\x00\x00hiX\x05\x00\x00\x00rot13\x86R.",
        b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
        b"\x8c\x0anumpy.core\x8c\x0amultiarray\x93.",
        b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.",
    ],
)
def test_hostile_opcodes(tmp_path: Path, code: bytes) -> None:
    (tmp_path / "batch").write_bytes(b"\x80\x02" + code)
    refusal(tmp_path / "batch")


@pytest.mark.parametrize("keep", [0, 1000, 100_000])
def test_file_that_shrinks_while_read(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((1000, 100)))
    chunks = open_data(path).chunks(max_bytes=8000)
    next(chunks)
    os.truncate(path, keep)
    with pytest.raises(DataError, match="cut short"):
        for _ in chunks:
            pass


def test_file_that_disappears(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((10, 10)))
    source = open_data(path)
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        next(iter(source.chunks()))


def test_target_row_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((5, 2)))
    (tmp_path / "x.csv").write_text("1,2\n" * 5)
    for rows in (4, 6):
        np.save(tmp_path / "y.npy", np.arange(rows))
        with pytest.raises(DataError, match=f"has {rows} rows and the features have 5"):
            open_data(tmp_path / "x.npy", target=str(tmp_path / "y.npy"))
        with pytest.raises(DataError, match=f"{'fewer' if rows == 4 else 'more'} rows than the features"):
            read_all(tmp_path / "x.csv", target="y.npy")
        (tmp_path / "y.csv").write_text("1\n" * rows)
        with pytest.raises(DataError, match=f"{'fewer' if rows == 4 else 'more'} rows than the features"):
            read_all(tmp_path / "x.npy", target="y.csv")


COLUMN_CHOICES: dict[str, dict[str, Any]] = {
    "nothing before it": {"target": "-1"},
    "target before it": {"target": "0"},
    "excluded before it": {"target": "a", "exclude": ["1"]},
    "targets elsewhere": {"target": "y.npy", "exclude": ["a", "b"]},
}


@pytest.mark.parametrize("label", COLUMN_CHOICES)
def test_columns_are_numbered_as_they_are_chosen(tmp_path: Path, label: str) -> None:
    """The number in a message is the one to type after --exclude, whatever else is left out."""
    np.save(tmp_path / "y.npy", np.array([0, 1]))
    path = tmp_path / "a.csv"
    path.write_text("a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    source = open_data(path, **COLUMN_CHOICES[label])
    kept = [source.column_label(index) for index in range(source.input_dim)]
    assert "column 2 ('c')" in kept
    path.write_text("a,b,c,d\n1,2,3,4\n5,6,x,8\n")
    assert "line 3, column 2 ('c'):" in refusal(path, **COLUMN_CHOICES[label])


def test_bombs_that_are_really_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 20)
    rows = 1 << 22
    (tmp_path / "bomb.npz").write_bytes(zipped({"x.npy": npy((rows, 1), "|u1", bytes(rows))}))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(idx(rows, 1, data=bytes(rows))))
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"1,2\n" * rows))
    scipy.io.savemat(tmp_path / "bomb.mat", {"x": np.zeros((rows, 1), np.uint8)}, do_compression=True)
    for name in ("bomb.npz", "bomb.gz", "bomb.csv.gz", "bomb.mat"):
        assert "more than 200 times as many" in refusal(tmp_path / name)


@pytest.mark.parametrize("claim", [(1 << 30) + 1, 1 << 31])
def test_a_zip_that_claims_to_be_a_bomb(tmp_path: Path, claim: int) -> None:
    data = bytearray(zipped({"x.npy": npy((claim, 1), "|u1", bytes(1000))}))
    # The uncompressed size in the central directory.
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", claim + 128)
    (tmp_path / "bomb.npz").write_bytes(bytes(data))
    assert "more than 200 times as many" in refusal(tmp_path / "bomb.npz")


def test_expansion_is_free_below_a_gigabyte(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros((1000, 1000), dtype=np.uint8))
    assert read_all(tmp_path / "zeros.npz") == 1000


def sparse(*, down: tuple[int, ...] = (1,), starts: tuple[int, ...] = (0, 1, 1), claim: int = 8) -> bytes:
    """A sparse array of 3 x 2 in a MATLAB file; its last part claims so many bytes."""
    parts = b""
    for kind, form, numbers in ((5, "i", down), (5, "i", starts), (9, "d", (0.5,))):
        data = struct.pack(f"<{len(numbers)}{form}", *numbers)
        size = claim if form == "d" else len(data)
        parts += struct.pack("<II", kind, size) + data + bytes(-len(data) % 8)
    flags = struct.pack("<IIII", 6, 8, 5, 1) + struct.pack("<IIii", 5, 8, 3, 2)
    return flags + struct.pack("<II", 1, 1) + b"x" + bytes(7) + parts


@pytest.mark.parametrize("packed", [False, True])
def test_sparse_arrays_of_a_mat_file_are_checked(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.mat"

    def written(inside: bytes) -> Path:
        inside = struct.pack("<II", 14, len(inside)) + inside
        if packed:
            data = zlib.compress(inside)
            inside = struct.pack("<II", 15, len(data)) + data
        path.write_bytes(b" " * 124 + b"\x00\x01IM" + inside)
        return path

    features = [block.tolist() for block, _ in open_data(written(sparse())).chunks()]
    assert features == [[[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]]]
    wrongs: list[dict[str, tuple[int, ...]]] = [
        {"down": (3,)},
        {"down": (-1,)},
        {"down": ()},
        {"starts": (0, 1)},
        {"starts": (1, 1, 1)},
        {"starts": (0, 2, 1)},
        {"starts": (0, 1, 2)},
    ]
    for wrong in wrongs:
        places = {"down": (1,), "starts": (0, 1, 1)} | wrong
        inside = sparse(down=places["down"], starts=places["starts"])
        assert re.search("cannot be read", refusal(written(inside)))
    tracemalloc.start()
    assert "that it claims" in refusal(written(sparse(claim=2**32 - 8)))
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_the_checksum_of_a_packed_mat_array_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    entries = np.random.default_rng(0).integers(0, 256, (30_001, 3), dtype=np.uint8)  # padded at their end
    scipy.io.savemat(path, {"x": entries}, do_compression=True)
    assert read_all(path) == 30_001
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "incorrect data check" in refusal(path)


def test_mat_bomb(tmp_path: Path) -> None:
    rows = (1 << 30) // 8 + 1
    header = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, rows, 1)
    header += struct.pack("<II", 1, 1) + b"x" + bytes(7) + struct.pack("<II", 9, rows * 8)
    matrix = zlib.compress(struct.pack("<II", 14, len(header) + rows * 8) + header + bytes(1000))
    data = b" " * 124 + b"\x00\x01IM" + struct.pack("<II", 15, len(matrix)) + matrix
    (tmp_path / "bomb.mat").write_bytes(data)
    assert "more than 200 times as many" in refusal(tmp_path / "bomb.mat")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_arrays_inside_a_mat_file(tmp_path: Path, data: st.DataObject) -> None:
    """Damage below the compression, where checksums do not reach: read, or refused in one line."""
    path, content = tmp_path / "a.mat", {"x": scipy.sparse.eye_array(5, 3, format="csc"), "y": np.arange(5.0)}
    if not path.exists():
        scipy.io.savemat(path, content)
        (tmp_path / "a").write_bytes(path.read_bytes())
    damaged = bytearray((tmp_path / "a").read_bytes())
    numbers = st.sampled_from([0, 1, 2, 3, 5, 6, 9, 255, 0x806, 0x40001, 2**27, 2**31 - 1, 2**31, 2**32 - 1])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(32, len(damaged) // 4 - 1)) * 4
        damaged[place : place + 4] = struct.pack("<I", data.draw(numbers))
    size = int.from_bytes(damaged[132:136], "little")
    if data.draw(st.booleans()):
        packed = zlib.compress(bytes(damaged[128:]))
        damaged[128:] = struct.pack("<II", 15, len(packed)) + packed
    else:
        del damaged[136 + min(size, len(damaged)) :]
    path.write_bytes(bytes(damaged))
    read_or_refused(path)
