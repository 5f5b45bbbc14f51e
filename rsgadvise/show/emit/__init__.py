"""A recommendation as Python code that trains by it: `emit_snippet`."""

from rsgadvise.show.emit.plan import DataFile, Target
from rsgadvise.show.emit.snippets import emit_snippet

__all__ = ["DataFile", "Target", "emit_snippet"]
