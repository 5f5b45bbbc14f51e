"""Measured statistics and advised values -> an existing spec file, everything else in it left as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec.load import parse_spec
from rsgadvise.spec.rules import shown
from rsgadvise.spec.template import placeholder
from rsgadvise.spec.yaml import Key, Node, Tree, build_tree, decode, plain, printable, raise_first, read_file

# Measured statistics -> an existing spec file, everything else in it left as it is.
#
# The text is edited at the positions of the tree rather than written anew: no writer of YAML keeps
# every quote, blank and comment of what it read.

STATISTICS = ("mean", "mean_square", "second_moment", "top_eigenvalue", "samples")
BYTE_ORDER_MARK = "\ufeff"


def write_statistics(path: str | Path, values: Mapping[str, float | int]) -> None:
    """Write measured statistics into the `data` section of a spec file.

    Comments, order, quotes and line ends of everything else stay. The file is replaced at once and
    only if the result is a valid spec, so that it is never half written.

    Args:
        path: the spec; a symbolic link is followed.
        values: some of mean, mean_square, second_moment, top_eigenvalue and samples.

    Raises:
        UsageError: `path` is "-", or a value is not a statistic.
        SpecError: the spec cannot be read or written, or would not be valid.
    """
    if str(path) == "-":
        raise UsageError("must be a spec file to write into; got - (standard input); name a file")
    texts = {key: _number(key, values[key]) for key in sorted(values, key=_position)}
    file = printable(str(path))
    if Path(path).exists() and not Path(path).resolve().is_file():
        raise SpecError("must be a regular file; got a directory, pipe or device; name a file", file=file)
    text = decode(read_file(Path(path)), file)
    edited = _edited(text, {"data": texts}, file)
    if edited != text:
        replace_file(Path(path), edited.encode("utf-8"), file)


def _position(key: str) -> int:
    if key not in STATISTICS:
        raise UsageError(f"must be one of {', '.join(STATISTICS)}; got {shown(key)}; leave it out")
    return STATISTICS.index(key)


def _number(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{key}: must be a number; got {shown(value)}; measure it again")
    if isinstance(value, Integral) or (key == "samples" and float(value).is_integer()):
        return str(int(float(value)) if not isinstance(value, Integral) else int(value))
    return repr(float(value))  # the shortest text that reads back as the same number


def _edited(text: str, given: Mapping[str, Mapping[str, str]], file: str) -> str:
    """Return the text with the values in its sections, checked to be what was meant."""
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    body = text.removeprefix(mark)
    before = plain(_sections(body, file)[1])
    for name, values in given.items():
        if name == "data":
            body = _with_placeholders(body, before.get(name), values)
        body = Editor(body, *_sections(body, file), name).edit(values)
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
    _require_only(before, result, given, file)
    return result


def _sections(body: str, file: str) -> tuple[Tree, Node, dict[str, Node]]:
    """The tree of a text, its root and its sections."""
    tree = build_tree(body)
    if tree.problems:
        raise_first(tree.problems, file)
    if tree.root is None or not isinstance(tree.root.value, dict):
        parse_spec(body, file=file)  # says what a spec must be
        raise AssertionError("a text without sections was accepted")
    return tree, tree.root, tree.root.value


def _with_placeholders(body: str, data: object, values: Mapping[str, str]) -> str:
    """Turn the template's own commented lines for the keys to come into keys without a value."""
    present = data if isinstance(data, dict) else {}
    for key in values:
        line = placeholder(key)
        if key not in present and body.splitlines().count(line) == 1:
            body = body.replace(line, line.replace("# ", "", 1))
    return body


def _require_only(
    before: Mapping[str, Any], result: str, given: Mapping[str, Mapping[str, str]], file: str
) -> None:
    """Hold the edit to its promise: the values are there, and nothing else has changed."""
    after = build_tree(result.removeprefix(BYTE_ORDER_MARK)).root
    assert after is not None  # it was parsed a moment ago
    wanted, found = dict(before), plain(after)
    for name, values in given.items():
        section = wanted.get(name)
        kept = section if isinstance(section, dict) else {}
        wanted[name] = {**kept, **{key: plain(_value(text)) for key, text in values.items()}}
    if found != wanted:
        name = next((name for name in given if found.get(name) != wanted[name]), next(iter(given)))
        fix = f"write `{name}:` and each of its keys on a line of its own"
        message = f"must have a {name} section that can be edited in place; got another layout; {fix}"
        raise SpecError(message, file=file, key=name)


def _value(text: str) -> Node:
    """The node of a value by itself."""
    root = build_tree(f"value: {text}").root
    assert root is not None
    assert isinstance(root.value, dict)
    node: Node = root.value["value"]
    return node


class Editor:
    """Insertions and replacements at the positions of a tree."""

    def __init__(self, text: str, tree: Tree, root: Node, sections: dict[str, Node], name: str) -> None:
        self.text = text
        self.name = name
        self.end = tree.end
        self.root = root
        self.sections = sections

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def edit(self, values: Mapping[str, str]) -> str:
        if not values:
            return self.text
        data = self.sections.get(self.name)
        if data is None:
            edits = [self._new_section(values)]
        elif isinstance(data.value, dict) and data.value:
            edits = self._in_section(data, data.value, values)
        elif data.value is None or data.value == {}:
            edits = self._fill_section(data, values)
        else:
            return self.text  # no section at all, which the check of the result explains
        text = self.text
        # From the end, so that positions stay true; of two at one place the later one goes behind.
        ordered = sorted(edits, key=lambda edit: edit[:2])
        for start, end, new in reversed(ordered):
            text = text[:start] + new + text[end:]
        return text

    def _new_section(self, values: Mapping[str, str]) -> tuple[int, int, str]:
        if self.root.flow:
            section = f"{self._quoted(self.name)}: {self._flow(values)}"
            return self._append(list(self.sections.values()), self.root, section)
        at = self.end
        indent = _indent(next(iter(self.sections.values())))
        lines = [f"{indent}{self.name}:", *(f"{indent}  {key}: {text}" for key, text in values.items())]
        lead = "" if self.text[:at].endswith(("\n", "\r")) else self.newline
        return at, at, lead + self.newline.join(lines) + self.newline

    def _fill_section(self, data: Node, values: Mapping[str, str]) -> list[tuple[int, int, str]]:
        """Fill a section that is null or empty."""
        explicit = data.end > data.start
        if self.root.flow or data.flow:
            at, lead = self._after_colon(data)
            new = self._flow(values)
            return [(data.start, data.end, new)] if explicit else [(at, at, f"{lead} {new}")]
        edits = []
        if explicit:  # `data: null`, `data: ~`
            start = data.start - (self.text[data.start - 1] == " ")
            edits.append((start, data.end, ""))
        indent = _indent(data) + self._step()
        at = self._line_end(data.end if explicit else _key(data).end)
        lines = [f"{self.newline}{indent}{key}: {text}" for key, text in values.items()]
        return [*edits, (at, at, "".join(lines))]

    def _in_section(
        self, data: Node, entries: dict[str, Node], values: Mapping[str, str]
    ) -> list[tuple[int, int, str]]:
        edits: list[tuple[int, int, str]] = []
        missing: dict[str, str] = {}
        for key, text in values.items():
            node = entries.get(key)
            if node is None:
                missing[key] = text
            elif node.end == node.start:
                at, lead = self._after_colon(node)
                edits.append((at, at, f"{lead} {text}"))
            elif plain(node) != plain(_value(text)):
                # A block of text or a list ends with its line, which the value has to keep.
                end = node.start + len(self.text[node.start : node.end].rstrip())
                if node.line == _key(node).line:
                    edits.append((node.start, end, text))
                else:
                    at, lead = self._after_colon(node)
                    edits += [(at, at, f"{lead} {text}"), (self._line_end(at), end, "")]
        if missing and data.flow:
            pairs = ", ".join(f"{self._quoted(key)}: {text}" for key, text in missing.items())
            edits.append(self._append(list(entries.values()), data, pairs))
        elif missing:
            edits.append(self._new_lines(entries, missing))
        return edits

    def _new_lines(self, entries: dict[str, Node], missing: Mapping[str, str]) -> tuple[int, int, str]:
        first = next(iter(entries.values()))
        indent = _indent(first)
        lines = [f"{indent}{key}: {text}" for key, text in missing.items()]
        known = STATISTICS if self.name == "data" else tuple(entries)
        for key in reversed(known):
            node = entries.get(key)
            if node is not None and self._on_one_line(node):
                at = self._line_end(node.end)
                return at, at, "".join(f"{self.newline}{line}" for line in lines)
        # Before the first key a new line cannot part another key from its value or comment.
        at = _key(first).start - len(indent)
        return at, at, "".join(f"{line}{self.newline}" for line in lines)

    def _on_one_line(self, node: Node) -> bool:
        value = self.text[node.start : node.end]
        return value != "" and "\n" not in value and node.line == _key(node).line

    def _append(self, entries: list[Node], section: Node, new: str) -> tuple[int, int, str]:
        """Add to a section in braces, after its last value."""
        if not entries:
            return section.start + 1, section.start + 1, new
        last = entries[-1]
        at = last.end if last.end > last.start else self._after_colon(last)[0]
        return at, at, f", {new}"

    def _after_colon(self, node: Node) -> tuple[int, str]:
        """Return where a value that is missing belongs, and the colon if that is missing as well."""
        end = _key(node).end
        found = re.compile(r"\s*:").match(self.text, end)
        return (found.end(), "") if found else (end, ":")

    def _line_end(self, at: int) -> int:
        found = re.compile(r"[^\r\n]*").match(self.text, at)
        return at if found is None else found.end()

    def _step(self) -> str:
        """Return the indentation of the sections that are there."""
        for node in self.sections.values():
            if isinstance(node.value, dict) and node.value and not node.flow:
                first = next(iter(node.value.values()))
                return " " * (_key(first).column - _key(node).column)
        return "  "

    def _quoted(self, key: str) -> str:
        first = next(iter(self.sections.values()))
        return f'"{key}"' if self.text[_key(first).start] == '"' else key

    def _flow(self, values: Mapping[str, str]) -> str:
        return "{" + ", ".join(f"{self._quoted(key)}: {text}" for key, text in values.items()) + "}"


def _key(node: Node) -> Key:
    assert node.key is not None  # every value of a mapping of the text has one
    return node.key


def _indent(node: Node) -> str:
    return " " * (_key(node).column - 1)


def replace_file(path: Path, content: bytes, file: str) -> None:
    """Write a file beside the spec and move it into its place, with the same permissions."""
    import errno
    import os
    import stat
    from tempfile import mkstemp

    target = path.resolve()
    temporary: Path | None = None
    try:
        if not os.access(target, os.W_OK):
            # The move below would go through all the same: it asks for the directory's permission.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = stat.S_IMODE(target.stat().st_mode)
        handle, name = mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        message = f"must be writable; got {error.strerror}; check its permissions and those of its directory"
        raise SpecError(message, file=file) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()  # gone already if it was moved


def write_training(
    path: Path, values: Mapping[str, Any], *, network: Mapping[str, Any] | None = None
) -> None:
    """Write advised values into the `training` section of a spec file, and into `network` what was chosen.

    All else stays as it is, to the byte. The file is replaced at once, and only if the result is a valid spec
    that differs from the old one in these values alone.

    Args:
        path: the spec.
        values: by key of the section; a list or a mapping becomes one on one line.
        network: the same for the network.

    Raises:
        UsageError: `path` is standard input.
        SpecError: the spec cannot be read or written, or would not be valid.
    """
    if str(path) == "-":
        raise UsageError("--into must be a spec file to write into; got -, standard input; name a file")
    file = printable(str(path))
    text = decode(read_file(path), file)
    loaded = parse_spec(text, file=str(path))  # says what is wrong with it, before anything is changed
    # An optimiser that nobody named is SGD, and need not be named then.
    same = values.get("optimizer") == loaded.spec.training.chosen_optimizer.written
    kept = {key: value for key, value in values.items() if not (same and key == "optimizer")}
    given = {"network": network or {}, "training": kept}
    texts = {
        name: {key: _text(value) for key, value in section.items()}
        for name, section in given.items()
        if section
    }
    edited = _edited(text, texts, file)
    if edited != text:
        replace_file(path, edited.encode("utf-8"), file)


def _text(value: object) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_text(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value) if isinstance(value, float) else str(value)
