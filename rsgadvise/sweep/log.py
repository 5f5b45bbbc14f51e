"""The file in which a sweep keeps its finished points: JSON lines, of which the first says what sweep it is.

Each line is on the disk before the next point begins, so that whatever ends the program costs one point.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from rsgadvise import __version__
from rsgadvise.errors import UsageError
from rsgadvise.networks import Data
from rsgadvise.spec import Spec
from rsgadvise.sweep.measuring import Options
from rsgadvise.sweep.points import PlannedPoint
from rsgadvise.sweep.results import Axis, Measurement, SweepPoint

try:
    import fcntl
except ImportError:  # not on every system; two sweeps in one file are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["SweepLog", "identity"]

SCHEMA = "rsgadvise.sweep-log/1"
_NAMES = {
    "version": "the version of rsgadvise",
    "name": "the path of the spec",
    "data": "the data file",
    "rows": "the rows of the data file",
    "axes": "what is varied",
    "advice": "--advice",
    "measure": "--measure",
    "runs": "--runs",
    "seed": "--seed",
    "confidence": "--confidence",
    "interval": "--interval",
}
_MOST_SHOWN = 3


def identity(
    spec: Spec,
    axes: Sequence[Axis],
    options: Options,
    *,
    name: str,
    statistics: Mapping[str, float | int | None] | None,
    data: Data | None,
) -> dict[str, Any]:
    """Everything that decides the numbers of a sweep, as JSON has it."""
    known: dict[str, Any] = {
        "version": __version__,
        "spec": spec.model_dump(mode="json", exclude={"sweep"}),
        "axes": [asdict(axis) for axis in axes],
        "data": None if statistics is None else dict(statistics),
        "advice": options.advice,
        "measure": options.measure,
    }
    if options.measure:
        known |= {
            "name": name,
            "runs": options.runs,
            "seed": options.seed,
            "confidence": options.confidence,
            "interval": options.interval,
            "rows": None if data is None else _digest(data),
        }
    plain: dict[str, Any] = json.loads(json.dumps(known))
    return plain


def _digest(data: Data) -> str:
    found = hashlib.sha256()
    for array in (data.inputs, data.targets):
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _header(sweep: Mapping[str, Any]) -> bytes:
    text = json.dumps(sweep, sort_keys=True)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"schema": SCHEMA, "fingerprint": fingerprint, "sweep": sweep}).encode() + b"\n"


class SweepLog:
    """An open file of finished points.

    Args:
        path: created unless it exists.
        sweep: the `identity` of the sweep.
        points: those planned.

    Attributes:
        found: the finished points by their number.
        repaired: whether a line that was cut short was removed.

    Raises:
        UsageError: it cannot be read or written, is that of another sweep, or is damaged.
    """

    def __init__(self, path: Path, sweep: Mapping[str, Any], points: Sequence[PlannedPoint]) -> None:
        self.path = path
        self.found: dict[int, SweepPoint] = {}
        self.repaired = False
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as error:
            raise self._error(f"cannot be opened: {error.strerror}; choose another place") from None
        try:
            self._open(sweep, points)
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> SweepLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def append(self, number: int, point: SweepPoint) -> None:
        """Put a finished point on the disk.

        Raises:
            UsageError: the disk is full, or gone.
        """
        record = {"point": number, **asdict(point)}
        self._write(json.dumps(record, allow_nan=False).encode() + b"\n")

    def _error(self, message: str) -> UsageError:
        return UsageError(f"--resume {self.path}: {message}")

    def _write(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError as error:
            raise self._error(f"cannot be written: {error.strerror}; make room, and run it again") from None

    def _open(self, sweep: Mapping[str, Any], points: Sequence[PlannedPoint]) -> None:
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            raise self._error("must be a file that can be read again; got a device or pipe; name a file")
        if fcntl is not None:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise self._error("is in use by another sweep; wait for it, or name another file") from None
        with os.fdopen(os.dup(self._handle), "rb") as stream:
            content = stream.read()
        header = _header(sweep)
        if header.startswith(content):  # new, or killed before the first point
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            self._write(header)
            return
        first, newline, rest = content.partition(b"\n")
        self._check_header(first if newline else b"", sweep)
        good = len(first) + 1 + self._read(rest, points)
        self.repaired = good < len(content)
        if self.repaired:
            os.ftruncate(self._handle, good)
            os.fsync(self._handle)
        os.lseek(self._handle, good, os.SEEK_SET)

    def _check_header(self, line: bytes, sweep: Mapping[str, Any]) -> None:
        try:
            found = json.loads(line)
            there = found["sweep"] if found["schema"] == SCHEMA else None
        except (ValueError, KeyError, TypeError):
            there = None
        if not isinstance(there, dict):
            raise self._error("is no file of `rsgadvise sweep --resume`; name another file")
        if there != sweep:
            differences = list(_differences(there, sweep))
            more = len(differences) - _MOST_SHOWN
            text = "; ".join(differences[:_MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise self._error(f"is that of another sweep: {text}; name another file")

    def _read(self, content: bytes, points: Sequence[PlannedPoint]) -> int:
        """Take in the lines; returns how many bytes of them are good."""
        good = 0
        lines = content.splitlines(keepends=True)
        for place, line in enumerate(lines):
            point = self._point(line, points) if line.endswith(b"\n") else None
            if point is None:
                if place + 1 < len(lines):
                    raise self._error(
                        f"is damaged in line {place + 2}; remove that line, or name another file"
                    )
                break
            number, entry = point
            self.found.setdefault(number, entry)
            good += len(line)
        return good

    @staticmethod
    def _point(line: bytes, points: Sequence[PlannedPoint]) -> tuple[int, SweepPoint] | None:
        try:
            record = json.loads(line)
            number = record.pop("point")
            measured = record.pop("measured")
            record.pop("certified_vacuous", None)  # it follows from the rest
            entry = SweepPoint(
                measured=None if measured is None else Measurement(**measured),
                **{key: _tuples(value) for key, value in record.items()},
            )
            known = isinstance(number, int) and number >= 0 and entry.values == points[number].values
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None
        return (number, entry) if known else None


def _tuples(value: Any) -> Any:
    """Lists as the frozen records have them."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {key: _tuples(entry) for key, entry in value.items()}
    return value


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Each part of two identities that differs, in a few words."""
    for key in dict.fromkeys((*there, *here)):
        old, new = there.get(key), here.get(key)
        if key == "rows" and old != new:
            yield f"{_NAMES[key]} differ"
        elif key == "axes" and old != new:
            yield f"{_NAMES[key]} is {_axes(old)} there, {_axes(new)} here"
        else:
            yield from _changes(old, new, "" if key == "spec" else _NAMES.get(key, key))


def _changes(there: Any, here: Any, path: str) -> Iterator[str]:
    """Each value that differs, by its key."""
    if there == here:
        return
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys((*there, *here)):
            yield from _changes(there.get(key), here.get(key), f"{path}.{key}" if path else key)
        return
    yield f"{path} is {_shown(there)} there, {_shown(here)} here"


def _axes(axes: Any) -> str:
    """The axes in a few words: keys, how many values, and the ends."""
    if not isinstance(axes, list):
        return "nothing"
    return " and ".join(
        f"{axis['key']} ({len(axis['values'])} values from {axis['values'][0]} to {axis['values'][-1]})"
        for axis in axes
    )


def _shown(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
