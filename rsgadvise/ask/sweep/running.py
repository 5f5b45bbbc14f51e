"""Point after point: what the theory says, what training says, and on to the next."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from rsgadvise import __version__
from rsgadvise.ask.sweep.axes import PlannedPoint
from rsgadvise.ask.sweep.measuring import Computer, Measuring, Options, Prediction, measure_point, predict
from rsgadvise.ask.sweep.results import Axis, Measurement, PointWork, Sweep, SweepPoint
from rsgadvise.ask.verify.from_spec import GENERATED_ROWS
from rsgadvise.ask.verify.running import State
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.spec import Spec
from rsgadvise.theory import about
from rsgadvise.theory.theorems import theorem_of
from rsgadvise.training.networks import Data

if TYPE_CHECKING:
    from rsgadvise.ask.verify.from_spec import Values
    from rsgadvise.spec import Spec


# The file in which a sweep keeps its finished points: JSON lines, of which the first says what sweep it is.
#
# Each line is on the disk before the next point begins, so that whatever ends the program costs one point.

try:
    import fcntl
except ImportError:  # not on every system; two sweeps in one file are then the user's to avoid
    fcntl = None  # type: ignore[assignment]


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


@dataclass(frozen=True, slots=True)
class SweepState:
    """Progress: points finished, and the share of the one under way.

    A new one is told in `finished`, and what training it takes, before it begins, in `work`.
    """

    done: int
    total: int
    share: float = 0.0
    finished: SweepPoint | None = None
    work: PointWork | None = None


Progress = Callable[[SweepState], None]


def run_sweep(
    points: Sequence[PlannedPoint],
    axes: Sequence[Axis],
    *,
    options: Options,
    name: str,
    computer: Computer | None = None,
    data: Data | None = None,
    statistics: Mapping[str, float | int | None] | None = None,
    notes: Sequence[str] = (),
    log: SweepLog | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """The bounds at each point, and with a computer what training measures there.

    Every number depends on the spec, its name, the axes and the options alone: not on what computes, nor
    on which points were found in the log.

    Args:
        points: planned, in the order of the axes.
        axes: what varies.
        options: of the sweep.
        name: of the spec; with the seed it decides all randomness.
        computer: needed to measure; ended at the end, whatever happens.
        data: rows to train on; without them rows are generated.
        statistics: of those rows, by spec key.
        notes: on the whole, such as those of the data file.
        log: of finished points, which are taken from there and put there.
        progress: called after every block and every point.

    Raises:
        WorkerDiedError: a block was lost, or failed where it was computed.
        UsageError: the log cannot be written.
    """
    finished: list[SweepPoint] = []
    predictions: list[Prediction] = []
    interrupted = False
    tell = progress or (lambda _: None)
    try:
        with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
            for number, planned in enumerate(points):
                spec = planned.loaded.spec
                prediction = predict(spec, constants=options.advice, measured=statistics)
                known = None if log is None else log.found.get(number)
                new = known is None
                if known is None:
                    measuring = Measuring(None)
                    if computer is not None and prediction.values is not None:
                        work = _work(spec, prediction.values, options, data)
                        tell(SweepState(number, len(points), work=work))
                        measuring = measure_point(
                            spec,
                            prediction.values,
                            name=name,
                            options=options,
                            computer=computer,
                            data=data,
                            statistics=statistics,
                            progress=_forward(tell, number, len(points), work),
                        )
                    if measuring.interrupted:
                        interrupted = True
                        break
                    known = _point(planned, prediction, measuring.found, measuring.notes)
                predictions.append(prediction)
                # Before the log: whenever the user interrupts, what is on the disk is also shown.
                finished.append(known)
                if new and log is not None:
                    log.append(number, known)
                tell(SweepState(number + 1, len(points), finished=known if new else None))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if computer is not None:
            computer.end(abandon=interrupted)
    return Sweep(
        axes=tuple(axes),
        points=tuple(finished),
        measured=options.measure,
        confidence=options.confidence if options.measure else None,
        seed=options.seed,
        runs=options.runs,
        notes=(
            *notes,
            *_about_values(predictions, options),
            *_about_proofs(finished, predictions, options),
            *(_about_limits(options) if options.measure else ()),
            *([_ended(len(finished), len(points), kept=log is not None)] if interrupted else ()),
        ),
        interrupted=interrupted,
    )


def _work(spec: Spec, values: Values, options: Options, data: Data | None) -> PointWork:
    layers = spec.network.layers
    return PointWork(
        rows=GENERATED_ROWS if data is None else data.rows,
        columns=layers[0],
        generated=data is None,
        weights=sum((before + spec.network.bias) * after for before, after in pairwise(layers)),
        iterations=values.iterations,
        runs=options.runs,
    )


def _forward(tell: Progress, number: int, total: int, work: PointWork) -> Callable[[State], None]:
    def told(state: State) -> None:
        share = state.blocks_done / max(1, state.blocks)
        tell(SweepState(number, total, share, work=work if not state.blocks_done else None))

    return told


def _point(
    planned: PlannedPoint, prediction: Prediction, measured: Measurement | None, notes: tuple[str, ...]
) -> SweepPoint:
    spec, values = planned.loaded.spec, prediction.values
    return SweepPoint(
        values=planned.values,
        kind=spec.network.kind,
        layers=spec.network.layers,
        stepsize=prediction.stepsize if values else spec.training.stepsize,
        batch_size=values.batch_size if values else spec.training.batch_size,
        iterations=values.iterations if values else spec.training.iterations,
        keep_prob=values.keep_prob if values else spec.training.keep_prob,
        decay=values.decay if values else spec.training.decay,
        paper_bound=prediction.paper_bound,
        certified_bound=prediction.certified_bound,
        largest_gradient=prediction.largest_gradient,
        vacuous=prediction.vacuous,
        measured=measured,
        notes=(*prediction.notes, *notes),
    )


def _about_values(predictions: Sequence[Prediction], options: Options) -> list[str]:
    """Where values come from that the spec does not give, each sentence once."""
    notes = []
    if any(each.advised for each in predictions):
        typical = about(options.advice).on_twins
        what = "typical for its statistics, as by" if typical else "the first rank of"
        notes.append(
            f"What the spec leaves open is advised at each point: {what} `rsgadvise recommend --constants "
            f"{options.advice}`."
        )
    assumed = {(item.key, item.why): None for each in predictions for item in each.assumed}
    notes += [f"Assumed {key}: {why}." for key, why in assumed]
    return notes


def _about_proofs(
    points: Sequence[SweepPoint], predictions: Sequence[Prediction], options: Options
) -> list[str]:
    """At how many points the certified bound is no more than the largest gradient possible."""
    many = sum(point.certified_vacuous and point.certified_bound is not None for point in points)
    if not many:
        return []
    where = f"{many} of {len(points)} points" if len(points) > 1 else "this point"
    note = (
        f"At {where} the certified bound is only the largest gradient possible: nothing more is proven there."
    )
    proven = all(theorem_of(point.kind, options.advice).proven for point in points)
    if not proven and any(each.advised for each in predictions):
        note += " --advice certified finds the stepsizes with the best proven bound."
    return [note]


def _about_limits(options: Options) -> list[str]:
    """What is measured, and what its limits are."""
    what = (
        "Student's, on averages along trajectories: approximate; --interval rigorous gives limits that hold "
        "for any number of runs"
        if options.interval == "student"
        else "rigorous for any number of runs, and wide where the largest gradient is far above the mean"
    )
    return [
        "measured: E||grad f(W^R)||^2 over the runs (of the projected gradient where there is a box), from "
        "the measured f(W1), not the one that the bounds assume; all runs of a point share W1. Its limits "
        f"hold with probability {options.confidence:.15g} at each point by itself. They are {what}."
    ]


def _ended(done: int, total: int, *, kept: bool) -> str:
    further = "run it again to go on" if kept else "with --resume FILE a further run would go on from there"
    return f"Interrupted after {done} of {total} points; {further}."
