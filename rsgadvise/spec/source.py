"""Where the keys of a spec stand, and errors that point at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from rsgadvise.errors import SpecError
from rsgadvise.spec.tree import Node, Problem, path_text
from rsgadvise.spec.tree import Path as KeyPath

__all__ = ["Place", "SpecSource", "key_path_parts", "place_of", "raise_first"]

SEGMENT = r"[A-Za-z_][A-Za-z0-9_-]*(?:\[[0-9]{1,9}\])*"
KEY_PATH = rf"{SEGMENT}(?:\.{SEGMENT})*"
PART = r"([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]"


class Place(NamedTuple):
    """A position in the text, or the option that a value came from."""

    line: int | None
    column: int | None
    origin: str | None


class SpecSource:
    """Where the values of a spec stand, so that later layers can point at them too.

    Args:
        file: the name of the spec in messages.
        base_dir: the directory that `data.file` is relative to.
        root: the positioned tree.
        text: the spec as it was read, before any override.
    """

    def __init__(self, *, file: str, base_dir: Path, root: Node, text: str = "") -> None:
        self.file = file
        self.base_dir = base_dir
        self.text = text
        self.root = root

    def __repr__(self) -> str:
        return f"SpecSource(file={self.file!r}, base_dir={str(self.base_dir)!r})"

    def error(self, key_path: str, message: str) -> SpecError:
        """Return an error at a key, or at the closest parent that the spec has.

        Example:
            >>> from rsgadvise.spec import parse_spec
            >>> text = "network: {kind: single_layer, layers: [784, 10]}"
            >>> str(parse_spec(text, file="a.yaml").source.error("network.layers[1]", "too small"))
            'a.yaml:1:45: network.layers[1]: too small'
        """
        place = place_of(self.root, key_path_parts(key_path) or ())
        file = place.origin or self.file
        return SpecError(message, file=file, line=place.line, column=place.column, key=key_path)

    def given(self, key_path: str) -> bool:
        """Return whether the spec gives the key; null, or a section of nulls, is not given."""
        path = key_path_parts(key_path)
        if path is None:
            return False
        node, depth = _descend(self.root, path)
        return depth == len(path) and not _blank(node)


def key_path_parts(text: str) -> KeyPath | None:
    """Return the parts of `search.batch_size[2]`, or None where it is no key path."""
    if not re.fullmatch(KEY_PATH, text):
        return None
    return tuple(int(found[2]) if found[2] else found[1] for found in re.finditer(PART, text))


def _descend(root: Node, path: KeyPath) -> tuple[Node, int]:
    """Return the deepest node on the path, and how many parts of the path lead to it."""
    node = root
    for depth, part in enumerate(path):
        child: Node | None = None
        if isinstance(node.value, dict):
            child = node.value.get(part)
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            return node, depth
        node = child
    return node, len(path)


def _blank(node: Node) -> bool:
    if isinstance(node.value, dict):
        return all(_blank(entry) for entry in node.value.values())
    return node.value is None


def place_of(root: Node, path: KeyPath, *, at_key: bool = False) -> Place:
    """Return where a value stands; the key itself for a section, and the parent for what is absent."""
    node, depth = _descend(root, path)
    if node.origin is not None:
        return Place(None, None, node.origin)
    # A section begins at its first key, and null where the next token is: their own key says more.
    by_key = at_key or depth < len(path) or node.value is None or isinstance(node.value, dict)
    if by_key and node.key is not None:
        return Place(node.key.line, node.key.column, None)
    return Place(node.line, node.column, None)


def raise_first(problems: Sequence[Problem], file: str) -> NoReturn:
    """Raise the first problem in the order of the file, and count the others."""
    first, *others = sorted(problems, key=lambda p: (p.line is None, p.line or 0, p.column or 0))
    message = first.message if isinstance(first.message, str) else first.message()
    if others:
        message += f" (and {len(others)} more problem{'s' if len(others) > 1 else ''})"
    raise SpecError(
        message, file=first.origin or file, line=first.line, column=first.column, key=path_text(first.path)
    )
