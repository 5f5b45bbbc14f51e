"""An advice as a Python file, from the templates beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from rsgadvise import __version__
from rsgadvise.numerals import lengths
from rsgadvise.show.emit.layout import fit, literal, wrap
from rsgadvise.show.emit.plan import PLACEHOLDER_ROWS, DataFile, Target, plan_of, space_of, stock_of
from rsgadvise.show.report.advice import errors

if TYPE_CHECKING:
    from jinja2 import Environment

    from rsgadvise.advise.model_results import ModelAdvice
    from rsgadvise.advise.results import Advice
    from rsgadvise.spec import Spec


def emit_snippet(
    advice: Advice, spec: Spec, *, target: Target, rank: int | None = None, data: DataFile | None = None
) -> str:
    """A Python file that trains as advised, in the words of a library.

    What it trains is what the bound is about: the spec's units, biases where it has them, its loss summed
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
    plan = plan_of(target, advice, spec, rank, data)
    names: dict[str, object] = {"plan": plan, "advice": advice, "spec": spec, "data": data}
    names |= {"train": plan.train, "best": plan.best}
    if target == "sklearn":
        names["stock"] = stock_of(plan)
    if target == "optuna":
        names["space"] = space_of(plan)
    return _environment().get_template(f"{target}.py.jinja").render(names)


def model_program(
    advice: ModelAdvice,
    *,
    file: str,
    name: str,
    loss: str,
    optimizer: str,
    data: Mapping[str, object],
    classes: bool,
    second: bool,
    judged: bool,
    tensor: bool,
    shape: tuple[int, ...] | None,
    turned: bool,
    seed: int,
) -> str:
    """A Python file that trains the user's own torch module as advised.

    Args:
        advice: what to train with.
        file, name: the Python file that makes the module, and what it calls it.
        loss: code of it, or FILE.py:NAME.
        optimizer: code of it with places for the parameters and the stepsize, or FILE.py:NAME.
        data: path of the data file, and options and scaling that it was read with.
        classes: whether targets are numbers of classes. second: whether they are 1 for the second of two.
        judged: whether the largest output, or the sign of a single one, is the answer.
        tensor: whether the module returns one, and not something else for a loss of its own.
        shape: of a row; None for a flat one. turned: whether its last axis is to come first.
        seed: of the first weights and the batches.
    """
    template = _environment().get_template("torch_model.py.jinja")
    return template.render(
        train=advice.train,
        share=advice.recommendations[0].share if advice.recommendations else 0.0,
        file=file,
        name=name,
        loss=_named(loss) if ":" in loss else loss,
        optimizer=optimizer if optimizer.startswith("torch.") else f"{_named(optimizer)}({{}}, lr={{}})",
        data=data,
        classes=classes,
        second=second,
        judged=judged,
        tensor=tensor,
        shape=shape,
        turned=turned,
        seed=seed,
    )


def _named(said: str) -> str:
    file, _, name = said.rpartition(":")
    return f"named({literal(file)}, {literal(name)})"


@cache
def _environment() -> Environment:
    """The templates, and what they may call."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rsgadvise.show.emit"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python is written, not HTML
    )
    environment.filters.update(fit=fit, lengths=lengths, literal=literal, shown=_shown, wrap=wrap)
    environment.globals.update(errors=errors, placeholder_rows=PLACEHOLDER_ROWS, version=__version__)
    return environment


def _shown(values: tuple[float, ...]) -> str:
    """Numbers in a sentence; a single one where all are alike."""
    return ", ".join(f"{value:.6g}" for value in (values[:1] if len(set(values)) == 1 else values))
