"""Ends and ticks of axes against what they must hold for any values."""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.show.plot.figure import (
    Axis,
    across_axis,
    fraction,
    linear_axis,
    log_axis,
    tick_number,
    value_axis,
)

SIZES = st.floats(1e-300, 1e300)
EVERY = st.floats(sys.float_info.min, sys.float_info.max)  # of full precision; ticks need digits
POSITIVE = st.lists(EVERY, min_size=1, max_size=8)
NOT_NEGATIVE = st.lists(st.just(0.0) | SIZES, min_size=1, max_size=8)
ANY = st.lists(st.just(0.0) | SIZES | SIZES.map(lambda size: -size), min_size=1, max_size=8)
few = settings(max_examples=50, deadline=None)


def check(axis: Axis, values: list[float]) -> None:
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values)
    positions = [tick.position for tick in axis.ticks]
    assert all(first < second for first, second in pairwise(positions))
    slack = 1e-6 * (axis.high - axis.low)
    assert all(axis.low - slack <= position <= axis.high + slack for position in positions)
    assert 1 <= len(positions) <= 12
    assert len({tick.label for tick in axis.ticks}) == len(positions)


@few
@given(POSITIVE)
def test_a_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    axis = log_axis("", values)
    check(axis, values)
    assert axis.low > 0
    assert len(axis.ticks) >= 2
    middle = math.sqrt(axis.low) * math.sqrt(axis.high)
    assert fraction(axis, middle) == pytest.approx(0.5, abs=1e-6)


@few
@given(ANY)
def test_a_linear_axis_holds_its_values(values: list[float]) -> None:
    check(linear_axis("", values), values)
    check(linear_axis("", values, from_zero=True), values)


@few
@given(NOT_NEGATIVE)
def test_an_axis_of_losses_holds_its_values(values: list[float]) -> None:
    check(value_axis("", values), values)


@few
@given(st.lists(st.floats(-1e9, 1e9) | st.floats(5e-324, 1e-290), min_size=1, max_size=14, unique=True))
def test_an_axis_of_what_was_varied_holds_its_values(values: list[float]) -> None:
    axis = across_axis("", values)
    assert all(axis.low <= value <= axis.high for value in values)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([50, 74, 110, 164, 243, 361, 537, 800], "log"),  # 50:800:log8
        ([48, 96, 192, 384], "log"),
        ([0.1, 0.2, 0.3, 0.4], "linear"),
        ([50, 157, 264, 371, 479, 586, 693, 800], "linear"),
        ([1, 30], "log"),
        ([2, 4], "linear"),
        ([0, 1, 10, 100], "linear"),
        ([7], "linear"),
    ],
)
def test_values_in_equal_ratios_stand_on_a_logarithmic_axis(values: list[float], scale: str) -> None:
    assert across_axis("", values).scale == scale


@few
@given(SIZES)
def test_a_number_at_a_tick_can_be_read_back(value: float) -> None:
    text = tick_number(value)
    if "10" in text and any(letter in text for letter in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        mantissa, _, power = text.rpartition("10")
        plain = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        read = float(mantissa.removesuffix("·") or 1) * 10.0 ** int(plain)
    else:
        read = float(text.replace(",", ""))
    assert read == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "scale", "labels"),
    [
        ([16.0, 64.0, 256.0, 1024.0], "log", ["16", "64", "256", "1,024"]),
        ([0.5, 0.75, 1.0], "linear", ["0.5", "0.75", "1"]),
        ([64.0], "linear", ["64"]),
        ([-1.0, 1.0], "linear", ["-1", "1"]),
    ],
)
def test_ticks_stand_at_the_values_that_were_varied(
    values: list[float], scale: str, labels: list[str]
) -> None:
    axis = across_axis("", values)
    assert axis.scale == scale
    assert [tick.label for tick in axis.ticks] == labels


def test_ticks_have_one_notation() -> None:
    assert [tick.label for tick in log_axis("", [0.002, 40.0]).ticks] == ["0.01", "0.1", "1", "10"]
    assert [tick.label for tick in log_axis("", [2e-5, 0.9]).ticks] == ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]
