"""The rows of a data file that a network is trained on, and those of files that come later."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.opening import open_alike, open_data
from rsgadvise.data.scaling import KINDS, Scaling, ScalingChoice, ScalingKind, fitted, refuse_nonfinite
from rsgadvise.data.statistics import LARGEST_BYTES, FloatArray, encoded, measure
from rsgadvise.data.stream import Array, DataSource, first_of, malformed
from rsgadvise.data.targets import TargetEncoding
from rsgadvise.errors import DataError
from rsgadvise.files import check_writable, write_text
from rsgadvise.records import dataclass

_SHOWN = 8  # columns in a sentence


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to train on, and what it takes to read others like them.

    Attributes:
        x: (rows, d) features, scaled.
        y: (rows, outputs) targets, encoded; None where the file has none.
        source: the file.
        scaling: what `x` was made with.
        encoding: what `y` was made with, or None.
        labels: the classes in the order of `encoding.classes`, as the file writes them; none of real targets.
    """

    x: FloatArray
    y: FloatArray | None
    source: DataSource
    scaling: Scaling
    encoding: TargetEncoding | None
    labels: tuple[str, ...]

    def like(self, path: str | os.PathLike[str]) -> LaterRows:
        """The rows of another file, with the same features, scaled with the ranges of these rows.

        Columns of a table are found by their names, whatever their order and whatever stands between them.
        Targets may be there or not. A missing cell is filled in with the median of these rows, or is none of
        the words.

        Raises:
            DataError: the file is malformed, lacks a column, or holds text where these rows hold numbers.
        """
        source = open_alike(Path(path), self.source)
        raw, targets = _gathered(source)
        gaps = np.isnan(raw)
        if source.word_inputs is not None:
            raw[gaps & source.word_inputs] = 0.0
        x = self.scaling.apply(raw, np.empty(raw.shape))
        lost = np.isnan(x)
        for at in np.flatnonzero(lost.any(axis=0)):
            x[lost[:, at], at] = np.median(self.x[:, at])  # that of the numbers, scaled as they are
        filled, about = _filled_in(source, gaps)
        notes, gone = [*source.notes, *about], source.left_out
        if self.scaling.kind != "divide by 255":
            notes += self._held(source, x)
        elif source.dtype != np.uint8 and not gaps.all() and not _bytes(raw[~gaps]):
            raise malformed(
                source.path,
                f"must hold whole numbers from 0 to 255, as {self.source.path.name} does, which are divided "
                f"by 255; got numbers from {np.nanmin(raw):g} to {np.nanmax(raw):g}; give it the images as "
                "they came",
            )
        if len(gone):
            notes.append(
                f"{len(gone):,} of {len(x) + len(gone):,} rows have a missing cell, and no prediction."
            )
        y, known = None, np.zeros(len(x), bool)
        if targets is not None and self.encoding is not None:
            wanted = self.encoding.dim if self.encoding.classes is None else 1
            if targets.shape[1] != wanted:
                raise malformed(
                    source.path,
                    f"has {targets.shape[1]} targets a row and {self.source.path.name} {wanted}; give it as "
                    "many, or none",
                )
            units = self.source.target_units
            plain = bool(units) and not source.target_units and targets.dtype.kind in "fiu"
            y, known = self.encoding.later(targets / units if plain else targets)
            if plain and known.any():
                notes.append("Targets without a % were taken for percent, as predictions are written.")
            if not known.all():
                what = "a target" if self.encoding.classes is None else "a label that was trained on"
                notes.append(f"{len(x) - len(y):,} of {len(x):,} rows are without {what}.")
        return LaterRows(
            source.path,
            x,
            y if known.any() else None,
            known,
            gone,
            source.row_names,
            tuple(notes),
            self,
            filled,
        )

    def _held(self, source: DataSource, x: FloatArray) -> list[str]:
        """Hold columns that were constant at 0, of which no weight has learnt; name those far outside."""
        low, high = self.x.min(axis=0), self.x.max(axis=0)
        wide, notes = high - low, []
        if self.scaling.low is not None:
            changed = (wide == 0) & (x != 0).any(axis=0)
            x[:, changed] = 0.0
            if changed.any():
                notes.append(f"Passed over, of one value where it was trained: {_columns(source, changed)}.")
        far = (wide > 0) & ((x < low - wide) | (x > high + wide)).any(axis=0)
        if far.any():
            notes.append(f"Far outside of what was trained on: {_columns(source, far)}.")
        return notes

    def answers(self, outputs: NDArray[Any], *, shares: bool = False) -> Mapping[str, list[str]]:
        """Columns of what (rows, outputs) outputs of a network say, by name, in the words of the file.

        Args:
            outputs: a row of them each.
            shares: whether they are probabilities of the classes, which get columns too.

        Raises:
            DataError: the rows that were trained on have no targets.
        """
        encoding, labels = self.encoding, self.labels
        if encoding is None:
            raise DataError(f"{self.source.path}: must have targets to be predicted; name them with target=")
        found = encoding.decode(outputs)
        count = found.shape[1] if found.ndim > 1 else 1
        names = self.source.target_names
        if len(set(names)) != count:
            names = ("prediction",) if count == 1 else tuple(f"prediction_{at}" for at in range(count))
        if encoding.classes is None:
            columns = {name: _written(found[:, at]) for at, name in enumerate(names)}
            if shares and encoding.kind == "0 and 1 per column":
                columns |= {f"P({name})": _written(outputs[:, at]) for at, name in enumerate(names)}
            return columns
        columns = {names[0]: [labels[place] for place in found]}
        if shares:
            each = np.hstack([1 - outputs, outputs]) if encoding.kind == "0 and 1" else outputs
            columns |= {f"P({label})": _written(each[:, at]) for at, label in enumerate(labels)}
        return columns


@dataclass(frozen=True, eq=False)
class LaterRows:
    """Rows of a file that comes later, read as those that were trained on.

    Attributes:
        path: the file.
        x: (rows, d) features, scaled with the ranges of the rows that were trained on.
        y: encoded targets of the rows that are `known`; None where no row has one.
        known: which rows of `x` have a target that was trained on.
        left_out: places in the file, from 0, of rows that are not in `x`: a cell of theirs is missing.
        names: of every row of the file, where it is a file of its own.
        notes: what to mind, in plain sentences.
        trained: the rows that were trained on.
        filled: the columns that were filled in, of every row of `x`; none where no row lacks a cell.
    """

    path: Path
    x: FloatArray
    y: FloatArray | None
    known: NDArray[np.bool_]
    left_out: NDArray[np.intp]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    trained: TrainingRows
    filled: tuple[str, ...] = ()

    @property
    def place(self) -> Path:
        """Of the file of predictions: beside that of the rows."""
        path = self.path if self.path.name not in ("", "..") else self.path.resolve()
        return path.with_suffix(".predictions.csv")

    def writable(self) -> LaterRows:
        """These rows, if a file of predictions can be written.

        Raises:
            UsageError: it cannot, as far as can be told beforehand.
        """
        check_writable(self.place, f"give the program {self.path.name} in a folder where it can be")
        return self

    def write(self, outputs: NDArray[Any], *, shares: bool = False) -> Path:
        """Write `predictions` of the outputs into `place`.

        Raises:
            UsageError: the file cannot be written.
        """
        write_text(self.place, self.predictions(outputs, shares=shares))
        return self.place

    def predictions(self, outputs: NDArray[Any], *, shares: bool = False) -> str:
        """Text of a CSV with a line for every row of the file, in its order; see `TrainingRows.answers`.

        Those of `left_out` are empty. Rows that are files are named, and so is what was filled in.
        """
        columns = dict(self.trained.answers(outputs, shares=shares))
        if self.filled:
            columns["filled" if "filled" not in columns else "filled in"] = list(self.filled)
        if self.names:
            columns = {"file": list(self.names), **columns}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        gone, lines = set(self.left_out.tolist()), zip(*columns.values(), strict=True)
        for row in range(len(outputs) + len(gone)):
            writer.writerow([""] * len(columns) if row in gone else next(lines))
        return text.getvalue()


def read_rows(
    path: str | os.PathLike[str], *, scaling: ScalingChoice | ScalingKind = "auto", **options: Any
) -> TrainingRows:
    """The rows of a data file as a network is trained on them, and what it takes to read others like them.

    Args:
        path: the file.
        scaling: of the features: auto, none, minmax, robust, standard or logarithms, or as statistics say.
        options: of `open_data`: target, exclude and so on.

    Raises:
        DataError: the file is malformed, too large for memory, or has no rows.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "train.csv").write_text("a,kind\\n0,cat\\n10,dog\\n5,dog\\n10,cat\\n")
        >>> _ = (folder / "new.csv").write_text("a\\n20\\n")
        >>> rows = read_rows(folder / "train.csv", target="kind")
        >>> rows.like(folder / "new.csv").x.tolist(), rows.labels
        ([[2.0]], ('cat', 'dog'))
    """
    source = open_data(path, **options)
    kind = measure(source, spectrum=False).scaling if scaling == "auto" else scaling
    raw, targets = _gathered(source)
    fit = fitted(raw, KINDS.get(kind, cast("ScalingKind", kind)))
    fit.apply(raw, raw)
    if targets is None:
        return TrainingRows(raw, None, source, fit, None, ())
    y, encoding = encoded(source, targets)
    return TrainingRows(raw, y, source, fit, encoding, _labels(source, targets, y, encoding))


def _labels(source: DataSource, targets: Array, y: FloatArray, encoding: TargetEncoding) -> tuple[str, ...]:
    """Every class as the file writes it, whole numbers without a fraction where it writes none."""
    if encoding.classes is None:
        return ()
    cells, first = np.unique(targets, return_index=True)
    spelled = source.spelled(cells.tolist()) if targets.dtype.kind == "f" else {}
    found = [
        (spelled.get(cell, f"{cell:.17g}" if isinstance(cell, float) else str(cell)), place)
        for cell, place in zip(cells.tolist(), encoding.decode(y[first]).tolist(), strict=True)
    ]
    labels = {place: text for text, place in sorted(found, key=lambda each: -len(each[0]))}
    return tuple(labels[place] for place in range(len(encoding.classes)))


def _columns(source: DataSource, which: NDArray[np.bool_]) -> str:
    """Features as messages call them."""
    return first_of([source.column_label(at) for at in np.flatnonzero(which).tolist()], _SHOWN)


def _filled_in(source: DataSource, gaps: NDArray[np.bool_]) -> tuple[tuple[str, ...], list[str]]:
    """(the columns that each row lacks, a sentence on it), of rows that come later."""
    places = np.flatnonzero(gaps.any(axis=0)).tolist()
    if not places:
        return (), []
    names = [source.cell_name(at) for at in places]
    lacking = gaps[:, places].tolist()
    rows = tuple("; ".join(dict.fromkeys(itertools.compress(names, row))) for row in lacking)
    return rows, [
        f"{sum(map(bool, rows)):,} of {len(rows):,} rows lack cells, filled in with the medians of the rows "
        f"trained on and named beside their predictions: {first_of(list(dict.fromkeys(names)), _SHOWN)}."
    ]


def _written(numbers: NDArray[Any]) -> list[str]:
    """To nine digits, which are those of a network's own numbers."""
    return [f"{number:.9g}" for number in numbers.tolist()]


def _bytes(raw: FloatArray) -> bool:
    """Whether numbers are whole, from 0 to 255, and none of [0, 1] alone."""
    return bool(((raw >= 0) & (raw <= 255) & (raw == np.floor(raw))).all() and (raw > 1).any())


def _gathered(source: DataSource) -> tuple[FloatArray, Array | None]:
    """(features, targets or None) of all rows of a file, which may lack cells where it comes later.

    Raises:
        DataError: a feature is not finite, or they do not fit `LARGEST_BYTES`.
    """
    rows, features, targets = 0, list[FloatArray](), list[Array]()
    for block, labels in source.chunks():
        if (np.isinf(block) if source.reading is None else ~np.isfinite(block)).any():
            refuse_nonfinite(source, block, rows)
        rows += len(block)
        if rows * block.shape[1] * 8 > LARGEST_BYTES:
            raise malformed(source.path, f"must fit {LARGEST_BYTES >> 30} GiB; split it")
        features.append(block.astype(np.float64))
        if labels is not None:
            targets.append(labels.copy())
    return np.concatenate(features), np.concatenate(targets) if targets else None
