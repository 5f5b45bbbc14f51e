"""`compare`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.bounds import located, require_bounds, require_box, unique_name
from rsgadvise.cli.options import EitherConstantsOption, SetOption, check_budget, check_confidence
from rsgadvise.cli.output import TargetOptions, show
from rsgadvise.cli.sources import described, rows_of, statistics_of
from rsgadvise.errors import HypothesisError, UsageError

if TYPE_CHECKING:
    from rsgadvise.ask.compare import Candidate, Comparison
    from rsgadvise.ask.verify.cases import Case
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.theory import ConstantsName


_RUNS, _CONFIDENCE = 32, 0.99


def compare(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC...", help="Two or more spec files; one may be -, standard input."),
    ],
    constants: EitherConstantsOption = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also train each, and compare the gradients that come out.")
    ] = False,
    runs: Annotated[
        int | None,
        typer.Option(
            min=4,
            max=10**6,
            help="With --measure: independent replicas of each spec, over up to eight W1; default 32.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="With --measure: of all randomness; default 0."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="With --measure: 1 minus the probability that any limit is wrong; default 0.99."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="With --measure: processes; default: one per usable core."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="SECONDS", help="With --measure: stop after so long.")
    ] = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Say which spec has the better guarantee, or measured gradient."""
    training = {
        "--runs": runs,
        "--seed": seed,
        "--confidence": confidence,
        "--jobs": jobs,
        "--budget": budget,
    }
    _check(specs, training, measure=measure)
    confidence = _CONFIDENCE if confidence is None else confidence
    check_confidence(confidence)
    check_budget(budget)
    loaded = [_load(spec, tuple(set_ or ()), constants, bounds=not measure, quiet=to.quiet) for spec in specs]
    taken: set[str] = set()
    candidates = [
        _candidate(unique_name(name, taken), *each)
        for name, each in zip(_labels([each.source.file for each, _ in loaded]), loaded, strict=True)
    ]
    import numpy as np

    from rsgadvise.ask.compare import compare as compared
    from rsgadvise.spec.problem import resolve

    with np.errstate(all="ignore"):
        comparison = compared(candidates, constants=constants)
    behind = {candidate.name: each for candidate, each in zip(candidates, loaded, strict=True)}
    if measure:
        comparison = _measured(
            comparison,
            behind,
            runs=_RUNS if runs is None else runs,
            seed=seed or 0,
            confidence=confidence,
            jobs=jobs,
            budget=budget,
            quiet=to.quiet,
        )

    from rsgadvise.show.report.comparing import comparison_blocks

    show(to, "compare", comparison, comparison_blocks, comparison.specs)
    if comparison.interrupted:
        raise typer.Exit(130)
    provable = any(resolve(each.spec).has_sgd_bound for each, _ in loaded)
    if provable and all(row.rank is None for row in comparison.specs):
        raise typer.Exit(1)
    known = [row for row in comparison.specs if row.measured is not None and row.measured.mean is not None]
    if measure and len(known) < 2:
        raise typer.Exit(3)  # asked for, and ended before there was anything to compare


def _check(specs: Sequence[str], training: Mapping[str, object], *, measure: bool) -> None:
    """Refuse what cannot be done before anything is read.

    Raises:
        UsageError: too few specs, standard input twice, or an option is about training, and there is none.
    """
    if len(specs) < 2:
        raise UsageError(f"compare needs two or more specs; got {len(specs)}; name another")
    if specs.count("-") > 1:
        raise UsageError("- stands for standard input, which can be read once; got it twice; name files")
    for name, value in training.items():
        if value is not None and not measure:
            raise UsageError(f"{name} is about training; got no --measure; add it, or leave {name} out")


def _load(
    spec: str, overrides: tuple[str, ...], constants: ConstantsName | None, *, bounds: bool, quiet: bool
) -> tuple[LoadedSpec, DataStatistics | None]:
    from rsgadvise.spec import load_spec

    loaded = load_spec(spec, overrides=overrides)
    if bounds:
        instead = "add --measure, which trains and needs no bound"
        require_bounds(loaded, ("--constants", constants), sgd=True, instead=instead)
    require_box(loaded)
    return loaded, statistics_of(loaded, quiet=quiet)


def _labels(files: Sequence[str]) -> list[str]:
    """The names of the files, with their folders where two of them are alike.

    Example:
        >>> _labels(["a/x.yaml", "b/y.yaml"]), _labels(["a/x.yaml", "b/x.yaml", "y.yaml"])
        (['x.yaml', 'y.yaml'], ['a/x.yaml', 'b/x.yaml', 'y.yaml'])
    """
    names = [Path(file).name for file in files]
    return [file if names.count(name) > 1 else name for file, name in zip(files, names, strict=True)]


def _candidate(name: str, loaded: LoadedSpec, statistics: DataStatistics | None) -> Candidate:
    from rsgadvise.ask.compare import Candidate

    measured, notes = (None, []) if statistics is None else described(loaded, statistics)
    return Candidate(name, loaded.spec, measured, tuple(notes))


def _measured(
    comparison: Comparison,
    behind: dict[str, tuple[LoadedSpec, DataStatistics | None]],
    *,
    runs: int,
    seed: int,
    confidence: float,
    jobs: int | None,
    budget: float | None,
    quiet: bool,
) -> Comparison:
    """The comparison with every row that has a plan trained.

    Raises:
        SpecError: a spec or its data cannot be trained.
    """
    import numpy as np

    from rsgadvise.ask.compare_measured import Trained, cases_of, starts_of, with_measurements
    from rsgadvise.cli.verify import run

    rows = [row for row in comparison.specs if row.stepsize is not None]
    starts = starts_of(runs)
    cases: list[Case] = []
    for row in rows:
        loaded, statistics = behind[row.name]
        data = None if statistics is None else rows_of(loaded, statistics)
        measured = None if statistics is None else described(loaded, statistics)[0]
        try:
            with np.errstate(all="ignore"):
                alpha = (1 - confidence) / len(rows)
                trained = Trained(loaded.spec, data, measured)
                cases += cases_of(row, trained, starts=starts, seed=seed, alpha=alpha)
        except HypothesisError as error:
            raise located(error, loaded) from None
    verified = run(
        cases,
        jobs=jobs,
        budget=budget,
        # Without bounds to decide there are no cases to tell one by one: a bar on a terminal, else nothing.
        telling=not quiet and sys.stderr is not None and sys.stderr.isatty(),
        runs=runs // starts,
        confidence=confidence,
        seed=seed,
        trajectories=runs // starts,
    )
    return with_measurements(comparison, [row.name for row in rows], verified)
