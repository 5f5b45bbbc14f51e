"""Which columns of a table are features, which is the target and which are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rsgadvise.readers.choose import OpenTarget
from rsgadvise.readers.source import RowArray, malformed

_SHOWN, _LONGEST = 10, 40


@dataclass(frozen=True)
class Columns:
    """Positions, counted from 0, of the columns to read, and sentences about what was chosen."""

    features: tuple[int, ...]
    targets: tuple[int, ...]
    notes: tuple[str, ...] = ()


def find_column(path: Path, names: Sequence[str] | None, width: int, wanted: str) -> int | None:
    """The column of that name, or at that index; negative indices count from the end."""
    if names is not None:
        places = [index for index, name in enumerate(names) if name == wanted]
        if len(places) > 1:
            raise malformed(
                path,
                f"has {len(places)} columns called {wanted!r}; choose one by its index, {places[0]} or so",
            )
        if places:
            return places[0]
    index = _index(wanted)
    if index is None:
        return None
    if not -width <= index < width:
        raise malformed(
            path,
            f"has no column {index}; its {width} columns are counted from 0 to {width - 1}, or from the end"
            f" as {-width} to -1, the last",
        )
    return index % width


def choose_columns(
    path: Path,
    names: Sequence[str] | None,
    width: int,
    *,
    target: str | None,
    exclude: Sequence[str],
    open_target: OpenTarget,
) -> tuple[Columns, RowArray | None]:
    """Positions of the columns, and the targets if they lie in a file of their own."""
    dropped = [column for wanted in exclude for column in _excluded(path, names, width, wanted)]
    targets: tuple[int, ...] = ()
    external: RowArray | None = None
    if target is not None:
        column = find_column(path, names, width, target)
        if column is None:
            external = open_target(target, beside=path)
            if external is None:
                raise malformed(
                    path,
                    f"has no target column {target!r} and there is no such file;"
                    f" {_known(names, width, target)}",
                )
        elif column in dropped:
            raise malformed(path, f"column {column} is both the target and excluded; choose one of the two")
        else:
            targets = (column,)
    features = tuple(i for i in range(width) if i not in targets and i not in dropped)
    if not features:
        raise malformed(path, "has zero feature columns left; keep one besides the target")
    notes = []
    by_name = names is not None and targets and names[targets[0]] == target
    if target is not None and targets and not (by_name and _index(target) is None):  # else it was named
        notes.append(f"The target is {_listing(names, targets)}, counted from 0; -1 is the last.")
    if dropped:
        notes.append(f"Left out, counted from 0: {_listing(names, sorted(set(dropped)))}.")
    return Columns(features, targets, tuple(notes)), external


def _index(wanted: str) -> int | None:
    try:
        return int(wanted)
    except ValueError:
        return None


def _excluded(path: Path, names: Sequence[str] | None, width: int, wanted: str) -> list[int]:
    """The column of that name; else, where commas separate them, the columns of the names between."""
    column = find_column(path, names, width, wanted)
    if column is not None:
        return [column]
    parts = [part.strip() for part in wanted.split(",")] if "," in wanted else []
    if not all(parts) or not parts:
        raise malformed(path, f"has no column {wanted!r} to exclude; {_known(names, width, wanted)}")
    return [place for part in parts for place in _excluded(path, names, width, part)]


def _listing(names: Sequence[str] | None, places: Sequence[int]) -> str:
    """Columns by number and, where there is a header, by name."""
    shown = [
        str(place) if names is None else f"{place} ({names[place][:_LONGEST]!r})" for place in places[:_SHOWN]
    ]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"column{'s' if len(places) > 1 else ''} {', '.join(shown)}{more}"


def _known(names: Sequence[str] | None, width: int, wanted: str) -> str:
    if names is None:
        return f"it has no header, so count its {width} columns from 0; -1 is the last"
    from difflib import get_close_matches

    close = get_close_matches(wanted, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"its columns are {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """The first names of columns and the last, which mostly is the target."""
    shown = [repr(name) for name in names]
    if len(shown) > _SHOWN:
        shown[_SHOWN - 2 : -1] = ["..."]
    return ", ".join(shown)
