"""The sentences of an advice. Numbers come in computed; nothing is computed here."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

__all__ = [
    "AT_HIGHEST_KEEP_PROB",
    "AT_LOWEST_KEEP_PROB",
    "BOUND",
    "CERTIFIED_SAYS_MORE",
    "GRADIENT_BOUND",
    "LARGER_THAN_DATA",
    "LOSS_BOUND",
    "NOTHING_PROVEN",
    "NOT_PROVEN",
    "NO_BOUND",
    "RANKED_BY_LOSS",
    "VACUOUS",
    "dominant_term",
    "near_ties",
    "percent",
    "strongest_knob",
]

BOUND, LOSS_BOUND, GRADIENT_BOUND = "bound", "loss bound", "gradient bound"
"""What a sentence is about: the second two where both are shown."""

RANKED_BY_LOSS = (
    "Ranked by the loss bound: on how far the loss may lie above its minimum, were it convex. The gradient "
    "bound, on the squared gradient, ranks nothing here, and may fall where the other rises."
)
VACUOUS = "The bound is no better than the largest squared gradient norm possible, so it says nothing."
NO_BOUND = "No bound: the stepsize lies outside the range in which these constants bound anything."
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
LARGER_THAN_DATA = "The batch is larger than the data set; rows are drawn with replacement."

_WIDE_TIE = 4  # batch sizes this far apart are different choices
_STEEP = 3.0  # an elasticity beyond this says nothing about doubling

TERM_WORDS: Mapping[str, str] = {
    "initial_error": "initial error, which more iterations shrink",
    "late_stopping": "cost of stopping late, which a stopping distribution without a rise avoids",
    "gradient_noise": "gradient noise, which larger batches shrink",
    "projection_noise": "noise of the projection, which only larger batches shrink",
    "output_noise": "gradient noise of the output layer, which larger batches shrink",
    "top_hidden_noise": "gradient noise of the last hidden layer, which larger batches shrink",
    "lower_hidden_noise": "gradient noise of lower hidden layers, which larger batches and dropout shrink",
    "largest_gradient": "largest gradient possible, which stands in for a bound outside the certified range",
}

KNOB_WORDS: Mapping[str, str] = {
    "stepsize": "stepsize",
    "batch_size": "batch size",
    "iterations": "iterations",
    "keep_prob": "keep probability",
    "pretraining": "pretraining tolerance",
}


def percent(share: float) -> str:
    """A share as a percentage with two significant figures at most."""
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"


def dominant_term(terms: Mapping[str, float], bound: float, *, name: str = BOUND) -> str:
    """Which term of the bound is the largest, and what shrinks it."""
    term = max(terms, key=lambda key: terms[key])
    share = terms[term] / bound if bound > 0 else 1.0
    return f"{percent(share)} of the {name} is the {TERM_WORDS[term]}."


def strongest_knob(
    elasticities: Mapping[str, float], keep_prob: float, *, fixed: Container[str], name: str = BOUND
) -> str | None:
    """The knob of training that moves the bound most when it is doubled or halved, the others held.

    The weight bound is not among them: it changes which networks can be learnt. `fixed` names knobs
    that are at the end of their range.
    """
    usable = {knob: value for knob, value in elasticities.items() if knob in KNOB_WORDS and knob not in fixed}
    if 2 * keep_prob > 1 and usable.get("keep_prob", 0.0) < 0:
        del usable["keep_prob"]  # a probability that cannot be doubled
    if not usable:
        return None
    knob = max(usable, key=lambda key: abs(usable[key]))
    slope = usable[knob]
    if abs(slope) < 1e-3:
        return None
    moved = KNOB_WORDS[knob]
    if abs(slope) > _STEEP:
        less = "less" if slope > 0 else "more"
        return (
            f"Strongest knob: 1 % {less} {moved} alone lowers the {name} by about "
            f"{percent(0.01 * abs(slope))}."
        )
    verb = "halving" if slope > 0 else "doubling"
    fall = percent(1 - 2 ** -abs(slope))
    return f"Strongest knob: {verb} the {moved} alone lowers the {name} by about {fall}."


def near_ties(batches: Sequence[int], *, by_cost: bool, knee: float | None, name: str = BOUND) -> str:
    """Several batch sizes end within 2 % of the best."""
    listed = ", ".join(str(batch) for batch in batches)
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
