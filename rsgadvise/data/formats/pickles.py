"""Pickled arrays, such as CIFAR-10 batches and mnist.pkl.gz, read without ever running what is in them.

A pickle is a program. Here its opcodes are first checked against a short list, and the few names that an
array needs resolve to inert stand-ins, so that neither numpy's own reconstruction nor any import runs.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from rsgadvise.data.choose import Archive, contents_archive
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import odd_letters
from rsgadvise.data.packing import Packing, opened, unpacked_name
from rsgadvise.data.stream import Array, RowArray, malformed, numeric_dtype, reading, row_shape

_MAX_BYTES = 1 << 29
_MAX_TUPLES = 20_000
_ENTRIES = re.compile(r"[biuf]\d{1,2}|U\d{1,5}|O\d?", re.ASCII)

_ALLOWED_NAMES = """
    PROTO STOP FRAME MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT
    BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_DICT DICT SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL
    REDUCE NEWOBJ BUILD
"""
_ALLOWED = frozenset(_ALLOWED_NAMES.split())
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def looks_like_pickle(start: bytes) -> bool:
    """The protocol opcode that every pickle since protocol 2 begins with."""
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5


class _Inert:
    """Base of the stand-ins: no attribute of them can be set from a pickle."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError("the pickle changes something that is not an array")


def _native(descr: object) -> np.dtype[Any]:
    text = descr.decode("latin1") if isinstance(descr, bytes) else descr
    if not isinstance(text, str) or not _ENTRIES.fullmatch(text):
        raise pickle.UnpicklingError(f"the pickle holds an array of type {text!r}, not of numbers or text")
    return np.dtype(text)


class _Dtype:
    """Stands in for numpy.dtype."""

    __slots__ = ("value",)

    def __init__(self, descr: object) -> None:
        self.value = _native(descr)

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in {"<", ">", "|", "="}:
            raise pickle.UnpicklingError(f"the pickle holds an array of byte order {order!r}")
        self.value = np.dtype(order.replace("=", "|") + self.value.str[1:])


class _PickledArray:
    """Stands in for numpy.ndarray while its state is put together and checked."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _assemble(shape, dtype, "F" if fortran else "C", data)


def _assemble(shape: Any, dtype: Any, order: str, data: Any) -> Array:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("the pickle holds an array without a type")
    if not all(isinstance(size, int) and size >= 0 for size in shape) or len(shape) > 8:
        raise pickle.UnpicklingError(f"the pickle holds an array of shape {str(shape)[:60]}")
    if dtype.value.kind == "O" or not isinstance(data, bytes | bytearray):
        if not isinstance(data, list) or len(data) != math.prod(shape):
            raise pickle.UnpicklingError("the pickle holds an array of objects without its objects")
        if not all(entry is None or isinstance(entry, int | float | str) for entry in data):
            raise pickle.UnpicklingError("the pickle holds an array of objects that are no numbers or words")
        array = _flat(data)
        array = np.array(data, object) if array is None else array
        return array.reshape(shape)  # listed row by row, whatever the order
    if math.prod(shape) * dtype.value.itemsize != len(data):
        raise pickle.UnpicklingError(f"an array of shape {shape} does not fit its {len(data)} bytes")
    flat = np.frombuffer(data, dtype=dtype.value)
    if dtype.value.kind == "U" and odd_letters(flat):
        raise pickle.UnpicklingError("the pickle holds an array of text with letters that there are not")
    return flat.reshape(shape, order="F" if order == "F" else "C")


class _NewArray(_Inert):
    def __call__(self, *arguments: object) -> _PickledArray:
        return _PickledArray()


class _NewDtype(_Inert):
    def __call__(self, descr: object, *arguments: object) -> _Dtype:
        return _Dtype(descr)


class _FromBuffer(_Inert):
    def __call__(self, data: Any, dtype: Any, shape: Any, order: Any) -> _PickledArray:
        array = _PickledArray()
        array.value = _assemble(shape, dtype, order, data)
        return array


class _Scalar(_Inert):
    def __call__(self, dtype: Any, data: Any) -> object:
        return _assemble((1,), dtype, "C", data)[0].item()


class _Encode(_Inert):
    """Python 3 writes bytes into protocol 2 as text to be encoded in latin1."""

    def __call__(self, text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding not in {"latin1", b"latin1"}:
            raise pickle.UnpicklingError("the pickle encodes text in a way that arrays do not")
        return text.encode("latin1")


class _Bunch(dict[Any, Any]):
    """A dictionary as scikit-learn returns data in; the only class of which a pickle makes an object."""

    def __setstate__(self, state: object) -> None:
        """Nothing of it is an array."""


_STAND_INS = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _NewArray for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _FromBuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _Inert,
    ("numpy", "dtype"): _NewDtype,
    ("_codecs", "encode"): _Encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if global_name == "Bunch" and module_name.startswith("sklearn.utils"):
            return _Bunch
        stand_in = _STAND_INS.get((module_name, global_name))
        if stand_in is None and module_name.partition(".")[0] == "pandas":
            raise pickle.UnpicklingError("it holds a table of pandas, whose own code would have to run")
        if stand_in is None:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module_name}.{global_name}, which arrays and labels do not need and"
                " which could run code"
            )
        return stand_in()


def _check_opcodes(data: bytes) -> None:
    """Refuse opcodes that data does not need, absurd memo slots and deep tuples.

    Unpickling fills the memo up to its largest slot, and hashing a deep tuple recurses without a guard.
    """
    tuples = end = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
        if opcode.name not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"the pickle uses {opcode.name}, which arrays and labels do not need"
            )
        if opcode.name in _PUTS and not (isinstance(argument, int) and 0 <= argument <= 2 * count + 1000):
            raise pickle.UnpicklingError(f"the pickle claims memo slot {argument} after {count} steps")
        tuples = tuples + 1 if opcode.name in {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"} else tuples
        if tuples > _MAX_TUPLES:
            raise pickle.UnpicklingError(f"the pickle builds more than {_MAX_TUPLES} tuples")
        end = (position or 0) + 1
    if end != len(data):
        raise pickle.UnpicklingError(f"{len(data) - end} bytes follow the end of the pickle")


def _load(path: Path, packing: Packing | None) -> object:
    with opened(path, packing) as stream:
        data = _all(str(path), stream)
    if b"joblib.numpy_pickle" in data[:4096]:
        raise malformed(path, "is a joblib file, which is not read; save its arrays with numpy.savez")
    try:
        return safe_load(data)
    except pickle.UnpicklingError as error:
        fix = "save the table with to_parquet or to_csv" if "of pandas" in str(error) else "store it as npz"
        raise malformed(path, f"is not a safe pickle of arrays: {error}; {fix}") from error


def _all(label: str, stream: BinaryIO) -> bytes:
    data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise malformed(
            label,
            f"is a pickle of more than {_MAX_BYTES} bytes, which is the most that is read; store it as npy",
        )
    return data


def safe_load(data: bytes) -> object:
    """What a pickle holds, arrays as `_PickledArray`.

    Raises:
        UnpicklingError: it asks for more than arrays, labels and their like.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of odd escapes in a text that is odd anyway
        _check_opcodes(data)
        return _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()


def unpickled(label: str, data: bytes, shape: tuple[int, ...] | None = None) -> Array:
    """An array of objects, as numpy pickles it: of numbers, words and None.

    Raises:
        DataError: it holds anything else, or is not of that shape.
    """
    load = f"numpy.load({label.partition(': ')[0]!r}, allow_pickle=True)"
    try:
        loaded = safe_load(data)
        array = loaded.value if isinstance(loaded, _PickledArray) else None
        if array is not None and shape in (None, array.shape):
            return array
        reason = "the pickle holds no array of the shape that its header claims"
    except pickle.UnpicklingError as error:
        reason = str(error)
    fix = "store numbers or words alone, by astype(float) or astype(str)"
    if shape == () and not label.endswith("'"):
        fix = f"store its arrays: numpy.savez('arrays.npz', **{load}.item())"
    raise malformed(label, f"holds objects: {reason}; {fix}")


def objects(label: str, stream: BinaryIO, shape: tuple[int, ...]) -> Array:
    """`unpickled`, of a file of numpy from where its header ends."""
    return unpickled(label, _all(label, stream), shape)


def _shape(value: object) -> tuple[int, ...] | None:
    """Of an array, or of a list of labels or rows; None of anything else."""
    if isinstance(value, _PickledArray) and value.value is not None:
        return value.value.shape or None
    array = _listed(value) if isinstance(value, list) else None
    return None if array is None else array.shape


def _listed(values: list[Any]) -> Array | None:
    """A list of numbers, of words or of rows of numbers as an array."""
    if values and all(isinstance(row, list) and len(row) == len(values[0]) for row in values):
        rows = [_flat(row) for row in values]
        return None if any(row is None or row.dtype.kind == "U" for row in rows) else np.array(rows)
    return _flat(values)


def _flat(values: list[Any]) -> Array | None:
    for kind in (int | float, str):
        if values and all(isinstance(value, kind) for value in values):
            return np.array(values)
    return None


def _in_memory(label: str, value: object, *, targets: bool, transposed: bool) -> RowArray:
    if isinstance(value, _PickledArray) and value.value is not None:
        array = value.value
    elif isinstance(value, list) and (listed := _listed(value)) is not None and (targets or listed.ndim == 2):
        array = listed
    else:
        raise malformed(label, "is a list; features are read from arrays of numpy, so store it as one")
    return array_rows(label, array, targets=targets, transposed=transposed)


def array_rows(label: str, array: Array, *, targets: bool, transposed: bool) -> RowArray:
    """An array in memory as a stream of rows."""
    words = targets and array.dtype.kind == "U" and array.ndim == 1
    dtype = array.dtype if words else numeric_dtype(label, array.dtype)
    array = array.T if transposed else array
    rows, columns = row_shape(label, array.shape, targets=targets)
    flat = np.ascontiguousarray(array).reshape(rows, columns)

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // max(1, columns * flat.itemsize))
        return (flat[start : start + step] for start in range(0, rows, step))

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


def pickle_archive(path: Path, packing: Packing | None) -> Archive:
    """The arrays of one pickle: a dictionary of them, pairs of features and targets, or one alone."""

    def rows(name: str, value: object, targets: bool, transposed: bool) -> RowArray:
        with reading(path):
            return _in_memory(f"{path}: array {name!r}", value, targets=targets, transposed=transposed)

    with reading(path):
        archive = contents_archive(path, _load(path, packing), shape=_shape, rows=rows)
    if all(item.shape is None for item in archive.items.values()):
        raise malformed(
            path, "is a pickle without arrays of numbers; store a dict of them, or use numpy.savez"
        )
    return archive


class Pickles(Archives):
    name, words, order, suffixes = "pickle", "pickled arrays", 5, (".pkl", ".pickle")
    packs = True

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return pickle_archive(path, packing)

    def magic(self, start: bytes) -> bool:
        return looks_like_pickle(start)

    def named(self, path: Path, start: bytes) -> bool:
        """Python 2 left to itself writes protocol 0, which starts with nothing of its own."""
        return unpacked_name(path).endswith(self.suffixes)


FORMATS = (Pickles(),)
