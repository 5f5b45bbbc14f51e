"""Agreement → Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from research.agreement.blame import AIM, Agreement, Dependence, Noise, costliest, culprit
from research.agreement.design import BLOCKS, FAMILIES, Block, Family
from research.agreement.predicting import COMBINED, IDEAL

__all__ = ["Setting", "Swept", "render"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A family on a data set with one kind of stepsizes."""

    family: Family
    data: str
    block: Block
    count: int
    noise: Noise
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """One family's knobs, over all data sets."""

    family: Family
    block: Block
    knobs: tuple[Dependence, ...]


def render(settings: Sequence[Setting], swept: Sequence[Swept], head: str) -> str:
    """Agreement, ceiling, blame and single knobs."""
    parts = [
        head,
        "## Agreement",
        _agreement(settings),
        "## What measurement itself allows",
        _noise(settings),
    ]
    parts += ["## The reason in each setting", _reasons(settings)]
    parts += ["## Blame: rho with one part of the bound changed", *_blame(settings)]
    if swept:
        parts += ["## One knob at a time", *_dependence(swept)]
    return "\n\n".join(parts) + "\n"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---"] * len(head)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ruler, *rows))


def _rho(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2f}"


def _factor(value: float) -> str:
    if math.isnan(value):
        return "none"
    return "∞" if math.isinf(value) else f"{value:.3g}"


def _agreement(settings: Sequence[Setting]) -> str:
    head = ["stepsizes", "family", "data", "constants", "n", "rho", "95 % interval", "tau", "pairs ordered"]
    head += ["vacuous", "below measured", "bound / measured", f"rho ≥ {AIM:g}"]
    rows = []
    for setting in settings:
        for each in setting.agreements:
            cells = [*_place(setting, each), f"{each.count}/{setting.count}", _rho(each.rho)]
            cells += [f"{_rho(each.low)} to {_rho(each.high)}", _rho(each.tau), _share(each.ordered)]
            cells += [f"{each.vacuous}", f"{each.below}", _factor(each.looseness), _reached(each)]
            rows.append(cells)
    return _lines(head, rows)


def _reasons(settings: Sequence[Setting]) -> str:
    """What keeps each rho low, one line each; those that say nothing are left out."""
    head = ["stepsizes", "family", "data", "constants", "rho", "same inputs", "constant stepsize"]
    head += ["change that helps most", "rho of the ideal", "part that costs most put back"]
    rows = []
    for setting in settings:
        for each in setting.agreements:
            if not each.telling:
                continue
            cells = [*_place(setting, each), _rho(each.rho), _rho(each.alike), _rho(each.steady)]
            cells += [_helps(each.rho, each.variants), _rho(each.variants.get(IDEAL, math.nan)), _costs(each)]
            rows.append(cells)
    return _lines(head, rows)


def _place(setting: Setting, each: Agreement) -> list[str]:
    return [setting.block, _words(setting.family), setting.data, each.constants]


def _share(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.0f} %"


def _reached(each: Agreement) -> str:
    if not each.telling:
        return "says nothing"
    answer = "yes" if each.rho >= AIM else "no"
    return f"{answer}, mostly its cap" if each.capped else answer


def _helps(rho: float, variants: Mapping[str, float]) -> str:
    """The part to blame, where there is anything to blame."""
    if rho >= AIM or not variants:
        return ""
    found = culprit(variants)
    return "none alone" if found is None else f"{found[0]}: {_rho(found[1])}"


def _costs(each: Agreement) -> str:
    found = costliest(each.variants)
    return "" if found is None else f"{found[0]}: {_rho(found[1])}"


def _noise(settings: Sequence[Setting]) -> str:
    head = [
        "stepsizes",
        "family",
        "data",
        "two halves of the replicas",
        "reachable rho",
        "one run, the others",
    ]
    head += ["‖g(W1)‖², measured", "median measured / ‖g(W1)‖²", "largest / smallest measured"]
    rows = []
    for setting in settings:
        found = setting.noise
        cells = [setting.block, _words(setting.family), setting.data]
        cells += [
            f"{found.halves:.3f}",
            _rho(found.reachable),
            _rho(found.one_run),
            _rho(found.first_gradient),
        ]
        rows.append([*cells, _factor(found.settled), _factor(found.span)])
    return _lines(head, rows)


def _blame(settings: Sequence[Setting]) -> list[str]:
    """A table for each family and kind of stepsizes."""
    parts = []
    for block in BLOCKS:
        for family in FAMILIES:
            here = [setting for setting in settings if (setting.family, setting.block) == (family, block)]
            columns = [(setting.data, each) for setting in here for each in setting.agreements]
            if not columns:
                continue
            names = dict.fromkeys(name for _, each in columns for name in each.variants)
            ordered = [name for name in names if name not in COMBINED]
            ordered += [name for name in COMBINED if name in names]
            head = [
                f"{_words(family)}, {block}",
                *(f"{data} {each.constants} ({each.count})" for data, each in columns),
            ]
            rows = [
                [name, *(_rho(each.variants[name]) if name in each.variants else "" for _, each in columns)]
                for name in ordered
            ]
            parts.append(_lines(head, rows))
    return parts


def _dependence(swept: Sequence[Swept]) -> list[str]:
    """A table for each family and kind of stepsizes."""
    parts = []
    for each in swept:
        head = [f"{_words(each.family)}, {each.block}", "sweeps", "measured moves by"]
        for constants in each.knobs[0].rhos:
            head += [f"{constants}: rho", "bound moves by", "helps most"]
        rows = []
        for knob in each.knobs:
            cells = [knob.knob, str(knob.sweeps), _factor(knob.moved)]
            for constants, rho in knob.rhos.items():
                cells += [_rho(rho), _factor(knob.bounds_moved[constants])]
                cells.append(_helps(rho, knob.variants[constants]))
            rows.append(cells)
        parts.append(_lines(head, rows))
    return parts
