"""What a module and an optimiser tell before a training: a stepsize along its own updates, and the noise."""

from __future__ import annotations

import math
from typing import Any

import torch

from rsgadvise.advise.model_results import Directional
from rsgadvise.advise.results import NoiseScale
from rsgadvise.pilot.noise_scale import BATCHES
from rsgadvise.pilot.noise_scale import noise_scale as from_products
from rsgadvise.pilot.torch_model.optimizers import TorchOptimizer
from rsgadvise.pilot.torch_model.wrapped import Tensors, Wrapped, dot
from rsgadvise.records import dataclass

_UPDATES = 6  # mini-batches whose updates are looked at
_FED = 5  # mini-batches that an optimiser's memory is fed with before each
_LASTING = 60  # times that one gradient is fed, to see what a memory makes of it
_PRODUCTS = 8  # of the Hessian, for its largest eigenvalue
_PRODUCT = 2.5  # gradients that one costs


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows to measure with.

    Attributes:
        along: of the gradient and the Hessian that updates are held against.
        noise: of each batch whose gradients' spread is the noise.
        curvature: of the Hessian whose largest eigenvalue is sought.
    """

    along: int
    noise: int
    curvature: int

    @classmethod
    def within(cls, rows: float, batch_size: int) -> Samples:
        """As many as the gradients of so many rows in all allow, a third for each; more say little more."""
        third = rows / 3
        return cls(
            along=_between(third / (1 + _PRODUCT * _UPDATES), 64, 1024),
            noise=_between(third / (2 * BATCHES), batch_size, max(256, batch_size)),
            curvature=_between(third / (2 * _PRODUCT * _PRODUCTS), 32, 512),
        )


def _between(value: float, least: int, most: int) -> int:
    return int(min(max(value, least), most))


def directional(
    wrapped: Wrapped, optimizer: TorchOptimizer, batch_size: int, generator: Any, *, rows: int
) -> Directional:
    """Measured at W^1, where the weights are left; gradient and Hessian are those of so many rows."""
    sample = wrapped.batch(_some(wrapped, rows, generator))
    slope = [part.detach() for part in wrapped.gradient(*sample)]
    along = curved = length = 0.0
    gain = _gain(wrapped, optimizer, slope)
    proportional = _proportional(wrapped, optimizer, slope)
    for _ in range(_UPDATES):
        update = _update(wrapped, optimizer, batch_size, generator)
        along += float(dot(slope, update))
        curved += float(dot(update, wrapped.curvature_along(*sample, update)))
        length += float(dot(update, update))
    wrapped.restart()
    if along > 0 and curved > 0:
        return Directional(along / curved / gain, gain, True, proportional)
    # A step that changes each weight by a hundredth of their usual size.
    size = wrapped.length / math.sqrt(max(length / _UPDATES, 1e-300))
    return Directional(0.01 * max(size, 1e-6) / gain, gain, False, proportional)


def _gain(wrapped: Wrapped, optimizer: TorchOptimizer, gradient: Tensors) -> float:
    """What the memory of an optimiser is yet to add to an update after `_FED` mini-batches."""
    before = [weight.detach().clone() for weight in wrapped.weights]
    made = optimizer.make(wrapped.weights, lr=1.0)
    norms = [
        math.sqrt(float(dot(update, update)))
        for update in (_stepped(wrapped, made, gradient, before) for _ in range(_LASTING))
    ]
    return norms[-1] / norms[_FED - 1] if norms[_FED - 1] > 0 else 1.0


def _proportional(wrapped: Wrapped, optimizer: TorchOptimizer, gradient: Tensors) -> bool:
    """Whether its step is longer where the gradient is: at least by half as much."""
    before = [weight.detach().clone() for weight in wrapped.weights]

    def squared_length(factor: float) -> float:
        made = optimizer.make(wrapped.weights, lr=1.0)
        step = _stepped(wrapped, made, [factor * part for part in gradient], before)
        return float(dot(step, step))

    return squared_length(2.0) > 2.25 * squared_length(1.0)


def _update(wrapped: Wrapped, optimizer: TorchOptimizer, batch_size: int, generator: Any) -> Tensors:
    """What the optimiser would take off the weights at a stepsize of 1, once it has a memory."""
    before = [weight.detach().clone() for weight in wrapped.weights]
    made = optimizer.make(wrapped.weights, lr=1.0)
    update: Tensors = []
    for _ in range(_FED):
        batch = wrapped.batch(_some(wrapped, batch_size, generator))
        update = _stepped(wrapped, made, wrapped.gradient(*batch), before)
    return update


def _stepped(wrapped: Wrapped, made: Any, gradient: Tensors, before: Tensors) -> Tensors:
    for weight, part in zip(wrapped.weights, gradient, strict=True):
        weight.grad = part
    made.step()
    update = [old - weight.detach() for old, weight in zip(before, wrapped.weights, strict=True)]
    with torch.no_grad():
        for weight, old in zip(wrapped.weights, before, strict=True):
            weight.copy_(old)
            weight.grad = None
    return update


def _some(wrapped: Wrapped, count: int, generator: Any) -> Any:
    """Different rows at random."""
    return torch.randperm(wrapped.rows, generator=generator)[: min(count, wrapped.rows)]


def noise_scale(wrapped: Wrapped, generator: Any, *, rows: int) -> NoiseScale:
    """At the weights that the module has, from gradients of batches of so many rows, drawn independently.
    They had better be large: late in a training the gradient is small beside their noise."""
    size = min(rows, wrapped.rows)
    gradients = []
    for _ in range(BATCHES):
        chosen = torch.randint(wrapped.rows, (size,), generator=generator)
        gradients.append(torch.cat([part.flatten() for part in wrapped.gradient(*wrapped.batch(chosen))]))
    at = wrapped.mean_loss(_some(wrapped, BATCHES * size, generator))
    stacked = torch.stack(gradients).double()
    return from_products((stacked @ stacked.T).cpu().numpy(), size, at=at)


def largest_curvature(wrapped: Wrapped, generator: Any, *, rows: int, products: int = _PRODUCTS) -> float:
    """lambda_max of the Hessian of a sample's loss by Lanczos, at the weights that the module has."""
    from rsgadvise.data.spectrum import lanczos_steps

    sample = wrapped.batch(_some(wrapped, rows, generator))
    shapes = [weight.shape for weight in wrapped.weights]
    sizes = [weight.numel() for weight in wrapped.weights]
    dtype = wrapped.weights[0].dtype

    def product(vector: Any) -> Any:
        flat = torch.as_tensor(vector, dtype=dtype, device=wrapped.device)
        parts = [part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]
        blocks = wrapped.curvature_along(*sample, parts)
        return torch.cat([part.flatten() for part in blocks]).double().cpu().numpy()

    start = torch.randn(wrapped.size, generator=generator).double().numpy()
    largest = -math.inf
    for count, ritz in enumerate(lanczos_steps(product, start), 1):
        largest = float(ritz.values[-1])
        if count >= min(products, wrapped.size) or ritz.rest <= 1e-9 * abs(largest):
            break
    return largest
