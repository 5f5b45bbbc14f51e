"""The sentences of a comparison: what follows from bounds, and what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rsgadvise.compare.results import Compared, Guarantee, Verdict

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["NOT_SPEED", "notes_on", "verdict_of"]

NOT_SPEED = (
    "A bound is an upper limit: a better guarantee promises more, and does not prove that training is faster."
)
_NEAR = 1.02
_LOSS = {"single_layer": "(3)", "autoencoder": "(4)", "multilayer": "(5)"}
_WORDS = {
    "bound": "a bound {ratio} times smaller than that of {next}",
    "samples": "the target after {ratio} times fewer samples than {next}",
    "seconds": "the target {ratio} times sooner than {next}",
}


def verdict_of(
    rows: Sequence[Compared],
    by: Literal["bound", "samples", "seconds"],
    *,
    common: int | None,
    beyond: Mapping[str, int],
) -> Verdict:
    """Who has the better guarantee with each set of constants, and whether they agree.

    Args:
        rows: compared.
        by: what is compared.
        common: samples that each may take; None with a target.
        beyond: the specs that fix more samples than that, and how many they take.
    """
    found: dict[str, str | None] = {}
    sentences = []
    for constants in ("paper", "certified"):
        ranked = sorted(
            (
                (row.name, getattr(row, constants))
                for row in rows
                if getattr(row, constants).value is not None
            ),
            key=lambda pair: pair[1].value,
        )
        found[constants], sentence = _best(ranked, constants, by)
        sentences.append(sentence)
    paper, certified = found["paper"], found["certified"]
    promises = {row.name: row.certified for row in rows}
    proven = certified is not None and not promises[certified].vacuous
    agree = None if paper is None or certified is None else paper == certified
    if agree is not None:
        sentences.append(f"The two sets of constants {'agree' if agree else 'disagree'}.")
    if beyond:
        takes = "; ".join(f"{name} takes {many:,}" for name, many in beyond.items())
        sentences.append(
            f"These guarantees are not at equal samples, since what is fixed stays: {takes}, where at most "
            f"{common:,} would be equal."
        )
    sentences.append(NOT_SPEED)
    return Verdict(" ".join(sentences), paper, certified, agree, proven=proven)


def _best(ranked: Sequence[tuple[str, Guarantee]], constants: str, by: str) -> tuple[str | None, str]:
    """The spec whose guarantee is best, and a sentence on it."""
    start = f"With {constants} constants"
    if not ranked:
        return None, f"{start} no spec has a guarantee."
    if all(promise.vacuous for _, promise in ranked):
        return None, f"{start} every bound is vacuous, so that no spec has a guarantee."
    if len(ranked) == 1:
        return ranked[0][0], f"{start} {ranked[0][0]} alone has a guarantee."
    (name, first), (other, second) = ranked[:2]
    if first.value == second.value:
        return None, f"{start} {name} and {other} have the same guarantee."
    assert first.value is not None
    assert second.value is not None
    if first.value == 0:
        sentence = f"{start} {name} has the better guarantee: 0."
    else:
        ratio = second.value / first.value
        words = _WORDS[by].format(ratio=f"{ratio:.4g}", next=other)
        sentence = f"{start} {name} has the better guarantee: {words}."
        if ratio <= _NEAR:
            sentence += " That is a near tie."
    if first.vacuous:
        sentence += f" It is the largest gradient that {name} can have, trained or not."
    return name, sentence


def notes_on(rows: Sequence[Compared], specs: Sequence[Spec], *, dropped_targets: bool) -> tuple[str, ...]:
    """What makes the compared quantities different."""
    notes = []
    kinds = sorted({row.kind for row in rows})
    if len(kinds) > 1:
        losses = ", ".join(f"{_LOSS[kind]} for {kind}" for kind in kinds)
        notes.append(
            f"The specs have different objectives: {losses}. Their gradients are not the same quantity, and "
            "the ratio of two bounds does not say which network learns better."
        )
        if "single_layer" in kinds:
            notes.append("The gradient of single_layer is the plain one; the others are projected on a box.")
    elif len({row.layers for row in rows}) > 1:
        notes.append(
            "The networks differ in size, and larger ones have larger gradients: `of limit` sets each bound "
            "against the largest squared gradient that its own network can have."
        )
    data = {
        (spec.data.mean, spec.data.mean_square, spec.data.second_moment, spec.data.top_eigenvalue)
        for spec in specs
    }
    if len(data) > 1:
        notes.append("The specs describe different data.")
    losses_given = {spec.training.initial_loss for spec in specs}
    if None in losses_given and len(losses_given) > 1:
        notes.append(
            "f(W1) is given in some specs and assumed to be the largest possible in others, which favours "
            "those that give it."
        )
    if dropped_targets:
        notes.append("Not every spec has a target, so that all are left aside; set one for all with --set.")
    if not all(row.equal_resources for row in rows):
        notes.append("Not every spec could be held to the same number of samples.")
    return tuple(notes)
