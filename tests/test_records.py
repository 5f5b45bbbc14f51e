"""Frozen classes compare, hash and print as those of the standard library do, without compiling each."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from dataclasses import field
from typing import Any, ClassVar

import pytest

from rsgadvise.records import dataclass


def _both(decorate: Any) -> tuple[Any, ...]:
    class Empty:
        pass

    class One:
        value: float = math.nan

    class Some:
        shared: ClassVar[dict[str, int]] = {}
        name: str
        parts: tuple[Any, ...] = ()
        hidden: int = field(default=0, repr=False)
        ignored: int = field(default=0, compare=False)

    class Own:  # noqa: PLW1641
        value: int = 0

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "mine"

    made = tuple(decorate(frozen=True, slots=True)(cls) for cls in (Empty, One, Some, Own))

    some: Any = made[2]

    class Below(some):  # type: ignore[misc]
        more: float = 1.0

    return (*made, decorate(frozen=True)(Below))


def test_as_those_of_the_standard_library() -> None:
    ours, theirs = _both(dataclass), _both(dataclasses.dataclass)
    arguments = (
        ((), ()),
        ((), ()),
        (("a", (1, "b")), ("a", (1, "b"), 2, 3)),
        ((), (5,)),
        (("a",), ("a", (), 0, 7)),
    )
    for our, their, (first, second) in zip(ours, theirs, arguments, strict=True):
        assert repr(our(*first)) == repr(their(*first))
        assert (our(*first) == our(*second)) is (their(*first) == their(*second))
        assert (our(*first) == our(*first)) is (their(*first) == their(*first))
        assert hash(our(*second)) == hash(their(*second))
        assert [f.name for f in dataclasses.fields(our)] == [f.name for f in dataclasses.fields(their)]
    one = ours[2]("a", ([],))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "b"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert ours[4]("a") != ours[2]("a") != theirs[2]("a")


@dataclass(frozen=True, slots=True)
class _Knot:
    parts: list[Any]


def test_copies_and_circles() -> None:
    knot = _Knot([1])
    assert pickle.loads(pickle.dumps(knot)) == copy.deepcopy(knot) == dataclasses.replace(knot, parts=[1])
    knot.parts.append(knot)
    assert repr(knot) == "_Knot(parts=[1, ...])"
