"""What rows in memory say to the bounds."""

from __future__ import annotations

import numpy as np

from rsgadvise.networks import Data
from rsgadvise.theory.constants import InputMoments

__all__ = ["moments_of"]


def moments_of(data: Data) -> InputMoments:
    """The moments of the inputs, exactly those of the rows that are trained on."""
    inputs = np.asarray(data.inputs, np.float64)
    rows, columns = inputs.shape
    means = inputs.mean(axis=0)
    wide = columns > rows
    gram = inputs @ inputs.T if wide else inputs.T @ inputs
    top = float(np.linalg.eigvalsh(gram)[-1]) / rows
    mean, square = float(means.mean()), float(means @ means) / columns
    second = float(np.einsum("ij,ij->", inputs, inputs)) / inputs.size
    # Exact arithmetic orders them; rounding must not undo it, nor make a certified constant too small.
    return InputMoments(
        dim=columns,
        mean=mean,
        mean_square=square,
        second_moment=max(second, square),
        top_eigenvalue=min(max(top * (1 + 1e-12), columns * square), columns * max(second, square)),
    )
