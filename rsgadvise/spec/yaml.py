"""YAML text -> a tree that knows where each key and value stands, and errors that point at them."""

from __future__ import annotations

import math
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

from rsgadvise.errors import SpecError
from rsgadvise.spec.rules import NUMBER, shown

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError


# YAML text -> a tree that knows where each key and value stands.
#
# The tree is built from the parser's events, one at a time, so that every trap of YAML meets its own
# message: nothing is ever constructed, expanded or recursed into, and a scalar means what YAML 1.2
# says whatever the loader's version.

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NUMBER_CHARACTERS = 40  # a float needs 17 digits; a longer integer exceeds every range here

KeyPath = tuple[str | int, ...]

WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NOT_FINITE = r"([-+]?)\.(?:(inf|Inf|INF)|nan|NaN|NAN)"
# What the parser refuses, and the line separators that editors and YAML count differently.
UNUSABLE_ASCII = "[\0-\x08\x0b\x0c\x0e-\x1f\x7f]"
UNUSABLE = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
BEYOND_UNICODE = r"\\U(?!000|0010)[0-9A-Fa-f]{8}"

# (part of the parser's wording, what was found, the fix); the first that fits is shown.
SYNTAX = (
    ("mapping values are not allowed", "a second ': ' where a value stands", "quote text that holds ': ', or "
     "line the key up with its neighbours"),
    ("unexpected end of stream", "a quote that is never closed", "close it"),
    ("could not find expected ':'", "a key without ':'", "write `key: value`"),
    ("but got '<stream end>'", "a bracket that is never closed", "close it with ] or }"),
    ("but found '<stream end>'", "a bracket that is never closed", "close it with ] or }"),
    ("expected <block end>", "a line at another indentation than its neighbours", "line it up with them"),
    ("expected ',' or", "entries without a comma between them", "put a comma between entries, and close "
     "the bracket"),
    ("escape", "an unknown escape in double quotes", "use single quotes, or double the backslash"),
)  # fmt: skip


class Node:
    """A value and where it stands: lines and columns from 1, `start:end` the slice of the text."""

    # Classes of this module are written out: what dataclasses generate costs start-up time.
    __slots__ = ("column", "end", "flow", "key", "line", "origin", "start", "value")

    def __init__(
        self,
        value: object,  # a scalar, dict[str, Node] or list[Node]
        *,
        line: int | None = None,
        column: int | None = None,
        start: int = 0,
        end: int = 0,
        origin: str | None = None,  # the option that gave the value, where it is not from the text
    ) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.start = start
        self.end = end
        self.origin = origin
        self.flow = False  # in brackets or braces
        self.key: Key | None = None  # the key of the value, in a mapping of the text


class Key(NamedTuple):
    """A key and where it stands, as for `Node`; `kept` is False for one that is not used."""

    name: str
    line: int
    column: int
    start: int
    end: int
    kept: bool


class Problem(NamedTuple):
    """What is wrong, with which key, and where the text says so."""

    path: KeyPath
    message: str | Callable[[], str]  # a call where the wording costs time
    line: int | None = None
    column: int | None = None
    origin: str | None = None


class Tree:
    """The positioned tree of a text; where `problems` stopped the parser, `complete` is False."""

    def __init__(self, *problems: Problem) -> None:
        self.root: Node | None = None
        self.problems = list(problems)
        self.complete = not problems
        self.end = 0  # where the document ends, before `...`


class _Stop(Exception):  # noqa: N818 - it ends the parse, the error is in `problems`
    """The rest of the text cannot be read."""


def path_text(path: KeyPath) -> str:
    """Return a key path as it is written: `search.batch_size[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if len(part) <= 60 else f"{part[:60]}..."
            text += ("." if text else "") + (name if name.isprintable() else ascii(name)[1:-1])
    return text


def plain(node: Node) -> Any:
    """Return the tree below a node as plain Python data."""
    if isinstance(node.value, dict):
        return {key: plain(entry) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain(entry) for entry in node.value]
    return node.value


def build_tree(text: str) -> Tree:
    """Parse one YAML document; what is wrong with it is returned, not raised."""
    # To compile the pattern for all of Unicode takes longer than to parse the text.
    if found := re.search(UNUSABLE_ASCII if text.isascii() else UNUSABLE, text):
        return _unusable(text, found.start())
    if len(text) > MAX_BYTES:
        message = f"must be at most 1 MiB; got {len(text)} characters; keep data in a file named by data.file"
        return Tree(Problem((), message))
    return _Builder(text).tree


def _unusable(text: str, at: int) -> Tree:
    name = f"U+{ord(text[at]):04X}"
    message = (
        f"must be printable text; got the character {name}; remove it or write it as an escape in quotes"
    )
    return Tree(Problem((), message, *_position(text, at)))


def _position(text: str, at: int) -> tuple[int, int]:
    """Return the line and the column, from 1, of an index of the text."""
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class _Builder:
    """Turns parser events into a tree, no deeper than `MAX_DEPTH`."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        self.tree = Tree()
        self.path: KeyPath = ()  # where the next event belongs
        self.events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        try:
            self._document()
        except _Stop:
            self.tree.complete = False
        except MarkedYAMLError as error:
            self._syntax(error)
        except (YAMLError, ValueError, OverflowError):
            # The parser lets Python's own errors out for an escape beyond Unicode.
            found = re.search(BEYOND_UNICODE, text)
            got = (
                f"the escape {found[0]} of no character" if found else "an escape or a version of no meaning"
            )
            line, column = _position(text, found.start()) if found else (None, None)
            message = f"must be valid YAML; got {got}; correct it"
            self.tree.problems.append(Problem(self.path, message, line, column))
            self.tree.complete = False

    def _report(self, message: str, mark: Any, path: KeyPath | None = None) -> None:
        line, column = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
        self.tree.problems.append(Problem(self.path if path is None else path, message, line, column))

    def _stop(self, message: str, mark: Any) -> NoReturn:
        self._report(message, mark)
        raise _Stop

    def _syntax(self, error: MarkedYAMLError) -> None:
        self.tree.complete = False
        mark = error.problem_mark or error.context_mark
        words = " ".join(str(error.problem).split())
        # YAML forbids tabs where indentation counts, which the eye cannot see.
        if "'\\t'" in words or "\\t" in words:
            fix = "replace every tab outside quotes by spaces"
            self._report(f"must be indented and spaced with spaces; got a tab; {fix}", mark)
            return
        if "end of stream" in words and error.context_mark is not None:
            mark = error.context_mark  # where the quote opens says more than where the text ends
        other = (words[:80], "quote the text if it begins with a special character")
        got, fix = next((tuple(rest) for part, *rest in SYNTAX if part in words), other)
        self._report(f"must be valid YAML; got {got}; {fix}", mark)

    def _document(self) -> None:
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and self.tree.root is not None:
                message = "must hold one document; got a second one; remove `---` and what follows it"
                self._stop(message, event.start_mark)
            elif kind == "DocumentEndEvent":
                self.tree.end = event.start_mark.index
            elif kind not in {"StreamStartEvent", "DocumentStartEvent", "StreamEndEvent"}:
                self.tree.root = Node(None)  # what is known by then, where the rest cannot be read
                self._fill(self.tree.root, event)

    def _fill(self, node: Node, event: Any) -> None:
        """Make the node what begins with an event."""
        mark, path = event.start_mark, self.path
        self._plain_yaml(event)
        node.line, node.column = mark.line + 1, mark.column + 1
        node.start, node.end = mark.index, event.end_mark.index
        kind = type(event).__name__
        if kind == "ScalarEvent":
            node.value = event.value if event.style else _resolve(event.value)
            return
        if len(path) >= MAX_DEPTH:
            fix = "flatten it, no key of a spec is nested deeper than 3"
            self._stop(f"must be nested at most {MAX_DEPTH} deep; got more; {fix}", mark)
        node.flow = bool(event.flow_style)
        if kind == "SequenceStartEvent":
            node.value = entries = list[Node]()
            self.path = (*path, 0)
            while type(event := next(self.events)).__name__ != "SequenceEndEvent":
                entries.append(Node(None))
                self._fill(entries[-1], event)
                self.path = (*path, len(entries))
        else:
            node.value = children = dict[str, Node]()
            while type(event := next(self.events)).__name__ != "MappingEndEvent":
                key = self._key(children, event)
                child = Node(None)
                child.key = key
                if key.kept:
                    children[key.name] = child
                self.path = (*path, key.name)
                self._fill(child, next(self.events))
                self.path = path
        node.end = event.end_mark.index if node.flow else event.start_mark.index
        self.path = path

    def _plain_yaml(self, event: Any) -> None:
        """Refuse what repeats a value elsewhere, or says of which type it is."""
        mark = event.start_mark
        if type(event).__name__ == "AliasEvent":
            fix = "write the value itself in its place"
            self._stop(f"must be written out; got the alias {shown('*' + event.anchor)}; {fix}", mark)
        if event.anchor is not None:
            fix = "remove the anchor, and write the value out where an alias repeats it"
            self._stop(f"must be free of anchors; got {shown('&' + event.anchor)}; {fix}", mark)
        if (tag := event.ctag) is not None:
            self._report(f"must be free of tags; got the tag {shown(str(tag))}; remove it", mark)

    def _key(self, entries: dict[str, Node], event: Any) -> Key:
        mark, kind = event.start_mark, type(event).__name__
        self._plain_yaml(event)
        if kind != "ScalarEvent":
            what = "a list" if kind == "SequenceStartEvent" else "a section"
            self._stop(f"must have text as its keys; got {what} as a key; write `key: value`", mark)
        name = event.value if event.style else _resolve(event.value)
        if name == "<<" and not event.style:
            fix = "write the keys of the other section here"
            self._stop(f"must be free of merge keys; got '<<'; {fix}", mark)
        kept = isinstance(name, str)
        if not isinstance(name, str):
            self._report(f"must have text as its keys; got {shown(name)} as a key; write `key: value`", mark)
            name = event.value
        elif name in entries:
            first = entries[name].key
            where = f", first on line {first.line}" if first is not None else ""
            message = f"must be given once; got it again{where}; remove one of the two"
            self._report(message, mark, (*self.path, name))
            kept = False
        return Key(name, mark.line + 1, mark.column + 1, mark.index, event.end_mark.index, kept)


def _resolve(text: str) -> bool | float | str | None:
    """Return what a plain scalar means by YAML 1.2: 1e-3 is a number, yes and 1_000 are text."""
    if text in WORDS:
        return WORDS[text]
    if re.fullmatch(NUMBER, text):
        if not set(".eE") & set(text) and len(text) <= MAX_NUMBER_CHARACTERS:
            return int(text)
        return float(text)
    if found := re.fullmatch(NOT_FINITE, text):
        return float(found[1] + "inf") if found[2] else math.nan
    return text


# Bytes of a spec -> text: how large, where from, and in which encoding they may be.

STDIN = "<stdin>"


class Wanted(NamedTuple):
    """What a text should be, how large it may be, and what to do where it is missing or too large."""

    name: str
    limit: int  # MiB
    create: str
    smaller: str


SPEC = Wanted(
    "spec",
    MAX_BYTES >> 20,
    "create it with `rsgadvise init {file}`",
    "give a spec, and name the data in it with data.file",
)


def printable(name: str) -> str:
    """Return a name for a message: on one line, whatever characters it has."""
    return name if name.isprintable() else ascii(name)[1:-1]


def read_file(path: Path, wanted: Wanted = SPEC) -> bytes:
    """Return the content of a file, whose size is looked at before it is read.

    Raises:
        SpecError: there is no such file, it cannot be read, or it is too large.
    """
    file = printable(str(path))
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SpecError(f"must be a file; got a directory; name the {wanted.name} inside it", file=file)
        if status.st_size > wanted.limit << 20:
            raise _too_large(f"{status.st_size} bytes", file, wanted)
        # A pipe or a device has no size of its own, so that the read is bounded as well.
        with path.open("rb") as stream:
            return _read_bounded(stream, file, wanted)
    except FileNotFoundError:
        fix = wanted.create.format(file=file)
        raise SpecError(f"must exist; got no such file; {fix}", file=file) from None
    except (OSError, ValueError) as error:
        got = error.strerror if isinstance(error, OSError) else "a NUL character in its name"
        raise SpecError(
            f"must be readable; got {got}; check the path and its permissions", file=file
        ) from None


def read_stdin(stdin: IO[bytes] | IO[str] | None, wanted: Wanted = SPEC) -> bytes:
    """Return what standard input, or the stream given in its place, holds.

    Raises:
        SpecError: it cannot be read, or it is too large.
    """
    stream = getattr(sys.stdin, "buffer", sys.stdin) if stdin is None else stdin
    if stream is None:
        raise SpecError(f"must be open; got a closed stream; name a {wanted.name} file", file=STDIN)
    try:
        return _read_bounded(stream, STDIN, wanted)
    except (OSError, ValueError) as error:  # closed, or a text stream that cannot decode what it reads
        got = error.strerror if isinstance(error, OSError) else "a stream that is closed or not text"
        message = f"must be readable UTF-8; got {got}; name a {wanted.name} file"
        raise SpecError(message, file=STDIN) from None


def _read_bounded(stream: IO[bytes] | IO[str], file: str, wanted: Wanted) -> bytes:
    content, most = b"", wanted.limit << 20
    # A raw stream may return less than it was asked for before it ends.
    while len(content) <= most and (piece := stream.read(most + 1 - len(content))):
        content += piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
    if len(content) > most:
        raise _too_large(f"more than {most} bytes", file, wanted)
    return content


def _too_large(got: str, file: str, wanted: Wanted) -> SpecError:
    return SpecError(f"must be at most {wanted.limit} MiB; got {got}; {wanted.smaller}", file=file)


def decode(content: bytes, file: str) -> str:
    """Return the text of UTF-8 bytes, a byte order mark included.

    Raises:
        SpecError: the bytes are not UTF-8.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "must be UTF-8; got UTF-16 (its byte order mark); save the file as UTF-8"
        raise SpecError(message, file=file, line=1, column=1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        line = len(re.findall(rb"\r\n|\r|\n", before)) + 1
        column = len(before[line_start:].decode("utf-8")) + 1
        got = f"byte 0x{content[error.start]:02x} at offset {error.start}"
        message = f"must be UTF-8; got {got}; save the file as UTF-8"
        raise SpecError(message, file=file, line=line, column=column) from None


# Where the keys of a spec stand, and errors that point at them.

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
