"""Workflow commands, by which GitHub Actions is told something about a line of code or a run."""

from __future__ import annotations

from typing import Literal

Level = Literal["error", "warning", "notice"]


def annotation(level: Level, message: str, **place: str) -> str:
    """One workflow command, which is one line.

    Args:
        level: how it is marked.
        message: of any number of lines.
        place: properties, such as title, file and line.

    Example:
        >>> annotation("error", "2 of 5\\nfailed", title="verify", line="3")
        '::error title=verify,line=3::2 of 5%0Afailed'
    """
    where = ",".join(f"{name}={_property(value)}" for name, value in place.items())
    return f"::{level} {where}::{_data(message)}"


def _data(text: str) -> str:
    """Escape the message of a workflow command, which must be one line.

    Example:
        >>> _data("50 %: one,\\ntwo")
        '50 %25: one,%0Atwo'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command, in which `:` and `,` mean something too.

    Example:
        >>> _property("a: 1, b")
        'a%3A 1%2C b'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")
