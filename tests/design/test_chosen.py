"""Which network gets the curve of equal bounds and the training plan."""

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


def said(found: Design, start: str) -> str:
    notes = [note for note in found.notes if note.startswith(start)]
    assert len(notes) <= 1
    return notes[0] if notes else ""


@pytest.mark.parametrize("which", ["best", "none"])
def test_where_rank_1_has_one_hidden_layer_the_curve_is_that_of_the_best_deeper_network(which: Any) -> None:
    found = ask(which, (1, 2, 3))
    assert len(found.architectures[0].layers) == 3
    deeper = next(row for row in found.architectures if row.depth >= 2)
    assert found.curve_layers == deeper.layers
    assert len(found.curve) > 1
    note = said(found, "The curve")
    assert f"rank {deeper.rank}, {'-'.join(map(str, deeper.layers))}" in note
    assert "rank 1 has one hidden layer" in note
    if which == "none":
        assert planned(found) is None
        assert not said(found, "The training planned")
    else:
        assert planned(found) == found.architectures[0].layers
        assert "--pipeline deep" in said(found, "The training planned")


def test_the_pipeline_of_the_best_deeper_network_and_of_a_rank_can_be_asked_for() -> None:
    ranks = ask("none", (1, 2, 3), top=5).architectures
    deeper = next(row for row in ranks if row.depth >= 2)
    assert planned(ask("deep", (1, 2, 3), top=5)) == deeper.layers
    for rank in (1, 3, 5):
        found = ask(rank, (1, 2, 3), top=5)
        assert planned(found) == ranks[rank - 1].layers
        assert found.curve_layers == (ranks[rank - 1] if ranks[rank - 1].depth >= 2 else deeper).layers


def test_a_deeper_network_beyond_the_ranks_shown_is_found_too() -> None:
    spec = {"target": {"eps": 1.0, "delta": 0.1, "runs": 4}}
    found = design(spec_of(**spec), widths=tuple(range(4, 24)), depths=(1, 3), top=1, pipeline="deep")
    assert found.curve_layers == (60, 4, 4, 4, 4)
    assert planned(found) == (60, 4, 4, 4, 4)
    assert "rank" not in said(found, "The curve").split("60-4")[0]


@pytest.mark.parametrize("which", ["best", "deep"])
def test_without_two_hidden_layers_a_note_says_why_there_is_no_curve(which: Any) -> None:
    shallow = ask(which, (0, 1))
    assert shallow.curve == ()
    assert "--depth allows at most 1" in said(shallow, "No curve")
    spec = spec_of(target={"eps": 1.0, "delta": 0.1, "runs": 4})
    capped = design(spec, widths=WIDTHS, depths=(1, 4), most_weights=300, pipeline=which)
    assert {row.depth for row in capped.architectures} == {1}
    assert capped.curve_layers is None
    assert "no network with two fits" in said(capped, "No curve")


def test_a_vacuous_certified_bound_has_no_curve() -> None:
    """It is shown as the largest gradient, which other lengths have not in common with the network."""
    spec = spec_of(training={"iterations": 1})
    for constants, drawn in (("certified", False), ("paper", True)):
        found = design(spec, widths=WIDTHS, depths=(2,), constants=constants)
        assert all(row.vacuous for row in found.architectures)
        assert (found.curve_layers is not None) == drawn
        assert ("is vacuous" in said(found, "No curve")) != drawn
        if drawn:
            assert found.curve_bound == pytest.approx(found.architectures[0].bound, rel=1e-9)


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "2.5", "\u0662", "99999"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be best, deep, spec, none, or a rank"):
        parse_which(text)


def test_a_rank_that_is_not_shown_is_refused() -> None:
    with pytest.raises(UsageError, match="rank from 1 to 3; got 4; raise --top"):
        ask(4, (1, 2), top=3)
    with pytest.raises(UsageError, match="from 1 to 2; got 9; no more architectures"):
        ask(9, (1,))
    assert said(ask(1, (0,)), "Rank 1 has no hidden layer")
