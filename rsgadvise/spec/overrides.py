"""`--set a.b=value`: one key of the positioned tree replaced, with the option as its place."""

from __future__ import annotations

from rsgadvise.errors import SpecError
from rsgadvise.spec.reading import printable
from rsgadvise.spec.rules import shown
from rsgadvise.spec.source import key_path_parts, raise_first
from rsgadvise.spec.tree import MAX_DEPTH, Node, Path, Problem, build_tree, path_text, plain

__all__ = ["apply_override"]

LABEL_CHARACTERS = 80


def apply_override(root: Node, text: str, *, option: str = "--set") -> None:
    """Replace the key that `text`, the value of one `--set`, names; absent sections are made.

    Args:
        root: changed in place.
        text: key.path=value.
        option: which option gave it, for messages.

    Raises:
        SpecError: the text is not `key.path=value`, the value is not YAML, or the path leads nowhere.
    """
    label = f"{option} {printable(text)}"
    if len(label) > LABEL_CHARACTERS:
        label = f"{label[:LABEL_CHARACTERS]}..."
    name, equals, value = text.partition("=")
    path = key_path_parts(name.strip())
    if not equals or path is None or len(path) > MAX_DEPTH:
        got = shown(text) if not equals else shown(name)
        message = f"must be key.path=value; got {got}; write `--set training.batch_size=64`, for example"
        raise SpecError(message, file=label)
    node = _parse_value(value, path, label)
    holder = root
    for depth, part in enumerate(path[:-1]):
        holder = _child(holder, part, path[: depth + 1], label)
    _put(holder, path, node, label)


def _parse_value(text: str, path: Path, label: str) -> Node:
    tree = build_tree(text)
    if tree.problems:
        # A position within the option would be counted from its value, which no one sees apart.
        raise_first([Problem((*path, *found.path), found.message) for found in tree.problems], label)
    node = tree.root or Node(None)
    below = [node]
    while below:
        entry = below.pop()
        entry.origin, entry.line, entry.column, entry.key = label, None, None, None
        if isinstance(entry.value, dict):
            below.extend(entry.value.values())
        elif isinstance(entry.value, list):
            below.extend(entry.value)
    return node


def _child(holder: Node, part: str | int, path: Path, label: str) -> Node:
    if isinstance(part, int):
        return _entries(holder, path, label)[part]
    if holder.value is None:
        holder.value = {}
    if not isinstance(holder.value, dict):
        raise _not_a_section(holder, path, label)
    child: Node = holder.value.setdefault(part, Node(None, origin=label))
    return child


def _put(holder: Node, path: Path, node: Node, label: str) -> None:
    part = path[-1]
    if isinstance(part, int):
        _entries(holder, path, label)[part] = node
        return
    if holder.value is None:
        holder.value = {}
    if not isinstance(holder.value, dict):
        raise _not_a_section(holder, path, label)
    holder.value[part] = node


def _not_a_section(holder: Node, path: Path, label: str) -> SpecError:
    fix = f"set {path_text(path[:-1])} itself"
    message = f"must be inside a section; got {shown(plain(holder))} there; {fix}"
    return SpecError(message, file=label, key=path_text(path))


def _entries(holder: Node, path: Path, label: str) -> list[Node]:
    """Return the entries of a list that has the index at the end of the path."""
    index, value = path[-1], holder.value
    if isinstance(value, list) and isinstance(index, int) and index < len(value):
        return value
    rule = f"an index from 0 to {len(value) - 1}" if isinstance(value, list) and value else "a key of a list"
    fix = f"set the whole list, as in `--set {path_text(path[:-1])}=[...]`"
    message = f"must be {rule}; got index {index} of {shown(plain(holder))}; {fix}"
    raise SpecError(message, file=label, key=path_text(path))
