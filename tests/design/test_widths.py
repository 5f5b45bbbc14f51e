"""The grammar of --widths and --depth, against a reading of it in other words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsgadvise.ask.design import parse_depths, parse_widths
from rsgadvise.errors import UsageError

LENGTH = st.integers(1, 10**6)


@given(a=LENGTH, b=LENGTH)
def test_a_range_holds_its_ends_and_the_powers_of_two_between(a: int, b: int) -> None:
    low, high = sorted((a, b))
    wanted = {low, high} | {2**k for k in range(21) if low <= 2**k <= high}
    assert parse_widths(f"{low}:{high}") == tuple(sorted(wanted))


@given(a=LENGTH, b=LENGTH, points=st.integers(2, 60), spacing=st.sampled_from(["log", "lin"]))
def test_points_of_a_range_are_equally_spaced_up_to_rounding(
    a: int, b: int, points: int, spacing: str
) -> None:
    low, high = sorted((a, b))
    found = parse_widths(f"{low}:{high}:{spacing}{points}")
    assert found[0] == low
    assert found[-1] == high
    assert list(found) == sorted(set(found))
    assert len(found) <= points
    for index in range(points):
        share = index / (points - 1)
        real = low * (high / low) ** share if spacing == "log" else low + (high - low) * share
        assert any(abs(value - real) <= 0.5 + 1e-6 * real for value in found)


@given(values=st.lists(LENGTH, min_size=1, max_size=20))
def test_a_list_is_sorted_and_each_value_comes_once(values: list[int]) -> None:
    assert parse_widths(",".join(map(str, values))) == tuple(sorted(set(values)))
    assert parse_widths(" , ".join(map(str, values))) == tuple(sorted(set(values)))


@given(text=st.text(max_size=30))
def test_anything_else_is_one_usage_error(text: str) -> None:
    for parse in (parse_widths, parse_depths):
        message, found = "--", tuple[int, ...]()
        try:
            found = parse(text)
        except UsageError as error:
            message = str(error)
        assert message.startswith(("--", "the number of points in --"))
        assert all(isinstance(value, int) for value in found)


@given(a=st.integers(0, 16), b=st.integers(0, 16))
def test_depths_are_every_whole_number_of_a_range(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert parse_depths(f"{low}:{high}") == tuple(range(low, high + 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0:4", "from 1 to 1,000,000"),
        ("8:4", "swap the two"),
        ("4:8:log1", "from 2 to 10,000"),
        ("4:8:cube3", "powers of two"),
        ("4:2000000", "from 1 to 1,000,000"),
        ("", "powers of two"),
        ("-4", "powers of two"),
        ("1e3", "powers of two"),
        ("٣", "powers of two"),
    ],
)
def test_wrong_widths_say_what_is_right(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_widths(text)


@pytest.mark.parametrize("text", ["1:5:log3", "17", "3:1", "x", "1.5"])
def test_wrong_depths_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--depth"):
        parse_depths(text)
