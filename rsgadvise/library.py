"""The advisor as a function: a spec and arrays in, the result that the command line shows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rsgadvise.data.arrays import refuse_gaps
from rsgadvise.errors import DataError, UsageError
from rsgadvise.pilot import AUTO, Asked, Effort

if TYPE_CHECKING:
    from rsgadvise.advise.model_results import ModelAdvice
    from rsgadvise.advise.results import Advice
    from rsgadvise.estimators import Estimator, EstimatorAdvice
    from rsgadvise.spec import LoadedSpec, Spec
    from rsgadvise.training.networks import Data

ESTIMATORS = "sklearn.MLPClassifier", "sklearn.MLPRegressor"


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
    model: Estimator,
    data: tuple[Any, Any],
    batch_size: int | str | None = None,
    epochs: float | None = None,
    pilot: float | None = None,
    work: float | None = None,
    seed: int = 0,
) -> EstimatorAdvice: ...


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
) -> Advice | ModelAdvice | EstimatorAdvice:
    """What to train with, and ranked hyper-parameters, as `rsgadvise recommend` finds them.

    Of a spec, of any torch.nn.Module as `model`, of which a copy is trained in short runs, or of an
    MLPClassifier or MLPRegressor of scikit-learn, for which its own arguments come back.

    Args:
        spec: a `Spec`, a mapping of the same shape as the YAML, or the path of a YAML file.
        data: (x, y), or x alone for an autoencoder; arrays of one row per example, x in [0, 1] unless
            data.scaling of the spec is minmax, robust, standard or logarithms, y in [0, 1] or labels, whole
            numbers or words, which become one output for each class; 0 and 1 may also be the values of a
            single output. Their moments count instead of those in the spec. Without them a `data.file` in the
            spec is left aside.
        constants: auto, paper, certified, typical, or calibrated: measured on the data. auto measures and
            races on the data, and without data is typical for what to train with.
        pilot: at most so many trainings that short runs may cost, 0.1 to 100; 0 for none; None leaves it to
            auto.
        work: multiply-adds that auto may spend on training; by default some ten seconds on one core.
        seed: of all randomness, at least 0.
        top: ranks to return, at least 1.
        threads: for large networks; changes no number.
        model: a torch module in place of a spec; `data` are then (inputs, targets) as it takes them, of which
            rows are drawn, a Dataset or a DataLoader. Or an MLPClassifier or MLPRegressor, with (x, y) as its
            `fit` takes them; inputs beyond [0, 1] are standardised, and the targets of a regressor.
        loss: of a model: cross_entropy, binary_cross_entropy of outputs before their sigmoid, squared, or a
            function of (outputs, targets), a mean over the rows.
        optimizer: of a model: sgd, momentum, nesterov, adam (without it), adamw, one of them with settings,
            such as {"name": "momentum", "beta": 0.95}, or a function of (parameters, lr). A spec names its
            own, in training.optimizer.
        batch_size: of a model: rows of a mini-batch, or auto; that of the DataLoader, or 32, unless told; of
            an MLP its own unless told.
        epochs: of a model: passes over the rows, 10 unless told, or the max_iter of an MLP.

    Returns:
        The advice; raced a `rsgadvise.pilot.results.PilotAdvice`, of a model a `ModelAdvice` of
        `rsgadvise.pilot.torch_model.advice`, of an MLP a `rsgadvise.estimators.EstimatorAdvice`, whose
        `estimator` can be fitted. It prints as on the command line.

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
        from rsgadvise.spec.frameworks import library_class

        if (name := library_class(model)) in ESTIMATORS:
            from rsgadvise.estimators import advise_estimator

            if optimizer is not None or loss != "cross_entropy":
                rule = f"an {name.partition('.')[2]} has a loss and a solver of its own"
                got = f"optimizer {optimizer!r}" if optimizer is not None else f"loss {loss!r}"
                raise UsageError(f"{rule}; got {got}; leave it out")
            own = Effort(AUTO, pilot, work, seed, single=True)
            own.check()
            return advise_estimator(model, name, data, own, batch_size=batch_size, epochs=epochs)
        size = _size(batch_size, data)
        return _of_model(
            model, data, loss, optimizer or "adam", size, epochs=epochs, pilot=pilot, work=work, seed=seed
        )
    if spec is None:
        raise UsageError(
            'recommend takes a spec, or model=...; got neither; pass one, such as {"network": {"kind": '
            '"multilayer", "layers": [8, 32, 3]}} for 8 inputs and 3 classes'
        )
    if optimizer is not None:
        raise UsageError(
            f"optimizer goes with model=...; got {optimizer!r} beside a spec, which names its own; write "
            "training.optimizer"
        )
    from rsgadvise.data.scaling import KINDS
    from rsgadvise.pilot.advising import advise
    from rsgadvise.spec import Spec
    from rsgadvise.training.generated import measured_of

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
        advice = advise(found, rows, effort, top=top, measured=measured, threads=threads)
    scaling = KINDS.get(found.data.scaling)
    if rows is None or scaling is None or advice.train is None:
        return advice
    return replace(advice, train=replace(advice.train, scaling=scaling))


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
    if not isinstance(spec, str | Path):
        raise UsageError(
            f"a spec must be a Spec, a mapping or the path of a file; got {type(spec).__name__}; rows go "
            "into data=(x, y), beside a spec"
        )
    return load_spec(spec, overrides=overrides)


def _plain(value: Any) -> Any:
    """Numbers and sequences of numpy as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else list(value)


def rows_of(spec: Spec, data: Any) -> Data:
    """Arrays as rows that fit the network of a spec.

    Raises:
        DataError: they do not.
    """
    from rsgadvise.data.arrays import labels_or_numbers, numbers
    from rsgadvise.data.scaling import KINDS, scaled
    from rsgadvise.data.targets import encode_targets
    from rsgadvise.training.networks import Data, beyond_one

    network = spec.network
    pair = data if isinstance(data, tuple) else (data, None)
    if not pair:
        raise DataError("data must be (x, y), or x alone for an autoencoder; got (); pass the arrays")
    inputs = numbers(pair[0], "x").astype(np.float64, copy=False)
    kind = KINDS.get(spec.data.scaling)
    _check(inputs, "x", network.layers[0], scaled=kind is not None)
    if kind is not None:
        inputs = scaled(inputs, kind)
    if network.tied:
        return Data(inputs, inputs)
    if len(pair) != 2 or pair[1] is None:
        got = "x alone" if len(pair) < 3 else f"{len(pair)} values"
        raise DataError(f"data must be (x, y) for this network; got {got}; pass x and its targets")
    given = labels_or_numbers(pair[1])
    if given.dtype.kind in "iubU" and given.ndim == 1:
        found, encoding = encode_targets(given, name="y", one_output=network.layers[-1] == 1)
        targets = found if encoding.classes is not None else given[:, None].astype(np.float64)
    else:
        targets = given[:, None] if given.ndim == 1 else given
        targets = targets.astype(np.float64)
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
    return Data(inputs, targets, lambda outputs: outputs)


def _check(values: np.ndarray[Any, Any], name: str, width: int, *, scaled: bool = False) -> None:
    """Refuse other shapes, gaps, and values beyond [0, 1] where nothing scales them."""
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != width:
        raise DataError(
            f"{name} must have one or more rows of {width} values, as network.layers says; got shape "
            f"{values.shape}; change one of the two"
        )
    refuse_gaps(values, name)
    low, high = float(values.min()), float(values.max())
    if not scaled and not (low >= 0 and high <= 1):
        also = ", or write scaling: minmax under data" if name == "x" else ""
        raise DataError(
            f"{name} must lie in [0, 1]; got {low:g} to {high:g}; scale it, such as column by column from "
            f"its smallest to its largest value{also}"
        )
