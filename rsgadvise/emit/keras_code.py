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
            parts.imports(plan, "import keras"),
            parts.constants(plan, "rate of keras' Dropout"),
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
        _DECAY if plan.best.decay else "",
        "" if plan.one_stepsize else _layer_sgd(plan),
        _optimizer(plan),
        parts.draw_stop(plan),
        _DRAW_BATCH,
        _train(plan),
        _squared_gradient(plan) if plan.many_runs else "",
        _MAIN_MANY if plan.many_runs else _MAIN_ONE,
    )


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

_MASKS = """\
        # Dropout divides what it keeps by KEEP, which the theory does not: Rescaling
        # undoes it, and leaves KEEP * h, the mean, in evaluation.
        layers += [keras.layers.Dropout(1 - KEEP), keras.layers.Rescaling(KEEP)]
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
        masks = _MASKS.replace("        ", "    ") if plan.masked else ""
        body = f"""\
    inputs, hidden = LAYERS
    layers = [keras.Input((inputs,))]
{masks}    layers += [Tied(hidden, BOX[0])]
"""
    else:
        masks = _MASKS if plan.masked else ""
        dense = 'keras.layers.Dense(units, activation="sigmoid", use_bias=False)'
        loop, layer = "units in LAYERS[1:]", f"        layers.append({dense})\n"
        if plan.boxes:
            loop, layer = "units, bound in zip(LAYERS[1:], BOX)", _BOXED_LAYER
        body = f"""\
    layers = [keras.Input((LAYERS[0],))]
    for {loop}:
{masks}{layer}"""
    return f'''
def make_model():
    """The network, no biases, sigmoid units everywhere."""
{body}    return keras.Sequential(layers)
'''


def _initial_weights(plan: Plan) -> str:
    box = ", clipped to the box" if plan.boxes else ""
    shapes = "[LAYERS]" if plan.tied else "zip(LAYERS, LAYERS[1:])"
    draws = f"[rng.normal(0, d**-0.5, (d, units)) for d, units in {shapes}]"
    if not plan.boxes:
        body = f"    return {draws}"
    else:
        body = f"""\
    draws = {draws}
    return [np.clip(w, -bound, bound) for w, bound in zip(draws, BOX)]"""
    return f'''
def initial_weights(rng):
    """W^1: W_l ~ N(0, 1 / d_(l-1)){box}; keras keeps W_l^T."""
{body}
'''


_LOSS = '''
def squared_error(y, output):
    """Summed over the outputs; keras averages it over the batch, "mse" over both."""
    return keras.ops.sum(keras.ops.square(y - output), axis=-1)
'''

_DECAY = '''
class Decay(keras.optimizers.schedules.LearningRateSchedule):
    """gamma k^-DECAY in iteration k = step + 1."""

    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, step):
        return self.gamma * (keras.ops.cast(step, "float32") + 1) ** -DECAY

    def get_config(self):
        return {"gamma": self.gamma}
'''


def _layer_sgd(plan: Plan) -> str:
    rate = "Decay(1.0)" if plan.best.decay else "1.0"
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
    if plan.one_stepsize:
        rate = "Decay(STEPSIZES[0])" if plan.best.decay else "STEPSIZES[0]"
        body = f"keras.optimizers.SGD({rate})"
    else:
        body = "LayerSGD()"
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
    return '''
def train(x, y, seed):
    """One run: the trained model and R. W^R has seen R - 1 updates."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    stop = draw_stop(rng)
    model = make_model()
    model.set_weights(initial_weights(rng))
    model.compile(optimizer=make_optimizer(), loss=squared_error)
    for _ in range(stop - 1):
        rows = draw_batch(rng, len(x))
        model.train_on_batch(x[rows], y[rows])
    return model, stop
'''


def _squared_gradient(plan: Plan) -> str:
    masks = "; estimated, a mask a row" if plan.masked else ""
    name = "projected gradient" if plan.boxes else "gradient"
    gamma = "(gamma * stop**-DECAY)" if plan.best.decay else "gamma"
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
    return total
'''


_LOADING = """
if __name__ == "__main__":
    x, y = (rows.astype("float32") for rows in load())
"""

_MAIN_ONE = (
    _LOADING
    + """\
    model, stop = train(x, y, SEED)
    loss = model.evaluate(x, y, batch_size=1024, verbose=0)
    print(f"R = {stop:,}, loss {loss:.6g}")
"""
)

_MAIN_MANY = (
    _LOADING
    + """\
    smallest = float("inf")
    for seed in range(SEED, SEED + RUNS):
        candidate, stop = train(x, y, seed)
        loss = candidate.evaluate(x, y, batch_size=1024, verbose=0)
        size = squared_gradient(x, y, candidate, stop)
        print(f"R = {stop:,}, loss {loss:.6g}, squared gradient {size:.6g}")
        if size < smallest:
            smallest, model = size, candidate
"""
)
