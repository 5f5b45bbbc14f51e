"""The structure of a network as one more thing to choose, and the pipeline that trains it."""

from __future__ import annotations

from rsgadvise.design.chosen import parse_which
from rsgadvise.design.designing import design
from rsgadvise.design.results import Design
from rsgadvise.design.widths import parse_depths, parse_widths

__all__ = ["Design", "design", "parse_depths", "parse_which", "parse_widths"]
