"""Tables of Apache Arrow, through the optional pyarrow: Parquet, Feather and Arrow IPC files.

Columns may hold lists of numbers, or images as data hubs store them; each entry is a feature then.
"""

from __future__ import annotations

import io
import math
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.columns import (
    FEATURE,
    TARGET,
    Column,
    ColumnKind,
    Columns,
    Table,
    choose_columns,
    targets_among,
)
from rsgadvise.data.dialect import ABSENT, NO_NUMBER, Numbers
from rsgadvise.data.formats import Format
from rsgadvise.data.formats.images import opened_image
from rsgadvise.data.packing import Packing
from rsgadvise.data.reading import Asked, Reading
from rsgadvise.data.stream import (
    Array,
    Chunk,
    DataSource,
    RowArray,
    malformed,
    optional,
    reading,
)
from rsgadvise.data.words import ONLY_TARGETS, Words
from rsgadvise.errors import MissingExtraError
from rsgadvise.records import dataclass

_SAMPLE = 400
_WIDE_SAMPLE = 8  # a cell may be an image of megabytes
_BUFFER_BYTES = 1 << 16  # of each column of a Parquet file; without one a whole row group is read at once
_MOST_ENTRIES = 1 << 24  # of one cell
_IMAGES = ("PNG", "JPEG", "WEBP")  # all others would run more code than reading is worth
_EIGHT_BIT = {"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"}
_NEEDS = "Parquet and Arrow files need pyarrow"


@contextmanager
def _arrow(path: Path) -> Iterator[None]:
    """`reading`, of Arrow's own errors too, some of which are no built-in ones."""
    from pyarrow import ArrowException

    with reading(path):
        try:
            yield
        except ArrowException as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _File:
    """A file of columns.

    Attributes:
        schema: Arrow's.
        rows: how many, or None if only a full pass can tell.
        batches: starts a pass over the columns at some places, at most so many rows at a time.
    """

    path: Path
    format: str
    schema: Any
    rows: int | None
    batches: Callable[[Sequence[int], int], Iterator[list[Any]]]


def _parquet(path: Path) -> _File:
    parquet = optional("pyarrow.parquet", path, _NEEDS, extra="parquet")

    def opened() -> Any:
        return parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)

    with _arrow(path), opened() as file:
        schema, rows = file.schema_arrow, int(file.metadata.num_rows)

    def batches(places: Sequence[int], size: int) -> Iterator[list[Any]]:
        names = [schema.names[at] for at in places]
        with _arrow(path), opened() as file:
            for batch in file.iter_batches(batch_size=size, columns=names):
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                yield [columns[name] for name in names]

    return _File(path, "parquet", schema, rows, batches)


def _ipc(path: Path, *, stream: bool) -> _File:
    arrow = optional("pyarrow", path, _NEEDS, extra="parquet")
    ipc, memory_map = arrow.ipc, arrow.memory_map
    size_at_first = path.stat().st_size

    @contextmanager
    def opened() -> Iterator[Any]:
        """The reader of a mapped file: a batch may be the whole of it."""
        start = ipc.open_stream if stream else ipc.open_file
        with memory_map(str(path)) as source, start(source) as reader:
            yield reader

    with _arrow(path), opened() as reader:
        schema = reader.schema

    def batches(places: Sequence[int], size: int) -> Iterator[list[Any]]:
        with _arrow(path), opened() as reader:
            stored = reader if stream else (reader.get_batch(at) for at in range(reader.num_record_batches))
            for batch in stored:
                columns = [batch.column(at) for at in places]
                for column in columns:
                    # Arrow believes the offsets that a file claims, unless it is asked to look at them.
                    column.validate(full=True)
                for first in range(0, batch.num_rows, size):
                    if path.stat().st_size < size_at_first:  # a page past the end would be fatal
                        raise malformed(path, "has become shorter while it was read; is it being written?")
                    yield [column.slice(first, size) for column in columns]

    return _File(path, "arrow", schema, None, batches)


def _flattened(file: _File) -> _File:
    """The same, with the fields of structures as columns of their own, called a.b, but of images."""
    from pyarrow import compute, schema, types

    fields: list[Any] = []
    places: list[tuple[int, list[int]]] = []  # of a column, and of the field in its structures

    def add(field: Any, place: int, inside: list[int]) -> None:
        if types.is_struct(field.type) and not _holds_bytes(field.type):
            for at in range(field.type.num_fields):
                inner = field.type.field(at)
                add(inner.with_name(f"{field.name}.{inner.name}"), place, [*inside, at])
        else:
            fields.append(field)
            places.append((place, inside))

    for place, field in enumerate(file.schema):
        add(field, place, [])
    if not any(inside for _, inside in places):
        return file

    def batches(wanted: Sequence[int], size: int) -> Iterator[list[Any]]:
        outer = list(dict.fromkeys(places[at][0] for at in wanted))
        for arrays in file.batches(outer, size):
            by_place = dict(zip(outer, arrays, strict=True))
            yield [
                compute.struct_field(by_place[place], inside) if inside else by_place[place]
                for place, inside in (places[at] for at in wanted)
            ]

    return replace(file, schema=schema(fields), batches=batches)


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of a file, and how its cells become numbers or words.

    Attributes:
        column: what the choice of columns sees of it.
        dtype: of its numbers; None for words.
        read: (entries of every row, which rows have them all) of a part of it that begins at some row.
        note: what is to be said of it as a feature.
        missing: why it cannot be one.
    """

    column: Column
    dtype: np.dtype[Any] | None
    read: Callable[[Any, int], tuple[Array, Array]]
    note: str = ""
    missing: MissingExtraError | None = None


def _fields(file: _File) -> tuple[_Field, ...]:
    """All columns, by their types and their first rows."""
    from pyarrow import types

    narrow = [at for at, field in enumerate(file.schema) if not types.is_nested(_stored(field.type))]
    narrow = [at for at in narrow if not _is_bytes(_stored(file.schema[at].type))]
    first = next(file.batches(narrow, _SAMPLE), None) if narrow else None
    samples = {} if first is None else dict(zip(narrow, first, strict=True))
    return tuple(_field(file, at, samples.get(at)) for at in range(len(file.schema)))


def _stored(kind: Any) -> Any:
    """The type that stands for one of an extension."""
    from pyarrow import BaseExtensionType

    return kind.storage_type if isinstance(kind, BaseExtensionType) else kind


def _plain(array: Any) -> Any:
    """What an array of an extension stores; text in views as text, on which more is defined."""
    from pyarrow import string, types

    array = array.storage if hasattr(array, "storage") else array
    return array.cast(string()) if types.is_string_view(array.type) else array


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _field(file: _File, at: int, sample: Any) -> _Field:
    from pyarrow import types

    name, kind = file.schema[at].name, _stored(file.schema[at].type)
    if _is_number(kind):
        cells = [] if sample is None else sample.drop_null().to_pylist()
        counts = len(cells) > 1 and cells[0] in (0, 1)
        counts = counts and cells == list(range(int(cells[0]), int(cells[0]) + len(cells)))
        truth = types.is_boolean(kind)
        column = Column(name, "truth" if truth else "number", tuple(str(cell) for cell in cells), counts)
        return _Field(column, _dtype(kind), _numbers)
    if types.is_null(kind):
        return _Field(Column(name, "empty"), np.dtype(np.float64), _nothing)
    if _is_list(kind):
        return _list_field(file, at)
    if _holds_bytes(kind):
        return _image_field(file, at)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    column_kind: ColumnKind = "date" if types.is_temporal(kind) else "other"
    column_kind = "word" if text or types.is_dictionary(kind) else column_kind
    words = (
        [] if sample is None or column_kind == "other" else _texts(_plain(sample).drop_null(), 0)[0].tolist()
    )
    if text and (filled := [word for word in words if not _absent(word)]) and all(map(_is_written, filled)):
        return _Field(
            Column(name, "number", tuple(filled)),
            np.dtype(np.float64),
            partial(_read_numbers, file.path, name),
        )
    return _Field(Column(name, column_kind, tuple(words), holds=_said(kind)), None, _texts)


def _absent(word: str) -> bool:
    return word in ABSENT or word in NO_NUMBER


def _is_written(word: str) -> bool:
    """Whether text is a number; one that begins with zeros is the number of something."""
    return Numbers().value(word) is not None and re.match(r"0\d", word) is None


def _read_numbers(path: Path, name: str, array: Any, first: int) -> tuple[Array, Array]:
    """Numbers that are stored as text."""
    words, there = _texts(array, first)
    there = there & ~np.fromiter(map(_absent, words), bool, len(words))
    numbers = np.full(len(words), np.nan)
    for row in np.flatnonzero(there):
        value = Numbers().value(words[row])
        if value is None:
            place = f"row {first + row} (counted from 0) of column {name!r}"
            raise malformed(path, f"{place}: {words[row][:40]!r} is not a number, as others are; correct it")
        numbers[row] = value
    return numbers, there


def _said(kind: Any) -> str:
    return "text" if str(kind) in {"string", "large_string", "string_view"} else str(kind)[:60]


def _holds_bytes(kind: Any) -> bool:
    """Whether a type is of bytes, or of structures with a field of that name which is."""
    from pyarrow import types

    if types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and _is_bytes(kind.field(at).type)
    return _is_bytes(kind)


def _dtype(kind: Any) -> np.dtype[Any]:
    from pyarrow import types

    return np.dtype(np.float64 if types.is_decimal(kind) else kind.to_pandas_dtype())


def _spread(values: Array, there: Array) -> Array:
    """Entries of some rows among all rows."""
    if len(values) == len(there):
        return values
    spread = np.zeros((len(there), *values.shape[1:]), values.dtype)
    spread[there] = values
    return spread


def _there(array: Any) -> Array:
    valid: Array = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _plain_numbers(array: Any) -> Array:
    """The numbers of an array without nulls."""
    from pyarrow import float64, types

    if types.is_decimal(array.type):
        array = array.cast(float64())
    numbers: Array = array.to_numpy(zero_copy_only=False)
    return numbers


def _numbers(array: Any, first: int) -> tuple[Array, Array]:
    array = _plain(array)
    there = _there(array)
    return _spread(_plain_numbers(array.drop_null()), there), there


def _nothing(array: Any, first: int) -> tuple[Array, Array]:
    return np.zeros(len(array)), np.zeros(len(array), dtype=bool)


def _texts(array: Any, first: int) -> tuple[Array, Array]:
    from pyarrow import string, types

    array = _plain(array)
    there = _there(array)
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    words = array.drop_null().cast(string()).to_numpy(zero_copy_only=False)
    return _spread(words.astype(object), there), there


def _first_cell(file: _File, at: int) -> Any:
    """The first part of a column that has a cell, without what is missing; empty if none has."""
    for (array,) in file.batches([at], _WIDE_SAMPLE):
        cells = _plain(array).drop_null()
        if len(cells):
            return cells
    return ()


def _list_field(file: _File, at: int) -> _Field:
    """Lists, or lists of lists, of numbers; the first one tells how many."""
    name, kind = file.schema[at].name, _stored(file.schema[at].type)
    cells: Any = _first_cell(file, at)
    shape: list[int] = []
    while _is_list(kind):
        kind = _stored(kind.value_type)
        cells = _plain(cells[0].values) if len(cells) else ()
        shape.append(len(cells))
        if _is_list(kind) and len(cells):
            cells = cells.drop_null()
    size = math.prod(shape)
    if not _is_number(kind) or not 0 < size <= _MOST_ENTRIES:
        holds = f"lists of {_said(kind)}" if not _is_number(kind) else f"lists of {size} numbers"
        return _Field(Column(name, "other", holds=holds), None, _texts)
    sizes = tuple(shape)

    def read(array: Any, first: int) -> tuple[Array, Array]:
        return _entries(file.path, name, _plain(array), sizes, first)

    holds = f"lists of {_size(sizes)} numbers"
    return _Field(Column(name, "number", holds=holds, width=size), _dtype(kind), read)


def _entries(path: Path, name: str, array: Any, shape: tuple[int, ...], first: int) -> tuple[Array, Array]:
    """The numbers in lists that are all of one shape."""
    from pyarrow import array as made
    from pyarrow import compute

    rows = len(array)
    whole, row_of = np.ones(rows, dtype=bool), np.arange(rows)
    for size in shape:
        there = _there(array)
        whole[row_of[~there]] = False
        row_of, array = row_of[there], array.drop_null()
        lengths = compute.list_value_length(array).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            raise malformed(
                path,
                f"row {first + row_of[wrong[0]]} (counted from 0) of column {name!r}: has a list of"
                f" {lengths[wrong[0]]} where the first row has {size}; give every row as many numbers",
            )
        array, row_of = _plain(array.flatten()), np.repeat(row_of, size)
    whole[row_of[~_there(array)]] = False
    if not whole.all():
        array = array.filter(made(whole[row_of]))
    return _spread(_plain_numbers(array).reshape(-1, math.prod(shape)), whole), whole


def _image_field(file: _File, at: int) -> _Field:
    """Images, each in a cell of bytes or in a structure with them; the first one tells their size."""
    path, name = file.path, file.schema[at].name
    images = (cell for (array,) in file.batches([at], _WIDE_SAMPLE) for cell in _images(array) if cell)
    cell = next(images, None)
    if cell is None or not (
        cell.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
        or (cell.startswith(b"RIFF") and cell[8:12] == b"WEBP")
    ):
        return _Field(Column(name, "other", holds="bytes that are no image"), None, _texts)
    try:
        expected = _pixels(path, f"the first image of column {name!r}", cell, None)
    except MissingExtraError as error:
        # Whoever leaves the column out needs no Pillow.
        column = Column(name, "number", holds="images", width=1)
        return _Field(column, np.dtype(np.uint8), _nothing, missing=error)

    def read(array: Any, first: int) -> tuple[Array, Array]:
        cells = _images(array)
        there = np.array([cell is not None for cell in cells], dtype=bool)
        values = np.zeros((len(cells), expected.size), np.uint8)
        for row, cell in enumerate(cells):
            if cell is not None:
                place = f"row {first + row} (counted from 0) of column {name!r}"
                values[row] = _pixels(path, place, cell, expected.shape).reshape(-1)
            elif (outside := _outside(array, row)) is not None:
                raise malformed(
                    path,
                    f"row {first + row} (counted from 0) of column {name!r}: names the image file {outside!r}"
                    " and does not hold it; store the images in the table",
                )
        return values, there

    note = f"Column {at} ({name!r}) holds images of {_size(expected.shape)}: {expected.size} inputs."
    column = Column(name, "number", holds="images", width=expected.size)
    return _Field(column, np.dtype(np.uint8), read, note)


def _images(array: Any) -> list[bytes | None]:
    """The bytes of every row."""
    from pyarrow import compute, types

    array = _plain(array)
    if types.is_struct(array.type):
        array = compute.struct_field(array, "bytes")
    cells: list[bytes | None] = array.to_pylist()
    return cells


def _outside(array: Any, row: int) -> str | None:
    """The file that a cell names, where it holds no bytes."""
    cell = _plain(array)[row].as_py()
    return str(cell["path"])[:80] if isinstance(cell, dict) and cell.get("path") else None


def _pixels(path: Path, place: str, data: bytes, shape: tuple[int, ...] | None) -> Array:
    """The entries of one image, (rows, columns) or (rows, columns, channels).

    Raises:
        DataError: it is damaged, not of 8 bits, or not of that shape.
        MissingExtraError: Pillow is not installed.
    """
    label = f"{path}: {place}"
    with opened_image(label, io.BytesIO(data), _IMAGES) as image:
        mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
        channels = len(image.getbands()) if mode == image.mode else len(mode)
        claimed = (image.height, image.width) + ((channels,) if channels > 1 else ())
        if mode not in _EIGHT_BIT:
            raise malformed(label, f"holds pixels of kind {mode}; store images of 8 bits")
        if shape is not None and claimed != shape:
            raise malformed(
                label,
                f"is an image of {_size(claimed)} where the first is of {_size(shape)}; give all of them one "
                "size and mode",
            )
        if math.prod(claimed) > _MOST_ENTRIES:
            raise malformed(label, f"has {math.prod(claimed)} entries, more than {_MOST_ENTRIES}; shrink it")
        return np.asarray(image if mode == image.mode else image.convert(mode))


def _size(shape: tuple[int, ...]) -> str:
    """Rows, columns and channels as messages show them."""
    return " x ".join(str(length) for length in shape)


def _common_type(fields: Sequence[_Field]) -> np.dtype[Any]:
    """The type that holds every feature; that of 8-bit images only where there is nothing else."""
    types = [np.dtype(np.float32) if field.dtype is None else field.dtype for field in fields]
    common = np.result_type(*types) if types else np.dtype(np.float64)
    if common == np.uint8 and any(kind != np.uint8 for kind in types):
        return np.dtype(np.float32)
    return common


class ArrowTable(Table):
    """A file of columns, read batch by batch."""

    def __init__(
        self,
        file: _File,
        fields: Sequence[_Field],
        columns: Columns,
        external: RowArray | None,
        words: Words,
    ) -> None:
        chosen = [fields[at] for at in columns.features]
        dtype = _common_type(chosen)
        if dtype == np.uint8:  # images, of which none is half missing
            columns = replace(columns, gaps=columns.gaps.difference(columns.features))
        elif dtype.kind != "f" and not columns.gaps.isdisjoint(columns.features):
            dtype = np.dtype(np.float64)
        super().__init__(
            [field.column for field in fields],
            columns,
            external,
            words,
            path=file.path,
            format=file.format,
            rows=file.rows,
            dtype=dtype,
            column_names=columns.input_names(file.schema.names),
            notes=(*columns.notes, *(field.note for field in chosen if field.note)),
        )
        self._file, self._fields = file, fields

    def stored(self, max_bytes: int) -> Iterator[Chunk]:
        return self._whole(self._batches(max_bytes), max_bytes)

    def _batches(self, max_bytes: int) -> Iterator[tuple[Array, Array | None, Array]]:
        wanted = (*self.chosen.features, *self.chosen.targets)
        count = max(1, max_bytes // (max(len(wanted), self.input_dim) * self.dtype.itemsize))
        first = 0
        for arrays in self._file.batches(wanted, count):
            lacks = np.zeros(len(arrays[0]), np.int8)
            columns: dict[int, Array] = {}
            for at, array in zip(wanted, arrays, strict=True):
                columns[at], there = self._fields[at].read(array, first)
                if at not in self.chosen.gaps:
                    lacks[~there] = TARGET if at in self.chosen.targets else FEATURE
                elif at in self.chosen.words or columns[at].dtype.kind == "O":
                    columns[at] = np.where(there, columns[at], np.array(None))
                elif not there.all():
                    columns[at] = np.where(
                        there if columns[at].ndim == 1 else there[:, None], columns[at], np.nan
                    )
            first += len(lacks)
            if lacks.any():
                columns = {at: values[lacks == 0] for at, values in columns.items()}
            yield (*self.chosen.stack(columns, int((lacks == 0).sum()), self.dtype), lacks)


def _checked_fields(file: _File) -> tuple[_Field, ...]:
    with _arrow(file.path):  # even a name may be no text
        names = file.schema.names
        if len(set(names)) < len(names):
            raise malformed(file.path, "has several columns of the same name; rename them")
        if not names:
            raise malformed(file.path, "has zero columns; at least one is needed")
        if file.rows == 0:
            raise malformed(file.path, "has zero rows; at least one is needed")
        return _fields(file)


def open_arrow(file: _File, asked: Asked) -> ArrowTable:
    """One table; rows with a null in a column that is read are left out.

    Raises:
        DataError: it is damaged, or a feature holds neither numbers, words nor images.
        MissingExtraError: a feature holds images and Pillow is not installed.
    """
    fields = _checked_fields(file)

    def vocabulary(places: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
        for arrays in file.batches(places, _SAMPLE * 100):
            for at, array in zip(places, arrays, strict=True):
                words, there = _texts(_plain(array).unique(), 0)
                yield at, words[there].tolist()

    columns, external = choose_columns(file.path, [field.column for field in fields], asked, vocabulary)
    for at in columns.features:
        missing = fields[at].missing
        if missing is not None:
            raise missing
    return ArrowTable(file, fields, columns, external, asked.words)


def read_target_arrow(file: _File) -> RowArray:
    """The targets in a table of their own."""
    fields = _checked_fields(file)
    places = targets_among([field.column for field in fields])
    for at in places:
        each = fields[at]
        if not each.column.target:
            raise malformed(
                file.path,
                f"column {at} ({each.column.name!r}) holds {each.column.holds}, which is no target; keep the"
                " targets alone in the file",
            )
    table = ArrowTable(file, fields, Columns((), places, {}), None, ONLY_TARGETS)

    def blocks(max_bytes: int) -> Iterator[Array]:
        for _, targets, lacks in table._batches(max_bytes):
            if lacks.any():
                raise malformed(file.path, "has missing cells among the targets; give one target per row")
            if targets is not None:
                yield targets

    return RowArray(
        label=str(file.path), rows=file.rows, columns=len(places), dtype=np.dtype(np.float64), blocks=blocks
    )


class _Columnar(Format):
    columns = True

    @abstractmethod
    def file(self, path: Path) -> _File:
        """One of them, opened."""

    def _opened(self, path: Path) -> _File:
        file = self.file(path)
        with _arrow(path):
            return _flattened(file)

    def sample(self, path: Path, *, packing: Packing | None, reading: Reading) -> tuple[Column, ...]:
        return tuple(field.column for field in _checked_fields(self._opened(path)))

    def open(self, path: Path, asked: Asked) -> DataSource:
        return open_arrow(self._opened(path), asked)

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        return read_target_arrow(self._opened(path))


class Parquet(_Columnar):
    name, words, order, suffixes = "parquet", "Parquet", 2, (".parquet",)

    def magic(self, start: bytes) -> bool:
        return start.startswith(b"PAR1")

    def file(self, path: Path) -> _File:
        return _parquet(path)


class Arrow(_Columnar):
    """Batches of columns as they lie in memory, in a file with an index or in a stream without."""

    name, words, order, suffixes = "arrow", "Feather and Arrow IPC", 3, (".feather", ".arrow")

    def magic(self, start: bytes) -> bool:
        return start.startswith((b"ARROW1", b"FEA1"))

    def named(self, path: Path, start: bytes) -> bool:
        return path.suffix.lower() in self.suffixes and start.startswith(b"\xff\xff\xff\xff")

    def file(self, path: Path) -> _File:
        with path.open("rb") as stream:
            start = stream.read(4)
        if start == b"FEA1":
            raise malformed(
                path,
                "is a Feather file of the first version, which is no longer read; write it again with"
                " DataFrame.to_feather of a newer pandas",
            )
        return _ipc(path, stream=start == b"\xff\xff\xff\xff")


FORMATS = (Parquet(), Arrow())
