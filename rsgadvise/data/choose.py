"""Which of several arrays in one file holds the features, and which the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rsgadvise.data.stream import ArraySource, RowArray, malformed

# What messages call the choices that a reader leaves to its user.


@dataclass(frozen=True, slots=True)
class Words:
    """Where a user says what to read; the fix in a message must be one that the command at hand takes.

    Args:
        array: where the array of the features is named.
        target: where the targets are named.
        exclude: where columns are left out; None where they cannot be.
    """

    array: str = "--array"
    target: str = "--target"
    exclude: str | None = "--exclude"

    @property
    def leave_out(self) -> str:
        """What to do about a column that is no feature."""
        return "take it out of the file" if self.exclude is None else f"leave it out with {self.exclude}"

    def no_number(self, *, named: bool) -> str:
        """What to do about a column that holds no numbers; `named`: whether the targets are known."""
        if named:
            return self.leave_out
        return f"if the column is the target, name it with {self.target}, else {self.leave_out}"


FEATURE_NAMES = ("x", "data")
TARGET_NAMES = ("y", "labels", "fine_labels")


class OpenTarget(Protocol):
    """Opens a file of targets, looked for beside the data as well; None if there is none."""

    def __call__(self, target: str, *, beside: Path) -> RowArray | None: ...


class Archive(Protocol):
    """A file that holds several named arrays; `passed_over` says what else is in it, of other kinds."""

    path: Path
    passed_over: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]: ...

    def rows(self, name: str, *, targets: bool = False) -> RowArray: ...

    def describe(self) -> str: ...


def _usual(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first wanted name, exactly or, if that is unique, in other capitals."""
    for want in wanted:
        if want in names:
            return want
        alike = [name for name in names if name.lower() == want]
        if len(alike) == 1:
            return alike[0]
    return None


def _choose_features(archive: Archive, array: str | None, words: Words) -> str:
    """The name asked for, else x or data, else the only array there is."""
    path, names = archive.path, archive.names
    if array is not None:
        if array not in names:
            raise malformed(
                path, f"has no array {array!r}; it holds {archive.describe()}: name one with {words.array}"
            )
        return array
    usual = _usual(names, FEATURE_NAMES)
    if usual is not None:
        return usual
    if len(names) == 1:
        return names[0]
    raise malformed(
        path,
        f"holds {archive.describe()} and none is called x or data; choose the features with"
        f" {words.array} NAME",
    )


def _choose_targets(
    archive: Archive,
    features: RowArray,
    feature_name: str,
    target: str | None,
    *,
    explicit_array: bool,
    open_target: OpenTarget,
    words: Words,
) -> RowArray | None:
    """The targets asked for, else y or labels, else None.

    When the features were chosen by hand, an array y of another length belongs to other features and is
    passed over.
    """
    names = archive.names
    if target is not None:
        if target in names:
            return archive.rows(target, targets=True)
        found = open_target(target, beside=archive.path)
        if found is None:
            raise malformed(
                archive.path,
                f"has no array {target!r} and there is no such file; it holds {archive.describe()}:"
                f" name one of these, or a file, with {words.target}",
            )
        return found
    usual = _usual([name for name in names if name != feature_name], TARGET_NAMES)
    if usual is None:
        return None
    targets = archive.rows(usual, targets=True)
    if explicit_array and targets.rows != features.rows:
        return None
    return targets


def chosen_names(archive: Archive, *, array: str | None, target: str | None) -> tuple[str, str | None] | None:
    """Names of the arrays that `open_archive` takes; None where the targets lie in a file of their own."""
    name = _choose_features(archive, array, Words())
    if target is not None:
        return (name, target) if target in archive.names else None
    usual = _usual([other for other in archive.names if other != name], TARGET_NAMES)
    if usual is None:
        return name, None
    passed_over = array is not None and archive.rows(usual, targets=True).rows != archive.rows(name).rows
    return name, None if passed_over else usual


def open_archive(
    archive: Archive,
    *,
    format: str,  # noqa: A002
    array: str | None,
    target: str | None,
    open_target: OpenTarget,
    words: Words,
) -> ArraySource:
    """Features and, where there are any, targets of a file of several arrays."""
    name = _choose_features(archive, array, words)
    features = archive.rows(name)
    targets = _choose_targets(
        archive,
        features,
        name,
        target,
        explicit_array=array is not None,
        open_target=open_target,
        words=words,
    )
    notes: tuple[str, ...] = ()
    if array is None and archive.passed_over:
        others = ", ".join(archive.passed_over[:20])
        notes = (f"The features are array {name!r}; passed over, since only numbers are read: {others}.",)
    return ArraySource(path=archive.path, format=format, features=features, targets=targets, notes=notes)


def choose_target_array(archive: Archive) -> RowArray:
    """The targets in a file that was named as the file of the targets."""
    name = _usual(archive.names, (*TARGET_NAMES, *FEATURE_NAMES))
    if name is None:
        if len(archive.names) != 1:
            raise malformed(
                archive.path,
                f"holds {archive.describe()} and none is called y or labels; keep the targets alone",
            )
        name = archive.names[0]
    return archive.rows(name, targets=True)
