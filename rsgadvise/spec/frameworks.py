"""A spec from a model that exists: a `torch.nn.Sequential`, or an MLP of scikit-learn.

Models are told by the names of their classes, so neither library is imported here.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from pydantic import ValidationError

from rsgadvise.errors import SpecError
from rsgadvise.spec.load import validation_problems
from rsgadvise.spec.models import Data, Spec
from rsgadvise.spec.rules import shown
from rsgadvise.spec.yaml import build_tree, raise_first

FILE = "<model>"
NO_BIASES = (
    "The paper's theory has no biases: the spec describes the same layers without them; network.bias: true "
    "has them."
)
OTHER_OUTPUTS = (
    "The paper's theory has no biases, and no {outputs}: the spec describes the same layers without biases, "
    "with sigmoid outputs and squared loss."
)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a model says of itself.

    Attributes:
        largest: largest absolute weight of each matrix; None where there are no weights yet.
        differs: a sentence on what the theory has not.
    """

    layers: tuple[int, ...]
    keep_prob: float = 1.0
    largest: tuple[float, ...] | None = None
    differs: str = ""


def from_model(
    model: Any,
    *,
    weight_bound: float | Sequence[float] | None = None,
    data: Data | Mapping[str, Any] | None = None,
    input_dim: int | None = None,
    output_dim: int | None = None,
) -> Spec:
    """The spec of a network that exists, to ask for advice on training it.

    Read from a `torch.nn.Sequential`: `Linear` and `Sigmoid` in turn, one `Sigmoid` after each `Linear`,
    the last one too. A `Dropout(p)` before every `Linear` becomes keep_prob = 1 - p; it must be the same
    before all of them, as in the theory, or absent. `Flatten` before the first `Linear` and `Identity` are
    passed over, and a `Sequential` inside is its modules. Read from an `MLPRegressor` or `MLPClassifier`:
    the shapes of `coefs_` once fitted, else `hidden_layer_sizes` between `input_dim` and `output_dim`.

    One layer without dropout and without `weight_bound` is a `single_layer`; anything else `multilayer`,
    which needs a box. Without `weight_bound` it is, for each layer, the largest absolute weight that the
    model has, so that these very weights are a start W^1 inside the box; divided by keep_prob where units
    are dropped, since `Dropout` scales by 1 / keep_prob what it keeps, and the theory does not. A layer
    whose weights are unknown (not fitted) or all zero gets 1 / sqrt(d_{l-1}), the spread of the random
    W^1. A wider box leaves more to be learnt, and makes every bound larger. What is advised for such a spec
    is in the theory's scaling too: the model's own weights are keep_prob W, so their stepsizes are
    keep_prob^2 times the advised ones and their box is keep_prob times, as `recommend --emit torch` has it.

    What contradicts the theory's network is an error: another activation, a missing last `Sigmoid`,
    different dropout, another module. What a library always adds is a warning, and left out of the spec:
    biases, and the linear or softmax outputs (and log loss) of scikit-learn.

    Args:
        model: see above.
        weight_bound: the box, one number or one per layer.
        data: the section `data` of the spec, or its keys; such as {"file": "train.npz"}.
        input_dim, output_dim: of an MLP that is not fitted; must agree with a model that knows them.

    Raises:
        SpecError: the model is not of this kind, or a value breaks a rule of the spec.

    Warns:
        UserWarning: the model has what the theory has not, and what the spec leaves out.
    """
    name = _library_class(model)
    if name == "torch.Sequential":
        found = _from_sequential(model)
    elif name in {"sklearn.MLPRegressor", "sklearn.MLPClassifier"}:
        found = _from_mlp(model, input_dim, output_dim)
    else:
        raise _refuse(
            "",
            f"must be a torch.nn.Sequential, MLPRegressor or MLPClassifier; got {shown(model)}; write a spec",
        )
    for key, given, own in (
        ("input_dim", input_dim, found.layers[0]),
        ("output_dim", output_dim, found.layers[-1]),
    ):
        if given is not None and given != own:
            raise _refuse(key, f"must be that of the model, {own}; got {shown(given)}; leave it out")
    if found.differs:
        warnings.warn(found.differs, stacklevel=2)
    return _spec(found, weight_bound, data)


def _refuse(key: str, message: str) -> SpecError:
    return SpecError(message, file=FILE, key=key)


def _library_class(model: Any) -> str:
    """Library and class, of the model or of the first base that a library defines."""
    for base in type(model).__mro__:
        library = base.__module__.partition(".")[0]
        if library in {"torch", "sklearn"}:
            return f"{library}.{base.__name__}"
    return ""


def _spec(
    found: _Found, weight_bound: float | Sequence[float] | None, data: Data | Mapping[str, Any] | None
) -> Spec:
    plain = len(found.layers) == 2 and found.keep_prob == 1 and weight_bound is None
    network: dict[str, Any] = {
        "kind": "single_layer" if plain else "multilayer",
        "layers": list(found.layers),
    }
    if not plain:
        network["weight_bound"] = _default_box(found) if weight_bound is None else weight_bound
    given: dict[str, Any] = {"network": network}
    if not plain:
        given["training"] = {"keep_prob": found.keep_prob}
    if data is not None:
        given["data"] = data.model_dump(exclude_unset=True) if isinstance(data, Data) else dict(data)
    try:
        return Spec.model_validate(given)
    except ValidationError as error:
        # The tree only lends its paths to the messages: there is no text that a line could point into.
        root = build_tree(json.dumps(given, default=str)).root
        assert root is not None
        problems = validation_problems(error, root)
        raise_first([problem._replace(line=None, column=None) for problem in problems], FILE)


def _default_box(found: _Found) -> list[float]:
    inputs = found.layers[:-1]
    largest = found.largest or (0.0,) * len(inputs)
    return [
        1 / math.sqrt(max(d, 1)) if biggest == 0 else biggest / found.keep_prob
        for biggest, d in zip(largest, inputs, strict=True)
    ]


def _modules(model: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Modules in order with their places; a Sequential inside another is its modules."""
    for place, module in enumerate(model):
        if _library_class(module) == "torch.Sequential":
            yield from _modules(module, f"{key}[{place}]")
        else:
            yield f"{key}[{place}]", module


def _from_sequential(model: Any) -> _Found:
    layers: list[int] = []
    largest: list[float] = []
    rates: list[float] = []
    biased = False
    before, rate = "Sigmoid", 0.0  # the last module that counts, and the dropout since
    for key, module in _modules(model, "model"):
        name = _library_class(module).removeprefix("torch.")
        if name == "Identity" or (name == "Flatten" and not layers):
            continue
        if name == "Linear" and before != "Linear":
            biased = biased or module.bias is not None
            _extend(layers, module, key)
            rates.append(rate)
            largest.append(float(module.weight.detach().abs().max()))
            before, rate = name, 0.0
        elif name == "Sigmoid" and before == "Linear":
            before = name
        elif name == "Dropout" and before == "Sigmoid" and not rate:
            rate = float(module.p)
        else:
            raise _refuse(key, f"must be {_wanted(before, rate)}; got {shown(type(module).__name__)}; {_FIX}")
    if before == "Linear" or not layers:
        raise _refuse(
            f"model[{len(model)}]",
            f"must be {_wanted(before, rate)}; got nothing, the end of the model; {_FIX}",
        )
    if rate:
        raise _refuse(
            "model", f"must drop no outputs; got Dropout(p={rate:g}) after the last Sigmoid; remove it"
        )
    if len(set(rates)) > 1:
        listed = ", ".join(f"{value:g}" for value in rates)
        raise _refuse(
            "model",
            f"must drop units at one rate before every Linear, as the theory does; got p = {listed}; use the "
            "same Dropout(p) before each, or none",
        )
    if rates[0] >= 1:
        raise _refuse("model", f"must keep some units; got Dropout(p={rates[0]:g}); lower p")
    return _Found(tuple(layers), 1 - rates[0], tuple(largest), NO_BIASES if biased else "")


_FIX = "the theory's networks are Linear and Sigmoid in turn, with Dropout before Linear"


def _wanted(before: str, rate: float) -> str:
    if before == "Linear":
        return "a Sigmoid, which follows each Linear"
    return "a Linear" if rate else "a Linear, or Dropout before one"


def _extend(layers: list[int], module: Any, key: str) -> None:
    before, after = int(module.in_features), int(module.out_features)
    if min(before, after) < 1:
        raise _refuse(key, f"must have inputs and outputs; got Linear({before}, {after}); change it")
    if layers and layers[-1] != before:
        raise _refuse(
            key, f"must take the {layers[-1]} outputs of the layer before it; got {before} inputs; change it"
        )
    layers += [after] if layers else [before, after]


def _from_mlp(model: Any, input_dim: int | None, output_dim: int | None) -> _Found:
    if model.activation != "logistic":
        raise _refuse(
            "activation", f"must be 'logistic', the sigmoid; got {shown(model.activation)}; change it"
        )
    name = type(model).__name__
    classifies = _library_class(model) == "sklearn.MLPClassifier"
    outputs = "softmax outputs and log loss" if classifies else "linear outputs"
    differs = OTHER_OUTPUTS.format(outputs=outputs)
    coefs = getattr(model, "coefs_", None)
    if coefs is not None:
        shapes = [matrix.shape for matrix in coefs]
        largest = tuple(float(abs(matrix).max()) for matrix in coefs)
        return _Found((int(shapes[0][0]), *(int(shape[1]) for shape in shapes)), 1.0, largest, differs)
    for key, value in (("input_dim", input_dim), ("output_dim", output_dim)):
        if value is None:
            raise _refuse(
                key, f"must be given for an {name} that is not fitted; got nothing; pass {key}=, or fit it"
            )
        whole: object = value  # what callers pass is not held to its type
        if isinstance(whole, bool) or not isinstance(whole, Integral):
            raise _refuse(key, f"must be a whole number; got {shown(value)}; change it")
    sizes = model.hidden_layer_sizes
    hidden = tuple(sizes) if hasattr(sizes, "__iter__") else (sizes,)
    return _Found((input_dim or 0, *hidden, output_dim or 0), 1.0, None, differs)
