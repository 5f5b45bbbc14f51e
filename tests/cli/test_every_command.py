"""What all commands have in common: formats, places to write to, colours, one-line errors, Ctrl-C."""

from __future__ import annotations

import csv
import errno
import io
import re
import stat
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Result, Run
from ruamel.yaml import YAML

from rsgadvise.ask.design import designing
from rsgadvise.ask.explain import explaining
from rsgadvise.ask.verify import running
from rsgadvise.cli import COMMANDS
from rsgadvise.show.formats import format_names

pytestmark = pytest.mark.usefixtures("advised_once")

SPEC = """\
network: {kind: multilayer, layers: [5, 4, 2], weight_bound: 0.5}
data: {mean: 0.3, mean_square: 0.12, samples: 400}
budget: {epochs: 20}
search: {batch_size: [8, 64]}
"""
STEPS = ("training.stepsize=0.5", "training.batch_size=8", "training.iterations=20")
FIXED = tuple(word for key in STEPS for word in ("--set", key))

# Everything with formats: the least that it takes, the list of the document whose entries are the rows of CSV
# (none: the document itself), and a number of each that the table shows.
ASKED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "recommend": (("spec.yaml",), "recommendations", "certified_bound"),
    "explain": (("spec.yaml",), "terms", "value"),
    "iterations": (("spec.yaml", "--eps", "1", "--delta", "0.1"), "tradeoff", "samples"),
    "bound": (("spec.yaml", *FIXED), "", "certified_bound"),
    "batch": (("spec.yaml",), "tradeoff", "samples"),
    "compare": (("spec.yaml", "other.yaml"), "specs", "bound"),
    "design": (
        ("spec.yaml", "--widths", "3,4", "--depth", "1:2", "--pipeline", "none"),
        "architectures",
        "bound",
    ),
    "sweep": (("spec.yaml", "--vary", "training.keep_prob=0.5,1"), "points", "paper_bound"),
    "verify": (("spec.yaml", *FIXED, "--runs", "40", "--jobs", "1"), "cases", "measured"),
    "stats": (("x.npy",), "", "mean"),
}
OF_A_SPEC = [command for command, (arguments, _, _) in ASKED.items() if arguments[0] == "spec.yaml"]
WRITES = [*ASKED, "report", "init", "schema"]


def test_every_command_is_here() -> None:
    """Those of pictures are tested in tests/plot: what they write is no table."""
    assert {*WRITES, "plot"} == set(COMMANDS)


@pytest.fixture(scope="module", autouse=True)
def _answered_once() -> Iterator[None]:
    """One answer to one question, whatever is written of it and however often."""
    known: dict[Any, Any] = {}

    def once(answer: Callable[..., Any]) -> Callable[..., Any]:
        def asked(about: Any, *others: Any, **options: Any) -> Any:
            spec = (
                about.model_dump_json()
                if hasattr(about, "model_dump_json")
                else [each.name for each in about]
            )
            key = (answer.__name__, str(spec))
            if key not in known:
                known[key] = answer(about, *others, **options)
            return known[key]

        return asked

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((designing, "design"), (explaining, "explain"), (running, "run_cases")):
            patch.setattr(module, name, once(getattr(module, name)))
        patch.setattr("rsgadvise.ask.design.design", designing.design)
        yield


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    Path("spec.yaml").write_text(SPEC)
    Path("other.yaml").write_text(SPEC.replace("4, 2", "2"))
    np.save("x.npy", np.random.default_rng(0).random((12, 5)))
    return tmp_path


def arguments(command: str) -> list[str]:
    if command in ASKED:
        return [command, *ASKED[command][0]]
    return [command, *(("spec.yaml",) if command == "report" else ())]


def flat(entry: Any, name: str = "") -> dict[str, str]:
    """An entry of a document as CSV has it."""
    if isinstance(entry, dict):
        return {
            key: text for part, value in entry.items() for key, text in flat(value, f"{name}.{part}").items()
        }
    if isinstance(entry, list):
        return {name[1:]: ";".join(map(str, entry))}
    return {name[1:]: "" if entry is None else str(entry)}


def document(run: Run, command: str, *options: str) -> dict[str, Any]:
    found = run.document(*arguments(command), *options)
    assert found["schema"] == f"rsgadvise.{command}/1"
    return found


def answered(result: Result) -> Result:
    """An answer: nothing but progress on stderr, and nothing for a terminal where there is none."""
    assert result.code == 0, result.err
    assert all(line.startswith("done: ") for line in result.err.splitlines()), result.err
    assert "\x1b" not in result.out
    return result


@pytest.mark.parametrize("command", ASKED)
def test_every_format_says_the_same(run: Run, command: str) -> None:
    texts = {form: answered(run(*arguments(command), "-f", form)).out for form in format_names()}
    found = document(run, command)
    assert YAML(typ="safe", pure=True).load(texts["yaml"]) == found
    _, main, shown = ASKED[command]
    entries = [flat(entry) for entry in (found[main] if main else [found])]
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    for row, entry in zip(rows, entries, strict=True):
        same = row.keys() & entry.keys()
        assert len(same) >= 3
        assert {name: row[name] for name in same} == {name: entry[name] for name in same}
        value = float(entry[shown])
        said = f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
        assert said in texts["table"]
        assert said in texts["markdown"]
    numbers = {form: set(re.findall(r"\d[\d.,e-]*\d", texts[form])) for form in ("table", "markdown")}
    assert numbers["table"] == numbers["markdown"]
    assert texts["markdown"].startswith(("## ", "**"))
    assert run(*arguments(command)).out == texts["table"]


@pytest.mark.parametrize(
    ("command", "form"), [*product(ASKED, ["table"]), *(("stats", form) for form in format_names())]
)
def test_a_file_gets_what_standard_output_gets(run: Run, folder: Path, command: str, form: str) -> None:
    """Writing knows nothing of formats: all of them are tried with one command."""
    asked = [*arguments(command), "-f", form]
    before = {path.name for path in folder.iterdir()}
    shown = answered(run(*asked))
    assert run(*asked, "-o", "-").out == shown.out
    assert answered(run(*asked, "-o", "result")).out == ""
    assert Path("result").read_text(encoding="utf-8") == shown.out
    assert {path.name for path in folder.iterdir()} == before | {"result"}


@pytest.mark.parametrize("command", ["report", "init", "schema"])
def test_what_has_no_table_goes_to_the_same_places(run: Run, folder: Path, command: str) -> None:
    before = {path.name for path in folder.iterdir()}
    shown = answered(run(*arguments(command), "-o", "-")).out
    written = run(*arguments(command), "-o", "result")
    assert (written.code, written.out) == (0, "")
    assert Path("result").read_text(encoding="utf-8") == shown
    made = {"rsgadvise.schema.json"} if command == "init" else set()
    assert {path.name for path in folder.iterdir()} == before | {"result"} | made


@pytest.mark.parametrize("command", WRITES)
def test_a_file_keeps_its_mode_and_its_links_and_gets_all_or_nothing(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real, link = Path("real"), Path("link")
    real.write_text(SPEC)
    real.chmod(0o640)
    link.symlink_to(real)
    asked = [*arguments(command), *(["--force"] if command == "init" else []), "-o", "link"]
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == "real":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        failed = run(*asked)
    assert (failed.code, failed.out, failed.err.splitlines()[-1]) == (
        *(2, ""),
        "error: cannot write link: No space left on device; choose another place",
    )
    assert real.read_text() == SPEC
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert run(*asked).code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_text(encoding="utf-8") != SPEC


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("command", ASKED)
def test_a_table_fits_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, answered(run(*arguments(command))).out.splitlines())) <= width


@pytest.mark.parametrize("command", ASKED)
def test_colours_are_for_terminals_that_want_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    plain = run(*arguments(command)).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run(*arguments(command)).out
    assert re.search(r"\x1b\[[\d;]*3\d", coloured) or command in {"stats", "iterations", "batch"}
    run(*arguments(command), "-o", "result")
    assert "\x1b" not in Path("result").read_text(encoding="utf-8")
    for setting in ("--no-color", "NO_COLOR"):
        if setting == "NO_COLOR":
            monkeypatch.setenv(setting, "1")
        bare = run(*arguments(command), *([setting] if setting == "--no-color" else [])).out
        assert not re.search(r"\x1b\[[\d;]*[349]\d", bare)
        assert re.sub(r"\x1b\[[\d;]*m", "", bare).split() == plain.split()


@pytest.mark.parametrize("command", ASKED)
def test_quiet_is_a_part_of_the_answer(run: Run, command: str) -> None:
    whole, quiet = (answered(run(*arguments(command), *options)) for options in ((), ("-q",)))
    assert quiet.err == ""
    assert set(quiet.out.splitlines()) <= set(whole.out.splitlines())
    assert 0 < len(quiet.out) < len(whole.out)
    assert run(*arguments(command), "-q", "-f", "json").out == run(*arguments(command), "-f", "json").out


@pytest.mark.parametrize("command", OF_A_SPEC)
def test_a_dash_is_standard_input(run: Run, command: str) -> None:
    asked = [part if part != "spec.yaml" else "-" for part in arguments(command)]
    forms = [
        re.sub("<stdin>|spec.yaml", "S", run(*each, "-f", "csv", stdin=SPEC).out)
        for each in (asked, arguments(command))
    ]
    assert forms[0] == forms[1] or command == "verify", "whose name decides with the seed what is drawn"
    refused = run.refused(*asked, stdin="network: 3\n")
    assert refused.startswith("error: <stdin>:1:10: network")


def refused(result: Result, message: str) -> None:
    assert (result.code, result.out) == (2, ""), result
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert message in result.err


OPTIONS = {
    "unknown option": (("--nosuch",), "No such option: --nosuch"),
    "unknown format": (("-f", "xml"), "'xml'"),
    "a directory": (("-o", "."), "cannot write .: it is a directory; name a file"),
    "in no directory": (("-o", "no/x"), "cannot write no/x: its directory does not exist; choose another"),
    "too long a name": (("-o", "a" * 300), "too long; choose another place"),
}
SPECS = {
    "missing": ("spec.yml", None, "spec.yml: must exist"),
    "directory": (".", None, "got a directory"),
    "empty": ("s.yaml", b"", "s.yaml: must hold a spec"),
    "no text": ("s.yaml", b"network: \xff\xfe\x00", "s.yaml:1:10: must be UTF-8"),
    "no YAML": ("s.yaml", b"network: [3\n", "s.yaml:"),
    "unknown key": ("s.yaml", SPEC.encode() + b"serach: {}\n", "s.yaml:5:1: serach: unknown key 'serach'"),
    "bad value": ("s.yaml", SPEC.replace("0.3", "3").encode(), "s.yaml:2:14: data.mean: must be"),
    "no data": ("s.yaml", SPEC.replace("mean: 0.3", "file: no.npy").encode(), "no.npy"),
}


@pytest.mark.parametrize("wrong", OPTIONS)
@pytest.mark.parametrize("command", WRITES)
def test_wrong_options_are_one_line(run: Run, folder: Path, command: str, wrong: str) -> None:
    options, message = OPTIONS[wrong]
    before = sorted(folder.iterdir())
    if wrong == "unknown format" and command in {"init", "schema"}:
        message = "No such option: -f"
    elif command not in {"init", "schema"} and "-o" in options:
        (folder / "spec.yaml").write_text("a place is looked at before the spec")
    refused(run(*arguments(command), *options), message)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("wrong", SPECS)
@pytest.mark.parametrize("command", [*OF_A_SPEC, "report"])
def test_a_wrong_spec_is_one_line_with_its_place(run: Run, folder: Path, command: str, wrong: str) -> None:
    name, content, message = SPECS[wrong]
    if content is not None:
        Path(name).write_bytes(content)
    if wrong == "directory" and command in {"recommend", "batch", "report"}:
        message = "is a folder without images"  # which they take in place of a spec
    before = sorted(folder.iterdir())
    asked = [part if part != "spec.yaml" else name for part in arguments(command)]
    refused(run(*asked, "-o", "result"), message)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nonsense=1", "unknown key 'nonsense'"),
        ("data.mean", "must be key.path=value"),
        ("data.mean=3", "data.mean: must be"),
        ("data.maen=0.3", "did you mean 'mean'?"),
    ],
)
@pytest.mark.parametrize("command", [*OF_A_SPEC, "report"])
def test_a_wrong_change_of_a_spec_is_one_line(run: Run, command: str, change: str, message: str) -> None:
    refused(run(*arguments(command), "--set", change, "-o", "result"), message)
    assert not Path("result").exists()


@pytest.mark.parametrize("command", [*OF_A_SPEC, "report"])
def test_ctrl_c_before_there_is_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def pressed(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsgadvise.spec.load.build_tree", pressed)
    Path("result").write_text("old")
    assert run(*arguments(command), "-o", "result") == Result(130, "", "error: interrupted\n")
    assert Path("result").read_text() == "old"
