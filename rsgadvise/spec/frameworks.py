"""A spec from a model that exists: a `Sequential` of torch or keras, or an MLP of scikit-learn.

Models are told by the names of their classes, so none of the libraries is imported here.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

from pydantic import ValidationError

from rsgadvise.errors import SpecError
from rsgadvise.records import dataclass
from rsgadvise.spec.load import validation_problems
from rsgadvise.spec.models import DEFAULT_WEIGHT_BOUND, NO_BOX, Data, Spec
from rsgadvise.spec.rules import shown
from rsgadvise.spec.yaml import build_tree, raise_first
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.units import SIGMOID, unit_names, unit_of

FILE = "<model>"


@dataclass(frozen=True, slots=True)
class Found:
    """What a model says of itself, as a spec has it.

    Attributes:
        units: of each hidden layer.
        largest: largest absolute weight of each layer, in the theory's scaling; none where they are unknown.
        batch_size, epochs: None where it says none; epochs are the most.
        left_out: what a spec has not, in words.
    """

    layers: tuple[int, ...]
    units: tuple[str, ...]
    loss: str
    bias: bool
    keep_prob: float = 1.0
    largest: tuple[float, ...] = ()
    optimizer: str | Mapping[str, Any] | None = None
    batch_size: Any = None
    epochs: Any = None
    left_out: tuple[str, ...] = ()


def refuse(key: str, message: str) -> SpecError:
    """What is raised where a model is not of the kind that a spec describes."""
    return SpecError(message, file=FILE, key=key)


_COMPUTES = {"torch": "forward", "keras": "call", "sklearn": "_forward_pass"}


def library_class(model: Any) -> str:
    """Library and class, of the model or of the first base that a library defines.

    "" where there is none, and for a class of somebody's own that computes something of its own.
    """
    for base in type(model).__mro__:
        library = base.__module__.partition(".")[0]
        if library in _COMPUTES:
            computes = _COMPUTES[library]
            if getattr(type(model), computes, None) is not getattr(base, computes, None):
                return ""
            return f"{library}.{base.__name__}"
    return ""


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
        found = _sequential(model, loss, input_dim)
    elif name in {"sklearn.MLPRegressor", "sklearn.MLPClassifier"}:
        if optimizer is not None:
            raise refuse(
                "optimizer", f"must be absent: the solver says it; got {shown(optimizer)}; set solver"
            )
        samples = section.get("samples")
        # What is no number of samples is refused with the rest of the section.
        known = int(samples) if isinstance(samples, Integral) and int(samples) > 0 else None
        found = _mlp(model, name, loss, samples=known, input_dim=input_dim, output_dim=output_dim)
    else:
        raise refuse(
            "",
            "must be a torch.nn.Sequential, keras.Sequential, MLPRegressor or MLPClassifier; got "
            f"{shown(model)}; {FIX}",
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


# A Sequential of torch or keras: one reading of both, in turn a layer and its units.

FIX = "recommend(model=...) and --model take any torch.nn.Module, and none of keras: write it in torch"

LOSSES = {
    "": ("cross_entropy", "binary_cross_entropy", "squared_linear"),
    "sigmoid": ("squared", "binary_cross_entropy"),
    "softmax": ("cross_entropy",),
}
"""By what follows the last layer."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing that a model does: `layer`, `units`, `dropout`, `flatten`, `nothing`, or `other`.

    Attributes:
        key: where. name: of its class, or as it is written.
        unit: of `units`: one of `network.activation`, or softmax.
        rate: of `dropout`.
        sizes: of `layer`: inputs and outputs; without inputs where they are not known yet.
        weights: of `layer`: the matrix and, if it has one, the bias; none where there are none yet.
        bias: whether there is one.
    """

    key: str
    kind: Literal["layer", "units", "dropout", "flatten", "nothing", "other"]
    name: str
    unit: str = ""
    rate: float = 0.0
    sizes: tuple[int | None, int] = (0, 0)
    weights: tuple[Any, ...] = ()
    bias: bool = False


def _sequential(model: Any, loss: str | None, input_dim: int | None) -> Found:
    """What it says of itself.

    Raises:
        SpecError: it is not of this kind.
    """
    torch = library_class(model) == "torch.Sequential"
    layer = "Linear" if torch else "Dense"
    layers: list[int] = []
    units: list[str] = []
    rates: list[float] = []
    parts: list[_Part] = []
    after, rate = "", 0.0  # the last part that counts, and the dropout since
    for part in _torch_parts(model, "model") if torch else _keras_parts(model, "model"):
        ended = units[-1:] == ["softmax"]
        if part.kind == "nothing" or (part.kind == "flatten" and not layers):
            continue
        if part.kind == "dropout" and after != "layer" and not (rate or ended):
            rate = part.rate
            continue
        if part.kind == "layer" and after != "layer" and not ended:
            layers += _sizes(part, layers, input_dim)
            rates.append(rate)
            parts.append(part)
            rate = 0.0
        elif part.kind == "units" and after == "layer":
            units.append(part.unit)
        else:
            wanted = "the end of the model" if ended else _wanted(after, rate, layer)
            raise refuse(part.key, f"must be {wanted}; got {shown(part.name)}; {FIX}")
        after = part.kind
    if not layers:
        raise refuse("model", f"must have a {layer}; got none; {FIX}")
    if rate:
        raise refuse("model", f"must drop no outputs; got Dropout({rate:g}) at the end; remove it")
    _check_alike(rates, parts, layer)
    outputs = units.pop() if after == "units" else ""
    if not torch:
        loss = _of_rows(model, outputs, loss)
    keep = 1 - rates[0]
    largest = [[float(abs(each).max()) for each in part.weights] for part in parts]
    return Found(
        tuple(layers),
        tuple(units),
        _end_loss(outputs, loss, layer),
        parts[0].bias,
        keep,
        # The bias, where there is one, comes second, and dropout does not scale it.
        tuple(max([sizes[0] / keep, *sizes[1:]]) for sizes in largest) if all(largest) else (),
        left_out=() if torch else tuple(_keras_left_out(model)),
    )


def _sizes(part: _Part, layers: list[int], input_dim: int | None) -> list[int]:
    """What a layer adds to the layers before it."""
    before, after = part.sizes
    if before is None:
        before = layers[-1] if layers else input_dim
    if before is None:
        raise refuse(
            "input_dim",
            "must be given for a model that is not built; got nothing; pass input_dim=, or build it",
        )
    if min(before, after) < 1:
        got = f"{part.name}({before}, {after})"
        raise refuse(part.key, f"must have inputs and outputs; got {got}; change it")
    if layers and layers[-1] != before:
        rule = f"must take the {layers[-1]} outputs of the layer before it"
        raise refuse(part.key, f"{rule}; got {before} inputs; change it")
    return [after] if layers else [before, after]


def _wanted(after: str, rate: float, layer: str) -> str:
    if after == "layer":
        names = ", ".join(sorted(_torch_units() if layer == "Linear" else _keras_units()))
        return f"the end, or units after a {layer} as a spec has them ({names})"
    return f"a {layer}" if rate else f"a {layer}, or Dropout before one"


def _check_alike(rates: list[float], parts: list[_Part], layer: str) -> None:
    if len(set(rates)) > 1:
        listed = ", ".join(f"{value:g}" for value in rates)
        rule = f"must drop units at one rate before every {layer}, as the theory does"
        raise refuse("model", f"{rule}; got p = {listed}; use the same Dropout before each, or none; {FIX}")
    if rates[0] >= 1:
        raise refuse("model", f"must keep some units; got Dropout({rates[0]:g}); lower it")
    if len({part.bias for part in parts}) > 1:
        got = ", ".join("with" if part.bias else "without" for part in parts)
        raise refuse("model", f"must have biases in every {layer} or in none; got {got}; {FIX}")


def _end_loss(outputs: str, loss: str | None, layer: str) -> str:
    if outputs not in LOSSES:
        raise refuse(
            "model", f"must end with a {layer}, or sigmoid or softmax after it; got {shown(outputs)}; {FIX}"
        )
    known = LOSSES[outputs]
    if loss is None and outputs:
        return known[0]
    if loss not in known:
        what = f"that go with {outputs} outputs" if outputs else f"that go with a {layer} at the end"
        got = "nothing" if loss is None else shown(loss)
        raise refuse(
            "loss", f"must be one of those {what}, {', '.join(known)}; got {got}; pass loss={known[0]!r}"
        )
    return loss or known[0]


def _torch_units() -> dict[str, str]:
    return {
        unit_of(name).torch_module.removeprefix("nn."): name
        for name in unit_names()
        if not unit_of(name).rounds
    }


def _torch_parts(model: Any, key: str) -> Iterator[_Part]:
    """Modules in order with their places; a Sequential inside another is its modules."""
    units = _torch_units()
    for place, module in enumerate(model):
        where, own = f"{key}[{place}]", type(module).__name__
        name = library_class(module).removeprefix("torch.")
        if name == "Sequential":
            yield from _torch_parts(module, where)
        elif name == "Linear":
            weights = tuple(w.detach() for w in (module.weight, module.bias) if w is not None)
            frozen = not all(parameter.requires_grad for parameter in module.parameters())
            yield _Part(
                where,
                "other" if frozen else "layer",
                f"frozen {own}" if frozen else own,
                sizes=(int(module.in_features), int(module.out_features)),
                weights=weights if weights[0].numel() else (),
                bias=len(weights) > 1,
            )
        elif name == "Dropout":
            yield _Part(where, "dropout", own, rate=float(module.p))
        elif name in {"Softmax", "LogSoftmax"} and module.dim in {1, -1, None}:
            yield _Part(where, "units", own, unit="softmax")
        elif name in {"Flatten", "Identity"}:
            yield _Part(where, "flatten" if name == "Flatten" else "nothing", own)
        elif name in units and _settings(module) == _settings(_library_base(module)()):
            yield _Part(where, "units", own, unit=units[name])
        else:
            yield _Part(where, "other", str(module) if name in units else own)


def _settings(module: Any) -> dict[str, Any]:
    """What its units are made with; `inplace` changes no number."""
    return {
        key: value
        for key, value in vars(module).items()
        if key not in {"training", "inplace"} and not key.startswith("_")
    }


def _library_base(module: Any) -> Any:
    return next(base for base in type(module).__mro__ if base.__module__.startswith("torch."))


def _keras_units() -> dict[str, str]:
    """By names of functions of keras, or code of a layer."""
    return {unit_of(name).keras: name for name in unit_names() if not unit_of(name).rounds}


def _keras_parts(model: Any, key: str) -> Iterator[_Part]:
    for place, layer in enumerate(model.layers):
        where, own = f"{key}.layers[{place}]", type(layer).__name__
        name = library_class(layer).removeprefix("keras.")
        if name == "Sequential":
            yield from _keras_parts(layer, where)
        elif name == "Dense":
            weights = tuple(layer.get_weights()) if layer.built else ()
            before = int(weights[0].shape[0]) if weights else None
            yield _Part(
                where,
                "layer" if layer.trainable else "other",
                own if layer.trainable else f"frozen {own}",
                sizes=(before, int(layer.units)),
                weights=weights,
                bias=bool(layer.use_bias),
            )
            yield _keras_activation(layer.activation, f"{where}.activation")
        elif name == "Dropout" and layer.noise_shape is None:
            yield _Part(where, "dropout", own, rate=float(layer.rate))
        elif name in {"Flatten", "InputLayer"}:
            yield _Part(where, "flatten" if name == "Flatten" else "nothing", own)
        elif name == "Identity":
            yield _Part(where, "nothing", own)
        else:
            yield _keras_activation(layer, where)


def _keras_activation(given: Any, key: str) -> _Part:
    """A function or a layer, as units."""
    name = library_class(given).removeprefix("keras.")
    if name == "Activation":
        given, name = given.activation, ""
    own = type(given).__name__ if name else getattr(given, "__name__", type(given).__name__)
    word = own
    if name == "LeakyReLU":
        word = f"keras.layers.LeakyReLU({float(given.negative_slope):g})"
    elif name == "ReLU" and (given.negative_slope, given.max_value, given.threshold) == (0, None, 0):
        word = "relu"
    elif name == "Softmax" and given.axis in {1, -1}:
        word = "softmax"
    elif name or not str(getattr(given, "__module__", "")).startswith("keras."):
        return _Part(key, "other", own)
    if word == "linear":
        return _Part(key, "nothing", own)
    if word in {"softmax", "log_softmax"}:
        return _Part(key, "units", own, unit="softmax")
    unit = _keras_units().get(word)
    return _Part(key, "units" if unit else "other", own, unit=unit or "")


_COMPILED = {
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "mean_squared_error": "squared_linear",
    "mse": "squared_linear",
}


def _of_rows(model: Any, outputs: str, loss: str | None) -> str | None:
    """The loss that is told, or that a model of keras was compiled with; None where it was not."""
    if model.built and len(model.output_shape) != 2:
        rule = "must have one row of outputs for a row of inputs"
        raise refuse("model", f"{rule}; got shape {model.output_shape}; put Flatten before the first Dense")
    if loss is not None or not model.compiled:
        return loss
    name = getattr(model.loss, "name", model.loss)
    if not isinstance(name, str) or name not in _COMPILED:
        raise refuse(
            "loss",
            f"must be given where a model is compiled with another; got {shown(model.loss)}; pass loss=, or "
            "change it",
        )
    return "squared" if _COMPILED[name] == "squared_linear" and outputs == "sigmoid" else _COMPILED[name]


def _keras_left_out(model: Any, prefix: str = "model") -> Iterator[str]:
    """What else a model of keras trains with."""
    for place, layer in enumerate(model.layers):
        if library_class(layer) == "keras.Sequential":
            yield from _keras_left_out(layer, f"{prefix}.layers[{place}]")
        for key in ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint"):
            if getattr(layer, key, None) is not None:
                yield f"{prefix}.layers[{place}].{key}"


# An MLPRegressor or MLPClassifier of scikit-learn.

_EPS = 1e-8  # what is too small to matter, and everybody's own
_MOST_ROWS = 200  # of a batch, where its size is "auto"


def _mlp(
    model: Any,
    name: str,
    loss: str | None,
    *,
    samples: int | None,
    input_dim: int | None,
    output_dim: int | None,
) -> Found:
    """What it says of itself, to be fitted on so many samples.

    Raises:
        SpecError: a spec has no such network or solver, or shapes are not known.
    """
    layers, largest = _mlp_layers(model, name, input_dim, output_dim)
    return Found(
        layers,
        (_mlp_unit(model, hidden=len(layers) > 2),) * (len(layers) - 2),
        _mlp_loss(model, name, layers[-1], loss),
        bias=True,
        largest=largest,
        optimizer=_mlp_optimizer(model),
        batch_size=_mlp_batch_size(model.batch_size, samples),
        epochs=model.max_iter,
        left_out=tuple(_mlp_left_out(model)),
    )


def _mlp_batch_size(given: Any, samples: int | None) -> Any:
    """Rows of a step; None where that depends on samples whose number is not known."""
    if given == "auto":
        return None if samples is None else min(_MOST_ROWS, samples)
    return min(given, samples) if isinstance(given, Integral) and samples is not None else given


def _mlp_layers(
    model: Any, name: str, input_dim: int | None, output_dim: int | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    coefs = getattr(model, "coefs_", None)
    if coefs is not None:
        shapes = [matrix.shape for matrix in coefs]
        largest = tuple(
            max(float(abs(matrix).max()), float(abs(bias).max()))
            for matrix, bias in zip(coefs, model.intercepts_, strict=True)
        )
        return (int(shapes[0][0]), *(int(shape[1]) for shape in shapes)), largest
    for key, value in (("input_dim", input_dim), ("output_dim", output_dim)):
        if value is None:
            raise refuse(
                key,
                f"must be given for an {name.removeprefix('sklearn.')} that is not fitted; got nothing; pass "
                f"{key}=, or fit it",
            )
    sizes = model.hidden_layer_sizes
    hidden = tuple(sizes) if hasattr(sizes, "__iter__") else (sizes,)
    return (input_dim or 0, *hidden, output_dim or 0), ()


def _mlp_unit(model: Any, *, hidden: bool) -> str:
    known = {unit_of(unit).sklearn: unit for unit in unit_names() if unit_of(unit).sklearn}
    if hidden and model.activation not in tuple(known):
        words = ", ".join(map(repr, known))
        why = (
            "use hidden_layer_sizes=(), the same functions" if model.activation == "identity" else "change it"
        )
        raise refuse("activation", f"must be one of {words}; got {shown(model.activation)}; {why}")
    return known[model.activation] if hidden else ""


def _mlp_loss(model: Any, name: str, outputs: int, loss: str | None) -> str:
    if name == "sklearn.MLPRegressor":
        if getattr(model, "loss", "squared_error") != "squared_error":
            raise refuse("loss", f"must be 'squared_error'; got {shown(model.loss)}; change it")
        own = "squared_linear"
    elif getattr(model, "out_activation_", None) is not None:
        own = "cross_entropy" if model.out_activation_ == "softmax" else "binary_cross_entropy"
    elif outputs == 2 and loss is None:
        raise refuse(
            "output_dim",
            "must be 1, the output that scikit-learn has for two classes; got 2; change it, or pass "
            'loss="binary_cross_entropy" if rows have two labels each',
        )
    elif outputs > 1 and loss == "binary_cross_entropy":  # labels of a row that do not exclude each other
        own = loss
    else:
        own = "binary_cross_entropy" if outputs <= 2 else "cross_entropy"
    if loss not in (None, own):
        raise refuse("loss", f"must be that of the model, {own}; got {shown(loss)}; leave it out")
    return own


def _mlp_optimizer(model: Any) -> str | dict[str, Any]:
    if model.solver == "adam":
        return {"name": "adam", "betas": [model.beta_1, model.beta_2], "eps": model.epsilon}
    if model.solver != "sgd":
        why = ", which has no stepsize to advise" if model.solver == "lbfgs" else ""
        raise refuse(
            "solver",
            f"must be 'adam' or 'sgd'; got {shown(model.solver)}{why}; set solver='adam', its default",
        )
    if model.momentum == 0:
        return "sgd"
    return {"name": "nesterov" if model.nesterovs_momentum else "momentum", "beta": model.momentum}


def _mlp_left_out(model: Any) -> list[str]:
    left: list[str] = []
    if model.alpha:
        left.append(
            f"alpha={shown(model.alpha)}, by which weights but not biases decay, over the rows of a batch: "
            "the weight_decay of an optimizer is another"
        )
    if model.solver == "sgd" and model.learning_rate != "constant":
        left.append(f"learning_rate={model.learning_rate!r}: the advice has a schedule of its own")
    if model.solver == "adam" and model.epsilon != _EPS:
        left.append("that epsilon is added before the means of Adam are corrected")
    if model.early_stopping:
        left.append("early_stopping=True: the advice says how long to train")
    return left
