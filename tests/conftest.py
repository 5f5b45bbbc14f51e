"""Where the real data sets lie, and the command line inside the test process."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import settings

from rsgadvise.cli import main

# One commit, one verdict: properties are tried on the same examples every time. Other ones are for
# `make explore`, whose findings become a fix and an `@example`, not a build that fails on someone else.
settings.register_profile("repeatable", derandomize=True, max_examples=60)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeatable")

# Every core has a test of its own; more threads for the small products of this suite only wait for each
# other. Read where numpy is first imported, which is after this.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Path of a real data file, from RSGADVISE_DATA or the folder beside the repository."""
    root = Path(os.environ.get("RSGADVISE_DATA", _DEFAULT))

    def find(name: str) -> Path:
        path = root / name
        if not path.is_file():
            pytest.skip(f"{name} is not in {root}; set RSGADVISE_DATA to the folder of the data sets")
        return path

    return find


@pytest.fixture(scope="session", autouse=True)
def _rehearsed_once() -> Iterator[None]:
    """A race on made-up data, of a second and more, depends on its arguments alone, and nearly all advice
    without data asks for one of a few: each is run once. That two are the same is tested beside it."""
    from rsgadvise.pilot import typical as rehearsal

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsgadvise.pilot.typical.rehearse", cache(rehearsal.rehearse))
        yield


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
    """A few specs are asked about hundreds of times, and their notation takes longer than most answers."""
    from rsgadvise.spec import yaml as tree

    known = cache(lambda text: pickle.dumps(tree.build_tree(text)))  # a copy of which is soon made
    with pytest.MonkeyPatch.context() as patch:
        for reader in ("load",):
            patch.setattr(f"rsgadvise.spec.{reader}.build_tree", lambda text: pickle.loads(known(text)))
        yield


Advise = Callable[..., Any]


def _in_units(rows: Any) -> Any:
    return rows.targets if rows.decode is None else rows.decode(rows.targets)


@pytest.fixture(scope="session")
def _advice() -> tuple[Advise, dict[Any, Any]]:
    """How an answer comes about, and the answers that are known."""
    from rsgadvise.pilot import advising

    return advising.advise, {}


@pytest.fixture
def advised_once(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _advice: tuple[Advise, dict[Any, Any]],
) -> None:
    """One advice for one spec, whatever is written of it and however often.

    For tests of what commands say. That the same is asked twice and answered alike is tested in
    `tests/pilot`; a test that changes how the answer comes about asks for `advised_afresh`.
    """
    if "advised_afresh" in request.fixturenames:
        return
    advise, known = _advice

    def once(spec: Any, rows: Any, effort: Any, **asked: Any) -> Any:
        told = {name: value for name, value in asked.items() if name not in ("threads", "progress")}
        measured = told.pop("measured", None)
        key = (
            spec.model_dump_json(exclude={"data": {"file"}}),
            rows and sha256(rows.inputs.tobytes() + _in_units(rows).tobytes()).digest(),
            effort,
            *sorted((measured or {}).items()),
            *sorted(told.items()),
        )
        if key not in known:
            known[key] = advise(spec, rows, effort, **asked)
        return known[key]

    monkeypatch.setattr("rsgadvise.pilot.advising.advise", once)


@pytest.fixture
def advised_afresh() -> None:
    """Without what other tests know already: see `advised_once`."""


ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


T = TypeVar("T")


def present(value: T | None) -> T:
    """A value that must be there."""
    assert value is not None
    return value


_LAYERS = {"single_layer": "[6, 3]", "autoencoder": "[6, 4]", "multilayer": "[6, 5, 3]"}


def small_spec(folder: Path, kind: str, data: str = "data: {file: data.npz}\n", box: float = 2.0) -> Path:
    """A network of a kind on 200 rows, whose file lies beside it; bare.npy has the inputs alone."""
    rng = np.random.default_rng(0)
    x = rng.random((200, 6))
    y = np.argmax((x - 0.5) @ rng.standard_normal((6, 3)), axis=1)
    np.savez(folder / "data.npz", x=x, y=y)
    np.save(folder / "bare.npy", x)
    bound = "" if kind == "single_layer" else f", weight_bound: {box}"
    keep = "" if kind == "single_layer" else ", keep_prob: 1.0"
    path = folder / f"{kind}.yaml"
    path.write_text(
        f"network: {{kind: {kind}, layers: {_LAYERS[kind]}{bound}}}\n{data}"
        f"training: {{iterations: 4000{keep}}}\nsearch: {{batch_size: [16]}}\n"
    )
    return path


def strict(text: str) -> dict[str, Any]:
    """A document in JSON, without NaN or Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    found = json.loads(text, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


@pytest.fixture(autouse=True)
def _theorems_afresh() -> None:
    """A test that changes what a theorem is made of leaves none of it to the next."""
    from rsgadvise.theory.theorems import theorem_for

    theorem_for.cache_clear()


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The unit, the loss and the optimiser of tests/recipes among those of the package."""
    from rsgadvise.theory import heads, optimizers, units

    caches = (units.unit_of, heads.head_of, optimizers.kind_of)
    for package in (units, heads, optimizers):
        folder = ROOT / "tests" / "recipes" / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests report to nobody's build, wherever they run."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


class Run:
    """The command line inside the test process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object, stdin: str | None = None) -> Result:
        self._patch.setattr(sys, "argv", ["rsgadvise", *map(str, arguments)])
        if stdin is not None:
            self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        with pytest.raises(SystemExit) as stop:
            main()
        captured = self._capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    def document(self, *arguments: object, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
        """The answer in JSON; nothing but progress, and what was written, goes to standard error."""
        done = self(*arguments, "-f", "json", stdin=stdin)
        assert done.code == code, done.err
        assert all(line.startswith(("done: ", "wrote ")) for line in done.err.splitlines()), done.err
        return strict(done.out)

    def words(self, *arguments: object, stdin: str | None = None) -> str:
        """The answer as one line of words."""
        return " ".join(self(*arguments, stdin=stdin).out.split())

    def refused(self, *arguments: object, stdin: str | None = None) -> str:
        """The one line that says what is wrong."""
        done = self(*arguments, stdin=stdin)
        assert (done.code, done.out) == (2, ""), done
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        return done.err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


@pytest.fixture
def config() -> Callable[[str], Path]:
    return lambda name: ROOT / "configs" / f"{name}.yaml"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a pilot spends, counted where it is computed: gradients of single examples, for curvature too."""
    from rsgadvise.pilot import calibration, checkpoints, race
    from rsgadvise.training.curvature import Curvature
    from rsgadvise.training.rsg import train

    spent = [0.0]
    built, multiplied = Curvature.__init__, Curvature.product

    def counting_init(self: Any, network: Any, data: Any, *rest: Any) -> None:
        spent[0] += data.rows
        built(self, network, data, *rest)

    def counting_product(self: Any, direction: Any) -> Any:
        spent[0] += 2 * self.rows
        return multiplied(self, direction)

    def counting_train(training: Any, start: Any, streams: Any, stops: Any, **rest: Any) -> Iterator[Any]:
        spent[0] += training.batch_size * sum(int(stop[-1]) - rest.get("first", 1) for stop in stops)
        return train(training, start, streams, stops, **rest)

    monkeypatch.setattr(Curvature, "__init__", counting_init)
    monkeypatch.setattr(Curvature, "product", counting_product)
    for module in (race, calibration, checkpoints):
        monkeypatch.setattr(module, "train", counting_train)
    return spent
