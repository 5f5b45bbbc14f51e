"""Explanations against the other commands: terms added again, knobs and rankings moved by `--set`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remembered import explained_once

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Recommendation
from rsgadvise.errors import HypothesisError, SpecError
from rsgadvise.spec import Spec, load_spec

Config = Callable[[str], Path]
CONFIGS = ["paper_example", "mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]
BOTH = ["paper", "certified"]
CHOSEN = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")


def sets(values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield "--set"
        yield f"{key}={json.dumps(value)}"


def changed(path: Path, changes: dict[str, Any], *arguments: str) -> Spec:
    """The spec of a file as `--set` changes it."""
    return load_spec(str(path), overrides=[*arguments[1::2], *list(sets(changes))[1::2]]).spec


def as_listed(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def fixed(document: dict[str, Any]) -> dict[str, Any]:
    """The explained training values as overrides."""
    return {f"training.{key}": document["training"][key]["value"] for key in CHOSEN}


@pytest.fixture(scope="module", autouse=True)
def _explained_once() -> Iterator[None]:
    with explained_once():
        yield


@pytest.fixture
def explained(run: Run, config: Config) -> Callable[..., dict[str, Any]]:
    def ask(name: str | Path, *arguments: str) -> dict[str, Any]:
        path = config(name) if isinstance(name, str) else name
        result = run("explain", path, "-f", "json", *arguments)
        assert (result.code, result.err) == (0, "")
        return strict(result.out)

    return ask


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("constants", BOTH)
def test_terms_add_up_to_the_bound_of_the_other_commands(
    run: Run, config: Config, explained: Callable[..., dict[str, Any]], name: str, constants: Any
) -> None:
    found = explained(name, "--constants", constants)
    assert found["schema"] == "rsgadvise.explain/1"
    assert math.fsum(term["value"] for term in found["terms"]) == pytest.approx(found["bound"], rel=1e-12)
    assert math.fsum(term["share"] for term in found["terms"]) == pytest.approx(1, rel=1e-12)
    (best, *_) = recommend(changed(config(name), {}), constants=constants, top=1).recommendations
    for key in CHOSEN:
        assert found["training"][key]["value"] == as_listed(getattr(best, key))
    report = run("bound", config(name), "-f", "json", "--constants", constants, *sets(fixed(found)))
    bound = strict(report.out)
    assert found["bound"] == bound["bound"]
    assert found["certified_bound"] == bound["certified_bound"]
    assert (found["proven"], found["vacuous"]) == (bound["proven"], bound["vacuous"])
    assert {term["name"]: term["value"] for term in found["terms"]} == bound["terms"]
    ids = [each["id"] for each in found["assumptions"]]
    assert len(set(ids)) == len(ids)
    for term in found["terms"]:
        assert term["formula"]
        assert term["source"]
        assert set(term["assumptions"]) <= set(ids)


def test_formulas_give_the_values(explained: Callable[..., dict[str, Any]]) -> None:
    """The formulas that are shown, computed by hand."""

    def by_name(found: dict[str, Any]) -> dict[str, float]:
        return {term["name"]: term["value"] for term in found["terms"]}

    found = explained("mnist_single_layer")
    gamma, batch, n, _, _ = (found["training"][key]["value"] for key in CHOSEN)
    e = 1 - 13 * gamma / 16
    assert by_name(found) == pytest.approx(
        {"initial_error": 10 / (n * gamma * e), "gradient_noise": 13 * 7840 / 256 * gamma / (batch * e)}
    )
    found = explained("mnist_multilayer", "--set", "training.keep_prob=0.8")
    gammas, batch, n, zeta, _ = (found["training"][key]["value"] for key in CHOSEN)
    alpha, w, d = 0.001, 0.05, (784, 200, 100, 10)
    b = [alpha * d[2] * w / 20, alpha * d[3] * w / 20, 13 / 16]
    g = min(gamma - bend * gamma**2 for gamma, bend in zip(gammas, b, strict=True))
    k = [d[0] * d[1] * d[2] * w / 4, d[1] * d[2] * d[3] * w / 4]
    assert by_name(found) == pytest.approx(
        {
            "initial_error": 10 / (n * g * zeta**2),
            "output_noise": 13 * d[2] * d[3] * gammas[2] ** 2 / 256 / (batch * g * zeta),
            "top_hidden_noise": alpha * k[1] * gammas[1] / (batch * g),
            "lower_hidden_noise": alpha * zeta * k[0] * gammas[0] / (batch * g),
        }
    )
    found = explained("mnist_autoencoder")
    gamma, batch, n, zeta, _ = (found["training"][key]["value"] for key in CHOSEN)
    reach = zeta * 784 * 0.01
    variance = (
        78400 / 16 * (1 + reach * 0.13066048 / 4 + (5 * zeta / 16 - zeta**2 / 4) * reach**2 * 0.04475126)
    )
    values = by_name(found)
    assert values["projection_noise"] == pytest.approx(variance / batch)
    e = variance / batch / values["gradient_noise"]
    assert values["initial_error"] == pytest.approx(784 / (n * gamma * e))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("constants", BOTH)
def test_knobs_against_the_bound_of_a_changed_spec(
    config: Config, explained: Callable[..., dict[str, Any]], name: str, constants: Any
) -> None:
    found = explained(name, "--constants", constants)
    held = fixed(found)

    def bound(changes: dict[str, Any]) -> float | None:
        try:
            found = evaluate(changed(config(name), {**held, **changes}), constants=constants).bound
        except (HypothesisError, SpecError):
            return None
        return found if math.isfinite(found) else None

    seen = set()
    for knob in found["knobs"]:
        key = knob["key"]
        seen.add(key)
        for value, factor in (
            (knob["doubled"], knob["factor"]),
            (knob["halved"], knob["factor_halved"]),
        ):
            if value is None:
                assert factor is None
                assert knob["note"]
                continue
            changes = {key: value}
            if key == "network.layers[0]" and name != "paper_example":
                changes["data.top_eigenvalue"] = 38.091071 * value / knob["value"]
            there = bound(changes)
            if there is None:
                assert factor is None
                assert knob["note"]
            else:
                assert factor == pytest.approx(there / found["bound"], rel=1e-12), key
    assert {"training.stepsize", "training.batch_size", "training.iterations", "training.decay"} <= seen
    assert {"network.layers[0]", "network.layers[1]", "training.initial_loss", "data.mean"} <= seen
    assert ("network.weight_bound" in seen) == (name not in CONFIGS[:2])


@pytest.mark.parametrize("name", CONFIGS)
def test_advised_anew_against_recommend(
    config: Config, explained: Callable[..., dict[str, Any]], name: str
) -> None:
    arguments = ["--set", "training.batch_size=null"] if name == "paper_example" else []
    found = explained(name, *arguments)
    column = {"bound": "bound", "samples": "total_samples"}[found["ranked_by"]]

    def cost(changes: dict[str, Any]) -> float | None:
        try:
            rows = recommend(changed(config(name), changes, *arguments), top=1).recommendations
        except (HypothesisError, SpecError):
            return None
        return float(getattr(rows[0], column)) if rows else None

    base = cost({})
    assert base is not None
    checked = 0
    for knob in found["knobs"]:
        if knob["key"] in ("network.layers[0]", "training.decay"):
            continue  # the one moves the eigenvalue too, the other takes seconds and --thorough
        for value, factor in (
            (knob["doubled"], knob["readvised"]),
            (knob["halved"], knob["readvised_halved"]),
        ):
            if value is not None:
                there = cost({knob["key"]: value})
                if there is None:
                    assert factor is None
                else:
                    assert factor == pytest.approx(there / base, rel=1e-12)
                    checked += 1
    assert checked > 8


FLIPPING = [
    ("mnist_single_layer", "paper", []),
    # 28 samples are 4 batches of 7 or 5 of 5; from 30 on 6 of 5 are first again.
    ("mnist_single_layer", "paper", ["--set", "data.samples=20", "--set", "budget.epochs=1",
                                     "--set", "search.batch_size=[5, 7]"]),
    ("mnist_autoencoder", "paper", []),
    ("mnist_autoencoder", "certified", ["--set", "search.keep_prob=[0.5, 0.9]"]),
    ("mnist_single_layer", "paper", ["--set", "search.decay=[0.0, 0.1, 0.3]", "--set",
                                     "training.stopping=matched"]),
    ("mnist_multilayer", "certified", []),
    ("paper_example", "paper", ["--set", "training.batch_size=null"]),
    ("paper_example", "certified", ["--set", "training.batch_size=null", "--set", "cost.per_iteration=1e-4",
                                    "--set", "cost.per_sample=1e-6"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "constants", "arguments"), FLIPPING)
def test_flips_by_recommend_on_both_sides(
    config: Config,
    explained: Callable[..., dict[str, Any]],
    name: str,
    constants: Any,
    arguments: list[str],
) -> None:
    found = explained(name, "--constants", constants, *arguments)
    frozen = list(arguments)
    for note in found["notes"]:
        if note.startswith("Flips are among the batch sizes "):
            sizes = note.removeprefix("Flips are among the batch sizes ").split(", not")[0]
            listed = ", ".join(size.replace(",", "") for size in sizes.split(", "))
            frozen += ["--set", f"search.batch_size=[{listed}]"]

    def ranked(changes: dict[str, Any], top: int) -> tuple[Recommendation, ...]:
        spec = changed(config(name), changes, *frozen)
        return recommend(spec, constants=constants, top=top).recommendations

    def first(key: str, value: float) -> tuple[Any, ...] | None:
        changes: dict[str, Any] = {key: value}
        if key == "cost.per_iteration / cost.per_sample":
            changes = {"cost.per_sample": 1e-6, "cost.per_iteration": value * 1e-6}
        if key == "budget.samples":
            changes = {key: round(value)}
        try:
            rows = ranked(changes, top=1)
        except SpecError:
            rows = ()
        if not rows:
            return None
        listed = rows[0].keep_prob if any("search.keep_prob=[" in each for each in arguments) else None
        return rows[0].batch_size, rows[0].decay, listed

    def bounds(key: str, value: float) -> list[float]:
        """Of every candidate, to tell whether the ranking depends on a value at all."""
        return [row.bound for row in ranked({key: value}, top=1000)]

    assert found["flips"]
    flipped = 0
    for flip in found["flips"]:
        key, now = flip["key"], flip["value"]
        if flip["at"] is None:
            if "does not depend" in flip["note"]:
                assert bounds(key, now * (1 - 1e-3)) == bounds(key, now), key
            if flip["low"] < flip["high"]:
                same = first(key, now)
                for inside in np.geomspace(flip["low"] * (1 + 1e-6), flip["high"] * (1 - 1e-6), 7):
                    assert first(key, float(inside)) == same, key
            continue
        flipped += 1
        same = first(key, now) if now > 0 else first(key, 1e-9)
        outwards = 1 if flip["at"] > now else -1
        assert first(key, flip["at"] * (1 - outwards * 1e-6)) == same, key
        beyond = first(key, flip["at"] * (1 + outwards * 1e-6))
        assert beyond != same
        assert beyond is not None
        assert f"batch_size {beyond[0]:,}" in flip["then"]
        if now > 0:
            assert flip["factor"] == pytest.approx(flip["at"] / now)
            reach = flip["factor"] * (1 - outwards * 1e-6)  # and no nearer one the other way
            for between in np.geomspace(now / reach, now * reach, 12)[1:-1]:
                assert first(key, float(between)) in (same, None), key
    assert flipped >= 1


def test_nothing_to_flip_where_nothing_is_open(explained: Callable[..., dict[str, Any]]) -> None:
    given = fixed(explained("mnist_single_layer"))
    found = explained("mnist_single_layer", *sets(given))
    assert found["flips"] == []
    assert any("Nothing is open" in note for note in found["notes"])
    assert {each["source"] for key, each in found["training"].items() if key in CHOSEN} == {"given"}
    assert all(knob["readvised"] is None for knob in found["knobs"])
    one = explained("mnist_single_layer", "--set", "training.batch_size=64")
    assert one["flips"] == []
    assert one["training"]["batch_size"]["source"] == "given"
    assert one["training"]["stepsize"]["source"] == "advised"


def test_slow_rankings_are_left_to_thorough(explained: Callable[..., dict[str, Any]]) -> None:
    """Short trainings on data of unknown size, which take less to rank and have no sampling errors."""
    decaying = ["--set", "training.decay=0.3", "--set", "search.batch_size=[16, 32]"]
    decaying += ["--set", "data.samples=null", "--set", "budget.epochs=null", "--set", "budget.samples=3000"]
    found = explained("mnist_single_layer", *decaying)
    assert found["flips"] == []
    assert sum("--thorough" in note for note in found["notes"]) == 1
    assert all(knob["readvised"] is None for knob in found["knobs"])
    whole = explained("mnist_single_layer", *decaying, "--thorough")
    assert whole["flips"]
    assert any(knob["readvised"] is not None for knob in whole["knobs"])
    assert [knob["factor"] for knob in whole["knobs"]] == [knob["factor"] for knob in found["knobs"]]


def test_bounds_move_as_the_theory_says(explained: Callable[..., dict[str, Any]]) -> None:
    """Exact facts: (7) doubles with d_y and f(W1) together, d_x and 1/B are one, stepsizes are optimal."""
    knobs = {knob["key"]: knob for knob in explained("mnist_single_layer")["knobs"]}
    assert knobs["network.layers[1]"]["factor"] == pytest.approx(2)  # d_y, and with it the assumed f(W1)
    assert knobs["network.layers[0]"]["factor"] == pytest.approx(
        knobs["training.batch_size"]["factor_halved"]
    )
    assert knobs["data.mean_square"]["factor_halved"] == 1
    for name in CONFIGS:
        knobs = {knob["key"]: knob for knob in explained(name)["knobs"]}
        assert knobs["training.stepsize"]["factor"] is None or knobs["training.stepsize"]["factor"] > 1
        assert knobs["training.stepsize"]["factor_halved"] > 1
        for key in ("training.batch_size", "training.iterations"):
            assert knobs[key]["factor"] < 1 < knobs[key]["factor_halved"]
        if knobs["training.initial_loss"]["factor_halved"] is not None:
            assert 0.5 < knobs["training.initial_loss"]["factor_halved"] < 1


SMALL = "network: {kind: single_layer, layers: [6, 3]}\n"


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    path = tmp_path / "data.npz"
    np.savez(path, x=generator.random((50, 6)), y=generator.integers(0, 3, 50))
    return path


def test_sampling_errors_of_a_data_file(
    run: Run, explained: Callable[..., dict[str, Any]], numbers: Path, tmp_path: Path
) -> None:
    measured = strict(run("stats", numbers, "-f", "json").out)
    text = "network: {kind: autoencoder, layers: [6, 3], weight_bound: 0.5}\n"
    with_file, without = tmp_path / "f.yaml", tmp_path / "n.yaml"
    with_file.write_text(text + f"data: {{file: {numbers.name}}}\n")
    values = ("mean", "mean_square", "second_moment", "top_eigenvalue", "samples")
    without.write_text(text + "data: " + json.dumps({key: measured[key] for key in values}) + "\n")
    found = explained(with_file)
    sampling = found["sampling"]
    assert sampling["source"] == "measured"
    for name, error in sampling["standard_errors"].items():
        assert error == measured["standard_errors"][name]
    held = fixed(found)
    bounds = []
    for point in sampling["points"]:
        moved = {name: measured[name] + count * sampling["standard_errors"][name]
                 for name, count in point["moved"].items()}  # fmt: skip
        moments = point["moments"]
        if not point["clipped"]:
            assert {name: moments[name] for name in moved} == pytest.approx(moved)
        assert moments["mean"] ** 2 <= moments["mean_square"] <= moments["mean"]
        changes = {f"data.{name}": value for name, value in moments.items()}
        there = strict(run("bound", without, "-f", "json", *sets({**held, **changes})).out)
        assert point["bound"] == pytest.approx(there["bound"], rel=1e-12)
        assert point["certified_bound"] == pytest.approx(there["certified_bound"], rel=1e-12)
        (advice, *_) = recommend(changed(without, changes), top=1).recommendations
        assert (point["stepsize"], point["advised_bound"]) == (advice.stepsize, advice.bound)
        bounds.append(point["bound"])
    alone = 4 * len(sampling["standard_errors"])
    assert len(bounds) == alone + 2
    assert bounds[alone] >= max(b for b, p in zip(bounds[:alone], sampling["points"], strict=False)
                                if abs(next(iter(p["moved"].values()))) == 1)  # fmt: skip
    assert bounds[alone + 1] >= max(bounds[:alone])
    holds = {each["id"]: each["holds"] for each in found["assumptions"]}
    assert holds["inputs"] is holds["targets"] is holds["moments"] is holds["moments_exist"] is True


def test_sampling_errors_without_a_file(explained: Callable[..., dict[str, Any]]) -> None:
    found = explained("mnist_autoencoder")["sampling"]
    assert found["source"] == "upper bound"
    assert found["standard_errors"]["mean"] == pytest.approx(math.sqrt(0.13066048 * 0.86933952 / 60000))
    assert explained("mnist_autoencoder", "--set", "data.samples=null", "--set", "budget=null")[
        "sampling"
    ] == {
        "source": "unknown",
        "standard_errors": {},
        "points": [],
        "note": "Unknown: neither data.file nor data.samples says on how many rows the statistics rest.",
    }
    assert "worst cases" in explained("paper_example")["sampling"]["note"]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 12),
    columns=st.integers(1, 5),
    power=st.floats(0.2, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_largest_standard_errors_are_larger_than_real_ones(
    rows: int, columns: int, power: float, seed: int
) -> None:
    """Finite populations, whose sampling variances are known: none may exceed the stated limit."""
    from rsgadvise.ask.explain.sampling import largest_standard_errors
    from rsgadvise.theory.constants import InputMoments

    generator = np.random.default_rng(seed)
    x = generator.random((rows, columns)) ** power
    x = np.where(generator.random(x.shape) < 0.3, np.round(x), x)
    means = x.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T @ x / rows)
    moments = InputMoments(
        dim=columns,
        mean=float(means.mean()),
        mean_square=float((means**2).mean()),
        second_moment=float((x**2).mean()),
        top_eigenvalue=float(values[-1]),
    )
    limits = largest_standard_errors(moments, 7)
    real = {
        "mean": x.mean(axis=1).std(),
        "mean_square": 2 / columns * (x @ means).std(),
        "second_moment": (x**2).mean(axis=1).std(),
        "top_eigenvalue": ((x @ vectors[:, -1]) ** 2).std(),
    }
    for name, value in real.items():
        assert value / math.sqrt(7) <= limits[name] * (1 + 1e-9) + 1e-9, name


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "budget.samples=1"], 1, "nothing to explain"),
        (["--set", "network.kind=cnn"], 2, "network.kind"),
        (["--constants", "calibrated"], 2, "--constants"),
    ],
)
def test_errors_are_one_line(run: Run, config: Config, arguments: list[str], code: int, message: str) -> None:
    result = run("explain", config("mnist_single_layer"), *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert result.err.startswith("error: ")
    assert message in result.err


def test_values_that_miss_the_target_are_explained_all_the_same(
    explained: Callable[..., dict[str, Any]],
) -> None:
    found = explained(
        "paper_example",
        *sets({"training.stepsize": 0.1, "training.iterations": 10, "training.batch_size": 5}),
    )
    assert found["bound"] > 0.05
    assert any("no advice" in note for note in found["notes"])
    assert found["flips"] == []


def test_other_kinds_fit_the_terminal(run: Run, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CONFIGS[1:3]:
        for width in (60, 80):
            monkeypatch.setenv("COLUMNS", str(width))
            for line in run("explain", config(name)).out.splitlines():
                assert len(line) <= width, line
    quiet = run("explain", config("mnist_multilayer"), "-q").out
    assert "output noise" in quiet
    assert "assumption" not in quiet


@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_spec_is_explained(run: Run, data: st.DataObject) -> None:
    """Never a traceback, and always terms that add up."""
    kind = data.draw(st.sampled_from(["single_layer", "autoencoder", "multilayer"]))
    depth = data.draw(st.integers(2, 4)) if kind == "multilayer" else 2
    layers = data.draw(st.lists(st.integers(1, 50), min_size=depth, max_size=depth))
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind != "single_layer":
        network["weight_bound"] = data.draw(st.sampled_from([0.0, 0.01, 1.0, 1e3]))
    mean = data.draw(st.sampled_from([None, 0.0, 1e-9, 0.3, 1.0]))
    spec: dict[str, Any] = {"network": network, "data": {"mean": mean}, "training": {}, "search": {}}
    spec["data"]["samples"] = data.draw(st.sampled_from([None, 1, 1000]))
    training = spec["training"]
    training["stopping"] = data.draw(st.sampled_from([None, "matched", "increasing", "last", [0.25, 0.75]]))
    training["decay"] = data.draw(st.sampled_from([None, 0.0, 0.5, 2.0]))
    training["batch_size"] = data.draw(st.sampled_from([None, 1, 7]))
    if data.draw(st.booleans()):
        spec["target"] = {"eps": data.draw(st.sampled_from([1e-3, 1.0, 1e6])), "delta": 0.1}
    spec["search"]["batch_size"] = data.draw(st.sampled_from([[1], [2, 3], {"min": 1, "max": 300}]))
    constants = data.draw(st.sampled_from(BOTH))
    result = run("explain", "-", "-f", "json", "--constants", constants, stdin=json.dumps(spec))
    if result.code:
        assert result.code in (1, 2), result.err
        assert result.err.startswith("error: ")
        assert (result.out, result.err.count("\n")) == ("", 1)
        return
    found = strict(result.out)
    assert math.fsum(term["value"] for term in found["terms"]) == pytest.approx(found["bound"], rel=1e-9)
    for each in found["assumptions"]:
        assert each["holds"] in (True, False, None)
        assert each["reason"]


def test_data_without_a_gradient_allow_any_stepsize(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.zeros((20, 4)))
    text = (
        "network: {kind: single_layer, layers: [4, 2]}\ndata: {file: rows.npz}\n"
        "training: {stepsize: 0.3, batch_size: 4, iterations: 50}\n"
    )
    (tmp_path / "zeros.yaml").write_text(text)
    result = run("explain", tmp_path / "zeros.yaml", "-f", "json")
    assert result.code == 0
    assert "inf" not in result.out.replace("information", "")
    (own,) = [each for each in json.loads(result.out)["assumptions"] if each["id"] == "certified_stepsize"]
    assert own["holds"] is True
    assert own["reason"] == "there is no curvature, so that any stepsize does"


def test_a_flip_whose_start_is_only_assumed(run: Run, tmp_path: Path) -> None:
    """Without data.mean the worst case of 1 stands, which beside a mean_square of 0 no spec may say."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "network: {kind: autoencoder, layers: [2, 1], weight_bound: 1}\n"
        "data: {mean_square: 0, samples: 100}\nsearch: {batch_size: [2, 4]}\n"
    )
    result = run("explain", path, "-f", "json", "--constants", "certified")
    assert (result.code, result.err) == (0, "")
    (flip,) = (each for each in strict(result.out)["flips"] if each["key"] == "data.mean")
    assert flip["at"] is None
    assert "data.mean_square must be from mean**2 = 1" in flip["note"]


@pytest.mark.parametrize("command", [["explain"], ["recommend"], ["report", "-o", "out.html"]])
@pytest.mark.parametrize(
    "spec",
    [
        "network: {kind: single_layer, layers: [4, 3]}\ndata: {samples: 10}\ntraining: {iterations: 10}\n"
        "search: {batch_size: {min: 2, max: 9}}\nbudget: {epochs: 1e100}\n",
        "network: {kind: multilayer, layers: [4, 3, 2], weight_bound: 1e-300}\n",
        "network: {kind: multilayer, layers: [4, 3, 2], weight_bound: 1}\ndata: {mean: 1e-300}\n",
        "network: {kind: single_layer, layers: [4, 3]}\ndata: {samples: 1}\nbudget: {epochs: 1e100}\n",
        "network: {kind: single_layer, layers: [4, 3]}\ntraining: {initial_loss: 1e-300}\n",
        "network: {kind: single_layer, layers: [4, 3]}\nbudget: {seconds: 1e100}\n"
        "cost: {per_sample: 1e-300}\nsearch: {batch_size: {min: 2, max: 9}}\n",
        "network: {kind: autoencoder, layers: [333333333, 20], weight_bound: 0.0037}\n"
        "data: {mean: 1e-300, mean_square: 1e-300, samples: 1000}\ntraining: {stepsize: 1e-16}\n"
        "search: {batch_size: [1, 9]}\n",
    ],
)
def test_values_at_the_ends_of_their_ranges_are_answered(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(spec)
    name, *options = command
    result = run(name, "s.yaml", *options, "--constants", "certified")
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    "fixed", [(), ("--set", "training.batch_size=10", "--set", "training.iterations=50")]
)
def test_outside_the_range_there_is_no_bound_and_the_range_is_named(
    run: Run, config: Config, fixed: tuple[str, ...]
) -> None:
    arguments = (config("mnist_single_layer"), "--set", "training.stepsize=2", *fixed)
    result = run("explain", *arguments, "-f", "json")
    found = json.loads(result.out)
    assert (result.code, found["bound"], found["terms"], found["proven"]) == (0, None, [], False)
    assert found["certified_bound"] == found["largest_gradient"]
    assert any("lies outside (0, 1.23077)" in note for note in found["notes"])
    held = {each["id"]: each for each in found["assumptions"]}
    assert held["stepsize"]["holds"] is False
    assert "2 > 1.231" in held["stepsize"]["reason"]
    assert "proven" not in held
    knobs = {each["key"]: each for each in found["knobs"]}
    # Half the stepsize lies inside again, and no other knob reaches a bound.
    assert "the bound there is" in knobs["training.stepsize"]["note"]
    assert all(each["factor"] is None for each in found["knobs"])
    text = run("explain", *arguments).out
    assert "no bound" in text
    assert "inf" not in text.replace("information", "").split()
