"""Training in plain numpy, for the targets whose library has no such network."""

from __future__ import annotations

from rsgadvise.emit import parts
from rsgadvise.emit.plan import Plan, call

__all__ = ["training"]


def training(plan: Plan, *, masked: bool, verbose: bool = False) -> str:
    """The functions sigmoid, drop, gradients, draw_stop, draw_batch and train.

    `masked`: whether units are dropped, if only in some trials. `verbose`: whether `train` has that argument.
    """
    network = _tied(masked) if plan.tied else _layered(masked)
    return parts.without_empty(
        _SIGMOID,
        _LOSS,
        _DROP if masked else "",
        *network,
        parts.pace(parameter=True) if plan.to_the_end else parts.draw_stop(plan, parameter=True),
        _DRAW_BATCH,
        _initial_weights(plan),
        parts.SHOW if verbose else "",
        _train(plan, masked, verbose),
    )


_SIGMOID = '''
def sigmoid(s):
    """1 / (1 + exp(-s)), written so that nothing overflows."""
    return 0.5 * (1 + np.tanh(0.5 * s))
'''

_DROP = '''
def drop(h, keep, rng):
    """h * z, z ~ Bernoulli(keep) per example and unit, or its mean; not rescaled."""
    return keep * h if rng is None else h * (rng.random(h.shape) < keep)
'''


def _layered(masked: bool) -> tuple[str, str]:
    extra = ", keep, rng=None" if masked else ""
    first = "drop(x, keep, rng)" if masked else "x"
    hidden = "sigmoid(signals[-1] @ w.T)"
    if masked:
        hidden = f"drop({hidden}, keep, rng)"
    masks = ", keep, rng" if masked else ""
    about = "; with an rng all but the last are masked" if masked else ""
    forward = f'''
def forward(weights, x{extra}):
    """h^0, ..., h^L{about}."""
    signals = [{first}]
    for w in weights[:-1]:
        signals.append({hidden})
    signals.append(sigmoid(signals[-1] @ weights[-1].T))
    return signals
'''
    gradients = f'''
def gradients(weights, x, y{masks}):
    """Means over the rows of ||y - h^L||^2 and of its gradients, one per matrix."""
    signals = forward(weights, x{masks})
    loss = squared_error(y, signals[-1])
    error = 2 * (signals[-1] - y) / len(x)
    found = []
    for w, after, before in zip(weights[::-1], signals[:0:-1], signals[-2::-1]):
        error = error * after * (1 - after)
        found.append(error.T @ before)
        error = error @ w
    return loss, found[::-1]
'''
    return forward, gradients


def _tied(masked: bool) -> tuple[str, str]:
    extra = ", keep, rng=None" if masked else ""
    first = "drop(x, keep, rng)" if masked else "x"
    masks = ", keep, rng" if masked else ""
    about = "; with an rng the inputs are masked" if masked else ""
    forward = f'''
def forward(weights, x{extra}):
    """Inputs, hidden units and outputs{about}."""
    (w,) = weights
    inputs = {first}
    hidden = sigmoid(inputs @ w.T)
    return [inputs, hidden, sigmoid(hidden @ w)]
'''
    gradients = f'''
def gradients(weights, x, y{masks}):
    """Means over the rows of ||y - output||^2 and of its gradient; W is used twice."""
    (w,) = weights
    inputs, hidden, output = forward(weights, x{masks})
    loss = squared_error(y, output)
    error = 2 * (output - y) / len(x) * output * (1 - output)
    below = error @ w.T * hidden * (1 - hidden)
    return loss, [hidden.T @ error + below.T @ inputs]
'''
    return forward, gradients


_LOSS = '''
def squared_error(y, output):
    """The loss: summed over the outputs, averaged over the rows."""
    return float(((output - y) ** 2).sum(axis=1).mean())
'''

_DRAW_BATCH = '''
def draw_batch(rng, rows, batch_size):
    """Indices of one mini-batch, drawn with replacement."""
    return rng.integers(rows, size=batch_size)
'''


def _initial_weights(plan: Plan) -> str:
    box = ", clipped to the box" if plan.boxes else ""
    parameter = ", boxes" if plan.boxes else ""
    draws = "[rng.normal(0, shape[1] ** -0.5, shape) for shape in shapes]"
    if plan.boxes:
        body = f"""\
    draws = {draws}
    return [np.clip(w, -box, box) for w, box in zip(draws, boxes)]"""
    else:
        body = f"    return {draws}"
    return f'''
def initial_weights(rng, shapes{parameter}):
    """W^1: W_l ~ N(0, 1 / d_(l-1)){box}."""
{body}
'''


def _train(plan: Plan, masked: bool, verbose: bool) -> str:
    names = ["x", "y", "shapes", *(["boxes"] if plan.boxes else [])]
    names += ["*", "stepsizes", "cooldown" if plan.to_the_end else "decay", "batch_size", "iterations"]
    names += [*(["keep"] if masked else []), "seed", *(["verbose=False"] if verbose else [])]
    start = "shapes, boxes" if plan.boxes else "shapes"
    over = "weights, steps, stepsizes" + (", boxes" if plan.boxes else "")
    each = "w, g, gamma" + (", box" if plan.boxes else "")
    clip = "\n            np.clip(w, -box, box, out=w)" if plan.boxes else ""
    extra = ", keep, rng" if masked else ""
    losses, told = "", ""
    after, last = plan.loop("iterations")
    if verbose:
        losses = "    losses = []\n"
        told = f"""\
        losses.append(loss)
        if verbose:
            show(k, {last}, losses)
"""
    about, draw = "that is stopped at R: W^R, which has seen R - 1 updates, and R", ""
    if plan.to_the_end:
        about, result, factor = "to its end: the last weights", "weights", "pace(k, iterations, cooldown)"
    else:
        draw, result, factor = "    stop = draw_stop(rng, iterations)\n", "weights, stop", "k**-decay"
    return f'''
{call("def train", names, ":")}\
    """One run of SGD {about}."""
    rng = np.random.default_rng(seed)
{draw}    weights = initial_weights(rng, {start})
{losses}    for k in range(1, {after}):
        rows = draw_batch(rng, len(x), batch_size)
        {"loss" if verbose else "_"}, steps = gradients(weights, x[rows], y[rows]{extra})
        for {each} in zip({over}):
            w -= gamma * {factor} * g{clip}
{told}    return {result}
'''
