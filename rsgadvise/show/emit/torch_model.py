"""A program that trains the user's own torch module as advised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.show.emit.layout import literal
from rsgadvise.show.emit.snippets import environment

if TYPE_CHECKING:
    from rsgadvise.advise.model_results import ModelAdvice


def model_program(
    advice: ModelAdvice,
    *,
    file: str,
    name: str,
    loss: str,
    optimizer: str,
    path: str,
    options: Mapping[str, object],
    scaling: str,
    classes: bool,
    second: bool,
    judged: bool,
    shape: tuple[int, ...] | None,
    turned: bool,
    seed: int,
) -> str:
    """The loop with their module.

    Args:
        advice: what to train with.
        file, name: the Python file that makes the module, and what it calls it.
        loss: code of it, or FILE.py:NAME.
        optimizer: code of it with places for the parameters and the stepsize, or FILE.py:NAME.
        path, options, scaling: the data file, how it was read and scaled.
        classes: whether targets are numbers of classes. second: whether they are 1 for the second of two.
        judged: whether the largest output, or the sign of a single one, is the answer.
        shape: of a row; None for a flat one. turned: whether its last axis is to come first.
        seed: of the first weights and the batches.
    """
    return (
        environment()
        .get_template("torch_model.py.jinja")
        .render(
            train=advice.train,
            share=advice.recommendations[0].share if advice.recommendations else 0.0,
            file=file,
            name=name,
            loss=_named(loss) if ":" in loss else loss,
            optimizer=optimizer if optimizer.startswith("torch.") else f"{_named(optimizer)}({{}}, lr={{}})",
            data={"path": path, "options": options, "scaling": scaling},
            classes=classes,
            second=second,
            judged=judged,
            shape=shape,
            turned=turned,
            seed=seed,
        )
    )


def _named(said: str) -> str:
    file, _, name = said.rpartition(":")
    return f"named({literal(file)}, {literal(name)})"
