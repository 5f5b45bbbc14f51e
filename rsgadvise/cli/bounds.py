"""Commands that rest on bounds: whether there is one for a spec, and what to do where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.cli.sources import Loaded, load
from rsgadvise.errors import HypothesisError, RsgadviseError, SpecError, UsageError
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import BY_THEOREM
from rsgadvise.theory.optimizers import SGD
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.theorems import covers, provable, refusal, theorem_of, usual_constants

if TYPE_CHECKING:
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.theory import ConstantsName


def bounded(
    spec: str,
    overrides: Sequence[str] | None,
    constants: ConstantsName | None,
    *,
    quiet: bool,
    sgd: bool = False,
) -> Loaded:
    """The spec of a question about bounds by these constants, if any are named, with its data measured; `sgd`
    where it is about SGD in a box alone."""

    def check(loaded: LoadedSpec) -> LoadedSpec:
        return require_bounds(loaded, ("--constants", constants), sgd=sgd)

    return load(spec, overrides, quiet=quiet, check=check)


def located(error: HypothesisError, loaded: LoadedSpec) -> RsgadviseError:
    """The same error, at the place of its key in the spec."""
    key = error.quantity
    if not key:
        return error
    if "." not in key:
        key = f"training.{key}"
    if not loaded.source.given(key):
        key = key.partition("[")[0]
    if not loaded.source.given(key):  # what is absent has no place, and no neighbour is to blame for it
        return SpecError(str(error), file=loaded.source.file, key=key)
    return loaded.source.error(key, str(error))


def require_bounds(
    loaded: LoadedSpec,
    *named: tuple[str, ConstantsName | None],
    sgd: bool = False,
    instead: str = "ask `rsgadvise recommend` or `rsgadvise report`, which measure",
) -> LoadedSpec:
    """The spec, if a theorem is about its training: for commands that rest on bounds.

    Args:
        loaded: the spec. named: options that name constants, with those that they were given.
        sgd: whether the command is about SGD in a box alone, whatever theorems there are.
        instead: what goes without any bound.

    Raises:
        SpecError: nothing bounds what the spec trains, or this command does not.
    """
    problem = resolve(loaded.spec)
    optimizer, obstacles = problem.optimizer, problem.obstacles
    changed = (each.change.partition("=") for each in obstacles)
    # Of the kind that the network has once all else is changed.
    kind = next((value for key, _, value in changed if key == "network.kind"), problem.kind)
    about_it = provable(kind, optimizer)
    found = [
        (each.key, f"{each.rule} for a bound", f"{each.given}, which has {each.why}", f"--set {each.change}")
        for each in obstacles
    ]
    if not (optimizer.plain or (about_it and not sgd)):
        rule, why = f"{SGD} for a bound", "which no theorem is about"
        if about_it:
            rule, why = f"{SGD} here", "of which this command has no bound"
        key = "training.optimizer"
        found.insert(0, (key, rule, f"{optimizer.name}, {why}", f"--set {key}={SGD}"))
        optimizer = PLAIN
    if not found:
        if sgd:
            require_box(loaded)
        return loaded
    if sgd and problem.spectral:
        key, given = problem.limit_key, f"singular values of at most {max(problem.weight_bounds):g}"
        found.insert(0, (key, "absent here", given, f"--set {key}=null"))
    key, rule, _, _ = found[0]
    got = ", and ".join(given for _, _, given, _ in found)
    changes = [change for *_, change in found]
    for option, constants in named:
        if constants is not None and (
            not covers(kind, constants, optimizer)
            or theorem_of(kind, constants).refusal(replace(problem, optimizer=PLAIN)) is not None
        ):
            changes.append(f"{option} {BY_THEOREM[-1]}")  # which are about every network that has bounds
    # What measures trains in a box.
    fix = f"add {' '.join(changes)}" if problem.spectral else f"{instead}, or add {' '.join(changes)}"
    raise loaded.source.error(key, f"must be {rule}; got {got}; {fix}")


def require_box(loaded: LoadedSpec) -> None:
    """Refuse bounded singular values, for commands about networks in a box.

    Raises:
        SpecError: they are bounded in place of weights.
    """

    network = loaded.spec.network
    if not network.spectral:
        return
    others = ""
    if resolve(loaded.spec).has_sgd_bound:
        others = (
            "ask `rsgadvise bound`, `iterations`, `explain`, `verify` or `recommend --constants "
            "certified`, or "
        )
    raise loaded.source.error(
        network.limit_key,
        f"must be absent here: this command is about networks in a box; got {max(network.weight_bounds):g}; "
        f"{others}write weight_bound in its place",
    )


def adviser(loaded: LoadedSpec, named: ConstantsName | None, *, sgd: bool = False) -> ConstantsName:
    """Whose constants choose what a spec leaves open: those that were named, or the usual ones.

    Args:
        loaded: the spec. named: what the command line says.
        sgd: whether the command has bounds of SGD alone.

    Raises:
        UsageError: no theorem with these is about the training.
    """
    problem = resolve(loaded.spec)
    known = problem.has_sgd_bound or (
        not sgd and problem.obstacle is None and provable(problem.kind, problem.optimizer)
    )
    usual = usual_constants(problem, problem.optimizer) if known else "typical"
    if named is None or refusal(problem, named) is None:
        return named or usual
    fix = (
        f"use --advice {usual}" if known else "leave --advice out, and what is typical for its data is taken"
    )
    raise UsageError(
        f"--advice must name constants of a theorem about the training of {loaded.source.file}; got {named}; "
        f"{fix}"
    )


def unique_name(wanted: str, taken: set[str]) -> str:
    """The name, numbered where it is `taken` already; it is from then on."""
    name, again = wanted, 1
    while name in taken:
        again += 1
        name = f"{wanted} #{again}"
    taken.add(name)
    return name
