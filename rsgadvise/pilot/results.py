"""What a pilot returns beside the ranking: plain frozen records."""

from __future__ import annotations

from rsgadvise.advise.results import Advice, Counted
from rsgadvise.pilot.experiments import Experiment
from rsgadvise.pilot.stopping_choice import StoppingChoice
from rsgadvise.records import dataclass


@dataclass(frozen=True, slots=True)
class Raced:
    """One candidate of a race.

    Attributes:
        stepsizes: gamma of each matrix. decay, batch_size, keep_prob: rho, B, zeta.
        source: why it was tried.
        share: of its training that it ran before it was left behind.
        loss: mean mini-batch loss at the end of that, or where networks with different masks meet, from the
            second heat on, that without masks on rows held out; inf (null in JSON) where the run left the
            range of numbers or was not run.
        winner_loss: that of the winner at the same share; None for the winner itself, and where it was not
            judged then.
        outcome: "won", "left behind", "no better than a constant", "diverged", or "not run" where its share
            of the race was less than one iteration.
    """

    stepsizes: tuple[float, ...]
    decay: float
    batch_size: int
    keep_prob: float
    source: str
    share: float
    loss: float
    winner_loss: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Rerun:
    """A candidate of the last heat, run again from another W^1 and with other mini-batches.

    Attributes:
        source: of the candidate.
        share: of its training.
        loss: at its end.
        first_share, first_loss: of its first run at the last heat that is no later; None where losses of
            the two do not compare.
        repeats: whether it came as far as its first run had come by then.
    """

    source: str
    share: float
    loss: float
    first_share: float | None
    first_loss: float | None
    repeats: bool


@dataclass(frozen=True, slots=True)
class StoppedState:
    """The gradient and the Hessian where a run ended, of the mean loss of some rows: of all rows they differ.

    Attributes:
        gradient: squared norm, of the projected gradient where weights have a box.
        lowest, highest: extreme eigenvalues of the Hessian, by Lanczos from within. error: of each, by that.
        rows: that it is of.
    """

    gradient: float
    lowest: float
    highest: float
    error: float
    rows: int


@dataclass(frozen=True, slots=True)
class PilotReport:
    """A race of short runs, and its winner run again from another seed.

    What is about the second run is None where there was none.

    Attributes:
        seed: of all randomness.
        raced: every candidate, best first; the first is the winner if its outcome is "won".
        constant_loss: of the best constant prediction.
        cost: of the whole advice, in trainings with the winner's B, and its N as it was raced for.
        common: the winner with one stepsize for all layers, best first and run less far than the winner;
            empty where it has one stepsize.
        again: every run from another seed, in the order that they were made.
        experiments: what was changed to see why a network learns nothing, or little; empty where it learns.
        stands_still: the loss of the first of them had stopped falling, or its training was over.
        share: of the training that the second run of the winner took.
        predicted_bound: on the squared gradient in so many iterations, with the constants of the advice;
            None where they bound nothing.
        gradient: measured squared norm of the gradient, averaged over the second run as the bound is.
        gradient_stopping: P_R of these averages: that of the advice, or uniform where it is none for so short
            a run, such as a list of N probabilities.
        initial_loss, loss: of the second run at W^1 and at its end.
        curve: (k, loss) along it, over some of the rows; whole_loss: at its end over all of them, or 8,192.
        cooled: (k, loss) over those where its stepsize, and that of the first run, had fallen to 0.
        held_out_loss: at the end of the second run, without masks; None where nothing was held out.
        held_out_error, constant_error, counted, held_out_off, constant_off: see `TrainingPlan`.
        held_out_rows: number of them.
        least_held_out: (k, loss) where their loss was least along the second run, seen on some of them.
        last_held_out: theirs at its end.
        by_heart: see `Tournament`.
        chance: share of a constant's loss by which that of the first of them may be below it by chance.
        stopping: the choice of P_R over the second run.
        state: the curvature at its end; None where there was no work left for it.
    """

    seed: int
    raced: tuple[Raced, ...]
    constant_loss: float
    cost: float
    common: tuple[Raced, ...] = ()
    again: tuple[Rerun, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    stands_still: bool = False
    share: float | None = None
    predicted_bound: float | None = None
    gradient: float | None = None
    gradient_stopping: str | None = None
    initial_loss: float | None = None
    loss: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    whole_loss: float | None = None
    cooled: tuple[tuple[int, float], ...] = ()
    held_out_loss: float | None = None
    held_out_error: float | None = None
    constant_error: float | None = None
    counted: Counted | None = None
    held_out_off: tuple[float, ...] | None = None
    constant_off: tuple[float, ...] | None = None
    held_out_rows: int = 0
    least_held_out: tuple[int, float] | None = None
    last_held_out: float | None = None
    by_heart: bool = False
    chance: float = 0.0
    stopping: StoppingChoice | None = None
    state: StoppedState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotAdvice(Advice):
    """Advice whose ranking was raced.

    Attributes:
        pilot: how.
    """

    pilot: PilotReport
