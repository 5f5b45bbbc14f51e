"""-sum_j y_j ln softmax(a)_j, the log loss of classes."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads.head import Head, Turn
from rsgadvise.theory.units.unit import Array, Matrix

_DISTANCE = math.nextafter(math.sqrt(2), 2)
"""Most that two entries of a differ by, where ||a|| <= 1."""

_UP = 1 + 1e-14  # more than a logarithm is rounded by


class CrossEntropy(Head):
    """With p = softmax(a) and s = sum_j y_j <= 1: dl/da = s p - y, d^2 l/da^2 = s (diag p - p p^T).

    Both ends of dl/da lie in the simplex or between it and 0, so ||dl/da||^2 <= 2, attained where one class
    is certain and another is true. v^T (diag p - p p^T) v is a variance of the entries of v, which differ by
    sqrt 2 ||v|| at most: no more than 1/2 of ||v||^2, attained by two classes at 1/2. Rows of zeros, of no
    known class, have no loss. The engine keeps ln p, which is right where p is too small for a number.
    """

    name = "cross-entropy of softmax outputs"
    bend = 0.5
    classes = True
    shares = True
    sklearn = "softmax"
    numpy_output = (
        "p = np.exp(s - s.max(axis=1, keepdims=True))  # softmax\nreturn p / p.sum(axis=1, keepdims=True)"
    )
    numpy_loss = "-(y * np.log(np.maximum(p, np.finfo(float).tiny))).sum(axis=1)"
    numpy_slope = "(y.sum(axis=1, keepdims=True) * p - y)"
    torch_module, torch_function = "nn.Identity", "nn.Identity()"
    torch_loss = "-(target * torch.log_softmax(output, dim=1)).sum(dim=1).mean()"
    torch_predict = "torch.softmax(output.double(), dim=1)"
    keras_activation = "linear"
    keras_loss = "-keras.ops.sum(y * keras.ops.log_softmax(output, axis=-1), axis=-1)"
    keras_predict = "keras.ops.convert_to_numpy(keras.ops.softmax(output, axis=-1))"

    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        return np.full(np.shape(outputs), 2.0)

    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        others = np.maximum(np.asarray(outputs, dtype=np.float64) - 1, 1)
        farthest = _DISTANCE * np.asarray(reach, dtype=np.float64)
        return np.asarray(_UP * np.logaddexp(0, np.log(others) + farthest))

    def constant_loss(self, targets: Matrix) -> float:
        shares = targets.mean(axis=0)
        there = shares[shares > 0]
        return float(there @ (np.log(there.sum()) - np.log(there)))

    def forward(self, values: Array) -> None:
        values -= values.max(axis=-1, keepdims=True)
        values -= np.log(np.exp(values).sum(axis=-1, keepdims=True))

    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        return np.asarray(-np.einsum("...i,...i->...", targets, outputs))

    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        np.exp(outputs, out=errors)
        errors *= targets.sum(axis=-1, keepdims=True)
        errors -= targets
        errors *= scale

    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        logs = values.copy()
        self.forward(logs)
        shares, total = np.exp(logs), targets.sum(axis=1, keepdims=True)

        def turn(v: Matrix) -> Matrix:
            return np.asarray(total * shares * (v - (shares * v).sum(axis=1, keepdims=True)))

        return -(targets * logs).sum(axis=1), total * shares - targets, turn


HEAD = CrossEntropy()
