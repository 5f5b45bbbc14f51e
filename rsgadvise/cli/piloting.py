"""`recommend` on the spec's own data file: calibration and pilot, with their progress."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.cli.data import rows_of
from rsgadvise.cli.progress import ReadProgress

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.bounds.objective import ConstantsName
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import LoadedSpec

__all__ = ["advice_with_data"]


def advice_with_data(
    loaded: LoadedSpec,
    statistics: DataStatistics | None,
    measured: Mapping[str, float | int | None] | None,
    *,
    constants: ConstantsName,
    pilot: float,
    seed: int,
    top: int,
    quiet: bool,
) -> Advice:
    """Advice that is measured on the data file.

    Raises:
        SpecError: the spec names no data file, or one without targets.
    """
    if statistics is None:
        what, instead = "--constants calibrated measures", "use --constants certified"
        if pilot:
            what, instead = "--pilot trains", "leave the pilot out"
        raise loaded.source.error(
            "data.file", f"must be given, since {what} on it; got none; add it, or {instead}"
        )
    from rsgadvise.pilot.advice import advise_with_data

    with ReadProgress(enabled=not quiet) as bar:
        return advise_with_data(
            loaded.spec,
            rows_of(loaded, statistics),
            constants=constants,
            pilot=pilot,
            seed=seed,
            top=top,
            measured=measured,
            threads=_cores(),
            progress=lambda part, name: bar(round(100 * part), 100, name),
        )


def _cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
