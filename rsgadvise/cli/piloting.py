"""An advice on the spec's own data file where it names one, with progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.cli.data import rows_of
from rsgadvise.pilot import Effort

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import LoadedSpec

__all__ = ["advice_for"]

_NO_TARGETS = "{} holds no targets, so nothing was measured by training; name them with data.target."


def advice_for(
    loaded: LoadedSpec,
    statistics: DataStatistics | None,
    measured: Mapping[str, float | int | None] | None,
    effort: Effort,
    *,
    top: int,
    quiet: bool,
) -> Advice:
    """Advice by the effort asked for.

    Raises:
        UsageError: a value of the effort is out of range.
        SpecError: it needs a data file, and the spec names none, or one without targets.
    """
    from rsgadvise.pilot.advising import advise

    effort.check(option="--")
    if statistics is None and effort.needs_data:
        what, instead = "--constants calibrated measures", "use --constants typical or certified"
        if effort.pilot:
            what, instead = "--pilot trains", "leave the pilot out"
        raise loaded.source.error(
            "data.file", f"must be given, since {what} on it; got none; add it, or {instead}"
        )
    if statistics is None or not effort.trains:
        return advise(loaded.spec, None, effort, top=top, measured=measured)
    tied = loaded.spec.network.kind == "autoencoder"
    if statistics.output_dim is None and not tied and not effort.needs_data:
        found = advise(loaded.spec, None, effort, top=top, measured=measured)
        return replace(found, notes=(_NO_TARGETS.format(loaded.spec.data.file), *found.notes))
    from rsgadvise.cli.computing import usable_cores
    from rsgadvise.cli.progress import ReadProgress

    with ReadProgress(enabled=not quiet) as bar:
        return advise(
            loaded.spec,
            rows_of(loaded, statistics),
            effort,
            top=top,
            measured=measured,
            threads=usable_cores(),
            progress=lambda part, name: bar(round(100 * part), 100, name),
        )
