"""What a snippet trains against this package's own engine: same W^1, mini-batches and masks, same W^k."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from snippets import SPECS, advised, network_of, run, snippet, to_the_end

from rsgadvise.errors import HypothesisError
from rsgadvise.show.emit import Target
from rsgadvise.spec import from_model
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import (
    Data,
    Kernel,
    Network,
    Weights,
    clip_to_box,
    initial_weights,
    projected,
)

Float = NDArray[np.float64]

STEPS = 50
ROWS = 20
# Keras' own use of numpy, on some backends.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# Units and a loss that stand in files of their own: what the programs do of them is what they say.
OTHERS = {
    "other units with masks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6, activation: [softsign, sigmoid],
  loss: huber}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "cross-entropy of tanh units with masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: tanh, loss: cross_entropy}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "gelu and silu with masks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6, activation: [gelu, silu]}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "rectifiers": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6, activation: [relu, leaky_relu]}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "rectifiers without kinks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6,
  activation: [smooth_relu, smooth_leaky_relu]}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "a rectifier without a kink, tied": """
network: {kind: autoencoder, layers: [6, 4], weight_bound: 0.6, activation: smooth_leaky_relu}
training: {iterations: 30, batch_size: 3, keep_prob: 0.7}
""",
    "binary cross-entropy": """
network: {kind: single_layer, layers: [6, 3], loss: binary_cross_entropy}
training: {iterations: 30, batch_size: 4, initial_loss: 3}
""",
    "binary cross-entropy of a rectifier, tied": """
network: {kind: autoencoder, layers: [6, 4], weight_bound: 0.6, activation: relu, loss: binary_cross_entropy}
training: {iterations: 30, batch_size: 3, keep_prob: 0.7}
""",
    "linear outputs, with masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: gelu, loss: squared_linear}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "linear outputs, tied": """
network: {kind: autoencoder, layers: [6, 4], weight_bound: 0.6, activation: tanh, loss: squared_linear}
training: {iterations: 30, batch_size: 3, keep_prob: 0.7}
""",
    "biases of boxed layers": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: [0.6, 0.5, 0.4], activation: [tanh, relu],
  loss: binary_cross_entropy, bias: true}
training: {iterations: 30, keep_prob: 1, stepsize: [0.9, 0.5, 0.7]}
search: {batch_size: [4, 5]}
""",
    "biases with masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: gelu, bias: true}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
    "softplus and tanh with masks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6, activation: [softplus, tanh]}
training: {iterations: 30, batch_size: 4, keep_prob: 0.7}
""",
}
BALLS = {  # of singular values
    "singular values, tied": """
network: {kind: autoencoder, layers: [6, 4], spectral_bound: 1.4}
training: {iterations: 30, keep_prob: 0.7}
search: {batch_size: [3, 4]}
""",
    "singular values with masks, several runs": """
network: {kind: multilayer, layers: [6, 5, 3], spectral_bound: [1.5, 1.2], activation: tanh}
training: {keep_prob: 0.7, stepsize: 0.02}
search: {batch_size: [40, 50], iterations: {max: 3000000}}
target: {eps: 4.0, delta: 0.05, runs: 2}
""",
    "singular values, biases and masks, several runs": """
network: {kind: multilayer, layers: [6, 5, 3], spectral_bound: [1.5, 1.2], activation: tanh, bias: true}
training: {keep_prob: 0.7, stepsize: 0.02}
search: {batch_size: [40, 50], iterations: {max: 3000000}}
target: {eps: 4.0, delta: 0.05, runs: 2}
""",
}
OPTIMIZERS = {
    "nesterov with masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: tanh, loss: cross_entropy}
training: {iterations: 30, keep_prob: 0.7, stepsize: 0.1, optimizer: nesterov, decay: 0.4}
search: {batch_size: [2, 4]}
""",
    "weight decay": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: tanh}
training: {iterations: 30, keep_prob: 1, stepsize: 0.1, optimizer: {name: sgd, weight_decay: 0.5}}
search: {batch_size: [2, 4]}
""",
    "weight decay, biases and masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: tanh, bias: true}
training:
  {iterations: 30, keep_prob: 0.7, stepsize: [0.1, 0.2], optimizer: {name: sgd, weight_decay: 0.5}}
search: {batch_size: [2, 4]}
""",
    "momentum without a box": """
network: {kind: single_layer, layers: [6, 3]}
training: {iterations: 30, stepsize: 0.2, optimizer: {name: momentum, beta: 0.5}}
search: {batch_size: [2, 4]}
""",
    "nesterov with weight decay, biases and masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: tanh, bias: true}
training:
  {iterations: 30, keep_prob: 0.7, stepsize: 0.1, optimizer: {name: nesterov, beta: 0.5, weight_decay: 0.5}}
search: {batch_size: [2, 4]}
""",
    "adam, tied": """
network: {kind: autoencoder, layers: [6, 4], weight_bound: 0.6}
training: {iterations: 30, keep_prob: 0.7, stepsize: 0.05, optimizer: adam}
search: {batch_size: [2, 4]}
""",
    "adam with masks": """
network: {kind: multilayer, layers: [6, 5, 4, 3], weight_bound: 0.6}
training:
  {iterations: 30, keep_prob: 0.7, stepsize: [0.05, 0.03, 0.04],
   optimizer: {name: adam, betas: [0.8, 0.9], eps: 0.01, weight_decay: 0.1}}
search: {batch_size: [2, 4]}
""",
    "adamw with masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6}
training:
  {iterations: 30, keep_prob: 0.7, stepsize: 0.05,
   optimizer: {name: adamw, eps: 0.01, weight_decay: 0.5}}
search: {batch_size: [2, 4]}
""",
    "adam with biases": """
network:
  {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: relu, loss: cross_entropy, bias: true}
training:
  {iterations: 30, keep_prob: 1, stepsize: [0.05, 0.03],
   optimizer: {name: adam, eps: 0.01, weight_decay: 0.1}}
search: {batch_size: [2, 4]}
""",
    "momentum with biases and masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: gelu, bias: true}
training: {iterations: 30, keep_prob: 0.7, stepsize: 0.1, optimizer: momentum}
search: {batch_size: [2, 4]}
""",
    "adam with biases and masks": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6, activation: silu, bias: true}
training:
  {iterations: 30, keep_prob: 0.7, stepsize: 0.05, optimizer: {name: adam, eps: 0.01, weight_decay: 0.1}}
search: {batch_size: [2, 4]}
""",
    "one that is a file of its own": """
network: {kind: multilayer, layers: [6, 5, 3], weight_bound: 0.6}
training: {iterations: 30, keep_prob: 0.7, stepsize: 0.03, optimizer: {name: rmsprop, eps: 0.01}}
search: {batch_size: [2, 4]}
""",
}
MASKED = [name for name, text in SPECS.items() if advised(text)[1].keep_prob < 1]
SEVERAL = [name for name in (*SPECS, *BALLS) if "several runs" in name]


def library(name: str) -> Any:
    if name == "keras" and importlib.util.find_spec("torch") is not None:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip(name, reason=f"needs {name}: pip install 'rsgadvise[integrations]'")


class Case:
    """A network with data, W^1 and mini-batches of its own; with a cool-down trained to its end."""

    def __init__(self, name: str, cooldown: float | None = None) -> None:
        self.cooldown = cooldown
        self.text = (SPECS | OTHERS | BALLS | OPTIMIZERS)[name]
        self.spec, self.best = advised(self.text)
        self.network = network_of(self.spec, self.best)
        rng = np.random.default_rng(7)
        inputs = 0.05 + 0.95 * rng.random((ROWS, self.network.layers[0]))  # 0 would look like a mask
        tied = self.network.kind == "autoencoder"
        self.data = Data(inputs, inputs if tied else rng.random((ROWS, self.network.widths[-1])))
        self.start = initial_weights(self.network, rng, scale=2.0)
        if self.network.bias:
            for matrix in self.start:
                matrix[..., -1] = 0.3 * rng.normal(size=matrix.shape[:-1])
            clip_to_box(self.network, self.start)
        self.batches = rng.integers(ROWS, size=(STEPS, self.best.batch_size))
        gamma = self.best.stepsize
        self.stepsizes = gamma if isinstance(gamma, tuple) else (gamma,)

    def layers(self) -> list[tuple[Any, Any]]:
        """Matrix and biases of each layer at W^1."""
        if self.network.bias:
            return [(matrix[0, :, :-1], matrix[0, :, -1]) for matrix in self.start]
        return [(matrix[0], 0.0) for matrix in self.start]

    def parts(self, target: Target) -> list[Float]:
        """W^1 as the library's parameters: matrices in its scaling, and biases, which have none."""
        scaled = [np.asarray(self.scale(target) * matrix[0], np.float64) for matrix in self.start]
        if not self.network.bias:
            return scaled
        pairs = zip(scaled, self.start, strict=True)
        return [
            part
            for mine, matrix in pairs
            for part in (mine[:, :-1], np.asarray(matrix[0, :, -1], np.float64))
        ]

    def joined(self, parts: list[Any], target: Target) -> Weights:
        """The other way round."""
        scale = self.scale(target)
        if not self.network.bias:
            return [part / scale for part in parts]
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return [np.hstack([matrix / scale, bias[:, None]]) for matrix, bias in pairs]

    def scale(self, target: Target) -> float:
        """Weights of the library over ours: KEEP where its dropout stands before every matrix."""
        rescaled = target in {"torch", "keras"} and self.network.kind == "multilayer"
        return self.best.keep_prob if rescaled else 1.0

    def text_for(self, target: Target) -> str:
        if self.cooldown is None:
            return snippet(self.text, target)
        return to_the_end(self.text, target, iterations=STEPS, cooldown=self.cooldown)

    def pace(self, k: int) -> float:
        """Factor of the stepsize in iteration k."""
        if self.cooldown is None:
            return float(k**-self.best.decay)
        return float(np.interp(k, [STEPS - self.cooldown * STEPS, STEPS + 1], [1, 0]))

    def engine(self, masks: list[Float]) -> Weights:
        """W^{STEPS + 1} by `Kernel`; masks in the order in which they were drawn."""
        network, batch, drawn = self.network, self.best.batch_size, iter(masks)
        kernel = Kernel(network, replicas=1, rows=batch, dtype=np.dtype(np.float64))
        weights = [matrix.copy() for matrix in self.start]
        optimizer = self.spec.training.chosen_optimizer
        memory = [[np.zeros_like(matrix) for _ in optimizer.memory] for matrix in weights]
        for k, rows in enumerate(self.batches, start=1):
            kernel.inputs[0] = self.data.inputs[rows]
            kernel.targets[0] = self.data.targets[rows]
            for mask in kernel.masks:
                mask[0] = next(drawn)
            steps = kernel.gradient(weights, scale=1 / batch)
            for level, gamma in enumerate(self.stepsizes):
                optimizer.turn(steps[level], weights[level], memory[level], k)
                weights[level] -= gamma * self.pace(k) * steps[level]
            clip_to_box(network, weights)
        assert next(drawn, None) is None
        return [matrix[0] for matrix in weights]

    def squared_gradient(self, masks: list[Float]) -> float:
        """At W^1, over all rows, under these masks if there are some."""
        if masks:
            kernel = Kernel(self.network, replicas=1, rows=ROWS, dtype=np.dtype(np.float64))
            kernel.inputs[0], kernel.targets[0] = self.data.inputs, self.data.targets
            for own, mask in zip(kernel.masks, masks, strict=True):
                own[0] = mask
            gradient = kernel.gradient([matrix.copy() for matrix in self.start], scale=1 / ROWS)
            found = projected(self.network, self.start, gradient, self.stepsizes)
            return float(sum((part**2).sum() for part in found))
        rng = np.random.default_rng(0)
        return float(
            Expectation(self.network, self.data).measure(self.start, self.stepsizes, [rng]).squared_norm[0]
        )

    def loss(self) -> float:
        """Of the mean field at W^1, written out."""
        signal = np.asarray(self.data.inputs, np.float64)
        keep = self.network.keep_prob
        if self.network.kind == "autoencoder":
            w = self.start[0][0]
            signal = sigmoid(sigmoid(keep * signal @ w.T) @ w)
        else:
            for matrix, bias in self.layers():
                signal = sigmoid(keep * signal @ matrix.T + bias)
        return float(((signal - self.data.targets) ** 2).sum(axis=1).mean())


def sigmoid(s: Float) -> Float:
    return np.asarray(1 / (1 + np.exp(-s)))


def masked(values: Any) -> Float:
    """1 where a unit was kept; signals and inputs are never 0 themselves."""
    return np.asarray(np.asarray(values) != 0, np.float64)


Trained = tuple[Weights, list[Float]]


def train_torch(case: Case, target_text: str) -> Trained:
    torch = library("torch")
    names, batches = run(target_text), iter(case.batches)
    model, masks = at_start_torch(case, names)
    names["make_model"] = lambda: model
    names["draw_stop"] = lambda rng: STEPS + 1
    names["draw_batch"] = lambda rows: torch.tensor(next(batches))
    names["train"](torch.tensor(case.data.inputs), torch.tensor(case.data.targets), 0)
    return case.joined([weight.detach().numpy() for weight in model.parameters()], "torch"), masks


def at_start_torch(case: Case, names: dict[str, Any]) -> tuple[Any, list[Float]]:
    """The emitted model in double precision at W^1, and a list that its masks are added to."""
    torch, model, masks = library("torch"), names["make_model"]().double(), list[Float]()
    with torch.no_grad():
        for weight, part in zip(model.parameters(), case.parts("torch"), strict=True):
            weight.copy_(torch.tensor(part))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(lambda _m, _i, out: masks.append(masked(out.detach())))
    return model, masks


def train_keras(case: Case, target_text: str) -> Trained:
    keras = library("keras")
    if case.network.masked_widths and keras.backend.backend() != "torch":
        pytest.skip("masks can be recorded only where Keras computes eagerly: set KERAS_BACKEND=torch")
    names, batches = run(target_text), iter(case.batches)
    names["initial_weights"] = lambda rng: [part.T for part in case.parts("keras")]
    names["draw_stop"] = lambda rng: STEPS + 1
    names["draw_batch"] = lambda rng, rows: next(batches)
    with double_keras() as masks:
        found = names["train"](case.data.inputs, case.data.targets, 0)
        model = found[0] if case.cooldown is None else found
    return case.joined([weight.T for weight in model.get_weights()], "keras"), masks


@contextmanager
def double_keras() -> Iterator[list[Float]]:
    """Keras in double precision; the masks of its training steps are added to the list."""
    keras, masks = library("keras"), list[Float]()
    plain = keras.layers.Dropout.call

    def call(self: Any, inputs: Any, training: bool = False) -> Any:
        found = plain(self, inputs, training=training)
        if training:
            masks.append(masked(keras.ops.convert_to_numpy(found)))
        return found

    usual = keras.config.floatx(), keras.config.dtype_policy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Dropout, "call", call)
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            yield masks
        finally:
            keras.config.set_floatx(usual[0])
            keras.config.set_dtype_policy(usual[1])


def record(names: dict[str, Any], masks: list[Float]) -> None:
    """Add the masks of the emitted `mask`, if there is one, to the list."""
    mask = names.get("mask")
    if mask is None:
        return

    def recording(shape: tuple[int, ...], keep: float, rng: Any) -> Any:
        found = mask(shape, keep, rng)
        if rng is not None:
            masks.append(np.asarray(found, np.float64))
        return found

    names["mask"] = recording


def train_numpy(case: Case, target_text: str) -> Trained:
    """sklearn and optuna share their training."""
    names, masks, batches = run(target_text), list[Float](), iter(case.batches)
    record(names, masks)
    names["initial_weights"] = lambda *_: [matrix[0].copy() for matrix in case.start]
    names["draw_stop"] = lambda rng, iterations: STEPS + 1
    names["draw_batch"] = lambda rng, rows, size: next(batches)
    boxes = [case.network.weight_bounds] if case.network.weight_bounds else []
    keep = {"keep": case.best.keep_prob} if "mask" in names else {}
    slowing = {"decay": case.best.decay, "iterations": case.best.iterations}
    if case.cooldown is not None:
        slowing = {"cooldown": case.cooldown, "iterations": STEPS}
    found = names["train"](
        case.data.inputs,
        case.data.targets,
        case.network.shapes,
        *boxes,
        stepsizes=case.stepsizes,
        batch_size=case.best.batch_size,
        seed=0,
        **keep,
        **slowing,
    )
    weights, stop = found if case.cooldown is None else (found, STEPS + 1)
    assert stop == STEPS + 1
    return weights, masks if case.best.keep_prob < 1 else []


TRAINERS: dict[Target, Callable[[Case, str], Trained]] = {
    "torch": train_torch,
    "keras": train_keras,
    "sklearn": train_numpy,
    "optuna": train_numpy,
}


COOLED = ["single layer", "autoencoder", "layers with masks", "layers with masks, several runs"]
CASES = [
    *((name, None) for name in (*SPECS, *BALLS, "nesterov with masks")),
    *((name, 0.4) for name in (*COOLED, *OTHERS, *OPTIMIZERS)),
]


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize(("name", "cooldown"), CASES)
@pytest.mark.parametrize("target", TRAINERS)
def test_the_same_weights_as_the_engine(target: Target, name: str, cooldown: float | None) -> None:
    """What a program trains is what the engine trains, from the same W^1, rows and masks."""
    library(target)
    if target == "keras" and name in BALLS:
        with pytest.raises(HypothesisError, match="must be absent for --emit keras"):
            snippet(BALLS[name], target)
        return
    case = Case(name, cooldown)
    ours, masks = TRAINERS[target](case, case.text_for(target))
    theirs = case.engine(masks)
    moved = max(float(np.abs(a - b[0]).max()) for a, b in zip(theirs, case.start, strict=True))
    assert moved > 1e-3  # else nothing was compared
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        # Keras keeps its learning rate in single precision.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 if target == "keras" else 1e-9)
    bounds = case.network.weight_bounds
    if name in SPECS and bounds and cooldown is None:
        assert any((np.abs(b) == bound).any() for b, bound in zip(theirs, bounds, strict=True))
    if name in BALLS:
        norms = [float(np.linalg.norm(matrix[0], 2)) for matrix in case.start]
        assert any(norm == pytest.approx(bound) for norm, bound in zip(norms, bounds, strict=True))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("target", ["torch", "keras"])
def test_evaluation_is_the_mean_field(target: Target, name: str) -> None:
    module = library(target)
    case = Case(name)
    names = run(snippet(case.text, target))
    x, y = case.data.inputs.astype("float32"), case.data.targets.astype("float32")
    model = names["make_model"]()
    if target == "torch":
        with module.no_grad():
            for weight, part in zip(model.parameters(), case.parts("torch"), strict=True):
                weight.copy_(module.tensor(part))
            found = float(names["loss_of"](model.eval()(module.tensor(x)), module.tensor(y)))
    else:
        model.set_weights([part.T for part in case.parts("keras")])
        model.compile(loss=names["loss_of"])
        found = model.evaluate(x, y, verbose=0)
    assert found == pytest.approx(case.loss(), abs=1e-5)


@pytest.mark.parametrize("target", ["torch", "keras", "sklearn"])
@pytest.mark.parametrize("name", MASKED)
def test_the_masks_keep_the_advised_share(target: Target, name: str) -> None:
    library(target)
    case = Case(name)
    _, masks = TRAINERS[target](case, snippet(case.text, target))
    share = float(np.concatenate([mask.ravel() for mask in masks]).mean())
    # Some 300 to 700 draws: 4 standard errors are at most 0.12.
    assert share == pytest.approx(case.best.keep_prob, abs=0.12)


@pytest.mark.parametrize("target", ["torch", "keras", "sklearn"])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_runs_are_compared_by_the_squared_gradient(target: Target, name: str) -> None:
    module = library(target)
    if target == "keras" and name in BALLS:
        pytest.skip("keras has no such programs")
    case = Case(name)
    names, masks = run(snippet(case.text, target)), list[Float]()
    x, y, scale = case.data.inputs, case.data.targets, case.scale(target)
    if target == "torch":
        model, masks = at_start_torch(case, names)
        own = [scale**2 * gamma for gamma in case.stepsizes]  # as the optimizer has them
        if case.network.bias:
            own = [each for pair in zip(own, case.stepsizes, strict=True) for each in pair]
        found = names["squared_gradient"](module.tensor(x), module.tensor(y), model, own)
    elif target == "keras":
        if case.best.keep_prob < 1 and module.backend.backend() != "torch":
            pytest.skip("masks can be recorded only where Keras computes eagerly: set KERAS_BACKEND=torch")
        with double_keras() as masks:
            model, start = names["make_model"](), [part.T for part in case.parts(target)]
            model.set_weights(start)
            model.compile(optimizer=names["make_optimizer"](), loss=names["loss_of"])
            found = names["squared_gradient"](x, y, model, 1)
        for after, before in zip(model.get_weights(), start, strict=True):
            np.testing.assert_array_equal(after, before)
    else:
        keep = [case.best.keep_prob, np.random.default_rng(1)] if case.best.keep_prob < 1 else []
        record(names, masks)
        boxes = [case.stepsizes, case.network.weight_bounds] if case.network.weight_bounds else []
        found = names["squared_gradient"]([matrix[0] for matrix in case.start], x, y, *boxes, *keep)
    assert bool(masks) == (case.best.keep_prob < 1)
    assert found == pytest.approx(case.squared_gradient(masks), rel=1e-6)


def initial(target: Target, names: dict[str, Any], network: Network) -> Iterator[Float]:
    if target == "torch":
        names["torch"].manual_seed(3)
        yield from (weight.detach().numpy() for weight in names["make_model"]().parameters())
    elif target == "keras":
        yield from (weight.T for weight in names["initial_weights"](np.random.default_rng(3)))
    else:
        boxes = [network.weight_bounds] if network.weight_bounds else []
        yield from names["initial_weights"](np.random.default_rng(3), network.shapes, *boxes)


@pytest.mark.parametrize("target", ["torch", "keras", "sklearn"])
@pytest.mark.parametrize(
    ("kind", "keep"),
    [("single_layer", 1), ("autoencoder", 1), ("multilayer", 1), ("autoencoder", 0.5), ("multilayer", 0.5)],
)
def test_initial_weights_have_the_right_spread(target: Target, kind: str, keep: float) -> None:
    library(target)
    scale = keep if kind == "multilayer" and target != "sklearn" else 1.0
    # A box so wide that it clips nothing, and one that clips much.
    layers = "[400, 90, 50]" if kind == "multilayer" else "[400, 90]"
    for bound in (9.0, 0.03):
        box = "" if kind == "single_layer" else f", weight_bound: {bound}"
        text = (
            f"network: {{kind: {kind}, layers: {layers}{box}}}\n"
            f"training: {{iterations: 5, keep_prob: {keep}}}\n"
        )
        spec, best = advised(text)
        network = network_of(spec, best)
        for w, (after, before) in zip(
            initial(target, run(snippet(text, target)), network), network.shapes, strict=True
        ):
            assert w.shape == (after, before)
            if bound == 9.0 or kind == "single_layer":
                assert w.std() == pytest.approx(scale * before**-0.5, rel=0.05)
            else:
                assert np.abs(w).max() == pytest.approx(scale * bound)


def test_the_emitted_model_gives_its_spec_back() -> None:
    library("torch")
    for name in ("layers, listed stopping", "layers with masks"):
        spec, best = advised(SPECS[name])
        model = run(snippet(SPECS[name], "torch"))["make_model"]()
        found = from_model(model)
        assert found.network.layers == spec.network.layers
        assert (found.training.keep_prob or 1.0) == pytest.approx(best.keep_prob)
        weights = [float(w.detach().abs().max()) / best.keep_prob for w in model.parameters()]
        for own, bound in zip(weights, spec.network.weight_bounds, strict=True):
            assert 0.8 * bound < own <= bound + 1e-6  # the box of the theory, not that of the library
