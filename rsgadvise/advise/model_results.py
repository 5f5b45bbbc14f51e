"""What an advice for any torch module says: plain frozen records."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from rsgadvise.advise.results import NoiseScale, Schedule, TrainingPlan
from rsgadvise.records import dataclass


@dataclass(frozen=True, slots=True)
class Directional:
    """A unit for stepsizes.

    Attributes:
        stepsize: gamma* = E<grad f, u> / E<u, H u> over the optimiser's gain, u its update by a mini-batch at
            a stepsize of 1: what lowers f most along it, were f quadratic.
        gain: by how much updates still grow where the same gradient comes again and again: for momentum to
            1/(1 - beta) of it, for Adam not at all.
        found: whether curvature along the updates was positive; else the stepsize is a guess by lengths.
        proportional: whether steps grow with the gradient, as those of SGD do, and of Adam do not.
    """

    stepsize: float
    gain: float
    found: bool
    proportional: bool


@dataclass(frozen=True, slots=True)
class Ranked:
    """A short training of the race, with the share of the advised training that it ran for."""

    rank: int
    stepsize: float
    schedule: Schedule
    warmup: float
    share: float
    loss: float


@dataclass(frozen=True, slots=True)
class ShortTrainings:
    """What the short trainings with the winner's stepsize, or the nearest to it, came to.

    Attributes:
        curve: (k, loss) of the one of k iterations, at the end of its own schedule.
        whole_loss: of the longest, over all rows or 8,192 of them.
    """

    curve: tuple[tuple[int, float], ...]
    whole_loss: float


@dataclass(frozen=True, slots=True)
class ModelAdvice:
    """What to train a module with, and what was measured of it.

    Attributes:
        model, parameters: its name, and how many numbers its weights hold.
        loss, optimizer: by name.
        samples, held_out: rows that were trained on, and kept back.
        train: what to train with.
        recommendations: the short trainings, best first, the longest before shorter ones.
        critical_batch_size: the noise scale where the best short training ended; None where it is not known.
        noise_at_start: the same at W^1.
        directional: the unit of the race.
        curvature: lambda_max of the Hessian of a sample's loss at W^1 and after the best short training.
        cost: of the race, in trainings of N iterations. side_by_side: whether replicas were computed at once.
        interrupted: the user ended the race.
        pilot: what the losses to expect are followed from; None where nothing was trained.
        notes: plain sentences.
    """

    model: str
    parameters: int
    loss: str
    optimizer: str
    samples: int
    held_out: int
    train: TrainingPlan
    recommendations: tuple[Ranked, ...]
    critical_batch_size: NoiseScale | None
    noise_at_start: NoiseScale
    directional: Directional
    curvature: tuple[float, float | None]
    cost: float
    side_by_side: bool
    interrupted: bool
    constants: str = "measured"
    guarantee: None = None
    pilot: ShortTrainings | None = None
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """The keys and values that `rsgadvise recommend --model --format json` writes."""
        from rsgadvise.show.report.torch_model import model_document

        return model_document(self)

    def __str__(self) -> str:
        """As the command line shows it at 80 columns."""
        from rsgadvise.show.formats.table import as_text
        from rsgadvise.show.report.torch_model import model_blocks

        return as_text(model_blocks(self, details=False))
