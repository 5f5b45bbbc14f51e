"""Which of several arrays in one file holds the features, and which the targets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rsgadvise.data.reading import Asked
from rsgadvise.data.stream import ArraySource, RowArray, first_of, malformed
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

FEATURE_NAMES = (
    *("x", "data", "features", "feature", "feats", "feat", "fea", "inputs", "input", "images", "image"),
    *("samples", "attributes"),
)
TARGET_NAMES = (
    *("y", "labels", "label", "targets", "target", "classes", "class", "fine_labels", "gnd"),
    *("outputs", "output"),
)
_SPELLINGS = ("{0}_{1}", "{1}_{0}", "{0}{1}", "{1}{0}")
_TRAINING = tuple(
    s.format("{}", part) for part in ("train", "training", "train_set", "tr") for s in _SPELLINGS
)
_TESTING = tuple(
    spelling.format("{}", part)
    for part in ("test", "testing", "test_set", "te", "val", "valid", "validation", "dev")
    for spelling in _SPELLINGS
)
_PLAIN = "{}"
_MOST_DESCRIBED = 20
_MOST_UNNAMED = 100  # a longer list is no list of arrays


@dataclass(frozen=True, slots=True)
class Item:
    """Something in a file that has a name.

    Attributes:
        shape: of an array of numbers; None for anything else.
        rows: it as a stream of rows, for targets or not, with its axes in the opposite order or not; raises
            DataError where it holds anything but real numbers, or is damaged. None of what is no array.
        what: else it is, or is beside its shape.
    """

    shape: tuple[int, ...] | None
    rows: Callable[[bool, bool], RowArray] | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of several named arrays, and perhaps other things that have names.

    Attributes:
        path: the file.
        items: by name.
        notes: which of what has no names was taken for what.
    """

    path: Path
    items: Mapping[str, Item]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.items)

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.items[name].shape

    def described(self, name: str) -> str:
        """The name, with its shape or with what else it is."""
        item = self.items[name]
        name = name if name.isprintable() else ascii(name)
        return f"{name} ({item.what})" if item.shape is None else f"{name} {item.what}{item.shape}"

    def rows(self, name: str, *, targets: bool = False, transposed: bool = False) -> RowArray:
        rows = self.items[name].rows
        if rows is None:
            raise malformed(
                f"{self.path}: array {name!r}",
                f"is no array of numbers: {self.described(name)}; name another, or store it as one",
            )
        return rows(targets, transposed)


Shape = Callable[[Any], tuple[int, ...] | None]


def contents_archive(
    path: Path, content: object, *, shape: Shape, rows: Callable[[str, Any, bool, bool], RowArray]
) -> Archive:
    """The arrays of a dictionary, of a tuple or list, or one alone, which is x.

    Args:
        path: the file.
        content: what a library of one language stored in it.
        shape: of an array, of one axis at least; None of anything else.
        rows: name, array, for targets, transposed.
    """
    found, notes = _named(content, shape)
    items = {
        name: Item(None, what=type(each).__name__)
        if shape(each) is None
        else Item(shape(each), partial(rows, name, each))
        for name, each in found.items()
    }
    return Archive(path, dict(sorted(items.items(), key=lambda item: item[1].shape is None)), notes)


def _named(content: Any, shape: Shape) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(what is in it by name, which was taken for what).

    Two arrays of equal length are x and y; of several such pairs the first are, and the next are x_2 and y_2.
    Anything else that is in order goes by its place, from 0.
    """

    def length(value: Any) -> int | None:
        found = shape(value)
        return found[0] if found else None

    def is_pair(value: Any) -> bool:
        in_order = isinstance(value, list | tuple) and len(value) == 2
        return in_order and length(value[0]) is not None and length(value[0]) == length(value[1])

    if length(content) is not None:
        return {"x": content}, ()
    if is_pair(content):
        rows = length(content[0])
        note = f"Of the pair of arrays, of {rows} rows each, the second was taken as the targets."
        return {"x": content[0], "y": content[1]}, (note,)
    in_order = isinstance(content, list | tuple)
    if in_order and content and all(is_pair(each) for each in content):
        arrays = dict(zip(("x", "y"), content[0], strict=True))
        for number, pair in enumerate(content[1:], 2):
            arrays |= {f"x_{number}": pair[0], f"y_{number}": pair[1]}
        note = (
            f"The first of {len(content)} pairs of arrays was taken; array x_2 with target y_2 is the second."
        )
        return arrays, (note,) if len(content) > 1 else ()
    found = content if isinstance(content, dict) else {}
    if in_order and len(content) <= _MOST_UNNAMED:
        found = dict(enumerate(content))
    names = (key.decode("latin1") if isinstance(key, bytes) else str(key) for key in found)
    return dict(zip(names, found.values(), strict=True)), ()


_WEIGHTS = {"weight", "weights", "bias", "biases", "kernel"}


@dataclass(frozen=True, slots=True)
class Taken:
    """Which arrays of a file are read, and how.

    Attributes:
        features, targets: their names; no targets where there are none, or where they lie elsewhere.
        turned, targets_turned: whether they are read with their axes in the opposite order.
        training: whether they were taken for being those of training.
        unfit: arrays called like targets that give no target for each row.
        guessed: whether no name says that they are features and targets.
    """

    features: str
    targets: str | None = None
    turned: bool = False
    targets_turned: bool = False
    training: bool = False
    unfit: tuple[str, ...] = ()
    guessed: bool = False


def _described(archive: Archive, names: Sequence[str]) -> str:
    """Names and shapes for a message."""
    return first_of([archive.described(name) for name in names], _MOST_DESCRIBED) or "no array"


def _called(name: str) -> str:
    """A name as it is compared: X-Train and the dataset x in the group train are x_train and train_x."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _usual(names: Sequence[str], wanted: Iterable[str]) -> Iterator[str]:
    """The names that are wanted, in that order, each exactly or, if that is unique, in another spelling."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(_called(name), []).append(name)
    for want in wanted:
        alike = spellings.get(want, [])
        if want in alike:
            yield want
        elif len(alike) == 1:
            yield alike[0]


def choose_features(
    archive: Archive, array: str | None, words: Words, patterns: Sequence[str] = (_PLAIN, *_TRAINING)
) -> str:
    """The name asked for, else a usual one in the first pattern with one, else the only array there is."""
    path, names = archive.path, archive.names
    if array is not None:
        if array not in names:
            raise malformed(
                path,
                f"has no array {array!r}; it holds {_described(archive, names)}: name one with {words.array}",
            )
        return array
    usual = next(_usual(names, (p.format(word) for p in patterns for word in FEATURE_NAMES)), None)
    if usual is not None:
        return usual
    numbers = [name for name in names if archive.shape(name) is not None] or names
    if len(numbers) == 1 and _called(numbers[0]) not in TARGET_NAMES:
        return numbers[0]
    raise malformed(
        path,
        f"holds {_described(archive, names)} and none is called x, data or features; "
        + ("call one so" if words.fixed else f"choose the features with {words.setting('array', 'NAME')}"),
    )


def _pairing(features: tuple[int, ...], targets: tuple[int, ...]) -> tuple[bool, bool] | None:
    """Which of both to turn for one target a row: neither if that will do; None if nothing does.

    Only the length of the last axis says that images lie along it, so it has to be the longer one.
    """
    found = [
        (turned, targets_turned)
        for turned in (False, True)
        for targets_turned in (False, True)
        if targets
        and (len(features) == 2 or not turned or features[-1] > features[0])
        and (len(targets) == 2 or not targets_turned)
        and features[-turned] == targets[-targets_turned]
    ]
    several = [pair for pair in found if features[-pair[0]] > 1]  # two row vectors are not one row each
    return next(iter(several or found), None)


def _lone_pair(archive: Archive) -> tuple[str, str] | None:
    """Rows and one target for each, of two arrays without usual names, as `numpy.savez(path, x, y)` has them.

    Of arr_0, arr_1, ... the first two are, where the others are such pairs too. A layer's weights and biases
    have such shapes as well, and are no data.
    """
    usual = {
        p.format(word) for p in (_PLAIN, *_TRAINING, *_TESTING) for word in (*FEATURE_NAMES, *TARGET_NAMES)
    }
    shapes = {name: archive.shape(name) for name in archive.names}
    arrays = [(name, shape) for name, shape in shapes.items() if shape]
    if len(arrays) < len(shapes) or len(arrays) % 2 or any(_called(name) in usual for name in shapes):
        return None
    if any(_called(name).rpartition("_")[2] in _WEIGHTS for name in shapes):
        return None
    counted = all(re.fullmatch(r"arr_\d+", name) for name in shapes)
    if len(arrays) > 2 and not counted:
        return None
    pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
    if not counted and pairs and math.prod(arrays[0][1][1:]) < math.prod(arrays[1][1][1:]):
        pairs = [(pairs[0][1], pairs[0][0])]
    fits = (len(x) > 1 and x[0] == y[0] and (len(y) == 1 or y[1:] == (1,)) for (_, x), (_, y) in pairs)
    return (pairs[0][0][0], pairs[0][1][0]) if pairs and all(fits) else None


def _choose(
    archive: Archive,
    *,
    array: str | None,
    target: str | None,
    words: Words,
    patterns: Sequence[str] = (_PLAIN, *_TRAINING),
) -> Taken:
    """What to read of a file; `target` is the name of an array in it, or None to look for one."""
    if array is None and target is None and (lone := _lone_pair(archive)) is not None:
        return Taken(*lone, guessed=True)
    name = choose_features(archive, array, words, patterns)
    called = _called(name)
    pattern = next(
        (p for p in (*_TRAINING, *_TESTING) if called in {p.format(word) for word in FEATURE_NAMES}), _PLAIN
    )
    training = array is None and pattern in _TRAINING
    shape = archive.shape(name)
    if shape is None or len(shape) < 2:
        return Taken(name, target)  # refused when it is read
    others = [other for other in archive.names if other != name]
    usual = _usual(others, (pattern.format(word) for word in TARGET_NAMES))
    unfit: list[str] = []
    for candidate in usual if target is None else (target,):
        length = archive.shape(candidate)
        pair = None if length is None else _pairing(shape, length)
        if pair is not None:
            return Taken(name, candidate, *pair, training, tuple(unfit))
        unfit += [candidate] * (length is not None)
    return Taken(name, target, training=training, unfit=tuple(unfit) if target is None else ())


def open_archive(archive: Archive, asked: Asked, *, format: str) -> ArraySource:  # noqa: A002
    """Features and, where there are any, targets of a file of several arrays."""
    array, target, targets = asked.reading.array, asked.reading.target, None
    if asked.trained is not None:
        taken = _choose_alike(archive, asked, asked.trained.input_dim)
        array, target = taken.features, taken.targets
    elif target is None or target in archive.names:
        taken = _choose(archive, array=array, target=target, words=asked.words)
    else:
        taken, targets = _with_file(archive, asked)
    if taken.targets is not None:
        targets = archive.rows(taken.targets, targets=True, transposed=taken.targets_turned)
    features = archive.rows(taken.features, transposed=taken.turned)
    unnamed = archive.notes if array is None and target is None else ()
    notes = (*unnamed, *_notes(archive, taken))
    return ArraySource(path=archive.path, format=format, features=features, targets=targets, notes=notes)


def _choose_alike(archive: Archive, asked: Asked, width: int) -> Taken:
    """What to read of a file for rows like those that were trained on, of so many features.

    Arrays are those of the same names if there are such, or else those for testing.
    """
    array, target = (
        name if name in archive.names else None for name in (asked.reading.array, asked.reading.target)
    )
    patterns = (*_TESTING, _PLAIN, *_TRAINING)
    taken = _choose(archive, array=array, target=target, words=asked.words, patterns=patterns)
    shape = archive.shape(taken.features) or ()
    if taken.targets is not None or len(shape) < 2:
        return taken
    sideways = math.prod(shape[1:]) != width == math.prod(shape[:-1])
    return replace(taken, turned=sideways)


def _with_file(archive: Archive, asked: Asked) -> tuple[Taken, RowArray]:
    """The features of a file, and targets in a file of their own."""
    name = choose_features(archive, asked.reading.array, asked.words)
    targets = asked.target_file(
        archive.path,
        f"has no array {asked.reading.target!r} and there is no such file; it holds "
        f"{_described(archive, archive.names)}: name one of these, or a file, with {asked.words.target}",
    )
    shape = archive.shape(name) or ()
    pair = _pairing(shape, (targets.rows,)) if len(shape) > 1 and targets.rows is not None else None
    return Taken(name, turned=pair is not None and pair[0]), targets


def _notes(archive: Archive, taken: Taken) -> Iterator[str]:
    """What was taken of more than that, and what was turned."""
    left = [name for name in archive.names if name not in {taken.features, taken.targets}]
    if left or taken.guessed:
        targets = "" if taken.targets is None else f", the targets {archive.described(taken.targets)}"
        training = ", those for training" if taken.training else ""
        others = f"; passed over: {_described(archive, left)}" if left else ", which no name says"
        yield f"The features are array {archive.described(taken.features)}{targets}{training}{others}."
    for name in taken.unfit:
        yield f"Array {archive.described(name)} does not hold one target for each row of the features."
    turned = [taken.features] * taken.turned
    if taken.targets is not None and taken.targets_turned and (archive.shape(taken.targets) or (1,))[0] > 1:
        turned.append(taken.targets)  # of a vector that lies there as one row nobody need be told
    for name in turned:
        yield f"Array {archive.described(name)} is read transposed, which gives one target for each row."


def choose_target_array(archive: Archive) -> RowArray:
    """The targets in a file that was named as the file of the targets."""
    name = next(_usual(archive.names, (*TARGET_NAMES, *FEATURE_NAMES)), None)
    if name is None:
        if len(archive.names) != 1:
            raise malformed(
                archive.path,
                f"holds {_described(archive, archive.names)} and none is called y or labels; keep the"
                " targets alone",
            )
        name = archive.names[0]
    shape = archive.shape(name) or ()
    return archive.rows(name, targets=True, transposed=len(shape) == 2 and shape[0] == 1)
