"""One function over all targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rsgadvise.emit import keras_code, optuna_code, sklearn_code, torch_code
from rsgadvise.emit.plan import DataFile, Plan, Target, plan_of

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.spec import Spec

__all__ = ["emit_snippet"]

_TARGETS: Mapping[Target, Callable[[Plan], str]] = {
    "torch": torch_code.snippet,
    "keras": keras_code.snippet,
    "sklearn": sklearn_code.snippet,
    "optuna": optuna_code.snippet,
}


def emit_snippet(
    advice: Advice, spec: Spec, *, target: Target, rank: int | None = None, data: DataFile | None = None
) -> str:
    """A Python file that trains as advised, in the words of a library.

    What it trains is what the bound is about: sigmoid units without biases, the squared error summed
    over the outputs, plain SGD on mini-batches drawn with replacement, the box, one mask for each
    example, and the weights W^R of a random iteration R. Where the library's own dropout divides what it
    keeps by keep_prob, stepsizes and box are in its scaling. The text is made without the library.

    Args:
        advice: what `recommend` returned for `spec`.
        spec: the question.
        target: torch, keras, sklearn (an estimator in numpy) or optuna (a study that starts from the
            advice).
        rank: which recommendation; by default what `advice.train` says, or else the first.
        data: the spec's data file; without it the snippet makes placeholder rows.

    Raises:
        InfeasibleError: there is no recommendation.
        UsageError: there is none of that rank, or nothing that optuna could search.
        HypothesisError: the stepsize is too large for `stopping: matched`.

    Example:
        >>> from rsgadvise.advise.recommend import recommend
        >>> from rsgadvise.spec import parse_spec
        >>> text = "network: {kind: single_layer, layers: [4, 2]}"
        >>> spec = parse_spec(text, file="a.yaml").spec
        >>> "nn.Linear(*LAYERS, bias=False)" in emit_snippet(recommend(spec), spec, target="torch")
        True
    """
    return _TARGETS[target](plan_of(advice, spec, rank, data))
