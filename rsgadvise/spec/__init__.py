"""The spec: YAML text -> validated, frozen models that know where each value stands.

`load_spec` and `parse_spec` read one, `write_statistics` edits one in place, `render_template`
starts one, `from_model` takes one from a network that exists and `json_schema` describes one to
editors. Every rule that a spec breaks is a `SpecError` with file, line, column and key path.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rsgadvise.spec.load import LoadedSpec, load_spec, parse_spec, with_override
from rsgadvise.spec.models import Data, Spec
from rsgadvise.spec.yaml import SpecSource

if TYPE_CHECKING:
    from rsgadvise.spec.frameworks import from_model as from_model
    from rsgadvise.spec.load import changed_spec as changed_spec
    from rsgadvise.spec.load import with_statistics as with_statistics
    from rsgadvise.spec.schema import json_schema as json_schema
    from rsgadvise.spec.template import render_template as render_template
    from rsgadvise.spec.template import yaml_scalar as yaml_scalar
    from rsgadvise.spec.write import write_statistics as write_statistics
    from rsgadvise.spec.write import write_training as write_training

_LATER = {
    "changed_spec": "load",
    "from_model": "frameworks",
    "json_schema": "schema",
    "render_template": "template",
    "with_statistics": "load",
    "write_statistics": "write",
    "write_training": "write",
    "yaml_scalar": "template",
}

__all__ = ["Data", "LoadedSpec", "Spec", "SpecSource", "load_spec", "parse_spec", "with_override"]


def __getattr__(name: str) -> Any:
    """Import what writes and describes specs when it is asked for: those who read one start without it."""
    if name in _LATER:
        return getattr(import_module(f"rsgadvise.spec.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
