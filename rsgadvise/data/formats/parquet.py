"""Parquet tables, through the optional pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.choose import Words
from rsgadvise.data.formats import Asked, Format
from rsgadvise.data.formats.tables import Columns, choose_columns
from rsgadvise.data.stream import (
    DEFAULT_CHUNK_BYTES,
    Array,
    Chunk,
    DataSource,
    RowArray,
    RowTaker,
    malformed,
    reading,
)
from rsgadvise.errors import MissingExtraError


def _file(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: Parquet files need pyarrow; install it with: pip install 'rsgadvise[parquet]'"
        ) from error
    with reading(path):
        return pyarrow.parquet.ParquetFile(path)


def _check_features(path: Path, schema: Any, columns: Columns, words: Words) -> np.dtype[Any]:
    """The common type of the feature columns."""
    from pyarrow import types

    dtypes = []
    for index in columns.features:
        field = schema.field(index)
        if not (
            types.is_integer(field.type) or types.is_floating(field.type) or types.is_boolean(field.type)
        ):
            fix = words.no_number(named=bool(columns.targets))
            raise malformed(path, f"column {index} ({field.name!r}) holds {field.type}, not numbers; {fix}")
        dtypes.append(np.dtype(field.type.to_pandas_dtype()))
    return np.result_type(*dtypes)


class ParquetTable(DataSource):
    """A Parquet file, read batch by batch."""

    def __init__(
        self, path: Path, file: Any, columns: Columns, external: RowArray | None, words: Words
    ) -> None:
        names = file.schema_arrow.names
        super().__init__(
            path=path,
            format="parquet",
            rows=int(file.metadata.num_rows),
            input_dim=len(columns.features),
            dtype=_check_features(path, file.schema_arrow, columns, words),
            has_targets=bool(columns.targets) or external is not None,
            column_names=tuple(names[index] for index in columns.features),
            column_numbers=columns.features,
            notes=columns.notes,
        )
        if not self.rows:
            raise malformed(path, "has zero rows; at least one is needed")
        self._columns = columns
        self._external = external
        self._words = words
        self._skipped = 0

    @property
    def rows_skipped(self) -> int:
        """See `DataSource.rows_skipped`."""
        return self._skipped

    def chunks(self, *, max_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[Chunk]:
        """See `DataSource.chunks`."""
        taker = None if self._external is None else RowTaker(self._external, max_bytes)
        kept = skipped = 0
        for features, targets, keep in self._batches(max_bytes):
            if taker is not None:
                targets = taker.take(len(keep))[keep]  # noqa: PLW2901
            kept += len(features)
            skipped += len(keep) - len(features)
            if len(features):
                yield features, targets
        if taker is not None:
            taker.finish()
        if not kept:
            raise malformed(
                self.path,
                f"has a missing cell in each of its {skipped} rows; fill a column in, or"
                f" {self._words.leave_out}",
            )
        self._skipped = skipped

    def _batches(self, max_bytes: int) -> Iterator[tuple[Array, Array | None, Array]]:
        wanted = (*self._columns.features, *self._columns.targets)
        count = max(1, max_bytes // (len(wanted) * self.dtype.itemsize))
        file = _file(self.path)
        names = [file.schema_arrow.names[index] for index in wanted]
        with reading(self.path), file:
            for batch in file.iter_batches(batch_size=count, columns=names):
                by_name = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
                arrays = [by_name[name] for name in names]
                keep = np.ones(batch.num_rows, dtype=bool)
                for column in arrays:
                    if column.null_count:
                        keep &= column.is_valid().to_numpy(zero_copy_only=False)
                mask = None if keep.all() else keep
                values = [_values(column, mask) for column in arrays]
                width = self.input_dim
                features = np.empty((int(keep.sum()), width), dtype=self.dtype)
                for place, column in enumerate(values[:width]):
                    features[:, place] = column
                targets = values[width].reshape(-1, 1) if len(values) > width else None
                yield features, targets, keep


def _values(column: Any, mask: Array | None) -> Array:
    if mask is not None:
        import pyarrow

        column = column.filter(pyarrow.array(mask))
    values: Array = column.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype.kind == "O" else values


def open_parquet(path: Path, asked: Asked) -> ParquetTable:
    """One Parquet file; rows with a null in a column that is read are left out."""
    file = _file(path)
    with reading(path):
        names = list(file.schema_arrow.names)
        if len(set(names)) < len(names):
            raise malformed(path, "has several columns of the same name; rename them")
        columns, external = choose_columns(path, names, len(names), asked)
        return ParquetTable(path, file, columns, external, asked.words)


def read_target_parquet(path: Path) -> RowArray:
    """A Parquet file that was named as the file of the targets: every column is one."""
    file = _file(path)
    with reading(path):
        names = list(file.schema_arrow.names)
        rows = int(file.metadata.num_rows)

    def blocks(max_bytes: int) -> Iterator[Array]:
        count = max(1, max_bytes // (8 * len(names)))
        with reading(path), _file(path) as opened:
            for batch in opened.iter_batches(batch_size=count):
                if any(column.null_count for column in batch.columns):
                    raise malformed(path, "has missing cells among the targets; give one target per row")
                yield np.column_stack([_values(column, None) for column in batch.columns])

    return RowArray(label=str(path), rows=rows, columns=len(names), dtype=np.dtype(np.float64), blocks=blocks)


class Parquet(Format):
    """Tables of columns."""

    name, words, order, suffixes, columns = "parquet", "Parquet", 2, (".parquet",), True

    def magic(self, start: bytes) -> bool:
        return start.startswith(b"PAR1")

    def open(self, path: Path, asked: Asked) -> DataSource:
        return open_parquet(path, asked)

    def targets(self, path: Path, *, packed: bool) -> RowArray:
        return read_target_parquet(path)


FORMATS = (Parquet(),)
