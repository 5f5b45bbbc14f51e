"""a sigma(a), which is also called swish."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from rsgadvise.theory.units.unit import Array, Matrix, Unit


class Silu(Unit):
    """With s = sigma(a): phi' = s (1 + a (1 - s)), phi'' = s (1 - s)(2 + a (1 - 2 s)), which is 1/2 at 0.

    phi' is largest where a tanh(a/2) = 2, at 2.3993572805.

    Source: S. Elfwing, E. Uchibe and K. Doya, Sigmoid-weighted linear units (2018).
    """

    name = "SiLU"
    slope = 1.0998393201288672  # rounded up
    bend = 0.5
    offset, growth = 0.0, 1.0
    function = "silu"
    numpy = "p = 0.5 * (1 + np.tanh(0.5 * s))  # 1 / (1 + exp(-s))\nreturn s * p, p * (1 + s * (1 - p))"
    torch, torch_module, keras = "nn.functional.silu", "nn.SiLU", "silu"

    def forward(self, values: Array) -> None:
        values *= expit(values)

    def backward(self, errors: Array, known: Array) -> None:
        share = expit(known)
        errors *= share
        np.subtract(1, share, out=share)
        known *= share
        known += 1
        errors *= known

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        share, rest = expit(values), expit(-values)
        return values * share, share * (1 + values * rest), share * rest * (2 + values * (rest - share))


UNIT = Silu()
