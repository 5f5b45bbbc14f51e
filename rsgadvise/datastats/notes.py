"""What a reader of the statistics of a file should know, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rsgadvise.datastats.result import ScalingKind
from rsgadvise.datastats.spectrum import Eigenpair
from rsgadvise.readers import DataSource

__all__ = ["feature_names", "notes_on"]

_NAMES_SHOWN, _LONGEST_NAME = 10, 40


def feature_names(source: DataSource, places: NDArray[np.intp]) -> tuple[str | int, ...]:
    """Feature columns by name or, where the file gives none, by number in it."""
    names, numbers = source.column_names, source.column_numbers
    return tuple(
        (names[place] if names else "") or (int(place) if numbers is None else numbers[place])
        for place in places
    )


def notes_on(
    source: DataSource,
    kind: ScalingKind,
    rows: int,
    constants: int,
    *,
    crushed: Sequence[str | int],
    by_range: int,
    pair: Eigenpair | None,
) -> tuple[str, ...]:
    """Sentences on rows, columns and the eigenvalue; those of the source come first.

    Args:
        source: after its last pass.
        kind: of the scaling.
        rows, constants: rows used, and columns of one value.
        crushed: names of the columns that outliers crush.
        by_range: columns that robust scaling had to scale by their range.
        pair: the largest eigenvalue, if it was asked for.
    """
    notes = list(source.notes)
    skipped = source.rows_skipped
    if skipped:
        they = "has a missing cell and was" if skipped == 1 else "have a missing cell and were"
        notes.append(f"{skipped} of {skipped + rows} rows {they} left out.")
    if rows == 1:
        notes.append("There is one row only, so no standard error can be given.")
    elif constants:
        end = "" if kind in {"none", "divide by 255"} else ", and became 0"
        notes.append(f"{constants} of {source.input_dim} columns hold one value only{end}.")
    if pair is not None and not pair.converged:
        notes.append(
            "The largest eigenvalue did not settle: its residual is still"
            f" {pair.residual / pair.value:.1e} of it."
        )
    return tuple(dict.fromkeys((*notes, *_about_outliers(source, crushed, by_range))))


def _about_outliers(source: DataSource, crushed: Sequence[str | int], by_range: int) -> Iterator[str]:
    columns = source.input_dim
    if crushed:
        shown = [str(name)[:_LONGEST_NAME] for name in crushed[:_NAMES_SHOWN]]
        listed = ", ".join(name if name.isprintable() else ascii(name) for name in shown)
        more = f" and {len(crushed) - _NAMES_SHOWN} more" if len(crushed) > _NAMES_SHOWN else ""
        are = "is" if len(crushed) == 1 else "are"
        yield (
            f"{len(crushed)} of {columns} columns {are} crushed by outliers: {listed}{more}: the middle 98 % "
            "of the values lies in less than a tenth of [0, 1]; data.scaling: robust (--scaling robust) "
            "widens them."
        )
    if by_range:
        yield (
            f"{by_range} of {columns} columns hold one value from the 1st to the 99th percentile, though not "
            "throughout, and were scaled from the smallest to the largest value."
        )
