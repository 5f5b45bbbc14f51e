"""What every target needs to know of an advice, and how values are written as code."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rsgadvise.advise.answer import Source, TrainingPlan
from rsgadvise.advise.recommend import training_plan
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError
from rsgadvise.stopping import Stopping

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.datastats import ScalingKind
    from rsgadvise.spec import Spec

__all__ = [
    "WIDTH",
    "DataFile",
    "Plan",
    "Target",
    "assignment",
    "call",
    "comment",
    "docstring",
    "literal",
    "plan_of",
    "quoted",
    "row",
]

Target = Literal["torch", "keras", "sklearn", "optuna"]

WIDTH = 88
"""Longest line of a snippet: what the common formatters keep as their default."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """The data file of a spec, as a snippet is to load it.

    Attributes:
        path: of the file, from where the snippet will run.
        scaling: of the features, as the advice used it.
        array, target, exclude: as the spec names them.
        plain: whether numpy.load gives the features and, where the network needs targets, integer
            labels; else the snippet asks this package's readers.
        features, labels: names of the arrays inside an .npz that is read plainly; None for an .npy.
        labelled: whether the targets are labels, so that a classifier can be fitted.
        rows: how many there are, or None where nobody counted them.
        squared_norm: E||x||^2 of the scaled rows, or None where nobody measured it.
    """

    path: str
    scaling: ScalingKind
    array: str | None = None
    target: str | None = None
    exclude: tuple[str, ...] = ()
    plain: bool = False
    features: str | None = None
    labels: str | None = None
    labelled: bool = False
    rows: int | None = None
    squared_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train with, and all that surrounds it.

    Attributes:
        advice, spec: the answer and the question.
        train: the values to write down.
        best: the recommendation whose bound is for these very values, or None.
        data: the spec's data file, or None for placeholder rows.
    """

    advice: Advice
    spec: Spec
    train: TrainingPlan
    best: Recommendation | None
    data: DataFile | None

    @property
    def tied(self) -> bool:
        """Whether this is an autoencoder, whose one matrix is used twice."""
        return self.advice.kind == "autoencoder"

    @property
    def layers(self) -> tuple[int, ...]:
        """d_0..d_L; (d_x, d_h) for an autoencoder."""
        return self.advice.layers

    @property
    def boxes(self) -> tuple[float, ...]:
        """w_l of each matrix; empty without a box."""
        bound = self.train.weight_bound
        return () if bound is None else self._of_each_matrix(bound)

    @property
    def masked(self) -> bool:
        """Whether units are dropped."""
        return self.train.keep_prob < 1

    @property
    def rescaled(self) -> bool:
        """Whether every matrix sees masked units, so that dropout which divides by KEEP is the same
        network with the weights KEEP W. The second layer of an autoencoder sees W too, and no mask."""
        return self.masked and not self.tied

    @property
    def stepsizes(self) -> tuple[float, ...]:
        """gamma of each matrix."""
        return self._of_each_matrix(self.train.stepsize)

    def _of_each_matrix(self, value: float | tuple[float, ...]) -> tuple[float, ...]:
        given = value if isinstance(value, tuple) else (value,)
        matrices = 1 if self.tied else len(self.layers) - 1
        return given if len(given) == matrices else given * matrices

    @property
    def one_stepsize(self) -> bool:
        """Whether all matrices share one stepsize."""
        return len(set(self.stepsizes)) == 1

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

    def loop(self, n: str = "ITERATIONS") -> tuple[str, str]:
        """Where the loop over iterations ends, and how many updates it makes, as code; N is called `n`."""
        return (f"{n} + 1", n) if self.to_the_end else ("stop", "stop - 1")

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
    def slowing(self) -> str:
        """Name of what slows the steps, as a constant of the snippet: `DECAY`, `COOLDOWN`, or none."""
        return "DECAY" if self.train.decay else "COOLDOWN" if self.train.cooldown else ""

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


def plan_of(advice: Advice, spec: Spec, rank: int | None, data: DataFile | None) -> Plan:
    """The advised training, or that of one rank.

    Raises:
        InfeasibleError: there is nothing to train with.
        UsageError: there is no such rank.
    """
    rows = advice.recommendations
    if rank is None and advice.train is not None:
        best = next((row for row in rows if _trains_like(row, advice.train)), None)
        return Plan(advice, spec, advice.train, best, data)
    if not rows:
        reason = advice.infeasible.reason if advice.infeasible is not None else "there is no recommendation"
        raise InfeasibleError(f"nothing to emit: {reason}")
    chosen = 1 if rank is None else rank
    if not 1 <= chosen <= len(rows):
        raise UsageError(f"rank must be from 1 to {len(rows)}; got {chosen}; ask for more recommendations")
    best = rows[chosen - 1]
    source: Source = "calibrated" if advice.constants == "calibrated" else "theorem"
    train = training_plan(best, spec.network.weight_bounds, source=source)
    return Plan(advice, spec, train, best, data)


def _trains_like(row: Recommendation, train: TrainingPlan) -> bool:
    names = ("stepsize", "decay", "batch_size", "iterations", "keep_prob", "stopping")
    return all(getattr(row, name) == getattr(train, name) for name in names)


def comment(text: str, indent: str = "") -> str:
    """A sentence as comment lines, wrapped."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def docstring(first: str, more: str) -> str:
    """A first line and paragraphs below it, as a docstring of a function."""
    lines = [f'"""{first}', ""]
    for paragraph in more.splitlines():
        lines += textwrap.wrap(paragraph, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return "".join(f"    {line}\n" if line else "\n" for line in [*lines, '"""'])


def call(head: str, arguments: Sequence[str], tail: str, indent: str = "") -> str:
    """`head(arguments)tail` on as many lines as the common formatters give it; all end with a line break."""
    inner = ", ".join(arguments)
    if len(f"{indent}{head}({inner}){tail}") <= WIDTH:
        return f"{indent}{head}({inner}){tail}\n"
    if len(f"{indent}    {inner}") <= WIDTH:
        return f"{indent}{head}(\n{indent}    {inner}\n{indent}){tail}\n"
    listed = "".join(f"{indent}    {argument},\n" for argument in arguments)
    return f"{indent}{head}(\n{listed}{indent}){tail}\n"


def quoted(text: str) -> str:
    """A string literal, in double quotes where that needs no escape."""
    plain = repr(text)
    return plain if "'" in text or '"' in text else f'"{plain[1:-1]}"'


def literal(value: float) -> str:
    """A number as code: integers with separators, floats exactly."""
    return f"{value:_}" if isinstance(value, int) else repr(float(value))


def assignment(name: str, value: float, note: str) -> str:
    """`NAME = 1  # note`, the note on lines of its own where that is too long."""
    return _with_note(f"{name} = {literal(value)}", note)


def row(name: str, values: Sequence[float], note: str) -> str:
    """`NAME = (1, 2)  # note`, or one value per line where that is too long."""
    inner = ", ".join(map(literal, values)) + ("," if len(values) == 1 else "")
    line = f"{name} = ({inner})"
    if len(line) > WIDTH:
        lines = "".join(f"    {literal(value)},\n" for value in values)
        return f"{comment(note)}\n{name} = (\n{lines})"
    return _with_note(line, note)


def _with_note(line: str, note: str) -> str:
    beside = f"{line}  # {note}"
    return beside if len(beside) <= WIDTH else f"{comment(note)}\n{line}"
