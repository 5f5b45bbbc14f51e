"""What a single value of a spec may be: the check, its message and its JSON schema in one place.

Each rule is put on a field with `Annotated`. It accepts what a YAML author may write (`1e6` for
an integer), and it refuses with ``must be <rule>; got <value>; <fix>``, pointing at the entry of a
list that is wrong. A rule is a plain validator, so pydantic's own wording never reaches a user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler


# The plain decimal numbers of YAML 1.2, but without leading zeros: YAML 1.1 reads 010 as eight.
NUMBER = r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"

ROUNDING = 1e-9  # relative: measured statistics may break an inequality by rounding alone
SHOWN_CHARACTERS = 40
SUM_TOLERANCE = 1e-9
SMALLEST, LARGEST = 1e-300, 1e300
"""Of numbers other than 0; floats end a little further out, and lose digits on the way."""
MOST_PROBABILITIES = 1_000_000

Problem = tuple[tuple[int | str, ...], PydanticCustomError]


def number_text(value: float) -> str:
    """Return a number as a person would write it: `1e12`, `0.05`, `784`."""
    if value == math.inf:
        return "infinity"
    if isinstance(value, int) and value >= 10**6 and re.fullmatch("10*", text := str(value)):
        return f"1e{len(text) - 1}"
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else str(value)


def shown(value: object) -> str:
    """Return a value for a message: one short line without control characters."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    if isinstance(value, Real):
        return _shown_number(value)
    if isinstance(value, str):
        cut = value[:SHOWN_CHARACTERS]
        quoted = repr(cut) if cut.isprintable() else ascii(cut)
        return quoted if cut == value else f"{quoted[:-1]}...{quoted[-1]}"
    if isinstance(value, Mapping):
        keys = ", ".join(f"{key}:" for key in list(value)[:3])[:SHOWN_CHARACTERS]
        return f"a section {{{keys if keys.isprintable() else ascii(keys)[1:-1]}}}"
    if isinstance(value, Sequence):
        return f"a list of {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return f"a {type(value).__name__}"


def _shown_number(value: Real) -> str:
    if not isinstance(value, Integral):
        return number_text(float(value))
    if abs(int(value)) < 10**SHOWN_CHARACTERS:
        return str(int(value))
    # The digits are not printed: that is slow, and Python refuses it beyond 4300 of them.
    return f"an integer of about {int(int(value).bit_length() * math.log10(2)) + 1} digits"


def failure(rule: str, value: object, fix: str) -> PydanticCustomError:
    """Return the error of one broken rule."""
    got = value if isinstance(value, Got) else shown(value)
    return rule_broken(f"must be {rule}; got {got}; {fix}")


def rule_broken(message: str) -> PydanticCustomError:
    """Return the error with that message."""
    return PydanticCustomError("rule", "{message}", {"message": message})


class Got(str):
    """Text that stands in a message as it is, where the value alone would not say enough."""

    __slots__ = ()


def refuse(problems: Sequence[Problem]) -> NoReturn:
    """Raise the problems, each at its own place below the value that is being validated."""
    details = [InitErrorDetails(type=error, loc=place, input=None) for place, error in problems]
    raise ValidationError.from_exception_data("spec", details)


def each(entries: Iterable[tuple[int | str, object]], check: Callable[[object], object]) -> tuple[Any, ...]:
    """What a check makes of every entry; those that it refuses are told together, each at its place."""
    checked: list[object] = []
    problems: list[Problem] = []
    for place, entry in entries:
        try:
            checked.append(check(entry))
        except PydanticCustomError as error:
            problems.append(((place,), error))
    if problems:
        refuse(problems)
    return tuple(checked)


def look_alike(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be."""
    # difflib takes time quadratic in the length, and no key or choice is that long.
    if len(word) > 2 * max(map(len, known), default=0):
        return None
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), known, n=1)
    return close[0] if close else None


class Rule:
    """A check that pydantic runs in place of its own, described by `schema` in the JSON schema."""

    def check(self, value: object) -> object:
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.schema()


class Number(Rule):
    """One finite number in a range; `whole` accepts integers only, also written as 1e6."""

    # Plain classes: what dataclasses generate would double the start-up time of this module.
    def __init__(
        self,
        *,
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        whole: bool = False,
    ) -> None:
        self.ge, self.gt, self.le, self.lt = ge, gt, le, lt
        self.whole = whole

    @property
    def rule(self) -> str:
        noun = "an integer" if self.whole else "a number"
        if self.ge is not None and self.le is not None:
            return f"{noun} from {number_text(self.ge)} to {number_text(self.le)}"
        words = {"above": self.gt, "at least": self.ge, "below": self.lt, "at most": self.le}
        ends = [f"{word} {number_text(end)}" for word, end in words.items() if end is not None]
        return " ".join([noun, " and ".join(ends)]).rstrip()

    def check(self, value: object, rule: str | None = None) -> float:
        rule = rule or self.rule
        if isinstance(value, bool) or not isinstance(value, Real):
            raise failure(rule, value, _number_fix(value))
        number = self._whole(value, rule) if self.whole else _finite(value, rule)
        if (self.ge is not None and number < self.ge) or (self.gt is not None and number <= self.gt):
            end = f"{number_text(self.ge)} or more" if self.ge is not None else f"a value above {self.gt:g}"
            raise failure(rule, value, f"raise it to {end}")
        if (self.le is not None and number > self.le) or (self.lt is not None and number >= self.lt):
            end = f"{number_text(self.le)} or less" if self.le is not None else f"a value below {self.lt:g}"
            raise failure(rule, value, f"lower it to {end}")
        if number and not self.whole and not SMALLEST <= abs(number) <= LARGEST:
            zero = "" if self.gt is not None else "0, or "
            fix = f"lower it to {LARGEST:g}" if abs(number) > LARGEST else f"write {zero}{SMALLEST:g} or more"
            raise failure(f"{zero}between {SMALLEST:g} and {LARGEST:g} in size", value, fix)
        return number

    def _whole(self, value: Real, rule: str) -> int:
        if isinstance(value, Integral):
            return int(value)
        number = _finite(value, rule)
        if not number.is_integer():
            raise failure(rule, value, f"round it, for example to {max(round(number), 1)}")
        return int(number)

    def schema(self) -> dict[str, Any]:
        ends = {
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
        }
        kind = "integer" if self.whole else "number"
        return {"type": kind} | {word: end for word, end in ends.items() if end is not None}


def _finite(value: Real, rule: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise failure(rule, value, "give a finite number")
    return number


# 0,05 but not 1,000
DECIMAL_COMMA = r"[-+]?(?![1-9][0-9]{0,2},[0-9]{3}$)[0-9]+,[0-9]+"


def _number_fix(value: object) -> str:
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(NUMBER, text):
            return f"remove the quotes and write {text[:SHOWN_CHARACTERS]}"
        if re.fullmatch(DECIMAL_COMMA, text):
            text = text.replace(",", ".")
        bare = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", re.sub("[_,' ]", "", text))
        if re.fullmatch(NUMBER, bare):
            return f"write {bare[:SHOWN_CHARACTERS]}"
        return "write a plain number such as 100, 0.05 or 1e-3"
    if isinstance(value, bool):
        return "write a number, true and false are not numbers"
    if value is None:
        return "write a number"
    return "write one number"


class Numbers(Rule):
    """A list of numbers and, as configured, a bare number or a {min, max} section instead.

    Args:
        item: what each number may be.
        least, most: how many there may be.
        listing: whether a list is accepted.
        single: whether a bare number is accepted; `wrap` makes it a list of one.
        distinct: whether the entries have to differ.
        span: the model of {min, max}, with `span_default` as the default of min.
        word: text accepted in place of any number.
        fix: what to do about a value of another type.
    """

    def __init__(
        self,
        item: Number,
        *,
        least: int = 1,
        most: int = 1000,
        listing: bool = True,
        single: bool = False,
        wrap: bool = False,
        distinct: bool = False,
        span: type[BaseModel] | None = None,
        span_default: float | None = None,
        word: str | None = None,
        fix: str = "write it in brackets, as in [784, 10]",
    ) -> None:
        self.item = item
        self.least, self.most = least, most
        self.listing, self.single, self.wrap, self.distinct = listing, single, wrap, distinct
        self.span, self.span_default = span, span_default
        self.word = word
        self.fix = fix

    @property
    def rule(self) -> str:
        ways = [self.item.rule] if self.single else []
        if self.listing:
            ways.append("a list of them" if self.single else f"a list, each entry {self.item.rule}")
        if self.span is not None:
            ways.append("a section {min: , max: }")
        return " or ".join(ways)

    def check(self, value: object) -> object:
        if self.word is not None and value == self.word:
            return value
        if self.span is not None and isinstance(value, Mapping | self.span):
            span = self.span.model_validate(value)
            each([(name, getattr(span, name)) for name in ("min", "max")], self.item.check)
            return span
        if self.listing and isinstance(value, list | tuple):
            return self._list(value)
        if self.single:
            number = self.item.check(value, self.rule)
            return (number,) if self.wrap else number
        raise failure(self.rule, value, self.fix)

    def _list(self, value: Sequence[object]) -> tuple[float, ...]:
        if not self.least <= len(value) <= self.most:
            short = len(value) < self.least
            fix = f"give at least {self.least}" if short else f"give at most {self.most}"
            many = f"{self.least} to {self.most}" if self.least < self.most else self.least
            raise failure(f"a list of {many} entries", value, fix)
        numbers = each(enumerate(value), self.item.check)
        if self.distinct and len(set(numbers)) < len(numbers):
            where = next(i for i, number in enumerate(numbers) if number in numbers[:i])
            refuse([((where,), failure("different from every other entry", value[where], "remove it"))])
        return numbers

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        ways: list[dict[str, Any]] = [item] if self.single else []
        if self.listing:
            ways.append({"type": "array", "items": item, "minItems": self.least, "maxItems": self.most})
            if self.distinct:
                ways[-1]["uniqueItems"] = True
        if self.span is not None:
            low = item if self.span_default is None else item | {"default": self.span_default}
            required = ["min", "max"] if self.span_default is None else ["max"]
            ways.append(
                {
                    "type": "object",
                    "properties": {"min": low, "max": item},
                    "required": required,
                    "additionalProperties": False,
                }
            )
        if self.word is not None:
            ways.append({"const": self.word})
        return ways[0] if len(ways) == 1 else {"anyOf": ways}


class Choice(Rule):
    """One of a few words, which may be looked up when they are needed."""

    def __init__(self, words: tuple[str, ...] | Callable[[], tuple[str, ...]]) -> None:
        self._words = words

    @property
    def words(self) -> tuple[str, ...]:
        """What may be written."""
        return self._words() if callable(self._words) else self._words

    def check(self, value: object) -> object:
        if isinstance(value, str) and value in self.words:
            return value
        close = look_alike(value, self.words) if isinstance(value, str) else None
        fix = f"did you mean {close!r}?" if close else f"write {self.words[0]}, for example"
        raise failure(f"one of {', '.join(self.words)}", value, fix)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}


class Several(Rule):
    """A list of values by one rule, or such a value alone; `wrap` makes a list of it."""

    def __init__(self, item: Rule, *, least: int = 0, most: int = 10_000, wrap: bool = False) -> None:
        self.item = item
        self.least, self.most, self.wrap = least, most, wrap

    def check(self, value: object) -> object:
        if not isinstance(value, list | tuple):
            alone = self.item.check(value)
            return (alone,) if self.wrap else alone
        if not self.least <= len(value) <= self.most:
            fix = "name fewer" if len(value) > self.most else f"write {self.least} at least"
            raise failure(f"a list of {self.least} to {self.most} entries", value, fix)
        return each(enumerate(value), self.item.check)

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        least = {"minItems": self.least} if self.least else {}
        many = {"type": "array", "items": item, **least, "maxItems": self.most}
        return {"anyOf": [*item.get("anyOf", [item]), many]}


class Probabilities(Rule):
    """A named distribution, or the list of its probabilities."""

    def __init__(self, names: Choice) -> None:
        self.names = names
        self._numbers = Numbers(Number(ge=0, le=1), most=MOST_PROBABILITIES)

    def check(self, value: object) -> object:
        if not isinstance(value, list | tuple):
            try:
                return self.names.check(value)
            except PydanticCustomError as error:
                words = f"one of {', '.join(self.names.words)}"
                message = str(error).replace(words, f"{words}, or a list of probabilities", 1)
                raise rule_broken(message) from None
        numbers = self._numbers.check(value)
        assert isinstance(numbers, tuple)  # a list was given
        total = math.fsum(numbers)
        if abs(total - 1) > SUM_TOLERANCE:
            got = Got(f"a sum of {total!r}")
            raise failure("a list of probabilities that sum to 1", got, f"divide each by {total!r}")
        return numbers

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.names.schema(), self._numbers.schema()]}


FARTHEST_COLUMN = 10**9 - 1


class Text(Rule):
    """A name of something: printable, not empty; with `index`, a whole number is the text of itself.

    Such a number counts columns from 0, or from the end where it is negative.
    """

    def __init__(self, *, index: bool = False) -> None:
        self.index = index

    def check(self, value: object) -> object:
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= FARTHEST_COLUMN
        if self.index and whole:
            return str(value)
        if not isinstance(value, str):
            rule = "text or the number of a column" if self.index else "text"
            raise failure(rule, value, "put it in quotes if that is its name")
        # An unprintable character in a file name would garble every message that shows it.
        if not value.strip() or len(value) > 4096 or not value.isprintable():
            raise failure("1 to 4096 printable characters", value, "write the name alone, on one line")
        return value

    def schema(self) -> dict[str, Any]:
        text: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 4096}
        if not self.index:
            return text
        number = {"type": "integer", "minimum": -FARTHEST_COLUMN, "maximum": FARTHEST_COLUMN}
        return {"anyOf": [text, number]}


class Mark(Rule):
    """One character that is neither a letter nor a digit, or one of a few words for such."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def check(self, value: object) -> object:
        text = value if isinstance(value, str) else None
        if text in self.words or (
            text is not None and len(text) == 1 and not text.isalnum() and text not in '"\n\r'
        ):
            return value
        words = f", or one of {', '.join(self.words)}" if self.words else ""
        raise failure(f"one character, no letter and no digit{words}", value, "write e.g. ';', in quotes")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}
