"""Frozen classes compare, hash and print as those of the standard library do, without compiling each."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from dataclasses import field
from inspect import signature
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

    class Made:
        first: int
        by_name: str = field(default="x", kw_only=True)
        parts: list[int] = field(default_factory=list, compare=False)
        begun: int = field(init=False, default=7)
        found: list[int] = field(init=False, default_factory=list, compare=False)
        twice: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.first)

    made = tuple(decorate(frozen=True, slots=True)(cls) for cls in (Empty, One, Some, Own, Made))

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
        ((3, [1]), (3,)),
        (("a",), ("a", (), 0, 7)),
    )
    for our, their, (first, second) in zip(ours, theirs, arguments, strict=True):
        assert repr(our(*first)) == repr(their(*first))
        assert (our(*first) == our(*second)) is (their(*first) == their(*second))
        assert (our(*first) == our(*first)) is (their(*first) == their(*first))
        assert hash(our(*second)) == hash(their(*second))
        assert [f.name for f in dataclasses.fields(our)] == [f.name for f in dataclasses.fields(their)]
        assert our.__match_args__ == their.__match_args__
        assert _parameters(our) == _parameters(their)
        for wrong in ((1,) * 9, ()):
            assert _refusal(our, wrong) == _refusal(their, wrong)
    assert (made := ours[4](1, by_name="y")) == ours[4](first=1, by_name="y") != ours[4](1)
    assert (made.parts, made.begun, made.found, made.twice) == ([], 7, [], 2)
    assert made.parts is not ours[4](1).parts
    one = ours[2]("a", ([],))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.name
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert ours[5]("a") != ours[2]("a") != theirs[2]("a")


def _parameters(make: Any) -> list[tuple[Any, ...]]:
    return [(p.name, p.kind, p.annotation) for p in signature(make).parameters.values()]


def _refusal(make: Any, arguments: tuple[Any, ...]) -> str:
    try:
        make(*arguments)
    except TypeError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class _Knot:
    parts: list[Any]


@dataclass(frozen=True)
class _Loose(_Knot):
    name: str = "loose"


def test_copies_and_circles() -> None:
    knot = _Knot([1])
    assert pickle.loads(pickle.dumps(knot)) == copy.deepcopy(knot) == dataclasses.replace(knot, parts=[1])
    loose = _Loose([1])
    assert pickle.loads(pickle.dumps(loose)) == copy.copy(loose) == dataclasses.replace(loose) != knot
    knot.parts.append(knot)
    assert repr(knot) == "_Knot(parts=[1, ...])"
