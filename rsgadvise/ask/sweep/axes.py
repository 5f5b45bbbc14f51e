"""`KEY=RANGE` -> the values that a key takes in turn, the points they make, and what comes of each."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.records import dataclass
from rsgadvise.spec import LoadedSpec, with_override
from rsgadvise.spec.load import rule_of
from rsgadvise.spec.models import STATISTICS
from rsgadvise.spec.rules import NUMBER, Number, Numbers, Rule, shown

if TYPE_CHECKING:
    pass


Value: TypeAlias = float | tuple[float, ...]
"""What a varied key takes: a number, or a whole list such as `network.layers`."""

Interval = Literal["student", "rigorous"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A key of the spec, and the values that it takes in turn."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What training measured at one point.

    Attributes:
        gradient: mean of ||grad f(W^R)||^2 over the runs (projected where there is a box).
        lower, upper: limits of its expectation; None where one run has no upper limit.
        runs: independent replicas.
        initial_loss: f(W^1). final_loss: mean of f(W^R).
        seconds: computing time of the replicas.
    """

    gradient: float
    lower: float
    upper: float | None
    runs: int
    initial_loss: float
    final_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point: the values of the axes, the hyper-parameters there, and the bounds.

    Attributes:
        values: by key.
        kind, layers: the network.
        stepsize, batch_size, iterations, keep_prob, decay: fixed by the spec, or advised; None where
            nothing can be advised, and `notes` say why.
        paper_bound: None outside the range of the theorem.
        certified_bound: at most `largest_gradient`, which stands in for it outside its range.
        largest_gradient: no squared gradient norm of this network exceeds it; None if it overflows.
        vacuous: the paper's bound, or the certified one where there is none, is no better than that.
        measured: None where nothing was measured.
        notes: plain sentences.
        certified_vacuous: the certified bound is no better than `largest_gradient`, so nothing is proven.
    """

    values: Mapping[str, Value]
    kind: str
    layers: tuple[int, ...]
    stepsize: float | tuple[float, ...] | None
    batch_size: int | None
    iterations: int | None
    keep_prob: float | None
    decay: float | None
    paper_bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    vacuous: bool
    measured: Measurement | None
    notes: tuple[str, ...]
    certified_vacuous: bool = field(init=False)

    def __post_init__(self) -> None:
        value, limit = self.certified_bound, self.largest_gradient
        object.__setattr__(self, "certified_vacuous", value is None or limit is None or not value < limit)


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points that were finished, in the order of the axes, the first one slowest.

    Attributes:
        axes: what was varied.
        points: all of them, or those before an interruption.
        measured: whether there was training at each point.
        confidence: of each point's limits by themselves; None without training.
        seed, runs: of the training.
        notes: plain sentences on the whole.
        interrupted: whether the user ended it early.
    """

    axes: tuple[Axis, ...]
    points: tuple[SweepPoint, ...]
    measured: bool
    confidence: float | None
    seed: int
    runs: int
    notes: tuple[str, ...]
    interrupted: bool = False


# The values of an axis.

MOST_VALUES = 1000
MOST_POINTS = 10_000
_FORMS = (
    "write KEY=LOW:HIGH:COUNT, KEY=LOW:HIGH:logCOUNT, KEY=LOW:HIGH (powers of two), KEY=V1,V2,... or "
    "KEY=[...];[...]"
)
_DIGITS = 12  # significant digits of the values between two ends: 0.3, not 0.30000000000000004


@dataclass(frozen=True, slots=True)
class ParsedAxis:
    """An axis, and what to mind about it.

    Attributes:
        axis: the key and its values.
        notes: plain sentences.
    """

    axis: Axis
    notes: tuple[str, ...] = ()


def parse_axis(text: str) -> ParsedAxis:
    """Read one range.

    Forms: LOW:HIGH:COUNT or LOW:HIGH:linCOUNT, evenly spaced; LOW:HIGH:logCOUNT, evenly spaced in the
    logarithm; LOW:HIGH, the powers of two from LOW to HIGH with both ends, for a key that takes whole
    numbers; V1,V2,...; and [...];[...] for a key that holds a list. The values of a range are rounded to 12
    digits, and to distinct whole numbers where the key takes only those; those of a list are taken as they
    are.

    Raises:
        UsageError: no such key, not a number, or a bad range; without the place of the text.

    Example:
        >>> parse_axis("network.layers[1]=50:800:log5").axis.values
        (50, 100, 200, 400, 800)
        >>> parse_axis("training.keep_prob=0.1:1:4").axis.values
        (0.1, 0.4, 0.7, 1.0)
        >>> parse_axis("network.layers=[784,10];[784,100,10]").axis.values
        ((784, 10), (784, 100, 10))
    """
    key, equals, span = (part.strip() for part in text.partition("="))
    if not equals or not span:
        raise UsageError(f"must be KEY=RANGE; got {shown(text)}; {_FORMS}")
    rule = rule_of(key)
    if key.split(".")[0] == "sweep":
        raise UsageError(f"must be a key that the bounds depend on; got {key}; name one of another section")
    if span.startswith("["):
        return ParsedAxis(Axis(key, _lists(key, rule, span)))
    item = _number_rule(key, rule)
    if ":" not in span:
        return ParsedAxis(Axis(key, _listed(span, whole=item.whole)))
    if span.count(":") == 1 and item.whole:
        return ParsedAxis(Axis(key, _powers(span)))
    low, high, count, spaced = _ends(span)
    values = _between(low, high, count, spaced)
    if not item.whole:
        return ParsedAxis(Axis(key, values))
    whole = tuple(dict.fromkeys(round(value) for value in values))
    notes: tuple[str, ...] = ()
    if len(whole) < count:
        some = f"{len(whole)} distinct whole number{'s' if len(whole) > 1 else ''}"
        notes = (f"{key}: {some} of the {count} asked for, after rounding.",)
    return ParsedAxis(Axis(key, whole), notes)


def _number_rule(key: str, rule: Rule) -> Number:
    """The rule for one number of the key."""
    if isinstance(rule, Number):
        return rule
    if isinstance(rule, Numbers):
        if rule.single:
            return rule.item
        if not rule.listing:
            raise UsageError(f"must be a number; got {key}, a section; vary {key}.max, for example")
        raise UsageError(
            f"must be a number; got {key}, a list; vary one entry, as in {key}[0]=..., or write whole lists, "
            f"as in {key}=[...];[...]"
        )
    raise UsageError(f"must be a numeric key; got {key}; vary training.stepsize, for example")


def _number(text: str, *, whole: bool) -> float:
    """A plain decimal number; one that is whole, as a whole one where the key takes only those."""
    text = text.strip()
    if not re.fullmatch(NUMBER, text) or len(text) > 40:
        raise UsageError(f"must be made of numbers such as 100, 0.05 or 1e-3; got {shown(text)}; {_FORMS}")
    value = float(text)
    if not math.isfinite(value):
        raise UsageError(f"must be made of finite numbers; got {text}; give smaller ones")
    # Any other fraction is for the rule of the key to refuse, in its own words.
    return int(value) if whole and value.is_integer() else value


def _distinct(values: Sequence[Value]) -> tuple[Value, ...]:
    if len(values) > MOST_VALUES:
        raise UsageError(f"must have at most {MOST_VALUES} values; got {len(values)}; give fewer")
    again = next((value for place, value in enumerate(values) if value in values[:place]), None)
    if again is not None:
        raise UsageError(f"must have values that differ; got {_text(again)} twice; remove one")
    return tuple(values)


def _listed(span: str, *, whole: bool) -> tuple[Value, ...]:
    return _distinct([_number(part, whole=whole) for part in span.split(",")])


def _lists(key: str, rule: Rule, span: str) -> tuple[Value, ...]:
    if not (isinstance(rule, Numbers) and rule.listing):
        raise UsageError(f"must be numbers: {key} takes no list; got {shown(span)}; {_FORMS}")
    values: list[Value] = []
    for part in span.split(";"):
        inside = re.fullmatch(r"\s*\[([^\[\]]+)\]\s*", part)
        if inside is None:
            raise UsageError(
                f"must be lists in brackets with ; between them; got {shown(part)}; write "
                "[784,100,10];[784,100,100,10], for example"
            )
        values.append(tuple(_number(entry, whole=rule.item.whole) for entry in inside[1].split(",")))
    return _distinct(values)


def _powers(span: str) -> tuple[int, ...]:
    """Both ends of LOW:HIGH and the powers of two between them."""
    ends = [_number(part, whole=True) for part in span.split(":")]
    low, high = (int(end) for end in ends)
    if [low, high] != ends or not 1 <= low < high:
        raise UsageError(
            f"must have whole numbers with 1 <= LOW < HIGH; got {shown(span)}; write 16:1024, for example"
        )
    first = (low - 1).bit_length()
    powers = {1 << power for power in range(first, high.bit_length())}
    return tuple(sorted({low, high, *powers}))


def _ends(span: str) -> tuple[float, float, int, Callable[[float, float, float], float]]:
    """(low, high, count, how a share of the way becomes a value)."""
    parts = [part.strip() for part in span.split(":")]
    counted = re.fullmatch(r"(log|lin)?([0-9]{1,40})", parts[-1])
    if len(parts) != 3 or counted is None:
        raise UsageError(f"must be LOW:HIGH:COUNT or LOW:HIGH:logCOUNT; got {shown(span)}; {_FORMS}")
    low, high = (_number(part, whole=False) for part in parts[:2])
    count = int(counted[2])
    if not 2 <= count <= MOST_VALUES:
        fix = "raise it" if count < 2 else "that is too many, lower it"
        raise UsageError(f"must have a COUNT from 2 to {MOST_VALUES}; got {count}; {fix}")
    if low >= high:
        raise UsageError(f"must have LOW below HIGH; got {parts[0]} and {parts[1]}; swap or change them")
    if counted[1] == "log" and low <= 0:
        raise UsageError(f"must have LOW above 0 for logarithmic steps; got {parts[0]}; raise it")
    return low, high, count, _geometric if counted[1] == "log" else _linear


def _linear(low: float, high: float, share: float) -> float:
    return low * (1 - share) + high * share


def _geometric(low: float, high: float, share: float) -> float:
    return math.exp(_linear(math.log(low), math.log(high), share))


def _between(
    low: float, high: float, count: int, spaced: Callable[[float, float, float], float]
) -> tuple[float, ...]:
    """Rising values, the ends exactly as given."""
    inner = (float(f"{spaced(low, high, step / (count - 1)):.{_DIGITS}g}") for step in range(1, count - 1))
    values = tuple(dict.fromkeys((low, *inner, high)))
    if len(values) < count:
        raise UsageError(f"must have ends far enough apart for {count} values; got {low!r} and {high!r}")
    return values


def check_together(axes: Sequence[Axis]) -> None:
    """Refuse axes that undo each other, or that make too many points.

    Raises:
        UsageError: a key is named twice, one holds the other, or there are too many points.
    """
    for place, axis in enumerate(axes):
        for earlier in axes[:place]:
            if axis.key == earlier.key:
                raise UsageError(f"each key can vary once; got {axis.key} twice; remove one")
            for outer, inner in ((axis.key, earlier.key), (earlier.key, axis.key)):
                if inner.startswith((f"{outer}[", f"{outer}.")):
                    raise UsageError(
                        f"each key can vary once; got {outer} and {inner}, which is a part of it; remove one"
                    )
    points = math.prod(len(axis.values) for axis in axes)
    if points > MOST_POINTS:
        raise UsageError(f"a sweep has at most {MOST_POINTS:,} points; got {points:,}; give fewer values")


def override(key: str, value: Value) -> str:
    """The value as `--set` takes it, bit for bit."""
    return f"{key}={_text(value)}"


def _text(value: Value) -> str:
    return f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple) else repr(value)


# The points of a sweep as specs: all of them are valid before the first one is worked on.


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """The values of the axes at one point, and the spec that they make."""

    values: Mapping[str, Value]
    loaded: LoadedSpec


def plan_points(
    loaded: LoadedSpec,
    axes: Sequence[Axis],
    *,
    option: str,
    check: Callable[[LoadedSpec], None] = lambda _: None,
) -> tuple[PlannedPoint, ...]:
    """Every combination, the first axis slowest.

    Args:
        loaded: the spec.
        axes: what varies.
        option: where the axes come from, for messages.
        check: raises where a spec does not fit its data.

    Raises:
        SpecError: a combination breaks a rule of the spec. UsageError: a key has no effect.
    """
    for axis in axes:
        section, _, key = axis.key.partition(".")
        if section == "data" and key in STATISTICS and loaded.spec.data.file is not None:
            raise UsageError(
                f"{option} {axis.key}: must be a key that counts; got one that is measured from data.file; "
                "vary another, or take the file out of the spec"
            )
    points = []
    for values in itertools.product(*(axis.values for axis in axes)):
        texts = [override(axis.key, value) for axis, value in zip(axes, values, strict=True)]
        try:
            varied = with_override(loaded, *texts, option=option)
            check(varied)
        except SpecError as error:
            if error.file.startswith(option) and len(texts) == 1:
                raise
            # The rule may be that of another key, and the value at fault that of either axis.
            message = f"{error.message} ({option} {' and '.join(texts)})"
            raise SpecError(
                message, file=error.file, line=error.line, column=error.column, key=error.key
            ) from None
        keys = (axis.key for axis in axes)
        points.append(PlannedPoint(dict(zip(keys, values, strict=True)), varied))
    return tuple(points)
