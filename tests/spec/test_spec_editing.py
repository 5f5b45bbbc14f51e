"""Statistics written into a spec: what changes, what does not, and what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec import parse_spec, render_template, write_statistics, write_training

NETWORK = "network: {kind: single_layer, layers: [784, 10]}"
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


BELOW = "data:\n  mean: 0.25\n  mean_square: 0.125\n"
BRACES = "data: {mean: 0.25, mean_square: 0.125}"
QUOTED = '{"network": {"kind": "single_layer", "layers": [784, 10]}'

# label: the text, and the text with PAIR written into it
LAYOUTS = {
    "no section": (f"{NETWORK}\n", f"{NETWORK}\n{BELOW}"),
    "no newline": (NETWORK, f"{NETWORK}\n{BELOW}"),
    "null": (f"data:\n{NETWORK}\n", f"{BELOW}{NETWORK}\n"),
    "comments": (
        f"data:  # here\n  # mean: 1\n{NETWORK}",
        f"data:  # here\n  mean: 0.25\n  mean_square: 0.125\n  # mean: 1\n{NETWORK}",
    ),
    "null at the end": (f"{NETWORK}\ndata:", f"{NETWORK}\n{BELOW}".rstrip()),
    "the word null": (f"data: null # a\n{NETWORK}", BELOW.replace(":", ": # a", 1) + NETWORK),
    "empty braces": (f"{NETWORK}\ndata: {{}}\n", f"{NETWORK}\n{BRACES}\n"),
    "braces": (f"{NETWORK}\ndata: {{samples: 5}}\n", f"{NETWORK}\n{BRACES[:-1]}, samples: 5}}\n"),
    "a value in braces": (f"data: {{mean: 7, mean_square: }}\n{NETWORK}", f"{BRACES[:-1]} }}\n{NETWORK}"),
    "CRLF": (f"{NETWORK}\r\ndata:\r\n", f"{NETWORK}\r\n{BELOW}".replace("\n", "\r\n").replace("\r\r", "\r")),
    "other keys": (
        f"data:\n  file: >-\n    a\n    b\n{NETWORK}",
        f"{BELOW}  file: >-\n    a\n    b\n{NETWORK}",
    ),
    "null values": (
        f"data:\n  mean:\n  mean_square: # a\n{NETWORK}",
        f"data:\n  mean: 0.25\n  mean_square: 0.125 # a\n{NETWORK}",
    ),
    "quoted numbers": (f"data:\n  mean: '0.1'\n  mean_square: |\n    0.1\n{NETWORK}", BELOW + NETWORK),
    "document marks": (f"---\n{NETWORK}\n...\n", f"---\n{NETWORK}\n{BELOW}...\n"),
    "indented": (
        f"  {NETWORK}\n  data:\n",
        f"  {NETWORK}\n  data:\n    mean: 0.25\n    mean_square: 0.125\n",
    ),
    "byte order mark": (f"\ufeffdata:\n{NETWORK}", f"\ufeff{BELOW}{NETWORK}"),
    "unicode": (f"# é 数 🙂\ndata: {{}}\n{NETWORK}", f"# é 数 🙂\n{BRACES}\n{NETWORK}"),
    "JSON": (f"{QUOTED}}}\n", f'{{"data": {{"mean": 0.25, "mean_square": 0.125}}, {QUOTED[1:]}}}\n'),
    "JSON null": (
        f'{QUOTED}, "data": null}}',
        f'{QUOTED}, "data": {{"mean": 0.25, "mean_square": 0.125}}}}',
    ),
}


@pytest.mark.parametrize(("text", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path: Path, text: str, expected: str) -> None:
    assert edit(tmp_path / "s.yaml", text, dict(PAIR)) == expected


@pytest.mark.parametrize("layout", ["data: {mean}", "? data\n: mean: 0.1"])
def test_a_layout_without_a_place_is_refused(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"{layout}\n{NETWORK}\n")
    with pytest.raises(SpecError, match="the file was left as it was"):
        write_statistics(path, PAIR)
    assert path.read_text() == f"{layout}\n{NETWORK}\n"


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
        (COMMENTED, {"mean_square": 0.9}, 7, ["mean = 0.5"]),
        (f"{NETWORK}\ndata: {{top_eigenvalue: 700}}\n", {"mean": 0.1}, 2, ["784 * mean"]),
        (f"{NETWORK}\nzzz: 1\n", {"mean": 0.1}, 2, ["unknown key"]),
        (NETWORK, {"median": 0.1}, None, ["unknown key 'median'"]),
        (NETWORK, {"mean": True}, None, ["got true"]),
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
    monkeypatch.setattr("rsgadvise.spec.write._edits", lambda text, *_: [(0, len(text), wrong)])
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


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(NETWORK)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for owner, name, fault, said in (
        (Path, "replace", full, "No space left"),
        (os, "access", lambda *_: False, "Permission denied"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            with pytest.raises(UsageError, match=said):
                write_statistics(path, PAIR)
        assert path.read_text() == NETWORK
        assert [entry.name for entry in tmp_path.iterdir()] == ["s.yaml"]


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
            "\ntraining:\n    stepsize: [2.5, 0.125]\n    keep_prob: 1.0\n"
            "    iterations: 500   # long\n    batch_size: 16 # B\n\n# end\n",
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
    assert f"network:{newline}    weight_bound: [3.0, 2]{newline}" in text
    assert text.replace(f"    weight_bound: [3.0, 2]{newline}", "") == again.decode()
