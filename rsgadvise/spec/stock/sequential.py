"""A Sequential of torch or keras: one reading of both, in turn a layer and its units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rsgadvise.records import dataclass
from rsgadvise.spec.rules import shown
from rsgadvise.spec.stock import Found, library_class, refuse
from rsgadvise.theory.units import unit_names, unit_of

FIX = "recommend(model=...) and --model take any torch.nn.Module"

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


def read(model: Any, loss: str | None, input_dim: int | None) -> Found:
    """What it says of itself.

    Raises:
        SpecError: it is not of this kind.
    """
    torch = library_class(model) == "torch.Sequential"
    layer = "Linear" if torch else "Dense"
    layers: list[int] = []
    units: list[str] = []
    rates: list[float] = []
    found: list[_Part] = []
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
            found.append(part)
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
    _check_alike(rates, found, layer)
    outputs = units.pop() if after == "units" else ""
    if not torch:
        loss = _of_rows(model, outputs, loss)
    keep = 1 - rates[0]
    largest = [[float(abs(each).max()) for each in part.weights] for part in found]
    return Found(
        tuple(layers),
        tuple(units),
        _loss(outputs, loss, layer),
        found[0].bias,
        keep,
        # The bias, where there is one, comes second, and dropout does not scale it.
        tuple(max([sizes[0] / keep, *sizes[1:]]) for sizes in largest) if all(largest) else (),
        left_out=() if torch else tuple(_left_out(model)),
    )


def _sizes(part: _Part, layers: list[int], input_dim: int | None) -> list[int]:
    """What a layer adds to the layers before it."""
    before, after = part.sizes
    if before is None:
        before = layers[-1] if layers else _told(input_dim)
    if min(before, after) < 1:
        got = f"{part.name}({before}, {after})"
        raise refuse(part.key, f"must have inputs and outputs; got {got}; change it")
    if layers and layers[-1] != before:
        rule = f"must take the {layers[-1]} outputs of the layer before it"
        raise refuse(part.key, f"{rule}; got {before} inputs; change it")
    return [after] if layers else [before, after]


def _told(input_dim: int | None) -> int:
    if input_dim is None:
        raise refuse(
            "input_dim",
            "must be given for a model that is not built; got nothing; pass input_dim=, or build it",
        )
    return input_dim


def _wanted(after: str, rate: float, layer: str) -> str:
    if after == "layer":
        names = ", ".join(sorted(_torch_units() if layer == "Linear" else _keras_units()))
        return f"the end, or units after a {layer} as a spec has them ({names})"
    return f"a {layer}" if rate else f"a {layer}, or Dropout before one"


def _check_alike(rates: list[float], found: list[_Part], layer: str) -> None:
    if len(set(rates)) > 1:
        listed = ", ".join(f"{value:g}" for value in rates)
        rule = f"must drop units at one rate before every {layer}, as the theory does"
        raise refuse("model", f"{rule}; got p = {listed}; use the same Dropout before each, or none; {FIX}")
    if rates[0] >= 1:
        raise refuse("model", f"must keep some units; got Dropout({rates[0]:g}); lower it")
    if len({part.bias for part in found}) > 1:
        got = ", ".join("with" if part.bias else "without" for part in found)
        raise refuse("model", f"must have biases in every {layer} or in none; got {got}; {FIX}")


def _loss(outputs: str, loss: str | None, layer: str) -> str:
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
    return {unit_of(name).torch_module.removeprefix("nn."): name for name in unit_names()}


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
            frozen = not all(each.requires_grad for each in module.parameters())
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
    return {unit_of(name).keras: name for name in unit_names()}


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


def _left_out(model: Any, prefix: str = "model") -> Iterator[str]:
    """What else a model of keras trains with."""
    for place, layer in enumerate(model.layers):
        if library_class(layer) == "keras.Sequential":
            yield from _left_out(layer, f"{prefix}.layers[{place}]")
        for key in ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint"):
            if getattr(layer, key, None) is not None:
                yield f"{prefix}.layers[{place}].{key}"
