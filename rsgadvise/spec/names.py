"""Names in a spec: of files, of arrays and of columns."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError

from rsgadvise.spec.rules import Rule, failure, refuse

__all__ = ["Names", "Text"]

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


class Names(Rule):
    """One name or a list of them, each as `Text` with `index` takes it."""

    _item = Text(index=True)
    _most = 10_000

    def check(self, value: object) -> object:
        if not isinstance(value, list | tuple):
            return (self._item.check(value),)
        if len(value) > self._most:
            raise failure(f"a list of at most {self._most} columns", value, "name fewer")
        names: list[object] = []
        for place, entry in enumerate(value):
            try:
                names.append(self._item.check(entry))
            except PydanticCustomError as error:
                refuse([((place,), error)])
        return tuple(names)

    def schema(self) -> dict[str, Any]:
        item = self._item.schema()
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item, "maxItems": self._most}]}
