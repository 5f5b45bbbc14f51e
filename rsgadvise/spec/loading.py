"""Text -> validated spec, with every error at its place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from rsgadvise.errors import SpecError
from rsgadvise.spec.models import Spec
from rsgadvise.spec.overrides import apply_override
from rsgadvise.spec.reading import STDIN, decode, printable, read_file, read_stdin
from rsgadvise.spec.rules import shown
from rsgadvise.spec.source import SpecSource, raise_first
from rsgadvise.spec.tree import Node, Problem, build_tree, plain
from rsgadvise.spec.wording import validation_problems

__all__ = ["LoadedSpec", "load_spec", "parse_spec", "with_override"]

INIT = "start from `rsgadvise init FILE`"
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A validated spec and where its values stand."""

    spec: Spec
    source: SpecSource


def load_spec(
    path_or_dash: str | Path, *, overrides: Sequence[str] = (), stdin: IO[bytes] | IO[str] | None = None
) -> LoadedSpec:
    """Read, parse and validate a spec file, or standard input for "-".

    Args:
        path_or_dash: the file, or "-".
        overrides: texts of `--set a.b=value`, applied in order.
        stdin: read instead of `sys.stdin`.

    Raises:
        SpecError: the spec cannot be read or breaks a rule.
    """
    if str(path_or_dash) == "-":
        return parse_spec(decode(read_stdin(stdin), STDIN), file=STDIN, overrides=overrides)
    path = Path(path_or_dash)
    file = printable(str(path_or_dash))
    text = decode(read_file(path), file)
    return _parse(text, file=file, base_dir=path.parent, overrides=overrides)


def parse_spec(text: str, *, file: str, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Parse and validate the text of a spec; `file` names it in messages.

    `data.file` is relative to the directory of `file`; for a name such as "<stdin>" it is relative
    to the working directory.

    Raises:
        SpecError: the spec breaks a rule.

    Example:
        >>> from rsgadvise.spec import parse_spec
        >>> text = "network: {kind: single_layer, layers: [784, 10]}"
        >>> parse_spec(text, file="a.yaml", overrides=["network.layers[1]=5"]).spec.network.layers
        (784, 5)
    """
    base_dir = Path() if file.startswith("<") else Path(file).parent
    return _parse(text, file=printable(file), base_dir=base_dir, overrides=overrides)


def _parse(text: str, *, file: str, base_dir: Path, overrides: Sequence[str]) -> LoadedSpec:
    tree = build_tree(text.removeprefix(BYTE_ORDER_MARK))
    root = tree.root
    if not tree.complete or (tree.problems and root is None):
        raise_first(tree.problems, file)
    if root is None or root.value is None:
        raise SpecError(f"must hold a spec; got an empty file; {INIT}", file=file)
    if not isinstance(root.value, dict):
        got = shown(plain(root))
        message = f"must be sections such as network: and data:; got {got}; {INIT}"
        raise SpecError(message, file=file, line=root.line, column=root.column)
    for override in overrides:
        apply_override(root, override)
    return _validated(root, list(tree.problems), file=file, base_dir=base_dir, text=text)


def with_override(loaded: LoadedSpec, *texts: str, option: str = "--set") -> LoadedSpec:
    """The same spec with further keys replaced, as by `--set`; the one given is left as it is.

    Args:
        loaded: a valid spec.
        texts: of key.path=value, applied in order, and only then validated.
        option: where they come from, for messages.

    Raises:
        SpecError: a text is malformed, or what it makes of the spec breaks a rule.

    Example:
        >>> from rsgadvise.spec import parse_spec, with_override
        >>> narrow = parse_spec("network: {kind: single_layer, layers: [784, 10]}", file="a.yaml")
        >>> with_override(narrow, "network.layers[1]=5").spec.network.layers, narrow.spec.network.layers
        ((784, 5), (784, 10))
    """
    root = deepcopy(loaded.source.root)
    for text in texts:
        apply_override(root, text, option=option)
    source = loaded.source
    return _validated(root, [], file=source.file, base_dir=source.base_dir, text=source.text)


def _validated(root: Node, problems: list[Problem], *, file: str, base_dir: Path, text: str) -> LoadedSpec:
    try:
        spec = Spec.model_validate(plain(root))
    except ValidationError as error:
        # One mistake is reported once: what the notation broke cannot also be valid.
        reported = {problem.path for problem in problems}
        problems += [found for found in validation_problems(error, root) if found.path not in reported]
        raise_first(problems, file)
    if problems:
        raise_first(problems, file)
    return LoadedSpec(spec=spec, source=SpecSource(file=file, base_dir=base_dir, root=root, text=text))
