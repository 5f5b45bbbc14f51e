"""What an advice is written into besides: code that trains by it, or a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsgadvise.cli.data import reading_of, without_targets
from rsgadvise.cli.sources import located
from rsgadvise.errors import HypothesisError, InfeasibleError
from rsgadvise.kinds import KINDS

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.show.emit import DataFile, Target
    from rsgadvise.spec import LoadedSpec


# `--into`: the advised values written into a spec.


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
        "optimizer": plan.optimises.written,
    }
    if KINDS[advice.kind].masked:
        values["keep_prob"] = plan.keep_prob
    if plan.decay:
        values["decay"] = plan.decay
    if plan.stopping not in ("uniform", "listed"):
        values["stopping"] = "last" if plan.stopping == "end" else plan.stopping
    box = plan.weight_bound
    network = {} if box is None else {"weight_bound": list(box) if isinstance(box, tuple) else box}
    write_training(into, values, network=network)


# `recommend --emit`: the advice as code, on the spec's own data file where it names one.


def snippet_text(
    advice: Advice, loaded: LoadedSpec, statistics: DataStatistics | None, target: Target
) -> str:
    """The snippet of what the answer says to train with.

    Raises:
        InfeasibleError: it says nothing.
        SpecError: the data file has no targets, and the network needs some.
    """
    from rsgadvise.show.emit import emit_snippet

    if advice.infeasible is not None and advice.train is None:
        raise InfeasibleError(f"{loaded.source.file}: nothing to emit: {advice.infeasible.reason}")
    data = None if statistics is None else _data_file(advice, loaded, statistics)
    try:
        return emit_snippet(advice, loaded.spec, target=target, data=data)
    except HypothesisError as error:
        raise located(error, loaded) from None


def _data_file(advice: Advice, loaded: LoadedSpec, statistics: DataStatistics) -> DataFile:
    """How the snippet loads the data: its path is that from the working directory of this program."""
    from rsgadvise.data.opening import plain_arrays
    from rsgadvise.show.emit import DataFile

    data, tied = loaded.spec.data, loaded.spec.network.tied
    if statistics.output_dim is None and not tied:
        raise without_targets(loaded)
    path = loaded.source.base_dir / (data.file or "")
    reading = reading_of(loaded.spec)
    plain = plain_arrays(path, reading)
    labelled = statistics.target_encoding == "one-hot"
    used = None if advice.train is None else advice.train.scaling
    return DataFile(
        path=str(path),
        scaling=used or statistics.scaling,  # type: ignore[arg-type]
        options=reading.said,
        plain=plain is not None and (tied or (plain.labelled and labelled)),
        features=None if plain is None else plain.features,
        labels=None if plain is None else plain.targets,
        labelled=labelled,
        binary=statistics.target_encoding == "0 and 1",
        rows=statistics.samples,
        squared_norm=statistics.input_dim * statistics.second_moment,
    )
