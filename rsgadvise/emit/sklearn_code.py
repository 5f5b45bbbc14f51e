"""scikit-learn: an estimator in numpy, since its own MLPs have no sigmoid outputs, no box and no masks; and
those beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rsgadvise.emit import parts
from rsgadvise.emit.numpy_code import training
from rsgadvise.emit.plan import Plan, call, docstring, literal

__all__ = ["snippet"]


def snippet(plan: Plan) -> str:
    """The whole file."""
    labels = plan.data is not None and plan.data.labelled and not plan.tied
    mixin = "TransformerMixin" if plan.tied else "ClassifierMixin" if labels else "RegressorMixin"
    top = "\n\n".join(
        [
            parts.header(plan),
            "import warnings",
            parts.imports(
                plan,
                f"from sklearn.base import BaseEstimator, {mixin}",
                "from sklearn.exceptions import ConvergenceWarning",
                f"from sklearn.neural_network import {_stock_name(labels)}",
                "from sklearn.utils.validation import check_array, check_is_fitted",
            ),
            parts.constants(plan, "a dropout rate"),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan, labels=labels),
        training(plan, masked=plan.masked, verbose=True),
        "" if plan.to_the_end else _squared_gradient(plan),
        _estimator(plan, mixin),
        _stock(plan, labels=labels),
        parts.SPLIT,
        parts.report(plan),
        _main(plan, labels=labels),
    )


def _stock_name(labels: bool) -> str:
    return "MLPClassifier" if labels else "MLPRegressor"


_CURVATURE = 0.154059
"""Largest second derivative of (y - sigma(s))^2 by s."""


@dataclass(frozen=True, slots=True)
class _Stock:
    """What scikit-learn's own estimator has in place of squared sigmoid outputs.

    Attributes:
        loss: in words.
        curvature: its largest second derivative by what enters the output units.
    """

    loss: str
    curvature: float

    @staticmethod
    def of(plan: Plan, labels: bool) -> _Stock:
        if not labels:
            return _Stock("Half the squared error of linear outputs", 1.0)
        if plan.layers[-1] == 2:
            return _Stock("Log loss of one logistic output", 0.25)
        return _Stock("Log loss of softmax outputs", 0.5)


def _stock(plan: Plan, *, labels: bool) -> str:
    """The function that makes an MLPRegressor or MLPClassifier, and in what it differs."""
    train, name, other = plan.train, _stock_name(labels), _Stock.of(plan, labels)
    hidden = plan.layers[1:] if plan.tied else plan.layers[1:-1]
    differences = [f"{other.loss}, of which the bounds say nothing", "biases", "shuffled rows"]
    differences += ["no box"] if plan.boxes else []
    differences += ["no dropout"] if plan.masked else []
    differences += ["a matrix of its own for the way back"] if plan.tied else []
    differences += ["no decay of the stepsize"] if train.decay else []
    differences += ["a constant stepsize"] if train.cooldown else []
    differences += [] if plan.to_the_end else ["the last weights, not those of a random R"]
    differences[-1] += "."
    rate, why = _rate(plan, other, linear=not labels)
    rows = _rows(plan)
    there = rows if plan.data is not None else min(rows, parts.PLACEHOLDER_ROWS)
    training_rows = max(1, there - there // 5)
    batch = _whole_batches(train.batch_size, training_rows)
    if batch != train.batch_size:
        why += f" batch_size is near the advised {train.batch_size:,} and leaves no small last batch"
        why += "." if batch < training_rows else ", or all of the rows."
    epochs = math.ceil(train.iterations * train.batch_size / rows)
    arguments = [
        f"hidden_layer_sizes=({', '.join(map(str, hidden))}{',' if len(hidden) == 1 else ''})",
        'activation="logistic"',
        'solver="sgd"',
        "alpha=0",
        f"batch_size={literal(batch)}",
        f"learning_rate_init={rate:.4g}",
        "momentum=0",
        "nesterovs_momentum=False",
        f"max_iter={literal(epochs)}",
        "tol=0",
        f"n_iter_no_change={literal(epochs)}",
        "random_state=SEED",
    ]
    about = docstring(f"The {name} of scikit-learn: another method.", f"{'; '.join(differences)}\n{why}")
    return f"def stock():\n{about}{call(f'return {name}', arguments, '', '    ')}"


def _rate(plan: Plan, other: _Stock, *, linear: bool) -> tuple[float, str]:
    """learning_rate_init, and why: there is no stepsize that makes the two the same."""
    gamma = plan.train.common_stepsize
    rate = gamma * _CURVATURE / other.curvature
    # On one row a linear output moves by rate ||[h; 1]||^2 times its error; beyond 2 it runs away.
    largest = 1 / (1 + _entering(plan))
    if linear and rate > largest:
        return largest, (
            "learning_rate_init is 1 over 1 plus the mean squared norm of what enters the last layer, about "
            f"{1 / largest:.3g}: linear outputs overshoot beyond, where sigmoid ones bear {gamma:.4g}. A "
            "place to start from."
        )
    one = "stepsize" if plan.one_stepsize else "one stepsize for all layers,"
    return rate, (
        f"learning_rate_init is the {one} {gamma:.4g} times {_CURVATURE:.3g} / {other.curvature:g}, the "
        "largest curvatures of the two losses in their outputs: about as stable, and a place to start from."
    )


def _entering(plan: Plan) -> float:
    """Mean squared norm of what enters the last layer; sigmoid units are near 1/2."""
    if plan.tied or len(plan.layers) > 2:
        return plan.layers[-1 if plan.tied else -2] / 4
    if plan.data is not None and plan.data.squared_norm is not None:
        return plan.data.squared_norm
    data = plan.spec.data
    largest = data.second_moment if data.second_moment is not None else data.mean
    return plan.layers[0] * (1.0 if largest is None else largest)


def _whole_batches(wanted: int, rows: int) -> int:
    """The batch size next to the wanted one whose last batch of an epoch is at least half as large.

    A last batch of one or two rows would be a step of the full length towards these alone.
    """
    wanted = min(wanted, rows)
    sizes = range(max(1, wanted // 2), min(rows, 2 * wanted) + 1)
    whole = [size for size in sizes if rows % size == 0 or 2 * (rows % size) >= size]
    return min(whole, key=lambda size: abs(size - wanted))


def _rows(plan: Plan) -> int:
    """Rows of the data, or of what stands in for them."""
    if plan.data is not None and plan.data.rows is not None:
        return plan.data.rows
    return plan.spec.data.samples or parts.PLACEHOLDER_ROWS


def _estimator(plan: Plan, mixin: str) -> str:
    masked, boxed = plan.masked, bool(plan.boxes)
    hidden = plan.layers[1:] if plan.tied else plan.layers[1:-1]
    parameters = [
        f"hidden=({', '.join(map(str, hidden))}{',' if len(hidden) == 1 else ''})",
        "stepsizes=STEPSIZES",
        "cooldown=COOLDOWN" if plan.to_the_end else f"decay={'DECAY' if plan.train.decay else '0.0'}",
        "batch_size=BATCH",
        "iterations=ITERATIONS",
    ]
    parameters += ["keep_prob=KEEP"] if masked else []
    parameters += ["boxes=BOX"] if boxed else []
    parameters += [] if plan.to_the_end else [f"runs={'RUNS' if plan.many_runs else '1'}"]
    parameters += ["random_state=SEED", "verbose=False"]
    names = [parameter.partition("=")[0] for parameter in parameters]
    listed = "".join(f"        {parameter},\n" for parameter in parameters)
    kept = "".join(f"        self.{name} = {name}\n" for name in names)
    about = {
        "TransformerMixin": "transform gives hidden units, predict the reconstruction",
        "ClassifierMixin": "one output per class, and the largest is predicted",
        "RegressorMixin": "so do the targets",
    }[mixin]
    return f'''
class SigmoidNetwork({mixin}, BaseEstimator):
    """Sigmoid network without biases, trained by {"" if plan.to_the_end else "randomly stopped "}SGD.

    Inputs lie in [0, 1]; {about}.
    stepsizes{" and boxes" if boxed else ""}: one number, or one per matrix.
    """

    def __init__(
        self,
        *,
{listed}    ):
{kept}
{_fit(plan, mixin)}
{_methods(plan, mixin)}'''


def _fit(plan: Plan, mixin: str) -> str:
    keep = ", self.keep_prob" if plan.masked else ""
    if mixin == "TransformerMixin":
        opening = """\
    def fit(self, X, y=None):
        X = Y = check_array(X, dtype=np.float64)
        shapes = [(*self.hidden, X.shape[1])]
"""
    else:
        encode = """\
        Y = check_array(y, dtype=np.float64, ensure_2d=False)
        self.flat_ = Y.ndim == 1
        Y = Y.reshape(len(X), -1)
"""
        if mixin == "ClassifierMixin":
            encode = """\
        self.classes_, places = np.unique(y, return_inverse=True)
        Y = np.eye(len(self.classes_))[places]
"""
        opening = f"""\
    def fit(self, X, y):
        X = check_array(X, dtype=np.float64)
{encode}        layers = (X.shape[1], *self.hidden, Y.shape[1])
        shapes = list(zip(layers[1:], layers))
"""
    boxes = "        boxes = np.broadcast_to(self.boxes, len(shapes))\n" if plan.boxes else ""
    slowing = "cooldown" if plan.to_the_end else "decay"
    given = ["X", "Y", "shapes", *(["boxes"] if plan.boxes else []), "stepsizes=stepsizes"]
    given += [f"{name}=self.{name}" for name in (slowing, "batch_size", "iterations")]
    given += ["keep=self.keep_prob"] if plan.masked else []
    if plan.to_the_end:
        given += ["seed=self.random_state", "verbose=self.verbose"]
        training = call("self.weights_ = train", given, "", " " * 8)
    else:
        given += ["seed=seed", "verbose=self.verbose"]
        training = _best_of_runs(plan, call("weights, stop = train", given, "", " " * 12))
    return f"""\
{opening}        stepsizes = np.broadcast_to(self.stepsizes, len(shapes))
{boxes}{training}\
        self.n_features_in_ = X.shape[1]
        self.loss_ = squared_error(Y, forward(self.weights_, X{keep})[-1])
        return self
"""


def _best_of_runs(plan: Plan, training: str) -> str:
    arguments = ["weights", "X", "Y"]
    if plan.boxes:
        arguments += ["stepsizes * stop**-self.decay", "boxes"]
    if plan.masked:
        arguments += ["self.keep_prob", "np.random.default_rng(seed)"]
    listed = "".join(f"                {argument},\n" for argument in arguments)
    return f"""\
        smallest = np.inf
        for seed in np.random.SeedSequence(self.random_state).spawn(self.runs):
{training}\
            # Of several runs the one with the smallest gradient over all rows is kept.
            size = squared_gradient(
{listed}            )
            if size < smallest:
                smallest, self.weights_, self.stop_ = size, weights, stop
"""


def _squared_gradient(plan: Plan) -> str:
    keep = ", keep, rng" if plan.masked else ""
    masks = "; estimated, a mask a row" if plan.masked else ""
    if not plan.boxes:
        return f'''
def squared_gradient(weights, x, y{keep}):
    """Squared norm of the gradient over all rows{masks}."""
    return sum((g**2).sum() for g in gradients(weights, x, y{keep})[1])
'''
    return f'''
def squared_gradient(weights, x, y, stepsizes, boxes{keep}):
    """Squared norm of the projected gradient over all rows{masks}."""
    _, found = gradients(weights, x, y{keep})
    total = 0.0
    for w, g, gamma, box in zip(weights, found, stepsizes, boxes):
        total += (np.clip(g, (w - box) / gamma, (w + box) / gamma) ** 2).sum()
    return total
'''


def _methods(plan: Plan, mixin: str) -> str:
    keep = ", self.keep_prob" if plan.masked else ""
    outputs = f"""\
    def _signals(self, X):
        check_is_fitted(self, "weights_")
        X = check_array(X, dtype=np.float64)
        return forward(self.weights_, X{keep})
"""
    if mixin == "TransformerMixin":
        return f'''{outputs}
    def transform(self, X):
        return self._signals(X)[1]

    def predict(self, X):
        return self._signals(X)[-1]

    def score(self, X, y=None):
        """Minus the loss, so that larger is better."""
        X = check_array(X, dtype=np.float64)
        return -squared_error(X, self.predict(X))
'''
    if mixin == "ClassifierMixin":
        return f'''{outputs}
    def outputs(self, X):
        """One per class; they need not sum to 1."""
        return self._signals(X)[-1]

    def predict(self, X):
        return self.classes_[self.outputs(X).argmax(axis=1)]
'''
    return f"""{outputs}
    def predict(self, X):
        output = self._signals(X)[-1]
        return output.ravel() if self.flat_ else output
"""


def _main(plan: Plan, *, labels: bool) -> str:
    name = _stock_name(labels)
    load, fitted, target, own, its = "x, y = load()", "x[rows], y[rows]", "y", "predict", "predict"
    encode = ""
    if plan.tied:
        load, fitted, target = "x, _ = load()", "x[rows]", "x"
    elif labels:
        own, its = "outputs", "predict_proba"
        encode = "    y = (y[:, None] == model.classes_).astype(float)  # one-hot\n"
    its_target = {True: "x[rows], x[rows]"}.get(plan.tied, fitted)
    flat = not labels and not plan.tied and plan.layers[-1] == 1
    if flat:
        its_target = "x[rows], y[rows].ravel()"
    column = ".reshape(len(x), -1)" if flat else ""
    stopped = "" if plan.to_the_end else '    print(f"R = {model.stop_:,} of N = {ITERATIONS:,}")\n'
    return f"""
if __name__ == "__main__":
    {load}
    rows, held_out = split(len(x))
    model = SigmoidNetwork(verbose=True).fit({fitted})
{stopped}    with warnings.catch_warnings():
        # It warns where max_iter ends the training, as it is meant to.
        warnings.simplefilter("ignore", ConvergenceWarning)
        other = stock().fit({its_target})
{encode}    mean = {target}[rows].mean(axis=0)
    found = {{
        "{name}": other.{its}(x){column},
        "SigmoidNetwork": model.{own}(x),
    }}
    for name, output in found.items():
        print(name)
        report("training", {target}[rows], output[rows], mean)
        report("held-out", {target}[held_out], output[held_out], mean)
"""
