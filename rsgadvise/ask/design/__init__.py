"""The structure of a network as one more thing to choose, and the pipeline that trains it."""

from __future__ import annotations

from rsgadvise.ask.design.designing import design, parse_depths, parse_widths
from rsgadvise.ask.design.ranking import parse_which
from rsgadvise.ask.design.results import Design

__all__ = ["Design", "design", "parse_depths", "parse_which", "parse_widths"]
