"""HDF5 datasets, through the optional h5py, and MATLAB 7.3: HDF5 after a header of 512 bytes, axes reversed.

Source: MathWorks, "MAT-File Versions", and what the attributes MATLAB_class and MATLAB_sparse say.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.choose import Archive, Item, choose_features
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import FORTRAN_BLOCK_BYTES, check_expansion
from rsgadvise.data.formats.pickles import safe_load, unpickled
from rsgadvise.data.formats.sparse import by_columns, sparse_rows
from rsgadvise.data.formats.structured import Records, layout_of_records
from rsgadvise.data.formats.tables import Layout, LineTables
from rsgadvise.data.packing import Packing
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import (
    Array,
    RowArray,
    malformed,
    numeric_dtype,
    optional,
    reading,
    row_shape,
    word_rows,
)
from rsgadvise.data.words import Words
from rsgadvise.errors import DataError, MissingExtraError

_BOOL, _DEEPEST = np.dtype(bool), 8
_NUMBERS = {"double", "single", "logical", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}


def hdf5_archive(path: Path) -> Archive:
    """The datasets of one HDF5 file; those inside groups go by their path."""
    h5py = optional("h5py", path, "HDF5 files need h5py", extra="hdf5")
    numeric: dict[str, Item] = {}
    others: dict[str, Item] = {}
    texts: dict[str, Item] = {}

    def rows(name: str, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: dataset {name!r}"
        with reading(path), h5py.File(path, "r") as file:
            if targets and h5py.check_string_dtype(file[name].dtype):
                return word_rows(label, [word.decode() for word in _whole(label, file[name]).tolist()])
            return dataset_rows(path, label, file[name], targets=targets, transposed=transposed)

    def note(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.dtype.kind in "biufc":
            numeric[name] = Item(tuple(item.shape or ()), partial(rows, name))
        else:
            what = "text" if item.dtype.kind in "OSU" else "no numbers"
            others[name] = Item(None, partial(rows, name), what)
            if item.ndim == 1 and h5py.check_string_dtype(item.dtype):
                texts[name] = Item(tuple(item.shape), partial(rows, name), "text ")

    with reading(path), h5py.File(path, "r") as file:
        # Soft and external links are not followed: they may lead out of the file.
        file.visititems(note)
    if not numeric:
        raise malformed(path, "holds no dataset of numbers; store the features as one")
    # Words may be labels where there is one for each row of an array.
    lengths = {item.shape[:1] for item in numeric.values() if item.shape}
    return Archive(path, numeric | others | {n: item for n, item in texts.items() if item.shape in lengths})


def dataset_rows(path: Path, label: str, dataset: Any, *, targets: bool, transposed: bool) -> RowArray:
    """One open dataset as a stream of rows; `transposed` with its axes in the opposite order."""
    dtype = numeric_dtype(label, dataset.dtype)
    shape = tuple(dataset.shape or ())
    rows, columns = row_shape(label, shape[::-1] if transposed else shape, targets=targets)
    _check_place(label, dataset)
    name, opened = dataset.name, type(dataset.file)

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // (columns * dtype.itemsize))
        # Across its rows a dataset is slow to read, so that more is taken at a time.
        wide = max(step, FORTRAN_BLOCK_BYTES // (columns * dtype.itemsize)) if transposed else step
        with reading(path), opened(path, "r") as file:
            dataset = file[name]
            for start in range(0, rows, wide):
                block = dataset[..., start : start + wide].T if transposed else dataset[start : start + wide]
                for first in range(0, len(block), step):
                    piece = np.ascontiguousarray(block[first : first + step])
                    yield piece.reshape(len(piece), columns)

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


def mat73_archive(path: Path) -> Archive:
    """The arrays of one file of MATLAB 7.3; what its cells hold lies in a group that is none of them."""
    h5py = optional("h5py", path, "MATLAB 7.3 files are HDF5, which needs h5py", extra="hdf5")

    def items_of(group: Any, inside: tuple[str, ...]) -> Iterator[tuple[str, Item]]:
        """What is in a group; that in a struct goes by the names of both."""
        for own in group:
            # Soft and external links are not followed: they may lead out of the file.
            if own.startswith("#") or not isinstance(group.get(own, getlink=True), h5py.HardLink):
                continue
            item, place = group[own], (*inside, own)
            struct = isinstance(item, h5py.Group) and _class(item) == "struct"
            if struct and len(item) and len(place) < _DEEPEST:
                yield from items_of(item, place)
            else:
                yield ".".join(place), item_of("/".join(place), item)

    def item_of(name: str, item: Any) -> Item:
        """What something is, with its shape as MATLAB has it where it is an array of numbers."""
        kind = _class(item)
        if isinstance(item, h5py.Group):
            if "MATLAB_sparse" in item.attrs and isinstance(item.get("jc"), h5py.Dataset):
                shape = int(item.attrs["MATLAB_sparse"]), item["jc"].size - 1
                return Item(shape, partial(rows, name, shape), "sparse ")
            return Item(None, what=kind or "group")
        if isinstance(item, h5py.Dataset) and kind in _NUMBERS and not item.attrs.get("MATLAB_empty"):
            # Of an empty one the entries are its shape.
            what = "complex " if item.dtype.kind in "cV" else ""
            return Item(tuple(item.shape or ())[::-1], partial(rows, name, None), what)
        is_empty = isinstance(item, h5py.Dataset) and kind in _NUMBERS
        count = _words_in(item) if isinstance(item, h5py.Dataset) else 0
        what = "empty" if is_empty else kind or "no numbers"
        return Item((count,), partial(words, name), f"{what} ") if count else Item(None, what=what)

    def words(name: str, targets: bool, transposed: bool) -> RowArray:
        """The rows of an array of letters, or the texts in cells."""
        label = f"{path}: array {name!r}"
        if not targets:
            raise malformed(label, "holds words; features are numbers, so name another array")
        with reading(label), h5py.File(path, "r") as file:
            item = file[name]
            if _class(item) == "char":
                return word_rows(label, _letters(_whole(label, item)))
            cells = [file[reference] for reference in _whole(label, item).ravel()]
            if any(_class(cell) != "char" for cell in cells):
                raise malformed(
                    label, "holds other things than words in its cells; store the labels as one array"
                )
            return word_rows(label, ["".join(_letters(_whole(label, cell))[:1]) for cell in cells])

    def rows(name: str, sparse: tuple[int, int] | None, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: array {name!r}"
        with reading(label), h5py.File(path, "r") as file:
            item = file[name]
            if sparse is not None:
                return _sparse(label, sparse, item, transposed=transposed)
            _refuse_complex(label, item)
            array = dataset_rows(path, label, item, targets=targets, transposed=not transposed)
            # Truth values lie in bytes that are not to be taken for pixels.
            return (
                array.mapped(_BOOL, lambda block: block.astype(bool)) if _class(item) == "logical" else array
            )

    with reading(path), h5py.File(path, "r") as file:
        items = dict(items_of(file, ()))
    arrays = [item.shape for item in items.values() if item.shape and len(item.shape) > 1]
    if not arrays:
        raise malformed(path, "holds no numeric array; save the features as a matrix")
    if len({name.partition(".")[0] for name in items}) == 1:  # the fields of one struct
        items = {name.partition(".")[2] or name: item for name, item in items.items()}
    # Words may be labels where there is one for each row of an array.
    lengths = {length for shape in arrays for length in shape} - {1}
    return Archive(
        path,
        {
            name: Item(None, what=item.what.rstrip())
            if item.shape and len(item.shape) == 1 and item.shape[0] not in lengths
            else item
            for name, item in items.items()
        },
    )


def _words_in(item: Any) -> int:
    """How many words it may hold: one a row of letters, or one a cell of a list; 0 if it is neither."""
    if _class(item) == "char" and item.ndim == 2 and item.dtype.kind == "u":
        return int(item.shape[1])
    return int(item.size) if _class(item) == "cell" and item.size == max(item.shape, default=0) else 0


def _letters(codes: Array) -> list[str]:
    """The rows of letters, of which each lies in a column."""
    if codes.dtype != np.uint16 or codes.ndim != 2:
        return [""]
    return [np.ascontiguousarray(row, "<u2").tobytes().decode("utf-16-le").rstrip(" \0") for row in codes.T]


def _refuse_complex(label: str, dataset: Any) -> None:
    if dataset.dtype.kind in "cV":
        raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")


def _class(item: Any) -> str:
    """What MATLAB calls the class of something; empty where that is not said."""
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode("latin1") if isinstance(kind, bytes) else str(kind)


def _sparse(label: str, shape: tuple[int, int], group: Any, *, transposed: bool) -> RowArray:
    """A sparse array, whose entries lie column by column; without a single one they are left out."""
    down, values = (
        _whole(label, group[name]) if name in group else np.zeros(0, dtype)
        for name, dtype in (("ir", np.int64), ("data", np.float64))
    )
    if "data" in group:
        _refuse_complex(label, group["data"])
    values = values.astype(bool) if _class(group) == "logical" else values
    matrix = by_columns(shape, _whole(label, group["jc"]), down, values)
    return sparse_rows(label, matrix, transposed=transposed)


def _whole(label: str, dataset: Any) -> Array:
    """All of a dataset."""
    _check_place(label, dataset)
    array: Array = dataset[:]
    return array


def _check_place(label: str, dataset: Any) -> None:
    """Refuse what lies elsewhere, or expands beyond reason."""
    if dataset.external or dataset.is_virtual:
        raise malformed(label, "keeps its data in other files; copy it into one file")
    check_expansion(label, dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size())


def _tables(file: Any) -> dict[str, Any]:
    """Datasets of records, and tables of pandas, where there is no other array of several axes to be read."""
    tables, others = dict[str, Any](), list[str]()

    def note(name: str, item: Any) -> None:
        if any(name.startswith(f"{table}/") for table in tables):
            return
        if item.attrs.get("pandas_type") in (b"frame", b"frame_table"):
            tables[name] = item
        elif hasattr(item, "dtype"):
            records = item.dtype.names is not None and item.ndim == 1
            tables.update({name: item} if records else {})
            others.extend([name] if item.ndim > 1 and item.dtype.kind in "biuf" else [])

    # Soft and external links are not followed: they may lead out of the file.
    file.visititems(note)
    return {} if others else tables


Take = Callable[[int, int], dict[str, Array]]
"""The columns of a table from one row to before another."""


def _taken(label: str, item: Any) -> tuple[int, Take]:
    """How many rows a table has, and what reads them."""
    if item.attrs.get("pandas_type") == b"frame":
        return _fixed(label, item)
    table = item if hasattr(item, "dtype") else item["table"]
    _check_place(label, table)
    names: dict[str, tuple[str, ...]] = {field: (field,) for field in table.dtype.names}
    if table is not item:
        names = {
            field: tuple(map(str, _listed(label, table.attrs[f"{field}_kind"])))
            for field in table.dtype.names
            if field != "index"
        }
        categories = [names[f] for f in names if table.attrs.get(f"{f}_meta") == b"category"]
        if categories:
            raise malformed(
                label, f"holds the category {categories[0][0]!r}; save it as text, by astype(str)"
            )
    said = {field: _said(table.attrs.get(f"{field}_dtype", b"")) for field in names}

    def take(start: int, stop: int) -> dict[str, Array]:
        block = table[start:stop]
        taken = dict[str, Array]()
        for field, own in names.items():
            columns = block[field].reshape(len(block), -1).T
            parts = own if len(own) == len(columns) else [f"{field}[{at}]" for at in range(len(columns))]
            taken |= {name: _turned(each, said[field]) for name, each in zip(parts, columns, strict=True)}
        return taken

    return int(table.shape[0]), take


def _fixed(label: str, group: Any) -> tuple[int, Take]:
    """Columns of one kind lie in a block; those of objects are pickled."""
    blocks = []
    for at in range(int(group.attrs["nblocks"])):
        values, names = group[f"block{at}_values"], _whole(label, group[f"block{at}_items"])
        _check_place(label, values)
        kept: Any = values
        if values.dtype.kind == "O":
            kept = unpickled(label, bytes(values[0]))
        said = _said(values.attrs.get("value_type", b""))
        blocks.append(([n.decode() if isinstance(n, bytes) else str(n) for n in names.tolist()], kept, said))

    def take(start: int, stop: int) -> dict[str, Array]:
        return {
            name: _turned(column, said)
            for names, values, said in blocks
            for name, column in zip(names, values[start:stop].T, strict=True)
        }

    return int(group["axis1"].shape[0]), take


def _listed(label: str, data: Any) -> Any:
    """A list that pandas pickled."""
    try:
        return safe_load(bytes(data))
    except pickle.UnpicklingError as error:
        raise malformed(label, f"has columns without names: {error}; save it again by pandas") from error


def _said(dtype: Any) -> str:
    return dtype.decode("latin1") if isinstance(dtype, bytes) else str(dtype)


def _turned(column: Array, said: str) -> Array:
    """What pandas says that entries are, which lie in the file as whole numbers."""
    if unit := re.match(r"datetime64\[(\w+)", said):
        return np.ascontiguousarray(column).view(f"M8[{unit[1]}]")
    return column


class Hdf5Tables(LineTables):
    name, words, order, arrays = "hdf5-table", "tables in HDF5", 4, True
    table = ("missing",)

    def magic(self, start: bytes) -> bool:
        return _is_hdf5(start)

    def holds(self, path: Path) -> bool:
        try:
            h5py = optional("h5py", path, "HDF5 files need h5py", extra="hdf5")
            with reading(path), h5py.File(path, "r") as file:
                return bool(_tables(file))
        except (DataError, MissingExtraError):
            return False  # said by the reader of arrays

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        import h5py

        with reading(path), h5py.File(path, "r") as file:
            tables = {name: Item(None, what="table") for name in _tables(file)}
            name = choose_features(Archive(path, tables), options.array, words)
            label = f"{path}: table {name!r}"
            rows, take = _taken(label, file[name])
            first = take(0, min(rows, 1))
            order = list(first)
            if file[name].attrs.get("pandas_type") == b"frame":
                order = [_said(each) for each in _whole(label, file[name]["axis0"]).tolist()]
            elif "non_index_axes" in file[name].attrs:
                order = [str(each) for each in _listed(label, file[name].attrs["non_index_axes"])[0][1]]
            dtype = np.dtype([(name, first[name].dtype) for name in order])

        def parts(step: int) -> Iterator[Array]:
            with reading(path), h5py.File(path, "r") as file:
                _, take = _taken(label, file[name])
                for start in range(0, rows, step):
                    columns = take(start, min(start + step, rows))
                    block = np.empty(len(columns[order[0]]), dtype)
                    for column in order:
                        block[column] = columns[column]
                    yield block

        return layout_of_records(path, "hdf5", Records(dtype, parts), options, words)


def _is_hdf5(start: bytes) -> bool:
    """A file may leave a block for its user at the start."""
    return any(start[offset:].startswith(b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048))


class Hdf5(Archives):
    name, words, order, suffixes = "hdf5", "HDF5", 4, (".h5", ".hdf5")

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return hdf5_archive(path)

    def magic(self, start: bytes) -> bool:
        return _is_hdf5(start)


class Mat73(Archives):
    name, words, order, suffixes = "mat", "MATLAB 7.3 .mat", 4, (".mat",)

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return mat73_archive(path)

    def magic(self, start: bytes) -> bool:
        return start.startswith(b"MATLAB 7.3")


FORMATS = (Mat73(), Hdf5Tables(), Hdf5())  # of which any 7.3 file is one
