"""How values and lines are written as code, in the way of the common formatters."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from itertools import pairwise
from tokenize import COMMENT, generate_tokens

_WIDTH = 88
"""Longest line of a program: what the common formatters keep as their default."""

Value = float | str | Sequence["Value"] | Mapping[str, "Value"]


def literal(value: Value) -> str:
    """A value as code: integers with separators, floats exactly, strings in double quotes where they need
    no escape there, sequences as tuples."""
    if isinstance(value, str):
        plain = repr(value)
        return plain if "'" in value or '"' in value else f'"{plain[1:-1]}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, bool):
        return str(value)
    return f"{value:_}" if isinstance(value, int) else repr(float(value))


def wrap(text: str) -> str:
    """Lines of prose, in comments or not: those that are too long go on below, indented alike."""
    return _relined(text, " #", _filled)


def fit(text: str) -> str:
    """Lines of code, of which those that are too long are broken.

    A comment beside such a line moves above it. If that does not help, a call or a definition gets its
    arguments on a line of their own, or else one per line, as do the items of a tuple or a dictionary.
    """
    return _relined(text, " ", _fitted)


def _relined(text: str, margin: str, lines: Callable[[str, str], str]) -> str:
    """The text with `lines` of (what stands before, the rest) in place of each line that is too long."""
    found = []
    for line in text.split("\n"):
        rest = line.lstrip(margin)
        found.append(line if len(line) <= _WIDTH else lines(line[: len(line) - len(rest)], rest))
    return "\n".join(found)


def _filled(prefix: str, prose: str) -> str:
    return textwrap.fill(
        prose,
        _WIDTH,
        initial_indent=prefix,
        subsequent_indent=prefix,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fitted(indent: str, code: str) -> str:
    notes = [token for token in generate_tokens(StringIO(code).readline) if token.type == COMMENT]
    if not notes:
        return _broken(indent, code)
    note = wrap(indent + notes[0].string)
    code = code[: notes[0].start[1]].rstrip()
    return f"{note}\n{fit(indent + code)}" if code else note


def _broken(indent: str, code: str) -> str:
    head, *items, tail = _parts(code)
    inner = f"{indent}    {', '.join(items)}"
    if len(inner) > _WIDTH or not head[-2].isalnum():
        inner = "\n".join(f"{indent}    {item}," for item in items)
    return f"{indent}{head}\n{inner}\n{indent}{tail}"


def _parts(code: str) -> list[str]:
    """What stands up to the first bracket, between the commas in it, and from where it is closed."""
    depth, cuts = 0, [0]
    for token in generate_tokens(StringIO(code).readline):
        opens, closes = token.string in {"(", "[", "{"}, token.string in {")", "]", "}"}
        depth += opens
        if depth == 1 and (opens or token.string == ","):
            cuts.append(token.end[1])
        elif depth == 1 and closes:
            cuts.append(token.start[1])
        depth -= closes
    return [code[start:end].strip().removesuffix(",") for start, end in pairwise([*cuts, len(code)])]
