"""A verification as blocks."""

from __future__ import annotations

from collections.abc import Sequence

from rsgadvise.report.blocks import Block, Column, Grid, Title, count, number, sentences
from rsgadvise.verify.results import CaseResult, Verification

__all__ = ["case_line", "verification_blocks"]

_QUANTITY = {
    "squared_gradient": "E‖∇f(W^R)‖² over the runs (of the projected gradient where there is a box)",
    "miss_probability": "the share of repetitions that miss eps, for an (eps, delta)-solution",
}


def _verdict(case: CaseResult) -> str:
    """The verdict, and how it stands to the one expected."""
    text = case.outcome if case.checked else "no bound"
    if case.vacuous and text == "consistent":  # as in other reports: a bound that nothing can break
        text = "vacuous"
    if case.checked and not case.passed:
        text += " !"
    elif case.expected == "falsified":
        text += " *"
    return text


def case_line(case: CaseResult) -> str:
    """One case in one line, for a log."""
    bound = "no bound" if case.bound is None else f"bound {number(case.bound)}"
    measured = "not measured" if case.measured is None else f"measured {number(case.measured)}"
    limits = "" if case.lower is None else f" [{number(case.lower)}, {number(case.upper)}]"
    outcome = f"{count(case.runs)} runs: {_verdict(case)}"
    return f"{case.name} ({case.constants}): {measured}{limits}, {bound}, {outcome}"


def verification_blocks(verification: Verification) -> tuple[Block, ...]:
    """Every bound beside what was measured."""
    cases = verification.cases
    about: dict[str, list[str]] = {}
    for case in cases:
        for note in case.notes:
            names = about.setdefault(note, [])
            if case.name not in names:
                names.append(case.name)
    many = len({case.name for case in cases}) > 1
    notes = [f"{', '.join(names)}: {note}" if many else note for note, names in about.items()]
    return (
        Title(
            f"Verification: {verification.verdict}",
            f"{len(cases)} bounds; confidence {verification.confidence:.15g} over all of them; "
            f"seed {verification.seed}; {verification.seconds:.1f} s elapsed",
        ),
        _verdicts(cases),
        _training(cases),
        *sentences("Not as expected", (case_line(case) for case in cases if not case.passed)),
        *sentences("Mind", [*verification.notes, *notes]),
        *sentences("How to read it", _legend(verification)),
    )


def _verdicts(cases: Sequence[CaseResult]) -> Grid:
    """One row per bound; a case is named once."""
    rows, last = [], ""
    for case in cases:
        rows.append(
            (
                case.name if case.name != last else "",
                case.constants,
                number(case.bound),
                number(case.measured),
                number(case.upper),
                _verdict(case),
            )
        )
        last = case.name
    columns = ("case", "constants", "bound", "measured", "at most", "verdict")
    text = ("case", "constants", "verdict")
    return Grid(tuple(Column(name, numeric=name not in text) for name in columns), tuple(rows), keys=2)


def _training(cases: Sequence[CaseResult]) -> Grid:
    """One row per case: what training did, and how loose the bounds are."""
    grouped: dict[str, list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault(case.name, []).append(case)
    rows = []
    for name, group in grouped.items():
        loose = {case.constants: number(case.looseness, 3) for case in group if case.looseness is not None}
        first = group[0]
        rows.append(
            (
                name,
                number(first.initial_loss),
                number(first.final_loss),
                count(first.runs),
                number(first.seconds, 3),
                loose.get("paper", ""),
                loose.get("certified", ""),
            )
        )
    columns = ("f(W1)", "f(W^R)", "runs", "work s", "paper", "certified")
    return Grid(
        (Column("case", numeric=False), *map(Column, columns)),
        tuple(rows),
        "Training, and looseness of the bounds (bound / measured)",
    )


def _legend(verification: Verification) -> list[str]:
    cases = verification.cases
    rough = any(case.approximate for case in cases)
    kinds = dict.fromkeys(case.quantity for case in cases)
    legend = [
        f"measured: {'; '.join(_QUANTITY[kind] for kind in kinds)}. at most: its upper limit. A small "
        "gradient alone is no success: look at the loss beside it.",
        "consistent: the upper limit is below the bound; falsified: the lower limit is above it. All "
        "verdicts hold together with probability "
        f"{verification.confidence:.15g} at least.",
        "work s: seconds of computing the runs took, summed over the processes; elapsed: by the clock.",
    ]
    if any(case.passed and case.expected == "falsified" for case in cases):
        legend.append(
            "* expected: the paper's constants are not valid there, and the suite fails if it cannot see it."
        )
    if any(not case.passed for case in cases):
        legend.append("! not as expected.")
    if rough:
        legend.append(
            "approximate: undecided, and no pass. The runs ended before a rigorous decision; the upper "
            "limit, Student's on trajectory averages, lies below the bound, but no probability is promised "
            "for it: rare large gradients escape it. More runs decide"
            + (
                "; --allow-approximate lets it be."
                if not verification.allow_approximate
                else ". The exit code lets it be, as --allow-approximate asks."
            )
        )
    if any(case.vacuous for case in cases):
        legend.append(
            "vacuous: the bound is no better than the largest squared gradient possible, and so consistent "
            "without saying anything."
        )
    return legend
