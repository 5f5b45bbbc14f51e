"""Snippets as text: they compile, are clean, and carry the advised values. No library is needed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from snippets import SPECS, TARGETS, advised, run_alone, snippet

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import TrainingPlan
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError
from rsgadvise.show.emit import Target, emit_snippet
from rsgadvise.spec import parse_spec
from rsgadvise.theory.stopping import probabilities

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]
ALL = [(name, target) for name in SPECS for target in TARGETS]
IDS = [f"{name}-{target}" for name, target in ALL]


@pytest.mark.parametrize(("name", "target"), ALL, ids=IDS)
def test_compiles_and_carries_the_advice(name: str, target: Target) -> None:
    spec, best = advised(SPECS[name])
    text = snippet(SPECS[name], target)
    compile(text, "snippet.py", "exec")
    assert text.isascii()
    values = run_alone(text)
    assert values["LAYERS"] == tuple(spec.network.layers)
    # Dropout of torch and keras divides what it keeps by KEEP, so the weights there are KEEP W (A8).
    kept = best.keep_prob if target in {"torch", "keras"} and spec.network.kind == "multilayer" else 1.0

    def written(advised: tuple[float, ...], factor: float) -> Any:
        """Biases, which are parameters of their own there, are not rescaled."""
        apart = spec.network.bias and target in {"torch", "keras"}
        factors = (factor, 1.0) if apart else (factor,)
        return pytest.approx([each * value for value in advised for each in factors], rel=1e-15)

    assert values.get("BOX", ()) == written(spec.network.weight_bounds, kept)
    assert (values["BATCH"], values["ITERATIONS"]) == (best.batch_size, best.iterations)
    # A trial of optuna is one run.
    assert values.get("RUNS", 1) == (1 if target == "optuna" else best.runs)
    assert values.get("KEEP", 1.0) == best.keep_prob
    assert ("KEEP" in values) == (f" is 1 - KEEP = {best.dropout_rate:.6g}\n" in text)
    assert values.get("DECAY", 0.0) == best.decay
    gamma = best.stepsize if isinstance(best.stepsize, tuple) else (best.stepsize,)
    assert values["STEPSIZES"] == written(gamma, kept**2)
    if kept < 1:
        said = text.replace("\n# ", " ")
        assert f"STEPSIZES KEEP^2 times the advised {', '.join(f'{each:.6g}' for each in gamma)}." in said
    assert f"{best.bound:.6g}" in text
    assert f"{best.certified_bound:.6g}" in text


@pytest.mark.parametrize("mean", [0.0, 1e-300, 1e-3, 1 - 2**-53, 1.0])
def test_rows_that_stand_in_for_data_have_the_mean_of_the_spec(mean: float) -> None:
    network = "network: {kind: autoencoder, layers: [200, 2], weight_bound: 0.5}\n"
    training = "training: {iterations: 1, batch_size: 1, stepsize: 1.0e-9}\n"
    code = snippet(f"{network}{training}data: {{mean: {mean!r}}}\n", "torch")
    (load,) = [node for node in ast.parse(code).body if getattr(node, "name", "") == "load"]
    values: dict[str, Any] = {"np": np, "SEED": 0, "print": lambda _: None}
    exec(ast.unparse(load), values)
    x, _ = values["load"]()
    assert x.mean() == pytest.approx(mean, rel=0.1, abs=1e-9)


def plain_comment(text: str) -> str:
    """The header in one line."""
    return text.partition("\n\n")[0].replace("\n# ", " ")


def test_proven_and_not_proven_are_told() -> None:
    fixed = "training: {iterations: 100000, batch_size: 64}\n"
    small = snippet("network: {kind: single_layer, layers: [4, 2]}\ndata: {mean: 0.2}\n" + fixed, "torch")
    large = snippet("network: {kind: single_layer, layers: [784, 10]}\n" + fixed, "torch")
    assert "; proven: the certified bound is at most this" in plain_comment(small)
    assert "; not proven for this data" in plain_comment(large)


def test_ruff_finds_nothing(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for number, (name, target) in enumerate(ALL):
        (tmp_path / f"s{number}.py").write_text(snippet(SPECS[name], target))
    rules = "E,F,W,I,UP,B,C4,SIM,RET"
    options = ["check", "--isolated", "--no-cache", "--select", rules, "--ignore", "B905", str(tmp_path)]
    for arguments in (options, ["format", "--isolated", "--no-cache", "--check", str(tmp_path)]):
        done = subprocess.run([ruff, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


STOPPING = {
    "uniform": ("uniform", 0.0),
    "matched": ("matched", 0.5),
    "matched, constant stepsize": ("matched", 0.0),
    "increasing": ("increasing", 0.0),
    "last": ("last", 0.0),
    "list": ("[0, 0.5, 0, 0.125, 0.125, 0.25, 0, 0, 0, 0, 0, 0]", 0.0),
}


@pytest.mark.parametrize("target", ["torch", "sklearn"])
@pytest.mark.parametrize("words", STOPPING.values(), ids=STOPPING)
def test_r_is_drawn_from_its_distribution(words: tuple[str, float], target: Target) -> None:
    stopping, decay = words
    text = (
        "network: {kind: single_layer, layers: [6, 3]}\n"
        f"training: {{iterations: 12, batch_size: 4, decay: {decay}, stopping: {stopping}, stepsize: 0.9}}\n"
    )
    spec = parse_spec(text, file="a.yaml").spec
    names = run_alone(snippet(text, target), "draw_stop")
    rng = np.random.default_rng(1)
    extra = () if target == "torch" else (12,)
    counts = np.bincount([names["draw_stop"](rng, *extra) for _ in range(10_000)], minlength=13)
    # (8): p_k is proportional to gamma_k (1 - 13 gamma_k / 16).
    share = 13 / 16 * 0.9
    chosen = spec.training.stopping or "uniform"
    expected = probabilities(chosen, iterations=12, decay=decay, curvature_share=share)  # type: ignore[arg-type]
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:13] / 10_000, expected, atol=0.015)
    assert (counts[1:][expected == 0] == 0).all()


def test_other_ranks_and_none() -> None:
    text = "network: {kind: single_layer, layers: [6, 3]}\ntraining: {iterations: 30}\n"
    spec = parse_spec(text, file="a.yaml").spec
    advice = recommend(spec, top=2)
    second = emit_snippet(advice, spec, target="torch", rank=2)
    assert run_alone(second)["BATCH"] == advice.recommendations[1].batch_size
    with pytest.raises(UsageError, match="from 1 to 2; got 3"):
        emit_snippet(advice, spec, target="torch", rank=3)
    hopeless = parse_spec(text + "target: {eps: 1.0e-9, delta: 0.05}\n", file="a.yaml").spec
    with pytest.raises(InfeasibleError, match="nothing to emit"):
        emit_snippet(recommend(hopeless), hopeless, target="torch")


def test_the_search_space_lies_around_the_advice() -> None:
    text = snippet(SPECS["single layer"], "optuna")
    names = run_alone(text)
    assert names["FACTORS"][0] < 1 < names["FACTORS"][1]
    assert names["BATCH"] in names["BATCHES"]
    masked = snippet(SPECS["layers with masks"], "optuna")
    assert run_alone(masked)["KEEPS"] == (0.6, 0.9)
    assert 'suggest_float("keep_prob"' in masked
    listed = snippet(SPECS["layers, range of batches, several runs"], "optuna")
    assert run_alone(listed)["KEEPS"] == (0.5, 1.0)
    assert 'suggest_categorical("keep_prob"' in listed
    assert run_alone(snippet(SPECS["layers, listed stopping"], "optuna"))["DECAYS"] == (0.0, 0.5)


def test_what_a_spec_fixes_is_not_searched() -> None:
    fixed = snippet(SPECS["one boxed layer with masks"], "optuna")
    assert "stepsize_factor" not in fixed
    assert "stepsizes=STEPSIZES," in fixed
    same = snippet(SPECS["single layer"], "optuna")
    assert "iterations=ITERATIONS," in same
    assert "N, fixed by the spec, stays as it is" in same.replace("\n# ", " ")
    free = snippet("network: {kind: single_layer, layers: [6, 3]}\ndata: {samples: 100}\n", "optuna")
    assert "iterations=max(1, ITERATIONS * BATCH // batch_size)," in free
    everything = "training: {iterations: 9, batch_size: 4, stepsize: 0.7}\n"
    with pytest.raises(UsageError, match="optuna needs something to search"):
        snippet("network: {kind: single_layer, layers: [6, 3]}\n" + everything, "optuna")


@pytest.mark.parametrize("target", TARGETS)
def test_one_stepsize_for_several_layers_is_repeated(target: Target) -> None:
    text = "network: {kind: multilayer, layers: [6, 4, 3], weight_bound: 0.1}\n"
    names = run_alone(snippet(text + "training: {stepsize: 0.3, iterations: 9}\n", target))
    assert names["STEPSIZES"] == (0.3, 0.3)


RAN = TrainingPlan(
    stepsize=(3.0, 0.5),
    common_stepsize=0.7,
    decay=0.25,
    stopping="last",
    batch_size=7,
    iterations=90,
    epochs=2.5,
    keep_prob=0.8,
    dropout_rate=0.2,
    weight_bound=5.0,
    source="raced",
    loss=0.0714,
    constant_loss=0.4771,
    held_out_error=0.048,
    constant_error=0.394,
    held_out_rows=250,
)
TWO_LAYERS = """
network: {kind: multilayer, layers: [6, 4, 3], weight_bound: 0.1}
training: {iterations: 30}
"""


def emitted(train: TrainingPlan, target: Target, **options: Any) -> str:
    spec = parse_spec(TWO_LAYERS, file="a.yaml").spec
    return emit_snippet(replace(recommend(spec), train=train), spec, target=target, **options)


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_answer_trains_with_is_emitted(target: Target) -> None:
    text = emitted(RAN, target)
    values = run_alone(text)
    kept = 0.8 if target in {"torch", "keras"} else 1.0
    assert (values["BATCH"], values["ITERATIONS"], values["DECAY"], values["KEEP"]) == (7, 90, 0.25, 0.8)
    assert values["STEPSIZES"] == pytest.approx((3.0 * kept**2, 0.5 * kept**2))
    assert values["BOX"] == pytest.approx((5.0 * kept, 5.0 * kept))
    assert "uniform on the last tenth of 1..N" in text
    said = plain_comment(text)
    assert "Values: the best of a race of short runs on the data." in said
    assert "training loss 0.0714, that of a constant prediction 0.4771." in said
    assert "It had 4.8 % of 250 rows held out wrong (always saying the commonest class: 39.4 %)." in said
    assert "Bound on" not in said  # no rank has these values
    if target == "optuna":
        assert values["FACTORS"] == (1 / 8, 8)
    ranked = run_alone(emitted(RAN, target, rank=1))
    assert ranked["ITERATIONS"] == 30


def test_a_rank_with_the_same_values_lends_its_bound() -> None:
    spec = parse_spec(TWO_LAYERS, file="a.yaml").spec
    best = recommend(spec).recommendations[1]
    names = ("stepsize", "decay", "stopping", "batch_size", "iterations", "keep_prob", "dropout_rate")
    same = replace(RAN, source="theorem", **{name: getattr(best, name) for name in names})
    said = plain_comment(emitted(same, "torch"))
    assert "with rank 2 of" in said
    assert f"Bound on E||g||^2, g the projected gradient at W^R over all rows: {best.bound:.6g}" in said


def test_a_training_that_learned_nothing_says_so() -> None:
    text = emitted(replace(RAN, learns=False, reason="the box of 0.1 is too narrow"), "torch")
    assert "It learned nothing: the box of 0.1 is too narrow" in plain_comment(text)


def test_matched_stopping_needs_a_bound() -> None:
    with pytest.raises(HypothesisError, match="must not be `matched` for a stepsize that no bound ranks"):
        emitted(replace(RAN, stopping="matched"), "torch")


def test_an_answer_without_a_rank_is_emitted() -> None:
    spec = parse_spec(TWO_LAYERS + "target: {eps: 1.0e-9, delta: 0.05}\n", file="a.yaml").spec
    advice = recommend(spec)
    assert advice.infeasible is not None
    assert "ITERATIONS = 90" in emit_snippet(replace(advice, train=RAN), spec, target="torch")


# The command line.


def test_refuses_a_format_and_unknown_targets(run: Run, config: Config) -> None:
    spec = config("mnist_single_layer")
    assert "--emit prints Python in place of a report; got --format json" in run.refused(
        "recommend", spec, "--emit", "torch", "-f", "json"
    )
    run.refused("recommend", spec, "--emit", "tensorflow")
    assert run("recommend", spec, "--emit", "torch", "-f", "table").code == 0


def test_infeasible_is_exit_code_1_and_no_code(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "--emit", "torch")
    shown = run("recommend", config("mnist_autoencoder"), "--constants", "paper", *options)
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("error: ")
    assert "nothing to emit: no batch size allowed" in shown.err
    assert shown.err.count("\n") == 1


def test_matched_stopping_points_at_the_stepsize(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 3]}\n"
        "training: {iterations: 12, batch_size: 4, decay: 0.5, stopping: matched, stepsize: 90}\n"
    )
    shown = run.refused("recommend", spec, "--constants", "certified", "--emit", "torch")
    assert f"{spec}:2:" in shown
    assert "training.stepsize: is too large for `stopping: matched`" in shown


def test_emission_loads_no_library() -> None:
    code = (
        "import sys\n"
        "from snippets import SPECS, TARGETS, snippet\n"
        "for target in TARGETS:\n    snippet(SPECS['autoencoder'], target)\n"
        "print(sorted({'torch', 'keras', 'sklearn', 'optuna', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=True
    )
    assert done.stdout.strip() == "[]"
