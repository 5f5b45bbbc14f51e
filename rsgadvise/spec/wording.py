"""pydantic's errors -> problems in the words of a spec, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from rsgadvise.spec.models import Spec
from rsgadvise.spec.rules import look_alike, shown
from rsgadvise.spec.section import Section
from rsgadvise.spec.source import place_of
from rsgadvise.spec.tree import Node, Path, Problem, path_text

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["unknown_key", "validation_problems"]


def validation_problems(error: ValidationError, root: Node) -> list[Problem]:
    """Return every problem that validation found in the tree.

    A key that is missing beside one that is unknown is left out: the one is the other, misspelled.
    """
    details = error.errors(include_url=False)
    misspelled = {detail["loc"][:-1] for detail in details if detail["type"] == "extra_forbidden"}
    return [
        _problem(detail, root)
        for detail in details
        if not (detail["type"] == "missing" and detail["loc"][:-1] in misspelled)
    ]


def _problem(detail: ErrorDetails, root: Node) -> Problem:
    path: Path = detail["loc"]
    unknown = detail["type"] == "extra_forbidden"
    place = place_of(root, path, at_key=unknown)
    # The search for look-alikes is left to the one problem that is shown: there may be thousands.
    message = partial(unknown_key, path) if unknown else partial(_message, detail)
    return Problem(path, message, place.line, place.column, place.origin)


def _message(detail: ErrorDetails) -> str:
    path, kind = detail["loc"], detail["type"]
    if kind == "rule":
        return detail["msg"]
    if kind == "missing":
        where = f" to {path_text(path[:-1])}" if len(path) > 1 else ""
        name = str(path[-1])
        examples = _section(path[:-1]).model_fields[name].examples or ["..."]
        return f"must be given; got nothing; add `{name}: {_flow(examples[0])}`{where}"
    keys = ", ".join(_section(path).model_fields)
    fix = f"write its keys as `key: value`, out of {keys}"
    return f"must be a section of keys; got {shown(detail['input'])}; {fix}"


def _section(path: Path) -> type[Section]:
    section: type[Section] = Spec
    for part in path:
        section = section.sections.get(str(part), section)
    return section


def _flow(value: object) -> str:
    """Return an example value as it is written in a spec, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


# Words of other tools for what has another name here, or does not exist; without their underscores.
_MEANT = {
    "learningrate lr stepsize eta": "the learning rate is called stepsize and belongs under training",
    "dropout dropoutrate dropoutprob p rate": (
        "the dropout rate is 1 - keep_prob; give keep_prob under training or search"
    ),
    "steps maxsteps numsteps maxiterations": (
        "the number of steps is called iterations and belongs under training or search"
    ),
    "maxepochs numepochs nepochs passes": "the number of passes over the data is limited by budget.epochs",
    "maxiter": "passes over the data are limited by budget.epochs, steps by search.iterations",
    "batch batches minibatch minibatchsize": (
        "the rows of one step are called batch_size, which belongs under training or search"
    ),
    "activation activations activationfunction nonlinearity": (
        "rsgadvise advises for sigmoid units, which its theorems are about; leave it out"
    ),
    "optimizer optimiser solver": (
        "rsgadvise advises for plain stochastic gradient descent, which its theorems are about; leave it out"
    ),
    "momentum nesterov beta betas beta1 beta2": (
        "there is no momentum in the training that the theorems are about; leave it out"
    ),
    "weightdecay l1 l2 regularization regularisation": (
        "nothing is added to the loss here, and training.decay is that of the stepsize; leave it out"
    ),
    "loss lossfunction criterion objective": (
        "the loss is the squared error of sigmoid outputs; its value at the start is training.initial_loss; "
        "leave it out"
    ),
    "bias biases usebias fitintercept intercept": (
        "units have no biases here; a column of ones in the data does the same for the first layer; leave it "
        "out"
    ),
    "earlystopping earlystop patience": (
        "the number of steps is training.iterations, and training.stopping draws the one whose weights are "
        "kept; leave it out"
    ),
    "scheduler schedule lrschedule lrscheduler warmup annealing": (
        "step k uses stepsize * k**-decay; give training.decay, or leave it out"
    ),
    "hidden hiddenlayers hiddenlayersizes hiddendim units neurons width depth architecture inputdim "
    "outputdim": "the lengths of all layers, the input's first, are network.layers",
    "label labels y targets": "the targets of a data file are named with data.target",
    "path filename dataset csv": "the data file is named with data.file",
    "normalize normalise normalization standardize scale scaler": (
        "how features come into [0, 1] is data.scaling"
    ),
    "model": "the network is described under network",
}
_SYNONYMS = {word: meant for words, meant in _MEANT.items() for word in words.split()}


def unknown_key(path: Path) -> str:
    """Return what to say of a key that its section does not have: most likely another was meant."""
    key = str(path[-1])
    message = f"unknown key {shown(key)}"
    here = list(_section(path[:-1]).model_fields)
    homes = _homes()
    if key in homes:
        return f"{message}; {key!r} belongs {homes[key]}"
    if meant := _SYNONYMS.get(_bare(key)):
        return f"{message}; {meant}"
    if close := look_alike(key, here):
        return f"{message}; did you mean {close!r}?"
    if close := look_alike(key, list(homes)):
        return f"{message}; did you mean {close!r}, which belongs {homes[close]}?"
    return f"{message}; the keys here are {', '.join(here)}"


def _bare(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _homes() -> dict[str, str]:
    """Return, for each key of a spec, the words for where it belongs."""
    homes: dict[str, list[str]] = {}

    def visit(section: type[Section], path: Path) -> None:
        for key in section.model_fields:
            homes.setdefault(key, []).append(path_text(path))
            if key in section.sections:
                visit(section.sections[key], (*path, key))

    visit(Spec, ())
    return {key: _belongs(places) for key, places in homes.items()}


def _belongs(places: list[str]) -> str:
    under = [place for place in places if place]
    words = f"under {' or '.join(under)}" if under else ""
    return " or ".join(part for part in ("at the top level" if "" in places else "", words) if part)
