"""What a comparison holds: plain frozen records that a report renders without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rsgadvise.advise.results import Stepsize
from rsgadvise.bounds.objective import ConstantsName

if TYPE_CHECKING:
    from rsgadvise.bounds.problem import Assumption

__all__ = ["Compared", "Comparison", "Guarantee", "Measured", "MeasuredVerdict", "Verdict"]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What one set of constants promises for one spec, at the training that they advise.

    Attributes:
        value: what is compared: the bound, never above the largest gradient possible with certified
            constants; or with a target the samples or seconds that it takes. None: there is none.
        rank: among the specs, 1 is best; equal values share a rank. ratio: to the best value.
        vacuous: the bound is no better than the largest squared gradient possible.
        notes: why there is none.
    """

    value: float | None
    rank: int | None = None
    ratio: float | None = None
    vacuous: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """E||grad f(W^R)||^2 over training runs.

    Attributes:
        mean: None where no run came to an end.
        lower, upper: of the mean over the starts; they hold for all specs together, with the
            comparison's confidence, at any number of runs.
        standard_error: of the mean over all possible starts.
        starts: W^1 that were drawn. runs: replicas, over all starts.
        initial_loss, final_loss: f(W^1), and f(W^R) in the mean.
        notes: of the training.
    """

    mean: float | None
    lower: float | None
    upper: float | None
    standard_error: float | None
    starts: int
    runs: int
    initial_loss: float
    final_loss: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One spec, at the training that the chosen constants advise within what all have.

    Attributes:
        name: the file, with a number where a name comes twice.
        bound: with the chosen constants; None where there is no plan or no bound.
        certified_bound, proven, vacuous, stepsize, ...: of that training, as in `recommend`.
        relative: bound over the largest squared gradient possible.
        samples, seconds: over all runs.
        equal_resources: whether it takes no more samples than the others; with a target always.
        rank, ratio: by the chosen constants: those of `paper` or `certified`.
        paper, certified: what each set of constants promises at the training that it advises itself.
        assumed: values of its problem and search that nobody gave.
        measured: with --measure.
        notes: plain sentences.
    """

    name: str
    kind: str
    layers: tuple[int, ...]
    bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    relative: float | None
    proven: bool
    vacuous: bool
    stepsize: Stepsize | None
    decay: float | None
    batch_size: int | None
    iterations: int | None
    runs: int | None
    keep_prob: float | None
    samples: int | None
    seconds: float | None
    equal_resources: bool
    rank: int | None
    ratio: float | None
    paper: Guarantee
    certified: Guarantee
    assumed: tuple[Assumption, ...] = ()
    measured: Measured | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredVerdict:
    """Whose measured gradient is smaller.

    Attributes:
        smallest: the spec with the smallest mean; None: too few were measured, or several share it.
        significant: whether it lies below every other one.
        approximate: by Welch's test on the means of the starts, not by limits that hold in any case.
        confidence: 1 minus the probability that the limits are wrong anywhere.
        text: in a sentence.
    """

    smallest: str | None
    significant: bool
    approximate: bool
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has the better guarantee.

    Attributes:
        text: in sentences.
        paper, certified: the spec whose guarantee is best with these constants; None: none has one, or
            several share it.
        agree: whether both name the same; None where one names nobody.
        proven: the best guarantee is certified and not vacuous. What is proven is the guarantee, not that
            training is faster.
        measured: with --measure.
    """

    text: str
    paper: str | None
    certified: str | None
    agree: bool | None
    proven: bool
    measured: MeasuredVerdict | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Specs side by side.

    Attributes:
        specs: in the order of their rank.
        constants: that rank them.
        compared_by: bound at equal samples, or the samples or seconds to the target.
        common_samples: what each may take, N B; None with a target.
        verdict: see there. notes: what to mind.
        interrupted: the user ended the measuring early.
    """

    specs: tuple[Compared, ...]
    constants: ConstantsName
    compared_by: Literal["bound", "samples", "seconds"]
    common_samples: int | None
    verdict: Verdict
    notes: tuple[str, ...]
    interrupted: bool = False
