"""One explanation of one spec, however often it is asked for and whatever is written of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rsgadvise.ask.explain import explaining
from rsgadvise.ask.explain.explaining import explain
from rsgadvise.ask.explain.results import Explanation
from rsgadvise.spec import Spec

_KNOWN: dict[Any, Explanation] = {}


def _once(spec: Spec, *, statistics: Any, **asked: Any) -> Explanation:
    key = (spec.model_dump_json(), repr(statistics), repr(sorted(asked.items())))
    if key not in _KNOWN:
        _KNOWN[key] = explain(spec, statistics=statistics, **asked)
    return _KNOWN[key]


@contextmanager
def explained_once() -> Iterator[None]:
    """While it lasts, what is known already is not computed again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explaining, "explain", _once)
        yield
