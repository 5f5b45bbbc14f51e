"""`python -m benchmarks.testing [exact] [clean] [faults]`: how often `assert_trains` errs, and what it finds.

exact: error probabilities and numbers of runs, computed on the lattice of (runs, successes) with exact
ratios, beside 10,000 simulated suites and beside running one training again where it fails. clean: suites of
code that is as it should be. faults: suites with a fault planted. The last two train networks on data sets
of scikit-learn.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.testing import Outcome, assert_trains, choose_below
from rsgadvise.testing.outcome import Verdict
from rsgadvise.training.sequences import binomial_limits

__all__ = ["Exact", "exact", "exact_sign", "exact_sign_verdict", "exact_verdict", "main", "outcome_of"]

SUITES = 10_000
CLEAN = 400  # suites of each of five settings
FAULTY = 100  # suites of each fault in each of four settings
APART = 1_000  # seeds between suites, which share none

Train = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Exact:
    """Probabilities of the three verdicts, and the expected number of runs."""

    failed: float
    passed: float
    undecided: float
    runs: float


def outcome_of(assertion: Callable[..., Outcome], *given: Any, **settings: Any) -> Outcome:
    """What an assertion has seen, passed or not."""
    try:
        return assertion(*given, **settings)
    except AssertionError as error:
        outcome: Outcome = error.args[0]
        return outcome


def _walked(p: float, most: int, verdict: Callable[[int, int], int]) -> Exact:
    """Every path of successes with probability p, ended where verdict(n, k) is 1 (passed) or -1 (failed)."""
    live = {0: 1.0}
    ended = {1: 0.0, -1: 0.0}
    runs = 0.0
    for n in range(1, most + 1):
        runs += sum(live.values())
        ahead = dict.fromkeys((place + k for k in live for place in (0, 1)), 0.0)
        for k, mass in live.items():
            ahead[k + 1] += mass * p
            ahead[k] += mass * (1 - p)
        live = {}
        for k, mass in ahead.items():
            where = verdict(n, k)
            if where:
                ended[where] += mass
            else:
                live[k] = mass
    return Exact(ended[-1], ended[1], sum(live.values()), runs)


def exact_verdict(n: int, k: int, *, rate: float, floor: float, alpha: float) -> int:
    """1 where k of n runs pass, -1 where they fail, 0 where they decide nothing: in fractions."""
    r, f, a = (Fraction(str(value)) for value in (rate, floor, alpha))
    good, bad = r**k * (1 - r) ** (n - k), f**k * (1 - f) ** (n - k)
    return 1 if bad <= a * good else -1 if good <= a * bad else 0


def exact(p: float, *, rate: float = 0.9, floor: float = 0.5, alpha: float = 1e-3, most: int = 93) -> Exact:
    """What `assert_trains` does where each run ends below with probability p."""
    return _walked(p, most, partial(exact_verdict, rate=rate, floor=floor, alpha=alpha))


def exact_sign_verdict(n: int, k: int, *, alpha: float) -> int:
    """1 where k of n pairs that are not worse pass, -1 where they fail, 0 where they decide nothing."""

    def capital(ups: int, downs: int) -> float:
        bets = ((2.0 ** (-j / 2), 1 / ((j + 1) * (j + 2))) for j in range(25))
        return math.fsum(stake * (1 + c) ** ups * (1 - c) ** downs for c, stake in bets)

    return 1 if capital(k, n - k) >= 2 / alpha else -1 if capital(n - k, k) >= 2 / alpha else 0


def exact_sign(q: float, *, alpha: float = 1e-3, most: int = 200) -> Exact:
    """What `assert_not_worse` does where new is worse by more than the margin with probability q."""
    return _walked(1 - q, most, partial(exact_sign_verdict, alpha=alpha))


def _exactly() -> None:
    rng = np.random.default_rng(0)
    print("share  passes    fails     undecided  runs   one run passes  with 3 reruns")
    for p in (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99, 1.0):
        found = exact(p)
        print(
            f"{p:5.2f}  {found.passed:8.2e}  {found.failed:8.2e}  {found.undecided:9.2e}  {found.runs:5.1f}  "
            f"{p:14.3g}  {1 - (1 - p) ** 4:13.4g}"
        )
    edges: tuple[tuple[float, Verdict], ...] = ((0.9, "failed"), (0.9, "undecided"), (0.5, "passed"))
    for p, wrong in edges:
        chance = getattr(exact(p), wrong)
        draws = (rng.random(SUITES * 93) >= p).astype(float).reshape(SUITES, 93)
        verdicts = Counter(outcome_of(assert_trains, draw.__getitem__, below=0.5).verdict for draw in draws)
        count = verdicts[wrong]
        low, high = binomial_limits(successes=count, trials=SUITES, alpha=0.01)
        print(
            f"share {p}: {count} of {SUITES} simulated suites {wrong}, 99 % limits {low:.2e} to {high:.2e}; "
            f"exactly {chance:.3e}"
        )
    print("worse  passes    fails     undecided  pairs")
    for q in (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0):
        pairs = exact_sign(q)
        print(
            f"{q:5.2f}  {pairs.passed:8.2e}  {pairs.failed:8.2e}  {pairs.undecided:9.2e}  {pairs.runs:5.1f}"
        )


FAULTS = (
    "sign of the gradient",
    "no zero_grad",
    "stepsize times 10",
    "frozen layer",
    "shuffled labels",
    "loss averaged twice",
    "stepsize halved",
)


def _data(name: str) -> tuple[Any, Any]:
    """Standardised features and labels of a data set of scikit-learn."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32), y


def _torch(name: str, *, stepsize: float, steps: int, momentum: float = 0.0, fault: str = "") -> Train:
    """The training loss at the end of a short run of a network with one hidden layer."""
    import torch

    torch.set_num_threads(1)
    x, y = map(torch.from_numpy, _data(name))
    classes = int(y.max()) + 1
    batch = 32
    rate = stepsize * {"stepsize times 10": 10.0, "stepsize halved": 0.5}.get(fault, 1.0)

    def train(seed: int) -> float:
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], 32), torch.nn.Tanh(), torch.nn.Linear(32, classes)
        )
        if fault == "frozen layer":
            net[0].requires_grad_(False)
        labels = y[torch.randperm(len(y))] if fault == "shuffled labels" else y
        free = [weights for weights in net.parameters() if weights.requires_grad]
        optimizer = torch.optim.SGD(
            free, lr=rate, momentum=momentum, maximize=fault == "sign of the gradient"
        )
        for _ in range(steps):
            rows = torch.randint(len(x), (batch,))
            if fault != "no zero_grad":
                optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x[rows]), labels[rows])
            (loss / batch if fault == "loss averaged twice" else loss).backward()
            optimizer.step()
        with torch.no_grad():
            return float(torch.nn.functional.cross_entropy(net(x), y))

    return train


def _regression(name: str, *, stepsize: float, steps: int) -> Train:
    """The training loss of softmax regression after some steps of SGD, in numpy alone."""
    x, y = _data(name)
    targets = np.eye(y.max() + 1, dtype=np.float32)[y]

    def forward(inputs: Any, weights: Any) -> Any:
        scores = inputs @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def train(seed: int) -> float:
        rng = np.random.default_rng(seed)
        weights = rng.standard_normal((x.shape[1], targets.shape[1])).astype(np.float32)
        for _ in range(steps):
            rows = rng.integers(len(x), size=32)
            weights -= stepsize / 32 * x[rows].T @ (forward(x[rows], weights) - targets[rows])
        return float(-np.log(forward(x, weights)[np.arange(len(y)), y] + 1e-30).mean())

    return train


# Of stepsizes that are factors of 2 apart, those at which the worst of 15 seeds ends lowest.
NETWORKS: dict[str, Callable[..., Train]] = {
    "iris, torch": partial(_torch, "iris", stepsize=0.8, steps=60),
    "wine, torch with momentum": partial(_torch, "wine", stepsize=0.8, momentum=0.5, steps=40),
    "digits, torch": partial(_torch, "digits", stepsize=0.8, steps=80),
}
SMALL: dict[str, Callable[..., Train]] = {
    "iris, an eighth of the stepsize": partial(_torch, "iris", stepsize=0.1, steps=60),
}
REGRESSIONS: dict[str, Callable[..., Train]] = {
    "breast_cancer, numpy": partial(_regression, "breast_cancer", stepsize=0.1, steps=100),
    "digits, numpy": partial(_regression, "digits", stepsize=0.1, steps=100),
}


def _suites(train: Train, below: float, count: int) -> list[tuple[Outcome, float]]:
    """Outcome and seconds of suites that share no seed, nor one with the runs that chose `below`."""
    found = []
    for suite in range(1, count + 1):
        begun = time.perf_counter()
        outcome = outcome_of(assert_trains, lambda seed: train(APART * suite + seed), below=below)  # noqa: B023
        found.append((outcome, time.perf_counter() - begun))
    return found


def _clean() -> None:
    every: Counter[str] = Counter()
    for name, make in (NETWORKS | REGRESSIONS).items():
        train = make()
        below = choose_below(train)
        found = _suites(train, below, CLEAN)
        verdicts = Counter(outcome.verdict for outcome, _ in found)
        every += verdicts
        runs = [outcome.runs for outcome, _ in found]
        print(
            f"{name}: below {below:.4g}; {dict(verdicts)}; {np.mean(runs):.1f} runs, {max(runs)} at most; "
            f"{max(seconds for _, seconds in found):.2f} s at most",
            flush=True,
        )
    suites = every.total()
    _, high = binomial_limits(successes=suites - every["passed"], trials=suites, alpha=0.02)
    print(f"{suites - every['passed']} of {suites} clean suites did not pass; 99 % upper limit {high:.2e}")


def _faulty() -> None:
    for name, make in (NETWORKS | SMALL).items():
        below = choose_below(make())
        for fault in FAULTS:
            found = _suites(make(fault=fault), below, FAULTY)
            verdicts = Counter(outcome.verdict for outcome, _ in found)
            ends = [value for outcome, _ in found for value in outcome.values]
            print(
                f"{name}: {fault}: {FAULTY - verdicts['passed']} of {FAULTY} found ({dict(verdicts)}); "
                f"{np.mean([outcome.runs for outcome, _ in found]):.1f} runs, "
                f"{max(seconds for _, seconds in found):.2f} s at most; below {below:.4g}, median end "
                f"{np.median(ends):.4g}",
                flush=True,
            )


def main() -> None:
    """Print the parts that are named, or all."""
    parts = {"exact": _exactly, "clean": _clean, "faults": _faulty}
    for part in sys.argv[1:] or parts:
        if part not in parts:
            raise SystemExit(
                f"error: {part!r} is none of {', '.join(parts)}; name one of them, or none for all"
            )
        parts[part]()


if __name__ == "__main__":
    main()
