"""The losses (3), (4) and (5) of the paper and their gradients, for many replicas in one computation.

A replica is one network with weights of its own. Weights are one array per matrix, of shape
(replicas, d_l, d_{l-1}); every product is made replica by replica, so what a replica computes does
not depend on how many others stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsgadvise.kinds import KindName
from rsgadvise.records import dataclass
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.problem import Problem

Array: TypeAlias = NDArray[np.floating[Any]]
Weights: TypeAlias = list[Array]
_ROUNDING = 1e-6  # of shares in single precision
_SMALLEST = 5e-324  # what a decaying stepsize may fall below, to 0


@dataclass(frozen=True, slots=True)
class Network(Architecture):
    """A network and its loss l, which takes what enters the output units.

    single_layer: l(Wx, y), (3). autoencoder: l(W^T phi(W(x * z)), x) with one matrix W, (4). multilayer:
    h^l = phi(W_l (h^{l-1} * z^l)), l(W_L (h^{L-1} * z^L), y), (5). Each z is a vector of independent
    Bernoulli(keep_prob) entries, drawn anew for each example; nothing is rescaled.

    Attributes:
        layers: d_0..d_L; (d_x, d_h) for an autoencoder.
        weight_bounds: w_l of each matrix, |W_l| <= w_l; empty without a box.
        keep_prob: zeta.
        activations: phi of each hidden layer by name; none stand for sigmoids.
        loss: l by name.
        bias: whether each matrix has a last column that is added to what it multiplies.
        spectral: whether w_l bounds the singular values of a matrix, biases included, and not its weights.
    """

    kind: KindName
    layers: tuple[int, ...]
    weight_bounds: tuple[float, ...] = ()
    keep_prob: float = 1.0
    activations: tuple[str, ...] = ()
    loss: str = SQUARED
    bias: bool = False
    spectral: bool = False

    @classmethod
    def of(cls, problem: Problem, keep_prob: float = 1.0) -> Network:
        """The network of a problem."""
        return cls(
            problem.kind,
            problem.layers,
            problem.weight_bounds,
            keep_prob,
            problem.activations,
            problem.loss,
            problem.bias,
            problem.spectral,
        )

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(d_l, d_{l-1}) of each matrix, whose last column are biases where there are such."""
        return tuple((after, before + self.bias) for before, after in pairwise(self.layers))

    @property
    def masked_widths(self) -> tuple[int, ...]:
        """Widths of the layers that masks act on, input first; empty where nothing is dropped."""
        if self.keep_prob == 1 or not self.masked:
            return ()
        return self.layers[:1] if self.tied else self.layers[:-1]


@dataclass(frozen=True, slots=True)
class Data:
    """Inputs (rows, d_0) and targets (rows, d_L) in [0, 1]; for an autoencoder the targets are the inputs.

    Attributes:
        decode: what outputs and targets stand for, values of a file in its units; None where nobody knows.
    """

    inputs: Array
    targets: Array
    decode: Callable[[Array], Array] | None = None

    @property
    def rows(self) -> int:
        """Number of examples."""
        return len(self.inputs)


def beyond_one(targets: Array) -> int | None:
    """The first row whose targets sum to more than 1, up to rounding, which no shares of classes do."""
    beyond = targets.sum(axis=1) > 1 + _ROUNDING
    return int(beyond.argmax()) if beyond.any() else None


def initial_weights(network: Network, rng: np.random.Generator, *, scale: float = 1.0) -> Weights:
    """W^1 of one replica: W_l ~ scale * N(0, 1/d_{l-1}), clipped to the box, biases 0; (1, *shape) each."""
    weights = [
        scale * rng.standard_normal((1, after, before)) / np.sqrt(before)
        for before, after in pairwise(network.layers)
    ]
    clip_to_box(network, weights)
    return with_biases(network, weights)


def with_biases(network: Network, weights: Weights) -> Weights:
    """(m, d_l, d_{l-1}) matrices with a last column of zeros, if the network has biases."""
    return [np.pad(matrix, ((0, 0), (0, 0), (0, 1))) for matrix in weights] if network.bias else weights


def widened(signal: Array, network: Network) -> Array:
    """What a layer's matrix multiplies: the signal (rows, d) itself, or with biases a 1 beside it."""
    if not network.bias:
        return signal
    return np.concatenate([signal, np.ones((len(signal), 1), signal.dtype)], axis=1)


def clip_to_box(network: Network, weights: Weights) -> None:
    """Project weights onto the box, or matrices onto the spectral ball, in place."""
    for matrix, bound in zip(weights, network.weight_bounds, strict=False):
        if network.spectral:
            matrix[...] = _within_ball(matrix, bound)
        else:
            matrix.clip(-bound, bound, out=matrix)


def _within_ball(matrices: Array, bound: float) -> Array:
    """The nearest (m, d_l, d_{l-1}) matrices with no singular value above the bound.

    The nearest in the Frobenius norm has the same singular vectors, and smaller values cut off: matrices
    within the ball are left as they are, to the last bit.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        outside = np.square(matrices).sum(axis=(1, 2)) > bound**2  # within, the norm of the entries is small
    if not outside.any():
        return matrices
    finite = outside & np.isfinite(matrices).all(axis=(1, 2))
    nearest = matrices.copy()
    left, values, right = np.linalg.svd(matrices[finite].astype(np.float64), full_matrices=False)
    cut = (left * np.minimum(values, bound)[:, None, :]) @ right
    nearest[finite] = np.where(values.max(axis=1, initial=0.0)[:, None, None] > bound, cut, matrices[finite])
    return nearest


def projected(network: Network, weights: Weights, gradient: Weights, stepsizes: Sequence[float]) -> Weights:
    """The projected gradient (W - P(W - gamma g)) / gamma of each matrix; g itself without a box.

    Written as clip(g, (W - w)/gamma, (W + w)/gamma), which does not cancel at small stepsizes. Of the
    spectral ball it is g where W - gamma g lies within; else the difference is taken in double precision.
    """
    if not network.weight_bounds:
        return gradient
    if network.spectral:
        return [
            _moved(matrix, g, bound, gamma)
            for matrix, g, bound, gamma in zip(
                weights, gradient, network.weight_bounds, stepsizes, strict=True
            )
        ]
    with np.errstate(over="ignore"):
        return [
            np.clip(g, (matrix - bound) / gamma, (matrix + bound) / gamma)
            for matrix, g, bound, gamma in zip(
                weights,
                gradient,
                network.weight_bounds,
                (max(gamma, _SMALLEST) for gamma in stepsizes),
                strict=True,
            )
        ]


def _moved(matrices: Array, gradient: Array, bound: float, gamma: float) -> Array:
    """(W - P(W - gamma g))/gamma for the spectral ball."""
    wide = matrices.astype(np.float64)
    ahead = wide - gamma * gradient.astype(np.float64)
    back = _within_ball(ahead, bound)
    same = (back == ahead).all(axis=(1, 2), keepdims=True)
    return np.where(same, gradient, (wide - back) / max(gamma, _SMALLEST)).astype(gradient.dtype)


_WIDE, _LARGE = 16, 1 << 16


def by_inputs(network: Network, dtype: np.dtype[Any]) -> bool:
    """Whether the first matrix had better lie in memory input by input, as W^T does row by row.

    Its products with inputs and errors then need no transposition, which takes up to a third off them. The
    product that carries errors further down would lose as much, but from the first matrix there is none.
    Narrow matrices and large ones of double precision gain nothing.
    """
    after, before = network.shapes[0]
    small = dtype == np.float32 or after * before <= _LARGE
    return not network.tied and after >= _WIDE and small


def laid_by_inputs(matrices: Array) -> Array:
    """The same (m, d_l, d_{l-1}) matrices, W^T contiguous in memory."""
    return np.ascontiguousarray(matrices.swapaxes(1, 2)).swapaxes(1, 2)


@cache
def _controller() -> Callable[[], object]:
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    return lambda: controller.limit(limits=1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the linear algebra to one thread: replicas are the parallelism, and the sums of a product
    must not depend on how many threads share it."""
    with _controller()():  # type: ignore[attr-defined]
        yield


class Kernel:
    """Forward and backward pass for up to `replicas` networks and `rows` examples each, in fixed buffers.

    Fill `inputs` and `targets` (and `masks`, values 0 or 1), then call `gradient`. Shapes lead with the
    number of active replicas m, set by `activate`; inputs and masks that all replicas share lead with 1.

    Args:
        network: which loss.
        replicas: most replicas at a time.
        rows: examples per replica.
        dtype: of everything.
        shared: whether all replicas see the same examples and masks.
    """

    def __init__(
        self, network: Network, *, replicas: int, rows: int, dtype: np.dtype[Any], shared: bool = False
    ) -> None:
        self.network = network
        self.replicas = replicas
        self._active = (0, 0)
        self._shared = shared
        lead = 1 if shared else replicas
        widths = network.widths
        self._tied = network.tied
        self._extra = int(network.bias)  # columns of ones beside what a matrix multiplies
        self._inputs = self._ones_beside((lead, rows, widths[0]), dtype)
        # An autoencoder without masks reads the inputs themselves as its targets.
        own = not self._tied or bool(network.masked_widths)
        self._targets = np.empty((lead, rows, widths[-1]), dtype) if own else self._inputs
        self._masks = [np.empty((lead, rows, width), dtype) for width in network.masked_widths]
        self._signals = [self._ones_beside((replicas, rows, width), dtype) for width in widths[1:-1]]
        self._signals.append(np.empty((replicas, rows, widths[-1]), dtype))
        self._errors = [np.empty((replicas, rows, width), dtype) for width in widths[1:]]
        self._units, self._head = network.units, network.head
        # What entered a unit, where its derivative is not known from what came out.
        self._entering = [
            None if unit.by_output else np.empty((replicas, rows, width), dtype)
            for unit, width in zip(self._units, widths[1:], strict=False)
        ]
        self._gradients = [np.empty((replicas, *shape), dtype) for shape in network.shapes]
        self._by_inputs = by_inputs(network, np.dtype(dtype))
        if self._by_inputs:
            self._gradients[0] = laid_by_inputs(self._gradients[0])
        self._tied_part = np.empty_like(self._gradients[0]) if self._tied else None
        self.activate(replicas, rows)

    def _ones_beside(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A buffer with a last column of ones where there are biases."""
        buffer = np.empty((*shape[:-1], shape[-1] + self._extra), dtype)
        buffer[..., shape[-1] :] = 1
        return buffer

    def activate(self, replicas: int, rows: int) -> None:
        """Use the first `replicas` and `rows` of the buffers from now on."""
        if self._active == (replicas, rows):
            return
        self._active = (replicas, rows)
        lead = 1 if self._shared else replicas
        widths = self.network.widths
        # What each matrix multiplies, the outputs at last, and the same without the ones.
        self.entered = [self._inputs[:lead, :rows], *(each[:replicas, :rows] for each in self._signals)]
        self.inputs, *self.signals = (
            each[..., :width] for each, width in zip(self.entered, widths, strict=True)
        )
        self.targets = self._targets[:lead, :rows]
        self.masks = [mask[:lead, :rows] for mask in self._masks]
        self.errors = [error[:replicas, :rows] for error in self._errors]
        self.entering = [values if values is None else values[:replicas, :rows] for values in self._entering]
        self.gradients: Weights = [gradient[:replicas] for gradient in self._gradients]

    def gradient(
        self,
        weights: Weights,
        *,
        scale: float,
        row_weights: Array | None = None,
        losses: Array | None = None,
    ) -> Weights:
        """`scale` times the sum over rows of the loss gradient, one array per matrix; a view of buffers.

        With `scale` = 1/B it is the mini-batch gradient (2).

        Args:
            weights: one (m, d_l, d_{l-1}) array per matrix.
            scale: factor of the result.
            row_weights: further factor per row, (rows,).
            losses: (m,) array to which `scale` times the (weighted) sum of the losses is added.
        """
        self._forward(weights)
        output, error = self.signals[-1], self.errors[-1]
        np.subtract(output, self.targets, out=error)
        if losses is not None:
            losses += self._losses(scale, row_weights)
        self._head.backward(error, output, self.targets, scale)
        if row_weights is not None:
            error *= row_weights[:, None]
        return self._backward(weights)

    def loss(self, weights: Weights, *, scale: float, row_weights: Array | None = None) -> Array:
        """`scale` times the (weighted) sum over rows of the losses, (m,): a third of a gradient's work."""
        self._forward(weights)
        np.subtract(self.signals[-1], self.targets, out=self.errors[-1])
        return self._losses(scale, row_weights)

    def _losses(self, scale: float, row_weights: Array | None) -> Array:
        """From the differences that the last errors hold."""
        losses = self._head.losses(self.signals[-1], self.targets, self.errors[-1])
        if row_weights is not None:
            losses *= row_weights
        # Not a matrix product: its rounding would depend on the number of replicas.
        return np.asarray(scale * losses.sum(axis=1))

    def _forward(self, weights: Weights) -> None:
        if self.masks:
            self.inputs *= self.masks[0]
        for level, after in enumerate(self.signals):
            signal = self.entered[level]
            if self._tied and level == 1:
                np.matmul(signal, weights[0], out=after)
            else:
                np.matmul(signal, weights[level].swapaxes(1, 2), out=after)
            if level == len(self._units):
                self._head.forward(after)
                return
            entering = self.entering[level]
            if entering is not None:
                entering[...] = after
            self._units[level].forward(after)
            if level + 1 < len(self.masks):
                np.multiply(after, self.masks[level + 1], out=after)

    def _backward(self, weights: Weights) -> Weights:
        """Gradients from the output's error; each signal is used up on the way."""
        for level in range(len(self.signals) - 1, -1, -1):
            error, below = self.errors[level], self.entered[level]
            if self._tied and level == 1:
                np.matmul(below.swapaxes(1, 2), error, out=self.gradients[0])
                np.matmul(error, weights[0].swapaxes(1, 2), out=self.errors[0])
            elif self._tied:
                part = self._tied_part[: len(error)] if self._tied_part is not None else None
                self.gradients[0] += np.matmul(error.swapaxes(1, 2), below, out=part)
            elif level == 0 and self._by_inputs:
                np.matmul(below.swapaxes(1, 2), error, out=self.gradients[0].swapaxes(1, 2))
            else:
                np.matmul(error.swapaxes(1, 2), below, out=self.gradients[level])
                if level:
                    matrix = weights[level][..., :-1] if self._extra else weights[level]
                    np.matmul(error, matrix, out=self.errors[level - 1])
            if level:
                unit, error, entering = (
                    self._units[level - 1],
                    self.errors[level - 1],
                    self.entering[level - 1],
                )
                if level < len(self.masks) and not unit.dies:
                    error *= self.masks[level]
                unit.backward(error, self.signals[level - 1] if entering is None else entering)
        return self.gradients
