"""The points of a sweep as specs: all of them are valid before the first one is worked on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec import LoadedSpec, with_override
from rsgadvise.spec.editing import STATISTICS
from rsgadvise.sweep.axes import override
from rsgadvise.sweep.results import Axis, Value

__all__ = ["PlannedPoint", "plan_points"]


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """The values of the axes at one point, and the spec that they make."""

    values: Mapping[str, Value]
    loaded: LoadedSpec


def plan_points(
    loaded: LoadedSpec,
    axes: Sequence[Axis],
    *,
    option: str,
    check: Callable[[LoadedSpec], None] = lambda _: None,
) -> tuple[PlannedPoint, ...]:
    """Every combination, the first axis slowest.

    Args:
        loaded: the spec.
        axes: what varies.
        option: where the axes come from, for messages.
        check: raises where a spec does not fit its data.

    Raises:
        SpecError: a combination breaks a rule of the spec. UsageError: a key has no effect.
    """
    for axis in axes:
        section, _, key = axis.key.partition(".")
        if section == "data" and key in STATISTICS and loaded.spec.data.file is not None:
            raise UsageError(
                f"{option} {axis.key}: must be a key that counts; got one that is measured from data.file; "
                "vary another, or take the file out of the spec"
            )
    points = []
    for values in itertools.product(*(axis.values for axis in axes)):
        texts = [override(axis.key, value) for axis, value in zip(axes, values, strict=True)]
        try:
            varied = with_override(loaded, *texts, option=option)
            check(varied)
        except SpecError as error:
            if error.file.startswith(option) and len(texts) == 1:
                raise
            # The rule may be that of another key, and the value at fault that of either axis.
            message = f"{error.message} ({option} {' and '.join(texts)})"
            raise SpecError(
                message, file=error.file, line=error.line, column=error.column, key=error.key
            ) from None
        keys = (axis.key for axis in axes)
        points.append(PlannedPoint(dict(zip(keys, values, strict=True)), varied))
    return tuple(points)
