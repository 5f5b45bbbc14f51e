"""`recommend --emit`: the advice as code, on the spec's own data file where it names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsgadvise.cli.data import without_targets
from rsgadvise.cli.locating import located
from rsgadvise.errors import HypothesisError, InfeasibleError

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.emit import DataFile, Target
    from rsgadvise.spec import LoadedSpec

__all__ = ["snippet_text"]


def snippet_text(
    advice: Advice, loaded: LoadedSpec, statistics: DataStatistics | None, target: Target
) -> str:
    """The snippet of what the answer says to train with.

    Raises:
        InfeasibleError: it says nothing.
        SpecError: the data file has no targets, and the network needs some.
    """
    from rsgadvise.emit import emit_snippet

    if advice.infeasible is not None and advice.train is None:
        raise InfeasibleError(f"{loaded.source.file}: nothing to emit: {advice.infeasible.reason}")
    data = None if statistics is None else _data_file(advice, loaded, statistics)
    try:
        return emit_snippet(advice, loaded.spec, target=target, data=data)
    except HypothesisError as error:
        raise located(error, loaded) from None


def _data_file(advice: Advice, loaded: LoadedSpec, statistics: DataStatistics) -> DataFile:
    """How the snippet loads the data: its path is that from the working directory of this program."""
    from rsgadvise.emit import DataFile
    from rsgadvise.readers import plain_arrays

    data, tied = loaded.spec.data, loaded.spec.network.kind == "autoencoder"
    if statistics.output_dim is None and not tied:
        raise without_targets(loaded)
    path = loaded.source.base_dir / (data.file or "")
    exclude = data.exclude
    plain = None if exclude else plain_arrays(path, array=data.array, target=data.target)
    used = None if advice.train is None else advice.train.scaling
    return DataFile(
        path=str(path),
        scaling=used or statistics.scaling,  # type: ignore[arg-type]
        array=data.array,
        target=data.target,
        exclude=exclude,
        plain=plain is not None and (tied or plain.labelled),
        features=None if plain is None else plain.features,
        labels=None if plain is None else plain.targets,
        labelled=statistics.target_encoding == "one-hot",
        rows=statistics.samples,
        squared_norm=statistics.input_dim * statistics.second_moment,
    )
