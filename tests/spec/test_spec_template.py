"""The template that `init` writes, and the JSON Schema that editors check it against."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.spec import Spec, json_schema, parse_spec, render_template
from rsgadvise.spec.models import Section

KINDS = ["single_layer", "autoencoder", "multilayer"]
DEFAULTS = {"single_layer": (784, 10), "autoencoder": (784, 100), "multilayer": (784, 200, 10)}


def keys_of(section: type[Section], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for key in section.model_fields:
        below = section.sections.get(key)
        names |= {prefix + key} if below is None else keys_of(below, f"{prefix}{key}.")
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_loads_and_assumes_nothing_but_the_example_data(kind: str) -> None:
    spec = parse_spec(render_template(kind=kind), file="s.yaml").spec
    assert (spec.network.kind, spec.network.layers) == (kind, DEFAULTS[kind])
    assert spec.model_fields_set == {"network", "data"}
    assert spec.data.model_fields_set == {"mean", "mean_square"}


@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_short_and_the_first_is_for_editors(kind: str) -> None:
    lines = render_template(kind=kind, layers=[784, 10]).splitlines()
    assert lines[0] == "# yaml-language-server: $schema=./rsgadvise.schema.json"
    assert max(map(len, lines)) <= 80


def test_every_key_of_the_spec_stands_in_the_template() -> None:
    template = render_template(kind="multilayer")
    for path in keys_of(Spec):
        if path == "search.iterations.min":
            continue  # its default, 1, is what everyone wants
        assert re.search(rf"[ {{]{path.split('.')[-1]}:", template), path


def optional_lines(template: str) -> list[str]:
    return [line for line in template.splitlines() if re.match(r"  # [a-z_]+:", line)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_optional_line_may_be_uncommented(kind: str) -> None:
    template = render_template(kind=kind)
    lines = optional_lines(template)
    assert len(lines) > 20
    for line in lines:
        key = line.split()[1].rstrip(":")
        needs = {"eps": ["delta"], "delta": ["eps"], "runs": ["eps", "delta"], "seconds": ["per_sample"]}
        also = [other for other in lines for name in needs.get(key, []) if f"# {name}:" in other]
        text = template
        for chosen in [line, *also]:
            text = text.replace(chosen, chosen.replace("# ", "", 1))
        overrides = ["data.samples=60000"] if key == "epochs" else []
        parse_spec(text, file="s.yaml", overrides=overrides)
    everything = "\n".join(re.sub(r"^  # ([a-z_]+:)", r"  \1", line) for line in template.splitlines())
    spec = parse_spec(everything, file="s.yaml", overrides=["data.samples=60000"]).spec
    assert spec.cost is not None
    assert spec.training.stopping == "uniform"


def test_layers_wrap() -> None:
    layers = list(range(10**8, 10**8 + 1000))
    template = render_template(kind="multilayer", layers=layers)
    assert max(map(len, template.splitlines())) <= 80
    assert parse_spec(template, file="s.yaml").spec.network.layers == tuple(layers)


@pytest.mark.parametrize(
    "data",
    [
        {"file": "mnist.npz"},
        {"file": "a b: #c.csv", "target": "label's", "array": "true"},
        {"file": "null", "target": "5", "array": "~"},
        {"mean": 1e-05, "mean_square": 1e-06, "second_moment": 2e-06, "top_eigenvalue": 0.001, "samples": 7},
        {"mean": 0.1, "file": None},
        {"file": "a.csv", "target": "-1", "exclude": ("id", "0", "a, b]", "null"), "scaling": "robust"},
    ],
)
def test_measured_data_are_filled_in(data: dict[str, object]) -> None:
    spec = parse_spec(render_template(kind="autoencoder", data=data), file="s.yaml").spec
    assert spec.data.model_dump(exclude_unset=True) == {k: v for k, v in data.items() if v is not None}


def test_a_long_file_name_leaves_no_room_for_its_comment() -> None:
    template = render_template(kind="single_layer", data={"file": "x" * 70})
    assert max(map(len, template.splitlines())) <= 80


@pytest.mark.parametrize(
    ("kwargs", "parts"),
    [
        ({"kind": "multilayr"}, ["--kind", "one of single_layer", "'multilayr'"]),
        ({"kind": "single_layer", "layers": [3, 2, 1]}, ["network.layers", "[d_in, d_out]"]),
        ({"kind": "multilayer", "layers": [3]}, ["network.layers", "list of 2 to 1000"]),
        ({"kind": "multilayer", "layers": [3, 0]}, ["network.layers[1]", "got 0"]),
        ({"kind": "multilayer", "layers": []}, ["network.layers"]),
        ({"kind": "single_layer", "data": {"mean": 2}}, ["data.mean", "from 0 to 1"]),
        ({"kind": "single_layer", "data": {"men": 2}}, ["data.men", "use one of mean"]),
        ({"kind": "single_layer", "data": {"file": "a\nb"}}, ["data.file", "printable"]),
    ],
)
def test_bad_requests_state_the_rule(kwargs: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        render_template(**kwargs)
    for part in parts:
        assert part in str(caught.value)


# JSON Schema


def accepts(text: str) -> bool:
    jsonschema = pytest.importorskip("jsonschema")
    import io

    from ruamel.yaml import YAML

    document = YAML(typ="safe", pure=True).load(io.StringIO(text))
    valid: bool = jsonschema.Draft202012Validator(json_schema()).is_valid(document)
    return valid


def test_the_schema_is_one() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for section in [schema, *schema["$defs"].values()]:
        assert section["additionalProperties"] is False
        assert section["description"]
        for key, entry in section["properties"].items():
            assert entry.get("description") or "$ref" in str(entry), key


NETWORK = "network: {kind: single_layer, layers: [784, 10]}\n"
GOOD = [
    *(render_template(kind=kind) for kind in KINDS),
    NETWORK,
    NETWORK + "data: {file: x.csv, target: -1}\n",
    NETWORK + "data:\nsearch: {keep_prob: 1, batch_size: {max: 8}, decay: [0.0, 1]}\ncost: {per_sample: }\n",
    NETWORK + "search: {keep_prob: {min: , max: }}\ntarget: {eps: , delta: }\ntraining: {pretraining: }\n",
    NETWORK + "training: {stopping: [0.5, 0.5], stepsize: 0.1}\nbudget: {samples: , epochs: , seconds: }\n",
    "network: {kind: autoencoder, layers: [784, 10], weight_bound: [0.1]}\n",
    "network: {kind: autoencoder, layers: [784, 10], weight_bound: }\n",
    "network: {kind: multilayer, layers: [784, 5, 10]}\n",
    "network: {kind: single_layer, layers: [784, 10], weight_bound: none}\n",
    "network: {kind: multilayer, layers: [784, 5, 10], weight_bound: [0.1, 0]}\n"
    "training: {stepsize: [1, 2]}\n",
]
BAD = [
    "data: {mean: 0.1}\n",
    NETWORK + "zzz: 1\n",
    NETWORK + "data: {maen: 0.1}\n",
    NETWORK + "data: {mean: 1.1}\n",
    NETWORK + "data: {mean: '0.1'}\n",
    NETWORK + "data: {samples: 1.5}\n",
    NETWORK + "data: 5\n",
    NETWORK + "data: {file: -1}\n",
    NETWORK + "data: {target: true}\n",
    NETWORK + "data: {target: 0.5}\n",
    NETWORK + "data: {target: -1000000000}\n",
    NETWORK + "training: {stepsize: 0}\n",
    NETWORK + "training: {stopping: later}\n",
    NETWORK + "search: {batch_size: []}\n",
    NETWORK + "search: {batch_size: [1, 1]}\n",
    NETWORK + "search: {iterations: 5}\n",
    NETWORK + "search: {batch_size: {max: 2000000000000}}\n",
    NETWORK + "target: {eps: 0.1}\n",
    NETWORK + "target: {eps: 0.1, delta: 1}\n",
    "network: {kind: single, layers: [784, 10]}\n",
    "network: {kind: single_layer, layers: [784, 5, 10]}\n",
    "network: {kind: single_layer, layers: [784, 10], weight_bound: 1}\n",
    "network: {kind: multilayer, layers: [784, 10], weight_bound: none}\n",
    "network: {kind: autoencoder, layers: [784, 10], weight_bound: none}\n",
    "network: {kind: multilayer, layers: [784, 10], weight_bound: nothing}\n",
    "network: {kind: single_layer}\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_the_schema_accepts_what_loads(text: str) -> None:
    parse_spec(text, file="s.yaml")
    assert accepts(text)


@pytest.mark.parametrize("text", BAD)
def test_the_schema_refuses_what_does_not_load(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text, file="s.yaml")
    assert not accepts(text)
