"""The sentences of an advice. Numbers come in computed; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rsgadvise.numerals import rounded_up, spans
from rsgadvise.theory import about
from rsgadvise.theory.architecture import Obstacle

if TYPE_CHECKING:
    from rsgadvise.theory.problem import Problem

BOUND, LOSS_SCORE, GRADIENT_BOUND = "bound", "loss score", "gradient bound"
UNLIMITED = "There is neither a target nor a budget"
SIZES_OF_SGD = (
    "Batch size, iterations and keep probability are what would serve SGD; the stepsize is its own."
)
NO_THEOREM = "no theorem about {}"
NO_BOUND_FOR = "No bound and no guarantee: the theorems are about SGD, not {}."
PLAIN_ONLY = (
    "No bound: the theorem about {} is for constant stepsizes and uniform R alone (training.decay: 0, "
    "training.stopping: uniform)."
)
BOUND_BY_CERTIFIED = "These values have no bound; --constants certified ranks those that have one."
"""What a sentence is about: the second two where both are shown."""

RANKED_BY_LOSS = (
    "Ranked by the loss score: what the convex half of the theorem would promise, were f convex, its minimum "
    "0 and no farther away than it must be; it is no bound. The gradient bound, on the squared gradient, "
    "ranks nothing here, and may fall where the score rises."
)
VACUOUS = "The bound is no better than the largest squared gradient norm possible, so it says nothing."
ABOVE_THE_LIMIT = (
    "The target lies above the largest squared gradient that this network can have: any weights meet it, "
    "trained or not, and no plan for it says anything; lower target.eps."
)
NOTHING_RANKS = (
    "There is no bound at this stepsize, so nothing ranks these choices: the first takes the fewest samples."
)
CERTIFIED_SAYS_MORE = (
    "The certified bound is smaller and does say something: rank by it with --constants certified."
)
NOT_PROVEN = (
    "Not proven for this data: with constants that hold for any data of these moments the bound is larger."
)
NOTHING_PROVEN = (
    "At this stepsize nothing is proven beyond the largest gradient possible; "
    "--constants certified finds the stepsize with the best proven bound."
)
AT_LOWEST_KEEP_PROB = (
    "keep_prob is at the lowest value allowed and the bound falls further below it: "
    "the range decides here, not the theory."
)
AT_HIGHEST_KEEP_PROB = (
    "keep_prob is at the highest value allowed and the bound falls further above it: "
    "the range decides here, not the theory."
)
SMALLEST_BATCH = "search.batch_size (its smallest)"
LARGEST_BATCH = "search.batch_size (its largest)"
LARGER_THAN_DATA = "The batch is larger than the data set; rows are drawn with replacement."

BY_CERTIFIED = "Ranked with certified constants: their bound is proven, not vacuous, and none proven is less."
BY_CERTIFIED_WITH_FLOOR = (
    "Ranked with certified constants: their bound is proven and not vacuous. What is guaranteed is less, of "
    "another projected gradient: --constants floorless ranks by it."
)
BY_FLOORLESS = (
    "Ranked with certified constants without the noise floor: their bound is proven, not vacuous, and none "
    "proven is less; it is of a projected gradient at another stepsize than is trained with."
)
BY_PAPER = "Ranked with the paper's constants: no bound below the largest gradient possible is proven."
BY_PROVEN_PAPER = (
    "Ranked with the paper's constants: their bound is proven; the certified ranks begin with a vacuous one."
)
BY_CERTIFIED_ALONE = "Ranked with certified constants: the paper's theorem is not about such a network."
NO_PAPER_BOUND = (
    "No paper bound: the paper's theorems are about sigmoid units without biases and their squared error."
)
NO_PAPER_BOUND_BEYOND = "No paper bound: the paper's theorems are about inputs in [0, 1]."
PLAN_BY_CERTIFIED = "The plan is by certified constants: it is proven, and no proven one is cheaper."
PLAN_WITH_FLOOR = (
    "The plan is by certified constants: it is proven. What is guaranteed is cheaper, of another projected "
    "gradient: --constants floorless plans for it."
)
PLAN_BY_FLOORLESS = (
    "The plan is by certified constants without the noise floor: it is proven, of a projected gradient at "
    "another stepsize than is trained with; no other plan is."
)
PLAN_BY_PAPER = "The plan is by the paper's constants, not proven for this data: certified ones have none."
SAME_TARGETS = (
    "every row has the same target, so that a constant prediction is all there is to learn; name another "
    "target with data.target (--target)"
)
NO_PLAN = "Neither the paper's nor certified constants have a plan."


def no_theorem(problem: Problem) -> str:
    """Why there is no bound of a training that no theorem about SGD is about."""
    from rsgadvise.theory.theorems import provable

    optimizer = problem.optimizer
    reasons = [f"{obstacle.subject} has {obstacle.why}" for obstacle in problem.obstacles]
    if not provable(problem.kind, optimizer):
        reasons.insert(0, f"the theorems are about SGD, not {optimizer.title}")
    elif not reasons:
        reasons = [f"those here are of SGD, and `rsgadvise bound` has that of {optimizer.title}"]
    return f"No bound: {', and '.join(reasons)}."


def unprovable(obstacle: Obstacle) -> str:
    """Why nothing is guaranteed."""
    return f"{obstacle.subject} has {obstacle.why}: constants are measured only; {obstacle.fix}"


def smoothed(problem: Problem, gap: float) -> str:
    """What a bound of units whose kinks are rounded off says of those with kinks."""
    return (
        f"The bound is of the smooth units, not of {problem.rounded_in_words}, whose loss is at most "
        f"{rounded_up(gap, 3):.3g} from it at any weights in their limits."
    )


_MOST_COMMAS = 3  # in a list of ranks that is still read
_WIDE_TIE = 4  # batch sizes this far apart are different choices

TERM_WORDS: Mapping[str, str] = {
    "initial_error": "initial error, which more iterations shrink",
    "late_stopping": "cost of stopping late, which a stopping distribution without a rise avoids",
    "gradient_noise": "gradient noise, which larger batches shrink",
    "projection_noise": "noise of the projection, which only larger batches shrink",
    "output_noise": "gradient noise of the output layer, which larger batches shrink",
    "top_hidden_noise": "gradient noise of the last hidden layer, which larger batches shrink",
    "lower_hidden_noise": "gradient noise of lower hidden layers, which larger batches and dropout shrink",
    "largest_gradient": "largest gradient possible, which stands in for a certified bound that is larger, or "
    "outside its range",
}


def no_bound(constants: str, largest: float, *, layer: int | None) -> str:
    """The stepsize, of one of several layers or of all, lies outside a theorem's range.

    Example:
        >>> no_bound("paper", 16 / 13, layer=None)
        "No bound: the stepsize lies outside (0, 1.23077), the range of the paper's constants."
    """
    what = "the stepsize" if layer is None else f"the stepsize of layer {layer}"
    return f"No bound: {what} lies outside (0, {largest:.6g}), the range of {about(constants).whose}."


def at_other_stepsize(length: float) -> str:
    """Which projected gradient the bound without a noise floor is about.

    Example:
        >>> at_other_stepsize(0.25)
        'The bound is on the projected gradient at stepsize 1/U = 0.25, not at the one trained with.'
    """
    return (
        f"The bound is on the projected gradient at stepsize 1/U = {length:.4g}, not at the one trained with."
    )


def percent(share: float) -> str:
    """A share as a percentage with two significant figures at most."""
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"


def dominant_term(terms: Mapping[str, float], bound: float, *, name: str = BOUND) -> str:
    """Which term of the bound is the largest, and what shrinks it."""
    term = max(terms, key=lambda key: terms[key])
    share = terms[term] / bound if bound > 0 else 1.0
    return f"{percent(share)} of the {name} is the {TERM_WORDS[term]}."


def at_batch_end(*, largest: bool, what: str, cost: float, batch: int, allowed: tuple[int, int]) -> str:
    """The best batch size is the last one allowed, and what is minimised falls by going on."""
    return (
        f"The batch size is at the {'upper' if largest else 'lower'} end of search.batch_size and {what} "
        f"beyond it, to {cost:.4g} at {batch:,}: the range decides here, not the theory; allow more with "
        f"search.batch_size: {{min: {allowed[0]}, max: {allowed[1]}}}."
    )


def by_sample(
    *,
    rows: float,
    data: int | None,
    eps: float,
    delta: float,
    projected: bool,
    masks: bool,
    factor: float,
    missed: float,
) -> str:
    """How to choose among the runs, and what a sample of the rows would have to hold."""
    over = "all rows of the data" + (" and all masks" if masks else "")
    gradient = "projected gradient" if projected else "gradient"
    enough = data is not None and not masks and rows > data
    return (
        f"Keep the run with the smallest exact {gradient}, over {over}. Chosen by its {gradient} on a "
        f"sample, it has a squared norm of at most {factor:g} eps = {factor * eps:.4g} with probability "
        f"{1 - delta - missed:.4g}, if each run is tried on {rows:,.0f} fresh rows"
        f"{' with masks of their own' if masks else ''}"
        f"{f'; all {data:,} rows are fewer, and choose exactly' if enough else ''}."
    )


def no_proven_plan(eps: float, delta: float) -> str:
    """That a target was tried, beside what is advised on data."""
    target = f"eps {eps:g} with delta {delta:g}"
    return f"No proven plan meets the target, {target}: what to train with is for the smallest loss."


def other_plan(constants: str, runs: int, iterations: int, batch_size: int, *, proven: bool) -> str:
    """The plan of other constants than those that have none."""
    each = "1 run" if runs == 1 else f"{runs:,} runs"
    known = "proven" if proven else "not proven for this data"
    return (
        f"{about(constants).whose} have a plan, {known}: {each} of {iterations:,} iterations with "
        f"batch_size {batch_size:,} (--constants {constants})"
    )


def taken(without: str, constants: str) -> str:
    """Whose plan it is, where nobody named any constants and the first have none."""
    return f"By {about(constants).whose}: {about(without).whose} have no plan for this target."


def no_other_plan(others: Sequence[str]) -> str:
    """That no constants have one."""
    return f"{' and '.join(about(each).whose for each in others)} have no plan either"


def equations(names: Sequence[str]) -> str:
    """The equation behind every rank, and at which ranks each where there are several.

    Example:
        >>> equations(["equation (12)", "equation (12)"])
        'equation (12)'
        >>> equations(["equation (12)", "equation (13)", "equation (13)"])
        'equation (12) at rank 1 and equation (13) at ranks 2-3'
    """
    at = ranks_by(enumerate(names, start=1))
    if len(at) == 1:
        return names[0]
    places = [ranks_in_words(ranks) for ranks in at.values()]
    if max(place.count(",") for place in places) > _MOST_COMMAS:
        return f"{' or '.join(at)}, by rank"
    return " and ".join(f"{name} at {place}" for name, place in zip(at, places, strict=True))


def ranks_in_words(ranks: Sequence[int]) -> str:
    """Ranks in words, neighbours together.

    Example:
        >>> ranks_in_words([1]), ranks_in_words([1, 2, 3, 7])
        ('rank 1', 'ranks 1-3, 7')
    """
    return f"rank{'' if len(ranks) == 1 else 's'} {spans(ranks)}"


def ranks_by(pairs: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """The ranks that each text is about, texts in the order of their first.

    Example:
        >>> ranks_by([(1, "a"), (1, "b"), (2, "a")])
        {'a': [1, 2], 'b': [1]}
    """
    ranks: dict[str, list[int]] = {}
    for rank, text in pairs:
        ranks.setdefault(text, []).append(rank)
    return ranks


def near_ties(batches: Sequence[int], *, by_cost: bool, knee: float | None, name: str = BOUND) -> str:
    """Several batch sizes end within 2 % of the best."""
    listed = ", ".join(f"{batch:,}" for batch in batches)
    if not by_cost:
        start = f"Near tie: batch sizes {listed} are within 2 % of the best."
        if max(batches) < _WIDE_TIE * min(batches):
            return start
        return (
            f"{start} At equal work the {name} hardly depends on the batch size and cannot rank them; "
            "let the hardware choose."
        )
    tail = f" The iterations are twice the fewest possible at batch size {knee:.4g}." if knee else ""
    return (
        f"Near tie: batch sizes {listed} cost within 2 % of the cheapest; larger ones need fewer "
        f"iterations.{tail}"
    )
