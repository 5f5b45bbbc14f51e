"""max(a, a/100), a rectifier that lets a hundredth through, and has a kink too."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit

LEAK = 0.01
"""phi' below 0: torch's default, where that of keras is 0.2."""


class LeakyRelu(Unit):
    """phi' = 1 above 0, else 0.01, as torch has it at 0; phi'' = 0 almost everywhere, and no bound at 0."""

    name = "leaky ReLU"
    slope = 1.0
    bend = math.inf
    smoothed = "smooth_leaky_relu"
    offset, growth = 0.0, 1.0
    by_output = True
    function = "leaky_relu"
    numpy = "return np.maximum(s, 0.01 * s), np.where(s > 0, 1, 0.01)"
    torch, torch_module = "nn.functional.leaky_relu", "nn.LeakyReLU"
    keras = "keras.layers.LeakyReLU(0.01)"

    def forward(self, values: Array) -> None:
        np.maximum(values, LEAK * values, out=values)

    def backward(self, errors: Array, known: Array) -> None:
        errors *= np.where(known > 0, 1, known.dtype.type(LEAK))

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        above = values > 0
        return np.maximum(values, LEAK * values), np.where(above, 1.0, LEAK), np.zeros_like(values)


UNIT = LeakyRelu()
