"""Everybody in a race in final places."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rsgadvise.pilot.finalists import Finalist
from rsgadvise.pilot.race import Runner, fate
from rsgadvise.pilot.tournament import Tournament

__all__ = ["NOT_RUN", "Entry", "standings"]

NOT_RUN = "not run"
"""Outcome of one whose share of the race was less than one iteration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A runner in its final place."""

    runner: Runner
    finalist: Finalist | None
    outcome: str


def standings(tournament: Tournament) -> list[Entry]:
    """Everybody who ran, best first: the winner, then by how far they came and how they did there.

    A saturated network has a tiny gradient at a loss above that of the best constant prediction. It never
    wins, and neither does one that left the range of numbers, nor one that was left behind before the last
    heat. In a race that was interrupted the best by then of those that came farthest has won.
    """
    constant = tournament.constant
    again: dict[int, Finalist] = {}
    for finalist in tournament.finalists:
        again.setdefault(id(finalist.runner), finalist)  # a third run is shorter than the second
    farthest = max((runner.done for runner in tournament.standing), default=0.0)
    best: list[Entry] = []
    worst: list[Entry] = []

    def place(runner: Runner) -> tuple[bool, bool, float, float]:
        return runner is not tournament.winner, runner.iteration == 1, -runner.done, runner.loss

    for runner in sorted((each for each in tournament.standing if each.done > 0), key=place):
        found = again.get(id(runner))
        end = runner.loss if found is None else max(found.end, runner.loss)
        outcome = NOT_RUN if runner.iteration == 1 else fate(end, constant) or "left behind"
        (best if outcome == "left behind" else worst).append(Entry(runner, found, outcome))
    unfinished = tournament.winner is None and not again
    if best and (best[0].runner is tournament.winner or (unfinished and best[0].runner.done == farthest)):
        best[0] = replace(best[0], outcome="won")
    return [*best, *worst]
