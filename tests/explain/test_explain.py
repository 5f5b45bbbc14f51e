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

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.advise.recommend import recommend
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


@pytest.fixture
def explained(run: Run, config: Config) -> Callable[..., dict[str, Any]]:
    def ask(name: str | Path, *arguments: str) -> dict[str, Any]:
        path = config(name) if isinstance(name, str) else name
        return run.document("explain", path, *arguments)

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


def test_more_standardised_inputs_are_longer(run: Run, tmp_path: Path) -> None:
    """The second moment is per input; the eigenvalue grows as their number, the longest row as its root."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "network: {kind: multilayer, layers: [4, 3, 2], weight_bound: 0.5, loss: squared_linear}\n"
        "data: {scaling: standard, samples: 300, second_moment: 1, top_eigenvalue: 2, largest_norm: 3}\n"
        "training: {stepsize: 0.0001, batch_size: 10, iterations: 100000, keep_prob: 1}\n"
    )
    found = run.document("explain", path)
    (knob,) = [each for each in found["knobs"] if each["key"] == "network.layers[0]"]
    wider = {"network.layers[0]": 8, "data.top_eigenvalue": 4, "data.largest_norm": 3 * math.sqrt(2)}
    there = evaluate(changed(path, wider), constants="certified").bound
    assert knob["factor"] == pytest.approx(there / found["bound"], rel=1e-12)


def test_where_values_are_from(explained: Callable[..., dict[str, Any]]) -> None:
    given = fixed(explained("mnist_single_layer"))
    found = explained("mnist_single_layer", *sets(given))
    assert {each["source"] for key, each in found["training"].items() if key in CHOSEN} == {"given"}
    one = explained("mnist_single_layer", "--set", "training.batch_size=64")
    assert one["training"]["batch_size"]["source"] == "given"
    assert one["training"]["stepsize"]["source"] == "advised"


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


def test_a_false_constant_is_not_against_a_proven_bound(
    explained: Callable[..., dict[str, Any]],
) -> None:
    """The certified bound has constants of its own: what is false of the paper's takes nothing from it."""
    proven = explained("mnist_single_layer")
    assert proven["proven"]
    [smooth] = [each for each in proven["assumptions"] if each["id"] == "smoothness"]
    assert smooth["holds"] is False
    assert smooth["reason"].endswith("this bound holds all the same")
    other = explained("mnist_multilayer")
    assert not other["proven"]
    false = {each["id"]: each["reason"] for each in other["assumptions"] if each["holds"] is False}
    assert false["smoothness"].endswith("; the certified bound does not need it")
    assert false["cross_term"].endswith("; the certified bound does not need it")
    assert "does not need" not in false["box"] + false["proven"] + false["certified_stepsize"]
