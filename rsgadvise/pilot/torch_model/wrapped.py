"""A torch module with its loss and its rows, of which gradients and curvature can be asked."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from rsgadvise.errors import DataError, UsageError, brief
from rsgadvise.records import dataclass

Tensors = list[Any]
LossFunction = Callable[[Any, Any], Any]
Decode = Callable[[Any], Any]

_MEDIAN = 1 << 13  # rows that tell the commonest answer, or the median
_EVALUATED = 1024  # rows of one forward pass that only looks


@dataclass(frozen=True, slots=True)
class Loss:
    """What is minimised, a mean over the rows of a batch.

    Attributes:
        name: cross_entropy, binary_cross_entropy, squared, or that of a function.
        function: of the module's outputs and the targets.
        classes: whether targets are whole numbers of classes; None where either will do.
        code: how a program writes it, or what it calls its own function; "" for a function of the user.
    """

    name: str
    function: LossFunction
    classes: bool | None
    code: str = ""

    def constant(self, targets: Any) -> float | None:
        """The loss of the best constant output, or None where nobody knows."""
        if self.name == "cross_entropy":
            shares = torch.bincount(targets.flatten()).double() / targets.numel()
            shares = shares[shares > 0]
            return float(-(shares * shares.log()).sum())
        if self.name == "squared":
            return float((targets.double() - targets.double().mean(dim=0)).square().mean())
        if self.name == BINARY:
            shares = targets.double().mean(dim=0)
            return -float((torch.xlogy(shares, shares) + torch.xlogy(1 - shares, 1 - shares)).mean())
        return None


def _squared(outputs: Any, targets: Any) -> Any:
    return functional.mse_loss(outputs, _like(outputs, targets))


def _binary(outputs: Any, targets: Any) -> Any:
    return functional.binary_cross_entropy_with_logits(outputs, _like(outputs, targets))


def _like(outputs: Any, targets: Any) -> Any:
    return targets if outputs.shape == targets.shape else targets.reshape(outputs.shape)


BINARY = "binary_cross_entropy"
LOSSES = {
    "cross_entropy": Loss("cross_entropy", functional.cross_entropy, True, "nn.CrossEntropyLoss()"),
    BINARY: Loss(BINARY, _binary, False, BINARY),
    "squared": Loss("squared", _squared, False, "nn.MSELoss()"),
}


def loss_named(loss: str | LossFunction) -> Loss:
    """One of `LOSSES`, or a function of outputs and targets."""
    if callable(loss):
        return Loss(getattr(loss, "__name__", type(loss).__name__), loss, None)
    if loss not in LOSSES:
        raise UsageError(
            f"loss must be {', '.join(LOSSES)} or a function of (outputs, targets); got {loss!r}; change it"
        )
    return LOSSES[loss]


@contextmanager
def randomness(seed: int) -> Iterator[None]:
    """Generators seeded for the time being, and afterwards as they were."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)  # noqa: NPY002


class Wrapped:
    """A copy of a module at its first weights W^1; the module itself is left as it is.

    Args:
        module: takes a batch of inputs.
        loss: of its outputs.
        inputs, targets: a row for each example; numbers, of which floats take the type of the weights.
        device: where it computes; None for that of the weights, or a GPU where torch has one.
        decode: see `advise_model`.
    """

    def __init__(
        self,
        module: Any,
        loss: Loss,
        inputs: Any,
        targets: Any,
        *,
        device: Any | None = None,
        decode: Decode | None = None,
    ) -> None:
        self.module = copy.deepcopy(module)
        weights = [weight for weight in self.module.parameters() if weight.requires_grad]
        if not weights:
            raise UsageError("the model has no weights to train; give a torch.nn.Module with parameters")
        here = weights[0].device
        if device is None:
            device = here if here.type != "cpu" or not torch.cuda.is_available() else torch.device("cuda")
        self.device = torch.device(device)
        self.module.to(self.device).train()
        self.names = [name for name, weight in self.module.named_parameters() if weight.requires_grad]
        self.weights: Tensors = [weight for weight in self.module.parameters() if weight.requires_grad]
        self.loss, self.decode = loss, decode
        self.inputs, self.targets = self._like_weights(inputs), self._like_weights(targets)
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"inputs and targets must have as many rows as each other; got {len(self.inputs)} and "
                f"{len(self.targets)}; leave out what has no partner"
            )
        if not len(self.inputs):
            raise DataError("inputs must have one or more rows; got none; pass the rows to train on")
        for name, values in (("inputs", self.inputs), ("targets", self.targets)):
            bad = 0 if not values.is_floating_point() else int((~torch.isfinite(values)).sum())
            if bad:
                raise DataError(
                    f"{name} must be finite; got {bad:,} numbers that are NaN or infinite; fill them, or "
                    "leave their rows out"
                )
        if loss.classes:
            self.targets = _classes(self.targets)
        elif loss.classes is False:
            self.targets = self.targets.to(self.weights[0].dtype)
        if loss.name == BINARY and not 0 <= self.targets.min() <= self.targets.max() <= 1:
            low, high = float(self.targets.min()), float(self.targets.max())
            raise DataError(
                f"targets must lie in [0, 1] for {BINARY}; got {low:g} to {high:g}; write 0 and 1, or use "
                "the loss cross_entropy or squared"
            )
        self._start = copy.deepcopy(self.module.state_dict())

    def _like_weights(self, values: Any) -> Any:
        tensor = torch.as_tensor(values)
        return tensor.to(self.weights[0].dtype) if tensor.is_floating_point() else tensor

    @property
    def rows(self) -> int:
        """How many examples there are."""
        return len(self.inputs)

    @property
    def size(self) -> int:
        """Numbers in all weights."""
        return sum(weight.numel() for weight in self.weights)

    @property
    def normalises(self) -> bool:
        """Whether what it computes of a row in training depends on the others of its batch, by its buffers:
        those that a gradient changes."""
        before = copy.deepcopy(self.module.state_dict())
        self.gradient(*self.batch(torch.arange(min(2, self.rows))))
        changed = any(not torch.equal(before[name], each) for name, each in self.module.state_dict().items())
        self.module.load_state_dict(before)
        return changed

    def only(self, rows: Any) -> Wrapped:
        """Another copy at W^1, of these rows alone."""
        self.restart()
        return Wrapped(self.module, self.loss, self.inputs[rows], self.targets[rows], device=self.device)

    @property
    def length(self) -> float:
        """||W||."""
        values = [weight.detach() for weight in self.weights]
        return math.sqrt(float(dot(values, values)))

    def restart(self) -> None:
        """Back to W^1, buffers too."""
        self.module.load_state_dict(self._start)

    def batch(self, rows: Any) -> tuple[Any, Any]:
        """Inputs and targets of some rows."""
        return self.inputs[rows].to(self.device), self.targets[rows].to(self.device)

    def value(self, inputs: Any, targets: Any) -> Any:
        """The loss of a batch, with its graph."""
        return self.loss.function(self.module(inputs), targets)

    def gradient(self, inputs: Any, targets: Any, *, graph: bool = False) -> Tensors:
        """Of the loss of a batch by every weight; zeros for weights that it does not depend on."""
        with torch.enable_grad():
            value = self.value(inputs, targets)
        gradients = torch.autograd.grad(value, self.weights, create_graph=graph, allow_unused=True)
        return [torch.zeros_like(w) if g is None else g for g, w in zip(gradients, self.weights, strict=True)]

    def curvature_along(self, inputs: Any, targets: Any, vector: Tensors) -> Tensors:
        """H v for the Hessian of the loss of a batch, wherever it exists; by differences of gradients where
        torch cannot differentiate twice."""
        try:
            gradient = self.gradient(inputs, targets, graph=True)
            product = dot(gradient, vector)
            if not getattr(product, "requires_grad", False):
                return [torch.zeros_like(weight) for weight in self.weights]
            products = torch.autograd.grad(product, self.weights, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            return self.difference_along(inputs, targets, vector)
        return [torch.zeros_like(w) if h is None else h for h, w in zip(products, self.weights, strict=True)]

    def difference_along(self, inputs: Any, targets: Any, vector: Tensors) -> Tensors:
        """H v by central differences of gradients."""
        norm = float(dot(vector, vector)) ** 0.5
        scale = self.length + 1.0
        step = torch.finfo(self.weights[0].dtype).eps ** (1 / 3) * scale / max(norm, 1e-30)
        ends = []
        for sign in (1.0, -1.0):
            self.move(vector, sign * step)
            ends.append(self.gradient(inputs, targets))
            self.move(vector, -sign * step)
        return [(high - low) / (2 * step) for high, low in zip(*ends, strict=True)]

    def move(self, vector: Tensors, factor: float) -> None:
        """W + factor v."""
        with torch.no_grad():
            for weight, part in zip(self.weights, vector, strict=True):
                weight.add_(part, alpha=factor)

    def outputs(self, rows: Any, *, weights: dict[str, Any] | None = None) -> Iterator[tuple[Any, Any]]:
        """(outputs, targets) of some rows in evaluation mode, in parts; at other weights if given."""
        mode = self.module.training
        self.module.eval()
        try:
            with torch.no_grad():
                for part in rows.split(_EVALUATED):
                    inputs, targets = self.batch(part)
                    outputs = (
                        self.module(inputs)
                        if weights is None
                        else torch.func.functional_call(self.module, weights, (inputs,))
                    )
                    yield outputs, targets
        finally:
            self.module.train(mode)

    def mean_loss(self, rows: Any, *, weights: dict[str, Any] | None = None) -> float:
        """In evaluation mode; inf where it is no number."""
        total = 0.0
        for outputs, targets in self.outputs(rows, weights=weights):
            total += float(self.loss.function(outputs, targets)) * len(targets)
        mean = total / len(rows)
        return mean if np.isfinite(mean) else float("inf")

    def errors(self, rows: Any, others: Any) -> dict[str, Any]:
        """Fields of a `TrainingPlan`: what is answered wrongly of some rows, or how far off it is, beside one
        answer that suits the others best; none where nobody can tell."""
        others = others[:_MEDIAN]  # which stand in no order
        if self.loss.name == "squared":
            return self._off(rows, others)
        one = self.targets.numel() == self.rows
        wrong = self._wrong_answers(rows) if self.loss.name == BINARY else self._wrong_classes(rows)
        if wrong is None:
            return {}
        commonest = self.targets[others].flatten(start_dim=1 - one).mode(dim=0).values
        missed = self.targets[rows].flatten(start_dim=1 - one) != commonest
        return {
            "held_out_error": wrong,
            "constant_error": float(missed.double().mean()),
            "counted": "rows" if one else "answers",
            "held_out_rows": len(rows),
        }

    def _off(self, rows: Any, others: Any) -> dict[str, Any]:
        parts = []
        for outputs, targets in self.outputs(rows):
            if not torch.is_tensor(outputs) or outputs.numel() != targets.numel():
                return {}
            parts.append(outputs.reshape(len(targets), -1))
        known = [torch.cat(parts), self.targets[rows], self.targets[others]]
        answers = [tensor.reshape(len(tensor), -1).double().cpu().numpy() for tensor in known]
        predicted, wanted, before = answers if self.decode is None else map(self.decode, answers)
        off = np.abs(predicted - wanted).mean(axis=0), np.abs(np.median(before, axis=0) - wanted).mean(axis=0)
        ours, medians = (tuple(each.tolist()) for each in off)
        return {"held_out_off": ours, "constant_off": medians, "held_out_rows": len(rows)}

    def _wrong_answers(self, rows: Any) -> float | None:
        """Share of outputs on the wrong side of 0; None of targets that are not 0 or 1."""
        if not set(self.targets.unique().tolist()) <= {0.0, 1.0}:
            return None
        signs = [(o.flatten() > 0) != (t.flatten() > 0.5) for o, t in self.outputs(rows)]
        return float(torch.cat(signs).double().mean())

    def _wrong_classes(self, rows: Any) -> float | None:
        """Share of rows whose largest output is not their class; None without an output for each class."""
        missed, classes = 0.0, 2 if self.targets.is_floating_point() else max(2, int(self.targets.max()) + 1)
        for outputs, targets in self.outputs(rows):
            judged = not targets.is_floating_point() and targets.min() >= 0
            judged = judged and torch.is_tensor(outputs) and outputs.ndim > 1
            if not judged or outputs.shape[1] < classes or outputs[:, 0].shape != targets.shape:
                return None
            missed += float((outputs.argmax(dim=1) != targets).double().mean()) * len(targets)
        return missed / len(rows)

    def work(self, batch_size: int) -> float:
        """Multiply-adds of one gradient of a mini-batch, as torch counts them; one a weight at the least."""
        inputs, targets = self.batch(torch.arange(min(batch_size, self.rows)))
        with FlopCounterMode(display=False) as counter:
            self.gradient(inputs, targets)
        self.restart()
        return float(max(counter.get_total_flops() / 2, self.size)) * batch_size / len(inputs)

    def _check_outputs(self, inputs: Any) -> None:
        """Refuse what only a loss of the user can take, and another number of outputs than classes, which
        torch may only notice much later."""
        with torch.no_grad():
            outputs = self.module(inputs)
        if not torch.is_tensor(outputs):
            raise UsageError(
                f"the model must return one tensor for the loss {self.loss.name}; got "
                f"{type(outputs).__name__}; give a loss of your own, a function of "
                "that and the targets, or return the tensor alone"
            )
        if not self.loss.classes:
            return
        classes = int(self.targets.max()) + 1
        if self.targets.min() < 0 or outputs.ndim < 2 or outputs.shape[1] < classes:
            many = outputs.shape[1] if outputs.ndim > 1 else 1
            raise UsageError(
                f"cross_entropy needs an output for each class, {classes:,}, and classes that count from 0; "
                f"the model has {many:,}, and the least class is {int(self.targets.min())}; give it as many, "
                f"or, for a single output, use the loss {BINARY}, or squared"
            )

    def check(self) -> None:
        """Refuse what cannot be trained, by one gradient of two rows.

        Raises:
            UsageError: the module or the loss takes no such inputs or targets, or the loss is no number.
        """
        rows = torch.arange(min(2, self.rows))
        inputs, targets = self.batch(rows)
        try:
            if self.loss.classes is not None:
                self._check_outputs(inputs)
            value = self.value(inputs, targets)
        except UsageError:
            raise
        except Exception as error:
            shapes = f"inputs of shape {tuple(inputs.shape)} and targets of {tuple(targets.shape)}"
            fix = "change the model's first or last layer, the shape of the inputs, or the loss"
            if "'indices'" in str(error) and inputs.is_floating_point():
                fix = "pass inputs of whole numbers, in Python: those of a data file are scaled"
            raise UsageError(
                f"the model and the loss {self.loss.name} must take a batch of {shapes}; got {brief(error)}; "
                f"{fix}"
            ) from error
        if not torch.is_tensor(value) or value.numel() != 1:
            raise UsageError(
                f"the loss {self.loss.name} must give one number, the mean over the batch; got "
                f"{tuple(value.shape) if torch.is_tensor(value) else type(value).__name__}; take its mean"
            )
        if not bool(torch.isfinite(value)):
            raise UsageError(
                f"the loss of the first rows must be finite before training; got {float(value.detach())}; "
                "look for gaps in the data, or a module that overflows"
            )
        self.restart()


def made(model: Any, said: str = "the model") -> Any:
    """The module, which a function or a class may make; `said` is what messages call it.

    Raises:
        UsageError: it neither is one nor makes one.
    """
    module = model
    if callable(model) and not isinstance(model, nn.Module):
        try:
            module = model()
        except Exception as error:
            raise UsageError(
                f"{said} must make a model without arguments; got {brief(error)}; name a function that does"
            ) from error
    if not isinstance(module, nn.Module) or _library(module) == "keras":  # whose models may be modules too
        raise UsageError(
            f"{said} must be a torch.nn.Module, or a function without arguments that makes one; got "
            f"{type(module).__name__}; {_instead(module)}"
        )
    return module


def _library(model: object) -> str:
    """Where its class, or what that is made from, comes from."""
    names = [base.__module__.partition(".")[0] for base in type(model).__mro__]
    return "keras" if "keras" in names else names[0]


def _instead(model: object) -> str:
    """What to do with a model of another library."""
    library = _library(model)
    if library == "keras":
        return "make a spec of it by rsgadvise.spec.from_model"
    if library != "sklearn":
        return "give the module"
    if type(model).__name__.startswith("MLP"):
        made = type(model).__name__
        return f"in Python, rsgadvise.recommend(model={made}(...), data=(x, y)) takes one that is made"
    if hasattr(model, "steps"):
        return "give its MLP, with the rows that reach it"
    return "of scikit-learn give an MLPClassifier or MLPRegressor, in Python"


def _tensor(values: Any, name: str) -> Any:
    """Numbers of any library as a tensor."""
    try:
        return values if torch.is_tensor(values) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} must be numbers, one row per example; got {type(values).__name__} of other values; "
            "encode them, such as labels as 0, 1, 2"
        ) from error


def collected(data: Any) -> tuple[Any, Any]:
    """Inputs and targets of (inputs, targets), or of all rows of a Dataset or batches of a loader.

    Raises:
        DataError: they are something else.
    """
    data = getattr(data, "tensors", data)  # of a TensorDataset
    if isinstance(data, tuple | list) and len(data) == 2:
        return _tensor(data[0], "inputs"), _tensor(data[1], "targets")
    try:
        own = torch.Generator()  # or the loader draws from that of the user
        batches = DataLoader(data, _EVALUATED, generator=own) if isinstance(data, Dataset) else data
        parts = [(torch.as_tensor(inputs), torch.as_tensor(targets)) for inputs, targets in batches]
        return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
    except Exception as error:  # of the code of a Dataset too
        raise DataError(
            "data must be (inputs, targets), a Dataset of such rows, or a loader of such batches, all of one "
            f"shape; got {type(data).__name__}, where {brief(error)}; pass both"
        ) from error


def _classes(targets: Any) -> Any:
    """Numbers of classes, from those, one or more a row, or from rows of zeros with a one."""
    if targets.ndim == 2 and targets.shape[1] > 1 and bool((targets.sum(dim=1) == 1).all()):
        return targets.argmax(dim=1)
    flat = targets.reshape(len(targets)) if targets.numel() == len(targets) else targets
    if flat.is_floating_point() and not bool((flat == flat.round()).all()):
        raise DataError("targets must be classes for cross_entropy; got fractions; use the loss squared")
    return flat.long()


def dot(one: Sequence[Any], other: Sequence[Any]) -> Any:
    """Sum of products over all weights."""
    return sum((a * b).sum() for a, b in zip(one, other, strict=True))
