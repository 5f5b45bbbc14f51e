"""Verdicts → Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.advice.judging import ADVICE, CONSTANT, COOLED, Row, Verdict
from benchmarks.advice.statistics import most_equivalents

__all__ = ["render"]

_WORST = 3  # settings named


@dataclass(frozen=True, slots=True)
class _Promise:
    """Trial equivalents over the settings at least so high, at a cost of at most so many trainings."""

    median: float
    cost: float
    least: float = 0.0


PROMISES = {
    "default, data": _Promise(32, 1, 6),
    "default, statistics only": _Promise(8, math.inf, 3),
    "pilot": _Promise(16, 1, 6),
    "calibrated": _Promise(5, 0.05),
}
_BEATING = 0.75  # of the settings: where the defaults are to beat the transferred stepsize


def render(verdicts: Sequence[Verdict], head: str) -> str:
    """The summary, then one table of each quantity."""
    columns = [row.method for row in verdicts[0].rows]
    chosen = [column for column in columns if any(_row(verdict, column).choice for verdict in verdicts)]
    chosen = [column for column in chosen if not column.startswith("fixed")]
    trials = verdicts[0].trials
    parts = [
        head,
        _summary(verdicts, columns),
        *_level(verdicts),
        *_against(verdicts, columns),
        "### Final training loss",
        _table(verdicts, columns, lambda row: f"{row.loss:.4g}"),
        "### Held-out error, %",
        _table(verdicts, columns, lambda row: f"{100 * row.error:.1f}"),
        "### Trial equivalents",
        _table(verdicts, columns, lambda row: _equivalents(row.equivalents, trials)),
    ]
    if chosen:
        parts += ["### Stepsizes, on the first seed", _table(verdicts, chosen, lambda row: row.choice)]
        parts += ["### Cost in trainings", _table(verdicts, chosen, lambda row: f"{row.cost:.3g}")]
    return "\n\n".join(parts) + "\n"


def _row(verdict: Verdict, method: str) -> Row:
    return next(row for row in verdict.rows if row.method == method)


def _equivalents(value: float, trials: int) -> str:
    most = most_equivalents(trials)
    return f">{most:.0f}" if value >= most else f"{value:.1f}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---"] * len(head)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ruler, *rows))


def _table(verdicts: Sequence[Verdict], columns: Sequence[str], cell: Callable[[Row], str]) -> str:
    rows = [[verdict.setting, *(cell(_row(verdict, column)) for column in columns)] for verdict in verdicts]
    return _lines(["setting", *columns], rows)


def _level(verdicts: Sequence[Verdict]) -> list[str]:
    """Names the settings that would flatter every method."""
    names = [verdict.setting for verdict in verdicts if verdict.level]
    if not names:
        return []
    return [f"Level, most random trials being within 2 % of the best of them: {', '.join(names)}."]


def _against(verdicts: Sequence[Verdict], columns: Sequence[str]) -> list[str]:
    """How often each advice ends at a lower loss than the stepsize that is best over the other data sets."""
    if "transferred" not in columns:
        return []
    texts = []
    for other in ("transferred", COOLED):
        lines = []
        for column in (column for column in columns if column.removesuffix(CONSTANT) in ADVICE):
            losses = [(_row(verdict, column).loss, _row(verdict, other).loss) for verdict in verdicts]
            lower = sum(own <= its for own, its in losses) / len(losses)
            promised = column in ADVICE and column.startswith("default") and other == "transferred"
            kept = f" (promised {100 * _BEATING:.0f} %: {'kept' if lower >= _BEATING else 'MISSED'})"
            lines.append(f"{column} {100 * lower:.0f} %{kept if promised else ''}")
        texts.append(f"At or below the loss of `{other}`, of the settings: {'; '.join(lines)}.")
    return texts


def _summary(verdicts: Sequence[Verdict], columns: Sequence[str]) -> str:
    """Over all settings: what each method is worth, what it costs, and what was promised of it."""
    trials = verdicts[0].trials
    head = ["method", "trial equivalents, median", "without level settings", "least"]
    head += ["cost, median", "highest"]
    head += ["promised", "loss / oracle's, median", "highest", "worst settings"]
    rows = []
    for column in columns:
        found = [(_row(verdict, column), verdict.setting) for verdict in verdicts]
        worth = [row.equivalents for row, _ in found]
        costs = [row.cost for row, _ in found]
        telling = [_row(verdict, column).equivalents for verdict in verdicts if not verdict.level] or worth
        medians = [statistics.median(worth), statistics.median(telling), min(worth)]
        cells = [column, *(_equivalents(value, trials) for value in medians)]
        cells += [f"{statistics.median(costs):.3g}", f"{max(costs):.3g}", _promised(column, worth, costs)]
        ratios = list(_ratios(verdicts, column))
        cells += [f"{statistics.median(ratios):.3f}", f"{max(ratios):.3g}"] if ratios else ["", ""]
        worst = sorted(found, key=lambda pair: pair[0].equivalents)[: _WORST if column in ADVICE else 0]
        cells.append(", ".join(f"{name} ({_equivalents(row.equivalents, trials)})" for row, name in worst))
        rows.append(cells)
    return _lines(head, rows)


def _ratios(verdicts: Sequence[Verdict], method: str) -> Iterator[float]:
    """Losses beside those of the oracle, where it took part."""
    for verdict in verdicts:
        if verdict.rows[-1].method == "oracle":
            yield _row(verdict, method).loss / verdict.rows[-1].loss


def _promised(method: str, worth: Sequence[float], costs: Sequence[float]) -> str:
    """The limits, and whether they are kept."""
    promise = PROMISES.get(method)
    if promise is None:
        return ""
    limits = [f"median ≥ {promise.median:g}"]
    limits += [f"least ≥ {promise.least:g}"] if promise.least else []
    limits += [f"cost ≤ {promise.cost:g}"] if math.isfinite(promise.cost) else []
    kept = (
        statistics.median(worth) >= promise.median
        and min(worth) >= promise.least
        and max(costs) <= promise.cost
    )
    return f"{', '.join(limits)}: {'kept' if kept else 'MISSED'}"
