"""The page: what is advised first, then why, the curves, what it rests on, and how to get it again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rsgadvise.numerals import count, epochs, network, number
from rsgadvise.records import dataclass
from rsgadvise.show.html.figures import figures, learning_figure
from rsgadvise.show.html.markup import Markup, blocks_html, element, grid_html, joined, prose
from rsgadvise.show.html.style import sheet
from rsgadvise.show.report.advice import (
    brief_ranking,
    guaranteed,
    lead,
    measured_blocks,
    plan_stepsizes,
    ranking_blocks,
    reason_blocks,
)
from rsgadvise.show.report.blocks import Column, Grid, assumptions, statistics_blocks
from rsgadvise.show.report.bounds import data_in_words
from rsgadvise.theory import about
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation, TrainingPlan
    from rsgadvise.ask.curves import Curves
    from rsgadvise.ask.explain.checks import Hypothesis
    from rsgadvise.data.scaling import DataStatistics


_MOST_SPEC_CHARACTERS = 30_000
_RANKS_WITH_ELASTICITIES = 5
_LONGEST_WORD = 18  # characters of a heading that fit side by side on a narrow telephone
# Nothing may be loaded and nothing may run, whatever a spec holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_ICONS = {
    True: "M4 12.5l5 5L20 6.5",
    False: "M5 5l14 14M19 5L5 19",
    None: "M8 8.5a4 4 0 1 1 5.5 3.7Q12 13 12 15M12 19v1",
}
_STATES = {True: ("yes", "holds"), False: ("no", "does not hold"), None: ("unknown", "not known here")}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and what it does."""

    what: str
    line: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on a page.

    Attributes:
        title: of the page; "" for one made from the network.
        version: of the program. written: when, with its time zone.
        advice, curves: the results.
        assumptions: what rank 1 rests on, as `explain` lists it.
        statistics: of the spec's data file, whose name is `data_name`; None without one.
        spec_name, spec_text: the spec as it was read.
        commands: how to get the same again.
    """

    title: str
    version: str
    written: datetime
    advice: Advice
    curves: Curves
    assumptions: Sequence[Hypothesis]
    statistics: DataStatistics | None
    data_name: str
    spec_name: str
    spec_text: str
    commands: Sequence[Command]


def render(page: Page) -> str:
    """The page as one HTML document that loads nothing and runs nothing."""
    advice = page.advice
    name = network(advice.kind, advice.layers)
    title = page.title or f"{'No plan' if advice.infeasible else 'Advice'} for {name}"
    sections = list(_sections(page))
    body = element(
        "div",
        _header(page, title, name),
        element("nav", _contents(sections), aria_label="On this page"),
        element("main", *(_section(*each) for each in sections)),
        _footer(page),
        class_="page",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"rsgadvise {page.version}"),
        element("title", title),
        element("link", rel="icon", href="data:,"),  # else a browser asks a server for one
        element("style", Markup(sheet())),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', body), lang='en')}\n"


def _sections(page: Page) -> Iterator[tuple[str, str, Markup]]:
    """(id, heading, content) of each section that has something to say."""
    advice = page.advice
    if advice.recommendations:
        yield "recommendations", "Recommendations", _recommendations(advice)
        if advice.guarantee is not None:
            (said,) = guaranteed(advice)
            yield "guarantee", "What is guaranteed", element("ul", element("li", prose(said)))
        yield from _learning(advice)
        measured = tuple(measured_blocks(advice))
        if measured:
            yield "measured", "Measured", blocks_html(measured, "Measured")
        yield "curves", "Curves", _curves(page.curves)
    elif advice.notes:
        yield "notes", "Notes", blocks_html(reason_blocks(advice), "Notes")
    yield "assumptions", "Assumptions", _assumptions(page)
    yield "data", f"Data: {page.data_name}" if page.data_name else "Data", _data(page)
    yield "reproduce", "Reproduce", _reproduce(page)


def _learning(advice: Advice) -> Iterator[tuple[str, str, Markup]]:
    """The losses of the race's second run, and what is expected to follow."""
    plan = advice.train
    if plan is None or not plan.expected or plan.constant_loss is None:
        return
    from rsgadvise.pilot.results import PilotAdvice

    assert isinstance(advice, PilotAdvice), "nothing is expected of what was not raced"
    seen = [(look.iterations, look.loss) for look in plan.looks] or advice.pilot.curve
    apart = [(look.iterations, look.held_out_loss) for look in plan.looks]
    yield "how-long", "How long", learning_figure(seen, plan.expected, plan.constant_loss, apart)


def _section(name: str, heading: str, content: Markup) -> Markup:
    return element(
        "section",
        element("h2", heading, id=f"{name}-title"),
        content,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _contents(sections: Sequence[tuple[str, str, Markup]]) -> Markup:
    links = (element("li", element("a", heading, href=f"#{name}")) for name, heading, _ in sections)
    return element("ul", *links)


def _unbroken(text: str, name: str) -> Markup:
    """A text in which the layers of a network stay on one line, unless they are longer than that."""
    layers = name.rpartition(" ")[2]
    before, found, after = text.partition(layers)
    if not found or len(layers) > _LONGEST_WORD:
        return joined([text])
    return joined([before, element("span", layers, class_="word"), after])


def _header(page: Page, title: str, name: str) -> Markup:
    advice = page.advice
    caveat = about(advice.constants).caveat
    proven = f", {caveat}" if caveat else ""
    context = f"{advice.constants} constants{proven}, {advice.equation}; {advice.objective}"
    plan, told = advice.train, lead(advice)
    if not _is_rank_1(advice):
        context = f"ranks by {context}"
    elif advice.recommendations:
        told = (*told, _worth(advice, advice.recommendations[0], data_in_words(page.assumptions)))
    paragraphs = (
        element("p", prose(line), class_="lead" if at == 0 else None) for at, line in enumerate(told)
    )
    facts = [] if plan is None or not advice.recommendations else _facts(advice, plan)
    tiles = [
        element("div", element("dt", what), element("dd", value, class_=state))
        for what, value, state in facts
    ]
    return element(
        "header",
        element("h1", _unbroken(title, name)),
        *paragraphs,
        *([element("dl", *tiles, class_="tiles")] if tiles else []),
        element("p", _unbroken(f"{name}: {context}", name), class_="meta"),
    )


def _worth(advice: Advice, best: Recommendation, data: str) -> str:
    """What the bound of the first rank promises, in a sentence, of which data."""
    limit = number(advice.largest_gradient)
    if not math.isfinite(best.bound):
        return "These constants give no bound at that stepsize."
    if best.vacuous:
        return (
            f"The bound on the expected squared gradient norm, {number(best.bound)}, is vacuous: no squared "
            f"gradient norm of this network exceeds {limit} anyway."
        )
    start = f"The expected squared gradient norm is then at most {number(best.bound)}"
    whose = about(advice.constants)
    if theorem_of(advice.kind, advice.constants).proven:
        return f"{start}, which is proven for any {data}."
    if whose.caveat:
        return (
            f"{start} by constants that are {whose.caveat}; constants that hold for any data "
            f"with these moments give {number(best.certified_bound)}."
        )
    if best.proven:
        return (
            f"{start}, which is proven for any {data}: the certified bound is {number(best.certified_bound)}."
        )
    return (
        f"{start} by {whose.whose}, which is not proven for this data: constants that "
        f"hold for any data with these moments give {number(best.certified_bound)}."
    )


def _is_rank_1(advice: Advice) -> bool:
    """Whether what to train with is the first rank of a theorem."""
    return advice.train is None or advice.train.source == "theorem"


def _facts(advice: Advice, plan: TrainingPlan) -> Iterator[tuple[str, str, str | None]]:
    """The numbers to train with and what they are worth: (name, value, class)."""
    best = advice.recommendations[0] if _is_rank_1(advice) else None
    gammas = plan_stepsizes(advice, plan)
    yield "stepsize by layer" if "," in gammas else "stepsize", gammas, None
    yield "batch size", count(plan.batch_size), None
    yield "iterations", count(plan.iterations), None
    if plan.epochs is not None:
        yield "epochs", epochs(plan.epochs), None
    if best is not None and best.runs > 1:
        yield "independent runs", f"{best.runs:,}", None
    yield "dropout rate", number(plan.dropout_rate, 3), None
    if best is not None:
        yield "bound", number(best.bound), None
        yield ("that bound is", *_verdict(best))
    elif plan.loss is not None and plan.constant_loss is not None:
        state = {True: "yes", False: "no", None: None}[plan.learns]
        yield "training loss" if plan.looks else "loss of a short run", number(plan.loss, 3), state
        if plan.looks and plan.held_out_loss is not None:
            yield "of rows held out", number(plan.held_out_loss, 3), None
        yield "of a constant", number(plan.constant_loss, 3), None


def _verdict(best: Recommendation) -> tuple[str, str]:
    """(word, class) for the bound of the first rank."""
    if not math.isfinite(best.bound):
        return "absent", "no"
    if best.vacuous:
        return "vacuous", "no"
    return ("proven", "yes") if best.proven else ("not proven", "no")


def _recommendations(advice: Advice) -> Markup:
    ranking, *others = brief_ranking(advice) if advice.measured else ranking_blocks(advice)
    rows = advice.recommendations[:_RANKS_WITH_ELASTICITIES]
    knobs = list(dict.fromkeys(knob for row in rows for knob in row.elasticities))
    elasticities = Grid(
        (Column("knob", numeric=False), *(Column(f"rank {row.rank}") for row in rows)),
        tuple(
            (
                knob.replace("_", " "),
                *(_slope(row.elasticities.get(knob)) for row in rows),
            )
            for knob in knobs
        ),
        "Elasticities: per cent change of the bound for one per cent more",
    )
    return joined(
        [
            grid_html(ranking, "Ranked recommendations", best=0),
            blocks_html(others, "Recommendations"),
            *([grid_html(elasticities, elasticities.title)] if knobs else []),
            blocks_html(reason_blocks(advice), "Reasons"),
        ]
    )


def _slope(value: float | None) -> str:
    """An elasticity; what rounds to zero has no sign that means anything."""
    return "" if value is None else f"{round(value, 3) + 0.0:+.3f}"


def _curves(curves: Curves) -> Markup:
    note = "How the bound of rank 1 moves with each knob. Every figure has its numbers below it."
    absent = element("ul", *(element("li", f"Not drawn: {reason}") for reason in curves.absent))
    drawn = [element("p", note, class_="note"), figures(curves.curves)] if curves.curves else []
    return joined([*drawn, *([absent] if curves.absent else [])])


def _assumptions(page: Page) -> Markup:
    items = []
    for check in page.assumptions:
        class_, word = _STATES[check.holds]
        icon = element(
            "svg",
            element("path", d=_ICONS[check.holds]),
            viewBox="0 0 24 24",
            aria_hidden="true",
            class_=class_,
        )
        said = element("strong", check.text)
        state = element("span", f" ({word})", class_=class_)
        items.append(
            element(
                "li",
                icon,
                element("div", element("p", said, state), element("p", prose(check.reason), class_="note")),
            )
        )
    parts = [element("ul", *items, class_="checks")]
    assumed = list(assumptions(page.advice.assumed))
    if assumed:
        parts.append(element("h3", "Values that nobody gave"))
        parts.append(element("ul", *(element("li", prose(sentence)) for sentence in assumed)))
    return joined(parts)


def _data(page: Page) -> Markup:
    """What the file holds."""
    if page.statistics is None:
        note = (
            "The spec names no data file: what is given is taken on trust, and `rsgadvise stats DATA` "
            "measures it."
        )
        return element("p", prose(note), class_="note")
    return blocks_html(statistics_blocks(page.statistics, page.data_name), "Statistics of the data")


def _reproduce(page: Page) -> Markup:
    parts: list[Markup] = []
    for command in page.commands:
        parts.append(element("h3", command.what))
        parts.append(element("pre", element("code", command.line), class_="wrap"))
    text, rest = page.spec_text, len(page.spec_text) - _MOST_SPEC_CHARACTERS
    parts.append(element("h3", f"The spec, {page.spec_name}"))
    code = element("pre", element("code", text[:_MOST_SPEC_CHARACTERS]))
    parts.append(element("div", code, class_="scroll code", role="region", tabindex=0, aria_label="The spec"))
    if rest > 0:
        parts.append(element("p", f"The last {rest:,} characters are left out.", class_="note"))
    return joined(parts)


def _footer(page: Page) -> Markup:
    at = element("time", f"{page.written:%Y-%m-%d %H:%M} UTC", datetime=page.written.isoformat())
    return element(
        "footer",
        f"Made by rsgadvise {page.version} on ",
        at,
        ". This page is one file: it loads nothing and runs no script.",
    )
