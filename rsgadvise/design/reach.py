"""How small a gradient the architectures can reach at all."""

from __future__ import annotations

import numpy as np

from rsgadvise.advise.space import Goal, Space
from rsgadvise.bounds.objective import ConstantsName, Schedule
from rsgadvise.bounds.problem import Problem
from rsgadvise.design.joint import joint_objective, one_space
from rsgadvise.design.lattice import Lattice
from rsgadvise.design.screening import BLOCK, first_batches

__all__ = ["least_eps"]

_RUNS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 100.0, 400.0, 4096.0)


def least_eps(
    base: Problem, space: Space, lattice: Lattice, goal: Goal, *, constants: ConstantsName
) -> tuple[float, tuple[int, ...]] | None:
    """(smallest eps, layers) that any architecture reaches with delta within the limits.

    Every candidate runs the most iterations that the limits leave; eps is its best bound over
    delta^(1/T). Exact for listed batch sizes and a given T; else the least of those tried.

    Returns:
        None where no candidate has room for an iteration.
    """
    grid = first_batches(space)
    tries = (float(goal.runs),) if goal.runs else _RUNS
    best: tuple[float, tuple[int, ...]] | None = None
    for block in lattice.blocks(max(BLOCK // grid.size, 1)):
        lengths = [block.hidden[:, [layer]].astype(np.float64) for layer in range(block.depth)]
        objective = joint_objective(
            base, (float(lattice.inputs), *lengths, float(lattice.outputs)), constants
        )
        batch = np.broadcast_to(grid, (block.index.size, grid.size)).copy()
        for runs in tries:
            n = space.most_iterations(batch, np.full(batch.shape, runs))
            for keep_range in one_space(space, block.depth).keep_probs:
                safe = np.maximum(n, 1.0)
                stepsize, zeta = objective.optimum(batch, safe, keep_range, Schedule())
                bound = objective.bound(stepsize, zeta, batch, safe, Schedule()).value
                eps = np.where(n > 0, bound / goal.delta ** (1 / runs), np.inf)
                at = int(np.nanargmin(eps)) if np.isfinite(eps).any() else -1
                if at >= 0 and (best is None or float(eps.flat[at]) < best[0]):
                    row = at // grid.size
                    best = float(eps.flat[at]), lattice.layers(block.depth, int(block.index[row]))
    return best
