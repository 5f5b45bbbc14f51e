"""The spec: YAML text -> validated, frozen models that know where each value stands.

`load_spec` and `parse_spec` read one, `write_statistics` edits one in place, `render_template`
starts one, `from_model` takes one from a network that exists and `json_schema` describes one to
editors. Every rule that a spec breaks is a `SpecError` with file, line, column and key path.
"""

from rsgadvise.spec.advised import write_training
from rsgadvise.spec.changing import changed_spec, with_statistics
from rsgadvise.spec.editing import write_statistics
from rsgadvise.spec.from_model import from_model
from rsgadvise.spec.loading import LoadedSpec, load_spec, parse_spec, with_override
from rsgadvise.spec.models import (
    Budget,
    Cost,
    Data,
    IntegerRange,
    Network,
    Pretraining,
    RealRange,
    Search,
    Spec,
    Sweep,
    Target,
    Training,
)
from rsgadvise.spec.schema import json_schema
from rsgadvise.spec.source import SpecSource
from rsgadvise.spec.template import render_template, yaml_scalar

__all__ = [
    "Budget",
    "Cost",
    "Data",
    "IntegerRange",
    "LoadedSpec",
    "Network",
    "Pretraining",
    "RealRange",
    "Search",
    "Spec",
    "SpecSource",
    "Sweep",
    "Target",
    "Training",
    "changed_spec",
    "from_model",
    "json_schema",
    "load_spec",
    "parse_spec",
    "render_template",
    "with_override",
    "with_statistics",
    "write_statistics",
    "write_training",
    "yaml_scalar",
]
