"""ln(1 + exp(10 a))/10, a rectifier whose kink is rounded off, so that theorems are about it."""

from __future__ import annotations

from rsgadvise.theory.units.softplus import Softplus
from rsgadvise.theory.units.unit import Array, Matrix

BETA = 10
"""Of max(a, 0) it is ln 2/BETA apart at most, and bends by BETA/4."""


class SmoothRelu(Softplus):
    """softplus(BETA a)/BETA = max(a, 0) + ln(1 + exp(-BETA |a|))/BETA, most above max(a, 0) at 0."""

    name = f"smooth ReLU (softplus, beta {BETA})"
    rounds = "ReLU"
    bend = BETA / 4
    offset = apart = 0.06931471805599454  # ln 2/BETA, rounded up
    function = "smooth_relu"
    numpy = (
        f"h = np.logaddexp(0, {BETA} * s) / {BETA}  # ln(1 + exp({BETA} s))/{BETA}\n"
        f"return h, -np.expm1(-{BETA} * h)"
    )
    torch, torch_module = "SmoothRelu()", "SmoothRelu"
    torch_forward = f"nn.functional.softplus(x, beta={BETA}, threshold=40)"
    keras = f"(lambda x: keras.ops.softplus({BETA} * x) / {BETA})"

    def forward(self, values: Array) -> None:
        values *= BETA
        super().forward(values)
        values /= BETA

    def backward(self, errors: Array, known: Array) -> None:
        known *= BETA
        super().backward(errors, known)

    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        output, slope, bend = super().derivatives(BETA * values)
        return output / BETA, slope, BETA * bend


UNIT = SmoothRelu()
