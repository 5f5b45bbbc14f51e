"""Whatever the text: a spec or a `SpecError` on one line, nothing else."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.errors import SpecError
from rsgadvise.spec import LoadedSpec, load_spec, parse_spec, render_template, write_statistics

PIECES = [
    "network", "data", "training", "search", "target", "kind", "layers", "mean", "stepsize", "min",
    "max", "single_layer", "multilayer", "784", "0.1", "1e-3", "-1", ".nan", ".inf", "true", "null", "~",
    "60_000", ": ", ":", "- ", "? ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\r\n", "\t", " ", "'", '"',
    "#", " # c", "&a ", "*a", "!", "!!str ", "!<x> ", "|\n", ">-\n", "---\n", "...\n", "%YAML 1.2\n",
    "%TAG ! x\n", "<<", "\\x", "\\u", "\\UFFFFFFFF", "\ufeff", "\u2028", "\x85", "\0", "\ud800", "=",
    "@", "`", "é", "9" * 50, "1e999", "0x1f", "010",
]  # fmt: skip
BASE = render_template(kind="multilayer") + "\n".join(
    [
        "training: {stepsize: [0.1, 1e-3], batch_size: 8, stopping: last}",
        "search: {keep_prob: {min: 0.5, max: 1}}",
    ]
)
VALID = BASE.replace("training:\n", "", 1).replace("search:\n", "", 1)
PATHS = [
    "network",
    "network.layers",
    "network.layers[1]",
    "data.mean",
    "search.batch_size",
    "target",
    "x.y",
    "a[b",
    "",
]


def outcome(text: str, overrides: list[str] | None = None) -> LoadedSpec | SpecError:
    try:
        return parse_spec(text, file="s.yaml", overrides=overrides or [])
    except SpecError as caught:
        error = caught
    assert str(error).isprintable()  # and so on one line
    assert len(str(error)) < 1000
    assert error.line is None or 1 <= error.line <= text.count("\n") + text.count("\r") + 2
    return error


def mutated(text: str) -> st.SearchStrategy[str]:
    def mutate(edits: list[tuple[int, int, str]]) -> str:
        result = text
        for at, length, piece in edits:
            start = at % (len(result) + 1)
            result = result[:start] + piece + result[start + length :]
        return result

    piece = st.one_of(st.sampled_from(PIECES), st.text(max_size=3))
    return st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 12), piece), max_size=4).map(mutate)


def test_the_spec_that_is_mutated_is_valid() -> None:
    assert isinstance(outcome(VALID), LoadedSpec)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_random_text(text: str) -> None:
    outcome(text)


@settings(max_examples=60, deadline=None)
@given(st.binary())
def test_random_bytes(content: bytes) -> None:
    with suppress(SpecError):
        load_spec("-", stdin=io.BytesIO(content))


@settings(max_examples=60, deadline=None)
@given(mutated(VALID))
def test_random_mutations(text: str) -> None:
    outcome(text)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PATHS), st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from("=:")
)
def test_random_overrides(path: str, value: str, sign: str) -> None:
    outcome(VALID, [path + sign + value])


@settings(max_examples=60, deadline=None)
@given(
    mutated(
        "network: {kind: single_layer, layers: [784, 10]}\ndata:\n  mean: 0.1 # a\n  file: 'b'\ndecoy: 1\n"
    ),
    st.floats(0, 1),
)
def test_an_edit_is_right_or_refused(text: str, mean: float) -> None:
    text = text.replace("decoy: 1\n", "")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "s.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        before = path.read_bytes()
        try:
            write_statistics(path, {"mean": mean, "mean_square": mean})
        except SpecError:
            assert path.read_bytes() == before
        else:
            data = load_spec(path).spec.data
            assert (data.mean, data.mean_square) == (mean, mean)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-300, 1e300), st.integers(1, 10**15), st.just(0.0) | st.floats(1e-300, 1))
def test_numbers_round_trip(stepsize: float, samples: int, mean: float) -> None:
    text = f"network: {{kind: single_layer, layers: [784, 10]}}\ntraining: {{stepsize: {stepsize!r}}}\n"
    spec = parse_spec(f"{text}data: {{samples: {samples}, mean: {mean!r}}}", file="s.yaml").spec
    assert (spec.training.stepsize, spec.data.samples, spec.data.mean) == (stepsize, samples, mean)


# Texts made to exhaust a parser: each is refused at once, with a short message.


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
