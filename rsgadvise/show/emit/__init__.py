"""A recommendation as Python code that trains by it."""

from rsgadvise.show.emit.plan import DataFile, Target
from rsgadvise.show.emit.snippets import emit_snippet, model_program

__all__ = ["DataFile", "Target", "emit_snippet", "model_program"]
