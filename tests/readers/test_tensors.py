"""Tensors that torch and safetensors saved, with both libraries as the oracle."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_reader_formats import collect
from test_reader_malformed import Trap, refusal, zipped

from rsgadvise.data.opening import open_data
from rsgadvise.errors import RsgadviseError

RNG = np.random.default_rng(9)
X = RNG.random((40, 6), dtype=np.float32)
Y = np.arange(40) % 4


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(kind: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def torch_library() -> Any:
    return pytest.importorskip(
        "torch", reason="torch is not installed: pip install 'rsgadvise[integrations]'"
    )


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_safetensors_against_its_library(tmp_path: Path, kind: str) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    array = (RNG.random((11, 3, 4)) * 100).astype(kind)
    path = tmp_path / "a.safetensors"
    library.save_file({"x": array, "labels": np.arange(11), "other": X}, path, metadata={"a": "b"})
    for max_bytes in (1, 100, 1 << 21):
        source = open_data(path)
        features, targets = collect(source, max_bytes)
        assert source.format == "safetensors"
        assert features.dtype == source.dtype == array.dtype
        assert (features == array.reshape(11, 12)).all()
        assert (targets[:, 0] == np.arange(11)).all()
    assert (collect(open_data(path, array="other"))[0] == X).all()


def test_upper_halves_are_widened(tmp_path: Path) -> None:
    """Numbers that bfloat16 holds come back as they were."""
    array = np.array([[1.0, -0.5, 3.140625], [2.0**90, 0.0, -2.0]], np.float32)
    halves = (array.view(np.uint32) >> 16).astype("<u2")
    path = tmp_path / "a.bin"
    path.write_bytes(safetensors({"x": entry("BF16", [2, 3], 0, 12)}, halves.tobytes()))
    source = open_data(path)
    for max_bytes in (1, 1 << 21):
        features, _ = collect(source, max_bytes)
        assert features.dtype == source.dtype == np.float32
        assert (features == array).all()
    torch = torch_library()
    torch.save(torch.tensor(array).bfloat16(), tmp_path / "a.pt")
    assert (collect(open_data(tmp_path / "a.pt"))[0] == features).all()


def test_blocks_of_a_large_file_are_small(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    array = RNG.integers(0, 1 << 16, (1 << 12, 256)).astype("<u2")
    for kind in ("U16", "BF16"):
        header = {"x": entry(kind, [1 << 12, 256], 0, array.nbytes)}
        path.write_bytes(safetensors(header, array.tobytes()))
        assert path.stat().st_size > 1 << 20  # mapped
        sizes = {block.nbytes for block, _ in open_data(path).chunks(max_bytes=1 << 16)}
        assert max(sizes) <= 1 << 16


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "short": (b"abc", "claims a header of 6513249 bytes|ends inside its header"),
    "long header": (struct.pack("<Q", 1 << 40) + b"{}", "claims a header of 1099511627776 bytes; at most"),
    "cut header": (safetensors({"x": entry("F32", [1, 1], 0, 4)})[:20], "ends inside its header"),
    "no json": (safetensors(b"{]"), "cannot be read: Expecting property name"),
    "no object": (safetensors(b"[1]"), "no JSON object"),
    "twice": (safetensors(b'{"x": 1, "x": 2}'), "a name comes twice"),
    "deep": (safetensors(b'{"x":' + b"[" * 100_000), "cannot be read"),
    "no entry": (safetensors({"x": [1]}), "'x': needs dtype, shape and data_offsets"),
    "no offsets": (safetensors({"x": {"dtype": "F32", "shape": [1]}}), "needs dtype"),
    "kind of list": (safetensors({"x": {**entry("F32", [1], 0, 4), "dtype": []}}, b"abcd"), "of type"),
    "negative": (safetensors({"x": entry("F32", [-1, -1], 0, 4)}, b"abcd"), r"claims the shape \[-1, -1\]"),
    "a fraction": (safetensors({"x": {**entry("F32", [1], 0, 4), "shape": [1.0]}}, b"abcd"), "the shape"),
    "backwards": (safetensors({"x": entry("F32", [1, 1], 4, 0)}, b"abcd"), "claims -4 bytes"),
    "size": (safetensors({"x": entry("F32", [2, 1], 0, 4)}, b"abcd"), "claims 4 bytes for F32 of shape"),
    "absurd": (safetensors({"x": entry("U8", [2**40, 2**40], 0, 2**80)}, b"abcd"), "0 to 4 are left"),
    "cut": (safetensors({"x": entry("F32", [2, 1], 0, 8)}, b"abcd"), "claims the bytes 0 to 8, where 0 to 4"),
    "overlap": (
        safetensors({"x": entry("F32", [1, 1], 0, 4), "y": entry("U8", [4], 2, 6)}, b"abcdef"),
        "'y' claims the bytes 2 to 6, where 4 to 6 are left",
    ),
    "hole": (safetensors({"x": entry("F32", [1, 1], 4, 8)}, bytes(8)), "claims the bytes 4 to 8"),
    "more": (safetensors({"x": entry("F32", [1, 1], 0, 4)}, bytes(9)), "goes on for 5 bytes"),
    "zero rows": (safetensors({"x": entry("F32", [0, 3], 0, 0)}), "zero rows"),
    "one axis": (safetensors({"x": entry("F32", [1], 0, 4)}, bytes(4)), "one-dimensional"),
}


@pytest.mark.parametrize("label", WRONG)
def test_wrong_safetensors(tmp_path: Path, label: str) -> None:
    content, expected = WRONG[label]
    (tmp_path / "a.safetensors").write_bytes(content)
    assert re.search(expected, refusal(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("held", ["dictionary", "pair", "list", "one", "parameter"])
def test_torch(tmp_path: Path, held: str, legacy: bool) -> None:
    torch = torch_library()
    x, y = torch.tensor(X), torch.tensor(Y)
    content: Any = {
        "dictionary": {"x": x, "y": y},
        "pair": (x, y),
        "list": [x, y],
        "one": x,
        "parameter": torch.nn.Parameter(x),
    }[held]
    path = tmp_path / "a.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    for max_bytes in (1, 100, 1 << 21):
        source = open_data(path)
        features, targets = collect(source, max_bytes)
        assert source.format == "pt"
        assert features.dtype == source.dtype == np.float32
        assert (features == X).all()
        if held in {"one", "parameter"}:
            assert targets is None
        else:
            assert (targets[:, 0] == Y).all()
        assert source.notes == (
            ("Of the pair of arrays, of 40 rows each, the second was taken as the targets.",)
            if held in {"pair", "list"}
            else ()
        )


def test_torch_in_other_layouts(tmp_path: Path) -> None:
    """Transposed, expanded, with more axes and of few bits."""
    torch = torch_library()
    images = torch.arange(48, dtype=torch.uint8).reshape(4, 3, 2, 2).permute(0, 3, 1, 2)
    path = tmp_path / "a.pth"
    for tensor in (torch.tensor(X).T, images, torch.ones(1, 3).expand(50, 3), torch.tensor(X) > 0.5):
        torch.save({"data": tensor, "labels": torch.arange(len(tensor))}, path)
        features, targets = collect(open_data(path), 40)
        assert (features == tensor.numpy().reshape(len(tensor), -1)).all()
        assert targets[:, 0].tolist() == list(range(len(tensor)))
    np.save(tmp_path / "x.npy", X)
    torch.save(torch.tensor(Y), tmp_path / "y.pt")
    _, targets = collect(open_data(tmp_path / "x.npy", target="y.pt"))
    assert (targets[:, 0] == Y).all()


def test_torch_refused(tmp_path: Path) -> None:
    torch = torch_library()
    x = torch.tensor(X)
    path, trap = tmp_path / "a.pt", tmp_path / "trap"
    cases: dict[str, Any] = {
        "tensors (torch.utils.data.dataset.TensorDataset), which could run code": (
            torch.utils.data.TensorDataset(x, x)
        ),
        "tensors (torch.nn.modules.linear.Linear)": torch.nn.Linear(2, 2),
        "_reconstruct), which could run code, or is damaged; save the tensors alone: torch.save({'x': x": X,
        "mkdir), which could run code": Trap(trap),
        "holds no tensor at its top": {"model": {"x": x}},
        "holds weight (2, 2), bias (2,) and none is called x": torch.nn.Linear(2, 2).state_dict(),
        "holds fc_weight (2, 6), fc_bias (2,) and none": {"fc_weight": x[:2], "fc_bias": x[:2, 0]},
        "torch.sparse.FloatTensor; only dense tensors": x.to_sparse(),
        "ComplexFloatTensor; only dense": x * 1j,
        "is of type torch.meta.FloatTensor; only dense": torch.empty(3, 3, device="meta"),
        "one-dimensional": x[:, 0].clone(),
        "zero rows": x[:0].clone(),
        "more than 200 times as many": torch.zeros(1, 2).expand(1 << 28, 2),
    }
    for legacy in (False, True):
        for message, content in cases.items():
            torch.save(content, path, _use_new_zipfile_serialization=not legacy)
            assert message in refusal(path), legacy
    assert not trap.exists()
    path.write_bytes(zipped({"a/data.pkl": b"\x80\x02}.", "a/version": b"3\n"}))
    refusal(path)
    path.write_bytes(b"1,2\n3,4\n")
    assert "first bytes are of another format" in refusal(path)


def test_torch_cut_short(tmp_path: Path) -> None:
    torch = torch_library()
    path = tmp_path / "a.pt"
    torch.save({"x": torch.tensor(X)}, path)
    content = path.read_bytes()
    for length in (10, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        refusal(path)
    path.write_bytes(content)
    chunks = open_data(path).chunks(max_bytes=24)
    next(chunks)
    path.write_bytes(content[:100])
    with pytest.raises(RsgadviseError, match="no longer as long as"):
        next(chunks)
