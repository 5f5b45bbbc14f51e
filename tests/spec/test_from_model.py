"""Specs of models that exist, and what is refused or left out."""

from __future__ import annotations

import subprocess
import sys
import warnings
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


def test_layers_and_the_default_box(nn: Any) -> None:
    model = nn.Sequential(
        nn.Sequential(linear(nn, 6, 5), nn.Sigmoid(), nn.Identity()), linear(nn, 5, 3), nn.Sigmoid()
    )
    nn.init.constant_(model[1].weight, 0.0)
    spec = silent(model, data={"mean": 0.2, "samples": 100})
    assert (spec.network.kind, spec.network.layers) == ("multilayer", (6, 5, 3))
    largest = float(model[0][0].weight.detach().abs().max())
    assert spec.network.weight_bounds == pytest.approx((largest, 5**-0.5))
    assert spec.training.keep_prob == 1
    assert (spec.data.mean, spec.data.samples) == (0.2, 100)
    assert silent(model, data=Data(mean=0.2), weight_bound=[0.1, 0.3]).network.weight_bounds == (0.1, 0.3)
    assert recommend(spec).recommendations


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
    assert spec.network.weight_bounds == pytest.approx([np.abs(w).max() for w in weights])
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


def test_biases_are_left_out_with_a_warning(nn: Any) -> None:
    with pytest.warns(UserWarning, match="no biases"):
        spec = from_model(nn.Sequential(nn.Linear(6, 3), nn.Sigmoid()))
    assert spec.network.layers == (6, 3)


def test_what_is_no_network_of_the_theory(nn: Any) -> None:
    def two(*between: Any) -> Any:
        return nn.Sequential(linear(nn, 6, 5), *between, linear(nn, 5, 3), nn.Sigmoid())

    assert "model[1]: must be a Sigmoid, which follows each Linear; got 'ReLU'" in refused(two(nn.ReLU()))
    assert "model[1]: must be a Sigmoid" in refused(two(nn.Dropout(0.5), nn.Sigmoid()))
    assert "model[1]: must be a Sigmoid, which follows each Linear; got 'Linear'" in refused(two())
    assert "model[2]" in refused(two(nn.Sigmoid(), nn.BatchNorm1d(5)))
    assert "must drop units at one rate" in refused(two(nn.Sigmoid(), nn.Dropout(0.5)))
    assert "got p = 0, 0.5" in refused(two(nn.Sigmoid(), nn.Dropout(0.5)))
    assert "must be a Linear; got 'Dropout'" in refused(two(nn.Sigmoid(), nn.Dropout(0.5), nn.Dropout(0.5)))
    ends = nn.Sequential(linear(nn, 6, 3))
    assert "model[1]: must be a Sigmoid, which follows each Linear; got nothing" in refused(ends)
    assert "got nothing, the end" in refused(nn.Sequential())
    last = nn.Sequential(linear(nn, 6, 3), nn.Sigmoid(), nn.Dropout(0.2))
    assert "must drop no outputs; got Dropout(p=0.2)" in refused(last)
    all_gone = nn.Sequential(nn.Dropout(1.0), linear(nn, 6, 3), nn.Sigmoid())
    assert "must keep some units; got Dropout(p=1)" in refused(all_gone)
    misfit = nn.Sequential(linear(nn, 6, 5), nn.Sigmoid(), linear(nn, 4, 3), nn.Sigmoid())
    assert "model[2]: must take the 5 outputs of the layer before it; got 4 inputs" in refused(misfit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about a tensor without elements
        empty = nn.Sequential(nn.Linear(0, 4), nn.Sigmoid())
    assert "model[0]: must have inputs and outputs; got Linear(0, 4)" in refused(empty)
    inner = nn.Sequential(nn.Sequential(linear(nn, 6, 5), nn.Tanh()))
    assert "model[0][1]: must be a Sigmoid" in refused(inner)


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
    assert "must be a torch.nn.Sequential, MLPRegressor or MLPClassifier" in refused(model)


def test_a_fitted_regressor(mlp: Any) -> None:
    rng = np.random.default_rng(0)
    model = mlp.MLPRegressor(
        hidden_layer_sizes=(5,), activation="logistic", solver="lbfgs", max_iter=1000, tol=0.1
    )
    model.fit(rng.random((20, 6)), rng.random((20, 3)))
    with pytest.warns(UserWarning, match="no biases, and no linear outputs"):
        spec = from_model(model)
    assert spec.network.layers == (6, 5, 3)
    assert spec.network.weight_bounds == pytest.approx([np.abs(w).max() for w in model.coefs_])
    assert "output_dim: must be that of the model, 3; got 4" in refused(model, output_dim=4)


def test_an_mlp_that_is_not_fitted(mlp: Any) -> None:
    model = mlp.MLPClassifier(hidden_layer_sizes=7, activation="logistic")
    with pytest.warns(UserWarning, match="softmax outputs and log loss"):
        spec = from_model(model, input_dim=4, output_dim=2)
    assert spec.network.layers == (4, 7, 2)
    assert spec.network.weight_bounds == pytest.approx((0.5, 7**-0.5))
    assert "input_dim: must be given for an MLPClassifier that is not fitted" in refused(model)
    assert "output_dim: must be given" in refused(model, input_dim=4)
    assert "network.layers[0]: must be" in refused(model, input_dim=0, output_dim=2)
    assert "input_dim: must be a whole number; got '6'" in refused(model, input_dim="6", output_dim=2)
    assert "activation: must be 'logistic', the sigmoid; got 'relu'" in refused(mlp.MLPRegressor())


def test_no_library_is_imported() -> None:
    code = "import sys, rsgadvise.spec; print(sorted({'torch', 'sklearn', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
