"""Text that a command wrote -> a document whose keys are read with an error that names the place."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NoReturn

from rsgadvise.errors import DataError

_AGAIN = "let the command write it again with -f json"
_SMALLEST, _LARGEST = 1e-300, 1e300  # beyond, the ends of an axis are no numbers
_LONGEST = 60
_ROUNDING = 1e-9  # means and limits are rounded apart


def parse_document(text: str, name: str) -> Entry:
    """The JSON or YAML document in a text.

    Args:
        text: what `-f json` or `-f yaml` wrote.
        name: of its file, for messages.

    Raises:
        DataError: it is neither, it is cut off, or it is no document of a command.
    """
    if not text.strip():
        raise DataError(f"{name}: must be a document in JSON or YAML; got an empty file; {_AGAIN}")
    content = _json(text, name) if text.lstrip("\ufeff \t\r\n")[0] in "{[" else _yaml(text, name)
    if not isinstance(content, dict):
        raise DataError(
            f"{name}: must be the document of a command in JSON or YAML; got {_shown(content)}; {_AGAIN}"
        )
    return Entry(content, name, "")


def _json(text: str, name: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise DataError(f"{name}: must be JSON, which has finite numbers only; got {constant}; {_AGAIN}")

    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}:{error.colno}"
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            raise DataError(f"{place}: must be whole; the document is cut off here; {_AGAIN}") from None
        raise DataError(f"{place}: must be JSON; got {_reason(error.msg)}; {_AGAIN}") from None
    except RecursionError:
        raise DataError(f"{name}: must be the document of a command; it nests too deeply; {_AGAIN}") from None
    except ValueError:  # an integer of thousands of digits
        raise DataError(f"{name}: must hold numbers; one has too many digits; {_AGAIN}") from None


def _reason(message: str) -> str:
    return f"text that is not ({message[0].lower()}{message[1:]})"


def _yaml(text: str, name: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text.removeprefix("\ufeff"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        reason = " ".join(str(error.problem or error.context).split())
        raise DataError(f"{place}: must be a document in JSON or YAML; got {reason}; {_AGAIN}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:_LONGEST]
        raise DataError(f"{name}: must be a document in JSON or YAML; got {reason}; {_AGAIN}") from None


def _shown(value: object) -> str:
    """A value for a message, on one line and not long, however large what YAML refers to is."""
    if isinstance(value, (list, dict)):
        text = ascii(reprlib.repr(value))[1:-1]
    else:
        text = json.dumps(value) if isinstance(value, (str, int, float, type(None))) else ascii(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


class Entry:
    """A value of a document together with its place, so that each mistake can name it.

    Args:
        value: as parsed.
        file: name of the document.
        path: dotted keys that lead here, "" for the whole.
    """

    __slots__ = ("file", "path", "value")

    def __init__(self, value: Any, file: str, path: str) -> None:
        self.value = value
        self.file = file
        self.path = path

    def fail(self, rule: str, fix: str = _AGAIN) -> NoReturn:
        """Refuse this value.

        Raises:
            DataError: always.
        """
        place = ": ".join(part for part in (self.file, self.path) if part)
        raise DataError(f"{place}: {rule}; got {_shown(self.value)}; {fix}")

    def _mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            self.fail("must be a mapping")
        return self.value

    def _child(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def __getitem__(self, key: str) -> Entry:
        """The entry of a key that must exist."""
        mapping = self._mapping()
        if key not in mapping:
            place = ": ".join(part for part in (self.file, self.path) if part)
            raise DataError(f"{place}: must have the key {key!r}; got none; {_AGAIN}")
        return Entry(mapping[key], self.file, self._child(key))

    def get(self, key: str) -> Entry | None:
        """The entry of a key, or None where it is absent or null."""
        value = self._mapping().get(key)
        return None if value is None else Entry(value, self.file, self._child(key))

    def items(self) -> Iterator[tuple[str, Entry]]:
        """The keys and entries of a mapping."""
        for key, value in self._mapping().items():
            yield str(key), Entry(value, self.file, self._child(str(key)))

    def entries(self) -> list[Entry]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            self.fail("must be a list")
        return [Entry(item, self.file, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        """A text, on one line."""
        if not isinstance(self.value, str):
            self.fail("must be text")
        return " ".join(self.value.split()) if self.value.isprintable() else ascii(self.value)[1:-1]

    def number(self) -> float:
        """A number that has a place on an axis."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail("must be a number")
        if value and not _SMALLEST <= abs(value) <= _LARGEST:
            self.fail(f"must be 0, or a number of {_SMALLEST:g} to {_LARGEST:g} in size")
        return float(value)

    def positive(self) -> float:
        """A finite number above 0."""
        found = self.number()
        if found <= 0:
            self.fail("must be above 0")
        return found

    def whole(self) -> int:
        """A whole number of at least 0."""
        found = self.number()
        if found != int(found) or found < 0:
            self.fail("must be a whole number of at least 0")
        return int(found)

    def probability(self) -> float:
        """A number between 0 and 1, both excluded."""
        found = self.number()
        if not 0 < found < 1:
            self.fail("must lie between 0 and 1")
        return found

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail("must be true or false")
        return self.value

    def maybe_number(self, key: str) -> float | None:
        """The number of a key, None where it is null; the key must exist."""
        found = self[key]
        return None if found.value is None else found.number()

    def maybe_positive(self, key: str) -> float | None:
        """The number above 0 of a key, None where it is null; the key must exist."""
        found = self[key]
        return None if found.value is None else found.positive()

    def interval(self, mean: str, lower: str = "lower", upper: str = "upper") -> tuple[float | None, ...]:
        """A measured mean and its limits, by their keys: (mean, lower, upper), None where null.

        Raises:
            DataError: a limit is on the wrong side, which no measurement gives.
        """
        found = [self.maybe_number(key) for key in (lower, mean, upper)]
        known = [(key, x) for key, x in zip((lower, mean, upper), found, strict=True) if x is not None]
        for (low, below), (high, above) in combinations(known, 2):
            if below > above + _ROUNDING * abs(above):
                self[low].fail(f"must be at most {high}, {above:.6g}", _AGAIN)
        return found[1], found[0], found[2]

    def sentences(self, key: str) -> tuple[str, ...]:
        """The texts of a list, none where the key is absent."""
        found = self.get(key)
        return () if found is None else tuple(item.text() for item in found.entries())

    def layers(self, key: str = "layers") -> tuple[int, ...]:
        """Layer lengths."""
        found = tuple(item.whole() for item in self[key].entries())
        if not found:
            self[key].fail("must name at least one layer")
        return found

    def stepsize(self, key: str = "stepsize") -> float | tuple[float, ...] | None:
        """One stepsize, or one per layer; None where it is null or absent."""
        found = self.get(key)
        if found is None:
            return None
        if isinstance(found.value, list):
            return tuple(item.number() for item in found.entries()) or None
        return found.number()
