"""Charts as text for a terminal, without matplotlib."""

from __future__ import annotations

from rsgadvise.plot.terminal.page import can_encode, render

__all__ = ["can_encode", "render"]
