"""Whatever goes into the page comes out as text."""

from __future__ import annotations

import html
import math
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsgadvise.show.html.figures import Axis, labels, log_axis
from rsgadvise.show.html.markup import Markup, element, joined, prose, text

ANY = st.text(st.characters(codec=None), max_size=40)


class Reader(HTMLParser):
    """Collects what a parser sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(ANY)
def test_text_stays_text(value: str) -> None:
    shown = text(value)
    assert not set(shown) & set("<>\"'")
    assert text(shown) == shown  # once is enough
    unescaped = html.unescape(shown)
    normal = value.replace("\r\n", "\n").replace("\r", "\n")
    assert len(unescaped) == len(normal)
    for before, after in zip(normal, unescaped, strict=True):
        assert after in (before, "\ufffd")


@given(ANY, ANY)
def test_an_element_holds_what_it_was_given(content: str, attribute: str) -> None:
    reader = read(element("p", content, title=attribute))
    assert [tag for tag, _ in reader.tags] == ["p"]
    assert reader.text == html.unescape(text(content))
    assert reader.tags[0][1]["title"] == html.unescape(text(attribute))


@given(ANY)
def test_prose_adds_code_and_nothing_else(sentence: str) -> None:
    reader = read(prose(sentence))
    assert {tag for tag, _ in reader.tags} <= {"code"}
    plain = html.unescape(text(sentence))
    assert reader.text == (plain.replace("`", "") if sentence.count("`") % 2 == 0 else plain)


def test_text_made_of_markup_is_escaped_again() -> None:
    """An f-string forgets that its parts were markup: that fails on the safe side."""
    assert element("p", f"{Markup('<b>')}") == "<p>&lt;b&gt;</p>"
    assert joined(["<", Markup("<b>")]) == "&lt;<b>"


def test_what_turns_or_hides_text_is_replaced() -> None:
    assert text("a\u202eb\x00\x85\ud800\ufffe") == "a\ufffdb\ufffd\ufffd\ufffd\ufffd"
    assert text("naïve ‖∇f‖² 数\n\t") == "naïve ‖∇f‖² 数\n\t"


FINITE = st.floats(min_value=1e-30, max_value=1e30, allow_nan=False)


@given(FINITE, st.floats(min_value=1.0, max_value=1e12), st.sampled_from([4, 6, 7]))
def test_log_ticks_are_few_round_and_inside(low: float, factor: float, most: int) -> None:
    axis = log_axis([low, low * factor], 50.0, 350.0)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most
    assert len({name for _, name in ticks}) == len(ticks), ticks
    places = [axis.at(value) for value, _ in ticks]
    assert places == sorted(places)
    for value, name in ticks:
        assert axis.low * (1 - 1e-9) <= value <= axis.high * (1 + 1e-9)
        assert len(name) <= 10
        assert math.isclose(number_of(name), value, rel_tol=1e-2 if "×" in name else 1e-9)


def number_of(name: str) -> float:
    """A tick label read back."""
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    plain = name.replace(",", "")
    if "10" in plain and any(character in plain for character in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        lead, _, power = plain.rpartition("10")
        return float(lead.rstrip("×") or 1) * 10.0 ** int(power.translate(superscripts))
    return float(plain)


@pytest.mark.parametrize("values", [[1e-300, 1e308], [5e-324, 1.0], [1e308], [1.7e308, 1.79e308]])
def test_numbers_at_the_ends_of_the_floats_have_an_axis(values: list[float]) -> None:
    axis = log_axis(values, 0.0, 300.0, room=4)
    assert 0 < axis.low < axis.high < math.inf
    assert axis.ticks()
    assert all(-300 <= axis.at(value) <= 600 for value in values)


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_linear_ticks_start_at_zero(high: float) -> None:
    ticks = Axis(0.0, high, 0.0, 300.0, log=False).ticks(5)
    assert ticks[0] == (0.0, "0")
    assert 2 <= len(ticks) <= 5
    assert ticks[-1][0] <= high * (1 + 1e-9)


def test_labels_read_back() -> None:
    values = (1e-12, 2e-5, 0.001, 0.03, 7.0, 300.0, 5000.0, 1e4, 2e6, 1e15)
    for value, name in zip(values, labels(values), strict=True):
        assert math.isclose(number_of(name), value)
        assert math.isclose(number_of(labels([value])[0]), value)


def one_style(names: list[str]) -> bool:
    """Whether all labels but 0 are powers of ten, or none is."""
    return len({"10" in name and name[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" for name in names if name != "0"}) <= 1


@given(
    st.floats(min_value=1e-12, max_value=1e12), st.floats(min_value=1.001, max_value=1e12), st.integers(4, 8)
)
@example(low=50.0, factor=1e5, most=6)
@example(low=0.5, factor=1e5, most=6)
@example(low=2e-4, factor=90.0, most=7)
def test_an_axis_has_one_style(low: float, factor: float, most: int) -> None:
    assert one_style([name for _, name in log_axis([low, low * factor], 0.0, 300.0).ticks(most)])
    assert one_style([name for _, name in Axis(0.0, low * factor, 0.0, 300.0, log=False).ticks(most)])
