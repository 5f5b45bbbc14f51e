"""`--into`: the advised values written into a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice

__all__ = ["write_advice"]


def write_advice(into: Path, advice: Advice) -> None:
    """Fix what the advice trains with in the `training` section of a spec.

    Raises:
        SpecError: it is no spec, or cannot be written.
    """
    from rsgadvise.spec import write_training

    plan = advice.train
    if plan is None:
        return
    gamma = plan.stepsize
    values: dict[str, Any] = {
        "stepsize": list(gamma) if isinstance(gamma, tuple) else gamma,
        "batch_size": plan.batch_size,
        "iterations": plan.iterations,
    }
    if advice.kind != "single_layer":
        values["keep_prob"] = plan.keep_prob
    if plan.decay:
        values["decay"] = plan.decay
    if plan.stopping not in ("uniform", "listed"):
        values["stopping"] = "last" if plan.stopping == "end" else plan.stopping
    box = plan.weight_bound
    network = {} if box is None else {"weight_bound": list(box) if isinstance(box, tuple) else box}
    write_training(into, values, network=network)
