"""scikit-learn: an estimator in numpy, since MLPRegressor has no sigmoid outputs, no box and no masks."""

from __future__ import annotations

import math

from rsgadvise.emit import parts
from rsgadvise.emit.numpy_code import training
from rsgadvise.emit.plan import Plan, comment, literal

__all__ = ["snippet"]


def snippet(plan: Plan) -> str:
    """The whole file."""
    labels = plan.data is not None and plan.data.labelled and not plan.tied
    mixin = "TransformerMixin" if plan.tied else "ClassifierMixin" if labels else "RegressorMixin"
    top = "\n\n".join(
        [
            parts.header(plan),
            parts.imports(
                plan,
                f"from sklearn.base import BaseEstimator, {mixin}",
                "from sklearn.utils.validation import check_array, check_is_fitted",
            ),
            _stock(plan, labels=labels),
            parts.constants(plan, "a dropout rate"),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan, labels=labels),
        training(plan, masked=plan.masked),
        _squared_gradient(plan),
        _estimator(plan, mixin),
        _main(plan, labels=labels),
    )


def _stock(plan: Plan, *, labels: bool) -> str:
    """What MLPRegressor or MLPClassifier would get, and in what it differs."""
    best = plan.best
    name = "MLPClassifier" if labels else "MLPRegressor"
    hidden = plan.layers[1:] if plan.tied else plan.layers[1:-1]
    rate = max(plan.stepsizes) if labels else 2 * max(plan.stepsizes)
    epochs = "ceil(N B / rows)" if best.epochs is None else f"{math.ceil(best.epochs):_}"
    sizes = "(" + ", ".join(map(str, hidden)) + ("," if len(hidden) == 1 else "") + ")"
    arguments = [
        f"hidden_layer_sizes={sizes}",
        'activation="logistic"',
        'solver="sgd"',
        "alpha=0",
        f"batch_size={literal(best.batch_size)}",
        f"learning_rate_init={rate:.6g}",
        "momentum=0",
        f"max_iter={epochs}",
        "tol=0",
        f"n_iter_no_change={epochs}",
    ]
    differences = ["it has biases", "shuffles the rows instead of drawing them with replacement"]
    if labels:
        differences.insert(0, "it has softmax outputs and log loss, for which the bound says nothing")
    else:
        differences.insert(0, "its outputs are linear, not sigmoid")
    if plan.boxes:
        differences.append("keeps no box")
    if plan.masked:
        differences.append("drops no units")
    if plan.tied:
        differences.append("ties no weights")
    if not plan.one_stepsize:
        differences.append("has one stepsize for all layers (the largest is shown)")
    if best.decay:
        differences.append(
            'lets its stepsize decay once per epoch, if at all (learning_rate="invscaling", in rows seen)'
        )
    differences.append("returns its last weights, not those of a random R")
    text = f"The stock {name}({', '.join(arguments)}) is another method: {', '.join(differences)}."
    if not labels:
        text += " Its loss has a factor 1/2, hence learning_rate_init = 2 gamma."
    return comment(text)


def _estimator(plan: Plan, mixin: str) -> str:
    masked, boxed = plan.masked, bool(plan.boxes)
    hidden = plan.layers[1:] if plan.tied else plan.layers[1:-1]
    parameters = [
        f"hidden=({', '.join(map(str, hidden))}{',' if len(hidden) == 1 else ''})",
        "stepsizes=STEPSIZES",
        f"decay={'DECAY' if plan.best.decay else '0.0'}",
        "batch_size=BATCH",
        "iterations=ITERATIONS",
    ]
    parameters += ["keep_prob=KEEP"] if masked else []
    parameters += ["boxes=BOX"] if boxed else []
    parameters += [f"runs={'RUNS' if plan.many_runs else '1'}", "random_state=SEED"]
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
    """Sigmoid network without biases, trained by randomly stopped SGD.

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
    box = "                boxes,\n" if plan.boxes else ""
    boxes = "        boxes = np.broadcast_to(self.boxes, len(shapes))\n" if plan.boxes else ""
    keep_line = "                keep=self.keep_prob,\n" if plan.masked else ""
    arguments = ["weights", "X", "Y"]
    if plan.boxes:
        arguments += ["stepsizes * stop**-self.decay", "boxes"]
    if plan.masked:
        arguments += ["self.keep_prob", "np.random.default_rng(seed)"]
    listed = "".join(f"                {argument},\n" for argument in arguments)
    return f"""\
{opening}        stepsizes = np.broadcast_to(self.stepsizes, len(shapes))
{boxes}        smallest = np.inf
        for seed in np.random.SeedSequence(self.random_state).spawn(self.runs):
            weights, stop = train(
                X,
                Y,
                shapes,
{box}\
                stepsizes=stepsizes,
                decay=self.decay,
                batch_size=self.batch_size,
                iterations=self.iterations,
{keep_line}                seed=seed,
            )
            # Of several runs the one with the smallest gradient over all rows is kept.
            size = squared_gradient(
{listed}            )
            if size < smallest:
                smallest, self.weights_, self.stop_ = size, weights, stop
        self.n_features_in_ = X.shape[1]
        self.loss_ = squared_error(self.weights_, X, Y{keep})
        return self
"""


def _squared_gradient(plan: Plan) -> str:
    keep = ", keep, rng" if plan.masked else ""
    masks = "; estimated, a mask a row" if plan.masked else ""
    if not plan.boxes:
        return f'''
def squared_gradient(weights, x, y{keep}):
    """Squared norm of the gradient over all rows{masks}."""
    return sum((g**2).sum() for g in gradients(weights, x, y{keep}))
'''
    return f'''
def squared_gradient(weights, x, y, stepsizes, boxes{keep}):
    """Squared norm of the projected gradient over all rows{masks}."""
    found, total = gradients(weights, x, y{keep}), 0.0
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
        return -float(((self.predict(X) - X) ** 2).sum(axis=1).mean())
'''
    if mixin == "ClassifierMixin":
        return f"""{outputs}
    def predict(self, X):
        return self.classes_[self._signals(X)[-1].argmax(axis=1)]
"""
    return f"""{outputs}
    def predict(self, X):
        output = self._signals(X)[-1]
        return output.ravel() if self.flat_ else output
"""


def _main(plan: Plan, *, labels: bool) -> str:
    fit = "fit(x)" if plan.tied else "fit(x, y)"
    load = "x, _ = load()" if plan.tied else "x, y = load()"
    score = ', accuracy {model.score(x, y):.4g}"' if labels else '"'
    return f"""
if __name__ == "__main__":
    {load}
    model = SigmoidNetwork().{fit}
    print(f"R = {{model.stop_:,}}, loss {{model.loss_:.6g}}{score.replace("{{", "{")})
"""
