"""What `iterations` is asked: from options alone, or from a spec with options on top."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from rsgadvise.advise.plan import Request
from rsgadvise.advise.space import search_space
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.problem import Assumption, Problem

if TYPE_CHECKING:
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.spec.models import Training


# The paper's worked example, in the remarks on Corollary III.3.
EXAMPLE_INPUTS, EXAMPLE_OUTPUTS, EXAMPLE_BATCH, EXAMPLE_RUNS, EXAMPLE_EPOCHS = 100, 5, 50, 10, 200.0
EXAMPLE = "as in the paper's worked example"


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options of `iterations`; None where one was left out."""

    eps: float | None
    delta: float | None
    runs: int | None
    epochs: float | None
    batch_size: int | None
    input_dim: int | None
    output_dim: int | None
    initial_loss: float | None

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


def _needed(given: GivenOptions, eps: float | None, delta: float | None) -> tuple[float, float]:
    eps = given.eps if given.eps is not None else eps
    delta = given.delta if given.delta is not None else delta
    for name, value in (("eps", eps), ("delta", delta)):
        if value is None:
            raise UsageError(
                f"--{name} is needed; got none; give e.g. --{name} 0.05, or set target.{name} in a spec"
            )
    return float(eps or 0), float(delta or 0)


def _runs_and_epochs(
    given: GivenOptions, runs: int | None, epochs: float | None
) -> tuple[int, float, list[Assumption]]:
    assumed = []
    runs = given.runs if given.runs is not None else runs
    if runs is None:
        runs = EXAMPLE_RUNS
        assumed.append(Assumption("--runs", runs, EXAMPLE))
    epochs = given.epochs if given.epochs is not None else epochs
    if epochs is None:
        epochs = EXAMPLE_EPOCHS
        assumed.append(Assumption("--epochs", epochs, EXAMPLE))
    return runs, epochs, assumed


def request_from_options(given: GivenOptions) -> tuple[Problem, Request]:
    """A single-layer network; what is left out is the paper's worked example.

    Raises:
        UsageError: an option is missing or out of range.
    """
    from rsgadvise.spec.models import Spec

    eps, delta = _needed(given, None, None)
    runs, epochs, assumed = _runs_and_epochs(given, None, None)
    inputs, outputs, batch = given.input_dim, given.output_dim, given.batch_size
    if inputs is None:
        inputs = EXAMPLE_INPUTS
        assumed.append(Assumption("--input-dim", inputs, EXAMPLE))
    if outputs is None:
        outputs = EXAMPLE_OUTPUTS
        assumed.append(Assumption("--output-dim", outputs, EXAMPLE))
    if batch is None:
        batch = EXAMPLE_BATCH
        assumed.append(Assumption("--batch-size", batch, EXAMPLE))
    loss = given.initial_loss
    if loss is None:
        loss = float(outputs)
        assumed.append(Assumption("--initial-loss", loss, "f(W1) ~ d_y, as in the paper's worked example"))
    elif loss > outputs:
        raise UsageError(
            f"--initial-loss must be at most --output-dim = {outputs}, the largest possible loss; "
            f"got {loss:g}; lower it"
        )
    spec = Spec.model_validate(
        {
            "network": {"kind": "single_layer", "layers": (inputs, outputs)},
            "training": {"initial_loss": loss},
        }
    )
    problem = resolve(spec)
    return problem, Request(
        eps=eps,
        delta=delta,
        runs=runs,
        epochs=epochs,
        batch_size=batch,
        batch_choices=(batch,),
        keep_prob=(1.0, 1.0),
        assumed=tuple(assumed),
    )


def left_aside(training: Training) -> tuple[str, ...]:
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


def request_from_spec(
    given: GivenOptions, loaded: LoadedSpec, measured: Mapping[str, float | int | None] | None
) -> tuple[Problem, Request]:
    """The spec's network and target, with the options on top.

    Raises:
        UsageError: an option contradicts the spec, or is missing in both.
    """
    for name in ("input_dim", "output_dim", "initial_loss"):
        if getattr(given, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for use without SPEC; got both; set it in the spec or with --set")
    spec = loaded.spec
    training = spec.training
    target = spec.target
    eps, delta = _needed(given, target.eps if target else None, target.delta if target else None)
    runs, epochs, assumed = _runs_and_epochs(
        given, target.runs if target else None, spec.budget.epochs if spec.budget else None
    )
    problem = resolve(spec, measured)
    space = search_space(spec, problem)
    batch = given.batch_size if given.batch_size is not None else training.batch_size
    ranges = space.keep_probs
    return problem, Request(
        eps=eps,
        delta=delta,
        runs=runs,
        epochs=epochs,
        batch_size=batch,
        batch_choices=space.batch_sizes,
        batch_range=space.batch_range,
        keep_prob=(min(low for low, _ in ranges), max(high for _, high in ranges)),
        assumed=(*assumed, *(item for item in space.assumed if item.key == "search.keep_prob")),
    )
