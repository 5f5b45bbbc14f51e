"""HTML and SVG as text: whatever is not markup already is escaped, everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Markup", "element", "joined", "prose", "text"]

_VOID = frozenset({"br", "col", "hr", "link", "meta"})
# Characters that HTML does not allow, and those that turn the direction of what follows them, so that a
# line of a spec could read as another one.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_REFERENCES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Any text as HTML, for content and attributes alike.

    Example:
        >>> text("<script>alert('1')</script>")
        '&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;'
    """
    if isinstance(value, Markup):
        return value
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return Markup(_UNWANTED.sub("\ufffd", lines).translate(_REFERENCES))


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Parts behind one another, each escaped if it is not markup."""
    return Markup(text(separator).join(text(part) for part in parts))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element. `class_` is `class`, other underscores are hyphens; an attribute that is None is absent.

    Example:
        >>> element("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
        >>> element("line", x1=0.5, stroke_width=2)
        '<line x1="0.5" stroke-width="2"></line>'
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name}{shown}>"
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def prose(sentence: str) -> Markup:
    """A sentence whose `words between backticks` are code.

    Example:
        >>> prose("run `rsgadvise stats <file>`.")
        'run <code>rsgadvise stats &lt;file&gt;</code>.'
    """
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is just that
        return text(sentence)
    return joined(element("code", part) if index % 2 else part for index, part in enumerate(parts))


def _value(value: str | float) -> str:
    """An attribute; coordinates need no more than a hundredth of a unit."""
    if isinstance(value, str):
        return text(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
