"""0.01 a + 0.99 ln(1 + exp(10 a))/10, a leaky rectifier whose kink is rounded off."""

from __future__ import annotations

from scipy.special import expit

from rsgadvise.theory.units.leaky_relu import LEAK
from rsgadvise.theory.units.smooth_relu import BETA, SmoothRelu
from rsgadvise.theory.units.unit import Array, Matrix

_REST = 1 - LEAK


class SmoothLeakyRelu(SmoothRelu):
    """Since max(a, LEAK a) = LEAK a + (1 - LEAK) max(a, 0), it is apart and bent 1 - LEAK times as much."""

    name = f"smooth leaky ReLU (softplus, beta {BETA})"
    rounds = "leaky ReLU"
    bend = 2.475  # (1 - LEAK) BETA/4
    offset = apart = 0.0686215708754346  # (1 - LEAK) ln 2/BETA, rounded up
    by_output = False
    dies = False
    function = "smooth_leaky_relu"
    numpy = (
        "from scipy.special import expit\n\n"
        f"h = {LEAK} * s + {_REST} * np.logaddexp(0, {BETA} * s) / {BETA}\n"
        f"return h, {LEAK} + {_REST} * expit({BETA} * s)"
    )
    torch, torch_module = "SmoothLeakyRelu()", "SmoothLeakyRelu"
    torch_forward = f"{LEAK} * x + {_REST} * {SmoothRelu.torch_forward}"
    keras = f"(lambda x: {LEAK} * x + {_REST} * keras.ops.softplus({BETA} * x) / {BETA})"

    def forward(self, values: Array) -> None:
        leaked = LEAK * values
        super().forward(values)
        values *= _REST
        values += leaked

    def backward(self, errors: Array, known: Array) -> None:
        known *= BETA
        expit(known, out=known)
        known *= _REST
        known += LEAK
        errors *= known

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        output, slope, bend = super().derivatives(values)
        return LEAK * values + _REST * output, LEAK + _REST * slope, _REST * bend


UNIT = SmoothLeakyRelu()
