"""The parts of a snippet that all targets share: where the values come from, the values, data and R."""

from __future__ import annotations

import math

from rsgadvise import __version__
from rsgadvise.emit.plan import Plan, assignment, comment, literal, quoted, row
from rsgadvise.numerals import lengths

__all__ = ["constants", "draw_stop", "header", "imports", "load", "without_empty"]

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
    """Import statements in the usual order; `lines` are those of third parties."""
    needed = [*lines, "import numpy as np"]
    if plan.data is not None and not plan.data.plain:
        needed += ["from rsgadvise.datastats import load_rows, measure"]
        needed += ["from rsgadvise.readers import open_data"]
    return "\n".join(sorted(needed, key=lambda line: (not line.startswith("import "), line)))


def header(plan: Plan) -> str:
    """Where the values come from, and what is proven of them."""
    advice, best = plan.advice, plan.best
    widths = lengths(plan.layers)
    gradient = "gradient" if advice.kind == "single_layer" else "projected gradient"
    said = "proven: the certified bound is at most this" if best.proven else "not proven for this data"
    if best.vacuous:
        said += "; vacuous: no squared gradient can be larger anyway"
    epochs = "epochs unknown without data.samples" if best.epochs is None else f"{best.epochs:.4g} epochs"
    work = (
        f"Work: N = {best.iterations:,} iterations of B = {best.batch_size:,} rows, {best.samples:,} rows in "
        f"all, {epochs}"
    )
    work += f"; {best.runs} runs of that." if plan.many_runs else "."
    lines = [
        f"Randomly stopped SGD for {_KINDS[advice.kind]}, {widths}, with rank {best.rank} of",
        f"`rsgadvise recommend` (version {__version__}).",
    ]
    parts = [
        comment(" ".join(lines)),
        "#",
        comment(f"Values: {advice.constants} constants, {advice.equation}; {advice.objective}."),
        comment(
            f"Bound on E||g||^2, g the {gradient} at W^R: {best.bound:.6g}, certified "
            f"{best.certified_bound:.6g}; {said}."
            if math.isfinite(best.bound)
            else f"No bound on the {gradient}: the stepsize lies outside the range of these constants."
        ),
        comment(work),
    ]
    if plan.stopping_was_chosen:
        parts.append(comment(f"P_R: {best.stopping}, chosen by the pilot; the bounds are for it."))
    if advice.assumed:
        parts.append(comment("Assumed: " + ", ".join(_assumed(plan)) + "."))
    pretraining = plan.spec.training.pretraining
    if pretraining is not None and len(plan.layers) > 2:
        parts.append(
            comment(
                f"The paper's bound is about hidden layers pretrained to alpha = {pretraining.tolerance:g}: "
                "put such weights in place of the random ones below."
            )
        )
    return "\n".join(parts)


def _assumed(plan: Plan) -> list[str]:
    return [
        f"{item.key} = {item.value:g}"
        if isinstance(item.value, (int, float))
        else f"{item.key} = {item.value}"
        for item in plan.advice.assumed
    ]


def constants(plan: Plan, dropout: str, *, runs: bool = True) -> str:
    """The hyper-parameters by name; `dropout` says how the target calls the dropout rate.

    `runs`: whether the target makes several runs and keeps the best.
    """
    best = plan.best
    lines = [row("LAYERS", plan.layers, "d_x inputs, d_h hidden units" if plan.tied else "d_0..d_L")]
    if plan.boxes:
        lines.append(row("BOX", plan.boxes, "every weight of matrix l stays in [-BOX[l], BOX[l]]"))
    if plan.masked:
        rate = f"P(unit is kept); {dropout} is 1 - KEEP = {best.dropout_rate:.6g}"
        lines.append(assignment("KEEP", best.keep_prob, f"zeta, {rate}"))
    note = "gamma of each matrix" + (", at k = 1" if best.decay else "")
    lines.append(row("STEPSIZES", plan.stepsizes, note))
    if best.decay:
        lines.append(assignment("DECAY", best.decay, "rho: gamma_k = gamma k^-rho"))
    epochs = "" if best.epochs is None else f", {best.epochs:.4g} epochs at the most"
    lines.append(assignment("BATCH", best.batch_size, "B, drawn with replacement"))
    lines.append(assignment("ITERATIONS", best.iterations, f"N{epochs}; stopped at a random R <= N"))
    if plan.many_runs and runs:
        kept = "T; the one with the smallest gradient over all rows is kept"
        kept += " (an estimate: one mask a row)" if plan.masked else ""
        lines.append(assignment("RUNS", best.runs, kept))
    lines.append("SEED = 0")
    if isinstance(plan.stopping, tuple):
        lines.append(row("STOPPING", plan.stopping, "P(R = k) for k = 1..N"))
    return "\n".join(lines)


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
            f"x = np.arange(1, {n} + 1) ** -{literal(plan.best.decay)}",
            f"p = x * (1 - {literal(plan.curvature_share)} * x)",
            f"return int(rng.choice({n}, p=p / p.sum())) + 1",
        ]
    else:
        words = "uniform on 1..N"
        body = [f"return int(rng.integers(1, {n} + 1))"]
    signature = "def draw_stop(rng, iterations):" if parameter else "def draw_stop(rng):"
    about = f'"""R, whose weights W^R are the result: {words}."""'
    return "\n".join([signature, *(f"    {line}" for line in (about, *body))])


def load(plan: Plan, *, labels: bool = False) -> str:
    """The function that returns inputs and targets, (x, x) for an autoencoder; `labels`: as integers."""
    if plan.data is None:
        return _placeholder(plan)
    return _plain(plan, labels=labels) if plan.data.plain else _read(plan, labels=labels)


def _placeholder(plan: Plan) -> str:
    inputs, outputs = plan.layers[0], plan.layers[-1]
    lines = [
        "def load():",
        '    """PLACEHOLDER, random rows: replace by your data, inputs and targets in [0, 1]."""',
        "    rng = np.random.default_rng(SEED)",
        f"    x = rng.random(({PLACEHOLDER_ROWS}, {inputs}))",
    ]
    if plan.tied:
        return "\n".join([*lines, "    return x, x  # the targets are the clean inputs"])
    return "\n".join([*lines, f"    y = rng.random(({PLACEHOLDER_ROWS}, {outputs}))", "    return x, y"])


def _plain(plan: Plan, *, labels: bool) -> str:
    """numpy.load, and the scaling that was measured."""
    data = plan.data
    assert data is not None
    lines = ["def load():", '    """The rows of the data file, scaled as `rsgadvise stats` measured them."""']
    if data.features is None:
        lines.append(f"    x = np.load({quoted(data.path)})")
    else:
        lines.append(f"    with np.load({quoted(data.path)}) as arrays:")
        lines.append(f"        x = arrays[{quoted(data.features)}]")
        if not plan.tied:
            lines.append(f"        y = arrays[{quoted(data.labels or '')}]")
    lines.append("    x = x.reshape(len(x), -1).astype(np.float64)")
    if data.scaling == "divide by 255":
        lines.append("    x /= 255  # images of 8 bits")
    elif data.scaling == "min-max per column":
        lines.append("    low, high = x.min(axis=0), x.max(axis=0)")
        lines.append("    x = (x - low) / np.where(high > low, high - low, 1)")
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
    options = ", ".join(f'"{name}": {quoted(value)}' for name, value in named if value is not None)
    lines = [
        "def load():",
        '    """The rows of the data file, read and scaled as `rsgadvise stats` does."""',
        f"    path = {quoted(data.path)}",
        f"    options = {{{options}}}",
        "    statistics = measure(open_data(path, **options), spectrum=False)",
    ]
    if plan.tied:
        lines.append("    x, _ = load_rows(open_data(path, **options), statistics)")
        lines.append("    return x, x  # the targets are the clean inputs")
    else:
        lines.append("    x, y = load_rows(open_data(path, **options), statistics)")
        lines.append("    return x, y.argmax(axis=1)" if labels else "    return x, y")
    return "\n".join(lines)
