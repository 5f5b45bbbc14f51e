"""What the keys of a document can hold: types for the fields of its records, with the rules in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Discriminator, FailFast, Strict, Tag, ValidationInfo

from rsgadvise.show.plot.names import shortened
from rsgadvise.spec.rules import LARGEST, ROUNDING, SMALLEST

_LONGEST_NAME = 40
_MOST_KEYS = 1000  # of a mapping with keys of its own; each mistake in it is collected
_ONE, _MANY = TAGS = ("one", "many")
_SIZE = f"be 0, or a number of {SMALLEST:g} to {LARGEST:g} in size"
T = TypeVar("T")


class _AtFirst(FailFast):
    """Ends at the first mistake of a list, which may have millions; hashed, as a part of a union must be."""

    def __hash__(self) -> int:
        return hash(type(self))


def must(rule: str, holds: Callable[[Any], bool]) -> AfterValidator:
    """A rule for a value, in the words of its message."""

    def check(value: T) -> T:
        if not holds(value):
            raise ValueError(f"must {rule}")
        return value

    return AfterValidator(check)


def one_of(names: Iterable[str]) -> AfterValidator:
    """The rule that a text is one of these."""
    return must(f"be one of {', '.join(names)}", frozenset(names).__contains__)


def at_least(*keys: str) -> AfterValidator:
    """The rule that a value is not below those of earlier fields, but for rounding; null is nowhere."""

    def check(value: float | None, info: ValidationInfo) -> float | None:
        for key in keys:
            low = info.data.get(key)
            if value is not None and low is not None and low > value + ROUNDING * abs(value):
                raise ValueError(f"must be at least {key}, {low:.6g}")
        return value

    return AfterValidator(check)


def line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split()) if text.isprintable() else ascii(text)[1:-1]


def _few(value: object) -> object:
    if isinstance(value, dict) and len(value) > _MOST_KEYS:
        raise ValueError(f"must have at most {_MOST_KEYS} keys")
    return value


def _sized(value: float) -> bool:
    return not value or SMALLEST <= abs(value) <= LARGEST  # beyond, the ends of an axis are no numbers


def _scalar(value: object) -> bool:
    return value is None or isinstance(value, str) or (isinstance(value, (int, float)) and _sized(value))


def _kind(value: object) -> str:
    return _MANY if isinstance(value, list) else _ONE


Flag = Annotated[bool, Strict()]
Text = Annotated[str, Strict(), AfterValidator(line)]
Name = Annotated[str, Strict(), AfterValidator(lambda text: shortened(text, _LONGEST_NAME))]
Number = Annotated[float, Strict(), must(_SIZE, _sized)]
Positive = Annotated[Number, must("be above 0", lambda x: x > 0)]
Probability = Annotated[Number, must("lie between 0 and 1", lambda x: 0 < x < 1)]
Whole = Annotated[
    int,
    BeforeValidator(lambda x: int(x) if isinstance(x, float) and x.is_integer() else x),
    Strict(),
    must("be a whole number of at least 0", lambda x: x >= 0),
    must(_SIZE, _sized),
]
Length = Annotated[Whole, must("be above 0", bool)]
Scalar = Annotated[Any, must("be a number, a word, or a list of these", _scalar)]
Entries = Annotated[tuple[T, ...], _AtFirst()]
Keys = Annotated[dict[str, T], BeforeValidator(_few)]
OneOrMany = Annotated[Annotated[T, Tag(_ONE)] | Annotated[Entries[T], Tag(_MANY)], Discriminator(_kind)]
Stepsizes = Annotated[OneOrMany[Number], must("hold at least one number", lambda x: x != ())]
Layers = Annotated[Entries[Length], must("name at least one layer", bool)]
