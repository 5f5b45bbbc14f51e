"""Architectures ranked per second on one core, and peak memory, against one `recommend` per architecture."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from functools import cache

import numpy as np

from rsgadvise.advise.recommend import rank
from rsgadvise.advise.space import Space, search_space
from rsgadvise.ask.design.designing import parse_widths
from rsgadvise.ask.design.screening import Lattice, Metric, Search, one_problem, one_space, screen
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.problem import Problem

_PEERS = 150
WIDTHS, DEPTHS = "16:1024:log12", (1, 2, 3, 4, 5)
AIM_SECONDS, AIM_GIGABYTES = 10.0, 1.0
_CONSTANTS: tuple[ConstantsName, ...] = ("paper", "certified")
CASES: dict[str, tuple[ConstantsName, bool, bool]] = {
    f"{constants} constants, {'target' if target else 'budget'}{', range' if wide else ''}": (
        constants,
        target,
        wide,
    )
    for wide in (False, True)
    for constants in _CONSTANTS
    for target in (True, False)
}
"""Constants, whether there is a target, and whether batch sizes are a range instead of a list of four."""


@cache
def _asked(target: bool, wide: bool) -> tuple[Problem, Space]:
    sizes = {"min": 256, "max": 16777216} if wide else [4096, 65536, 524288, 4194304]
    goal = {"target": {"eps": 0.5, "delta": 0.05, "runs": 6}} if target else {"budget": {"epochs": 100}}
    spec = Spec.model_validate(
        {
            "network": {"kind": "multilayer", "layers": [784, 64, 10], "weight_bound": 0.02},
            "data": {
                "mean": 0.1307,
                "mean_square": 0.0448,
                "second_moment": 0.112,
                "top_eigenvalue": 38.1,
                "samples": 60000,
            },
            "search": {"batch_size": sizes, "iterations": {"max": 10**9}},
            **goal,
        }
    )
    problem = resolve(spec)
    return problem, search_space(spec, problem)


def _ours(constants: ConstantsName, target: bool, wide: bool) -> dict[str, float]:
    """Seconds and peak memory of screening and sorting every architecture."""
    problem, space = _asked(target, wide)
    metric: Metric = "work" if target else "bound"
    lattice = Lattice(784, 10, parse_widths(WIDTHS), DEPTHS)
    with np.errstate(all="ignore"):
        begun, used = time.perf_counter(), time.process_time()
        found = screen(Search(problem, space, lattice, constants, metric))
        found.order()
        seconds, used = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rng = np.random.default_rng(0)
    chosen = rng.choice(found.cost.size, _PEERS, replace=False)
    begun, worst = time.process_time(), 0.0
    with np.errstate(all="ignore"):
        for at in chosen:
            layers = lattice.layers(int(found.depth[at]), int(found.index[at]))
            own = one_space(space, len(layers) - 2)
            rows = rank(one_problem(problem, layers), own, constants=constants, top=99).recommendations
            costs = [row.bound if not target else float(row.total_samples) for row in rows]
            weights = 3.0 * float(found.weights[at]) if target else 1.0
            here = min(costs) * weights if costs else np.inf
            if np.isfinite(here) or np.isfinite(found.cost[at]):
                worst = max(worst, abs(here / float(found.cost[at]) - 1))
    peer = (time.process_time() - begun) / _PEERS
    return {
        "architectures": float(found.cost.size),
        "feasible": float(np.isfinite(found.cost).sum()),
        "seconds": seconds,
        "used": used,
        "peak": peak,
        "peer": peer,
        "worst": worst,
    }


def run() -> None:
    """Print seconds and peak memory of each case, in a process of its own, beside the loop's estimate."""
    for name in CASES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.design", name], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        loop = found["peer"] * found["architectures"]
        print(
            f"design, {name:34} {found['architectures']:,.0f} networks "
            f"({found['feasible']:,.0f} feasible) in "
            f"{found['used']:6.2f} s of processor, {found['seconds']:6.2f} s by the clock "
            f"(aim {AIM_SECONDS:g}), peak {found['peak']:.2f} GiB "
            f"(aim {AIM_GIGABYTES:g}); one `recommend` per network: {loop:,.0f} s by {_PEERS} of them, "
            f"{loop / found['used']:,.0f} times as long; largest difference {found['worst']:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(_ours(*CASES[sys.argv[1]])))
    else:
        run()
