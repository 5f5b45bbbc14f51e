"""What another batch size does to iterations, samples, time and stepsize, once the critical one is known.

Let a step of the best length lower f by D/(1 + B_c/B), as a quadratic model has it, whose gradient has the
noise scale B_c. Then the same loss takes S = S_min (1 + B_c/B) iterations and E = S B samples: at B = B_c
twice the fewest of both.

Source: McCandlish, Kaplan, Amodei et al., An empirical model of large-batch training (2018), section 2.
Kind: a model. B_c grows while training goes on; one for a whole training is a mean.
"""

from __future__ import annotations

import math


def iterations_factor(before: float, after: float, *, critical: float) -> float:
    """S(after)/S(before) = (1 + B_c/after)/(1 + B_c/before).

    Args:
        before, after: batch sizes.
        critical: B_c, at least 0; inf where noise is all there is.

    Example:
        >>> iterations_factor(32, 64, critical=64.0), iterations_factor(32, 64, critical=math.inf)
        (0.6666666666666666, 0.5)
    """
    if critical == math.inf:
        return before / after
    return (1 + critical / after) / (1 + critical / before)


POWER = 0.5
"""Of 1/S, with which the best stepsize goes: see `stepsize_factor`."""


def stepsize_factor(before: float, after: float, *, critical: float) -> float:
    """gamma(after)/gamma(before) for gamma = gamma_max / (1 + B_c/B)^(1/2).

    The root of B far below B_c, constant above. Of one step of SGD on a quadratic the power is 1; whole
    trainings, whose stepsize the curvature limits too, were slower with 1 than with 1/2 on the development
    settings of benchmarks/batch, by SGD and by Adam, and so they were with the fall beyond B_c that Li et al.
    (Surge phenomenon in optimal learning rate and batch size scaling, 2024) derive for Adam.

    Source: McCandlish et al. (2018), section 2, whose power is 1; Malladi et al., On the SDEs and scaling
        rules for adaptive gradient algorithms (2022), whose rule is the root.
    Kind: a model; the power is chosen by measurement.

    Args:
        before, after, critical: as for `iterations_factor`.

    Example:
        >>> stepsize_factor(32, 128, critical=float("inf")), stepsize_factor(32, 128, critical=0.0)
        (2.0, 1.0)
    """
    return float(iterations_factor(before, after, critical=critical) ** -POWER)
