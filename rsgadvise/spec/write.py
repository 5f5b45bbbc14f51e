"""Measured statistics and advised values -> an existing spec file, everything else in it left as it is.

The text is edited at the positions of its tree rather than written anew: no writer of YAML keeps every quote,
blank and comment of what it read. What comes out is read again, and written only if it says what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.files import write_bytes
from rsgadvise.spec.load import BYTE_ORDER_MARK, parse_spec
from rsgadvise.spec.template import placeholder
from rsgadvise.spec.yaml import Key, Node, Tree, build_tree, decode, plain, printable, raise_first, read_file

Edit = tuple[int, int, str]  # the slice of the text that another takes the place of


def write_statistics(path: str | Path, values: Mapping[str, float | int]) -> None:
    """Write measured statistics into the `data` section of a spec file.

    Comments, order, quotes and line ends of everything else stay. The file is replaced at once and
    only if the result is a valid spec, so that it is never half written.

    Args:
        path: the spec; a symbolic link is followed.
        values: some of mean, mean_square, second_moment, top_eigenvalue and samples.

    Raises:
        UsageError: `path` is "-", or cannot be written.
        SpecError: the spec cannot be read, or would not be valid.
    """
    _write(Path(path), {"data": values})


def write_training(
    path: Path,
    values: Mapping[str, Any],
    *,
    network: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write advised values into the `training` section of a spec file, and into `network` what was chosen.

    All else stays as it is, to the byte. The file is replaced at once, and only if the result is a valid spec
    that differs from the old one in these values alone.

    Args:
        path: the spec.
        values: by key of the section; a sequence or a mapping becomes one on one line.
        network: the same for the network. data: and for the data.

    Raises:
        UsageError: `path` is standard input, or cannot be written.
        SpecError: the spec cannot be read, or would not be valid.
    """
    given = dict(values)
    if str(path) != "-":
        text = decode(read_file(path), printable(str(path)))
        loaded = parse_spec(text, file=str(path))  # says what is wrong with it, before anything is changed
        # An optimiser that nobody named is SGD, and need not be named then.
        if given.get("optimizer") == loaded.spec.training.chosen_optimizer.written:
            del given["optimizer"]
    _write(path, {"network": network or {}, "data": data or {}, "training": given})


def _write(path: Path, given: Mapping[str, Mapping[str, Any]]) -> None:
    if str(path) == "-":
        raise UsageError("--into must be a spec file to write into; got -, standard input; name a file")
    file = printable(str(path))
    text = decode(read_file(path), file)
    texts = {
        name: {key: _text(value) for key, value in section.items()}
        for name, section in given.items()
        if section
    }
    edited = _edited(text, texts, file)
    if edited != text:
        write_bytes(path, edited.encode("utf-8"))


def _text(value: object) -> str:
    """A value on one line; of a number the shortest text that reads back as the same."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_text(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return str(int(value)) if isinstance(value, Integral) else repr(float(value))


def _edited(text: str, given: Mapping[str, Mapping[str, str]], file: str) -> str:
    """Return the text with the values in its sections, checked to be what was meant."""
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    body = text.removeprefix(mark)
    before = plain(_root(body, file)[1])
    for name, values in given.items():
        if name == "data":
            body = _with_placeholders(body, before.get(name), values)
        tree, root = _root(body, file)
        # From the end, so that positions stay true; of two at one place the later one goes behind.
        edits = sorted(_edits(body, tree, root, name, values), key=lambda edit: edit[:2])
        for start, end, new in reversed(edits):
            body = body[:start] + new + body[end:]
    result = mark + body
    try:
        parse_spec(result, file=file)
    except SpecError as error:
        raise SpecError(
            f"{error.message}; the file was left as it was",
            file=error.file,
            line=error.line,
            column=error.column,
            key=error.key,
        ) from None
    _require_only(before, body, given, file)
    return result


def _root(body: str, file: str) -> tuple[Tree, Node]:
    """The tree of a text, and its root, which holds sections."""
    tree = build_tree(body)
    if tree.problems:
        raise_first(tree.problems, file)
    if tree.root is None or not isinstance(tree.root.value, dict):
        parse_spec(body, file=file)  # says what a spec must be
        raise AssertionError("a text without sections was accepted")
    return tree, tree.root


def _with_placeholders(body: str, data: object, values: Mapping[str, str]) -> str:
    """Turn the template's own commented lines for the keys to come into keys without a value."""
    present = data if isinstance(data, dict) else {}
    for key in values:
        line = placeholder(key)
        if key not in present and body.splitlines().count(line) == 1:
            body = body.replace(line, line.replace("# ", "", 1))
    return body


def _require_only(
    before: Mapping[str, Any], body: str, given: Mapping[str, Mapping[str, str]], file: str
) -> None:
    """Hold the edit to its promise: the values are there, and nothing else has changed."""
    wanted, edited = dict(before), plain(_root(body, file)[1])
    for name, values in given.items():
        section = wanted.get(name)
        kept = section if isinstance(section, dict) else {}
        wanted[name] = {**kept, **{key: _value(text) for key, text in values.items()}}
    if edited != wanted:
        name = next((name for name in given if edited.get(name) != wanted[name]), next(iter(given)))
        fix = f"write `{name}:` and each of its keys on a line of its own"
        message = f"must have a {name} section that can be edited in place; got another layout; {fix}"
        raise SpecError(message, file=file, key=name)


def _value(text: str) -> Any:
    """What a value means by itself."""
    root = build_tree(f"value: {text}").root
    assert root is not None
    return plain(root)["value"]


def _edits(text: str, tree: Tree, root: Node, name: str, values: Mapping[str, str]) -> list[Edit]:
    """What makes a section hold the values; nothing where there is no place for them, as the check tells."""
    sections: dict[str, Node] = root.value  # type: ignore[assignment]
    newline = "\r\n" if "\r\n" in text else "\n"
    first, section = next(iter(sections.values())), sections.get(name)
    quote = '"' if text[_key(first).start] == '"' else ""
    pairs = ", ".join(f"{quote}{key}{quote}: {value}" for key, value in values.items())
    if section is None and root.flow:
        return [(root.start + 1, root.start + 1, f"{quote}{name}{quote}: {{{pairs}}}, ")]
    if section is None:
        indent = " " * (_key(first).column - 1)
        lines = [f"{indent}{name}:", *(f"{indent}  {key}: {value}" for key, value in values.items())]
        lead = "" if text[: tree.end].endswith(("\n", "\r")) else newline
        return [(tree.end, tree.end, lead + newline.join(lines) + newline)]
    if section.value is None or section.value == {}:
        if root.flow or section.flow:
            return [_instead(text, section, f"{{{pairs}}}")]
        explicit = section.end > section.start  # `data: null`, `data: ~`
        start = section.start - (text[section.start - 1] == " ")
        gone = [(start, section.end, "")] if explicit else []
        indent = " " * (_key(section).column - 1) + _step(sections)
        return [*gone, _below(text, section, indent, newline, values)]
    if not isinstance(section.value, dict):
        return []
    entries: dict[str, Node] = section.value
    missing = {key: value for key, value in values.items() if key not in entries}
    edits = [
        _instead(text, entries[key], value)
        for key, value in values.items()
        if key in entries and plain(entries[key]) != _value(value)
    ]
    if missing and section.flow:
        pairs = ", ".join(f"{quote}{key}{quote}: {value}" for key, value in missing.items())
        edits.append((section.start + 1, section.start + 1, f"{pairs}, "))
    elif missing:
        indent = " " * (_key(next(iter(entries.values()))).column - 1)
        edits.append(_below(text, section, indent, newline, missing))
    return edits


def _instead(text: str, node: Node, new: str) -> Edit:
    """Another value for the key of a node, which may have none yet."""
    if node.end == node.start or node.line != _key(node).line:
        found = re.compile(r"\s*:").match(text, _key(node).end)
        at = node.start if found is None else found.end()
        # A block of text or a list goes with its lines, but for the end of the last one.
        end = at if node.end == node.start else node.start + len(text[node.start : node.end].rstrip())
        comment = re.compile(r"[^\r\n]*").match(text, at)
        return at, end, f" {new}{'' if end == at or comment is None else comment[0]}"
    return node.start, node.start + len(text[node.start : node.end].rstrip()), new


def _below(text: str, section: Node, indent: str, newline: str, values: Mapping[str, str]) -> Edit:
    """New lines right below that of the section's name, where they part no key from its value or comment."""
    found = re.compile(r"[^\r\n]*").match(text, _key(section).end)
    at = section.start if found is None else found.end()
    return at, at, "".join(f"{newline}{indent}{key}: {value}" for key, value in values.items())


def _step(sections: Mapping[str, Node]) -> str:
    """The indentation of the sections that are there."""
    for node in sections.values():
        if isinstance(node.value, dict) and node.value and not node.flow:
            return " " * (_key(next(iter(node.value.values()))).column - _key(node).column)
    return "  "


def _key(node: Node) -> Key:
    assert node.key is not None  # every value of a mapping of the text has one
    return node.key
