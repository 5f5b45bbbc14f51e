"""ln(1 + exp(a)), a smooth rectifier, whose derivative is the sigmoid."""

from __future__ import annotations

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Softplus(Unit):
    """phi' = 1 - exp(-phi), and phi'' = phi' (1 - phi'), at most 1/4; phi is ln 2 at 0 and grows like a."""

    name = "softplus"
    slope = 1.0
    bend = 0.25
    offset, growth = 0.6931471805599454, 1.0  # ln 2, rounded up
    by_output = True
    dies = True
    function = "softplus"
    numpy = "h = np.logaddexp(0, s)  # ln(1 + exp(s))\nreturn h, -np.expm1(-h)"
    torch, torch_module, keras = "nn.functional.softplus", "nn.Softplus", "softplus"

    def forward(self, values: Array) -> None:
        np.logaddexp(0, values, out=values)

    def backward(self, errors: Array, known: Array) -> None:
        np.negative(known, out=known)
        np.expm1(known, out=known)
        np.negative(known, out=known)
        errors *= known

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        output = np.logaddexp(0, values)
        slope = -np.expm1(-output)
        return output, slope, slope * np.exp(-output)


UNIT = Softplus()
