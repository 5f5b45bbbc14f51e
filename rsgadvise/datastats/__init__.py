"""Statistics of a data file, measured in a stream: the numbers that the bounds ask of the data."""

from __future__ import annotations

from rsgadvise.datastats.loading import load_rows
from rsgadvise.datastats.measuring import Progress, measure
from rsgadvise.datastats.result import (
    DataStatistics,
    ScalingChoice,
    ScalingKind,
    SpectrumMethod,
    StandardErrors,
)

__all__ = [
    "DataStatistics",
    "Progress",
    "ScalingChoice",
    "ScalingKind",
    "SpectrumMethod",
    "StandardErrors",
    "load_rows",
    "measure",
]
