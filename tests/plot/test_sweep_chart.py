"""What a sweep becomes: every number of the document at its place, and nothing else."""

from __future__ import annotations

from typing import Any

import documents
import pytest
from documents import chart, series_of

from rsgadvise.errors import DataError
from rsgadvise.show.plot.figure import Series


def values(series: Series) -> list[tuple[float, float | None]]:
    return [(point.at, point.value) for point in series.points]


def test_one_axis_holds_predicted_and_measured_on_one_logarithmic_axis() -> None:
    found = chart(documents.one_axis())
    gradients, losses = found.panels
    assert gradients.value.scale == "log"
    assert gradients.across.scale == "log"
    assert gradients.across.label == "hidden length d_1 (units)"
    assert gradients.value.label == "E‖∇f(Wᴿ)‖² (squared gradient norm)"
    assert values(series_of(gradients, "paper")) == [
        (5, pytest.approx(0.1)),
        (10, None),
        (20, pytest.approx(0.4)),
        (50, 1.0),
        (100, 2.0),
        (200, 4.0),
    ]
    assert [p.value for p in series_of(gradients, "certified").points] == [1.5, 3.0, 6.0, 15.0, 20.0, 20.0]
    assert [p.hollow for p in series_of(gradients, "certified").points] == [False] * 4 + [True] * 2
    measured = series_of(gradients, "measured")
    assert measured.name == "measured mean, 99 % interval"
    assert [p.value for p in measured.points] == pytest.approx([0.0004 * i for i in range(1, 7)])
    assert (measured.points[0].lower, measured.points[0].open_below) == (None, True)
    assert measured.points[2].lower == pytest.approx(0.0006)
    assert measured.points[2].upper == pytest.approx(0.0024)
    (limit,) = gradients.levels
    assert (limit.role, limit.at, limit.across) == ("limit", 20.0, False)
    assert [p.value for p in series_of(losses, "initial").points] == [2.5] * 6
    assert series_of(losses, "final").points[0].value == pytest.approx(0.5 + 200 * 0.0004)
    for panel in found.panels:
        for series in panel.series:
            for point in series.points:
                for value in (point.value, point.lower, point.upper):
                    assert value is None or panel.value.low <= value <= panel.value.high


def test_the_title_says_kind_layers_and_what_was_fixed() -> None:
    found = chart(documents.one_axis())
    assert found.title == "Sweep over d_1: multilayer 784-d_1-10"
    assert found.subtitle == (
        "fixed: batch size B = 100, iterations N = 5,000, keep probability ζ = 0.5, stepsize decay ρ = 0; "
        "differs from point to point: stepsize"
    )


def test_the_caption_states_looseness_vacuity_gaps_and_runs() -> None:
    # bound / measured by hand: paper 0.1/0.0004, 0.4/0.0012, 1/0.0016, 2/0.002, 4/0.0024
    caption = chart(documents.one_axis()).caption
    assert caption[0] == "The paper bound is 250 to 1,670 times the measured, median 625."
    # certified 3750, 3750, 5000, 9375, 10000, 8333
    assert caption[1] == "The certified bound is 3,750 to 10,000 times the measured, median 6,670."
    text = " ".join(caption)
    assert "No paper bound (× at the edge) at d_1 = 10: The stepsize lies outside the range" in text
    assert "The certified bound is vacuous at 2 of 6 points" in text
    assert "The paper bound is vacuous" not in text
    assert "At 1 of 6 points the interval reaches 0 or below" in text
    assert "Measured over 64 runs a point, seed 7." in text


def test_without_measuring_there_is_no_loss_and_no_looseness() -> None:
    found = chart(documents.one_axis(with_measured=False))
    (panel,) = found.panels
    assert {series.role for series in panel.series} == {"paper", "certified"}
    assert not any("times the measured" in sentence for sentence in found.caption)


def test_two_axes_have_a_group_for_each_value_of_the_second() -> None:
    found = chart(documents.two_axes())
    assert found.groups == ("0.5", "0.75", "1")
    assert found.group_name == "keep probability ζ"
    (paper, certified), (losses,) = found.rows
    assert (paper.title, certified.title) == ("Paper bound and measured", "Certified bound and measured")
    assert paper.value == certified.value
    for group, keep in enumerate((0.5, 0.75, 1.0)):
        assert [p.value for p in series_of(paper, "paper", group).points] == pytest.approx(
            [0.02 * length * keep for length in documents.LENGTHS]
        )
        assert len(series_of(certified, "measured", group).points) == 6
        assert [p.value for p in series_of(certified, "limit", group).points] == pytest.approx(
            [0.5 * length * keep + 4 for length in documents.LENGTHS]
        )
        assert len(series_of(losses, "final", group).points) == 6
    assert "keep probability" not in found.subtitle
    assert "fixed: stepsize γ = 0.01 to 0.02" in found.subtitle


def test_groups_stand_in_the_order_of_the_axis_whatever_the_points_order() -> None:
    document = documents.two_axes()
    document["points"].reverse()
    assert chart(document) == chart(documents.two_axes())


def test_many_groups_take_the_whole_width_and_too_many_are_refused() -> None:
    assert [len(row) for row in chart(documents.many_groups()).rows] == [1, 1, 1]
    document = documents.two_axes(tuple(0.5 + 0.01 * i for i in range(25)), with_measured=False)
    with pytest.raises(DataError, match=r"at most 24 values after the first axis.*there are 25"):
        chart(document)


def test_lists_are_categories_in_their_own_order() -> None:
    found = chart(documents.depths())
    panel = found.panels[0]
    assert panel.across.scale == "category"
    assert [tick.label for tick in panel.across.ticks] == [
        "784-10",
        "784-100-10",
        "784-100-50-10",
        "784-200-100-50-10",
    ]
    assert [p.at for p in series_of(panel, "paper").points] == [0, 1, 2, 3]
    assert not series_of(panel, "paper").joined
    assert found.title == "Sweep over layer lengths: multilayer L = 1 to 4"


def test_one_point() -> None:
    found = chart(documents.single())
    assert found.caption[0] == "The paper bound is 50 times the measured."
    assert found.panels[0].across.low < 64 < found.panels[0].across.high
    with pytest.raises(DataError, match="axes: must hold one axis, or two; got a list of 0"):
        chart(documents.sweep([], [documents.point({}, [784, 50, 10])]))


def test_what_is_not_positive_has_no_mark_on_a_logarithmic_axis() -> None:
    document = documents.single()
    document["points"][0]["measured"] |= {"gradient": -0.001, "lower": -0.01, "upper": 0.02}
    found = chart(document)
    (point,) = series_of(found.panels[0], "measured").points
    assert (point.value, point.upper, point.open_below, point.missing) == (None, 0.02, True, False)
    assert any("the measured mean is not above 0" in sentence for sentence in found.caption)
    document["points"][0]["measured"]["upper"] = 0
    assert not any(series.role == "measured" for series in chart(document).panels[0].series)


def test_everything_may_be_null() -> None:
    document: Any = documents.two_axes(with_measured=False)
    for point in document["points"]:
        point |= {"paper_bound": None, "certified_bound": None, "largest_gradient": None, "stepsize": None}
    found = chart(document)
    assert any("No certified bound" in sentence for sentence in found.caption)
    assert all(point.missing for series in found.panels[0].series for point in series.points)
