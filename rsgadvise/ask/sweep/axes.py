"""`KEY=RANGE` -> the values that a key of the spec takes in turn."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rsgadvise.advise.recommend import recommend
from rsgadvise.ask.sweep.results import Axis, Value
from rsgadvise.ask.verify.from_spec import Values
from rsgadvise.errors import InfeasibleError, SpecError, UsageError
from rsgadvise.records import dataclass
from rsgadvise.spec import LoadedSpec, with_override
from rsgadvise.spec.load import rule_of
from rsgadvise.spec.models import STATISTICS
from rsgadvise.spec.problem import resolve
from rsgadvise.spec.rules import NUMBER, Number, Numbers, Rule, shown
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.theorems import refusal

if TYPE_CHECKING:
    from rsgadvise.advise.results import Recommendation, TrainingPlan
    from rsgadvise.spec import Spec
    from rsgadvise.theory.problem import Problem


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


def fixed_values(spec: Spec) -> Values | None:
    """The spec's own hyper-parameters, or None if it leaves one open; keep_prob defaults to 1, decay to 0."""
    training = spec.training
    iterations = training.iterations
    if iterations is None and isinstance(training.stopping, tuple):
        iterations = len(training.stopping)
    if training.stepsize is None or training.batch_size is None or iterations is None:
        return None
    return Values(
        stepsize=training.stepsize,
        batch_size=training.batch_size,
        iterations=iterations,
        keep_prob=1.0 if training.keep_prob is None else training.keep_prob,
        decay=training.decay or 0.0,
        source="",
    )


def chosen_values(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
) -> tuple[Values, bool]:
    """(hyper-parameters, whether they were advised): the spec's own, or the first rank of its advice.

    Where no theorem is about its training they are what is typical for its statistics.

    Args:
        spec: a valid spec.
        constants: whose constants choose, of those that a theorem has.
        measured: statistics of the data file by spec key.

    Raises:
        InfeasibleError: nothing can be recommended; the message is the reason alone.
        HypothesisError: a fixed stepsize lies outside the range of these constants.
    """
    fixed = fixed_values(spec)
    if fixed is not None:
        return fixed, False
    best: Recommendation | TrainingPlan
    problem = resolve(spec)
    by_theorem = problem.has_sgd_bound if constants is None else _advises(problem, constants)
    if by_theorem:
        advice = recommend(spec, constants=constants, top=1, measured=measured)
        if advice.infeasible is not None:
            raise InfeasibleError(advice.infeasible.reason)
        best = advice.recommendations[0]
    else:
        best = typical_plan(spec, measured)
    values = Values(
        stepsize=best.stepsize,
        batch_size=best.batch_size,
        iterations=best.iterations,
        keep_prob=1.0 if best.keep_prob is None else best.keep_prob,
        decay=best.decay,
        source="",
    )
    return values, True


def _advises(problem: Problem, constants: ConstantsName) -> bool:
    """Whether ranks by these constants are asked for: of SGD they say themselves why there are none."""
    if about(constants).measured:
        return False
    return problem.has_sgd_bound or refusal(problem, constants) is None


def typical_plan(spec: Spec, measured: Mapping[str, float | int | None] | None = None) -> TrainingPlan:
    """What to train with where no theorem is about it: typical for the statistics of its data, if those fit.

    Raises:
        InfeasibleError: nothing fits the limits of the spec.
        HypothesisError: it is too large to be tried on made-up data, or the inputs are all but zero.
    """
    from rsgadvise.pilot import Effort
    from rsgadvise.pilot.advising import advise

    advice = advise(spec, None, Effort(), top=1, measured=measured)
    if advice.train is None:
        raise InfeasibleError(advice.infeasible.reason if advice.infeasible else "nothing fits its limits")
    return advice.train
