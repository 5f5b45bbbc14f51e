"""What every target needs to know of an advice, and how values are written as code."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rsgadvise.errors import HypothesisError
from rsgadvise.stopping import Stopping

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.datastats import ScalingChoice, ScalingKind
    from rsgadvise.spec import Spec

__all__ = ["WIDTH", "DataFile", "Plan", "Target", "assignment", "comment", "literal", "quoted", "row"]

Target = Literal["torch", "keras", "sklearn", "optuna"]

WIDTH = 88
"""Longest line of a snippet: what the common formatters keep as their default."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """The data file of a spec, as a snippet is to load it.

    Attributes:
        path: of the file, from where the snippet will run.
        scaling: of the features, as measured.
        array, target, exclude: as the spec names them.
        choice: of the scaling, as the spec makes it.
        plain: whether numpy.load gives the features and, where the network needs targets, integer
            labels; else the snippet asks this package's readers.
        features, labels: names of the arrays inside an .npz that is read plainly; None for an .npy.
        labelled: whether the targets are labels, so that a classifier can be fitted.
    """

    path: str
    scaling: ScalingKind
    array: str | None = None
    target: str | None = None
    exclude: tuple[str, ...] = ()
    choice: ScalingChoice = "auto"
    plain: bool = False
    features: str | None = None
    labels: str | None = None
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One recommendation with all that surrounds it.

    Attributes:
        advice, spec: the answer and the question.
        best: the recommendation to write down.
        data: the spec's data file, or None for placeholder rows.
    """

    advice: Advice
    spec: Spec
    best: Recommendation
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
        return self.spec.network.weight_bounds

    @property
    def masked(self) -> bool:
        """Whether units are dropped."""
        return self.best.keep_prob < 1

    @property
    def stepsizes(self) -> tuple[float, ...]:
        """gamma of each matrix."""
        gamma = self.best.stepsize
        given = gamma if isinstance(gamma, tuple) else (gamma,)
        matrices = 1 if self.tied else len(self.layers) - 1
        return given if len(given) == matrices else given * matrices

    @property
    def one_stepsize(self) -> bool:
        """Whether all matrices share one stepsize."""
        return len(set(self.stepsizes)) == 1

    @property
    def many_runs(self) -> bool:
        """Whether the best of several runs is kept."""
        return self.best.runs > 1

    @property
    def stopping(self) -> Stopping:
        """P_R as it is to be drawn; `matched` is uniform where the stepsize is constant."""
        given = self.spec.training.stopping
        if isinstance(given, tuple):
            return given
        if self.best.stopping == "matched" and self.best.decay == 0:
            return "uniform"
        return self.best.stopping  # type: ignore[return-value]

    @property
    def stopping_was_chosen(self) -> bool:
        """Whether P_R is neither the spec's nor the default, but a pilot's choice."""
        return self.spec.training.stopping is None and self.best.stopping != "uniform"

    @property
    def curvature_share(self) -> float:
        """r of `matched` stopping with a stepsize that decays.

        Raises:
            HypothesisError: the stepsize is so large that probabilities would be negative.
        """
        share = self.best.curvature_share
        if share is None or share > 1 or (share == 1 and self.best.iterations == 1):
            raise HypothesisError(
                "is too large for `stopping: matched`, whose probabilities would be negative with "
                f"{self.advice.constants} constants; got {max(self.stepsizes):g}; lower it, or choose "
                "another stopping",
                quantity="stepsize",
            )
        return share


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
