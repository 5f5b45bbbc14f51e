"""An MLPRegressor or MLPClassifier of scikit-learn."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from rsgadvise.spec.rules import shown
from rsgadvise.spec.stock import Found, refuse
from rsgadvise.theory.units import unit_names, unit_of

_EPS = 1e-8  # what is too small to matter, and everybody's own


_MOST_ROWS = 200  # of a batch, where its size is "auto"


def read(
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
    layers, largest = _layers(model, name, input_dim, output_dim)
    return Found(
        layers,
        (_unit(model, hidden=len(layers) > 2),) * (len(layers) - 2),
        _loss(model, name, layers[-1], loss),
        bias=True,
        largest=largest,
        optimizer=_optimizer(model),
        batch_size=_batch_size(model.batch_size, samples),
        epochs=model.max_iter,
        left_out=tuple(_left_out(model)),
    )


def _batch_size(given: Any, samples: int | None) -> Any:
    """Rows of a step; None where that depends on samples whose number is not known."""
    if given == "auto":
        return None if samples is None else min(_MOST_ROWS, samples)
    return min(given, samples) if isinstance(given, Integral) and samples is not None else given


def _layers(
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


def _unit(model: Any, *, hidden: bool) -> str:
    known = {unit_of(unit).sklearn: unit for unit in unit_names() if unit_of(unit).sklearn}
    if hidden and model.activation not in tuple(known):
        words = ", ".join(map(repr, known))
        why = (
            "use hidden_layer_sizes=(), the same functions" if model.activation == "identity" else "change it"
        )
        raise refuse("activation", f"must be one of {words}; got {shown(model.activation)}; {why}")
    return known[model.activation] if hidden else ""


def _loss(model: Any, name: str, outputs: int, loss: str | None) -> str:
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


def _optimizer(model: Any) -> str | dict[str, Any]:
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


def _left_out(model: Any) -> list[str]:
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
