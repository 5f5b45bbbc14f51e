"""Advised values -> the training section of an existing spec file, comments kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec.editing import replace_file
from rsgadvise.spec.loading import parse_spec
from rsgadvise.spec.reading import decode, printable, read_file

__all__ = ["write_training"]

_WIDTH = 10**6  # no line is folded that was not


def write_training(
    path: Path, values: Mapping[str, Any], *, network: Mapping[str, Any] | None = None
) -> None:
    """Write advised values into the `training` section of a spec file, and into `network` what was chosen.

    Comments, order and quotes of everything else stay. The file is replaced at once, and only if the result
    is a valid spec that differs from the old one in these values alone.

    Args:
        path: the spec.
        values: by key of the section; a list becomes one on one line.
        network: the same for the network.

    Raises:
        UsageError: `path` is standard input.
        SpecError: the spec cannot be read or written, or would not be valid.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if str(path) == "-":
        raise UsageError("--into must be a spec file to write into; got -, standard input; name a file")
    file = printable(str(path))
    text = decode(read_file(path), file)
    parse_spec(text, file=str(path))  # says what is wrong with it, before anything is changed
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    root = yaml.load(text)
    for name, given in (("training", values), ("network", network or {})):
        if not given:
            continue
        if not isinstance(root.get(name), CommentedMap):
            root[name] = CommentedMap()
        for key, value in given.items():
            entry = value
            if isinstance(value, list | tuple):
                entry = CommentedSeq(value)
                entry.fa.set_flow_style()
            root[name][key] = entry
    stream = io.StringIO()
    yaml.dump(root, stream)
    edited = stream.getvalue().replace("\n", "\r\n" if "\r\n" in text else "\n")
    try:
        parse_spec(edited, file=str(path))
    except SpecError as error:
        raise SpecError(
            f"{error.message}; the file was left as it was", file=error.file, key=error.key
        ) from None
    replace_file(path, edited.encode("utf-8"), file)
