"""Documents as YAML."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rsgadvise.show.formats import Result


def as_yaml(document: Mapping[str, Any]) -> str:
    """The same document as YAML."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 100
    writer.representer.add_representer(float, _yaml_float)
    stream = io.StringIO()
    writer.dump(dict(document), stream)
    return stream.getvalue()


def _yaml_float(representer: Any, value: float) -> Any:
    """1.0e-07, since readers of YAML 1.1 take 1e-07 for text."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def render(shown: Result) -> str:
    return as_yaml(shown.document())
