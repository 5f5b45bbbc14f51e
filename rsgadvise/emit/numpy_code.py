"""Training in plain numpy, for the targets whose library has no such network."""

from __future__ import annotations

from rsgadvise.emit import parts
from rsgadvise.emit.plan import Plan

__all__ = ["training"]


def training(plan: Plan, *, masked: bool) -> str:
    """The functions sigmoid, drop, gradients, squared_error, draw_stop, draw_batch and train."""
    network = _tied(masked) if plan.tied else _layered(masked)
    return parts.without_empty(
        _SIGMOID,
        _DROP if masked else "",
        *network,
        _squared_error(masked),
        parts.draw_stop(plan, parameter=True),
        _DRAW_BATCH,
        _initial_weights(plan),
        _train(plan, masked),
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
    call = ", keep, rng" if masked else ""
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
def gradients(weights, x, y{call}):
    """Mean over the rows of the gradients of ||y - h^L||^2, one per matrix."""
    signals = forward(weights, x{call})
    error = 2 * (signals[-1] - y) / len(x)
    found = []
    for w, after, before in zip(weights[::-1], signals[:0:-1], signals[-2::-1]):
        error = error * after * (1 - after)
        found.append(error.T @ before)
        error = error @ w
    return found[::-1]
'''
    return forward, gradients


def _tied(masked: bool) -> tuple[str, str]:
    extra = ", keep, rng=None" if masked else ""
    first = "drop(x, keep, rng)" if masked else "x"
    call = ", keep, rng" if masked else ""
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
def gradients(weights, x, y{call}):
    """Mean over the rows of the gradient of ||y - output||^2; W is used twice."""
    (w,) = weights
    inputs, hidden, output = forward(weights, x{call})
    error = 2 * (output - y) / len(x) * output * (1 - output)
    below = error @ w.T * hidden * (1 - hidden)
    return [hidden.T @ error + below.T @ inputs]
'''
    return forward, gradients


def _squared_error(masked: bool) -> str:
    extra = ", keep" if masked else ""
    return f'''
def squared_error(weights, x, y{extra}):
    """The loss: summed over the outputs, averaged over the rows."""
    return float(((forward(weights, x{extra})[-1] - y) ** 2).sum(axis=1).mean())
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


def _train(plan: Plan, masked: bool) -> str:
    box = "boxes, " if plan.boxes else ""
    keep = "keep, " if masked else ""
    start = "shapes, boxes" if plan.boxes else "shapes"
    over = "weights, steps, stepsizes" + (", boxes" if plan.boxes else "")
    names = "w, g, gamma" + (", box" if plan.boxes else "")
    clip = "\n            np.clip(w, -box, box, out=w)" if plan.boxes else ""
    call = ", keep, rng" if masked else ""
    return f'''
def train(x, y, shapes, {box}*, stepsizes, decay, batch_size, iterations, {keep}seed):
    """One run of SGD that is stopped at R: W^R, which has seen R - 1 updates, and R."""
    rng = np.random.default_rng(seed)
    stop = draw_stop(rng, iterations)
    weights = initial_weights(rng, {start})
    for k in range(1, stop):
        rows = draw_batch(rng, len(x), batch_size)
        steps = gradients(weights, x[rows], y[rows]{call})
        for {names} in zip({over}):
            w -= gamma * k**-decay * g{clip}
    return weights, stop
'''
