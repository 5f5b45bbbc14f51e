"""The neutral forms of a result: blocks of headings, grids and sentences, and documents of plain values.

Each result becomes blocks once; the console and the Markdown renderer then show the same text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsgadvise.numerals import count, number, one_style, roughly, stepsizes
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.advise.results import NoiseScale
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.theory.problem import Assumption


@dataclass(frozen=True, slots=True)
class Title:
    """What this is, and one line of context."""

    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """The answer: a few sentences, each on lines of its own, the first of them the most important."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A grid column; numbers are right-aligned, and of one style where they are of one kind."""

    name: str
    numeric: bool = True
    alike: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells that are already text; the first `keys` columns say what a row is about.

    `caption` says what the words in it mean.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    keys: int = 1
    caption: str = ""

    def __post_init__(self) -> None:
        styled = (
            [
                one_style(cells) if column.numeric and column.alike else cells
                for column, cells in zip(self.columns, zip(*self.rows, strict=True), strict=True)
            ]
            if self.rows
            else []
        )
        object.__setattr__(self, "rows", tuple(zip(*styled, strict=True)))


@dataclass(frozen=True, slots=True)
class Sentences:
    """A short list under a heading. `quiet` ones are left out on request."""

    title: str
    items: tuple[str, ...]


Block = Title | Lead | Grid | Sentences


def one_stepsize(value: float | Sequence[float]) -> str | None:
    """A stepsize as one number, or None where layers differ in four digits."""
    text = stepsizes(value)
    return None if " to " in text else text


def terms_grid(terms: Mapping[str, float], total: float, title: str) -> Grid:
    """The terms of a bound with their shares; the last row is their sum."""
    rows = [
        (name.replace("_", " "), number(value), f"{100 * value / total:.1f} %" if total > 0 else "")
        for name, value in terms.items()
    ]
    rows.append(("sum", number(total), ""))
    return Grid((Column("term", numeric=False), Column("value"), Column("share")), tuple(rows), title)


def capitalised(text: str) -> str:
    """As the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def sentences(title: str, items: Iterable[str]) -> tuple[Sentences, ...]:
    """A list of sentences as a block, or nothing if it is empty."""
    found = tuple(items)
    return (Sentences(title, found),) if found else ()


def once(said: Iterable[tuple[str, str]], *, all_of: int = 0) -> Iterator[str]:
    """Each sentence of (name, sentence) once, after the names that it is about, or none if these are all."""
    about: dict[str, dict[str, None]] = {}
    for name, sentence in said:
        about.setdefault(sentence, {})[name] = None
    for sentence, names in about.items():
        yield sentence if len(names) == all_of else f"{', '.join(names)}: {sentence}"


VACUOUS_MARK = "v: vacuous, no better than the largest squared gradient possible."
"""What the mark of `marked` means."""


def marked(value: float | None, *, vacuous: bool) -> str:
    """A bound, with a mark where it says nothing."""
    return number(value) + (" v" if vacuous else "")


def bound_number(value: float, digits: int = 4) -> str:
    """A bound, or that there is none."""
    return number(value, digits) if math.isfinite(value) else "no bound"


def verdict(*, proven: bool, vacuous: bool) -> str:
    """Whether a bound can be relied on; a vacuous one says nothing even where it is proven."""
    return "vacuous" if vacuous else "yes" if proven else "no"


def assumptions(assumed: Sequence[Assumption]) -> Iterator[str]:
    """Each value that nobody gave, as a sentence."""
    for item in assumed:
        value = item.value if isinstance(item.value, str) else number(float(item.value), 6)
        yield f"{item.key} = {value}: {item.why}."


def noise_sentence(noise: NoiseScale) -> str:
    """A noise scale where a short run ended."""
    if not math.isfinite(noise.value):
        return f"At a loss of {number(noise.at, 3)} the gradient could not be told from the noise of batches."
    upper = roughly(noise.upper) if math.isfinite(noise.upper) else "no upper end"
    return (
        f"Noise of a batch is as large as the gradient at {roughly(noise.value)} rows (from "
        f"{roughly(noise.lower)} to {upper}) at a loss of {number(noise.at, 3)}; how far larger batches pay "
        "`rsgadvise batch` tells by a race of them."
    )


# Results as plain documents: JSON, YAML and CSV rows.


def _plain(value: Any, path: str, missing: list[str]) -> Any:
    """Built-in types only; a number that JSON cannot hold becomes null and is noted."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(getattr(value, f.name), f"{path}.{f.name}".lstrip("."), missing)
            for f in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}".lstrip("."), missing) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", missing) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        missing.append(path)
        return None
    return value


def as_document(command: str, result: Any, **extra: Any) -> dict[str, Any]:
    """The result with its schema name first; `extra` keys come last."""
    missing: list[str] = []
    body = _plain(result, "", missing)
    document = {
        "schema": f"rsgadvise.{command}/1",
        **body,
        **{k: _plain(v, k, missing) for k, v in extra.items()},
    }
    if missing:
        notes = list(document.get("notes", []))
        document["notes"] = [*notes, f"not a finite number, written as null: {', '.join(missing)}"]
    return document


# Data statistics as blocks and as a document.


def statistics_blocks(statistics: DataStatistics, name: str) -> tuple[Block, ...]:
    """Each statistic with its standard error."""
    errors, largest = statistics.standard_errors, statistics.largest_norm
    rows = (
        ("mean (mu_x)", number(statistics.mean, 8), number(errors.mean, 2)),
        ("mean square (tau_x)", number(statistics.mean_square, 8), number(errors.mean_square, 2)),
        ("  without its upward bias", number(statistics.mean_square_unbiased, 8), ""),
        ("second moment, E||x||^2/d", number(statistics.second_moment, 8), number(errors.second_moment, 2)),
        (
            "top eigenvalue of E[x x^T]",
            number(statistics.top_eigenvalue, 8),
            number(errors.top_eigenvalue, 2),
        ),
        *((("largest norm, max ||x||", number(largest, 8), ""),) if largest is not None else ()),
    )
    columns = (
        Column("statistic", numeric=False),
        Column("value", alike=False),
        Column("standard error", alike=False),
    )
    targets = "none" if statistics.output_dim is None else str(statistics.output_dim)
    context = (
        f"{count(statistics.samples)} rows of {count(statistics.input_dim)} features, targets: {targets}; "
        f"scaling: {statistics.scaling}; passes: {statistics.passes}"
    )
    return (
        Title(f"Statistics of {name}", context),
        Grid(columns, rows),
        *sentences("Mind", statistics.notes),
    )
