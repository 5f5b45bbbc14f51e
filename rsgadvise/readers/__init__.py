"""Data files as streams of rows: one reader per format, one way in (`open_data`).

Every reader checks its header before it reads a row, keeps no more than a block in memory, never runs
what a file contains, and reports whatever is wrong as one `DataError`.
"""

from __future__ import annotations

from rsgadvise.readers.opening import FORMATS, open_data
from rsgadvise.readers.plain import PlainArrays, plain_arrays
from rsgadvise.readers.source import DEFAULT_CHUNK_BYTES, Array, Chunk, DataSource
from rsgadvise.readers.targets import MAX_CLASSES, TargetEncoding, TargetSummary, encode_targets
from rsgadvise.readers.words import Words

__all__ = [
    "DEFAULT_CHUNK_BYTES",
    "FORMATS",
    "MAX_CLASSES",
    "Array",
    "Chunk",
    "DataSource",
    "PlainArrays",
    "TargetEncoding",
    "TargetSummary",
    "Words",
    "encode_targets",
    "open_data",
    "plain_arrays",
]
