"""An MLP of scikit-learn with its rows: what to make it with."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rsgadvise.errors import DataError, SpecError, UsageError
from rsgadvise.numerals import count, number
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, TrainingPlan
    from rsgadvise.pilot import Effort
    from rsgadvise.show.report.blocks import Block
    from rsgadvise.training.networks import Data


class Estimator(Protocol):
    """An MLPClassifier or MLPRegressor of scikit-learn."""

    hidden_layer_sizes: Any
    solver: Any
    max_iter: Any
    batch_size: Any


@dataclass(frozen=True, slots=True)
class EstimatorAdvice:
    """What to make an MLPClassifier or MLPRegressor with.

    Attributes:
        given: the estimator that was asked about, which is left as it is.
        arguments: learning_rate_init, batch_size and max_iter, in place of its own.
        scales_inputs: whether inputs have to be standardised first, since they lie beyond [0, 1].
        scales_targets: whether targets have to be standardised too.
        advice: for the network that it stands for, with all that was measured.
    """

    given: Any
    arguments: Mapping[str, float | int]
    scales_inputs: bool
    scales_targets: bool
    advice: Advice

    @property
    def train(self) -> TrainingPlan | None:
        """What the network was advised to be trained with; None where nothing meets what was asked for."""
        return self.advice.train

    @property
    def estimator(self) -> Any:
        """A new one with these arguments, not fitted; it takes rows as they were given.

        Where these have to be scaled it is a Pipeline of StandardScaler and the MLP, inside a
        TransformedTargetRegressor where targets are scaled too.
        """
        from sklearn.base import clone
        from sklearn.preprocessing import StandardScaler

        found = clone(self.given).set_params(**self.arguments)
        if self.scales_inputs:
            from sklearn.pipeline import make_pipeline

            found = make_pipeline(StandardScaler(), found)
        if self.scales_targets:
            from sklearn.compose import TransformedTargetRegressor

            found = TransformedTargetRegressor(found, transformer=StandardScaler())
        return found

    def __str__(self) -> str:
        """As the command line shows an advice, at 80 columns."""
        from rsgadvise.show.formats.table import as_text

        return as_text(self._blocks())

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        from rsgadvise.show.html.markup import blocks_html

        return str(blocks_html(self._blocks(), "Advice"))

    def _blocks(self) -> tuple[Block, ...]:
        from rsgadvise.show.report.advice import advice_blocks
        from rsgadvise.show.report.blocks import Lead, Title

        name = type(self.given).__name__
        told = ", ".join(
            f"{key}={number(value, 2) if isinstance(value, float) else value}"
            for key, value in self.arguments.items()
        )
        what = ["inputs"] * self.scales_inputs + ["targets"] * self.scales_targets
        scaled = f"{' and '.join(what)} to mean 0 and variance 1" if what else ""
        first = (
            f"Make {name} with {told}{f', and scale {scaled}' if scaled else ''}: `estimator` of this answer "
            "is made so, and takes rows as they came."
        )
        of = f"Advice for {name}"

        def changed(block: Block) -> Block:
            if isinstance(block, Title):
                return replace(block, text=block.text.replace("Advice for", f"{of},", 1))
            if isinstance(block, Lead):
                rest = (line for line in block.lines if not line.startswith("Train with"))
                return Lead((first, *rest))
            return block

        return tuple(changed(block) for block in advice_blocks(self.advice, details=False))


def advise_estimator(
    model: Estimator,
    name: str,
    data: Any,
    effort: Effort,
    *,
    batch_size: int | str | None = None,
    epochs: float | None = None,
) -> EstimatorAdvice:
    """Read the network that an MLP stands for, measure and race on its rows.

    Args:
        model: fitted or not; neither its weights nor anything else of it is changed.
        name: sklearn.MLPClassifier or sklearn.MLPRegressor.
        data: (x, y) as its `fit` takes them.
        effort: what may be trained.
        batch_size: auto, or a number; without it the model's own, and auto where that is "auto".
        epochs: without it the model's max_iter.

    Raises:
        SpecError: a setting of the model has no counterpart. DataError: the arrays are no rows and targets.
        UsageError: another argument is out of range.
    """
    from rsgadvise.data.scaling import STANDARD, scaled
    from rsgadvise.pilot.advising import advise
    from rsgadvise.spec import changed_spec, from_model
    from rsgadvise.training.generated import measured_of

    rows, loss, scales_targets = _rows(name, data)
    inputs: Any = rows.inputs
    targets = rows.targets
    beyond = not (inputs.min() >= 0 and inputs.max() <= 1)
    if beyond:
        inputs = scaled(inputs, STANDARD)
    with warnings.catch_warnings(record=True) as left_out:
        warnings.simplefilter("always")
        spec = from_model(
            model,
            loss=loss,
            data={"samples": len(inputs), **({"scaling": "standard"} if beyond else {})},
            input_dim=inputs.shape[1],
            output_dim=targets.shape[1],
        )
    chosen: dict[str, Any] = {} if epochs is None else {"budget.epochs": epochs}
    if batch_size is not None or model.batch_size == "auto":
        chosen["training.batch_size"] = None if batch_size in (None, "auto") else batch_size
    try:
        spec = changed_spec(spec, chosen)
    except SpecError as error:
        raise UsageError(f"{error.key.rpartition('.')[2]} {error.message}") from None
    rows = replace(rows, inputs=inputs)
    with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
        measured = {**measured_of(rows), "unit_targets": name != "sklearn.MLPRegressor"}
        advice = advise(spec, rows, effort, measured=measured)
    notes = [str(each.message).replace("The spec leaves out", "Measured without") for each in left_out]
    if spec.network.weight_bounds:  # which the answer would call an assumption that the user may change
        largest = number(max(spec.network.weight_bounds))
        notes.append(f"Measured with weights within {largest}, which scikit-learn does not keep.")
    notes.append(
        "scikit-learn keeps learning_rate_init, where the short runs let the stepsize fall at the end."
    )
    assumed = tuple(each for each in advice.assumed if each.key != "network.weight_bound")
    return EstimatorAdvice(
        model,
        _arguments(name, advice.train, len(inputs)),
        beyond,
        scales_targets,
        replace(advice, notes=(*advice.notes, *notes), assumed=assumed),
    )


def _arguments(name: str, plan: TrainingPlan | None, rows: int) -> dict[str, float | int]:
    """Of the plan in the words of scikit-learn, whose regressor has half of our squared loss."""
    if plan is None:
        return {}
    halved = name == "sklearn.MLPRegressor" and not plan.optimises.scale_free
    return {
        "learning_rate_init": plan.common_stepsize * (2 if halved else 1),
        "batch_size": min(plan.batch_size, rows),
        "max_iter": max(1, math.ceil(plan.iterations * plan.batch_size / rows)),
    }


def _rows(name: str, data: Any) -> tuple[Data, str | None, bool]:
    """(inputs and a row of targets for each, the loss where these say it, whether they are scaled).

    Raises:
        DataError: they are no rows and targets that the model could be fitted to.
    """
    from rsgadvise.data.arrays import labels_or_numbers, numbers, refuse_gaps
    from rsgadvise.data.scaling import STANDARD, scaled
    from rsgadvise.data.targets import encode_targets
    from rsgadvise.training.networks import Data

    if not isinstance(data, tuple) or len(data) != 2:
        raise DataError("data must be (x, y), as fit takes them; got something else; pass both")
    first, second = (each.toarray() if hasattr(each, "toarray") else each for each in data)
    inputs = numbers(first, "x").astype(np.float64)
    if inputs.ndim != 2 or not inputs.size:
        raise DataError(f"x must have rows and columns; got shape {inputs.shape}; reshape it")
    refuse_gaps(inputs, "x")
    given = labels_or_numbers(second)
    if len(given) != len(inputs) or given.ndim > 2:
        raise DataError(
            f"y must have a target for each of the {count(len(inputs))} rows of x; got shape {given.shape}; "
            "pass those of the same rows"
        )
    given = given.ravel() if given.ndim == 2 and given.shape[1] == 1 else given
    if given.dtype.kind == "f":
        refuse_gaps(given, "y")
    if name == "sklearn.MLPRegressor":
        targets = numbers(given, "y").astype(np.float64).reshape(len(inputs), -1)
        # Where targets differ by less than linear outputs do at first, as in [0, 1], these are unlearnt only
        # at the rows that are trained on, and stay between them.
        means, spreads = targets.mean(axis=0), targets.std(axis=0)
        if (np.abs(means) < spreads).all() and (spreads > 0.5).all() and (spreads < 2).all():
            return Data(inputs, targets, lambda outputs: outputs), None, False
        return Data(inputs, scaled(targets, STANDARD), lambda outputs: means + spreads * outputs), None, True
    if given.ndim == 2:
        if not np.isin(given, (0, 1)).all():
            raise DataError(
                "y must be labels, or rows of 0 and 1; got other rows; pass one label for each row"
            )
        return Data(inputs, given.astype(np.float64)), "binary_cross_entropy", False
    targets, encoding = encode_targets(given, name="y", kind="classes", one_output=True)
    if encoding.classes is None or len(encoding.classes) < 2:
        raise DataError("y must hold two or more classes; got the same in every row; pass rows of others too")
    return Data(inputs, targets), None, False
