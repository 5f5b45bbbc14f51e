"""Documents as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsgadvise.show.formats import Result


def as_json(document: Mapping[str, Any]) -> str:
    """Indented JSON without NaN or Infinity."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def render(shown: Result) -> str:
    return as_json(shown.document())
