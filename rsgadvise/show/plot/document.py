"""Text that a command wrote -> a document whose records are read with an error that names the place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from rsgadvise.errors import DataError
from rsgadvise.records import dataclass
from rsgadvise.show.plot.typed import TAGS, line
from rsgadvise.spec.rules import shown
from rsgadvise.spec.yaml import path_text

AGAIN = "let the command write it again with -f json"
_LONGEST = 120
_RULES = {
    "bool_type": "must be true or false",
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "float_type": "must be a number",
    "int_type": "must be a whole number of at least 0",
    "invalid_key": "must have texts as keys",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
T = TypeVar("T")


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
        path = tuple(part for part in detail["loc"] if part not in TAGS)
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
    """The JSON or YAML document in a text.

    Args:
        text: what `-f json` or `-f yaml` wrote.
        name: of its file, for messages.

    Raises:
        DataError: it is neither, it is cut off, or it is no document of a command.
    """
    body = text.removeprefix("\ufeff")
    content: Any = None
    try:
        content = from_json(body) if body.lstrip()[:1] in ("{", "[") else _yaml(body)
        got = shown(content) if body.strip() else "an empty file"
    except (ValueError, RecursionError) as error:
        got = line(" ".join(str(error).replace("EOF", "its end").split()))[:_LONGEST]
    if not isinstance(content, dict):
        raise DataError(f"{name}: must be a whole document of a command, in JSON or YAML; got {got}; {AGAIN}")
    return Document(content, name)


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" at line {mark.line + 1} column {mark.column + 1}"
        raise ValueError(f"{error.problem or error.context}{where}") from None
    except YAMLError as error:
        raise ValueError(str(error)) from None
