"""Which columns of a table are features, which is the target, and which are left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.dialect import is_time, like_number
from rsgadvise.data.reading import Asked
from rsgadvise.data.stream import Array, Chunk, DataSource, RowArray, RowTaker, first_of, malformed, printable
from rsgadvise.data.targets import TargetSummary
from rsgadvise.data.words import Words
from rsgadvise.errors import DataError
from rsgadvise.records import dataclass

ColumnKind = Literal["number", "truth", "marked", "word", "date", "other", "empty"]

NOTHING = "none"
"""As the only column to exclude: that none is left out by itself."""

MOST_WORDS = 50
"""Different words of a column that become inputs."""

_SHOWN, _LONGEST = 10, 40
_STACKED_BYTES = 1 << 18
_ABSENT: Any = None  # what stands for a missing cell of words
_MOST_CLASSES = 20
_INDEX = re.compile(r"__index_level_\d+__")
_UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)?|\.\.\.1|X\.?")
_ID = re.compile(
    r"(.*[_ .])?(id|idx|index|rowid|row|rownames|row_?num(ber)?|uid|uuid|no|nr|num|sl?no|obs|n°|#)\.?",
    re.IGNORECASE,
)
_KEY = re.compile(r"(^|[_ .])(id|uid|ID|Id)$|[a-z](Id|ID)$")
_KEYS = 10  # rows at the least whose number tells nothing
_TARGETS = ("y", "label", "labels", "class", "target", "targets", "outcome")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its first rows show it.

    Attributes:
        name: from the header, or None.
        kind: number; truth (True, False); marked (a number in percent, of money or with a unit, or several);
            word; date; other, what nothing can be made of; or empty, without a cell.
        cells: the first that are not missing, as text.
        counts: whether it counts its rows, from 0 or 1.
        holds: what is in it where that is other.
        width: numbers of a cell, where cells are lists or images; None where they are single values.
        words: those that there are, where the file says so.
        unit: what stands behind every number.
        distinct: whether it holds whole numbers, each once.
    """

    name: str | None
    kind: ColumnKind
    cells: tuple[str, ...] = ()
    counts: bool = False
    holds: str = "text"
    width: int | None = None
    words: tuple[str, ...] = ()
    unit: str = ""
    distinct: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in ("number", "truth", "marked")

    @property
    def percent(self) -> bool:
        """Whether its cells are numbers in percent, which are read as shares."""
        return self.kind == "marked" and self.width is None and "%" in "".join(self.cells[:1])

    @property
    def own(self) -> bool:
        """Whether nearly every row has a word of its own, as names and keys are."""
        found, rows = len(set(self.cells)), len(self.cells)
        return (
            self.kind == "word"
            and not self.words
            and rows > 1
            and not all(map(like_number, self.cells))
            and (found == rows or (rows >= 20 and found > 0.9 * rows))
        )

    @property
    def few(self) -> bool:
        return self.kind == "word" and (bool(self.words) or not self.own) and self.different <= MOST_WORDS

    @property
    def different(self) -> int:
        return len(self.words or set(self.cells))

    @property
    def target(self) -> bool:
        return self.kind != "other" and self.width is None


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions, counted from 0, of the columns to read, and sentences about what was chosen.

    Attributes:
        features: those of numbers and of words that become inputs.
        words: the words of each of the latter, one input a word.
        targets: those of the targets.
        notes: what was chosen, where it was not said.
        widths: the numbers of a cell, of features that hold several.
        gaps: those whose cells may be missing, which is NaN then, or an empty text of a target; a row that
            lacks another cell is left out.
    """

    features: tuple[int, ...]
    targets: tuple[int, ...]
    words: Mapping[int, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    widths: Mapping[int, int] = field(default_factory=dict)
    gaps: frozenset[int] = frozenset()

    def _parts(self, place: int) -> Sequence[str]:
        """What the inputs of a column add to its name."""
        if place in self.words:
            return [f"={word}" for word in self.words[place]]
        return [f"[{at}]" for at in range(self.widths[place])] if place in self.widths else [""]

    @property
    def inputs(self) -> int:
        return sum(len(self.words.get(place, "1")) * self.widths.get(place, 1) for place in self.features)

    def input_names(self, names: Sequence[str | None]) -> tuple[str, ...]:
        """Of every input: that of its column, and its word or its place in the cell."""
        return tuple(
            f"{names[place] or place}{part}" if part else names[place] or ""
            for place in self.features
            for part in self._parts(place)
        )

    @property
    def word_inputs(self) -> Array:
        """Of every input: whether it stands for a word."""
        return np.isin(self.input_numbers, list(self.words))

    @property
    def input_numbers(self) -> tuple[int, ...]:
        """Of every input: the number of its column."""
        return tuple(place for place in self.features for _ in self._parts(place))

    def assemble(self, found: Mapping[int, Array], rows: int) -> tuple[Array, Array | None, Array]:
        """(features, targets or None, what every row lacks), of the columns as read.

        Columns of numbers are floats, NaN where a cell is missing; those of words objects, None there.
        """
        lacks = np.zeros(rows, np.int8)
        for place in (*self.features, *self.targets):
            if place not in self.gaps:
                column = found[place]
                gone: Array = np.isnan(column) if column.dtype.kind == "f" else _absent(column)
                gone = gone if gone.ndim == 1 else np.asarray(gone.any(axis=1))
                lacks[gone] = TARGET if place in self.targets else FEATURE
        if lacks.any():
            found = {place: found[place][lacks == 0] for place in (*self.features, *self.targets)}
        return (*self.stack(found, int((lacks == 0).sum())), lacks)

    def stack(
        self,
        found: Mapping[int, Array],
        rows: int,
        dtype: np.dtype[Any] = np.dtype(np.float64),  # noqa: B008
    ) -> tuple[Array, Array | None]:
        """(features, targets or None) of rows that lack nothing, wide columns as (rows, width)."""
        features = np.empty((rows, self.inputs), dtype=dtype)
        # Columns become rows, in parts that stay in a cache.
        step = max(64, _STACKED_BYTES // max(1, features[:1].nbytes))
        for first in range(0, rows, step):
            self._stack(features[first : first + step], found, slice(first, first + step))
        targets = [found[place] for place in self.targets]
        if any(column.dtype.kind == "O" for column in targets):
            if not self.gaps.isdisjoint(self.targets):
                targets = [np.where(_absent(column), "", column) for column in targets]
            targets = [column.astype(str) for column in targets]
        return features, np.column_stack(targets) if targets else None

    def _stack(self, features: Array, found: Mapping[int, Array], part: slice) -> None:
        at = 0
        for place in self.features:
            column = found[place][part]
            if place in self.words:
                count = len(self.words[place])
                for word in self.words[place]:
                    features[:, at] = column == word
                    at += 1
                if place in self.gaps:
                    features[_absent(column), at - count : at] = np.nan
                continue
            width = self.widths.get(place, 1)
            features[:, at : at + width] = column.reshape(len(features), width)
            at += width


FEATURE, TARGET = 1, 2
"""What a row lacks that is left out."""


def _absent(column: Array) -> NDArray[np.bool_]:
    """Which cells of a column of words are missing."""
    return np.asarray(np.equal(column, _ABSENT), bool)


class Table(DataSource):
    """A file of columns, of whose rows those with a missing cell are left out, where it may not be missing.

    Attributes:
        columns: all that the file has. chosen: which of them are read.
        partial: whether the running pass has left one out.
    """

    partial = False

    def __init__(
        self,
        shown: Sequence[Column],
        columns: Columns,
        external: RowArray | None,
        words: Words,
        **about: Any,
    ) -> None:
        units = tuple(100.0 if shown[at].percent else 1.0 for at in columns.targets)
        super().__init__(
            input_dim=columns.inputs,
            has_targets=bool(columns.targets) or external is not None,
            column_numbers=columns.input_numbers,
            word_inputs=columns.word_inputs if columns.words else None,
            target_units=units if max(units, default=1.0) > 1.0 else (),
            target_names=tuple(filter(None, (shown[at].name for at in columns.targets))),
            **about,
        )
        self.columns, self.chosen = tuple(shown), columns
        self._external, self._words = external, words

    def cell_name(self, index: int) -> str:
        place = self.chosen.input_numbers[index]
        return printable(self.columns[place].name or "") or f"column {place}"

    def _whole(self, found: Iterable[tuple[Array, Array | None, Array]], max_bytes: int) -> Iterator[Chunk]:
        """The chunks of a pass, from (features, targets, what every row lacks) of each block."""
        taker = None if self._external is None else RowTaker(self._external, max_bytes)
        kept = skipped = fillable = 0
        gone: list[Array] = []
        for features, targets, lacks in found:
            if taker is not None:
                targets = taker.take(len(lacks))[lacks == 0]  # noqa: PLW2901
            gone.append(kept + skipped + np.flatnonzero(lacks))
            kept += len(features)
            skipped += len(lacks) - len(features)
            fillable += int((lacks == FEATURE).sum())
            self.partial = skipped > 0
            if len(features):
                yield features, targets
        if taker is not None:
            taker.finish()
        if not kept + skipped:
            raise malformed(self.path, "has zero rows; at least one is needed")
        if not kept and not fillable:
            fix = f"name another with {self._words.target}" if self._words.said else "fill it in"
            raise malformed(self.path, f"lacks the target in each of its {skipped} rows; {fix}")
        if not kept:
            fix = f"{self._words.setting('missing', 'fill')} keeps them, with medians for what is missing"
            fix = fix if self._words.said else "fill them in"
            raise malformed(self.path, f"has a missing cell in each of its {skipped} rows; {fix}")
        self.rows_skipped, self.fillable, self.left_out = skipped, fillable, np.concatenate(gone)


def find_column(path: Path, names: Sequence[str | None], wanted: str) -> int | None:
    """The column of that name, or at that index; negative indices count from the end."""
    places = [index for index, name in enumerate(names) if name == wanted]
    if len(places) > 1:
        raise malformed(
            path, f"has {len(places)} columns called {wanted!r}; choose one by its index, {places[0]} or so"
        )
    if places:
        return places[0]
    index, width = _index(wanted), len(names)
    if index is None:
        return None
    if not -width <= index < width:
        raise malformed(
            path,
            f"has no column {index}; its {width} columns are counted from 0 to {width - 1}, or from the end"
            f" as {-width} to -1, the last",
        )
    return index % width


_TIMES = 20  # dates, of which so many in order are so by no chance


def _in_order(cells: Sequence[str]) -> bool:
    """Whether dates rise or fall from row to row, whichever of their first three numbers is the year."""
    found = [tuple(map(int, re.findall(r"\d+", cell))) for cell in cells]
    if len(found) < _TIMES or len(set(map(len, found))) > 1 or len(found[0]) < 3 or found[0] == found[-1]:
        return False
    for turn in ((0, 1, 2), (2, 1, 0), (2, 0, 1)):
        keys = [(*(each[at] for at in turn), *each[3:]) for each in found]
        if sorted(keys, reverse=keys[0] > keys[-1]) == keys:
            return True
    return False


def _target_columns(path: Path, names: Sequence[str | None], wanted: str) -> tuple[int, ...]:
    """The column of that name or place, or those between commas; none where it must be a file."""
    column = find_column(path, names, wanted)
    if column is not None:
        return (column,)
    parts = [part.strip() for part in wanted.split(",")]
    found = {part: find_column(path, names, part) for part in parts if part}
    places = dict.fromkeys(place for place in found.values() if place is not None)
    if places and None in found.values():
        missing = next(part for part, place in found.items() if place is None)
        raise malformed(path, f"has no target column {missing!r}; {_known(names, missing)}")
    return tuple(places)


def _index(wanted: str) -> int | None:
    try:
        return int(wanted)
    except ValueError:
        return None


Vocabulary = Callable[[Sequence[int]], Iterator[tuple[int, Iterable[str]]]]


def choose_columns(
    path: Path, columns: Sequence[Column], asked: Asked, vocabulary: Vocabulary
) -> tuple[Columns, RowArray | None]:
    """Positions of the columns, and the targets if they lie in a file of their own.

    Args:
        path: for messages.
        columns: all that the file has.
        asked: what is wanted of it.
        vocabulary: finds the words of some columns, with the column of each some.

    Raises:
        DataError: a column that was named is not there, or a feature holds no numbers.
    """
    if isinstance(asked.trained, Table):
        return choose_alike(path, columns, asked.trained, vocabulary), None
    names = [column.name for column in columns]
    notes: list[str] = []
    by_itself = tuple(asked.reading.exclude) != (NOTHING,) or NOTHING in names
    wanted = asked.reading.exclude if by_itself else ()
    dropped = {column for name in wanted for column in _excluded(path, names, name)}
    targets: tuple[int, ...] = ()
    external: RowArray | None = None
    if asked.reading.target is not None:
        targets = _target_columns(path, names, asked.reading.target)
        if not targets:
            external = asked.target_file(
                path,
                f"has no target column {asked.reading.target!r} and there is no such file; "
                f"{_known(names, asked.reading.target)}",
            )
        notes += _target_notes(path, columns, targets, dropped, asked)
    if dropped:
        notes.append(f"Left out, counted from 0: {_listing(names, sorted(dropped))}.")
    if by_itself:
        left = {at: why for at, why in _say_the_row(columns) if at not in dropped and at not in targets}
        dropped |= left.keys()
        notes += [
            f"Left out by itself, {why}: {_listing(names, [at for at in left if left[at] == why])}; "
            f"{asked.words.setting('exclude', NOTHING)} keeps every column."
            for why in dict.fromkeys(left.values())
        ]
    times = [at for at in sorted(dropped) if columns[at].kind == "date" and _in_order(columns[at].cells)]
    if times and targets:
        notes.append(
            f"The rows are in order of time, {_listing(names, times[:1])}: those held out are drawn from all "
            "of it, so that what comes later may be predicted worse than they are."
        )
    features = tuple(at for at in range(len(columns)) if at not in targets and at not in dropped)
    few = [at for at in features if columns[at].few]
    if few and asked.reading.categories == "exclude":
        notes.append(f"Left out, columns of words: {_listing(names, few)}.")
        features = tuple(at for at in features if at not in few)
    targeted = bool(targets) or external is not None
    _check_features(path, columns, features, asked, targeted=targeted)
    if not features:
        own = [at for at in dropped if columns[at].kind == "word" and by_itself]
        held = f", each cell of {_listing(names, own)} being text" if own else ""
        raise malformed(path, f"has zero feature columns left{held}; keep one of numbers besides the target")
    words: dict[int, tuple[str, ...]] = {}
    if asked.reading.categories == "one_hot":
        words = _all_words(path, columns, few, vocabulary, asked.words, targeted=targeted)
    if words:
        made = ", ".join(f"{_called(names, at)} {len(words[at])}" for at in list(words)[:_SHOWN])
        otherwise = f"{asked.words.setting('categories', 'exclude')} leaves such columns out"
        notes.append(f"Words became inputs of 0 and 1, one a word: {made}; {otherwise}.")
    found = {at: columns[at].width for at in features}
    widths = {at: width for at, width in found.items() if width is not None}
    gaps = frozenset(features) if asked.keeps_gaps else frozenset[int]()
    return Columns(features, targets, words, tuple(notes), widths, gaps), external


def alike(path: Path, columns: Sequence[Column], trained: Table) -> Mapping[int, int]:
    """Where the columns of a table that was trained on stand in another one.

    By their names, the second of one name being the second there too; by their places where one of both
    tables has no names, the targets being there or not. Targets and what is not read need not be there.

    Raises:
        DataError: a feature is not there.
    """
    old, new = _in_turn(trained.columns), _in_turn(columns)
    chosen, known = trained.chosen, trained.path.name
    if not (old and new):
        count, wanted = len(columns), len(trained.columns)
        if count not in (wanted, wanted - len(chosen.targets)):
            raise malformed(
                path,
                f"has {count} column{'s' if count > 1 else ''} and {known} {wanted}, and without names their "
                "places tell which is which; give it the same columns, with the target or without",
            )
        gone = chosen.targets if count < wanted else ()
        return {at: place for place, at in enumerate(at for at in range(wanted) if at not in gone)}
    places = {at: new[each] for each, at in old.items() if each in new}
    missing = [str(trained.columns[at].name) for at in chosen.features if at not in places]
    if missing:
        names = [column.name or "" for column in columns]
        hint = _known(names, missing[0]) if len(missing) == 1 else f"its columns are {listed(names)}"
        header = "" if len(missing) < len(chosen.features) else "; does its first line hold the names?"
        raise malformed(
            path,
            f"has no column {listed(missing)}, on which the network was trained in {known}; {hint}{header}",
        )
    return places


def _in_turn(columns: Sequence[Column]) -> Mapping[tuple[str, int], int]:
    """The places of columns by name, those of one name in turn; empty where one has none."""
    found: dict[tuple[str, int], int] = {}
    counted = Counter[str]()
    for place, column in enumerate(columns):
        if column.name is None:
            return {}
        found[column.name, counted[column.name]] = place
        counted[column.name] += 1
    return found


def retyped(columns: Sequence[Column], places: Mapping[int, int], trained: Table) -> tuple[Column, ...]:
    """The columns of a table of text, read as those that were trained on, whatever their first cells are."""
    found = list(columns)
    for at in (*trained.chosen.features, *trained.chosen.targets):
        if at in places:
            own, was = columns[places[at]], trained.columns[at]
            if (was.kind, own.kind) != ("truth", "number"):  # True may have become 1
                found[places[at]] = replace(was, name=own.name, cells=own.cells, words=())
    return tuple(found)


def choose_alike(path: Path, columns: Sequence[Column], trained: Table, vocabulary: Vocabulary) -> Columns:
    """The columns that a table was trained on, found in another file, and its targets if these are there.

    Raises:
        DataError: a feature is not there, or of another kind.
    """
    places, chosen, known = alike(path, columns, trained), trained.chosen, trained.path.name
    names = [column.name for column in columns]
    for at in chosen.features:
        own, was = columns[places[at]], trained.columns[at]
        if own.kind != "empty" and (own.numeric, own.width) != (
            was.numeric or was.kind == "empty",
            was.width,
        ):
            raise malformed(
                path,
                f"column {_called(names, places[at])} holds {_held(own)}, and in {known} {_held(was)}; "
                "convert it",
            )
    words = {places[at]: found for at, found in chosen.words.items()}
    met: dict[int, set[str]] = {at: set() for at in words}
    for at, some in vocabulary(list(words)) if words else ():
        met[at].update(filter(None, some))
    strange = {at: sorted(met[at].difference(words[at])) for at in words}
    notes = [
        f"Column {_called(names, at)} holds words that {known} lacks, of which no input is 1: {listed(new)}."
        for at, new in strange.items()
        if new
    ]
    beside = [at for at in range(len(columns)) if at not in places.values()]
    if beside:
        notes.append(f"Passed over, not in {known}: {_listing(names, beside)}.")
    return Columns(
        tuple(places[at] for at in chosen.features),
        tuple(places[at] for at in chosen.targets) if places.keys() >= set(chosen.targets) else (),
        words,
        tuple(notes),
        {places[at]: width for at, width in chosen.widths.items()},
        gaps=frozenset(places.values()),
    )


def _held(column: Column) -> str:
    """What is in a column, in words."""
    if column.kind == "other" or column.width is not None:
        return column.holds
    return "numbers" if column.numeric else f"{column.kind}s"


def _target_notes(
    path: Path, columns: Sequence[Column], targets: Sequence[int], dropped: Collection[int], asked: Asked
) -> Iterator[str]:
    """What is said of the columns that are the targets, which have to be fit for it."""
    names, wanted = [column.name for column in columns], asked.reading.target or ""
    for at in targets:
        if at in dropped:
            raise malformed(path, f"column {at} is both the target and excluded; choose one of the two")
        if not columns[at].target:
            raise malformed(
                path,
                f"column {_called(names, at)} holds {columns[at].holds}, which is no target; name another "
                f"with {asked.words.target}",
            )
        if len(targets) > 1 and not columns[at].numeric:
            raise malformed(
                path,
                f"column {_called(names, at)} is one of {len(targets)} targets and holds no numbers; name "
                f"one column of classes with {asked.words.target}, or columns of numbers only",
            )
    if len(targets) > 1:
        yield f"The targets are {_listing(names, targets)}, one output each."
    elif targets and (names[targets[0]] != wanted or _index(wanted) is not None):
        yield f"The target is column {_called(names, targets[0])}, counted from 0; -1 is the last."


def units_of(columns: Sequence[Column], chosen: Columns) -> Iterator[str]:
    """What stood behind the numbers of the chosen columns, and was left out."""
    units = {at: columns[at].unit for at in sorted((*chosen.features, *chosen.targets)) if columns[at].unit}
    if units:
        names = [column.name for column in columns]
        told = ", ".join(f"{units[at]!r} of column {_called(names, at)}" for at in list(units)[:_SHOWN])
        yield f"Read without the unit {told}."


def targets_among(columns: Sequence[Column]) -> tuple[int, ...]:
    """The columns of a file of targets: all, but those that are empty or say which row it is."""
    filled = tuple(at for at, column in enumerate(columns) if column.kind != "empty")
    rows = dict(_say_the_row(columns))
    return tuple(at for at in filled if at not in rows) or filled


def _say_the_row(columns: Sequence[Column]) -> Iterator[tuple[int, str]]:
    """Columns that say which row it is, with why they are none of the features."""
    last, rows = len(columns) - 1, True  # so far every column says which row it is
    for at, column in enumerate(columns):
        named, leading = column.name is not None, rows
        unnamed = named and _UNNAMED.fullmatch(column.name or "") is not None
        own = (
            column.counts or column.own or (column.distinct and len(column.cells) > 2 and column.name != "X")
        )
        rows &= unnamed and own
        if named and _INDEX.fullmatch(column.name or ""):
            yield at, "the index that pandas saved"
        elif leading and unnamed and own and at < last:
            yield at, "row names"
        elif at == 0 < last and not named and column.counts and len(column.cells) > 2:
            yield at, "numbers of rows"
        elif column.kind == "empty":
            yield at, "empty"
        elif column.kind == "date" or (column.kind == "number" and is_time(column.name, column.cells)):
            yield at, "dates"
        elif column.counts and named and _ID.fullmatch(column.name or ""):
            yield at, "numbers of rows"
        elif column.distinct and len(column.cells) >= _KEYS and _KEY.search(column.name or ""):
            yield at, "a number of its own in every row"
        elif column.own:
            yield at, "a word of its own in most rows"


def _check_features(
    path: Path, columns: Sequence[Column], features: Sequence[int], asked: Asked, *, targeted: bool
) -> None:
    """Refuse columns that hold no numbers, all of them at once."""
    one_hot = asked.reading.categories == "one_hot"
    bad = [at for at in features if not columns[at].numeric and columns[at].kind != "empty"]
    if one_hot:
        bad = [at for at in bad if not columns[at].few]
    if not bad:
        return
    first = columns[bad[0]]
    what = f"holds {first.holds}, not numbers"
    if one_hot and first.kind == "word":
        what = "holds a word of its own in most rows" if first.own else _too_many(first.different)
    raise _no_features(path, columns, bad, what, asked.words, targeted=targeted)


def _too_many(different: int) -> str:
    return f"holds {different} different words or more, of which at most {MOST_WORDS} become inputs"


_SHOWN_TO_EXCLUDE = 5


def _no_features(
    path: Path, columns: Sequence[Column], bad: Sequence[int], what: str, words: Words, *, targeted: bool
) -> DataError:
    """That columns are no features, and what to do; `what` is wrong with one that is alone."""
    names, few = [column.name for column in columns], [at for at in bad if columns[at].few]
    alone = len(bad) == 1
    fixes = []
    if not targeted and any(columns[at].target for at in bad):
        fixes.append(f"if {'it' if alone else 'one'} is the target, name it with {words.target}")
    if few:
        of = "every word" if len(few) == len(bad) else f"every word of {_listing(names, few)}"
        rest = [names[at] or str(at) for at in bad if at not in few]
        how = words.setting("categories", "one_hot")
        if 0 < len(rest) <= _SHOWN_TO_EXCLUDE and all(re.fullmatch(r"\w+", name) for name in rest):
            left_out = f"[{', '.join(rest)}]" if words.in_spec else ",".join(rest)
            how = f"{how} with {words.setting('exclude', left_out)}"
        fixes.append(f"{how} makes an input of {of}")
    fixes.append(words.leave_out if alone else words.leave_out.replace(" it ", " them "))
    return malformed(
        path,
        f"{_listing(names, bad)} {what if alone else 'hold no numbers'}; "
        f"{', '.join(fixes[:-1])}{', or ' if len(fixes) > 1 else ''}{fixes[-1]}",
    )


def _all_words(
    path: Path,
    columns: Sequence[Column],
    places: Sequence[int],
    vocabulary: Vocabulary,
    words: Words,
    *,
    targeted: bool,
) -> dict[int, tuple[str, ...]]:
    """Every word of some columns.

    Raises:
        DataError: there are more of them in one column than become inputs.
    """
    found: dict[int, set[str]] = {at: set() for at in places if not columns[at].words}
    for at, some in vocabulary(list(found)) if found else ():
        found[at].update(filter(None, some))
        if len(found[at]) > MOST_WORDS:
            wide = [*columns[:at], replace(columns[at], words=tuple(found[at])), *columns[at + 1 :]]
            raise _no_features(path, wide, [at], _too_many(len(found[at])), words, targeted=targeted)
    return {at: columns[at].words or tuple(sorted(found[at])) for at in places}


def guessed_target(
    path: Path, columns: Sequence[Column], exclude: Sequence[str], fix: str
) -> tuple[str, str]:
    """(the column to predict, a sentence on it), where nobody says.

    One with a name that says so; else the last one, if it holds few different values, each more than once.

    Args:
        path: for messages.
        columns: all of the table.
        exclude: those that are left out.
        fix: how the user says which it is.

    Raises:
        DataError: there is none such.
    """
    said = "is assumed to be what to predict; --target says otherwise."
    names = [column.name for column in columns]
    dropped = {at for name in exclude if name != NOTHING for at in _excluded(path, names, name)}
    # An empty last column is none: it is what a separator at the end of every line leaves.
    left = [at for at, column in enumerate(columns) if at not in dropped and column.kind != "empty"]
    for at in left:
        name = names[at]
        if name is not None and name.strip().lower() in _TARGETS:
            return name, f"Column {name!r} {said}"
    at = left[-1] if left else 0
    last = columns[at]
    if _few_classes(path, last.cells):
        name = last.name
        called = name if name and names.count(name) == 1 else str(at - len(columns))
        return called, f"{f'Column {name!r}' if name else 'The last column'} {said}"
    shown = f"; its columns are {listed([name or '' for name in names])}" if any(names) else ""
    raise malformed(path, f"which column is to be predicted? name it with {fix}{shown}")


def _few_classes(path: Path, cells: Sequence[str]) -> bool:
    """Whether cells are labels, each twice in the mean; those of a sorted table may be one label."""
    if not cells:
        return False
    summary = TargetSummary(f"{path}: targets")
    summary.update(np.asarray(cells))
    classes = summary.finish().classes
    return classes is not None and len(classes) <= min(_MOST_CLASSES, len(cells) // 2)


def _excluded(path: Path, names: Sequence[str | None], wanted: str) -> list[int]:
    """The column of that name; else, where commas separate them, the columns of the names between."""
    column = find_column(path, names, wanted)
    if column is not None:
        return [column]
    parts = [part.strip() for part in wanted.split(",")] if "," in wanted else []
    if not all(parts) or not parts:
        raise malformed(path, f"has no column {wanted!r} to exclude; {_known(names, wanted)}")
    return [place for part in parts for place in _excluded(path, names, part)]


def _called(names: Sequence[str | None], place: int) -> str:
    name = names[place]
    return str(place) if name is None else f"{place} ({name[:_LONGEST]!r})"


def _listing(names: Sequence[str | None], places: Sequence[int]) -> str:
    """Columns by number and, where there is a header, by name."""
    shown = first_of([_called(names, place) for place in places], _SHOWN)
    return f"column{'s' if len(places) > 1 else ''} {shown}"


def _known(names: Sequence[str | None], wanted: str) -> str:
    known = [name for name in names if name is not None]
    if not known:
        return f"it has no header, so count its {len(names)} columns from 0; -1 is the last"
    from difflib import get_close_matches

    close = get_close_matches(wanted, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"its columns are {listed(known)}"


def listed(names: Sequence[str]) -> str:
    """The first names of columns and the last, which mostly is the target."""
    shown = [repr(name) for name in names]
    if len(shown) > _SHOWN:
        shown[_SHOWN - 2 : -1] = ["..."]
    return ", ".join(shown)
