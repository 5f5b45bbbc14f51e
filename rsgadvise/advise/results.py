"""What the advisor returns: plain frozen records that a report renders without computing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.optimizers import SGD, optimizer_of
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.problem import Assumption

# The two answers of an advice: what to train with, and what is guaranteed. Plain frozen records.

Source = Literal["raced", "calibrated", "typical", "theorem"]
Schedule = Literal["constant", "linear", "cosine"]
Counted = Literal["rows", "answers"]

_LEVEL = 0.05  # of a loss: more iterations have to take off so much to be worth a word


@dataclass(frozen=True, slots=True)
class Expected:
    """The training loss that is expected of a training, by extrapolation.

    Attributes:
        iterations: its N.
        loss: at its end. low, high: of nine trainings in ten it lies between.
    """

    iterations: int
    loss: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Until:
    """How long to train for a loss.

    Attributes:
        loss: wanted.
        iterations: at whose end it is expected; None beyond the longest training that was looked at.
        soonest, latest: where the ends of the interval reach it; None likewise.
    """

    loss: float
    iterations: int | None
    soonest: int | None
    latest: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """A training of so many iterations, on four fifths of the rows.

    Attributes:
        iterations: k.
        loss: of the rows that are trained on. held_out_loss: of the others.
        held_out_error: share of these that are wrong; None where errors cannot be counted.
        held_out_off: how far they are off in the mean, in the units of the file, one of each target; None
            of classes, and where nobody knows the units.
    """

    iterations: int
    loss: float
    held_out_loss: float
    held_out_error: float | None
    held_out_off: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train with, and how good it was.

    What was not measured is None: a theorem knows nothing of `learns`, `loss` or `spread`.

    Attributes:
        stepsize: gamma, or one per matrix for multilayer.
        common_stepsize: the one rate for libraries that know only one; equals `stepsize` where that is one.
        decay: rho of gamma_k = gamma k^-rho; 0 for a stepsize that does not fall so.
        stopping: P_R by name; `end` where the weights after all N iterations are the result.
        batch_size, iterations, epochs: B, N, and N B over the rows.
        keep_prob, dropout_rate: zeta and 1 - zeta; None of a torch module, whose own affair it is.
        weight_bound: the box that it trains in, or one per layer; None without one.
        scaling: of the data file that it trains on; None without one.
        optimizer, optimizer_settings: its name in a spec, and all its settings.
        schedule, warmup: what the stepsize does, and iterations of linear warm-up.
        cooldown: share of the iterations, the last ones, over which the stepsize falls linearly to 0; the
            schedule is then linear, and `cooled` gives its factor.
        source: raced and calibrated on the user's data, typical for its statistics, or a theorem's.
        learns: whether it ends better than a constant prediction.
        reason: why it does not, or what holds it back, found by experiment, and what helps; else empty.
        loss: training loss that it reached, of a constant prediction `constant_loss`.
        looks: of whole trainings of several lengths; `loss` and what follows are of that of `iterations`, or
            of a short run where nothing was held out or they would have taken long, and there are none.
        held_out_loss: of the rows that were not trained on.
        held_out_error: share of them that are wrong; `constant_error` is that of always saying the commonest
            class.
        counted: what that is a share of: rows, or answers, of which a row has several, each 0 or 1.
        held_out_off: how far values are off in the mean, in the units of the file, one of each target;
            `constant_off` is that of always saying the median of the others.
        held_out_rows: over which all of these are means.
        folds: parts of the rows that whole trainings held out in turn; 1 where one was, or none.
        spread: the stepsize lies within a factor of this of the one shown, as far as halves, twins or seeds
            of the same measurement tell; 1 or more, or None where nothing was repeated.
        expected: losses of this training and of shorter and longer ones; empty where nothing was trained.
        until: how long to train for a loss that was asked for.
    """

    stepsize: float | tuple[float, ...]
    common_stepsize: float
    decay: float
    stopping: str
    batch_size: int
    iterations: int
    epochs: float | None
    keep_prob: float | None
    dropout_rate: float | None
    weight_bound: float | tuple[float, ...] | None
    source: Source
    scaling: str | None = None
    optimizer: str = SGD
    optimizer_settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule = "constant"
    warmup: int = 0
    cooldown: float = 0.0
    learns: bool | None = None
    reason: str = ""
    loss: float | None = None
    constant_loss: float | None = None
    looks: tuple[Look, ...] = ()
    held_out_loss: float | None = None
    held_out_error: float | None = None
    constant_error: float | None = None
    counted: Counted | None = None
    held_out_off: tuple[float, ...] | None = None
    constant_off: tuple[float, ...] | None = None
    held_out_rows: int = 0
    folds: int = 1
    spread: float | None = None
    expected: tuple[Expected, ...] = ()
    until: Until | None = None

    @property
    def longer(self) -> tuple[Expected, Expected] | None:
        """What is expected of this training and of the longest; None where nothing is."""
        own = [each for each in self.expected if each.iterations == self.iterations]
        return (own[0], self.expected[-1]) if own else None

    @property
    def level(self) -> bool:
        """Whether no more iterations are expected to take 5 % off the loss."""
        return self.longer is not None and self.longer[1].loss > (1 - _LEVEL) * self.longer[0].loss

    @property
    def optimises(self) -> Optimizer:
        """The optimiser with its settings."""
        return optimizer_of({"name": self.optimizer, **self.optimizer_settings})

    def pace(self, done: int) -> float:
        """Factor of the stepsize after so many iterations, as `LambdaLR` of torch asks for it.

        Of iteration k = done + 1 it is k^-rho, or by `schedule` 1, `cooled`, 1 - done/N or a cosine, times
        min(1, k/(warmup + 1)); 0 after the last one, where the stepsize falls.

        Example:
            >>> from rsgadvise import recommend
            >>> network = {"kind": "single_layer", "layers": [4, 2]}
            >>> spec = {"network": network, "training": {"iterations": 9, "decay": 1}}
            >>> plan = recommend(spec, constants="paper").train
            >>> [round(plan.pace(done), 3) for done in (0, 1, 8)]
            [1.0, 0.5, 0.111]
        """
        return paced(
            done,
            self.iterations,
            self.schedule,
            decay=self.decay,
            cooldown=self.cooldown,
            warmup=self.warmup,
        )


def paced(
    done: int,
    iterations: int,
    schedule: Schedule,
    *,
    decay: float = 0.0,
    cooldown: float = 0.0,
    warmup: float = 0.0,
) -> float:
    """Factor of the stepsize after so many of N iterations, see `TrainingPlan.pace`.

    Example:
        >>> [paced(k, 4, "linear") for k in range(5)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if decay:
        return float((done + 1) ** -decay)
    if schedule == "constant":
        factor = 1.0
    elif done >= iterations:
        factor = 0.0
    elif schedule == "cosine":
        factor = (1 + math.cos(math.pi * done / iterations)) / 2
    else:
        factor = cooled(done + 1, iterations, cooldown) if cooldown else 1 - done / iterations
    return factor * min(1.0, (done + 1) / (warmup + 1))


def cooled(iteration: int, iterations: int, cooldown: float) -> float:
    """Factor min(1, (N + 1 - k) / (c N + 1)) of the stepsize of iteration k, which would be 0 after the last.

    Args:
        iteration, iterations: k = 1..N, and N.
        cooldown: c, the share of the iterations over which it falls; 0 for a constant stepsize.

    Example:
        >>> [cooled(k, 4, 0.5) for k in range(1, 5)]
        [1.0, 1.0, 0.6666666666666666, 0.3333333333333333]
    """
    return min(1.0, (iterations + 1 - iteration) / (cooldown * iterations + 1))


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a theorem promises, in one sentence that can be cited.

    Attributes:
        statement: the sentence, with its assumptions.
        stepsize, batch_size, iterations, runs: gamma, B, N and T that it holds for.
        bound, certified_bound: on the expected squared gradient norm.
        constants, equation: whose bound it is.
        proven: certified_bound <= bound, at the very P_R, N, B and gamma shown.
        vacuous: it is no better than the largest squared gradient norm possible.
        useful: it meets a target, or is at most the loss of a constant prediction: above that it tells a user
            nothing, however well it is proven.
        decay, stopping, keep_prob: rho of gamma_k = gamma k^-rho, P_R by name, and zeta.
        eps, delta: of the target that it meets; None without one.
        claim: the sentence without its assumptions.
        comparison_rows: fresh rows for each run, if the runs are compared by gradients of a sample, with
            which the kept one has at most 4 eps with probability 1 - 2 delta; 0 for one run.
        gradient_stepsize: of the projected gradient that is bounded, where that is not the one trained with.
    """

    statement: str
    stepsize: float | tuple[float, ...]
    batch_size: int
    iterations: int
    runs: int
    bound: float
    certified_bound: float
    constants: str
    equation: str
    proven: bool
    vacuous: bool
    useful: bool = True
    decay: float = 0.0
    stopping: str = "uniform"
    keep_prob: float = 1.0
    eps: float | None = None
    delta: float | None = None
    claim: str = ""
    comparison_rows: int = 0
    gradient_stepsize: float | None = None


# What the advisor returns: plain frozen records that a report renders without computing.

Stepsize = float | tuple[float, ...]


def as_stepsize(stepsize: FloatArray) -> Stepsize:
    """A stepsize array as a number, or as one number per layer."""
    return float(stepsize) if stepsize.ndim == 0 else tuple(float(gamma) for gamma in stepsize)


def by_matrix(stepsize: Stepsize, matrices: int = 1) -> tuple[float, ...]:
    """One stepsize for each matrix, of one for all or one for each."""
    return stepsize if isinstance(stepsize, tuple) else (stepsize,) * matrices


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One ranked choice of hyper-parameters.

    Attributes:
        rank: 1 is best.
        equation: where its bound comes from.
        stepsize: gamma, or one per layer for multilayer.
        decay: rho of gamma_k = gamma k^-rho.
        stopping: P_R that the bounds are for, by name; "listed" for the probabilities in the spec.
        batch_size, iterations: B and N.
        runs: T independent runs of N iterations each; 1 without a target.
        keep_prob: zeta, P(unit is kept). dropout_rate: 1 - zeta, PyTorch's p and Keras' rate.
        bound: on the expected squared gradient norm, with the chosen constants; inf (null in JSON)
            where their theorem does not reach.
        loss_score: what ranks with calibrated constants and no target: what the convex half of the theorem
            would promise for the loss, were f convex with a minimum of 0 at the smallest distance possible.
            No bound: f is not convex, and the score knows nothing of P_R. Else None.
        certified_bound: the same with certified constants, never above `largest_gradient`.
        largest_gradient: no squared gradient norm of this network exceeds it at this keep_prob.
        proven: certified_bound <= bound, so the bound holds for this data; never with measured constants.
        vacuous: the bound is no better than `largest_gradient`.
        terms: the terms of the bound; they sum to it.
        samples: examples processed in one run, N B. epochs: the same over data.samples, or None.
        total_samples, total_epochs: the same over all runs.
        seconds: of all runs, or None without a cost model.
        elasticities: d log bound / d log knob at this point, other knobs held.
        curvature_share: r of `stopping: matched`, whose P_R is proportional to k^-rho (1 - r k^-rho), with
            the constants of the bound; None for other stopping, and outside the theorem's range.
        binding: dotted keys of the limits that hold this choice back.
        notes: plain sentences about this choice.
    """

    rank: int
    equation: str
    stepsize: Stepsize
    decay: float
    stopping: str
    batch_size: int
    iterations: int
    runs: int
    keep_prob: float
    dropout_rate: float
    bound: float
    loss_score: float | None
    certified_bound: float
    largest_gradient: float
    proven: bool
    vacuous: bool
    terms: Mapping[str, float]
    samples: int
    epochs: float | None
    total_samples: int
    total_epochs: float | None
    seconds: float | None
    elasticities: Mapping[str, float]
    curvature_share: float | None
    binding: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why no plan meets the target, and what would.

    Attributes:
        reason: in words.
        min_batch_size: the smallest that can reach the target.
        smallest_eps: the smallest target.eps for which a plan was found, four digits rounded up.
        binding: dotted keys of the limits that a plan for it exhausts.
    """

    reason: str
    min_batch_size: int | None
    smallest_eps: float | None = None
    binding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredConstant:
    """A constant of the calibrated bound, and what its error is worth.

    Attributes:
        name: initial_loss, smoothness, gradient_variance or squared_gradient.
        at_start: at W^1, or None where it was not measured there.
        value: what the bound uses.
        standard_error: of the sampling of rows.
        stepsize_change: of the recommended stepsize, as a share, if the value were one standard error larger.
        bound_change: of its bound.
    """

    name: str
    at_start: float | None
    value: float
    standard_error: float
    stepsize_change: float
    bound_change: float


@dataclass(frozen=True, slots=True)
class NoiseScale:
    """A critical batch size, and how it was found.

    Attributes:
        method: noise scale, tr Sigma / ||grad f||^2 of the gradient of one row, where noise is as large as
            the gradient (McCandlish et al. 2018, the simple one, from unbiased parts); race of batch sizes to
            an early loss, carried on to the end; or typical of the optimiser. The first two differ, and only
            the second says how far larger batches pay.
        value: inf where the gradient cannot be told from noise.
        lower, upper: by leaving out a mini-batch at a time, two standard errors of its logarithm.
        at: the loss there; None where nothing was measured.
    """

    value: float
    lower: float
    upper: float
    at: float | None
    method: Literal["noise scale", "race", "typical"] = "noise scale"


@dataclass(frozen=True, slots=True)
class Advice:
    """Ranked recommendations, and everything needed to judge them.

    Attributes:
        kind: network kind. layers: d_0..d_L.
        constants: the constants that the ranking used. equation: where the bounds come from; at which
            ranks, if they do not all come from one.
        recommendations: best first; empty where `infeasible` says why.
        objective: what was minimised, in words.
        largest_gradient: that of the best choice.
        critical_batch_size: of advice that saw data the noise scale where its short run ended; of a theorem's
            that at the best choice's target, or None without a target.
        why: plain sentences on the best choice.
        notes: plain sentences on the whole, each once.
        assumed: values that nobody gave.
        measured: constants that were measured on the data, not proven.
        cost: of the advice itself, in trainings with the N and B of the best choice.
        interrupted: the user ended the measuring early, and this is the best by then.
        train: what to train with. guarantee: what is promised; None where nothing is.
        chosen: which constants the ranks use and why, where nobody named them.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    objective: str
    candidates: int
    assumed: tuple[Assumption, ...]
    recommendations: tuple[Recommendation, ...] = ()
    largest_gradient: float | None = None
    critical_batch_size: float | NoiseScale | None = None
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    infeasible: Infeasible | None = None
    measured: tuple[MeasuredConstant, ...] = ()
    cost: float = 0.0
    interrupted: bool = False
    train: TrainingPlan | None = None
    guarantee: Guarantee | None = None
    chosen: str = ""

    @property
    def raced_box(self) -> float | None:
        """The box that a race took in place of the one that was assumed; None where it kept that."""
        assumed = [item.value for item in self.assumed if item.key == "network.weight_bound"]
        if self.train is None or self.train.weight_bound is None or not assumed:
            return None
        bound = self.train.weight_bound
        boxes = bound if isinstance(bound, tuple) else (bound,)
        return None if all(box == assumed[0] for box in boxes) else max(boxes)

    def to_dict(self) -> dict[str, Any]:
        """The same keys and values as `rsgadvise recommend --format json` writes, but for the spec's."""
        from rsgadvise.show.report.blocks import as_document

        return as_document("recommend", self)

    def __str__(self) -> str:
        """The answer, the ranks and what to mind, as the command line shows them at 80 columns."""
        from rsgadvise.show.formats.table import as_text
        from rsgadvise.show.report.advice import advice_blocks

        return as_text(advice_blocks(self, details=False))

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        from rsgadvise.show.html.markup import blocks_html
        from rsgadvise.show.report.advice import advice_blocks

        return str(blocks_html(advice_blocks(self, details=False), "Advice"))


# What `plan_iterations` returns: plain frozen records that a report renders without computing.


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """One point of the trade of steps against samples, for the same target."""

    batch_size: int
    iterations: int
    samples: int


@dataclass(frozen=True, slots=True)
class IterationPlan:
    """How many iterations, and how much data, an (eps, delta)-solution needs.

    Attributes:
        iterations: smallest integer N with the optimal stepsize; iterations_real before rounding up.
        iterations_paper: the integer above equation (9), iterations_paper_real its value; None
            where (9) does not apply.
        stepsize: optimal at `iterations`. keep_prob, dropout_rate: as used; None without a plan.
        bound: at these values; at most per_run_target = eps delta^(1/T).
        critical_batch_size: where steps are twice the fewest possible.
        recommended_runs: T with the fewest samples in all, T N(T) B. recommended_iterations: N of each of
            them. recommended_samples: of all of them.
        samples: N B of one run. total_samples: T N B of all.
        dataset_size: S = B N / C with the paper's N; dataset_size_exact with the exact one. Both to the
            nearest row, as S C ~ B N is itself approximate.
        tradeoff: (B, N, N B) over batch sizes.
        min_batch_size: smallest B for which the target is reachable with `runs`. least_batch_size: the same
            with any number of runs, which is `recommend`'s where the spec fixes none.
        recommended_critical_batch_size: as critical_batch_size, with recommended_runs.
        comparison_rows: fresh rows for each run, if the runs are compared by gradients of a sample, with
            which the kept one has at most 4 eps with probability 1 - 2 delta; 0 for one run.
        reason: why there is no plan, or None; among the notes too.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    eps: float
    delta: float
    runs: int
    epochs: float
    batch_size: int
    initial_loss: float
    per_run_target: float
    feasible: bool
    iterations: int | None
    iterations_real: float | None
    iterations_paper: int | None
    iterations_paper_real: float | None
    stepsize: Stepsize | None
    keep_prob: float | None
    dropout_rate: float | None
    bound: float | None
    certified_bound: float | None
    proven: bool | None
    critical_batch_size: float | None
    recommended_runs: int | None
    recommended_iterations: int | None
    recommended_samples: int | None
    samples: int | None
    total_samples: int | None
    dataset_size: int | None
    dataset_size_exact: int | None
    tradeoff: tuple[TradeoffPoint, ...]
    min_batch_size: int | None
    reason: str | None
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]
    least_batch_size: int | None = None
    recommended_critical_batch_size: float | None = None
    comparison_rows: int | None = None
