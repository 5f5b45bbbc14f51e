"""a / (1 + |a|): a unit in a file of its own."""

import numpy as np

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Softsign(Unit):
    """phi' = (1 - |phi|)^2, phi'' = -2 sign(phi) (1 - |phi|)^3."""

    name = "softsign"
    slope, bend = 1.0, 2.0
    height = 1.0
    offset, growth = 0.0, 1.0
    by_output = True
    function = "softsign"
    numpy = "h = s / (1 + np.abs(s))\nreturn h, (1 - np.abs(h)) ** 2"
    torch, torch_module, keras = "nn.functional.softsign", "nn.Softsign", "softsign"

    def forward(self, values: Array) -> None:
        values /= 1 + np.abs(values)

    def backward(self, errors: Array, known: Array) -> None:
        errors *= (1 - np.abs(known)) ** 2

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        rest = 1 / (1 + np.abs(values))
        return values * rest, rest**2, -2 * np.sign(values) * rest**3


UNIT = Softsign()
