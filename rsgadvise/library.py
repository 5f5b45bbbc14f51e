"""The advisor as a function: a spec and arrays in, the result that the command line shows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rsgadvise.errors import DataError, UsageError
from rsgadvise.pilot import AUTO, Asked, Effort

if TYPE_CHECKING:
    from rsgadvise.advise.model_results import ModelAdvice
    from rsgadvise.advise.results import Advice
    from rsgadvise.spec import LoadedSpec, Spec
    from rsgadvise.training.networks import Data


@overload
def recommend(
    spec: Spec | Mapping[str, Any] | str | Path,
    *,
    data: tuple[Any, Any] | Any | None = None,
    constants: Asked = AUTO,
    pilot: float | None = None,
    work: float | None = None,
    seed: int = 0,
    top: int = 5,
    threads: int = 1,
) -> Advice: ...


@overload
def recommend(
    *,
    model: Any,
    data: tuple[Any, Any] | Any,
    loss: str | Callable[[Any, Any], Any] = "cross_entropy",
    optimizer: str | Mapping[str, Any] | Callable[..., Any] | None = None,
    batch_size: int | str | None = None,
    epochs: float | None = None,
    pilot: float | None = None,
    work: float | None = None,
    seed: int = 0,
) -> ModelAdvice: ...


def recommend(
    spec: Spec | Mapping[str, Any] | str | Path | None = None,
    *,
    model: Any = None,
    data: tuple[Any, Any] | Any | None = None,
    loss: str | Callable[[Any, Any], Any] = "cross_entropy",
    optimizer: str | Mapping[str, Any] | Callable[..., Any] | None = None,
    batch_size: int | str | None = None,
    epochs: float | None = None,
    constants: Asked = AUTO,
    pilot: float | None = None,
    work: float | None = None,
    seed: int = 0,
    top: int = 5,
    threads: int = 1,
) -> Advice | ModelAdvice:
    """What to train with, and ranked hyper-parameters, as `rsgadvise recommend` finds them.

    Of a spec, or of any torch.nn.Module as `model`, of which a copy is trained in short runs.

    Args:
        spec: a `Spec`, a mapping of the same shape as the YAML, or the path of a YAML file.
        data: (x, y), or x alone for an autoencoder; arrays of one row per example, x in [0, 1], y in [0, 1]
            or integer labels, which become one output for each class; 0 and 1 may also be the values of a
            single output. Their moments count instead of those in the spec. Without them a `data.file`
            in the spec is left aside.
        constants: auto, paper, certified, typical, or calibrated: measured on the data. auto measures and
            races on the data, and without data is typical for what to train with.
        pilot: at most so many trainings that short runs may cost, 0.1 to 100; 0 for none; None leaves it to
            auto.
        work: multiply-adds that auto may spend on training; by default some ten seconds on one core.
        seed: of all randomness, at least 0.
        top: ranks to return, at least 1.
        threads: for large networks; changes no number.
        model: a torch module in place of a spec; `data` are then (inputs, targets) as it takes them, of which
            rows are drawn, or a DataLoader.
        loss: of a model: cross_entropy, binary_cross_entropy of outputs before their sigmoid, squared, or a
            function of (outputs, targets), a mean over the rows.
        optimizer: of a model: sgd, momentum, nesterov, adam (without it), adamw, one of them with settings,
            such as {"name": "momentum", "beta": 0.95}, or a function of (parameters, lr). A spec names its
            own, in training.optimizer.
        batch_size: of a model: rows of a mini-batch, or auto; that of the DataLoader, or 32, unless told.
        epochs: of a model: passes over the rows, 10 unless told.

    Returns:
        The advice; raced a `rsgadvise.pilot.results.PilotAdvice`, and of a model a `ModelAdvice` of
        `rsgadvise.pilot.torch_model.advice`. It prints as on the command line.

    Raises:
        SpecError: the spec breaks a rule. DataError: the arrays do not fit it. UsageError: data are needed,
            or another argument is out of range.
        HypothesisError: a value lies outside a theorem's range.

    Example:
        >>> network = {"kind": "single_layer", "layers": [784, 10]}
        >>> spec = {"network": network, "data": {"mean": 0.1307, "samples": 60000}}
        >>> advice = recommend(spec, constants="paper")
        >>> advice.recommendations[0].batch_size, advice.train.batch_size
        (16, 16)
    """
    if model is not None:
        if spec is not None:
            raise UsageError("recommend takes a spec or a model; got both; leave one out")
        size = _size(batch_size, data)
        return _of_model(
            model, data, loss, optimizer or "adam", size, epochs=epochs, pilot=pilot, work=work, seed=seed
        )
    if spec is None:
        raise UsageError("recommend takes a spec, or model=...; got neither; pass one")
    if optimizer is not None:
        raise UsageError(
            f"optimizer goes with model=...; got {optimizer!r} beside a spec, which names its own; write "
            "training.optimizer"
        )
    from rsgadvise.pilot.advising import advise
    from rsgadvise.spec import Spec

    effort = Effort(constants, pilot, work, seed)
    effort.check()
    if top < 1:
        raise UsageError(f"top must be at least 1; got {top}; raise it")
    found = spec if isinstance(spec, Spec) else loaded_spec(spec, data).spec
    rows = measured = None
    if data is not None:
        rows = rows_of(found, data)
        measured = measured_of(rows)
    with np.errstate(all="ignore"):  # what overflows at absurd values is reported in the result
        return advise(found, rows, effort, top=top, measured=measured, threads=threads)


def _size(batch_size: int | str | None, data: Any) -> int | None:
    """Rows of a mini-batch of a model; None for `auto`."""
    if batch_size == "auto":
        return None
    if isinstance(batch_size, str):
        raise UsageError(f"batch_size must be a whole number above 0, or auto; got {batch_size!r}; change it")
    own = getattr(data, "batch_size", None)
    return batch_size or own or 32


def _of_model(
    model: Any,
    data: Any,
    loss: str | Callable[[Any, Any], Any],
    optimizer: str | Mapping[str, Any] | Callable[..., Any],
    batch_size: int | None,
    *,
    epochs: float | None,
    pilot: float | None,
    work: float | None,
    seed: int,
) -> ModelAdvice:
    from rsgadvise.data.stream import optional

    optional("torch", "recommend(model=...)", "a model needs torch", extra="torch")
    from rsgadvise.pilot.torch_model.advice import EPOCHS, Wanted, advise_model, check_wanted
    from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
    from rsgadvise.pilot.torch_model.wrapped import collected, loss_named

    wanted = Wanted(batch_size, EPOCHS if epochs is None else epochs, pilot, work, seed)
    check_wanted(wanted)
    return advise_model(
        model,
        collected(data),
        loss=loss_named(loss),
        optimizer=torch_optimizer(optimizer),
        wanted=wanted,
    )


def loaded_spec(spec: Spec | Mapping[str, Any] | str | Path, data: Any) -> LoadedSpec:
    """A spec by its own rules, whatever it was given as; with as many samples as `data` have rows."""
    from rsgadvise.spec import Spec, load_spec, parse_spec

    # The rows are counted before the rules are checked, since a budget in epochs needs their number.
    first = data[0] if isinstance(data, tuple) and data else data
    rows = len(first) if hasattr(first, "__len__") else 0
    overrides = (f"data.samples={rows}",) if rows else ()
    if isinstance(spec, Spec):
        return parse_spec(spec.model_dump_json(exclude_unset=True), file="<spec>", overrides=overrides)
    if isinstance(spec, Mapping):
        import json

        # A mapping is checked by the very rules, and refused in the very words, of a file.
        return parse_spec(json.dumps(spec, default=_plain), file="<spec>", overrides=overrides)
    return load_spec(spec, overrides=overrides)


def _plain(value: Any) -> Any:
    """Numbers and sequences of numpy as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else list(value)


def measured_of(rows: Data) -> Mapping[str, float | int | None]:
    """The statistics of rows by spec key."""
    from rsgadvise.training.generated import moments_of

    moments = moments_of(rows)
    return {
        "mean": moments.mean,
        "mean_square": moments.mean_square,
        "second_moment": moments.second_moment,
        "top_eigenvalue": moments.top_eigenvalue,
        "samples": rows.rows,
    }


def rows_of(spec: Spec, data: Any) -> Data:
    """Arrays as rows that fit the network of a spec.

    Raises:
        DataError: they do not.
    """
    from rsgadvise.data.targets import encode_targets
    from rsgadvise.training.networks import Data, beyond_one

    network = spec.network
    pair = data if isinstance(data, tuple) else (data, None)
    if not pair:
        raise DataError("data must be (x, y), or x alone for an autoencoder; got (); pass the arrays")
    inputs = _numbers(pair[0], "x").astype(np.float64, copy=False)
    _check(inputs, "x", network.layers[0])
    if network.tied:
        return Data(inputs, inputs)
    if len(pair) != 2 or pair[1] is None:
        got = "x alone" if len(pair) < 3 else f"{len(pair)} values"
        raise DataError(f"data must be (x, y) for this network; got {got}; pass x and its targets")
    given = _numbers(pair[1], "y")
    targets = given.astype(np.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if given.dtype.kind in "iub" and given.ndim == 1:
        found, encoding = encode_targets(given, name="y", one_output=network.layers[-1] == 1)
        targets = found if encoding.classes is not None else targets
    _check(targets, "y", network.layers[-1])
    if len(inputs) != len(targets):
        raise DataError(
            f"x and y must have as many rows as each other; got {len(inputs)} and {len(targets)}; "
            "leave out what has no partner"
        )
    if network.head.classes and (row := beyond_one(targets)) is not None:
        raise DataError(
            f"y must have rows that sum to 1 at most for network.loss: {network.loss}; got "
            f"{targets[row].sum():.6g} in row {row} (counted from 0); pass labels, or write loss: squared"
        )
    return Data(inputs, targets)


def _numbers(values: Any, name: str) -> np.ndarray[Any, Any]:
    """An array of real numbers."""
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "iubf":
            found = found.astype(np.float64, casting="unsafe" if found.dtype.kind != "c" else "safe")
    except (TypeError, ValueError):
        raise DataError(
            f"{name} must be an array of numbers, one row per example; got {type(values).__name__} with "
            "other values or rows of different lengths; convert it"
        ) from None
    return found


def _check(values: np.ndarray[Any, Any], name: str, width: int) -> None:
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != width:
        raise DataError(
            f"{name} must have one or more rows of {width} values, as network.layers says; got shape "
            f"{values.shape}; change one of the two"
        )
    gaps = int(np.isnan(values).sum())
    if gaps:
        raise DataError(f"{name} must have no gaps; got {gaps:,} NaN; fill them, or leave their rows out")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"{name} must lie in [0, 1]; got {low:g} to {high:g}; scale it, such as column by column from "
            "its smallest to its largest value"
        )
