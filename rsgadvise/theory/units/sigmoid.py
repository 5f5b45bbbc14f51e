"""sigma(a) = 1 / (1 + exp(-a)), of which the paper's theorems are."""

from __future__ import annotations

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Sigmoid(Unit):
    """The logistic function: sigma' = h (1 - h), sigma'' = h (1 - h)(1 - 2h), h = sigma."""

    name = "sigmoid"
    slope = 0.25
    bend = 0.09622504486493764  # 1/(6 sqrt 3), rounded up
    height = 1.0
    offset, growth = 1.0, 0.0
    by_output = True
    dies = True
    function = "sigmoid"
    numpy = "h = 0.5 * (1 + np.tanh(0.5 * s))  # 1 / (1 + exp(-s))\nreturn h, h * (1 - h)"
    torch, torch_module, keras, sklearn = "torch.sigmoid", "nn.Sigmoid", "sigmoid", "logistic"

    def forward(self, values: Array) -> None:
        if values.dtype == np.float32:
            # (1 + tanh(a/2))/2: of single precision the hyperbolic tangent is the cheaper one, of double not.
            values *= 0.5
            np.tanh(values, out=values)
            values *= 0.5
            values += 0.5
            return
        np.negative(values, out=values)
        np.exp(values, out=values)  # may overflow to inf, which gives the right 0
        values += 1
        np.divide(1, values, out=values)  # faster than np.reciprocal, and the same bits

    def backward(self, errors: Array, known: Array) -> None:
        errors *= known
        np.subtract(1, known, out=known)
        errors *= known

    def square(self, entering: Matrix) -> Matrix:
        """sigma(s)^2, s = sqrt t. Its derivative h^2 (1 - h)/s, h = sigma, falls: the slope of its logarithm
        is 2 - 3h - 1/s, where 2 - 3h is at most 1/2, and no more than 0 from s = ln 2 on."""
        return np.asarray(self.derivatives(np.sqrt(entering))[0] ** 2)

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        with np.errstate(over="ignore"):
            output = 1 / (1 + np.exp(-values))
        slope = output * (1 - output)
        return output, slope, slope * (1 - 2 * output)


UNIT = Sigmoid()
