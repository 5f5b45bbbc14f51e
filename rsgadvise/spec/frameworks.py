"""A spec from a model that exists: a `Sequential` of torch or keras, or an MLP of scikit-learn.

Models are told by the names of their classes, so none of the libraries is imported here.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from pydantic import ValidationError

from rsgadvise.spec.load import validation_problems
from rsgadvise.spec.models import DEFAULT_WEIGHT_BOUND, NO_BOX, Data, Spec
from rsgadvise.spec.rules import shown
from rsgadvise.spec.stock import FILE, Found, library_class, mlp, refuse, sequential
from rsgadvise.spec.yaml import build_tree, raise_first
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.units import SIGMOID


def from_model(
    model: Any,
    *,
    loss: str | None = None,
    optimizer: str | Mapping[str, Any] | None = None,
    weight_bound: float | Sequence[float] | str | None = None,
    data: Data | Mapping[str, Any] | None = None,
    input_dim: int | None = None,
    output_dim: int | None = None,
) -> Spec:
    """The spec of a network that exists, to ask for advice on training it.

    Read from a `torch.nn.Sequential`: `Linear`, all with biases or all without, and one of the units of
    `network.activation` after each but the last, with torch's own settings. The last `Linear` ends the model,
    and `loss` is then to be said; or a `Sigmoid` follows, whose loss is squared unless told, or `Softmax` or
    `LogSoftmax`, whose loss is cross_entropy. A `Dropout(p)` before every `Linear` becomes keep_prob = 1 - p;
    it must be the same before all of them, as in the theory, or absent. `Flatten` before the first `Linear`
    and `Identity` are passed over, and a `Sequential` inside is its modules. Read from a `keras.Sequential`:
    the same in `Dense`, with activations as words or layers, and the loss that it is compiled with.

    Read from an `MLPRegressor` or `MLPClassifier`: units, biases, the loss, the solver with its settings,
    batch_size, and max_iter as most epochs, where `data` names a file or the number of samples. "auto" is
    min(200, samples), and left to the advice where the samples are not known; learning_rate_init always is.
    Shapes are those of `coefs_` once fitted, else `hidden_layer_sizes` between `input_dim` and `output_dim`:
    outputs as scikit-learn makes them, one for two classes. A regressor's loss is half of squared_linear,
    so its learning_rate_init is twice the stepsize of the advice, as `--emit sklearn` has it; an epsilon of
    Adam is taken as it is.

    One layer without dropout and without `weight_bound` is a `single_layer`, which has no box. Anything else
    is `multilayer`, whose box is the spec's own, 5, unless told; wider where weights of the model lie beyond
    it, so that these very weights are a start W^1 inside. Weights are those of the theory, divided by
    keep_prob where units are dropped, since `Dropout` scales by 1 / keep_prob what it keeps, and the theory
    does not. What is advised for such a spec is in the theory's scaling too: the model's own weights are
    keep_prob W, so SGD's stepsizes for them are keep_prob^2 times the advised ones and their box is keep_prob
    times, as `recommend --emit torch` has it. Losses are sums over the outputs.

    Args:
        model: see above.
        loss: of `network.loss`, where the model does not say it.
        optimizer: as in `training.optimizer`; of an MLP its solver says it.
        weight_bound: the box, one number or one per layer.
        data: the section `data` of the spec, or its keys; such as {"file": "train.npz"}.
        input_dim, output_dim: of an MLP that is not fitted, and of a `keras.Sequential` that is not built;
            must agree with a model that knows them.

    Raises:
        SpecError: the model is not of this kind, or a value breaks a rule of the spec.

    Warns:
        UserWarning: the model has what the spec has not, and what is left out.
    """
    for key, value in (("input_dim", input_dim), ("output_dim", output_dim)):
        whole: object = value  # what callers pass is not held to its type
        if value is not None and (isinstance(whole, bool) or not isinstance(whole, Integral)):
            raise refuse(key, f"must be a whole number; got {shown(value)}; change it")
    section = data.model_dump(exclude_unset=True) if isinstance(data, Data) else dict(data or {})
    name = library_class(model)
    if name in {"torch.Sequential", "keras.Sequential"}:
        found = sequential.read(model, loss, input_dim)
    elif name in {"sklearn.MLPRegressor", "sklearn.MLPClassifier"}:
        if optimizer is not None:
            raise refuse(
                "optimizer", f"must be absent: the solver says it; got {shown(optimizer)}; set solver"
            )
        samples = section.get("samples")
        # What is no number of samples is refused with the rest of the section.
        known = int(samples) if isinstance(samples, Integral) and int(samples) > 0 else None
        found = mlp.read(model, name, loss, samples=known, input_dim=input_dim, output_dim=output_dim)
    else:
        raise refuse(
            "",
            "must be a torch.nn.Sequential, keras.Sequential, MLPRegressor or MLPClassifier; got "
            f"{shown(model)}; {sequential.FIX}",
        )
    for key, given, own in (
        ("input_dim", input_dim, found.layers[0]),
        ("output_dim", output_dim, found.layers[-1]),
    ):
        if given is not None and given != own:
            raise refuse(key, f"must be that of the model, {own}; got {shown(given)}; leave it out")
    left_out = found.left_out
    if name == "keras.Sequential" and model.compiled and optimizer is None:
        left_out += ("the optimizer that the model is compiled with: pass optimizer=",)
    if left_out:
        warnings.warn(f"The spec leaves out {'; '.join(left_out)}.", stacklevel=2)
    return _spec(found, optimizer or found.optimizer, weight_bound, section)


def _spec(
    found: Found,
    optimizer: str | Mapping[str, Any] | None,
    weight_bound: float | Sequence[float] | str | None,
    data: Mapping[str, Any],
) -> Spec:
    boxed = weight_bound is not None and not (isinstance(weight_bound, str) and weight_bound == NO_BOX)
    single = len(found.layers) == 2 and found.keep_prob == 1 and not boxed
    network: dict[str, Any] = {
        "kind": "single_layer" if single else "multilayer",
        "layers": list(found.layers),
    }
    if found.units and set(found.units) != {SIGMOID}:
        network["activation"] = found.units[0] if len(set(found.units)) == 1 else list(found.units)
    if found.loss != SQUARED:
        network["loss"] = found.loss
    if found.bias:
        network["bias"] = True
    if weight_bound is not None:
        network["weight_bound"] = weight_bound
    elif not single and not all(size <= DEFAULT_WEIGHT_BOUND for size in found.largest):
        network["weight_bound"] = [max(size, DEFAULT_WEIGHT_BOUND) for size in found.largest]
    training: dict[str, Any] = {} if single else {"keep_prob": found.keep_prob}
    if optimizer is not None:
        training["optimizer"] = optimizer
    if found.batch_size is not None:
        training["batch_size"] = found.batch_size
    given: dict[str, Any] = {"network": network, "training": training, "data": dict(data)}
    if found.epochs is not None and (data.get("samples") is not None or data.get("file") is not None):
        given["budget"] = {"epochs": found.epochs}
    given = {key: value for key, value in given.items() if value}
    try:
        return Spec.model_validate(given)
    except ValidationError as error:
        # The tree only lends its paths to the messages: there is no text that a line could point into.
        root = build_tree(json.dumps(given, default=str)).root
        assert root is not None
        problems = validation_problems(error, root)
        raise_first([problem._replace(line=None, column=None) for problem in problems], FILE)
