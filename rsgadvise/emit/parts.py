"""The parts of a snippet that all targets share: where the values come from, the values, data and R."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rsgadvise import __version__
from rsgadvise.emit.plan import WIDTH, Plan, assignment, comment, literal, quoted, row
from rsgadvise.numerals import lengths

if TYPE_CHECKING:
    from rsgadvise.advise.answer import Source

__all__ = [
    "SHOW",
    "SPLIT",
    "constants",
    "dictionary",
    "draw_stop",
    "header",
    "imports",
    "load",
    "pace",
    "report",
    "without_empty",
]

PLACEHOLDER_ROWS = 1000

_KINDS = {
    "single_layer": "a network without hidden layers",
    "autoencoder": "a denoising autoencoder with tied weights",
    "multilayer": "a sigmoid network",
}


def without_empty(*parts: str) -> str:
    """Parts of a file, two blank lines apart."""
    return "\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def imports(plan: Plan, *lines: str) -> str:
    """Import statements in the usual order; `lines` are those of other libraries."""
    needed = [*lines, "import numpy as np"]
    own = []
    if plan.data is not None and not plan.data.plain:
        needed.append("from rsgadvise.datastats import load_rows, measure")
        needed.append("from rsgadvise.readers import open_data")
        own = ["from dataclasses import replace", ""]
    return "\n".join([*own, *sorted(needed, key=lambda line: (not line.startswith("import "), line))])


def header(plan: Plan) -> str:
    """Where the values come from, and what is proven of them."""
    advice, best, train = plan.advice, plan.best, plan.train
    whose = f"with rank {best.rank} of" if best is not None else "with the values of"
    epochs = "epochs unknown without data.samples" if train.epochs is None else f"{train.epochs:.4g} epochs"
    work = (
        f"Work: N = {train.iterations:,} iterations of B = {train.batch_size:,} rows, "
        f"{train.iterations * train.batch_size:,} rows in all, {epochs}"
    )
    work += f"; {plan.runs} runs of that." if plan.many_runs else "."
    method = "SGD" if plan.to_the_end else "Randomly stopped SGD"
    texts = [
        f"{method} for {_KINDS[advice.kind]}, {lengths(plan.layers)}, {whose} "
        f"`rsgadvise recommend` (version {__version__}).",
        "",
        _source(plan),
        *_measured(plan),
        *_bound(plan),
        work,
    ]
    if plan.stopping_was_chosen:
        bounded = plan.best is not None and math.isfinite(plan.best.bound)
        texts.append(
            f"P_R: {train.stopping}, chosen by the pilot{'; the bounds are for it' if bounded else ''}."
        )
    if advice.assumed:
        texts.append("Assumed: " + ", ".join(_assumed(plan)) + ".")
    pretraining = plan.spec.training.pretraining
    if pretraining is not None and len(plan.layers) > 2:
        texts.append(
            f"The paper's bound is about hidden layers pretrained to alpha = {pretraining.tolerance:g}: "
            "put such weights in place of the random ones below."
        )
    return "\n".join(comment(text) if text else "#" for text in texts)


_SOURCES: Mapping[Source, str] = {
    "raced": "the best of a race of short runs on the data",
    "calibrated": "by constants measured on the data",
    "typical": "typical for data of such statistics; neither proven nor measured on the data",
    "theorem": "those of a theorem",
}


def _source(plan: Plan) -> str:
    advice, known = plan.advice, _SOURCES[plan.train.source]
    ranked = f"{advice.constants} constants, {advice.equation}; {advice.objective}"
    if plan.best is None:
        return f"Values: {known}."
    return (
        f"Values: {known} ({ranked})." if plan.train.source in {"raced", "typical"} else f"Values: {ranked}."
    )


def _measured(plan: Plan) -> Iterator[str]:
    """How good the advised training was, where somebody looked."""
    train = plan.train
    if train.learns is False:
        yield "It learned nothing" + (f": {train.reason}" if train.reason else ".")
    if train.loss is not None:
        beside = (
            ""
            if train.constant_loss is None
            else f", that of a constant prediction {train.constant_loss:.4g}"
        )
        yield f"Measured with these values: training loss {train.loss:.4g}{beside}."
    if train.held_out_error is not None:
        beside = (
            "" if train.constant_error is None else f", by the commonest class {train.constant_error:.3g}"
        )
        yield f"Wrong of held-out rows: a share of {train.held_out_error:.3g}{beside}."


def _bound(plan: Plan) -> Iterator[str]:
    """What is proven of the gradient."""
    best = plan.best
    if best is None:
        return
    gradient = "gradient" if plan.advice.kind == "single_layer" else "projected gradient"
    if not math.isfinite(best.bound):
        yield f"No bound on the {gradient}: the stepsize lies outside the range of these constants."
        return
    said = "proven: the certified bound is at most this" if best.proven else "not proven for this data"
    if best.vacuous:
        said += "; vacuous: no squared gradient can be larger anyway"
    yield (
        f"Bound on E||g||^2, g the {gradient} at W^R over all rows: {best.bound:.6g}, certified "
        f"{best.certified_bound:.6g}; {said}."
    )


def _assumed(plan: Plan) -> list[str]:
    return [
        f"{item.key} = {item.value:g}"
        if isinstance(item.value, (int, float))
        else f"{item.key} = {item.value}"
        for item in plan.advice.assumed
    ]


def constants(plan: Plan, dropout: str, *, runs: bool = True, native: bool = False) -> str:
    """The hyper-parameters by name; `dropout` says how the target calls the dropout rate.

    `runs`: whether the target makes several runs and keeps the best. `native`: whether its dropout layers
    divide what they keep by KEEP.
    """
    train = plan.train
    lines = [row("LAYERS", plan.layers, "d_x inputs, d_h hidden units" if plan.tied else "d_0..d_L")]
    boxes, stepsizes = plan.boxes, plan.stepsizes
    if plan.masked:
        rate = f"P(unit is kept); {dropout} is 1 - KEEP = {train.dropout_rate:.6g}"
        lines.append(assignment("KEEP", train.keep_prob, f"zeta, {rate}"))
        if native and plan.rescaled:
            boxes = tuple(train.keep_prob * box for box in boxes)
            stepsizes = tuple(train.keep_prob**2 * gamma for gamma in stepsizes)
            lines.append(comment(_scaling_note(plan, dropout.rpartition(" ")[2])))
    if boxes:
        lines.append(row("BOX", boxes, "every weight of matrix l stays in [-BOX[l], BOX[l]]"))
    note = "gamma of each matrix" + (", at k = 1" if plan.slowing else "")
    lines.append(row("STEPSIZES", stepsizes, note))
    if train.decay:
        lines.append(assignment("DECAY", train.decay, "rho: gamma_k = gamma k^-rho"))
    if train.cooldown:
        lines.append(
            assignment("COOLDOWN", train.cooldown, "last share of N; gamma falls linearly to 0 in it")
        )
    most, stopped = (" at the most", "; stopped at a random R <= N") if not plan.to_the_end else ("", "")
    epochs = "" if train.epochs is None else f", {train.epochs:.4g} epochs{most}"
    lines.append(assignment("BATCH", train.batch_size, "B, drawn with replacement"))
    lines.append(assignment("ITERATIONS", train.iterations, f"N{epochs}{stopped}"))
    if plan.many_runs and runs:
        kept = "T; the one with the smallest gradient over all rows is kept"
        kept += " (an estimate: one mask a row)" if plan.masked else ""
        lines.append(assignment("RUNS", plan.runs, kept))
    use = "to test on; 0 trains on all of them" if runs else "that choose among the trials"
    lines.append(assignment("HELD_OUT", 0.2, f"share of the rows {use}"))
    lines.append("SEED = 0")
    if isinstance(plan.stopping, tuple):
        lines.append(row("STOPPING", plan.stopping, "P(R = k) for k = 1..N"))
    return "\n".join(lines)


def _scaling_note(plan: Plan, layer: str) -> str:
    """Why the values below differ from those of the advice.

    With masks z that are divided by KEEP, KEEP W (x * z / KEEP) = W (x * z): the weights are V = KEEP W, and
    the gradient by V is that by W over KEEP, so V - c dV = KEEP (W - gamma dW) for c = KEEP^2 gamma.
    """

    def shown(values: tuple[float, ...]) -> str:
        alike = values[:1] if len(set(values)) == 1 else values
        return ", ".join(f"{value:.6g}" for value in alike)

    box = f"BOX is KEEP times the advised {shown(plan.boxes)} and " if plan.boxes else ""
    return (
        f"{layer} divides what it keeps by KEEP, which the theory does not: its weights are KEEP W, so "
        f"{box}STEPSIZES KEEP^2 times the advised {shown(plan.stepsizes)}."
    )


SHOW = '''
def show(k, last, losses):
    """A line per tenth of the way: the mean mini-batch loss since the line before."""
    if 10 * k // last > 10 * (k - 1) // last:
        loss = np.mean(losses)
        print(f"{k:>12,} of {last:,} iterations, loss {loss:.4g}", flush=True)
        losses.clear()
'''

SPLIT = '''
def split(rows):
    """Indices of the rows to train on, and of those to test on."""
    order = np.random.default_rng(SEED).permutation(rows)
    held = int(HELD_OUT * rows)
    return order[held:], order[:held]
'''


def report(plan: Plan) -> str:
    """The function that prints how good outputs are."""
    loss = '''
def report(name, y, output, mean):
    """Loss and accuracy, beside that of the same answer to everything, `mean`."""
    if not len(y):
        return
    loss, never = (((found - y) ** 2).sum(axis=1).mean() for found in (output, mean))
    print(f"{name} rows: loss {loss:.4g}; always predicting the mean: {never:.4g}")
'''
    if plan.tied:
        return loss.replace("Loss and accuracy,", "Loss,").strip("\n")
    head = '''
def classes(y):
    """Which output is the largest, -1 if all are 0; of a single one its side of 1/2."""
    if y.shape[-1] == 1:
        return y[..., 0] > 0.5
    return np.where(y.any(axis=-1), y.argmax(axis=-1), -1)
'''
    tail = """\
    if np.isin(y, (0, 1)).all() and (y.shape[1] == 1 or (y.sum(axis=1) <= 1).all()):
        right = (classes(output) == classes(y)).mean()
        never = (classes(mean) == classes(y)).mean()
        print(f"{name} rows: accuracy {right:.4g}; always the commonest: {never:.4g}")
"""
    return f"{head.strip()}\n\n\n{loss.strip()}\n{tail.rstrip()}"


def draw_stop(plan: Plan, *, parameter: bool = False) -> str:
    """The function that draws R; N is a parameter of it, or a constant of the snippet."""
    stopping = plan.stopping
    n = "iterations" if parameter else "ITERATIONS"
    if isinstance(stopping, tuple):
        words = "with the listed probabilities"
        body = [
            f"k = np.arange(1, {n} + 1)",
            "return int(rng.choice(k, p=np.array(STOPPING) / sum(STOPPING)))",
        ]
    elif stopping == "increasing":
        words = "P(R = k) proportional to k"
        body = [f"k = np.arange(1, {n} + 1)", "return int(rng.choice(k, p=k / k.sum()))"]
    elif stopping == "last":
        words = "uniform on the last tenth of 1..N"
        body = [f"tenth = -(-{n} // 10)", f"return int(rng.integers({n} - tenth + 1, {n} + 1))"]
    elif stopping == "matched":
        words = "P(R = k) as iteration k descends"
        body = [
            f"x = np.arange(1, {n} + 1) ** -{literal(plan.train.decay)}",
            f"p = x * (1 - {literal(plan.curvature_share)} * x)",
            f"return int(rng.choice({n}, p=p / p.sum())) + 1",
        ]
    else:
        words = "uniform on 1..N"
        body = [f"return int(rng.integers(1, {n} + 1))"]
    signature = "def draw_stop(rng, iterations):" if parameter else "def draw_stop(rng):"
    about = f'"""R, whose weights W^R are the result: {words}."""'
    return "\n".join([signature, *(f"    {line}" for line in (about, *body))])


def pace(*, parameter: bool) -> str:
    """The function of the factor of the stepsize; N is a parameter of it, or a constant of the snippet."""
    head, n, share = ("k", "ITERATIONS", "COOLDOWN")
    if parameter:
        head, n, share = "k, iterations, cooldown", "iterations", "cooldown"
    return f'''\
def pace({head}):
    """Factor of the stepsize of iteration k: 1, and falling linearly to 0 at the end."""
    return min(1.0, ({n} + 1 - k) / ({share} * {n} + 1))'''


def load(plan: Plan, *, labels: bool = False) -> str:
    """The function that returns inputs and targets, (x, x) for an autoencoder; `labels`: as integers."""
    if plan.data is None:
        return _placeholder(plan)
    return _plain(plan, labels=labels) if plan.data.plain else _read(plan, labels=labels)


_NO_MEAN = 1e-9  # below it random numbers to the power that gives the mean are all but 0


def _placeholder(plan: Plan) -> str:
    inputs, outputs, mean = plan.layers[0], plan.layers[-1], plan.spec.data.mean
    power = ""
    if mean is not None:  # of a random number u the mean of u^p is 1/(p + 1)
        power = f" ** {1 / mean - 1:.6g}" if mean > _NO_MEAN else " * 0"
        power += f"  # of mean {mean:.6g}"
    lines = [
        "def load():",
        '    """PLACEHOLDER, random rows: replace by your data, inputs and targets in [0, 1]."""',
        '    print("Random rows stand in for your data: write load() anew.")',
        "    rng = np.random.default_rng(SEED)",
        f"    x = rng.random(({PLACEHOLDER_ROWS}, {inputs})){power}",
    ]
    if plan.tied:
        return "\n".join([*lines, "    return x, x  # the targets are the clean inputs"])
    return "\n".join([*lines, f"    y = rng.random(({PLACEHOLDER_ROWS}, {outputs}))", "    return x, y"])


_SCALE: Mapping[str, str] = {
    "none": "",
    "divide by 255": """\
    x /= 255  # images of 8 bits
""",
    "min-max per column": """\
    low, high = x.min(axis=0), x.max(axis=0)
    x = (x - low) / np.where(high > low, high - low, 1)
""",
    "robust, 1st to 99th percentile per column": """\
    low, high = np.percentile(x, (1, 99), axis=0)
    low, high = np.where(low < high, (low, high), (x.min(axis=0), x.max(axis=0)))
    x = np.clip((x - low) / np.where(high > low, high - low, 1), 0, 1)
""",
}
"""What each scaling does to the array x of features, as `datastats` does it."""


def _plain(plan: Plan, *, labels: bool) -> str:
    """numpy.load, and the scaling that was measured."""
    data = plan.data
    assert data is not None
    lines = ["def load():", '    """The rows of the data file, scaled as the advice has them."""']
    if data.features is None:
        lines.append(f"    x = np.load({quoted(data.path)})")
    else:
        lines.append(f"    with np.load({quoted(data.path)}) as arrays:")
        lines.append(f"        x = arrays[{quoted(data.features)}]")
        if not plan.tied:
            lines.append(f"        y = arrays[{quoted(data.labels or '')}]")
    lines.append("    x = x.reshape(len(x), -1).astype(np.float64)")
    lines += _SCALE[data.scaling].splitlines()
    if plan.tied:
        lines.append("    return x, x  # the targets are the clean inputs")
    elif labels:
        lines.append("    return x, y.ravel()")
    else:
        lines.append("    classes, places = np.unique(y.ravel(), return_inverse=True)")
        lines.append("    return x, np.eye(len(classes))[places]  # one-hot")
    return "\n".join(lines)


def _read(plan: Plan, *, labels: bool) -> str:
    """This package's own readers, for everything that is more than an array of numbers."""
    data = plan.data
    assert data is not None
    named = [("array", data.array), ("target", data.target)]
    options = [f'"{name}": {quoted(value)}' for name, value in named if value is not None]
    if data.exclude:
        columns = ", ".join(map(quoted, data.exclude))
        options.append(f'"exclude": ({columns}{"," if len(data.exclude) == 1 else ""})')
    lines = [
        "def load():",
        '    """The rows of the data file, read and scaled as the advice has them."""',
        f"    path = {quoted(data.path)}",
        *dictionary("options", options),
        "    statistics = measure(open_data(path, **options), spectrum=False)",
        f"    statistics = replace(statistics, scaling={quoted(data.scaling)})",
    ]
    if plan.tied:
        lines.append("    x, _ = load_rows(open_data(path, **options), statistics)")
        lines.append("    return x, x  # the targets are the clean inputs")
    else:
        lines.append("    x, y = load_rows(open_data(path, **options), statistics)")
        lines.append("    return x, y.argmax(axis=1)" if labels else "    return x, y")
    return "\n".join(lines)


def dictionary(name: str, entries: list[str]) -> list[str]:
    line = f"    {name} = {{{', '.join(entries)}}}"
    if len(line) <= WIDTH:
        return [line]
    return [f"    {name} = {{", *(f"        {entry}," for entry in entries), "    }"]
