"""max(a, 0), the rectifier, which has a kink."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Relu(Unit):
    """phi' = 1 above 0, else 0, as torch has it at 0; phi'' = 0 almost everywhere, and no bound at 0."""

    name = "ReLU"
    slope = 1.0
    bend = math.inf
    smoothed = "smooth_relu"
    offset, growth = 0.0, 1.0
    by_output = True
    dies = True
    function = "relu"
    numpy = "return np.maximum(s, 0), s > 0"
    torch, torch_module, keras, sklearn = "torch.relu", "nn.ReLU", "relu", "relu"

    def forward(self, values: Array) -> None:
        np.maximum(values, 0, out=values)

    def backward(self, errors: Array, known: Array) -> None:
        np.greater(known, 0, out=known)
        errors *= known

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        return np.maximum(values, 0), (values > 0).astype(np.float64), np.zeros_like(values)


UNIT = Relu()
