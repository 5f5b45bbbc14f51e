"""Does the bound of a spec hold when it is trained?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.testing.outcome import Outcome, Verdict, check_alpha

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


def assert_gradient_bound(
    spec: Spec | Mapping[str, Any] | str | Path,
    *,
    data: tuple[Any, Any] | Any | None = None,
    constants: Literal["both", "paper", "certified", "floorless"] = "both",
    seed: int = 0,
    alpha: float = 1e-3,
    max_runs: int = 4000,
) -> Outcome:
    """Assert that the bound of a spec holds when it is trained, as `rsgadvise verify` tests it.

    The network is trained with the values of the spec, or those that the theorem recommends, and the expected
    squared gradient norm at the returned iterate is held against its bound by a confidence sequence.

    Kind: P(passes | a bound is false) <= alpha and P(fails as refuted | the bounds are true) <= alpha.

    Args:
        spec: a `Spec`, a mapping of the same shape as the YAML, or the path of a YAML file.
        data: (x, y), or x alone for an autoencoder, as for `rsgadvise.recommend`; without them the rows are
            those of data.file, or made up with the moments of the spec.
        constants: whose bounds to assert. The paper's are false for some networks; floorless ones are of
            networks in a box, and of another projected gradient.
        seed: of all randomness, at least 0.
        alpha: probability of error, between 0 and 0.5.
        max_runs: most trainings, at least 1.

    Returns:
        What was seen.

    Raises:
        AssertionError: a bound is falsified, or undecided after `max_runs`; or there is none, or none that a
            gradient could exceed, so that nothing would be tested.
        SpecError, DataError, UsageError: the spec, the arrays or an argument break a rule.

    Example:
        >>> spec = {"network": {"kind": "single_layer", "layers": [6, 2]},
        ...         "data": {"mean": 0.3, "mean_square": 0.12},
        ...         "training": {"stepsize": 0.4, "batch_size": 8, "iterations": 20}}
        >>> assert_gradient_bound(spec).verdict
        'passed'
    """
    __tracebackhide__ = True
    from rsgadvise.ask.verify.running import LocalRunner, run_cases
    from rsgadvise.cli.bounds import require_bounds
    from rsgadvise.cli.verify import Checked, Rows, case_of, rows_for
    from rsgadvise.errors import UsageError
    from rsgadvise.library import loaded_spec, rows_of
    from rsgadvise.show.report.verification import summary
    from rsgadvise.training.generated import measured_of

    check_alpha(alpha)
    if constants not in tuple(Checked):
        known = "both, paper, certified or floorless"
        raise UsageError(f"constants must be {known}; got {constants!r}; name one of them")
    for name, value, least in (("seed", seed, 0), ("max_runs", max_runs, 1)):
        if value < least:
            raise UsageError(f"{name} must be at least {least}; got {value}; raise it")
    loaded = require_bounds(
        loaded_spec(spec, data), instead="use rsgadvise.testing.assert_trains, which needs none"
    )
    if data is None:
        rows = rows_for(loaded, quiet=True)
    else:
        given = rows_of(loaded.spec, data)
        rows = Rows(given, measured_of(given))
    case = case_of(
        loaded,
        rows,
        name=Path(loaded.source.file).name,  # it decides what is drawn, and a folder should not
        checked=Checked(constants),
        advice=None,
        seed=seed,
        alpha=alpha,
    )
    runner = LocalRunner([case.experiment])
    verification = run_cases([case], runner, runs=max_runs, confidence=1 - alpha, seed=seed)
    if verification.interrupted:
        raise KeyboardInterrupt  # it is the suite's to stop
    checked = [each for each in verification.cases if each.checked]
    verdict: Verdict = "undecided"
    if verification.verdict == "falsified":
        verdict, head = "failed", f"refuted that the bound holds; error probability at most {alpha:g}"
    elif not checked:
        head = "there is no bound to hold training against"
    elif verification.verdict == "inconclusive":
        head = f"undecided whether the bound holds; more than max_runs={max_runs} may decide"
    elif all(each.vacuous for each in checked):
        head = (
            "nothing is tested: no gradient of this network can exceed the bound; a smaller stepsize or more "
            "iterations may lower it"
        )
    else:
        verdict, head = "passed", f"refuted that the bound is exceeded; error probability at most {alpha:g}"
    lines = [head, *(f"{each.constants} constants: {summary(each)}" for each in checked)]
    if verdict != "passed":
        lines += dict.fromkeys(note for each in verification.cases for note in each.notes)
    return Outcome(verdict, max(each.runs for each in verification.cases), None, "\n".join(lines)).settled()
