"""The hyperbolic tangent, which is twice a sigmoid of 2a less 1."""

from __future__ import annotations

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Tanh(Unit):
    """phi' = 1 - h^2, phi'' = -2 h (1 - h^2), h = phi."""

    name = "tanh"
    slope = 1.0
    bend = 0.7698003589195011  # 4/(3 sqrt 3), at h^2 = 1/3, rounded up
    height = 1.0
    offset, growth = 0.0, 1.0
    by_output = True
    function = "tanh"
    numpy = "h = np.tanh(s)\nreturn h, 1 - h**2"
    torch, torch_module, keras, sklearn = "torch.tanh", "nn.Tanh", "tanh", "tanh"

    def forward(self, values: Array) -> None:
        np.tanh(values, out=values)

    def backward(self, errors: Array, known: Array) -> None:
        np.square(known, out=known)
        np.subtract(1, known, out=known)
        errors *= known

    def square(self, entering: Matrix) -> Matrix:
        """tanh(s)^2, s = sqrt t. Its derivative sinh s/(s cosh^3 s) falls: the slope of its logarithm is
        coth s - 1/s - 3 tanh s, and coth s - 1/s <= tanh s."""
        return np.asarray(self.derivatives(np.sqrt(entering))[0] ** 2)

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        output = np.tanh(values)
        slope = 1 - output**2
        return output, slope, -2 * output * slope


UNIT = Tanh()
