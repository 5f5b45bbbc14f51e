"""Which network gets the training plan."""

from __future__ import annotations

from typing import Any

import pytest
from cases import spec_of

from rsgadvise.ask.design import Design, design, designing, parse_which, ranking
from rsgadvise.errors import UsageError

WIDTHS = (4, 8)


@pytest.fixture(autouse=True)
def names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is its network, and no network beyond those shown is solved."""
    monkeypatch.setattr(ranking, "MARGIN", 0)
    monkeypatch.setattr(designing, "plan_pipeline", lambda problem, *_, **__: problem.layers)


def ask(
    which: Any, depths: tuple[int, ...], *, top: int = 10, sections: dict[str, Any] | None = None
) -> Design:
    sections = sections or {"target": {"eps": 1.0, "delta": 0.1, "runs": 4}}
    return design(spec_of(**sections), widths=WIDTHS, depths=depths, top=top, pipeline=which)


def planned(found: Design) -> Any:
    return found.pipeline


@pytest.mark.parametrize("which", ["best", "none", 1, 3])
def test_the_network_asked_for_is_planned(which: Any) -> None:
    found = ask(which, (1, 2, 3))
    ranks = [row.layers for row in found.architectures]
    wanted = {"best": ranks[0], "none": None}.get(which) if isinstance(which, str) else ranks[which - 1]
    assert planned(found) == wanted


@pytest.mark.parametrize(
    ("which", "depths", "why"),
    [
        ("best", (0,), "No architecture with a hidden layer"),
        (1, (0,), "Rank 1 has no hidden layer"),
    ],
)
def test_without_a_network_to_plan_a_note_says_why(which: Any, depths: tuple[int, ...], why: str) -> None:
    found = ask(which, depths)
    assert planned(found) is None
    assert sum(note.startswith(why) for note in found.notes) == 1


@pytest.mark.parametrize("text", ["", "deep", "0", "-1", "two", "2.5", "\u0662", "99999"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be best, spec, none, or a rank"):
        parse_which(text)


def test_a_rank_that_is_not_shown_is_refused() -> None:
    with pytest.raises(UsageError, match="rank from 1 to 3; got 4; raise --top"):
        ask(4, (1, 2), top=3)
    with pytest.raises(UsageError, match="from 1 to 2; got 9; no more architectures"):
        ask(9, (1,))
