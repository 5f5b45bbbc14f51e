"""A data file in place of a spec: what is guessed is said, what cannot be is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rsgadvise.cli.sources import FEW_HIDDEN, HIDDEN

pytestmark = pytest.mark.usefixtures("advised_once")

ROWS = 60
QUICK = ("--constants", "paper")  # nothing is trained: these tests are about what is asked


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two classes in a column of text, which one feature tells apart."""
    rng = np.random.default_rng(0)
    path = tmp_path / "train.csv"
    rows = [f"{x:.3f},{y:.3f},{'yes' if x > 0.5 else 'no'}" for x, y in rng.random((ROWS, 2))]
    path.write_text("\n".join(["width,height,quality", *rows]) + "\n")
    return path


def document(run: Run, *arguments: str) -> dict[str, object]:
    found = run.document("recommend", *arguments, *QUICK)
    assert isinstance(found, dict)
    return found


def test_a_table_alone_is_enough(run: Run, table: Path) -> None:
    found = document(run, str(table))
    spec = found["spec"]
    assert isinstance(spec, dict)
    assert spec["network"]["kind"] == "multilayer"
    assert spec["network"]["layers"] == [2, 32, 2]
    assert spec["budget"]["epochs"] == 1000
    notes = " ".join(map(str, found["notes"]))  # type: ignore[call-overload]
    for guess in ("'quality' is assumed", "hidden layer of 32 units", "1,000 epochs"):
        assert guess in notes


def test_options_replace_guesses(run: Run, table: Path) -> None:
    options = ["--target", "quality", "--hidden", "7,5", "--epochs", "20", "--batch-size", "8"]
    found = document(run, str(table), *options, "--exclude", "height")
    spec = found["spec"]
    assert isinstance(spec, dict)
    assert spec["network"]["layers"] == [1, 7, 5, 2]
    assert spec["data"]["exclude"] == ["height"]
    assert (spec["budget"]["epochs"], spec["training"]["batch_size"]) == (20, 8)
    assert "assumed" not in " ".join(map(str, found["notes"])).lower()  # type: ignore[call-overload]


def test_saved_spec_gives_the_same_advice(run: Run, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "sub" / "spec.yaml"
    place.parent.mkdir()
    one = document(run, str(table), "--save", str(place))
    assert "target: quality" in place.read_text()
    two = document(run, str(place))
    assert one["recommendations"] == two["recommendations"]
    assert one["train"] == two["train"]


def test_a_target_that_does_not_stand_out_is_asked_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b,c\n" + "\n".join(f"{i},{i * 0.37:.2f},{i * 1.7:.2f}" for i in range(20)) + "\n")
    done = run.refused("recommend", str(path))
    assert "which column is to be predicted?" in done
    for word in ("--target", "'a', 'b', 'c'", "--kind autoencoder"):
        assert word in done


def test_of_many_columns_the_last_is_named_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    names = [f"n{i}" for i in range(30)]
    rows = [",".join(str(round(i * (k + 1.37), 2)) for k in range(30)) for i in range(20)]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    assert run("recommend", str(path)).err.endswith("'n7', ..., 'n29'\n")


def test_a_table_sorted_by_its_classes_needs_no_target(run: Run, tmp_path: Path) -> None:
    """The first rows that are looked at may hold one class alone."""
    path = tmp_path / "sorted.csv"
    rows = [f"{(37 * i) % 101},{(53 * i) % 97},{int(i < 600)}" for i in range(1000)]
    path.write_text("a,b,spam\n" + "\n".join(rows) + "\n")
    assert run.document("recommend", str(path), "--pilot", "0")["spec"]["network"]["layers"] == [2, 100, 2]


WORDS = "survived,sex,age,port\n" + "".join(
    f"{i % 2},{'f' if i % 3 else 'm'},{i % 7},{'SC'[i % 2]}\n" for i in range(60)
)


def test_a_guessed_target_is_told_beside_what_is_wrong_with_the_others(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    many = "\n".join(f"x{i % 60},{i % 2}" for i in range(600))
    path.write_text(f"town,y\n{many}\n")
    found = run.refused("recommend", str(path))
    assert "column 0 ('town') holds 60 different words or more" in found
    assert "Column 'y' is assumed to be what to predict; --target says otherwise." in found


def test_words_beside_a_target_become_inputs_where_nobody_says_what_becomes_of_them(
    run: Run, tmp_path: Path
) -> None:
    """And the saved spec and the program say so; who has said it is heard."""
    path, spec = tmp_path / "words.csv", tmp_path / "s.yaml"
    path.write_text(WORDS)
    found = run.document("recommend", str(path), "--work", "1e6", "--save", str(spec))
    assert found["spec"]["network"]["layers"] == [4, 100, 2]
    assert found["spec"]["data"]["categories"] == "one_hot"
    assert "categories: one_hot" in spec.read_text()
    assert any("--categories exclude leaves such columns out" in note for note in found["notes"])
    left = run.document("recommend", str(path), "--work", "1e6", "--categories", "exclude")
    assert left["spec"]["network"]["layers"] == [2, 100, 2]
    numbers = run.document("recommend", str(path), "--work", "1e6", "--exclude", "sex")
    assert numbers["spec"]["data"]["categories"] is None
    # An autoencoder has no target, so a column of words may be one that nobody named.
    refused = run.refused("recommend", str(path), "--kind", "autoencoder", "--hidden", "2")
    assert "hold no numbers; if one is the target, name it with --target" in refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hidden", "many"], "--hidden must be whole numbers"),
        (["--hidden", "-3"], "--hidden must be whole numbers"),
        (["--epochs", "0"], "--epochs must be a number above 0"),
        (["--epochs", "nan"], "--epochs must be a number above 0"),
        (["--kind", "recurrent"], "--kind must be one of"),
        (["--kind", "single_layer", "--hidden", "4"], "has no hidden layer"),
        (["--kind", "autoencoder", "--hidden", "4,4"], "has one hidden layer"),
        (["--target", "absent"], "absent"),
    ],
)
def test_wrong_options_are_told(run: Run, table: Path, options: list[str], said: str) -> None:
    assert said in run.refused("recommend", str(table), *options)


def test_options_of_data_are_refused_with_a_spec(run: Run, config: Path) -> None:
    assert "goes with a data file in place of a spec" in run.refused(
        "recommend", str(config), "--target", "y"
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "network: {kind: single_layer, layers: [9, 2]}  # ours\n"
        "data:\n  mean: 0.5  # from the paper\n  samples: 600\n"
        "training:\n  stepsize:  # to be found\nbudget: {epochs: 5}\n"
    )
    return path


def test_into_writes_what_every_other_command_takes(run: Run, config: Path) -> None:
    train = run.document("recommend", str(config), *QUICK, "--into", str(config))["train"]
    text = config.read_text()
    for comment in ("# ours", "# from the paper", "# to be found"):
        assert comment in text
    bound = run.document("bound", str(config))
    for key in ("stepsize", "batch_size", "iterations"):
        assert bound[key] == train[key]


def test_into_leaves_a_broken_spec_alone(run: Run, config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("network: {kind: single_layer}\n")
    assert run("recommend", str(config), *QUICK, "--into", str(other)).code == 2
    assert other.read_text() == "network: {kind: single_layer}\n"


def test_columns_crushed_by_outliers_make_two_scalings_race(run: Run, tmp_path: Path) -> None:
    """Three rows far outside leave a hundredth of the range to all others."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (400, 3))
    classes = np.where(x @ [1.0, -1.0, 0.5] > 0, "a", "b")
    x[:3] *= 500
    path = tmp_path / "far.csv"
    path.write_text(
        "\n".join([f"{a},{b},{c},{name}" for (a, b, c), name in zip(x, classes, strict=True)]) + "\n"
    )
    found = run.document("recommend", path, "--hidden", "0", "--epochs", "40", "-q")
    assert found["train"]["scaling"].startswith("robust")
    assert found["spec"]["data"]["scaling"] == "robust"
    assert any(
        note.startswith("Scalings of the inputs raced") and "robust" in note for note in found["notes"]
    )
    kept = run(
        "recommend", path, "--hidden", "0", "--epochs", "40", "--scaling", "minmax", "-f", "json", "-q"
    )
    assert json.loads(kept.out)["train"]["scaling"] == "min-max per column"


@pytest.mark.parametrize(
    ("cells", "more", "unit", "loss", "optimizer"),
    [
        ("abc", (), "relu", "cross_entropy", "adam"),
        ("abc", ("--constants", "typical"), "relu", "cross_entropy", "adam"),
        ("abc", ("--optimizer", "momentum"), "relu", "cross_entropy", "momentum"),
        ("abc", ("--hidden", "0"), None, "cross_entropy", "sgd"),
        ("abc", ("--constants", "certified"), "tanh", "cross_entropy", "sgd"),  # which are about these
        ("abc", ("--set", "target={eps: 0.05, delta: 0.1}"), "tanh", "cross_entropy", "sgd"),
        ("a", (), "tanh", "squared", "adam"),
        (("0.5", "7.25", "1.125"), (), "tanh", "squared", "adam"),
        (("0.5", "7.25", "1.125"), ("--constants", "certified"), "tanh", "squared", "sgd"),
    ],
)
def test_a_data_file_alone_trains_what_is_usual(
    cells: tuple[str, ...],
    more: tuple[str, ...],
    unit: str | None,
    loss: str,
    optimizer: str,
    run: Run,
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i % 7},{i % 5},{cells[i % len(cells)]}\n" for i in range(60)))
    asked = ("recommend", path, "--target", "y", "-f", "json", "-q")
    answer = json.loads(run(*asked, *(more if "--constants" in more else ("--pilot", "0", *more))).out)
    network = answer["spec"]["network"]
    assert (network["activation"], network["loss"], network["bias"]) == (unit, loss, True)
    few = "certified" in more or "--set" in more  # where a bound is to be small
    assert answer["spec"]["training"]["keep_prob"] == (None if few or unit is None else 1)
    assert network["layers"][1:-1] == ([] if unit is None else [32] if few else [100])
    assert answer["train"] is None or answer["train"]["optimizer"] == optimizer
    place = tmp_path / "spec.yaml"
    if not more:
        assert run("init", "--data", path, "--target", "y", place, "-q").code == 0
        again = run.document("recommend", place, "--pilot", "0", "-q")["spec"]["network"]
        assert again == {**network, "weight_bound": 5.0}
        assert "  keep_prob: 1   #" in place.read_text()


def test_the_papers_constants_take_the_papers_network(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i % 7},{i % 5},{'abc'[i % 3]}\n" for i in range(60)))
    answer = run.document("recommend", path, "--target", "y", "-q", *QUICK)
    network = answer["spec"]["network"]
    assert (network["activation"], network["loss"], network["bias"]) == (None, "squared", False)
    assert answer["train"]["optimizer"] == "sgd"


def test_what_is_assumed_can_be_said_otherwise(run: Run, table: Path) -> None:
    asked = ("recommend", table, "--hidden", "0", "--pilot", "0", "-q")
    (note,) = (each for each in run.document(*asked)["notes"] if "loss" in each)
    (change,) = re.findall(r"--set (\S+)", note)
    assert change == "network.bias=false", "there are no hidden units"
    assert run.document(*asked, "--set", change)["spec"]["network"]["bias"] is False


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ("data.target_kind=values", "--target-kind"),
        ("data.exclude[0]=a", "--exclude"),
        ("data={scaling: minmax}", "options such as --target"),
        ("data.table.decimal=,", "--table"),
        ("data.file=b.csv", "the file"),
    ],
)
def test_how_a_data_file_is_read_is_no_key_of_its_spec(change: str, fix: str, run: Run, table: Path) -> None:
    found = run("recommend", table, "--set", change, "-q")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(
        f"error: --set {change} goes with a spec; got {table}, a data file; write {fix}"
    )


def test_what_is_usual_is_what_help_says(run: Run) -> None:
    said = " ".join(run("recommend", "--help").out.split())
    assert f"{HIDDEN} unless told, or {FEW_HIDDEN} of an autoencoder" in said


@pytest.mark.parametrize("change", ["search.keep_prob={min: 0.5, max: 1}", "search={keep_prob: [0.5, 1]}"])
def test_a_range_of_keep_probabilities_is_searched(change: str, run: Run, table: Path) -> None:
    answer = run.document("recommend", table, "--pilot", "0", "-q", "--set", change)
    assert answer["spec"]["training"]["keep_prob"] is None
    assert "Assumed: Adam; --optimizer says otherwise." in answer["notes"]


RACE = ("--work", "1e9", "--epochs", "20", "-q")


def test_what_set_replaces_is_neither_assumed_nor_lost(run: Run, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "spec.yaml"
    keys = ("network.activation=relu", "network.bias=false", "network.layers=[2, 4, 2]", "budget.epochs=3")
    sets = [word for key in keys for word in ("--set", key)]
    one = run("recommend", table, *sets, *RACE[:2], "--save", place, "-f", "json", "-q")
    notes = [note for note in json.loads(one.out)["notes"] if note.startswith("Assumed")]
    assert notes[0] == "Assumed: loss cross_entropy; --set network.loss=squared or the like says otherwise."
    assert not any(word in " ".join(notes) for word in ("layer", "epochs", "biases"))
    two = run("recommend", place, *RACE[:2], "-f", "json", "-q")
    assert [json.loads(each.out)["spec"]["network"]["activation"] for each in (one, two)] == ["relu"] * 2
    assert json.loads(one.out)["train"] == json.loads(two.out)["train"]


@pytest.fixture
def with_biases(run: Run, table: Path, tmp_path: Path) -> Path:
    """A spec that leaves the scaling open, so that two race."""
    place = tmp_path / "open.yaml"
    assert run("recommend", table, *RACE, "--save", place, "--scaling", "minmax").code == 0
    place.write_text(place.read_text().replace("  scaling: minmax\n", ""))
    return place


def test_scalings_of_a_spec_from_standard_input_race_too(
    run: Run, with_biases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(with_biases.parent)
    named = run("recommend", with_biases, *RACE[:2], "-f", "json", "-q")
    piped = run("recommend", "-", *RACE[:2], "-f", "json", "-q", stdin=with_biases.read_text())
    assert piped.code == 0, piped.err
    assert json.loads(piped.out)["train"] == json.loads(named.out)["train"]
    (note,) = (note for note in json.loads(piped.out)["notes"] if note.startswith("Scalings"))
    least, other = map(float, re.findall(r" ([\d.e-]*\d)(?=[;.])", note))
    scaling = "standard" if other < 0.95 * least else "none"
    assert json.loads(piped.out)["train"]["scaling"].split(",")[0] == scaling


@pytest.mark.usefixtures("advised_afresh")
@pytest.mark.parametrize("at", [1, 2])
def test_ctrl_c_amid_either_scaling_ends_it(
    at: int, run: Run, with_biases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsgadvise.pilot.tournament import Tournament

    race, calls = Tournament.run, [0]

    def breaking(self: Tournament) -> None:
        calls[0] += 1
        if calls[0] == at:
            raise KeyboardInterrupt
        race(self)

    monkeypatch.setattr(Tournament, "run", breaking)
    done = run("recommend", with_biases, *RACE[:2], "-f", "json", "-q")
    found = json.loads(done.out)
    assert (done.code, found["interrupted"], calls[0]) == (130, True, at)
    assert any("nterrupted" in note for note in found["notes"])
    assert any(note.startswith("Scalings") for note in found["notes"]) == (at == 2)


@pytest.mark.parametrize(("learnable", "wins"), [(True, "standard"), (False, "minmax")])
def test_into_keeps_the_scaling_that_won(run: Run, tmp_path: Path, learnable: bool, wins: str) -> None:
    """Asked again, the spec trains as it was advised to; nothing is lower where nothing can be learnt."""
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 1, (200, 2))
    path, spec = tmp_path / "t.csv", tmp_path / "s.yaml"
    labels = rows[:, 0] > rows[:, 1] if learnable else np.arange(200) % 2
    lines = (f"{a:.4f},{b:.4f},{'uv'[int(label)]}\n" for (a, b), label in zip(rows, labels, strict=True))
    path.write_text("a,b,y\n" + "".join(lines))
    assert run("init", spec, "--data", path, "--target", "y", "-q").code == 0
    done = run("recommend", spec, "--work", "1e8", "--into", spec, "-f", "json", "-q")
    chosen = json.loads(done.out)["train"]["scaling"]
    again = run.document("recommend", spec, "--work", "1e8", "-q")
    assert again["train"]["scaling"] == chosen
    assert again["spec"]["data"]["scaling"] == wins
    assert not any("raced, to losses" in note for note in again["notes"])


@pytest.mark.parametrize(
    ("option", "set_"),
    [
        (("--optimizer", "sgd"), "training.optimizer=adam"),
        (("--optimizer", "sgd"), "training.optimizer.name=adam"),
        (("--batch-size", "8"), "training.batch_size=16"),
        (("--epochs", "3"), "budget.epochs=4"),
        (("--hidden", "3"), "network.layers[1]=4"),
    ],
)
def test_what_is_said_twice_is_refused(run: Run, tmp_path: Path, option: tuple[str, str], set_: str) -> None:
    path = tmp_path / "words.csv"
    path.write_text(WORDS)
    refused = run.refused("recommend", str(path), *option, "--set", set_)
    assert f"{option[0]} {option[1]} and --set {set_} are about the same; leave one of them out" in refused
    for each in (option, ("--set", set_)):
        if ".name" not in set_:
            assert run("recommend", str(path), "--work", "1e6", *each).code == 0


def test_a_new_spec_makes_inputs_of_words_beside_a_target(run: Run, tmp_path: Path) -> None:
    path, spec = tmp_path / "words.csv", tmp_path / "s.yaml"
    path.write_text(WORDS)
    assert run("init", str(spec), "--data", str(path), "--target", "port").code == 0
    assert "categories: one_hot" in spec.read_text()
    assert run.document("recommend", str(spec), "--work", "1e6")["spec"]["network"]["layers"][0] == 4


def test_a_program_for_an_absolute_path_runs_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "words.csv"
    path.write_text(WORDS)
    monkeypatch.chdir(tmp_path)
    made = run("recommend", str(path), "--work", "1e6", "--emit", "torch")
    assert f'"{path}"' in made.out
    assert '"words.csv"' in run("recommend", "words.csv", "--work", "1e6", "--emit", "torch").out
