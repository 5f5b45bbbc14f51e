"""`explain`."""

from __future__ import annotations

from rsgadvise.cli.advice import SpecArgument
from rsgadvise.cli.options import ConstantsOption, SetOption
from rsgadvise.cli.output import TargetOptions, show


def explain(
    spec: SpecArgument,
    constants: ConstantsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Explain a bound: its terms, assumptions, and what changes it."""
    from rsgadvise.ask.explain.explaining import explain as explained
    from rsgadvise.cli.bounds import bounded
    from rsgadvise.show.report.bounds import explanation_blocks

    source = bounded(spec, set_, constants, quiet=to.quiet)
    with source.asked():
        explanation = explained(
            source.spec,
            constants=constants,
            measured=source.measured,
            statistics=source.statistics,
        )
    show(to, "explain", source.noted(explanation), explanation_blocks, explanation.terms, **source.about())
