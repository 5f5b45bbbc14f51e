"""A few tries of a fixed seed on every run; `make explore` makes many, of other seeds."""

from __future__ import annotations

import json
from pathlib import Path

import judged
import pytest
from drawn import Try, draw_try, write_data
from exploring import attempt, main

SPEC = {"network": {"kind": "single_layer", "layers": [4, 3]}, "data": {"samples": 100}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_data(tmp_path)
    return tmp_path


def test_some_tries(folder: Path) -> None:
    for index in range(25):
        one = draw_try(0, index)
        assert attempt(one, folder) == [], one


def test_the_same_seed_is_the_same_try() -> None:
    tries = [draw_try(5, index) for index in range(30)]
    assert tries == [draw_try(5, index) for index in range(30)]
    assert len({one.command[0] for one in tries}) > 4
    assert draw_try(6, 0) != tries[0]


def test_every_command_is_drawn() -> None:
    from rsgadvise.cli import COMMANDS

    tries = [draw_try(7, index) for index in range(4000)]
    drawn = {one.command[0] for one in tries} | {"plot"}  # which is run on what others wrote
    assert drawn == set(COMMANDS)
    assert any("PLOT.json" in one.command for one in tries)
    assert any(one.command[1].startswith("DATA/") for one in tries if one.command[0] == "recommend")


def test_a_find_is_printed_with_what_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exploring.attempt", lambda one, _: [("kind", "what")] if one.index == 3 else [])
    assert main(["--tries", "5", "--seed", "7", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "FIND --seed 7 --only 3: kind: what" in printed
    assert "5 tries of seed 7; 1 finds" in printed
    assert main(["--only", "2", "--seed", "7", "--jobs", "1"]) == 0


# What each rule is there for: an answer with a fault, which has to be found.
def _answer(
    folder: Path, capsys: pytest.CaptureFixture[str], *options: str, **spec: object
) -> tuple[str, dict]:  # type: ignore[type-arg]
    from exploring import call

    text = json.dumps(SPEC | spec)
    (folder / "s.yaml").write_text(text)
    code, out, err = call(
        ["recommend", str(folder / "s.yaml"), "--constants", "paper", "-f", "json", *options]
    )
    assert (code, err) == (0, "")
    document = judged.strict(out)
    assert not [*judged.numbers(document), *judged.ranked(document), *judged.better(text, document)]
    return text, document


TARGET = {"eps": 0.5, "delta": 0.5}
FAULTS = {
    "rank numbers": lambda d: d["recommendations"].reverse(),
    "ranks out of order": lambda d: d["recommendations"][0].update(total_samples=10**12),
    "terms do not sum to the bound": lambda d: d["recommendations"][0]["terms"].update(initial_error=9.0),
    "proven and not": lambda d: d["recommendations"][0].update(proven=True, certified_bound=10.0),
    "certified bound is null": lambda d: d["recommendations"][0].update(certified_bound=None, proven=False),
    "certified bound above the largest gradient": lambda d: d["recommendations"][0].update(
        largest_gradient=0.0
    ),
    "the target is missed": lambda d: d["recommendations"][0].update(runs=1000, bound=9.0),
    "a batch size outside its range": lambda d: d["recommendations"][0].update(batch_size=10**7),
    "over budget": lambda d: d["spec"].update(budget={"samples": 1}),
    "a bound below 0": lambda d: d["recommendations"][0].update(bound=-1.0),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_rules_find_their_faults(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    _, document = _answer(folder, capsys, target=TARGET, search={"batch_size": [16, 32, 64]})
    FAULTS[kind](document)
    found = {kind for kind, _ in [*judged.numbers(document), *judged.ranked(document)]}
    assert kind in found


def test_a_race_leaves_a_target_aside_and_a_theorem_does_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, document = _answer(folder, capsys, target=TARGET, search={"batch_size": [16, 32, 64]})
    document["objective"] = "smallest loss score, which is no bound"
    for place, row in enumerate(document["recommendations"]):
        row.update(bound=9.0, terms={}, proven=False, seconds=-place, total_samples=-place)
    assert "ranks out of order" in {kind for kind, _ in judged.ranked(document)}
    document["constants"] = "calibrated"
    assert not [*judged.ranked(document)]
    document["recommendations"][-1]["loss_score"] = -1.0
    document["recommendations"][0]["loss_score"] = 1.0
    document["recommendations"][1]["loss_score"] = 0.5
    assert "ranks out of order" in {kind for kind, _ in judged.ranked(document)}
    document["objective"] = "smallest loss in a race of short runs"
    assert not [*judged.ranked(document)]


def test_points_near_by_are_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, document = _answer(folder, capsys)
    row = document["recommendations"][0]
    row["stepsize"] *= 1.05
    row["bound"] *= 1.001
    assert [kind for kind, _ in judged.better(text, document)] == ["a better point near by"]


@pytest.mark.parametrize(("key", "factor"), [("iterations", 1.1), ("batch_size", 2), ("runs", 3)])
def test_neighbours_are_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str], key: str, factor: float
) -> None:
    search = {"batch_size": {"min": 1, "max": 5000}}
    text, document = _answer(folder, capsys, target=TARGET, search=search)
    row = document["recommendations"][0]
    row[key] = int(row[key] * factor) + 1
    assert "a cheaper neighbour" in {kind for kind, _ in judged.better(text, document)}


def test_streams() -> None:
    def kinds(*result: object) -> list[str]:
        return [kind for kind, _ in judged.streams(*result)]  # type: ignore[arg-type]

    assert kinds(0, "x", "") == kinds(2, "", "error: no\n") == kinds(1, "", "error: no\n") == []
    assert kinds(4, "", "") == ["exit code"]
    assert kinds(2, "", "error: no\nmore\n") == kinds(2, "", "") == ["error not on one line"]
    assert kinds(2, "x", "error: no\n") == ["output beside an error"]
    assert kinds(0, "x", "RuntimeWarning\n") == ["something on stderr"]
    assert kinds(2, "", "error: got nan\n") == ["error that nobody can act on"]
    assert kinds(2, "", "error: got nan\n", "eps: .nan") == []
    assert kinds(2, "", "error: got nan\n", "recommend SPEC --eps nan") == []


def test_a_traceback_and_a_call_without_end_are_finds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise OverflowError("cannot convert float infinity to integer")

    def endless() -> None:
        while True:
            pass

    one = Try(0, ("recommend", "SPEC"), SPEC)
    monkeypatch.setattr("rsgadvise.cli.main", failing)
    assert attempt(one, folder)[0][0] == "traceback"
    monkeypatch.setattr("rsgadvise.cli.main", endless)
    assert attempt(one, folder, limit=0.2)[0][0] == "too long"
