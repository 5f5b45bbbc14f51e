"""a Phi(a), Phi the distribution function of the normal distribution: the exact form, not that by a tanh."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from rsgadvise.theory.units.unit import Array, Matrix, Unit

_DENSITY = 0.3989422804014327  # 1/sqrt(2 pi), that of the normal distribution at 0


class Gelu(Unit):
    """With the density g: phi' = Phi + a g, largest at a = sqrt 2; phi'' = (2 - a^2) g, largest at 0.

    Source: D. Hendrycks and K. Gimpel, Gaussian error linear units (2016).
    """

    name = "GELU"
    slope = 1.128904145185155  # Phi(sqrt 2) + exp(-1)/sqrt(pi), rounded up
    bend = 0.7978845608028655  # sqrt(2/pi), rounded up
    offset, growth = 0.0, 1.0
    function = "gelu"
    numpy = (
        "from scipy.special import ndtr\n\n"
        "p = ndtr(s)  # share of a normal distribution that is below s\n"
        "return s * p, p + s * np.exp(-0.5 * s**2) / np.sqrt(2 * np.pi)"
    )
    torch, torch_module, keras = "nn.functional.gelu", "nn.GELU", "gelu"

    def forward(self, values: Array) -> None:
        values *= ndtr(values)

    def backward(self, errors: Array, known: Array) -> None:
        share = ndtr(known)
        density = np.square(known)
        density *= -0.5
        np.exp(density, out=density)
        density *= _DENSITY
        known *= density
        known += share
        errors *= known

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        share = ndtr(values)
        density = _DENSITY * np.exp(-0.5 * values**2)
        return values * share, share + values * density, (2 - values**2) * density


UNIT = Gelu()
