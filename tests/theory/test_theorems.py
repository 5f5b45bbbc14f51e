"""The registry of theorems: each says its formulas and its source itself, and is there by its file alone."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rsgadvise import recommend
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.objective import Plans, Schedule
from rsgadvise.theory.optimizers.momentum import Momentum
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import MeasuredConstants, Problem
from rsgadvise.theory.theorems import Theorem, theorem_for, theorem_of

KINDS = {"single_layer": (6, 3), "autoencoder": (6, 3), "multilayer": (6, 4, 4, 3)}
CONSTANTS = ("paper", "certified", "calibrated", "typical")
PAIRS = [*product(KINDS, CONSTANTS), ("autoencoder", "floorless"), ("multilayer", "floorless")]


def problem_of(kind: str, optimizer: Optimizer = PLAIN) -> Problem:
    layers = KINDS[kind]
    boxes = () if kind == "single_layer" else (0.05,) * (len(layers) - 1)
    measured = MeasuredConstants(0.5, (0.1,) * (len(layers) - 1), 1.0, 0.5)
    moments = InputMoments(6, 0.3, 0.2, 0.25, 1.2)
    return Problem(kind, layers, boxes, 0.1, moments, 2.0, 100, (), measured, optimizer=optimizer)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "constants"), PAIRS)
def test_every_term_has_a_formula_and_every_bound_a_source(kind: str, constants: str) -> None:
    theorem = theorem_for(problem_of(kind), constants)
    one = np.ones(1)
    stepsize = 0.01 * theorem.objective.largest_stepsizes(one)
    for schedule in (Schedule(), Schedule(0.0, "last"), Schedule(0.5, "uniform")):
        bound = theorem.objective.bound(Plans(stepsize, one, 64 * one, 50 * one, schedule))
        assert set(bound.terms) == set(theorem.plain if schedule.plain else theorem.general)
        assert theorem.equation(schedule, dropout=False)


def test_the_terms_of_momentum_have_formulas_of_their_own() -> None:
    problem = problem_of("single_layer", Momentum())
    theorem, one = theorem_for(problem, "certified"), np.ones(1)
    stepsize = 0.01 * theorem.objective.largest_stepsizes(one)
    bound = theorem.objective.bound(Plans(stepsize, one, 64 * one, 50 * one, Schedule()))
    assert set(bound.terms) == set(theorem.plain)
    assert all("β" in formula for formula in theorem.plain.values())
    assert "momentum" in theorem.equation(Schedule(), dropout=False)


@pytest.mark.parametrize(("kind", "constants"), PAIRS)
def test_what_a_theorem_is_about_needs_no_measurement(kind: str, constants: str) -> None:
    bare = replace(problem_of(kind), measured=None)
    alpha = theorem_of(kind, constants).pretrained(bare)
    assert alpha is ((kind, constants) == ("multilayer", "paper"))


def test_one_advice_works_the_constants_of_a_problem_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guarantees and slopes are of other problems, of another box or loss; each counts once."""
    theorem_for.cache_clear()
    built = Counter[tuple[str, Problem]]()
    plain = Theorem.__init__

    def counting(self: Theorem, problem: Problem) -> None:
        built[type(self).__name__, problem] += 1
        plain(self, problem)

    monkeypatch.setattr(Theorem, "__init__", counting)
    recommend("configs/mnist_multilayer.yaml", constants="paper")
    theorem_for.cache_clear()
    assert built
    assert set(built.values()) == {1}


HALVED = """
from rsgadvise.theory.theorems.single_layer import SingleLayer


class Halved(SingleLayer):
    constants = ("halved",)

    def variance(self, keep_prob):
        return super().variance(keep_prob) / 2

    @classmethod
    def source(cls, *, dropout):
        return "a theorem of half the noise"
"""
ASK = """
import sys
from importlib.util import find_spec, module_from_spec
spec = find_spec("rsgadvise.theory.theorems")
spec.submodule_search_locations.append(sys.argv.pop(1))
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
from rsgadvise.cli import main
for line in sys.stdin:
    sys.argv[1:] = line.split()
    try:
        main()
    except SystemExit as ended:
        print(f"ended with {ended.code}\\f", flush=True)
"""
FIXED = ("training.stepsize=0.1", "training.batch_size=5", "training.iterations=9")


ASKED = {
    "recommend": "\n gradient noise ",
    f"bound {' '.join(f'--set {key}' for key in FIXED)}": " 4.333  26.4 %",
    "explain": "a theorem of half the noise",
    "recommend --emit torch": "def ",
}


def test_every_command_takes_constants_that_a_file_brings(tmp_path: Path) -> None:
    (tmp_path / "halved.py").write_text(HALVED)
    lines = [f"{asked} --constants halved configs/mnist_single_layer.yaml\n" for asked in ASKED]
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    done = subprocess.run(command, input="".join(lines), check=True, capture_output=True, text=True)
    answers = done.stdout.split("\f")[:-1]
    for said, answer in zip(ASKED.values(), answers, strict=True):
        assert answer.endswith("ended with 0"), done.stderr
        assert said in answer


def test_two_theorems_for_the_same_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(HALVED.replace('("halved",)', '("paper",)'))
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "two theorems are about single_layer networks with paper constants" in done.stderr
