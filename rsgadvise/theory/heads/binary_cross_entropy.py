"""-sum_j y_j ln sigma(a)_j + (1 - y_j) ln(1 - sigma(a)_j): a yes or no for each output, by itself."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, xlogy

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads.head import Head, Turn
from rsgadvise.theory.units.unit import Array, Matrix

_UP = 1 + 1e-14  # more than an exponential and a logarithm are rounded by


class BinaryCrossEntropy(Head):
    """Each term is ln(1 + e^a) - y a: its derivatives are sigma - y, within 1, and sigma (1 - sigma) <= 1/4.

    As a function of a^2 the largest term, ln(1 + e^|a|), is concave, so that of all a of one length those
    with equal entries have the largest sum. The engine keeps a, from which all is right however large it is.
    """

    name = "cross-entropy of sigmoid outputs"
    bend = 0.25
    half = 0.0
    shares = True
    sklearn = "logistic"
    numpy_output = "return 0.5 * (1 + np.tanh(0.5 * s))  # 1 / (1 + exp(-s))"
    numpy_loss = (
        "-(y * np.log(np.maximum(p, 1e-16)) + (1 - y) * np.log(np.maximum(1 - p, 1e-16))).sum(axis=1)"
    )
    numpy_slope = "(p - y)"
    torch_module, torch_function = "nn.Identity", "nn.Identity()"
    torch_loss = (
        'nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none").sum(dim=1).mean()'
    )
    torch_predict = "torch.sigmoid(output.double())"
    keras_activation = "linear"
    keras_loss = "keras.ops.sum(keras.ops.softplus(output) - y * output, axis=-1)"
    keras_predict = "keras.ops.convert_to_numpy(keras.ops.sigmoid(output))"

    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        return np.asarray(outputs, dtype=np.float64)

    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        count = np.asarray(outputs, dtype=np.float64)
        each = np.asarray(reach, dtype=np.float64) / np.sqrt(count)
        return np.asarray(_UP * count * np.logaddexp(0, each))

    def constant_loss(self, targets: Matrix) -> float:
        shares = targets.mean(axis=0)
        return float(-(xlogy(shares, shares) + xlogy(1 - shares, 1 - shares)).sum())

    def forward(self, values: Array) -> None:
        pass

    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        terms = np.logaddexp(0, outputs)
        terms -= targets * outputs
        return np.asarray(terms.sum(axis=-1))

    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        expit(outputs, out=errors)
        errors -= targets
        errors *= scale

    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        output, rest = expit(values), expit(-values)
        losses = np.asarray(self.losses(values, targets, values), np.float64)
        return losses, output - targets, lambda v: np.asarray(output * rest * v)


HEAD = BinaryCrossEntropy()
