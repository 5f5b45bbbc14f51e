"""Statistics written into a spec: what changes, what does not, and what is refused."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

import pytest

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec import parse_spec, render_template, write_statistics, write_training

NETWORK = "network: {kind: single_layer, layers: [784, 10]}"
VALUES = {
    "mean": 0.1,
    "mean_square": 1 / 30,
    "second_moment": 0.05,
    "top_eigenvalue": 37.5,
    "samples": 60_000,
}
PAIR = {"mean": 0.25, "mean_square": 0.125}
COMMENTED = """\
# yaml-language-server: $schema=./rsgadvise.schema.json
network:   # the network
    kind: "single_layer"
    layers: [ 784,10 ]

data:      # measured
    # the mean
    mean: 0.5   # mu_x
    file: 'mnist.npz'   # quotes stay
    samples:   # none yet

# about training
training: {stepsize: 1e-3}   # as it is
"""


def edit(path: Path, text: str, values: dict[str, float]) -> str:
    path.write_bytes(text.encode())
    write_statistics(path, values)
    edited = path.read_bytes().decode()
    data = parse_spec(edited, file="s.yaml").spec.data
    for key, value in values.items():
        assert getattr(data, key) == value
    return edited


# label, text, the text with PAIR written into it
LAYOUTS = [
    ("no section", f"{NETWORK}\n", f"{NETWORK}\ndata:\n  mean: 0.25\n  mean_square: 0.125\n"),
    ("no newline", NETWORK, f"{NETWORK}\ndata:\n  mean: 0.25\n  mean_square: 0.125\n"),
    ("null", f"data:\n{NETWORK}\n", f"data:\n  mean: 0.25\n  mean_square: 0.125\n{NETWORK}\n"),
    (
        "null with a comment",
        f"data:  # here\n  # mean: 1\n{NETWORK}",
        f"data:  # here\n  mean: 0.25\n  mean_square: 0.125\n  # mean: 1\n{NETWORK}",
    ),
    ("null at the end", f"{NETWORK}\ndata:", f"{NETWORK}\ndata:\n  mean: 0.25\n  mean_square: 0.125"),
    (
        "the word null",
        f"data: null # a\n{NETWORK}",
        f"data: # a\n  mean: 0.25\n  mean_square: 0.125\n{NETWORK}",
    ),
    ("tilde", f"data: ~\n{NETWORK}\n", f"data:\n  mean: 0.25\n  mean_square: 0.125\n{NETWORK}\n"),
    ("empty braces", f"{NETWORK}\ndata: {{}}\n", f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.125}}\n"),
    ("braces", f"{NETWORK}\ndata: {{mean: 0.1}}\n", f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.125}}\n"),
    (
        "braces with a comma and a comment",
        f"{NETWORK}\ndata: {{ samples: 5, # a\n  mean: , }}\n",
        f"{NETWORK}\ndata: {{ samples: 5, # a\n  mean: 0.25, mean_square: 0.125 , }}\n",
    ),
    ("a bare key", f"{NETWORK}\ndata: {{mean}}\n", f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.125}}\n"),
    (
        "end without newline",
        f"{NETWORK}\ndata:\n  mean: 0.1",
        f"{NETWORK}\ndata:\n  mean: 0.25\n  mean_square: 0.125",
    ),
    (
        "CRLF",
        f"{NETWORK}\r\ndata:\r\n  mean: 0.1 # a\r\n",
        f"{NETWORK}\r\ndata:\r\n  mean: 0.25 # a\r\n  mean_square: 0.125\r\n",
    ),
    ("CRLF, no section", f"{NETWORK}\r\n", f"{NETWORK}\r\ndata:\r\n  mean: 0.25\r\n  mean_square: 0.125\r\n"),
    (
        "other keys first",
        f"data:\n  file: a\n{NETWORK}",
        f"data:\n  mean: 0.25\n  mean_square: 0.125\n  file: a\n{NETWORK}",
    ),
    (
        "a folded value",
        f"data:\n  file: >-\n    a\n    b\n{NETWORK}",
        f"data:\n  mean: 0.25\n  mean_square: 0.125\n  file: >-\n    a\n    b\n{NETWORK}",
    ),
    (
        "null values",
        f"data:\n  mean:\n  mean_square: # a\n{NETWORK}",
        f"data:\n  mean: 0.25\n  mean_square: 0.125 # a\n{NETWORK}",
    ),
    (
        "quoted numbers",
        f"data:\n  mean: '0.1'\n{NETWORK}",
        f"data:\n  mean: 0.25\n  mean_square: 0.125\n{NETWORK}",
    ),
    (
        "invalid before",
        f"data: {{mean: 7}}\n{NETWORK}",
        f"data: {{mean: 0.25, mean_square: 0.125}}\n{NETWORK}",
    ),
    (
        "a block",
        f"data:\n  mean: |\n    0.1\n{NETWORK}",
        f"data:\n  mean_square: 0.125\n  mean: 0.25\n{NETWORK}",
    ),
    (
        "document marks",
        f"---\n{NETWORK}\n...\n",
        f"---\n{NETWORK}\ndata:\n  mean: 0.25\n  mean_square: 0.125\n...\n",
    ),
    (
        "indented",
        f"  {NETWORK}\n  data:\n",
        f"  {NETWORK}\n  data:\n    mean: 0.25\n    mean_square: 0.125\n",
    ),
    (
        "indented, no section",
        f"  {NETWORK}\n",
        f"  {NETWORK}\n  data:\n    mean: 0.25\n    mean_square: 0.125\n",
    ),
    (
        "byte order mark",
        f"\ufeffdata:\n{NETWORK}",
        f"\ufeffdata:\n  mean: 0.25\n  mean_square: 0.125\n{NETWORK}",
    ),
    (
        "JSON",
        f'{{{NETWORK}, "data": {{"mean": 0.1}}}}',
        f'{{{NETWORK}, "data": {{"mean": 0.25, mean_square: 0.125}}}}',
    ),
    (
        "quoted JSON",
        '{\n  "network": {"kind": "single_layer", "layers": [784, 10]}\n}\n',
        '{\n  "network": {"kind": "single_layer", "layers": [784, 10]}, '
        '"data": {"mean": 0.25, "mean_square": 0.125}\n}\n',
    ),
    (
        "JSON null",
        '{"data": null, "network": {"kind": "single_layer", "layers": [784, 10]}}',
        '{"data": {"mean": 0.25, "mean_square": 0.125}, '
        '"network": {"kind": "single_layer", "layers": [784, 10]}}',
    ),
    (
        "explicit keys",
        f"? data\n: mean: 0.1\n{NETWORK}",
        f"? data\n: mean: 0.25\n  mean_square: 0.125\n{NETWORK}",
    ),
    (
        "unicode",
        f"# é 数 🙂\ndata: {{mean: 0.1}}\n{NETWORK}",
        f"# é 数 🙂\ndata: {{mean: 0.25, mean_square: 0.125}}\n{NETWORK}",
    ),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_layouts(tmp_path: Path, text: str, expected: str) -> None:
    assert edit(tmp_path / "s.yaml", text, dict(PAIR)) == expected


def test_only_the_data_lines_differ(tmp_path: Path) -> None:
    edited = edit(tmp_path / "s.yaml", COMMENTED, VALUES)
    lines = difflib.unified_diff(COMMENTED.splitlines(), edited.splitlines(), n=0, lineterm="")
    changes = [line for line in lines if line[0] in "+-" and line[:3] not in {"+++", "---"}]
    assert sorted(changes) == sorted(
        [
            "-    mean: 0.5   # mu_x",
            "+    mean: 0.1   # mu_x",
            "+    mean_square: 0.03333333333333333",
            "+    second_moment: 0.05",
            "+    top_eigenvalue: 37.5",
            "-    samples:   # none yet",
            "+    samples: 60000   # none yet",
        ]
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("values", [{}, {"mean": 0.5}])
def test_an_untouched_spec_stays_byte_for_byte(
    tmp_path: Path, newline: str, values: dict[str, float]
) -> None:
    text = COMMENTED.replace("\n", newline)
    path = tmp_path / "s.yaml"
    path.write_bytes(text.encode())
    before = path.stat()
    write_statistics(path, values)
    assert path.read_bytes() == text.encode()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("kind", ["single_layer", "autoencoder", "multilayer"])
def test_writing_twice_is_writing_once(tmp_path: Path, kind: str) -> None:
    once = edit(tmp_path / "s.yaml", render_template(kind=kind), VALUES)
    assert edit(tmp_path / "s.yaml", once, VALUES) == once


def test_mode_and_link_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "s.yaml", tmp_path / "link.yaml"
    path.write_text(NETWORK)
    path.chmod(0o640)
    link.symlink_to("s.yaml")
    write_statistics(link, PAIR)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "mean: 0.25" in path.read_text()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.yaml", "s.yaml"]


@pytest.mark.parametrize(
    ("text", "values", "line", "parts"),
    [
        (COMMENTED, {"mean": 1.5}, 8, ["from 0 to 1", "left as it was"]),
        (COMMENTED, {"mean": float("nan")}, 8, ["data.mean", "got 'nan'", "left as it was"]),
        (COMMENTED, {"mean_square": 0.9}, 9, ["mean = 0.5"]),
        (f"{NETWORK}\ndata: {{top_eigenvalue: 700}}\n", {"mean": 0.1}, 2, ["784 * mean"]),
        (f"{NETWORK}\nzzz: 1\n", {"mean": 0.1}, 2, ["unknown key"]),
        (f"{NETWORK}\ndata: 5\n", {"mean": 0.1}, 2, ["section of keys", "left as it was"]),
        (f"{NETWORK}\ndata: []\n", {"mean": 0.1}, 2, ["section of keys", "left as it was"]),
        (f"{NETWORK}\ndata: &a {{mean: 0.1}}\n", {"mean": 0.1}, 2, ["anchors"]),
        ("- a\n", {"mean": 0.1}, 1, ["must be sections"]),
        ("", {"mean": 0.1}, None, ["empty file"]),
        ("network: [\n", {"mean": 0.1}, None, ["never closed"]),
    ],
)
def test_an_invalid_result_leaves_the_file_alone(
    tmp_path: Path, text: str, values: dict[str, float], line: int | None, parts: list[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        write_statistics(path, values)
    assert path.read_text() == text
    assert line is None or caught.value.line == line
    for part in parts:
        assert part in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize(
    "wrong",
    [
        f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.125, samples: 9}}\n",
        f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.1}}\n",
        f"{NETWORK}\ndata: {{mean: 0.25, mean_square: 0.125}}\ntraining: {{decay: 1}}\n",
    ],
)
def test_an_edit_that_went_wrong_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)
    monkeypatch.setattr("rsgadvise.spec.write.Editor.edit", lambda *_: wrong)
    with pytest.raises(SpecError, match="edited in place"):
        write_statistics(path, PAIR)
    assert path.read_text() == NETWORK


def test_where_statistics_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="standard input"):
        write_statistics("-", PAIR)
    with pytest.raises(SpecError, match="no such file"):
        write_statistics(tmp_path / "none.yaml", PAIR)
    with pytest.raises(SpecError, match="got a directory"):
        write_statistics(tmp_path, PAIR)
    with pytest.raises(SpecError, match="regular file"):
        write_statistics("/dev/null", PAIR)


@pytest.mark.parametrize("values", [{"median": 0.1}, {"mean": True}, {"mean": "0.1"}])
def test_what_cannot_be_written(tmp_path: Path, values: dict[str, float]) -> None:
    (tmp_path / "s.yaml").write_text(NETWORK)
    with pytest.raises(UsageError):
        write_statistics(tmp_path / "s.yaml", values)


def test_a_failed_move_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SpecError, match="No space left"):
        write_statistics(path, PAIR)
    assert path.read_text() == NETWORK
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.yaml"]


def test_a_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SpecError, match="Permission denied"):
        write_statistics(path, PAIR)
    assert path.read_text() == NETWORK


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    import numpy as np

    values = {"mean": np.float64(0.25), "mean_square": np.float32(0.125), "samples": np.int64(5)}
    edited = edit(tmp_path / "s.yaml", NETWORK, values)  # type: ignore[arg-type]
    assert "mean: 0.25\n  mean_square: 0.125\n  samples: 5" in edited


def test_the_templates_placeholders_become_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(render_template(kind="single_layer"))
    write_statistics(path, {"mean": 0.25, "mean_square": 0.125, "second_moment": 0.2, "samples": 7})
    text = path.read_text()
    assert "# second_moment:" not in text
    assert "  second_moment: 0.2 # E||x||^2" in text
    assert "  # top_eigenvalue: # largest" in text
    assert text.count("samples: 7") == 1


ADVISED = {"stepsize": [2.5, 0.125], "batch_size": 16, "keep_prob": 1.0}
SPEC_START = "network:\n    kind: multilayer   # deep\n    layers: [ 5,8,   3 ]\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("training: {}\n", "training: {stepsize: [2.5, 0.125], batch_size: 16, keep_prob: 1.0}\n"),
        ("", "training:\n  stepsize: [2.5, 0.125]\n  batch_size: 16\n  keep_prob: 1.0\n"),
        (
            "\ntraining:\n    iterations: 500   # long\n    batch_size: 99 # B\n\n# end\n",
            "\ntraining:\n    iterations: 500   # long\n    batch_size: 16 # B\n"
            "    stepsize: [2.5, 0.125]\n    keep_prob: 1.0\n\n# end\n",
        ),
        (
            "training:\n    stepsize:   # two\n    -   0.1\n    -   0.2\n    keep_prob:   # all\n"
            "search: {decay: [0]}\n",
            "training:\n    batch_size: 16\n    stepsize: [2.5, 0.125]   # two\n    keep_prob: 1.0   # all\n"
            "search: {decay: [0]}\n",
        ),
    ],
    ids=["empty", "absent", "there", "list"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_advised_values_change_nothing_else(before: str, after: str, newline: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_bytes((SPEC_START + before).replace("\n", newline).encode())
    write_training(spec, ADVISED)
    assert spec.read_bytes().decode() == (SPEC_START + after).replace("\n", newline)
    again = spec.read_bytes()
    write_training(spec, ADVISED, network={"weight_bound": [3.0, 2]})
    text = spec.read_bytes().decode()
    assert f"layers: [ 5,8,   3 ]{newline}    weight_bound: [3.0, 2]{newline}" in text
    assert text.replace(f"    weight_bound: [3.0, 2]{newline}", "") == again.decode()


def test_new_statistics_follow_the_last_that_is_there(tmp_path: Path) -> None:
    start = f"{NETWORK}\ndata:\n  mean: 0.25\n  file: x.npy\n  samples: 7  # rows\n"
    edited = edit(tmp_path / "s.yaml", f"{start}  target: y\n", {"mean_square": 0.125})
    assert edited == f"{start}  mean_square: 0.125\n  target: y\n"
