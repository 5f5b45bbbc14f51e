"""The frozen models of a spec: its keys, their units and ranges, and the rules between keys.

A key that is null counts as absent, and so does a section that holds nothing but nulls; which keys
were given is `model_fields_set` of each section. Building a model directly raises pydantic's
`ValidationError`; `loading` turns that into a `SpecError` with a place in the text.

Annotations here are no strings: pydantic would have to compile each at every start.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from rsgadvise.kinds import KINDS, KindName
from rsgadvise.spec.rules import (
    ROUNDING,
    Choice,
    Got,
    Mark,
    Number,
    Numbers,
    Probabilities,
    Problem,
    Rule,
    Several,
    Text,
    failure,
    look_alike,
    number_text,
    refuse,
    rule_broken,
)
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.heads import SQUARED, head_names
from rsgadvise.theory.optimizers import SGD, kind_of, optimizer_names, optimizer_of
from rsgadvise.theory.optimizers.optimizer import Optimizer, Setting
from rsgadvise.theory.units import SIGMOID, unit_names

# What every section of a spec is: a frozen model whose nulls count as absent.


class Section(BaseModel):
    """A mapping of the spec; `sections` names its keys that are mappings themselves."""

    # Building is deferred: the schemas cost start-up time that only a command with a spec needs.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    sections: ClassVar[Mapping[str, type["Section"]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        return {
            key: value
            for key, value in data.items()
            # An unknown key stays, null or not: it is a slip of the pen either way.
            if not (key in cls.model_fields and is_absent(value, cls.sections.get(key)))
        }


def is_absent(value: object, section: type[Section] | None) -> bool:
    """Return whether a value is null, or a section of known keys that are all absent."""
    if value is None:
        return True
    if section is None or not isinstance(value, Mapping):
        return False
    return all(
        key in section.model_fields and is_absent(entry, section.sections.get(key))
        for key, entry in value.items()
    )


# The section that a spec may carry for `rsgadvise sweep`.

MOST_AXES = 2
RUNS = Number(ge=1, le=10**7, whole=True)
SEED = Number(ge=0, le=2**63 - 1, whole=True)


class _Flag(Rule):
    """true or false."""

    def check(self, value: object) -> object:
        if not isinstance(value, bool):
            raise failure("true or false", value, "write true, for example")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class _Ranges(Several):
    """One or two texts KEY=RANGE; what they say is read by the command that they are for."""

    def check(self, value: object) -> object:
        texts = isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value)
        if texts and self.least <= len(value) <= self.most:  # type: ignore[arg-type]
            return super().check(value)
        rule = f"a list of 1 to {MOST_AXES} ranges KEY=RANGE"
        wrong = [entry for entry in value if not isinstance(entry, str)] if isinstance(value, list) else []
        fix = "write ['training.keep_prob=0.5:1:6'], for example"
        raise failure(rule, wrong[0] if wrong else value, fix)

    def schema(self) -> dict[str, Any]:
        many: dict[str, Any] = super().schema()["anyOf"][-1]
        return many


class Sweep(Section):
    """A sweep that the spec carries; options of the command stand above it."""

    vary: Annotated[tuple[str, ...], _Ranges(Text(), least=1, most=MOST_AXES)] | None = Field(
        default=None,
        description="One or two ranges: KEY=LOW:HIGH:COUNT, KEY=LOW:HIGH:logCOUNT, KEY=V1,V2,... or "
        "KEY=[...];[...], as in network.layers[1]=50:800:log8.",
    )
    measure: Annotated[bool, _Flag()] = Field(default=False, description="Whether to train at each point.")
    runs: Annotated[int, RUNS] | None = Field(default=None, description="Replicas trained at each point.")
    seed: Annotated[int, SEED] | None = Field(default=None, description="Seed of all randomness.")


# The optimiser: a word, or a mapping of its name and some of its settings.


class _Named(Rule):
    """An optimiser by name, or its name with settings; what is left out is as its file says."""

    def __init__(self) -> None:
        self._names = Choice(optimizer_names)

    def check(self, value: object) -> object:
        if isinstance(value, Optimizer):
            return value
        if not isinstance(value, Mapping):
            return optimizer_of(str(self._names.check(value)))
        if "name" not in value:
            fix = f"write {{name: {optimizer_names()[-1]}}} and its settings, for example"
            raise failure("a name, or a section with a name", value, fix)
        settings: dict[str, Any] = {}
        problems: list[Problem] = []
        kind = None
        for key, entry in value.items():
            try:
                if key == "name":
                    kind = kind_of(str(self._names.check(entry)))
                    continue
                kind = kind or kind_of(str(self._names.check(value["name"])))
                if key not in kind.ranges:
                    known = ", ".join(kind.ranges) or "none"
                    fix = f"its settings are {known}" if kind.ranges else "write its name alone"
                    close = look_alike(str(key), tuple(kind.ranges))
                    fix = f"did you mean {close!r}?" if close else fix
                    raise failure(f"absent for optimizer {value['name']}", Got(f"a setting {key}"), fix)
                settings[key] = _numbers(kind.ranges[key]).check(entry)
            except ValidationError as error:
                details = error.errors(include_url=False)
                problems += [((str(key), *detail["loc"]), rule_broken(detail["msg"])) for detail in details]
            except PydanticCustomError as error:
                problems.append(((str(key),), error))
                if key == "name":
                    break
        if problems or kind is None:
            refuse(problems)
        return kind(**settings)

    def schema(self) -> dict[str, Any]:
        ways: list[dict[str, Any]] = [self._names.schema()]
        for name in optimizer_names():
            settings = {key: _numbers(allowed).schema() for key, allowed in kind_of(name).ranges.items()}
            ways.append(
                {
                    "type": "object",
                    "properties": {"name": {"const": name}, **settings},
                    "required": ["name"],
                    "additionalProperties": False,
                }
            )
        return {"anyOf": ways}


def _numbers(setting: Setting) -> Number | Numbers:
    least, above = (None, setting.least) if setting.above else (setting.least, None)
    number = Number(ge=least, gt=above, lt=setting.below)
    if not setting.many:
        return number
    return Numbers(number, least=setting.many, most=setting.many, fix=f"give a list of {setting.many}")


# The rules between sections of a spec, each held to the key that is to be changed.

NO_DROPOUT = "1 for kind single_layer, whose theory has no dropout"
USE_MULTILAYER = "remove it, or use kind: multilayer"


def disagreements(spec: "Spec") -> list[Problem]:
    """Return every rule between sections that the spec breaks."""
    rules = (_eigenvalue, _norm, _scaling, _training, _optimizer, _search, _budget)
    return [problem for rule in rules for problem in rule(spec)]


def _eigenvalue(spec: "Spec") -> Iterator[Problem]:
    # The trace of E[x x^T], d second_moment, bounds the eigenvalue above; the unit vector of equal
    # entries bounds it below.
    data, d = spec.data, spec.network.input_dim
    if data.top_eigenvalue is None:
        return
    uppers = {"second_moment": data.second_moment, "mean": data.mean if data.unit else None}
    lowers = {"mean_square": data.mean_square, "mean**2": None if data.mean is None else data.mean**2}
    upper_name, upper = next(((n, v) for n, v in uppers.items() if v is not None), ("1", 1.0))
    lower_name, lower = next(((n, v) for n, v in lowers.items() if v is not None), ("0", 0.0))
    value = data.top_eigenvalue
    if d * lower > value * (1 + ROUNDING) or value > d * upper * (1 + ROUNDING):
        rule = f"from {d} * {lower_name} = {d * lower:.6g} to {d} * {upper_name} = {d * upper:.6g}"
        fix = "measure it with `rsgadvise stats DATA --into SPEC`"
        yield ("data", "top_eigenvalue"), failure(rule, value, fix)


def _norm(spec: "Spec") -> Iterator[Problem]:
    # No mean of squared norms is larger than the largest of them, and no eigenvalue than that mean.
    data, d = spec.data, spec.network.input_dim
    if data.largest_norm is None:
        return
    if data.unit:
        rule, fix = f"absent without scaling: {CENTRED[0]}, since inputs in [0, 1] need none", "remove it"
        yield ("data", "largest_norm"), failure(rule, data.largest_norm, fix)
        return
    lowers = {
        f"{d} * second_moment": d * (data.second_moment or 0),
        "top_eigenvalue": data.top_eigenvalue or 0,
    }
    name, lower = max(lowers.items(), key=lambda pair: pair[1])
    if data.largest_norm**2 * (1 + ROUNDING) < lower:
        rule = f"at least the square root of {name}, {math.sqrt(lower):.6g}"
        fix = "measure it with `rsgadvise stats DATA --scaling standard`"
        yield ("data", "largest_norm"), failure(rule, data.largest_norm, fix)


def _scaling(spec: "Spec") -> Iterator[Problem]:
    network, scaling = spec.network, spec.data.scaling
    if network.tied and scaling in CENTRED and network.loss != LINEAR:
        rule = f"one that keeps features in [0, 1] for the outputs of an autoencoder with loss {network.loss}"
        yield ("data", "scaling"), failure(rule, scaling, f"use minmax, or network.loss: {LINEAR}")


def _training(spec: "Spec") -> Iterator[Problem]:
    network, training = spec.network, spec.training
    loss, penalty, norm = training.initial_loss, training.chosen_optimizer.penalty, spec.data.norm
    if loss is not None and loss > (largest := network.largest_with(penalty, norm=norm)) * (1 + ROUNDING):
        why = "the number of outputs and so " if largest == network.output_dim else ""
        rule = f"at most {number_text(largest)}, {why}the largest loss possible"
        fix = f"lower it, or remove it to assume {number_text(largest)}"
        yield ("training", "initial_loss"), failure(rule, loss, fix)
    if training.pretraining is not None and network.kind != "multilayer":
        got = Got(f"tolerance {number_text(training.pretraining.tolerance)}")
        rule = f"absent for kind {network.kind}: only multilayer networks are pretrained layer by layer"
        yield ("training", "pretraining"), failure(rule, got, USE_MULTILAYER)
    if isinstance(training.stepsize, tuple):
        if network.kind != "multilayer":
            rule = f"one number for kind {network.kind}, all of whose weights share a stepsize"
            fix = f"write {number_text(training.stepsize[0])}, for example"
            yield ("training", "stepsize"), failure(rule, training.stepsize, fix)
        elif len(training.stepsize) != network.depth:
            rule = f"a number or a list of {network.depth}, one per layer of weights"
            fix = "give one number for every layer"
            yield ("training", "stepsize"), failure(rule, training.stepsize, fix)
    if network.kind == "single_layer" and training.keep_prob not in {None, 1.0}:
        yield ("training", "keep_prob"), failure(NO_DROPOUT, training.keep_prob, USE_MULTILAYER)


def _optimizer(spec: "Spec") -> Iterator[Problem]:
    training = spec.training
    chosen = training.optimizer
    if chosen is None or chosen.plain:
        return
    if spec.target is not None:
        rule = f"{SGD} where there is a target: the theorems that plans rest on are about SGD"
        # Short runs, all that is left without a target, keep weights in a box.
        spectral = spec.network.spectral_bound is not None
        fix = "remove the target" + spectral * ", write weight_bound in place of network.spectral_bound"
        if spec.network.obstacle is not None:  # without the optimizer there would be no plan either
            fix += ", and ask `rsgadvise recommend`, which measures"
        elif spectral:
            fix += "; or remove the optimizer, and use --constants certified"
        else:
            fix += ", or the optimizer"
        yield ("training", "optimizer"), failure(rule, chosen.name, fix)
    if training.stopping == "matched":
        rule = f"uniform, increasing, last or a list for optimizer {chosen.name}: matched is of SGD's bound"
        yield ("training", "stopping"), failure(rule, training.stopping, "leave it out")


def _search(spec: "Spec") -> Iterator[Problem]:
    if spec.network.kind != "single_layer" or "keep_prob" not in spec.search.model_fields_set:
        return
    given = spec.search.keep_prob
    values = given if isinstance(given, tuple) else (given.min, given.max)
    if (worst := min(values)) != 1:
        yield ("search", "keep_prob"), failure(NO_DROPOUT, worst, USE_MULTILAYER)


def _budget(spec: "Spec") -> Iterator[Problem]:
    if spec.budget is None:
        return
    seconds, epochs = spec.budget.seconds, spec.budget.epochs
    if seconds is not None and spec.cost is None:
        rule = "absent without a cost section, which says how long a step takes"
        fix = "add `cost: {per_iteration: , per_sample: }`"
        yield ("budget", "seconds"), failure(rule, seconds, fix)
    if epochs is not None and spec.data.samples is None and spec.data.file is None:
        rule = "absent while the number of samples is unknown"
        yield ("budget", "epochs"), failure(rule, epochs, "add data.samples or data.file")


STOPPING = Choice(("uniform", "matched", "increasing", "last"))
SCALING = Choice(("auto", "none", "minmax", "robust", "standard", "logarithms"))
CENTRED = ("standard", "logarithms")
Scaling = Literal["auto", "none", "minmax", "robust", "standard", "logarithms"]
LINEAR = "squared_linear"
CATEGORIES = Choice(("one_hot", "exclude"))
MISSING = Choice(("drop", "fill"))
TARGET_KIND = Choice(("auto", "classes", "values", "logarithms"))
NAMES = Several(Text(index=True), wrap=True)
SEPARATOR = Mark("tab", "comma", "semicolon", "pipe", "space", "spaces")
DECIMAL = Choice((".", ","))
UNIT = Number(ge=0, le=1)
POSITIVE = Number(gt=0)
NON_NEGATIVE = Number(ge=0)
BOX = Number(ge=0, le=1e6)
AMOUNT = Number(gt=0, le=1e100)
SECONDS = Number(ge=0, le=1e100)
TOLERANCE = Number(gt=0, le=1e12)
KEEP_PROB = Number(ge=1e-6, le=1)
DECAY = Number(ge=0, le=2)
BATCH_SIZE = Number(ge=1, le=10**12, whole=True)
COUNT = Number(ge=1, le=10**15, whole=True)

STATISTICS = ("mean", "mean_square", "second_moment", "top_eigenvalue", "largest_norm", "samples")
"""Keys of `data` that are measured on a file."""

DEFAULT_WEIGHT_BOUND = 5
"""w_m where none is given: wide enough for most trainings."""
NO_BOX = "none"

MEASURE = "measure it with `rsgadvise stats DATA --into SPEC`"


class IntegerRange(Section):
    """Integers from min to max, both included."""

    min: Annotated[int, COUNT] = Field(default=1, description="Smallest value tried.")
    max: Annotated[int, COUNT] = Field(description="Largest value tried.", examples=[1024])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _require_order(self.min, self.max)
        return self


class RealRange(Section):
    """Probabilities from min to max, both included."""

    min: Annotated[float, KEEP_PROB] = Field(description="Smallest value tried.", examples=[0.5])
    max: Annotated[float, KEEP_PROB] = Field(description="Largest value tried.", examples=[1.0])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _require_order(self.min, self.max)
        return self


def _require_order(low: float, high: float) -> None:
    if low > high:
        refuse([(("min",), failure(f"at most max = {number_text(high)}", low, "swap min and max"))])


class Network(Section, Architecture):
    """The network: its kind, the sizes of its layers and the box of its weights."""

    kind: Annotated[KindName, Choice(tuple(KINDS))] = Field(
        description="single_layer (no hidden layer), autoencoder (one, tied weights) or multilayer.",
        examples=["single_layer"],
    )
    layers: Annotated[tuple[int, ...], Numbers(Number(ge=1, le=10**9, whole=True), least=2)] = Field(
        description="Units per layer, input first: [d_0, ..., d_L]; for an autoencoder [d_x, d_h].",
        examples=[[784, 10]],
    )
    weight_bound: (
        Annotated[float | tuple[float, ...] | Literal["none"], Numbers(BOX, single=True, word=NO_BOX)] | None
    ) = Field(
        default=None,
        description="w_m: every weight lies in [-w_m, w_m]. One number or, for multilayer, one per "
        f"layer; {DEFAULT_WEIGHT_BOUND} is assumed without it. single_layer needs no box: absent or none.",
    )
    spectral_bound: Annotated[float | tuple[float, ...], Numbers(BOX, single=True)] | None = Field(
        default=None,
        description="In place of weight_bound: no singular value of a matrix, its biases as a last column, "
        "is larger. One number or, for multilayer, one per layer; for certified constants.",
    )
    activation: Annotated[str | tuple[str, ...], Several(Choice(unit_names), least=1)] | None = Field(
        default=None,
        description="Units of the hidden layers: one word, or a list of one for each; sigmoid without it.",
        examples=[SIGMOID],
    )
    loss: Annotated[str, Choice(head_names)] = Field(
        default=SQUARED,
        description="Loss, with the output units that go with it: squared is that of sigmoid outputs.",
    )
    bias: Annotated[bool, _Flag()] = Field(
        default=False,
        description="Whether units have biases, in the box of their layer's weights; not for an autoencoder, "
        "whose one matrix is used both ways.",
    )

    @property
    def input_dim(self) -> int:
        """Features per sample, d_0."""
        return self.layers[0]

    @property
    def output_dim(self) -> int:
        """Units of the output: d_L, and d_x for an autoencoder, which reconstructs its input."""
        return self.widths[-1]

    @property
    def depth(self) -> int:
        """Layers of weights in the list, L."""
        return len(self.layers) - 1

    @property
    def activations(self) -> tuple[str, ...]:
        """Unit of each hidden layer."""
        given = self.activation
        return given if isinstance(given, tuple) else (given or SIGMOID,) * self.hidden

    @property
    def weight_bounds(self) -> tuple[float, ...]:
        """The weight bound of each layer, given or assumed; empty for single_layer, which has none.

        Where `spectral`, that of its singular values.
        """
        bound = self.weight_bound if self.spectral_bound is None else self.spectral_bound
        if self.kind == "single_layer" or bound == NO_BOX:
            return ()
        if isinstance(bound, tuple):
            return bound
        return (float(DEFAULT_WEIGHT_BOUND if bound is None else bound),) * self.depth

    @property
    def spectral(self) -> bool:
        """Whether singular values are bounded in place of weights."""
        return self.spectral_bound is not None

    def _limits(self, *, fits: bool) -> list[Problem]:
        """What is wrong with what bounds the weights; lists are counted where the layers fit."""
        problems: list[Problem] = []
        bound, spectral = self.weight_bound, self.spectral_bound
        key = ("spectral_bound",)
        if spectral is not None and self.kind == "single_layer":
            fix = "remove it, the matrix of a single layer needs no bound"
            problems.append((key, failure("absent for kind single_layer", spectral, fix)))
        elif spectral is not None and bound is not None:
            problems.append((key, failure("absent beside weight_bound", spectral, "keep one of the two")))
            return problems
        if self.kind == "single_layer":
            if bound not in {None, NO_BOX}:
                fix = "remove it, the weights of a single layer need no box"
                problems.append((("weight_bound",), failure("absent for kind single_layer", bound, fix)))
        elif bound == NO_BOX:
            rule = f"a number for kind {self.kind}, whose theorems need a box for the weights"
            fix = f"leave it out, and {DEFAULT_WEIGHT_BOUND} is assumed; only single_layer does without a box"
            problems.append((("weight_bound",), failure(rule, bound, fix)))
        else:
            named, given = ("weight_bound", bound) if spectral is None else ("spectral_bound", spectral)
            if isinstance(given, tuple) and fits and len(given) != self.depth:
                rule = f"a number or a list of {self.depth}, one per layer of weights"
                fix = "give one number for every layer" if self.depth > 1 else "give one number"
                problems.append(((named,), failure(rule, given, fix)))
        return problems

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        problems: list[Problem] = []
        if self.kind != "multilayer" and len(self.layers) != 2:
            pair = "[d_in, d_out]" if self.kind == "single_layer" else "[d_x, d_h]"
            fix = f"give two entries {pair}, or use kind: multilayer"
            problems.append((("layers",), failure(f"{pair} for kind {self.kind}", self.layers, fix)))
        problems += self._limits(fits=not problems)
        if self.bias and self.tied:
            rule, fix = "false for kind autoencoder, whose one matrix is used both ways", "leave it out"
            problems.append((("bias",), failure(rule, self.bias, fix)))
        # Asked of a loss that was named alone: the default needs no classes, and its file needs numpy.
        named = "loss" in self.model_fields_set
        if named and (self.tied or self.output_dim == 1) and self.head.classes:
            why = "whose targets are its inputs" if self.tied else "with a single output"
            rule = f"a loss that needs no classes for kind {self.kind} {why}"
            fix = f"write {SQUARED}, for example"
            problems.append((("loss",), failure(rule, self.loss, fix)))
        units = self.activation
        if units is not None and self.kind == "single_layer":
            fix = "remove it; its outputs are those that network.loss goes with"
            rule = "absent for kind single_layer, which has no hidden units"
            problems.append((("activation",), failure(rule, units, fix)))
        elif isinstance(units, tuple) and not problems and len(units) != self.hidden:
            rule = f"a word or a list of {self.hidden}, one per hidden layer"
            problems.append((("activation",), failure(rule, units, "give one word for every layer")))
        if problems:
            refuse(problems)
        return self


class Table(Section):
    """How a table of text is written; what is left out is found from its first lines."""

    separator: Annotated[str, SEPARATOR] | None = Field(
        default=None,
        description="What stands between cells: a character, or tab, comma, semicolon, pipe, space, or "
        "spaces (runs of them).",
    )
    decimal: Annotated[Literal[".", ","], DECIMAL] | None = Field(
        default=None, description="What stands before the fraction of a number."
    )
    thousands: Annotated[str, Mark()] | None = Field(
        default=None, description="What stands between groups of three digits."
    )
    missing: Annotated[tuple[str, ...], NAMES] = Field(
        default=(), description="Cells that are missing, beside the usual ones.", examples=[["-999", "n.d."]]
    )
    encoding: Annotated[str, Text()] | None = Field(
        default=None, description="Encoding of the text, such as latin-1 or utf-16."
    )
    comment: Annotated[str, Text()] | None = Field(
        default=None, description="What lines start with that are passed over."
    )
    header: Annotated[bool, _Flag()] | None = Field(
        default=None, description="Whether the first line holds the names of the columns."
    )


class Data(Section):
    """Statistics of the inputs, scaled to [0, 1] or standardised, or the file to measure them from."""

    mean: Annotated[float, UNIT] | None = Field(
        default=None, description="mu_x: mean of the inputs over samples and features, in [0, 1]."
    )
    mean_square: Annotated[float, UNIT] | None = Field(
        default=None, description="tau_x, between mean**2 and mean; `rsgadvise stats` measures it."
    )
    second_moment: Annotated[float, UNIT] | None = Field(
        default=None, description="E||x||^2 / d_x, between mean_square and mean."
    )
    top_eigenvalue: Annotated[float, NON_NEGATIVE] | None = Field(
        default=None,
        description="Largest eigenvalue of E[x x^T], between d mean_square and d second_moment.",
    )
    largest_norm: Annotated[float, NON_NEGATIVE] | None = Field(
        default=None,
        description="The largest ||x|| of any row, with scaling: standard alone; what has no largest loss or "
        "slope without it has no bound.",
    )
    samples: Annotated[int, COUNT] | None = Field(default=None, description="S: number of samples.")
    file: Annotated[str, Text()] | None = Field(
        default=None,
        description="Data file to measure and to train on, relative to the spec (stdin: to the working "
        "directory).",
    )
    array: Annotated[str, Text()] | None = Field(
        default=None, description="Name of the array in `file`; without it x or data."
    )
    target: Annotated[str, Text(index=True)] | None = Field(
        default=None,
        description="Targets: a column of `file` by name or by number (counted from 0; -1 is the last), an "
        "array of it, or a file of labels.",
    )
    exclude: Annotated[tuple[str, ...], NAMES] = Field(
        default=(),
        description="Columns of `file` that are neither features nor targets, by name or by number; none "
        "keeps even those that are left out by themselves, such as dates and numbers of rows.",
        examples=[["id", "date"]],
    )
    scaling: Annotated[Scaling, SCALING] = Field(
        default="auto",
        description="How the features of `file` come into [0, 1]: auto (8-bit images divided by 255, values "
        "in [0, 1] left as they are, else minmax), none, minmax (per column), or robust (1st to 99th "
        "percentile per column, clipped); or standard, mean 0 and variance 1 per column, or logarithms, the "
        "same of the logarithms of columns with a long tail, where certified constants hold, the paper's "
        "not.",
    )
    categories: Annotated[Literal["one_hot", "exclude"], CATEGORIES] | None = Field(
        default=None,
        description="Columns of a few words: an input of 0 and 1 for every word, or left out.",
    )
    missing: Annotated[Literal["drop", "fill"], MISSING] = Field(
        default="drop",
        description="Rows that lack features: left out, or filled in with the median of the column, a column "
        "of words with none of them.",
    )
    target_kind: Annotated[Literal["auto", "classes", "values", "logarithms"], TARGET_KIND] = Field(
        default="auto",
        description="Whether the targets are labels of classes, values, or values with a long tail, of which "
        "logarithms are trained on; auto looks at them.",
    )
    table: Table | None = Field(default=None, description="How a table of text is written.")

    @property
    def unit(self) -> bool:
        """Whether inputs lie in [0, 1]."""
        return self.scaling not in CENTRED

    @property
    def norm(self) -> float | None:
        """No input is longer; None of inputs in [0, 1]."""
        if self.unit:
            return None
        return math.inf if self.largest_norm is None else self.largest_norm

    @model_validator(mode="after")
    def _moments_agree(self) -> Self:
        # mean**2 <= mean_square <= second_moment <= mean; each key is held to those before it.
        mean, square, second = self.mean, self.mean_square, self.second_moment
        problems: list[Problem] = []
        if not self.unit:  # a mean of 0 and a variance of 1; what a file holds is measured anyway
            for key, given in (("mean", mean), ("mean_square", square)):
                if given and self.file is None:
                    rule, fix = f"0 with scaling: {self.scaling}, which takes every mean to 0", "leave it out"
                    problems.append(((key,), failure(rule, given, fix)))
            if problems:
                refuse(problems)
            return self
        low, high = (0.0, 1.0) if mean is None else (mean**2, mean)
        words = ("0", "1") if mean is None else (f"mean**2 = {low:.6g}", f"mean = {mean:.6g}")
        if square is not None:
            if outside := _outside(square, low, high, words):
                problems.append((("mean_square",), outside))
            else:
                low, words = square, (f"mean_square = {square:.6g}", words[1])
        if second is not None and (outside := _outside(second, low, high, words)):
            problems.append((("second_moment",), outside))
        if problems:
            refuse(problems)
        return self


def _outside(value: float, low: float, high: float, words: tuple[str, str]) -> PydanticCustomError | None:
    if low <= value * (1 + ROUNDING) and value <= high * (1 + ROUNDING):
        return None
    return failure(f"from {words[0]} to {words[1]}", value, MEASURE)


class Pretraining(Section):
    """Layer-wise pretraining before the training that the bound is about."""

    tolerance: Annotated[float, TOLERANCE] = Field(
        description="alpha: how well each layer was pretrained.", examples=[0.1]
    )


class Training(Section):
    """Values that are fixed, not searched."""

    sections: ClassVar[Mapping[str, type[Section]]] = {"pretraining": Pretraining}

    initial_loss: Annotated[float, POSITIVE] | None = Field(
        default=None,
        description="f(W_1), at most the largest possible loss, which is assumed without it: for the squared "
        "error the number of outputs.",
    )
    pretraining: Pretraining | None = Field(
        default=None, description="Multilayer only; without it alpha = 1 is assumed."
    )
    stepsize: Annotated[float | tuple[float, ...], Numbers(POSITIVE, single=True)] | None = Field(
        default=None, description="gamma: one number or, for multilayer, one per layer."
    )
    batch_size: Annotated[int, BATCH_SIZE] | None = Field(default=None, description="B: samples per step.")
    iterations: Annotated[int, COUNT] | None = Field(default=None, description="N: steps of training.")
    optimizer: Annotated[Optimizer, _Named(), PlainSerializer(lambda chosen: chosen.written)] | None = Field(
        default=None,
        description="What makes updates of gradients: a word, or {name: , and its settings}; sgd without it, "
        "which the theorems are about.",
        examples=["momentum"],
    )
    keep_prob: Annotated[float, KEEP_PROB] | None = Field(
        default=None,
        description="zeta: probability that a unit is kept, 1 - dropout rate; 1 for single_layer.",
    )
    decay: Annotated[float, DECAY] | None = Field(
        default=None, description="rho: the stepsize of step k is stepsize * k**-decay."
    )
    stopping: Annotated[str | tuple[float, ...], Probabilities(STOPPING)] | None = Field(
        default=None,
        description="P_R, the distribution of the step whose weights are kept: uniform, matched, "
        "increasing, last, or one probability per iteration.",
    )

    @property
    def chosen_optimizer(self) -> Optimizer:
        """The one that is named, or SGD."""
        return self.optimizer or optimizer_of(SGD)

    @model_validator(mode="after")
    def _one_probability_per_iteration(self) -> Self:
        if isinstance(self.stopping, tuple) and self.iterations not in {None, len(self.stopping)}:
            rule = f"a list of {self.iterations}, one probability per iteration"
            fix = f"set iterations: {len(self.stopping)}, or name a distribution such as uniform"
            refuse([(("stopping",), failure(rule, self.stopping, fix))])
        return self


class Search(Section):
    """Values that are tried where `training` does not fix one."""

    sections: ClassVar[Mapping[str, type[Section]]] = {
        "batch_size": IntegerRange,
        "keep_prob": RealRange,
        "iterations": IntegerRange,
    }

    batch_size: Annotated[
        tuple[int, ...] | IntegerRange,
        Numbers(
            BATCH_SIZE,
            distinct=True,
            span=IntegerRange,
            span_default=1,
            fix="write [16, 32], for example, or fix the size with training.batch_size",
        ),
    ] = Field(
        default=(16, 32, 64, 128, 256, 512, 1024),
        description="B: a list of sizes, or {min: , max: }.",
        examples=[[16, 32, 64]],
    )
    keep_prob: Annotated[
        tuple[float, ...] | RealRange,
        Numbers(KEEP_PROB, single=True, wrap=True, distinct=True, span=RealRange),
    ] = Field(
        default_factory=lambda: RealRange(min=0.5, max=1.0),
        description="zeta: {min: , max: }, a list or a number; default {min: 0.5, max: 1.0}. "
        "It must be 1 for single_layer.",
    )
    iterations: Annotated[
        IntegerRange,
        Numbers(
            COUNT,
            listing=False,
            span=IntegerRange,
            span_default=1,
            fix="write {max: 1000000}, or fix the number with training.iterations",
        ),
    ] = Field(
        default_factory=lambda: IntegerRange(max=1_000_000),
        description="N: {min: 1, max: }; default {max: 1000000}.",
    )
    decay: Annotated[tuple[float, ...], Numbers(DECAY, single=True, wrap=True, distinct=True)] = Field(
        default=(0.0,), description="rho: a list or a number."
    )


class Target(Section):
    """The guarantee to reach; with it, cost is minimised subject to the target."""

    eps: Annotated[float, AMOUNT] = Field(
        description="Bound on the expected squared norm of the gradient.", examples=[0.05]
    )
    delta: Annotated[float, Number(gt=0, lt=1)] = Field(
        description="Largest probability of missing it.", examples=[0.05]
    )
    runs: Annotated[int, Number(ge=1, le=10**6, whole=True)] | None = Field(
        default=None, description="T: independent runs, of which the best is kept."
    )


class Budget(Section):
    """Limits that a recommendation keeps to."""

    samples: Annotated[int, COUNT] | None = Field(default=None, description="Most samples processed, N B.")
    epochs: Annotated[float, AMOUNT] | None = Field(default=None, description="Most passes over the data.")
    seconds: Annotated[float, AMOUNT] | None = Field(
        default=None, description="Longest training time; needs `cost`."
    )


class Cost(Section):
    """Time of one step: per_iteration + per_sample * batch_size seconds."""

    per_iteration: Annotated[float, SECONDS] = Field(default=0.0, description="t0, in seconds.")
    per_sample: Annotated[float, SECONDS] = Field(default=0.0, description="t1, in seconds.")

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if not (self.per_iteration or self.per_sample):
            rule = "a section with per_iteration or per_sample above 0"
            refuse([((), failure(rule, 0, "give a measured time, or remove the section"))])
        return self


class Spec(Section):
    """What is known about a network, its data and its training, and what is to be found out."""

    sections: ClassVar[Mapping[str, type[Section]]] = {
        "network": Network,
        "data": Data,
        "training": Training,
        "search": Search,
        "target": Target,
        "budget": Budget,
        "cost": Cost,
        "sweep": Sweep,
    }

    network: Network = Field(
        description="The network.", examples=[{"kind": "single_layer", "layers": [784, 10]}]
    )
    data: Data = Field(default_factory=Data, description="Statistics of the inputs, or their file.")
    training: Training = Field(default_factory=Training, description="Values that are fixed, not searched.")
    search: Search = Field(default_factory=Search, description="Values that are tried.")
    target: Target | None = Field(default=None, description="The guarantee to reach.")
    budget: Budget | None = Field(default=None, description="Limits to keep to.")
    cost: Cost | None = Field(default=None, description="Time of one step, in seconds.")
    sweep: Sweep | None = Field(default=None, description="What `rsgadvise sweep` varies; ignored elsewhere.")

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if problems := disagreements(self):
            refuse(problems)
        return self
