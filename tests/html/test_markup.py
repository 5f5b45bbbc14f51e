"""Whatever goes into the page comes out as text."""

from __future__ import annotations

import html
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

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
@example("<a href='b' title=\"c\">&amp;</a>")
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
