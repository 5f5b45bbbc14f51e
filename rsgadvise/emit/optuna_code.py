"""Optuna: the advice as the first trial, and a search space around it."""

from __future__ import annotations

from rsgadvise.advise.space import batch_choices
from rsgadvise.emit import parts
from rsgadvise.emit.numpy_code import training
from rsgadvise.emit.plan import WIDTH, Plan, comment, literal
from rsgadvise.errors import UsageError

__all__ = ["snippet"]

_NEIGHBOURS = 1

_WHY_FACTORS = "All stepsizes are searched by one factor, around what was measured for data like these."
_WHY_WIDER_FACTORS = (
    "All stepsizes are searched by one factor. Below a quarter of the advice the two main terms of "
    "the bound, gamma and 1/gamma, have more than doubled: (4 + 1/4) / 2. Above it the bound is "
    "too careful, since it holds for the largest curvature and noise that data may have: on a small "
    "real table the best of a dense grid was 50 to 90 times the advice."
)


def snippet(plan: Plan) -> str:
    """The whole file."""
    if not _stepsize_is_free(plan) and all(
        len(values) == 1 for values in (_batches(plan), _keep_range(plan), _decays(plan))
    ):
        raise UsageError(
            "optuna needs something to search; got a spec that fixes the stepsize, the batch size, the keep "
            "probability and the decay; free one of them, or emit for another library"
        )
    masked = min(_keep_range(plan)) < 1
    top = "\n\n".join(
        [
            parts.header(plan),
            parts.imports(plan, "import optuna"),
            parts.constants(plan, "a dropout rate", runs=False),
            _space(plan),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan),
        training(plan, masked=masked),
        _trained(plan, masked),
        _SHOW,
        parts.SPLIT.replace("int(HELD_OUT * rows)", "max(1, int(HELD_OUT * rows))"),
        parts.report(plan),
        _main(plan),
    )


def _stepsize_is_free(plan: Plan) -> bool:
    """What a spec fixes is not searched."""
    return plan.spec.training.stepsize is None


def _work_is_kept(plan: Plan) -> bool:
    """Whether a larger batch is paid for with fewer iterations; not where the spec fixes N."""
    return plan.spec.training.iterations is None


def _keep_range(plan: Plan) -> tuple[float, ...]:
    """The keep probabilities that the spec allows: one, a list, or the two ends of a range."""
    spec, best = plan.spec, plan.train
    if spec.network.kind == "single_layer" or spec.training.keep_prob is not None:
        return (best.keep_prob,)
    searched = spec.search.keep_prob
    if isinstance(searched, tuple):
        return searched
    return (searched.min, searched.max) if searched.min < searched.max else (searched.min,)


def _batches(plan: Plan) -> tuple[int, ...]:
    """The advised batch size among its neighbours in the spec."""
    best, spec = plan.train.batch_size, plan.spec
    if spec.training.batch_size is not None or isinstance(plan.stopping, tuple):
        return (best,)
    train = plan.train
    rows = None if not train.epochs else round(train.batch_size * train.iterations / train.epochs)
    searched, is_range = batch_choices(spec, rows)
    if is_range:
        return tuple(sorted({max(searched[0], best // 2), best, min(searched[1], 2 * best)}))
    ordered = sorted({*searched, best})
    place = ordered.index(best)
    return tuple(ordered[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])


def _decays(plan: Plan) -> tuple[float, ...]:
    fixed = plan.spec.training.decay
    return (plan.train.decay,) if fixed is not None else tuple(plan.spec.search.decay)


def _tuple(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(map(literal, values)) + ("," if len(values) == 1 else "") + ")"


def _space(plan: Plan) -> str:
    lines = ["TRIALS = 20"]
    if _stepsize_is_free(plan):
        worst_case = plan.train.source == "theorem"
        lines.append(comment(_WHY_WIDER_FACTORS if worst_case else _WHY_FACTORS))
        lines.append("FACTORS = (1 / 4, 128)" if worst_case else "FACTORS = (1 / 8, 8)")
    batches, keeps, decays = _batches(plan), _keep_range(plan), _decays(plan)
    if len(batches) > 1:
        kept = "N B, the work," if _work_is_kept(plan) else "N, fixed by the spec,"
        lines.append(comment(f"Neighbours of the advised batch size; {kept} stays as it is."))
        lines.append(f"BATCHES = {_tuple(batches)}")
    if len(keeps) > 1:
        what = "range" if _ranged(plan) else "list"
        lines.append(comment(f"The spec's own {what} of keep probabilities."))
        lines.append(f"KEEPS = {_tuple(keeps)}")
    if len(decays) > 1:
        lines.append(f"DECAYS = {_tuple(decays)}  # rho, as listed in the spec")
    return "\n".join(lines)


def _ranged(plan: Plan) -> bool:
    return plan.spec.training.keep_prob is None and not isinstance(plan.spec.search.keep_prob, tuple)


def _trained(plan: Plan, masked: bool) -> str:
    best = plan.train
    batches, keeps, decays = _batches(plan), _keep_range(plan), _decays(plan)
    free = _stepsize_is_free(plan)
    lines = ['    factor = trial.suggest_float("stepsize_factor", *FACTORS, log=True)'] if free else []
    if len(batches) > 1:
        lines.append('    batch_size = trial.suggest_categorical("batch_size", BATCHES)')
    if len(keeps) > 1:
        call = "suggest_float" if _ranged(plan) else "suggest_categorical"
        star = "*" if _ranged(plan) else ""
        lines.append(f'    keep = trial.{call}("keep_prob", {star}KEEPS)')
    if len(decays) > 1:
        lines.append('    decay = trial.suggest_categorical("decay", DECAYS)')
    shapes = "[LAYERS[::-1]]" if plan.tied else "list(zip(LAYERS[1:], LAYERS))"
    keep = "keep" if len(keeps) > 1 else "KEEP"
    decay = "decay" if len(decays) > 1 else "DECAY" if best.decay else "0.0"
    size = "batch_size" if len(batches) > 1 else "BATCH"
    kept = len(batches) > 1 and _work_is_kept(plan)
    work = "max(1, ITERATIONS * BATCH // batch_size)" if kept else "ITERATIONS"
    arguments = [
        "x",
        "y",
        shapes,
        *(["BOX"] if plan.boxes else []),
        "stepsizes=[factor * gamma for gamma in STEPSIZES]" if free else "stepsizes=STEPSIZES",
        "cooldown=COOLDOWN" if plan.to_the_end else f"decay={decay}",
        f"batch_size={size}",
        f"iterations={work}",
        *([f"keep={keep}"] if masked else []),
        "seed=SEED",
    ]
    extra = f", {keep}" if masked else ""
    listed = "".join(f"        {argument},\n" for argument in arguments)
    shared = "the seed and W^1" if plan.to_the_end else "the seed, W^1 and R / N"
    return f'''
def trained(trial, x, y):
    """The trained network as a function; all trials share {shared}."""
{chr(10).join(lines)}
    {"weights" if plan.to_the_end else "weights, _"} = train(
{listed}    )
    return lambda rows: forward(weights, rows{extra})[-1]
'''


_SHOW = '''
def show(study, trial):
    """A line per trial."""
    found = f"held-out loss {trial.value:.4g}, the best so far {study.best_value:.4g}"
    print(f"trial {trial.number + 1:>2} of {TRIALS}: {found}", flush=True)
'''


def _first(entries: list[str]) -> str:
    line = f"    first = {{{', '.join(entries)}}}"
    if len(line) <= WIDTH:
        return line
    return "    first = {\n" + "".join(f"        {entry},\n" for entry in entries) + "    }"


def _main(plan: Plan) -> str:
    best = plan.train
    first = ['"stepsize_factor": 1.0'] if _stepsize_is_free(plan) else []
    if len(_batches(plan)) > 1:
        first.append('"batch_size": BATCH')
    if len(_keep_range(plan)) > 1:
        # KEEP is a constant of the snippet only where something is dropped.
        first.append(f'"keep_prob": {"KEEP" if plan.masked else literal(best.keep_prob)}')
    if len(_decays(plan)) > 1:
        first.append(f'"decay": {"DECAY" if best.decay else "0.0"}')
    return f"""
if __name__ == "__main__":
    x, y = load()
    rows, held_out = split(len(x))

    def objective(trial):
        found = trained(trial, x[rows], y[rows])
        return squared_error(y[held_out], found(x[held_out]))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
{_first(first)}
    study.enqueue_trial(first)
    study.optimize(objective, TRIALS, callbacks=[show])
    for name, value in study.best_params.items():
        print(f"{{name}} = {{value:.6g}}")
    output = trained(study.best_trial, x[rows], y[rows])(x)
    mean = y[rows].mean(axis=0)
    report("training", y[rows], output[rows], mean)
    report("held-out", y[held_out], output[held_out], mean)
    print("The held-out rows chose among the trials, so theirs is a little too good.")
"""
