"""`iterations`: from options alone, or from a spec with options on top."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.options import EitherConstantsOption, Group, SetOption
from rsgadvise.cli.output import TargetOptions, show
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.advise.plan import Request
    from rsgadvise.spec.models import Spec, Training
    from rsgadvise.theory.problem import Assumption, Problem


# The paper's worked example, in the remarks on Corollary III.3.
EXAMPLE_INPUTS, EXAMPLE_OUTPUTS, EXAMPLE_BATCH, EXAMPLE_RUNS, EXAMPLE_EPOCHS = 100, 5, 50, 10, 200.0
EXAMPLE = "as in the paper's worked example"


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options of `iterations`; None where one was left out."""

    eps: Annotated[float | None, typer.Option(help="Bound on the squared gradient norm.")] = None
    delta: Annotated[float | None, typer.Option(help="Probability of missing it.")] = None
    runs: Annotated[int | None, typer.Option(min=1, max=10**6, help="T, independent runs.")] = None
    epochs: Annotated[float | None, typer.Option(help="C, passes over the data; 200 in the paper.")] = None
    batch_size: Annotated[int | None, typer.Option(min=1, max=10**12, help="B.")] = None
    input_dim: Annotated[int | None, typer.Option(min=1, max=10**9, help="d_x, without SPEC.")] = None
    output_dim: Annotated[int | None, typer.Option(min=1, max=10**9, help="d_y, without SPEC.")] = None
    initial_loss: Annotated[float | None, typer.Option(help="f(W1), without SPEC.")] = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            name = f"--{field.name.replace('_', '-')}"
            if isinstance(value, float) and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a finite number above 0; got {value:g}; give another value")
            if isinstance(value, float) and not 1e-300 <= value <= 1e100:
                raise UsageError(
                    f"{name} must lie between 1e-300 and 1e100; got {value:g}; give another value"
                )
        if self.delta is not None and self.delta >= 1:
            raise UsageError(f"--delta must be a probability below 1; got {self.delta:g}; give e.g. 0.05")


def iterations(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="Spec file, or - for standard input.")
    ] = None,
    *,
    given: Annotated[GivenOptions, Group(GivenOptions)],
    constants: EitherConstantsOption = None,
    set_: SetOption = None,
    to: TargetOptions,
) -> None:
    """How many iterations, runs and rows a target needs."""
    from rsgadvise.advise.plan import plan_for
    from rsgadvise.cli.bounds import bounded
    from rsgadvise.show.report.bounds import plan_blocks
    from rsgadvise.spec.problem import resolve

    if spec is None:
        if set_:
            raise UsageError("--set overrides a key of a spec; got no SPEC; name one, or leave --set out")
        network, assumed = _single_layer(given)
        problem = resolve(network)
        plan = plan_for(problem, _request(given, network, problem, assumed), constants=constants)
        about = {}
    else:
        source = bounded(spec, set_, constants, quiet=to.quiet)
        for name in ("input_dim", "output_dim", "initial_loss"):
            if getattr(given, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{option} is for use without SPEC; got both; set it in the spec or with --set"
                )
        problem = resolve(source.spec, source.measured)
        with source.asked():
            plan = plan_for(problem, _request(given, source.spec, problem, []), constants=constants)
        plan = source.noted(replace(plan, notes=(*_left_aside(source.spec.training), *plan.notes)))
        about = source.about()
    show(to, "iterations", plan, plan_blocks, plan.tradeoff, **about)
    if not plan.feasible:
        raise typer.Exit(1)


def _single_layer(given: GivenOptions) -> tuple[Spec, list[Assumption]]:
    """The network of the options; what is left out is the paper's worked example.

    Raises:
        UsageError: the loss is larger than any.
    """
    from rsgadvise.spec.models import Spec
    from rsgadvise.theory.problem import Assumption

    assumed = list[Assumption]()
    sizes = []
    for name, example in (
        ("input_dim", EXAMPLE_INPUTS),
        ("output_dim", EXAMPLE_OUTPUTS),
        ("batch_size", EXAMPLE_BATCH),
    ):
        value = getattr(given, name)
        if value is None:
            assumed.append(Assumption(f"--{name.replace('_', '-')}", example, EXAMPLE))
        sizes.append(value or example)
    *layers, batch = sizes
    loss = given.initial_loss
    if loss is None:
        loss = float(layers[-1])
        assumed.append(Assumption("--initial-loss", loss, f"f(W1) ~ d_y, {EXAMPLE}"))
    elif loss > layers[-1]:
        raise UsageError(
            f"--initial-loss must be at most --output-dim = {layers[-1]}, the largest possible loss; "
            f"got {loss:g}; lower it"
        )
    spec = Spec.model_validate(
        {
            "network": {"kind": "single_layer", "layers": layers},
            "training": {"initial_loss": loss, "batch_size": batch},
        }
    )
    return spec, assumed


def _request(given: GivenOptions, spec: Spec, problem: Problem, assumed: list[Assumption]) -> Request:
    """The spec's network and target, with the options on top.

    Raises:
        UsageError: an option is missing in both.
    """
    from rsgadvise.advise.plan import Request
    from rsgadvise.advise.space import search_space
    from rsgadvise.theory.problem import Assumption

    target, budget = spec.target, spec.budget
    eps = given.eps if given.eps is not None or target is None else target.eps
    delta = given.delta if given.delta is not None or target is None else target.delta
    for name, value in (("eps", eps), ("delta", delta)):
        if value is None:
            raise UsageError(
                f"--{name} is needed; got none; give e.g. --{name} 0.05, or set target.{name} in a spec"
            )
    runs = given.runs if given.runs is not None or target is None else target.runs
    epochs = given.epochs if given.epochs is not None or budget is None else budget.epochs
    first = [
        Assumption(f"--{name}", example, EXAMPLE)
        for name, value, example in (("runs", runs, EXAMPLE_RUNS), ("epochs", epochs, EXAMPLE_EPOCHS))
        if value is None
    ]
    space = search_space(spec, problem)
    ranges = space.keep_probs
    return Request(
        eps=eps or 0.0,
        delta=delta or 0.0,
        runs=EXAMPLE_RUNS if runs is None else runs,
        epochs=EXAMPLE_EPOCHS if epochs is None else epochs,
        batch_size=given.batch_size if given.batch_size is not None else spec.training.batch_size,
        batch_choices=space.batch_sizes,
        batch_range=space.batch_range,
        keep_prob=(min(low for low, _ in ranges), max(high for _, high in ranges)),
        assumed=(*first, *assumed, *(item for item in space.assumed if item.key == "search.keep_prob")),
    )


def _left_aside(training: Training) -> tuple[str, ...]:
    """A note on what a spec fixes and this plan chooses; none where there is no such thing."""
    fixed = {
        "stepsize": training.stepsize is not None,
        "iterations": training.iterations is not None,
        "decay": bool(training.decay),
        "stopping": training.stopping not in (None, "uniform", "matched"),
    }
    keys = [f"training.{key}" for key, given in fixed.items() if given]
    if not keys:
        return ()
    return (
        f"Left aside: {', '.join(keys)}. This plan chooses the iterations, for the best constant stepsize "
        "and uniform R; `rsgadvise bound` says what the values of the spec promise.",
    )
