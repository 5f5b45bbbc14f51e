"""Keras 3: layers, a constraint for the box, an optimizer of its own where stepsizes differ by layer."""

from __future__ import annotations

from rsgadvise.emit import parts
from rsgadvise.emit.plan import Plan

__all__ = ["snippet"]


def snippet(plan: Plan) -> str:
    """The whole file."""
    top = "\n\n".join(
        [
            parts.header(plan),
            _BACKEND,
            parts.imports(plan, "import keras"),
            parts.constants(plan, "rate of keras' Dropout", native=True),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan),
        _BOX if plan.boxes else "",
        _AUTOENCODER if plan.tied else "",
        _make_model(plan),
        _initial_weights(plan),
        _LOSS,
        _schedule(plan) if plan.slowing else "",
        "" if plan.one_stepsize else _layer_sgd(plan),
        _optimizer(plan),
        "" if plan.to_the_end else parts.draw_stop(plan),
        _DRAW_BATCH,
        parts.SHOW,
        _train(plan),
        _squared_gradient(plan) if plan.many_runs else "",
        parts.SPLIT,
        parts.report(plan),
        _main(plan),
    )


_BACKEND = """\
import os

# The backend that the extra `integrations` brings; tensorflow and jax do as well.
os.environ.setdefault("KERAS_BACKEND", "torch")
"""

_BOX = '''
class Box(keras.constraints.Constraint):
    """Projection of every weight onto [-bound, bound], after each step."""

    def __init__(self, bound):
        self.bound = bound

    def __call__(self, w):
        return keras.ops.clip(w, -self.bound, self.bound)

    def get_config(self):
        return {"bound": self.bound}
'''

_AUTOENCODER = '''
class Tied(keras.layers.Layer):
    """sigma(W^T sigma(W x)); the kernel, (d_x, d_h), is W^T."""

    def __init__(self, hidden, bound):
        super().__init__()
        self.hidden, self.bound = hidden, bound

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], self.hidden), name="kernel", constraint=Box(self.bound)
        )

    def call(self, x):
        hidden = keras.ops.sigmoid(keras.ops.matmul(x, self.kernel))
        back = keras.ops.transpose(self.kernel)
        return keras.ops.sigmoid(keras.ops.matmul(hidden, back))
'''

_MASKED_INPUT = """\
    # Dropout divides what it keeps by KEEP, which the theory does not: undo it.
    layers += [keras.layers.Dropout(1 - KEEP), keras.layers.Rescaling(KEEP)]
"""

_DROPOUT = """\
        layers.append(keras.layers.Dropout(1 - KEEP))
"""


_BOXED_LAYER = """\
        dense = keras.layers.Dense(
            units,
            activation="sigmoid",
            use_bias=False,
            kernel_constraint=Box(bound),
        )
        layers.append(dense)
"""


def _make_model(plan: Plan) -> str:
    if plan.tied:
        body = f"""\
    inputs, hidden = LAYERS
    layers = [keras.Input((inputs,))]
{_MASKED_INPUT if plan.masked else ""}    layers += [Tied(hidden, BOX[0])]
"""
    else:
        dense = 'keras.layers.Dense(units, activation="sigmoid", use_bias=False)'
        loop, layer = "units in LAYERS[1:]", f"        layers.append({dense})\n"
        if plan.boxes:
            loop, layer = "units, bound in zip(LAYERS[1:], BOX)", _BOXED_LAYER
        body = f"""\
    layers = [keras.Input((LAYERS[0],))]
    for {loop}:
{_DROPOUT if plan.masked else ""}{layer}"""
    return f'''
def make_model():
    """The network, no biases, sigmoid units everywhere."""
{body}    return keras.Sequential(layers)
'''


def _initial_weights(plan: Plan) -> str:
    box = ", clipped to the box" if plan.boxes else ""
    scale = "KEEP * " if plan.rescaled else ""
    weights = "W_l / KEEP" if plan.rescaled else "W_l"
    pairs = "[LAYERS]" if plan.tied else "zip(LAYERS, LAYERS[1:])"
    drawn = f"rng.normal(0, {scale}d**-0.5, (d, units))"
    body = f"    return [{drawn} for d, units in {pairs}]"
    if plan.boxes:
        body = f"""\
    draws = []
    for bound, (d, units) in zip(BOX, {pairs}):
        draws.append(np.clip({drawn}, -bound, bound))
    return draws"""
    return f'''
def initial_weights(rng):
    """W^1: {weights} ~ N(0, 1 / d_(l-1)){box}; keras keeps W_l^T."""
{body}
'''


_LOSS = '''
def squared_error(y, output):
    """Summed over the outputs; keras averages it over the batch, "mse" over both."""
    return keras.ops.sum(keras.ops.square(y - output), axis=-1)
'''


def _schedule(plan: Plan) -> str:
    if plan.train.decay:
        about = "gamma k^-DECAY in iteration k = step + 1."
        value = "self.gamma * k**-DECAY"
    else:
        about = "gamma, falling linearly to 0 in the last share COOLDOWN of the iterations."
        value = "self.gamma * keras.ops.minimum(1.0, (ITERATIONS + 1 - k) / (COOLDOWN * ITERATIONS + 1))"
    return f'''
class {plan.slowing.capitalize()}(keras.optimizers.schedules.LearningRateSchedule):
    """{about}"""

    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, step):
        k = keras.ops.cast(step, keras.config.floatx()) + 1
        return {value}

    def get_config(self):
        return {{"gamma": self.gamma}}
'''


def _rate(plan: Plan, gamma: str) -> str:
    return f"{plan.slowing.capitalize()}({gamma})" if plan.slowing else gamma


def _layer_sgd(plan: Plan) -> str:
    rate = _rate(plan, "1.0")
    return f'''
class LayerSGD(keras.optimizers.SGD):
    """Plain SGD in which every matrix has a stepsize of its own."""

    def __init__(self):
        super().__init__({rate})

    def apply(self, grads, trainable_variables=None):
        scaled = [gamma * grad for gamma, grad in zip(STEPSIZES, grads)]
        super().apply(scaled, trainable_variables)
'''


def _optimizer(plan: Plan) -> str:
    rate = _rate(plan, "STEPSIZES[0]")
    body = f"keras.optimizers.SGD({rate})" if plan.one_stepsize else "LayerSGD()"
    return f'''
def make_optimizer():
    """Plain SGD: no momentum."""
    return {body}
'''


_DRAW_BATCH = '''
def draw_batch(rng, rows):
    """Indices of one mini-batch, drawn with replacement."""
    return rng.integers(rows, size=BATCH)
'''


def _train(plan: Plan) -> str:
    about, draw = "the trained model and R. W^R has seen R - 1 updates", "    stop = draw_stop(rng)\n"
    result, (after, last) = "model, stop", plan.loop()
    if plan.to_the_end:
        about, draw, result = "the trained model", "", "model"
    return f'''
def train(x, y, seed):
    """One run: {about}."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
{draw}    model = make_model()
    model.set_weights(initial_weights(rng))
    model.compile(optimizer=make_optimizer(), loss=squared_error)
    losses = []
    for k in range(1, {after}):
        rows = draw_batch(rng, len(x))
        model.reset_metrics()  # else the loss is the mean of all batches so far
        losses.append(float(model.train_on_batch(x[rows], y[rows])))
        show(k, {last}, losses)
    return {result}
'''


def _squared_gradient(plan: Plan) -> str:
    masks = "; estimated, a mask a row" if plan.masked else ""
    name = "projected gradient" if plan.boxes else "gradient"
    gamma = "(gamma * stop**-DECAY)" if plan.train.decay else "gamma"
    scale = "KEEP**2 * " if plan.rescaled else ""
    note = "  # by W, of which the weights are KEEP times" if plan.rescaled else ""
    sizes = "STEPSIZES * len(before)" if plan.one_stepsize else "STEPSIZES"
    return f'''
def squared_gradient(x, y, model, stop):
    """Squared norm of the {name} over all rows{masks}."""
    before = model.get_weights()
    model.train_on_batch(x, y)  # one more step moves W by -gamma_R times that gradient
    after = model.get_weights()
    model.set_weights(before)
    total = 0.0
    for a, b, gamma in zip(before, after, {sizes}):
        step = (a.astype(np.float64) - b) / {gamma}
        total += float((step**2).sum())
    return {scale}total{note}
'''


def _main(plan: Plan) -> str:
    if plan.to_the_end:
        training = """\
    model = train(x[rows], y[rows], SEED)
"""
    elif not plan.many_runs:
        training = """\
    model, stop = train(x[rows], y[rows], SEED)
    print(f"R = {stop:,} of N = {ITERATIONS:,}")
"""
    else:
        training = """\
    smallest = float("inf")
    for seed in range(SEED, SEED + RUNS):
        candidate, stop = train(x[rows], y[rows], seed)
        size = squared_gradient(x[rows], y[rows], candidate, stop)
        print(f"R = {stop:,} of N = {ITERATIONS:,}, squared gradient {size:.4g}")
        if size < smallest:
            smallest, model = size, candidate
"""
    return f"""
if __name__ == "__main__":
    print(f"keras {{keras.__version__}} on {{keras.backend.backend()}}")
    x, y = (rows.astype("float32") for rows in load())
    rows, held_out = split(len(x))
{training}    output, mean = model.predict(x, batch_size=1024, verbose=0), y[rows].mean(axis=0)
    report("training", y[rows], output[rows], mean)
    report("held-out", y[held_out], output[held_out], mean)
"""
