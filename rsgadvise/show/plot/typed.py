"""What a command wrote -> records, whose fields say what each key can hold; a mistake names its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    FailFast,
    Strict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import from_json

from rsgadvise.errors import DataError
from rsgadvise.records import dataclass
from rsgadvise.spec.rules import LARGEST, ROUNDING, SMALLEST, shown
from rsgadvise.spec.yaml import path_text

AGAIN = "let the command write it again with -f json"
_LONGEST, _LONGEST_NAME = 120, 40
_RULES = {
    "bool_type": "must be true or false",
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "float_type": "must be a number",
    "int_type": "must be a whole number of at least 0",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
_SIZE = f"be 0, or a number of {SMALLEST:g} to {LARGEST:g} in size"
T = TypeVar("T")


def must(rule: str, holds: Callable[[Any], bool]) -> AfterValidator:
    """A rule for a value, in the words of its message."""

    def check(value: T) -> T:
        if not holds(value):
            raise ValueError(f"must {rule}")
        return value

    return AfterValidator(check)


def at_least(*keys: str) -> AfterValidator:
    """The rule that a value is not below those of earlier fields, but for rounding; null is nowhere."""

    def check(value: float | None, info: ValidationInfo) -> float | None:
        for key in keys:
            low = info.data.get(key)
            if value is not None and low is not None and low > value + ROUNDING * abs(value):
                raise ValueError(f"must be at least {key}, {low:.6g}")
        return value

    return AfterValidator(check)


def shortened(text: str, longest: int = 44) -> str:
    """A text on one line, whose middle is left out where it is long.

    Example:
        >>> shortened("/a/very/long/path/of/a/spec.yaml", 20)
        '/a/very/l…/spec.yaml'
    """
    if not text.isprintable():
        text = ascii(text)[1:-1]
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split()) if text.isprintable() else ascii(text)[1:-1]


def _sized(value: float) -> bool:
    return not value or SMALLEST <= abs(value) <= LARGEST  # beyond, the ends of an axis are no numbers


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and _sized(value)


def _one_or_many(value: object) -> bool:
    return all(map(_number, value)) and value != [] if isinstance(value, list) else _number(value)


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
Numbers = Annotated[Any, must("be a number, or a list of at least one", _one_or_many)]
Entries = Annotated[tuple[T, ...], FailFast()]  # which may be millions
Layers = Annotated[Entries[Length], must("name at least one layer", bool)]


@cache  # a process that draws often prepares each kind once
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True)
class Document:
    """What a command wrote, as parsed.

    Args:
        content: its keys.
        file: its name, for messages.
    """

    content: dict[str, Any]
    file: str

    def read(self, kind: Callable[..., T]) -> T:
        """A record of this document.

        Args:
            kind: a dataclass whose fields are keys; those that it lacks are left aside.

        Raises:
            DataError: a key is missing, or a value breaks the rule of its field.
        """
        try:
            found: T = _adapter(kind).validate_python(self.content)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
        else:
            return found
        path = detail["loc"]
        if detail["type"] == "missing":
            raise DataError(f"{self._place(path[:-1])}: must have the key {path[-1]!r}; got none; {AGAIN}")
        told = detail.get("ctx", {}).get("error") or _RULES.get(detail["type"], detail["msg"])
        raise self.error(path, str(told), detail["input"])

    def error(self, path: Sequence[str | int], rule: str, value: object, fix: str = AGAIN) -> DataError:
        """The error that a value breaks a rule."""
        return DataError(f"{self._place(path)}: {rule}; got {shown(value)}; {fix}")

    def _place(self, path: Sequence[str | int]) -> str:
        return ": ".join(part for part in (self.file, path_text(tuple(path))) if part)


def parse_document(text: str, name: str) -> Document:
    """The JSON document in a text.

    Args:
        text: what `-f json` wrote.
        name: of its file, for messages.

    Raises:
        DataError: it is none, it is cut off, or it is no document of a command.
    """
    content: Any = None
    try:
        content = from_json(text.removeprefix("\ufeff"))
        got = shown(content)
    except ValueError as error:
        told = line(" ".join(str(error).replace("EOF", "its end").split()))[:_LONGEST]
        got = told if text.strip() else "an empty file"
    if not isinstance(content, dict):
        raise DataError(f"{name}: must be a whole document of a command, in JSON; got {got}; {AGAIN}")
    return Document(content, name)
