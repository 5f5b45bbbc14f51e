"""Texts made to exhaust a parser: each is refused at once, with a short message."""

from __future__ import annotations

import time

import pytest

from rsgadvise.errors import SpecError
from rsgadvise.spec import parse_spec

NETWORK = "network: {kind: single_layer, layers: [784, 10]}\n"


def fails(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, file="s.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("brackets", "network: " + "[" * 20_000),
        ("closed brackets", "network: " + "[" * 20_000 + "]" * 20_000),
        ("braces", "{" * 20_000),
        ("dashes", "- " * 20_000),
        ("question marks", "? " * 20_000),
        ("indentation", "\n".join(" " * depth + "a:" for depth in range(1000))),
    ],
)
def test_deep_nesting_is_refused_quickly(label: str, text: str) -> None:
    start = time.process_time()
    message = fails(text).message
    assert "nested at most 20 deep" in message or "as a key" in message
    assert time.process_time() - start < 5, label


@pytest.mark.parametrize("digits", [40, 41, 399, 4301, 50_000])
def test_huge_integers_are_refused_quickly(digits: int) -> None:
    start = time.process_time()
    for field in ("samples", "mean", "top_eigenvalue", "file"):
        error = fails(f"{NETWORK}data: {{{field}: {'9' * digits}}}\n")
        assert len(str(error)) < 300
    assert time.process_time() - start < 5


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join(['*' + p] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "free of anchors" in fails("\n".join(lines)).message
