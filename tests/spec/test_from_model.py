"""Specs of models that exist, and what is refused or left out."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from rsgadvise.advise.recommend import recommend
from rsgadvise.errors import SpecError
from rsgadvise.spec import Data, Spec, from_model
from rsgadvise.training.networks import Kernel, Network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(name="nn")
def _nn() -> Any:
    return pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'").nn


@pytest.fixture(name="mlp")
def _mlp() -> Any:
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'rsgadvise[integrations]'")
    from sklearn import neural_network

    return neural_network


def silent(model: Any, **options: Any) -> Spec:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Keras on its torch backend, reading its own weights with numpy 2.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return from_model(model, **options)


def refused(model: Any, **options: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SpecError) as caught:
            from_model(model, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("<model>: ")
    assert "; got " in message or "unknown key" in message
    return message


def linear(nn: Any, before: int, after: int) -> Any:
    return nn.Linear(before, after, bias=False)


def test_one_layer(nn: Any) -> None:
    model = nn.Sequential(nn.Flatten(), linear(nn, 6, 3), nn.Sigmoid())
    spec = silent(model)
    assert (spec.network.kind, spec.network.layers) == ("single_layer", (6, 3))
    boxed = silent(model, weight_bound=0.2)
    assert (boxed.network.kind, boxed.network.weight_bounds) == ("multilayer", (0.2,))
    assert recommend(spec).recommendations


def test_layers_and_the_box(nn: Any) -> None:
    model = nn.Sequential(
        nn.Sequential(linear(nn, 6, 5), nn.Sigmoid(), nn.Identity()), linear(nn, 5, 3), nn.Sigmoid()
    )
    spec = silent(model, data={"mean": 0.2, "samples": 100})
    assert (spec.network.kind, spec.network.layers) == ("multilayer", (6, 5, 3))
    assert (spec.network.weight_bound, spec.network.weight_bounds) == (None, (5, 5))
    assert (spec.training.keep_prob, spec.training.optimizer, spec.budget) == (1, None, None)
    assert (spec.data.mean, spec.data.samples) == (0.2, 100)
    assert silent(model, data=Data(mean=0.2), weight_bound=[0.1, 0.3]).network.weight_bounds == (0.1, 0.3)
    assert recommend(spec).recommendations
    nn.init.constant_(model[1].weight, -7.0)
    assert silent(model).network.weight_bounds == (5, 7)


def test_an_optimizer_is_told(nn: Any) -> None:
    model = nn.Sequential(linear(nn, 6, 3), nn.Sigmoid())
    chosen = silent(model, optimizer={"name": "adam", "eps": 1e-6}).training.chosen_optimizer
    assert (chosen.name, chosen.settings["eps"]) == ("adam", 1e-6)
    assert "training.optimizer: must be" in refused(model, optimizer="lion")


UNITS = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "gelu": "GELU",
    "silu": "SiLU",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
}


def engine_loss(spec: Spec, weights: Sequence[Any], x: Any, y: Any) -> float:
    """Mean loss of the network of a spec; a row of weights for each unit, its bias last."""
    given = spec.network
    network = Network(
        given.kind, given.layers, given.weight_bounds, 1.0, given.activations, given.loss, given.bias
    )
    kernel = Kernel(network, replicas=1, rows=len(x), dtype=np.dtype(float))
    kernel.inputs[0], kernel.targets[0] = x, y
    losses = np.zeros(1)
    kernel.gradient([np.asarray(w, dtype=float)[None] for w in weights], scale=1.0, losses=losses)
    return float(losses[0]) / len(x)


X = np.random.default_rng(0).uniform(0, 1, (40, 6))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
ONE_HOT = np.eye(3)[LABELS]
ENDS: dict[tuple[str, str | None], str] = {
    # what ends a model, and the loss that is told: that of torch, of the model's outputs
    ("", "cross_entropy"): "cross_entropy",
    ("", "binary_cross_entropy"): "binary_cross_entropy_with_logits",
    ("", "squared_linear"): "mse_loss",
    ("Sigmoid", None): "mse_loss",
    ("Sigmoid", "squared"): "mse_loss",
    ("Sigmoid", "binary_cross_entropy"): "binary_cross_entropy",
    ("Softmax", None): "nll_loss",
    ("LogSoftmax", "cross_entropy"): "nll_loss",
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("units", [(name,) * 2 for name in UNITS] + [("tanh", "relu")])
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_the_spec_computes_what_the_torch_model_does(
    nn: Any, end: tuple[str, str | None], units: tuple[str, ...], bias: bool
) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    first, second = (getattr(nn, UNITS[unit])() for unit in units)
    last = [getattr(nn, end[0])(**({"dim": 1} if "max" in end[0] else {}))] if end[0] else []
    sizes = ((6, 5), (5, 4), (4, 3))
    layers = [nn.Linear(*size, bias=bias, dtype=torch.float64) for size in sizes]
    model = nn.Sequential(nn.Flatten(), layers[0], first, layers[1], second, layers[2], *last)
    spec = silent(model, loss=end[1])
    assert spec.network.activations == units
    with torch.no_grad():
        output = model(torch.tensor(X))
    output = output.log() if end[0] == "Softmax" else output
    targets = torch.tensor(LABELS if ENDS[end] == "nll_loss" else ONE_HOT)
    own = float(getattr(nn.functional, ENDS[end])(output, targets, reduction="sum")) / 40
    weights = [
        np.hstack([p.detach().numpy().reshape(len(p), -1) for p in layer.parameters()]) for layer in layers
    ]
    assert engine_loss(spec, weights, X, ONE_HOT) == pytest.approx(own, rel=1e-9)


def test_dropout_is_the_theorys_with_larger_weights(nn: Any) -> None:
    """The scaled masks of the model are the theory's plain ones with weights W / keep_prob."""
    torch = pytest.importorskip("torch")
    model = nn.Sequential(
        nn.Dropout(0.3), linear(nn, 6, 5), nn.Sigmoid(), nn.Dropout(0.3), linear(nn, 5, 3), nn.Sigmoid()
    )
    spec = silent(model)
    keep = spec.training.keep_prob or 0.0
    assert keep == pytest.approx(0.7)
    weights = [model[place].weight.detach().numpy().astype(float)[None] / keep for place in (1, 4)]
    assert spec.network.weight_bound is None
    with torch.no_grad():
        model[1].weight[0, 0] = 4.0
    assert silent(model).network.weight_bounds == pytest.approx((4 / 0.7, 5))
    weights[0][0, 0, 0] = 4 / keep
    masks: list[Any] = []
    for place in (0, 3):
        model[place].register_forward_hook(lambda _m, _i, out: masks.append((out != 0).numpy()))
    x = np.random.default_rng(0).uniform(0.1, 1, (40, 6))
    with torch.no_grad():
        output = model.train()(torch.tensor(x, dtype=torch.float32)).numpy()
    network = Network("multilayer", (6, 5, 3), spec.network.weight_bounds, keep)
    kernel = Kernel(network, replicas=1, rows=40, dtype=np.dtype(float))
    kernel.inputs[0], kernel.targets[0] = x, 0.0
    for mask, drawn in zip(kernel.masks, masks, strict=True):
        mask[0] = drawn
    losses = np.zeros(1)
    kernel.gradient(weights, scale=1.0, losses=losses)
    assert float(losses[0]) == pytest.approx(float((output**2).sum()), rel=1e-5)


def test_what_is_no_network_of_a_spec(nn: Any) -> None:
    def two(*between: Any) -> Any:
        return nn.Sequential(linear(nn, 6, 5), *between, linear(nn, 5, 3), nn.Sigmoid())

    class Doubled(nn.ReLU):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return 2 * super().forward(x)

    names = "GELU, LeakyReLU, ReLU, SiLU, Sigmoid, Softplus, Tanh"
    units = f"model[1]: must be the end, or units after a Linear as a spec has them ({names}); got "
    other = (
        "; recommend(model=...) and --model take any torch.nn.Module, and none of keras: write it in torch"
    )
    assert silent(two(nn.ReLU(inplace=True))).network.activation == "relu"
    for module, shown in (
        (nn.ELU(), "'ELU'"),
        (nn.GELU("tanh"), "\"GELU(approximate='tanh')\""),
        (nn.LeakyReLU(0.2), "'LeakyReLU(negative_slope=0.2)'"),
        (nn.Softplus(beta=2.0), "'Softplus(beta=2.0, threshold=20.0)'"),
        (nn.Dropout(0.5), "'Dropout'"),
        (nn.Softmax(dim=0), "'Softmax'"),
        (Doubled(), "'Doubled'"),
        (nn.Conv1d(1, 1, 1), "'Conv1d'"),
    ):
        assert refused(two(module)).removeprefix("<model>: ") == units + shown + other
    assert units + "'Linear'" in refused(two())
    assert "model[2]: must be the end of the model; got 'Linear'" in refused(two(nn.Softmax(dim=1)))
    assert "model[2]: must be a Linear, or Dropout before one; got" in refused(
        two(nn.Sigmoid(), nn.BatchNorm1d(5))
    )
    assert "got p = 0, 0.5" in refused(two(nn.Sigmoid(), nn.Dropout(0.5)))
    assert "must be a Linear; got 'Dropout'" in refused(two(nn.Sigmoid(), nn.Dropout(0.5), nn.Dropout(0.5)))
    assert "model: must have a Linear; got none" in refused(nn.Sequential())
    last = nn.Sequential(linear(nn, 6, 3), nn.Sigmoid(), nn.Dropout(0.2))
    assert "must drop no outputs; got Dropout(0.2)" in refused(last)
    all_gone = nn.Sequential(nn.Dropout(1.0), linear(nn, 6, 3), nn.Sigmoid())
    assert "must keep some units; got Dropout(1)" in refused(all_gone)
    misfit = nn.Sequential(linear(nn, 6, 5), nn.Sigmoid(), linear(nn, 4, 3), nn.Sigmoid())
    assert "model[2]: must take the 5 outputs of the layer before it; got 4 inputs" in refused(misfit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about a tensor without elements
        empty = nn.Sequential(nn.Linear(0, 4), nn.Sigmoid())
    assert "model[0]: must have inputs and outputs; got Linear(0, 4)" in refused(empty)
    inner = nn.Sequential(nn.Sequential(linear(nn, 6, 5), nn.ELU()))
    assert "model[0][1]: must be the end" in refused(inner)
    some = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), linear(nn, 5, 3), nn.Sigmoid())
    assert "must have biases in every Linear or in none; got with, without" in refused(some)
    frozen = two(nn.Sigmoid())
    frozen[0].weight.requires_grad_(requires_grad=False)
    assert "model[0]: must be a Linear, or Dropout before one; got 'frozen Linear'" in refused(frozen)


def test_the_end_of_a_model_and_its_loss(nn: Any) -> None:
    model = nn.Sequential(linear(nn, 6, 3))
    known = "cross_entropy, binary_cross_entropy, squared_linear"
    assert f"loss: must be one of those that go with a Linear at the end, {known}; got nothing" in refused(
        model
    )
    for loss in ("squared", "hinge", ["squared"]):
        assert "loss: must be one of those" in refused(model, loss=loss)
    assert "sigmoid outputs, squared, binary_cross_entropy; got 'squared_linear'" in refused(
        nn.Sequential(linear(nn, 6, 3), nn.Sigmoid()), loss="squared_linear"
    )
    rectified = nn.Sequential(linear(nn, 6, 3), nn.ReLU())
    assert "must end with a Linear, or sigmoid or softmax after it; got 'relu'" in refused(rectified)
    one = nn.Sequential(linear(nn, 6, 1))
    assert "network.loss: must be a loss that needs no classes" in refused(one, loss="cross_entropy")
    assert silent(one, loss="binary_cross_entropy").network.layers == (6, 1)


def test_values_are_held_to_the_rules_of_a_spec(nn: Any) -> None:
    model = nn.Sequential(linear(nn, 6, 5), nn.Sigmoid(), linear(nn, 5, 3), nn.Sigmoid())
    assert "network.weight_bound: must be a number or a list of 2" in refused(model, weight_bound=[1.0])
    assert "network.weight_bound: must be " in refused(model, weight_bound=-1)
    assert "data.mean: must be " in refused(model, data={"mean": 3})
    assert "did you mean" in refused(model, data={"maen": 0.5})
    assert "input_dim: must be that of the model, 6; got 7" in refused(model, input_dim=7)
    nn.init.constant_(model[0].weight, float("nan"))
    assert "network.weight_bound[0]" in refused(model)


@pytest.mark.parametrize(
    "model", [None, 5, "a.pt", object(), np.zeros(3)], ids=["none", "number", "text", "object", "array"]
)
def test_other_objects(model: object) -> None:
    assert "must be a torch.nn.Sequential, keras.Sequential, MLPRegressor or MLPClassifier" in refused(model)


def told(model: Any, **options: Any) -> tuple[Spec, str]:
    """The spec and the one warning that comes with it."""
    with pytest.warns(UserWarning, match="The spec leaves out ") as caught:
        spec = from_model(model, **options)
    (warning,) = (each for each in caught if each.category is UserWarning)
    assert warning.filename == __file__
    return spec, str(warning.message)


SK_TARGETS = {
    "cross_entropy": (LABELS, ONE_HOT, 3),
    "binary_cross_entropy": (LABELS == 1, (LABELS == 1)[:, None] * 1.0, 1),
    "many labels": (X[:, :2] > 0.5, (X[:, :2] > 0.5) * 1.0, 2),
    "squared_linear": (X[:, 3:] ** 2, X[:, 3:] ** 2, 3),
}


@pytest.mark.parametrize("unit", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize("kind", SK_TARGETS)
@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_the_spec_computes_what_a_fitted_mlp_does(
    mlp: Any, kind: str, unit: str, hidden: tuple[int, ...]
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, targets, outputs = SK_TARGETS[kind]
    regresses = kind == "squared_linear"
    made = (mlp.MLPRegressor if regresses else mlp.MLPClassifier)(
        hidden_layer_sizes=hidden, activation=unit, alpha=0, max_iter=5, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that five passes are few
        made.fit(X, y)
    spec = silent(made, data={"samples": 40})
    assert spec.network.layers == (6, *hidden, outputs)
    assert spec.network.kind == ("multilayer" if hidden else "single_layer")
    assert spec.network.loss == ("binary_cross_entropy" if kind == "many labels" else kind)
    if regresses:  # a mean over the outputs, of which ours is a sum
        own = 3 * metrics.mean_squared_error(y, made.predict(X))
    elif kind == "many labels":
        own = sum(metrics.log_loss(y[:, j], made.predict_proba(X)[:, j]) for j in range(2))
    else:
        own = metrics.log_loss(y, made.predict_proba(X))
    pairs = zip(made.coefs_, made.intercepts_, strict=True)
    weights = [np.hstack([w.T, b[:, None]]) for w, b in pairs]
    assert engine_loss(spec, weights, X, targets) == pytest.approx(own, rel=1e-9)


SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0},
    "momentum": {"solver": "sgd", "momentum": 0.7, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.8},
    "adam": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-8},
}


@pytest.mark.parametrize("name", SOLVERS)
def test_the_optimizer_takes_the_steps_of_the_solver(mlp: Any, name: str) -> None:
    """torch.optim of the spec's optimizer, on half of torch's squared error, from the same weights."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    made = mlp.MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=0,
        batch_size=40,
        learning_rate_init=0.05,
        random_state=0,
        **SOLVERS[name],
    )
    chosen = silent(made, input_dim=6, output_dim=3).training.chosen_optimizer
    assert chosen.name == name
    y = X[:, 3:] ** 2
    made.partial_fit(X, y)
    # The start is drawn before the first step: a step of next to nothing shows it.
    start = mlp.MLPRegressor(**{**made.get_params(), "learning_rate_init": 1e-300}).partial_fit(X, y)
    parts = [torch.tensor(p, requires_grad=True) for p in (*start.coefs_, *start.intercepts_)]
    used = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[chosen.torch.lower()]
    options = {
        key: chosen.settings[constant.lower()]
        for key, constant in (pair.split("=") for pair in chosen.torch_arguments.split(", ") if pair)
        if constant.lower() in chosen.settings
    }
    stepped = (
        used(parts, lr=0.05, nesterov=True, **options)
        if name == "nesterov"
        else used(parts, lr=0.05, **options)
    )
    for _ in range(4):
        hidden = torch.tanh(torch.tensor(X) @ parts[0] + parts[2])
        stepped.zero_grad()
        (0.5 * (hidden @ parts[1] + parts[3] - torch.tensor(y)).square().sum() / 40).backward()
        stepped.step()
    for _ in range(3):
        made.partial_fit(X, y)
    for own, theirs in zip((*made.coefs_, *made.intercepts_), parts, strict=True):
        np.testing.assert_allclose(own, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_what_an_mlp_says_of_training(mlp: Any) -> None:
    stock = mlp.MLPClassifier()
    spec, said = told(stock, input_dim=6, output_dim=3, data={"samples": 150})
    assert "alpha=0.0001" in said
    assert "epsilon" not in said
    assert (spec.training.batch_size, spec.budget and spec.budget.epochs) == (150, 200)
    assert told(stock, input_dim=6, output_dim=3, data={"samples": 999})[0].training.batch_size == 200
    unknown, _ = told(stock, input_dim=6, output_dim=3)
    assert (unknown.training.batch_size, unknown.budget) == (None, None)
    filed, _ = told(stock, input_dim=6, output_dim=3, data={"file": "a.csv"})
    assert (filed.training.batch_size, filed.budget and filed.budget.epochs) == (None, 200)
    counted, _ = told(stock, input_dim=6, output_dim=3, data={"samples": np.int64(70)})
    assert counted.training.batch_size == 70
    stock.set_params(batch_size=np.int64(300), alpha=0, epsilon=1e-4, early_stopping=True)
    spec, said = told(stock, input_dim=6, output_dim=3)
    assert spec.training.batch_size == 300
    assert "epsilon" in said
    assert "early_stopping" in said
    assert "alpha" not in said
    assert told(stock, input_dim=6, output_dim=3, data={"samples": 99})[0].training.batch_size == 99
    slowed = mlp.MLPRegressor(alpha=0, solver="sgd", learning_rate="invscaling")
    assert "learning_rate='invscaling'" in told(slowed, input_dim=6, output_dim=1)[1]
    silent(mlp.MLPRegressor(alpha=0, learning_rate="invscaling"), input_dim=6, output_dim=1)  # Adam has none


def test_an_mlp_that_is_no_network_of_a_spec(mlp: Any) -> None:
    shape = {"input_dim": 6, "output_dim": 3}
    assert "input_dim: must be given for an MLPClassifier that is not fitted" in refused(mlp.MLPClassifier())
    assert "output_dim: must be given" in refused(mlp.MLPClassifier(), input_dim=4)
    assert "network.layers[0]: must be" in refused(mlp.MLPRegressor(), input_dim=0, output_dim=2)
    assert "input_dim: must be a whole number; got '6'" in refused(mlp.MLPRegressor(), input_dim="6")
    assert "activation: must be one of 'logistic', 'relu', 'tanh'; got " in refused(
        mlp.MLPRegressor(activation=["relu"]), **shape
    )
    assert "alpha='x', by" in told(mlp.MLPRegressor(alpha="x"), **shape)[1]
    straight = mlp.MLPRegressor(activation="identity")
    assert (
        "activation: must be one of 'logistic', 'relu', 'tanh'; got 'identity'; use hidden_layer"
        in refused(straight, **shape)
    )
    assert silent(straight.set_params(hidden_layer_sizes=(), alpha=0), **shape).network.kind == "single_layer"
    assert "solver: must be 'adam' or 'sgd'; got 'lbfgs', which has no stepsize to advise; set" in refused(
        mlp.MLPRegressor(solver="lbfgs"), **shape
    )
    assert "output_dim: must be 1, the output that scikit-learn has for two classes; got 2" in refused(
        mlp.MLPClassifier(), input_dim=6, output_dim=2
    )
    labels, _ = told(mlp.MLPClassifier(), input_dim=6, output_dim=2, loss="binary_cross_entropy")
    assert (labels.network.layers, labels.network.loss) == ((6, 100, 2), "binary_cross_entropy")
    two, _ = told(mlp.MLPClassifier(7), input_dim=6, output_dim=1)
    assert (two.network.layers, two.network.loss, two.network.bias) == (
        (6, 7, 1),
        "binary_cross_entropy",
        True,
    )
    assert "loss: must be that of the model, squared_linear; got 'squared'" in refused(
        mlp.MLPRegressor(), loss="squared", **shape
    )
    assert "loss: must be 'squared_error'; got 'poisson'" in refused(
        mlp.MLPRegressor(loss="poisson"), **shape
    )
    assert "optimizer: must be absent: the solver says it; got 'sgd'" in refused(
        mlp.MLPRegressor(), optimizer="sgd", **shape
    )
    assert "training.optimizer.beta: must be" in refused(
        mlp.MLPRegressor(solver="sgd", momentum=1.0), **shape
    )
    fitted = mlp.MLPRegressor(hidden_layer_sizes=(5,)).partial_fit(X, X[:, 3:])
    assert "output_dim: must be that of the model, 3; got 4" in refused(fitted, output_dim=4)


@pytest.fixture(name="keras")
def _keras() -> Any:
    if importlib.util.find_spec("torch") is not None:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="needs keras: pip install 'rsgadvise[integrations]'")


def dense(keras: Any, *activations: Any, bias: bool = True, built: bool = True) -> Any:
    sizes = (5, 4, 3)[-len(activations) :]
    layers = [
        keras.layers.Dense(size, activation=each, use_bias=bias)
        for size, each in zip(sizes, activations, strict=True)
    ]
    return keras.Sequential([*([keras.Input((6,))] if built else []), *layers])


KERAS_ENDS: dict[tuple[str | None, str | None], str] = {
    (None, "cross_entropy"): "categorical_crossentropy",
    ("linear", "binary_cross_entropy"): "binary_crossentropy",
    (None, "squared_linear"): "squared",
    ("sigmoid", None): "squared",
    ("sigmoid", "binary_cross_entropy"): "binary_crossentropy",
    ("softmax", None): "categorical_crossentropy",
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("end", KERAS_ENDS, ids=str)
@pytest.mark.parametrize("unit", UNITS)
def test_the_spec_computes_what_the_keras_model_does(
    keras: Any, unit: str, end: tuple[str | None, str | None], bias: bool
) -> None:
    layers = keras.layers
    if unit == "leaky_relu":
        model = dense(keras, layers.LeakyReLU(0.01), layers.LeakyReLU(0.01), end[0], bias=bias)
    else:
        model = dense(keras, unit, keras.activations.get(unit), end[0], bias=bias)
    for layer in model.layers:
        if bias:
            layer.bias.assign(np.linspace(-0.5, 0.5, layer.units))
    spec = silent(model, loss=end[1])
    assert (spec.network.layers, spec.network.activations) == ((6, 5, 4, 3), (unit, unit))
    output, known = model(X.astype(np.float32)), keras.ops.convert_to_tensor(ONE_HOT, "float32")
    if KERAS_ENDS[end] == "squared":
        found = keras.ops.sum(keras.ops.square(output - known)) / 40
    else:
        loss = getattr(keras.losses, KERAS_ENDS[end])
        scale = 3 if KERAS_ENDS[end] == "binary_crossentropy" else 1  # a mean over the outputs
        found = scale * keras.ops.mean(loss(known, output, from_logits=end[0] in {None, "linear"}))
    own, weights = float(keras.ops.convert_to_numpy(found)), []
    for layer in model.layers:
        matrix, *rest = layer.get_weights()
        weights.append(np.hstack([matrix.T, *(each[:, None] for each in rest)]))
    assert engine_loss(spec, weights, X, ONE_HOT) == pytest.approx(own, rel=1e-4)


def test_layers_of_keras(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((2, 3)),
            layers.Flatten(),
            layers.Dropout(0.25),
            keras.Sequential([layers.Dense(5), layers.Activation("silu")]),
            layers.Dropout(0.25),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )
    spec = silent(model)
    assert (spec.network.layers, spec.network.activation, spec.network.loss) == (
        (6, 5, 3),
        "silu",
        "cross_entropy",
    )
    assert (spec.training.keep_prob, spec.network.bias) == (0.75, True)
    later = dense(keras, layers.ReLU(), "sigmoid", built=False)
    assert "input_dim: must be given for a model that is not built" in refused(later)
    assert "input_dim: must be a whole number; got '6'" in refused(later, input_dim="6")
    assert silent(later, input_dim=6).network.layers == (6, 4, 3)
    assert "input_dim: must be that of the model, 6; got 7" in refused(dense(keras, "sigmoid"), input_dim=7)


def test_what_keras_has_and_a_spec_has_not(keras: Any) -> None:
    layers, activations = keras.layers, keras.activations
    names = "gelu, keras.layers.LeakyReLU(0.01), relu, sigmoid, silu, softplus, tanh"
    wanted = (
        f"model.layers[0].activation: must be the end, or units after a Dense as a spec has them ({names})"
    )
    for given, shown in (
        ("elu", "elu"),
        ("leaky_relu", "leaky_relu"),  # of another slope
        (layers.LeakyReLU(0.2), "LeakyReLU"),
        (layers.ReLU(max_value=6), "ReLU"),
        (layers.PReLU(), "PReLU"),
        (partial(activations.gelu, approximate=True), "partial"),
    ):
        said = refused(dense(keras, given, "sigmoid"))
        assert f"{wanted}; got '{shown}'" in said
        assert said.endswith("torch.nn.Module, and none of keras: write it in torch")
    assert "model.layers[1]: must be the end, or units" in refused(dense(keras, None, "sigmoid"))

    def relu(x: Any) -> Any:
        return activations.relu(x) ** 2

    assert f"{wanted}; got 'relu'" in refused(dense(keras, relu, "sigmoid"))
    uneven = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5, noise_shape=(1, 6)), layers.Dense(3)])
    assert "model.layers[0]: must be a Dense, or Dropout before one; got 'Dropout'" in refused(uneven)
    frozen = dense(keras, "tanh", "sigmoid")
    frozen.layers[0].trainable = False
    assert "must be a Dense, or Dropout before one; got 'frozen Dense'" in refused(frozen)
    penalised = keras.Sequential(
        [keras.Input((6,)), keras.Sequential([layers.Dense(3, "sigmoid", kernel_regularizer="l2")])]
    )
    assert told(penalised)[1] == "The spec leaves out model.layers[0].layers[0].kernel_regularizer."
    each = keras.Sequential([keras.Input((2, 6)), layers.Dense(3, "sigmoid")])
    assert "model: must have one row of outputs for a row of inputs; got shape (None, 2, 3)" in refused(each)


@pytest.mark.parametrize(
    ("end", "loss", "found"),
    [
        ("sigmoid", "binary_crossentropy", "binary_cross_entropy"),
        ("sigmoid", "mse", "squared"),
        (None, "mean_squared_error", "squared_linear"),
        ("softmax", "sparse_categorical_crossentropy", "cross_entropy"),
        (None, "CategoricalCrossentropy", "cross_entropy"),
        ("sigmoid", "mae", ""),
    ],
)
def test_a_compiled_model_says_its_loss(keras: Any, end: str | None, loss: str, found: str) -> None:
    model = dense(keras, "relu", end)
    given = loss if loss.islower() else getattr(keras.losses, loss)(from_logits=True)
    model.compile(optimizer="adam", loss=given)
    if not found:
        assert f"loss: must be given where a model is compiled with another; got {loss!r}" in refused(model)
        assert told(model, loss="squared")[0].network.loss == "squared"
        return
    spec, said = told(model)
    assert spec.network.loss == found
    assert said == "The spec leaves out the optimizer that the model is compiled with: pass optimizer=."
    assert silent(model, optimizer="adam").training.chosen_optimizer.name == "adam"
