"""What an advice rests on: the checks that the code can decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rsgadvise.advise.recommend import recommend
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import resolve
from rsgadvise.checks import Check, checks_of
from rsgadvise.datastats import DataStatistics, StandardErrors
from rsgadvise.spec import load_spec, parse_spec

Config = Callable[[str], Path]


def checks(
    path: Path,
    *overrides: str,
    constants: ConstantsName = "paper",
    statistics: DataStatistics | None = None,
) -> dict[str, Check]:
    spec = load_spec(path, overrides=overrides).spec
    problem = resolve(spec)
    advice = recommend(spec, constants=constants)
    return {check.text: check for check in checks_of(spec, problem, advice, statistics)}


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        (
            "mnist_single_layer",
            (),
            {"proven": True, "says something": True, "paper's range": True, "certified range": True},
        ),
        (
            "mnist_multilayer",
            (),
            {"proven": False, "says something": True, "paper's range": True, "certified range": False},
        ),
        (
            "mnist_autoencoder",
            ("budget={epochs: 0.0003}", "search.batch_size=[16]"),
            {"says something": False},
        ),
        ("paper_example", (), {"moments": True, "Inputs and targets": None, "loss at the start": True}),
        ("paper_example", ("training.initial_loss=2",), {"loss at the start": None}),
        ("mnist_single_layer", (), {"moments": None, "loss at the start": True, "no larger than": True}),
        ("mnist_single_layer", ("data.samples=8", "data.top_eigenvalue=null"), {"no larger than": False}),
        ("mnist_multilayer", (), {"pretrained": None, "their box": None, "random iteration": None}),
    ],
)
def test_what_is_known_is_said(
    config: Config, name: str, overrides: tuple[str, ...], expected: dict[str, bool | None]
) -> None:
    found = checks(config(name), *overrides)
    for part, holds in expected.items():
        matching = [check for text, check in found.items() if part in text]
        assert [check.holds for check in matching] == [holds], part
        assert all(check.reason.endswith(".") for check in matching)


def test_certified_advice_has_one_range(config: Config) -> None:
    found = checks(config("mnist_single_layer"), constants="certified")
    assert [text for text in found if "range" in text] == ["The stepsize lies in the certified range."]
    assert found["The bound is proven for this data."].holds


def test_a_matched_stepsize_may_be_the_end_of_the_range() -> None:
    """With `matched` the range is closed: its end is valid where stepsizes decay."""
    text = (
        "network: {kind: single_layer, layers: [4, 2]}\ndata: {mean: 0.5}\n"
        "training: {decay: 1, stopping: matched, batch_size: 1000000, iterations: 1000}\n"
    )
    spec = parse_spec(text, file="<spec>").spec
    advice = recommend(spec)
    assert advice.recommendations[0].stepsize == pytest.approx(16 / 13)
    found = {check.text: check for check in checks_of(spec, resolve(spec), advice)}
    assert found["The stepsize lies in the paper's range."].holds


def test_a_file_is_compared_with_the_spec(config: Config) -> None:
    measured = DataStatistics(
        mean=0.14,
        mean_square=0.0448,
        mean_square_unbiased=None,
        second_moment=0.112,
        standard_errors=StandardErrors(),
        top_eigenvalue=38.1,
        spectrum_method="gram",
        samples=60000,
        input_dim=784,
        output_dim=None,
        target_encoding=None,
        scaling="divide by 255",
        passes=1,
        rows_skipped=0,
        constant_columns=0,
        notes=(),
    )
    found = checks(config("mnist_single_layer"), statistics=measured)
    apart = found["The numbers in the spec agree with its data file."]
    assert apart.holds is False
    assert apart.reason == "data.mean is 0.13066 in the spec and 0.14 in the file; the file counts."
    assert found["The inputs lie in [0, 1]."].holds
    assert "dividing by 255" in found["The inputs lie in [0, 1]."].reason
    assert found["The targets lie in [0, 1]."].holds is None
