"""What a valid spec becomes, where its values come from, and how it is read."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rsgadvise.errors import SpecError
from rsgadvise.spec import Spec, load_spec, parse_spec, with_override
from rsgadvise.spec.models import IntegerRange, RealRange
from rsgadvise.spec.problem import resolve

NETWORK = "network: {kind: single_layer, layers: [784, 10]}\n"
MULTILAYER = "network: {kind: multilayer, layers: [784, 200, 10], weight_bound: 0.05}\n"
FULL = """\
network:
  kind: multilayer
  layers: [784, 200, 100, 10]      # d_0..d_L; autoencoder: [d_x, d_h]
  weight_bound: 0.05               # w_m, number or one per layer
data:
  mean: 0.1307                     # mu_x
  mean_square: 0.0448              # tau_x; mean**2 <= mean_square <= mean
  second_moment: 0.1120            # optional
  top_eigenvalue: 38.1             # optional
  samples: 60000                   # optional S
  file: mnist.npz                  # optional
training:                          # all optional
  initial_loss: 2.5                # f(W1)
  pretraining: {tolerance: 0.1}    # alpha
  stepsize:
  batch_size:
  iterations:
  keep_prob:
  decay:
  stopping: uniform                # P_R
search:
  batch_size: [16, 32, 64, 128, 256, 512, 1024]
  keep_prob: {min: 0.5, max: 1.0}
  iterations: {max: 1000000}
  decay: [0.0]
target: {eps: 0.05, delta: 0.05, runs: 10}
budget: {samples: , epochs: , seconds: }
cost: {per_iteration: , per_sample: }
"""


def parse(text: str, *overrides: str) -> Spec:
    return parse_spec(text, file="s.yaml", overrides=overrides).spec


def test_the_contract_example() -> None:
    spec = parse(FULL)
    assert spec.network.weight_bounds == (0.05, 0.05, 0.05)
    assert (spec.network.input_dim, spec.network.output_dim, spec.network.depth) == (784, 10, 3)
    assert spec.data.top_eigenvalue == 38.1
    assert spec.training.model_fields_set == {"initial_loss", "pretraining", "stopping"}
    assert spec.search.iterations == IntegerRange(min=1, max=1_000_000)
    assert spec.budget is None
    assert spec.cost is None


def test_defaults_are_not_marked_as_given() -> None:
    spec = parse(NETWORK + "search: {decay: 1}\ntraining:\n")
    assert spec.model_fields_set == {"network", "search"}
    assert spec.search.model_fields_set == {"decay"}
    assert spec.search.batch_size == (16, 32, 64, 128, 256, 512, 1024)
    assert spec.search.keep_prob == RealRange(min=0.5, max=1.0)
    assert spec.search.iterations == IntegerRange(min=1, max=1_000_000)
    assert spec.search.decay == (1.0,)
    assert spec.training.stepsize is None


@pytest.mark.parametrize("key", ["data", "training", "search", "target", "budget", "cost"])
@pytest.mark.parametrize("value", ["", " null", " ~", " {}"])
def test_null_and_empty_sections_are_absent(key: str, value: str) -> None:
    assert parse(f"{NETWORK}{key}:{value}\n") == parse(NETWORK)
    assert parse(f"{NETWORK}{key}:{value}\n").model_fields_set == {"network"}


def test_sections_of_nulls_are_absent() -> None:
    text = NETWORK + "search: {batch_size: {min: , max: }}\ntarget: {eps: , delta: , runs: }\n"
    assert parse(text).model_fields_set == {"network"}
    assert parse(MULTILAYER + "training: {pretraining: {tolerance: }}").training.pretraining is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.0e-3", 1e-3), (".5", 0.5), ("+1", 1.0), ("5.", 5.0), ("1e3", 1e3)],
)
def test_numbers_of_yaml_1_2(text: str, value: float) -> None:
    assert parse(f"{NETWORK}training: {{stepsize: {text}}}").training.stepsize == value


@pytest.mark.parametrize("text", ["1e6", "1000000.0", "1000000", "1.0E+6", "+1000000"])
def test_integral_floats_are_integers(text: str) -> None:
    samples = parse(f"{NETWORK}data: {{samples: {text}}}").data.samples
    assert (samples, type(samples)) == (1_000_000, int)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("search: {keep_prob: 1}", "search.keep_prob", (1.0,)),
        ("search: {keep_prob: {min: 1, max: 1}}", "search.keep_prob", RealRange(min=1, max=1)),
        ("search: {batch_size: {max: 8}}", "search.batch_size", IntegerRange(min=1, max=8)),
        ("training: {stopping: [0.25, 0.75], iterations: 2}", "training.stopping", (0.25, 0.75)),
        ("training: {keep_prob: 1, decay: 0}", "training.keep_prob", 1.0),
        ("training: {initial_loss: 10}", "training.initial_loss", 10.0),
        ("data: {target: 3}", "data.target", "3"),
        ("data: {target: -1}", "data.target", "-1"),
        ("data: {target: -999999999}", "data.target", "-999999999"),
        ("data: {file: '5'}", "data.file", "5"),
        ("data: {file: a b.csv, array: x}", "data.file", "a b.csv"),
        ("data: {mean: 0, mean_square: 0, second_moment: 0, top_eigenvalue: 0}", "data.mean", 0.0),
        ("cost: {per_iteration: 1e-4}\nbudget: {seconds: 5}", "cost.per_sample", 0.0),
        ("data: {file: a.csv}\nbudget: {epochs: 5}", "budget.epochs", 5.0),
        ("data: {samples: 9}\nbudget: {epochs: 0.5}", "budget.epochs", 0.5),
    ],
)
def test_valid_values(text: str, path: str, value: object) -> None:
    found: Any = parse(NETWORK + text)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_statistics_may_miss_their_bounds_by_rounding() -> None:
    mean = 0.3
    text = (
        f"data: {{mean: {mean}, mean_square: {mean**2 * (1 - 1e-12)}, second_moment: {mean * (1 + 1e-12)}}}"
    )
    assert parse(NETWORK + text).data.mean == mean
    with pytest.raises(SpecError):
        parse(NETWORK + f"data: {{mean: {mean}, mean_square: {mean**2 * (1 - 1e-8)}}}")


def test_what_is_assumed_of_inputs_is_the_largest_that_the_rest_allows() -> None:
    """In [0, 1] no moment is above the mean; d times the second, a trace, is above the top eigenvalue."""
    given = {
        "": (1, 1, 1, 784),
        "mean: 0.5": (0.5, 0.5, 0.5, 392),
        "second_moment: 0.25": (1, 0.25, 0.25, 196),
    }
    for data, expected in given.items():
        found = resolve(parse(f"{NETWORK}data: {{{data}}}\n")).moments
        assert (found.mean, found.mean_square, found.second_moment, found.top_eigenvalue) == expected


def test_an_autoencoder_reconstructs_its_input() -> None:
    network = parse("network: {kind: autoencoder, layers: [784, 100], weight_bound: [0.05]}").network
    assert network.output_dim == 784
    assert network.weight_bounds == (0.05,)
    assert parse(NETWORK).network.weight_bounds == ()


def test_a_box_that_nobody_gave() -> None:
    assert parse("network: {kind: autoencoder, layers: [784, 100]}").network.weight_bounds == (5,)
    assert parse("network: {kind: multilayer, layers: [9, 8, 7]}").network.weight_bounds == (5, 5)
    alone = parse("network: {kind: single_layer, layers: [784, 10], weight_bound: none}")
    assert alone.network.weight_bounds == ()
    assert Spec.model_validate(alone.model_dump(exclude_unset=True)) == alone


def test_json_byte_order_mark_and_crlf() -> None:
    json = '\ufeff{"network": {"kind": "single_layer", "layers": [784, 10]}}'
    assert parse(json) == parse(NETWORK)
    assert parse(FULL.replace("\n", "\r\n")) == parse(FULL)


def test_models_round_trip_and_are_frozen() -> None:
    spec = parse(FULL)
    assert Spec.model_validate(spec.model_dump()) == spec
    assert Spec.model_validate_json(spec.model_dump_json()) == spec
    with pytest.raises(ValidationError):
        spec.network.kind = "autoencoder"  # type: ignore[misc]


def test_a_model_built_without_text_obeys_the_same_rules() -> None:
    network = {"kind": "single_layer", "layers": (784, 10)}
    assert Spec.model_validate({"network": network, "data": None}) == parse(NETWORK)
    for data in ({"mean": 10**400}, {"samples": 10**400}, {"mean": "0.1"}, {"maen": 1}, 5):
        with pytest.raises(ValidationError):
            Spec.model_validate({"network": network, "data": data})


# Overrides


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("network.layers[1]=50", "network.layers", (784, 50)),
        ("network.layers=[4, 1]", "network.layers", (4, 1)),
        ("training.stepsize=1e-3", "training.stepsize", 1e-3),
        (" data.file =x=y.csv", "data.file", "x=y.csv"),
        ("data.mean=", "data.mean", None),
        ("data.mean=0.2 # a comment", "data.mean", 0.2),
        ("data={samples: 5}", "data.samples", 5),
        ("search.batch_size.max=8", "search.batch_size", IntegerRange(max=8)),
    ],
)
def test_overrides(override: str, path: str, value: object) -> None:
    found: Any = parse(NETWORK + "data: {mean: 0.1}\n", override)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_overrides_apply_in_order_and_count_as_given() -> None:
    loaded = parse_spec(NETWORK, file="s.yaml", overrides=["data.samples=5", "data.samples=6"])
    assert loaded.spec.data.samples == 6
    assert loaded.source.given("data.samples")
    error = loaded.source.error("data.samples", "too few")
    assert str(error) == "--set data.samples=6: data.samples: too few"


def test_a_spec_with_other_keys_leaves_the_first_as_it_was() -> None:
    first = parse_spec(FULL, file="s.yaml")
    for value in (0.01, 0.02):
        assert with_override(first, f"network.weight_bound={value}").spec.network.weight_bound == value
    assert str(first.source.error("network.weight_bound", "no")) == "s.yaml:4:17: network.weight_bound: no"
    assert with_override(first, "data.samples=7").spec.network.weight_bound == 0.05


@pytest.mark.parametrize(
    ("override", "key", "parts"),
    [
        ("data.mean", "", ["key.path=value", "got 'data.mean'"]),
        ("=5", "", ["key.path=value"]),
        ("data..mean=5", "", ["got 'data..mean'"]),
        ("data.mean[=5", "", ["key.path=value"]),
        ("a" + ".a" * 5000 + "=1", "", ["key.path=value"]),
        ("data.mean=2", "data.mean", ["from 0 to 1", "got 2"]),
        ("data.mean='0.1'", "data.mean", ["remove the quotes"]),
        ("data.mean=[1", "data.mean[1]", ["never closed"]),
        ("data.mean=&a 1", "data.mean", ["free of anchors"]),
        ("data.mean=!x 1", "data.mean", ["free of tags"]),
        ("data.mean=" + "[" * 5000, None, ["nested at most"]),
        ("data.maen=0.1", "data.maen", ["did you mean 'mean'?"]),
        ("foo.bar=1", "foo", ["unknown key 'foo'"]),
        ("network.kind.x=1", "network.kind.x", ["inside a section", "got 'single_layer'"]),
        ("network.layers.x.y=1", "network.layers.x", ["inside a section"]),
        ("network.layers[2]=1", "network.layers[2]", ["index from 0 to 1"]),
        ("network.kind[0]=1", "network.kind[0]", ["key of a list"]),
        ("data.x[0]=1", "data.x[0]", ["key of a list"]),
        ("network.layers[1]=0", "network.layers[1]", ["got 0"]),
        ("target.eps=1", "target.delta", ["must be given"]),
        ("data.file=\x07", "data.file", ["U+0007"]),
    ],
)
def test_bad_overrides_name_the_option_and_no_line(override: str, key: str | None, parts: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        parse(NETWORK, override)
    error = caught.value
    assert error.file.startswith(f"--set {override[:5]}")
    assert (error.line, error.column) == (None, None)
    assert key is None or error.key == key
    for part in parts:
        assert part in error.message
    assert len(str(error)) < 400


# Where values stand


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("network.kind", 2, 9),
        ("network.layers[2]", 3, 22),
        ("training.pretraining.tolerance", 14, 28),
        ("training.stepsize", 15, 3),
        ("training", 12, 1),
        ("training.nothing", 12, 1),
        ("search.batch_size[1]", 22, 20),
        ("search.batch_size[99]", 22, 3),
        ("nothing.at.all", 1, 1),
        ("", 1, 1),
        ("not a path!", 1, 1),
    ],
)
def test_errors_point_at_a_key_or_its_parent(path: str, line: int, column: int) -> None:
    error = parse_spec(FULL, file="s.yaml").source.error(path, "message")
    assert (error.file, error.line, error.column, error.key) == ("s.yaml", line, column, path)


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("network", True),
        ("network.layers[3]", True),
        ("network.layers[4]", False),
        ("training.stepsize", False),
        ("training.pretraining.tolerance", True),
        ("budget", False),
        ("search.iterations.min", False),
        ("nothing", False),
        ("a..b", False),
    ],
)
def test_given(path: str, given: bool) -> None:
    assert parse_spec(FULL, file="s.yaml").source.given(path) is given


# Reading


def test_a_file_its_name_and_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)
    source = load_spec(path).source
    assert (source.file, source.base_dir) == (str(path), tmp_path)
    assert parse_spec(NETWORK, file="a/b.yaml").source.base_dir == Path("a")


@pytest.mark.parametrize("stream", [io.BytesIO(NETWORK.encode()), io.StringIO(NETWORK)])
def test_standard_input(stream: io.BytesIO | io.StringIO) -> None:
    source = load_spec("-", stdin=stream).source
    assert (source.file, source.base_dir.resolve()) == ("<stdin>", Path.cwd())


def bad_file(path: Path, *parts: str) -> SpecError:
    start = time.perf_counter()
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert time.perf_counter() - start < 2
    for part in parts:
        assert part in caught.value.message
    return caught.value


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    bad_file(tmp_path / "none.yaml", "no such file", f"rsgadvise init {tmp_path}/none.yaml")
    bad_file(tmp_path, "got a directory")
    bad_file(tmp_path / ("x" * 5000), "check the path")
    bad_file(Path(f"{tmp_path}/a\0b"), "NUL")
    (tmp_path / "file").write_text("")
    bad_file(tmp_path / "file" / "below", "check the path")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    bad_file(tmp_path / "loop", "check the path")


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)
    monkeypatch.setattr(Path, "open", refuse)
    bad_file(path, "Permission denied")


def test_size_is_limited_before_and_while_reading(tmp_path: Path) -> None:
    sparse = tmp_path / "large.yaml"
    with sparse.open("wb") as stream:
        stream.truncate(10**9)
    bad_file(sparse, "at most 1 MiB", "1000000000 bytes")
    if Path("/dev/zero").exists():
        bad_file(Path("/dev/zero"), "more than 1048576 bytes")
    with pytest.raises(SpecError, match="at most 1 MiB"):
        load_spec("-", stdin=io.BytesIO(b" " * (2**20 + 1)))
    with pytest.raises(SpecError, match="at most 1 MiB"):
        parse("#" * (2**20 + 1))


def test_a_pipe_is_read_to_its_end() -> None:
    read, write = os.pipe()
    os.write(write, NETWORK.encode())
    os.close(write)
    with os.fdopen(read, "rb", buffering=0) as stream:
        assert load_spec("-", stdin=stream).spec == parse(NETWORK)


def test_a_closed_stream() -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(SpecError, match="closed"):
        load_spec("-", stdin=stream)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_get_a_hint(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(
        ("\ufeff" if encoding == "utf-16-le" else "").encode(encoding) + NETWORK.encode(encoding)
    )
    bad_file(path, "UTF-16", "save the file as UTF-8")


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes("a: 1\r\n# é ".encode() + b"\xff\n")
    error = bad_file(path, "byte 0xff at offset 11")
    assert (error.line, error.column) == (2, 5)


# Start-up


def test_importing_costs_no_numeric_or_terminal_library() -> None:
    code = "import rsgadvise.spec, sys; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    dear = {"numpy", "scipy", "rich", "typer", "ruamel", "difflib", "torch", "keras", "sklearn"}
    assert not dear & set(done.stdout.split())
