"""What every target needs to know of an advice."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise.recommend import training_plan
from rsgadvise.advise.results import Source, TrainingPlan
from rsgadvise.advise.space import batch_choices
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError
from rsgadvise.records import dataclass
from rsgadvise.show.emit.layout import literal
from rsgadvise.theory.stopping import Stopping
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.data.scaling import ScalingKind
    from rsgadvise.spec import Spec
    from rsgadvise.theory.heads.head import Head
    from rsgadvise.theory.optimizers.optimizer import Optimizer
    from rsgadvise.theory.units.unit import Unit


Target = Literal["torch", "keras", "sklearn", "optuna"]

PLACEHOLDER_ROWS = 1000


@dataclass(frozen=True, slots=True)
class DataFile:
    """The data file of a spec, as a snippet is to load it.

    Attributes:
        path: of the file, from where the snippet will run.
        scaling: of the features, as the advice used it.
        options: what this package's readers are to be told of the file.
        labelled: whether the targets are labels, so that a classifier can be fitted.
        binary: whether they are two of them, as one number of 0 or 1, or several such numbers.
        valued: whether they are values beyond [0, 1], which are scaled.
        rows: how many there are, or None where nobody counted them.
        squared_norm: E||x||^2 of the scaled rows, or None where nobody measured it.
    """

    path: str
    scaling: ScalingKind
    options: Mapping[str, object]
    labelled: bool = False
    binary: bool = False
    valued: bool = False
    rows: int | None = None
    squared_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """What to train with, and all that surrounds it.

    Attributes:
        target: the library that the program is for.
        advice, spec: the answer and the question.
        train: the values to write down.
        best: the recommendation whose bound is for these very values, or None.
        data: the spec's data file, or None for placeholder rows.
    """

    target: Target
    advice: Advice
    spec: Spec
    train: TrainingPlan
    best: Recommendation | None
    data: DataFile | None

    @property
    def tied(self) -> bool:
        """Whether this is an autoencoder, whose one matrix is used twice."""
        return self.spec.network.tied

    @property
    def bias(self) -> bool:
        """Whether layers have biases."""
        return self.spec.network.bias

    @property
    def spectral(self) -> bool:
        """Whether `boxes` are of singular values, biases being the last column of a matrix."""
        return self.spec.network.spectral

    @property
    def units(self) -> tuple[Unit, ...]:
        """Of each hidden layer."""
        return self.spec.network.units

    @property
    def distinct_units(self) -> tuple[Unit, ...]:
        """Each unit once, the first first."""
        return tuple(dict.fromkeys(self.units))

    @property
    def head(self) -> Head:
        """The loss, with the output units."""
        return self.spec.network.head

    @property
    def torch_modules(self) -> tuple[str, ...]:
        """What follows each matrix."""
        return (*(f"{unit.torch_module}()" for unit in self.units), f"{self.head.torch_module}()")

    @property
    def keras_activations(self) -> tuple[str, ...]:
        """Of each matrix, as code."""
        names = (*(unit.keras for unit in self.units), self.head.keras_activation)
        return tuple(name if "." in name else literal(name) for name in names)

    @property
    def keras_unit(self) -> str:
        """The function of the first hidden layer, as code."""
        name = self.units[0].keras
        return name if "." in name else f"keras.activations.{name}"

    @property
    def own_unit(self) -> str:
        """What scikit-learn calls the hidden units, or would if it had them."""
        return self.units[0].sklearn or self.units[0].name if self.units else "logistic"

    @property
    def layers(self) -> tuple[int, ...]:
        """d_0..d_L; (d_x, d_h) for an autoencoder."""
        return self.advice.layers

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return self.layers[1:] if self.tied else self.layers[1:-1]

    @property
    def boxes(self) -> tuple[float, ...]:
        """w_l of each matrix, or where singular values are bounded their s_l; empty without either."""
        bound = self.spec.network.weight_bounds if self.spectral else self.train.weight_bound
        return () if bound is None else self._of_each_matrix(bound)

    @property
    def keep_prob(self) -> float:
        """zeta."""
        return 1.0 if self.train.keep_prob is None else self.train.keep_prob

    @property
    def masked(self) -> bool:
        """Whether units are dropped."""
        return self.keep_prob < 1

    @property
    def rescaled(self) -> bool:
        """Whether the library's dropout divides what it keeps by KEEP, and every matrix sees masked units, so
        that it is the same network with the weights KEEP W. The second layer of an autoencoder sees W too,
        and no mask."""
        return self.masked and not self.tied and self.target in {"torch", "keras"}

    @property
    def classifies(self) -> bool:
        """Whether the program fits a classifier to labels."""
        labelled = self.head.classes if self.data is None else self.data.labelled
        return self.target == "sklearn" and labelled and not self.tied

    @property
    def judges(self) -> bool:
        """Whether targets may be classes, of which the program counts those that are right."""
        return not self.tied and (self.data is None or not self.data.valued)

    @property
    def optimizer(self) -> Optimizer:
        """What makes updates of gradients."""
        return self.train.optimises

    @property
    def settings(self) -> tuple[tuple[str, Any], ...]:
        """Its constants, of the weights as the library has them; those that the program uses."""
        own = self.optimizer.rescaled(self.keep_prob)[1] if self.rescaled else self.optimizer
        used = own.torch_arguments if self.target == "torch" else own.code
        named = ((name.upper(), value) for name, value in own.settings.items())
        return tuple((name, value) for name, value in named if name in used)

    @property
    def torch_arguments(self) -> str:
        """What follows the learning rate: its constants, but for those that are left unsaid."""
        told = {name.upper() for name in self.optimizer.settings}
        parts = (part for part in self.optimizer.torch_arguments.split(", ") if part)
        return ", ".join(part for part in parts if part.partition("=")[2] in {*told, "True"})

    @property
    def rescaled_settings(self) -> tuple[tuple[str, Any], ...]:
        """Those of them that are others than advised."""
        given = self.optimizer.settings
        own = ((name, value, given[name.lower()]) for name, value in self.settings)
        return tuple((name, advised) for name, value, advised in own if value != advised)

    @property
    def bias_settings(self) -> dict[str, Any]:
        """Those as advised, for biases, which are not rescaled with the weights; by their names in torch or
        in the code of the update."""
        if not self.bias or self.target not in {"torch", "keras"}:
            return {}
        pairs = (part.split("=") for part in self.optimizer.torch_arguments.split(", ") if part)
        torch = {name: key for key, name in pairs}
        return {
            torch[name] if self.target == "torch" else name: value for name, value in self.rescaled_settings
        }

    @property
    def stepsizes(self) -> tuple[float, ...]:
        """gamma of each matrix."""
        return self._of_each_matrix(self.train.stepsize)

    @property
    def library_boxes(self) -> tuple[float, ...]:
        """`boxes` of the weights as the library has them, and of its biases; singular values as advised."""
        return self.boxes if self.spectral else self._as_in_library(self.boxes, self.keep_prob)

    @property
    def library_stepsizes(self) -> tuple[float, ...]:
        """`stepsizes` of the weights as the library has them, and of its biases."""
        return self._as_in_library(self.stepsizes, self.optimizer.rescaled(self.keep_prob)[0])

    def _as_in_library(self, values: tuple[float, ...], rescaled: float) -> tuple[float, ...]:
        """Of the weights KEEP W where it rescales; in turn with those of biases where these stand alone."""
        factor = rescaled if self.rescaled else 1.0
        of_weights = tuple(factor * value for value in values)
        if not self.bias or self.target not in {"torch", "keras"}:
            return of_weights
        return tuple(each for pair in zip(of_weights, values, strict=True) for each in pair)

    def _of_each_matrix(self, value: float | tuple[float, ...]) -> tuple[float, ...]:
        given = value if isinstance(value, tuple) else (value,)
        matrices = 1 if self.tied else len(self.layers) - 1
        return given if len(given) == matrices else given * matrices

    @property
    def one_stepsize(self) -> bool:
        """Whether all that the library trains shares one stepsize."""
        return len(set(self.library_stepsizes)) == 1

    @property
    def bounded(self) -> bool:
        """Whether there is a bound for these values."""
        return self.best is not None and math.isfinite(self.best.bound)

    @property
    def runs(self) -> int:
        """Independent runs, of which the best is kept."""
        return 1 if self.best is None else self.best.runs

    @property
    def many_runs(self) -> bool:
        """Whether the best of several runs is kept."""
        return self.runs > 1

    @property
    def to_the_end(self) -> bool:
        """Whether the weights after all N updates are the result, and no R is drawn."""
        return self.train.stopping == "end"

    @property
    def stopping(self) -> Stopping:
        """P_R as it is to be drawn; `matched` is uniform where the stepsize is constant."""
        given = self.spec.training.stopping
        if isinstance(given, tuple):
            return given
        if self.train.stopping == "matched" and self.train.decay == 0:
            return "uniform"
        return self.train.stopping  # type: ignore[return-value]

    @property
    def stopping_was_chosen(self) -> bool:
        """Whether P_R is neither the spec's nor the default, but a pilot's choice."""
        return self.spec.training.stopping is None and self.train.stopping not in ("uniform", "end")

    @property
    def gradient_at(self) -> str:
        """Stepsize of the projected gradient that the bound is on, where that is not the one trained with."""
        return theorem_of(self.advice.kind, self.advice.constants).gradient_at

    @property
    def slowing(self) -> str:
        """Name of what slows the steps: `Decay`, `Cooldown`, or none."""
        return "Decay" if self.train.decay else "Cooldown" if self.train.cooldown else ""

    @property
    def curvature_share(self) -> float:
        """r of `matched` stopping with a stepsize that decays.

        Raises:
            HypothesisError: the stepsize is so large that probabilities would be negative, or no bound
                comes with it that has an r.
        """
        if self.best is None:
            raise HypothesisError(
                "must not be `matched` for a stepsize that no bound ranks, since its probabilities come from "
                "the bound; got matched; choose another stopping",
                quantity="stopping",
            )
        share = self.best.curvature_share
        if share is None or share > 1 or (share == 1 and self.train.iterations == 1):
            raise HypothesisError(
                "is too large for `stopping: matched`, whose probabilities would be negative with "
                f"{self.advice.constants} constants; got {max(self.stepsizes):g}; lower it, or choose "
                "another stopping",
                quantity="stepsize",
            )
        return share


def plan_of(target: Target, advice: Advice, spec: Spec, rank: int | None, data: DataFile | None) -> Program:
    """The advised training, or that of one rank.

    Raises:
        InfeasibleError: there is nothing to train with.
        UsageError: there is no such rank.
        HypothesisError: singular values are bounded, which programs for keras do not do.
    """
    rows = advice.recommendations
    if spec.network.spectral and target == "keras":
        raise HypothesisError(
            "must be absent for --emit keras, whose constraints see weights without biases; got "
            f"{max(spec.network.weight_bounds):g}; emit for torch, sklearn or optuna, or write weight_bound "
            "in its place",
            quantity=spec.network.limit_key,
        )
    if rank is None and advice.train is not None:
        best = next((row for row in rows if _trains_like(row, advice.train)), None)
        return Program(target, advice, spec, advice.train, best, data)
    if not rows:
        reason = advice.infeasible.reason if advice.infeasible is not None else "there is no recommendation"
        raise InfeasibleError(f"nothing to emit: {reason}")
    chosen = 1 if rank is None else rank
    if not 1 <= chosen <= len(rows):
        raise UsageError(f"rank must be from 1 to {len(rows)}; got {chosen}; ask for more recommendations")
    best = rows[chosen - 1]
    source: Source = "calibrated" if advice.constants == "calibrated" else "theorem"
    optimizer = spec.training.chosen_optimizer
    train = training_plan(best, spec.network.weight_bounds, source=source)
    train = replace(train, optimizer=optimizer.name, optimizer_settings=optimizer.settings)
    return Program(target, advice, spec, train, best, data)


def _trains_like(row: Recommendation, train: TrainingPlan) -> bool:
    names = ("stepsize", "decay", "batch_size", "iterations", "keep_prob", "stopping")
    return all(getattr(row, name) == getattr(train, name) for name in names)


# What a study of optuna searches: what the spec leaves free, around the advice.

_NEIGHBOURS = 1


@dataclass(frozen=True, slots=True)
class Space:
    """The values that may be tried; a single one is not searched.

    Attributes:
        stepsize_is_free: whether the spec leaves it open.
        work_is_kept: whether a larger batch is paid for with fewer iterations; not where the spec fixes N.
        batches: the advised batch size among its neighbours in the spec.
        keeps: the keep probabilities that the spec allows: one, a list, or the two ends of a range.
        keeps_are_ends: whether `keeps` are the ends of a range.
        decays: as listed in the spec.
    """

    stepsize_is_free: bool
    work_is_kept: bool
    batches: tuple[int, ...]
    keeps: tuple[float, ...]
    keeps_are_ends: bool
    decays: tuple[float, ...]


def space_of(plan: Program) -> Space:
    """What is searched around a plan.

    Raises:
        UsageError: the spec leaves nothing free.
    """
    training, search = plan.spec.training, plan.spec.search
    space = Space(
        stepsize_is_free=training.stepsize is None,
        work_is_kept=training.iterations is None,
        batches=_batches(plan),
        keeps=_keeps(plan),
        keeps_are_ends=training.keep_prob is None and not isinstance(search.keep_prob, tuple),
        decays=tuple(search.decay) if training.decay is None else (plan.train.decay,),
    )
    searched = (space.batches, space.keeps, space.decays)
    if not space.stepsize_is_free and all(len(values) == 1 for values in searched):
        raise UsageError(
            "optuna needs something to search; got a spec that fixes the stepsize, the batch size, the keep "
            "probability and the decay; free one of them, or emit for another library"
        )
    return space


def _keeps(plan: Program) -> tuple[float, ...]:
    spec, searched = plan.spec, plan.spec.search.keep_prob
    if not spec.network.masked or spec.training.keep_prob is not None:
        return (plan.keep_prob,)
    if isinstance(searched, tuple):
        return searched
    return (searched.min, searched.max) if searched.min < searched.max else (searched.min,)


def _batches(plan: Program) -> tuple[int, ...]:
    spec, train, best = plan.spec, plan.train, plan.train.batch_size
    if spec.training.batch_size is not None or isinstance(plan.stopping, tuple):
        return (best,)
    rows = None if not train.epochs else round(train.batch_size * train.iterations / train.epochs)
    searched, is_range = batch_choices(spec, rows)
    if is_range:
        return tuple(sorted({max(searched[0], best // 2), best, min(searched[1], 2 * best)}))
    ordered = sorted({*searched, best})
    place = ordered.index(best)
    return tuple(ordered[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])


@dataclass(frozen=True, slots=True)
class Stock:
    """What an MLPRegressor or MLPClassifier is made with.

    Attributes:
        name: of the two. loss: what it has, in words. same: whether that is the advice's, but for a factor.
        curvature, own_curvature: largest second derivatives of that loss, and of the advice's, by what enters
            the output units.
        rate: learning_rate_init.
        overshoots: whether a rate of the same stability would be too large for linear outputs.
        batch_size: near the advised one.
        whole: whether that is all rows that are trained on.
        epochs: as many as make the advised work.
        unit: of its hidden layers, tanh where it has not those of the advice.
        arguments: its solver with its settings. growth: what that makes of a step that is taken on and on.
    """

    name: Literal["MLPRegressor", "MLPClassifier"]
    loss: str
    same: bool
    curvature: float
    own_curvature: float
    rate: float
    overshoots: bool
    batch_size: int
    whole: bool
    epochs: int
    unit: str
    arguments: Mapping[str, object]
    growth: float


def stock_of(plan: Program) -> Stock:
    """Values that are about as stable: there is no stepsize that makes the two methods the same."""
    yes_or_no = plan.data is not None and plan.data.binary and plan.head.sklearn == "logistic"
    name: Literal["MLPRegressor", "MLPClassifier"] = (
        "MLPClassifier" if plan.classifies or yes_or_no else "MLPRegressor"
    )
    output, loss, curvature = _loss(plan, name)
    optimizer, rate = plan.optimizer, plan.train.common_stepsize
    if not optimizer.scale_free:
        rate *= plan.head.bend / curvature
    # On one row a linear output moves by rate ||[h; 1]||^2 times its error; beyond 2 it runs away.
    same = output != "" and plan.head.sklearn == output
    unit = "logistic" if not plan.units else plan.units[0].sklearn or "tanh"
    free = (same and unit == plan.own_unit) or plan.classifies or optimizer.scale_free
    largest = math.inf if free else 1 / (optimizer.growth * (1 + _entering(plan)))
    rows = _rows(plan)
    there = rows if plan.data is not None else min(rows, PLACEHOLDER_ROWS)
    training_rows = max(1, there - there // 5)
    batch_size = _whole_batches(plan.train.batch_size, training_rows)
    return Stock(
        name=name,
        loss=loss,
        same=same,
        curvature=curvature,
        own_curvature=plan.head.bend,
        rate=min(rate, largest),
        overshoots=rate > largest,
        batch_size=batch_size,
        whole=batch_size >= training_rows,
        epochs=math.ceil(plan.train.iterations * plan.train.batch_size / rows),
        unit=unit,
        arguments=optimizer.sklearn,
        growth=optimizer.growth,
    )


def _loss(plan: Program, name: str) -> tuple[str, str, float]:
    """Its output activation, "" where its outputs are fewer than ours; in words; its largest curvature."""
    if name == "MLPRegressor":
        return "identity", "Half the squared error of linear outputs", 1.0
    if plan.layers[-1] > 1 and not plan.classifies:
        return "logistic", "Log loss of logistic outputs", 0.25
    if plan.layers[-1] <= 2:
        return "logistic" if plan.layers[-1] == 1 else "", "Log loss of one logistic output", 0.25
    return "softmax", "Log loss of softmax outputs", 0.5


def _entering(plan: Program) -> float:
    """Mean squared norm of what enters the last layer; sigmoid units are near 1/2."""
    if plan.hidden:
        return plan.hidden[-1] / 4
    if plan.data is not None and plan.data.squared_norm is not None:
        return plan.data.squared_norm
    data = plan.spec.data
    largest = data.second_moment if data.second_moment is not None else data.mean
    return plan.layers[0] * (1.0 if largest is None else largest)


def _whole_batches(wanted: int, rows: int) -> int:
    """The batch size next to the wanted one whose last batch of an epoch is at least half as large.

    A last batch of one or two rows would be a step of the full length towards these alone.
    """
    wanted = min(wanted, rows)
    sizes = range(max(1, wanted // 2), min(rows, 2 * wanted) + 1)
    whole = [size for size in sizes if rows % size == 0 or 2 * (rows % size) >= size]
    return min(whole, key=lambda size: abs(size - wanted))


def _rows(plan: Program) -> int:
    """Rows of the data, or of what stands in for them."""
    if plan.data is not None and plan.data.rows is not None:
        return plan.data.rows
    return plan.spec.data.samples or PLACEHOLDER_ROWS
