"""A commented spec to start from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from textwrap import fill

from pydantic import ValidationError

from rsgadvise.errors import UsageError
from rsgadvise.kinds import KINDS, Kind
from rsgadvise.spec.models import DEFAULT_WEIGHT_BOUND, Data, Spec
from rsgadvise.spec.rules import look_alike, shown
from rsgadvise.spec.yaml import path_text
from rsgadvise.theory.heads import SQUARED, head_names
from rsgadvise.theory.optimizers import SGD, optimizer_names
from rsgadvise.theory.units import SIGMOID, unit_names

# Those of MNIST, so that the template gives advice at once.
EXAMPLE_INPUTS = 784
EXAMPLE_DATA: Mapping[str, float] = {"mean": 0.1307, "mean_square": 0.0448}
WIDTH = 80

DATA_COMMENTS: Mapping[str, str] = {
    "mean": "mu_x: mean over samples and features",
    "mean_square": "tau_x, from mean**2 to mean",
    "second_moment": "E||x||^2 / d_x, from mean_square to mean",
    "top_eigenvalue": "largest eigenvalue of E[x x^T]",
    "largest_norm": "max ||x||, with scaling: standard alone",
    "samples": "S: number of samples",
    "file": "measured and trained on; relative to this spec",
    "array": "name of the array in the file",
    "target": "column (name, or number from 0), array, or file",
    "exclude": "columns left out, [id, date] or by number",
    "scaling": "auto, none, minmax, robust, standard, logarithms",
    "categories": "columns of words: one_hot or exclude",
    "missing": "rows that lack cells: drop, or fill with medians",
    "target_kind": "auto, classes, values or logarithms",
    "table": "how the text is written: {separator: ';', decimal: ','}",
}

_NAMES = {"file", "array", "target", "exclude", "scaling", "categories", "missing", "target_kind", "table"}

REST = """\
# Values given here are fixed; what is left out is searched or assumed.
training:
  # initial_loss: {output_dim}   # f(W_1); the largest possible without it
  # pretraining: {pretraining}   # alpha; multilayer only
  # stepsize: 0.1   # gamma{per_layer}
  # batch_size: 64   # B, samples per step
  # iterations: 10000   # N, steps
  {optimizer}   # {optimizers}
  {keep_prob}   # zeta = 1 - dropout rate; 1 for single_layer
  # decay: 0.0   # rho: step k uses stepsize * k**-rho
  # stopping: uniform   # uniform, matched, increasing, last or a list

# What is tried where training does not fix it; these are the defaults.
search:
  # batch_size: [16, 32, 64, 128, 256, 512, 1024]   # or {{min: , max: }}
  # keep_prob: {keep_range}   # a range, a list or a number
  # iterations: {{max: 1000000}}   # steps
  # decay: [0.0]

# With a target, cost is minimised subject to it.
target:
  # eps: 0.05   # bound on the expected squared norm of the gradient
  # delta: 0.05   # largest probability of missing it
  # runs: 10   # T, independent runs

# Limits that a recommendation keeps to; each is optional.
budget:
  # samples: 100000000   # processed samples of all runs, T * N * B
  # epochs: 100   # passes over the data; needs data.samples or data.file
  # seconds: 3600   # needs cost

# Time of one step: per_iteration + per_sample * batch_size, in seconds.
cost:
  # per_iteration: 1.0e-4   # t0
  # per_sample: 1.0e-6   # t1

# What `rsgadvise sweep` varies, one or two keys; other commands ignore it.
sweep:
  # vary: ["{vary}"]   # or LOW:HIGH:COUNT, or V1,V2,...
  # measure: true   # train at each point
  # runs: 32   # replicas at each point
  # seed: 0
"""


def render_template(
    *,
    kind: str,
    layers: Sequence[int] | None = None,
    data: Mapping[str, object] | None = None,
    network: Mapping[str, str] | None = None,
    training: Mapping[str, object] | None = None,
) -> str:
    """Return a commented spec that loads as it is; every optional key stands in it as a comment.

    Args:
        kind: single_layer, autoencoder or multilayer.
        layers: units per layer; a default for each kind.
        data: keys of the `data` section to fill in, measured values or a `file`; without them the
            statistics of MNIST stand as examples if there are 784 inputs.
        network: activation, loss and bias to fill in; the usual ones stand as comments without them.
        training: optimizer and keep_prob to fill in; they stand as comments without them.

    Raises:
        UsageError: the kind, the layers or the data break a rule.

    Example:
        >>> print(render_template(kind="single_layer").splitlines()[0])
        # yaml-language-server: $schema=./rsgadvise.schema.json
    """
    given = {key: value for key, value in (data or {}).items() if value is not None}
    about = kind_named(kind)
    training = training or {}
    spec = _validated(about, layers, given)
    built = spec.network
    rest = REST.format(
        output_dim=built.output_dim,
        pretraining="{tolerance: 0.1}" if built.layered else "",
        per_layer="; a number or one per layer" if built.layered else "",
        optimizer=f"optimizer: {training['optimizer']}" if "optimizer" in training else f"# optimizer: {SGD}",
        optimizers=", ".join(optimizer_names()),
        keep_prob="keep_prob: 1" if "keep_prob" in training else f"# keep_prob: {0.8 if built.masked else 1}",
        vary="network.layers[1]=50:800:log8",
        keep_range="{min: 0.5, max: 1.0}" if built.masked else 1,
    )
    lines = [
        "# yaml-language-server: $schema=./rsgadvise.schema.json",
        "# What rsgadvise is to know. Unknown keys are errors; a key without a value",
        "# counts as absent.",
        "network:",
        f"  kind: {kind}   # {', '.join(KINDS)}",
        f"  # {about.sizes}",
        *_layers_lines(built.layers),
        *_weight_bound_lines(about),
        *_unit_lines(about, network or {}),
        "",
        *_data_lines(spec.data, given, built.layers),
        "",
    ]
    # A comment after an empty value would end up with blanks before it.
    return re.sub(r"(: ) +#", r": #", "\n".join(lines) + "\n" + rest)


def optimizer_named(name: str | None) -> None:
    """Refuse a name for `--optimizer` that no optimiser has.

    Raises:
        UsageError: there is none of that name.
    """
    if name is not None and name not in optimizer_names():
        rule = f"--optimizer must be one of {', '.join(optimizer_names())}; got {shown(name)}"
        close = look_alike(name, optimizer_names()) or optimizer_names()[0]
        raise UsageError(f"{rule}; write --optimizer {close}, for example")


def kind_named(name: str) -> Kind:
    """The kind of network that `--kind` asks for.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in KINDS:
        rule = f"--kind must be one of {', '.join(KINDS)}; got {shown(name)}"
        raise UsageError(f"{rule}; write --kind {next(iter(KINDS))}, for example")
    return KINDS[name]


def _validated(kind: Kind, layers: Sequence[int] | None, data: Mapping[str, object]) -> Spec:
    network: dict[str, object] = {"kind": kind.name, "layers": kind.example if layers is None else layers}
    if kind.boxed:
        network["weight_bound"] = DEFAULT_WEIGHT_BOUND
    try:
        return Spec.model_validate({"network": network, "data": dict(data)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = path_text(first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(Data.model_fields)
            raise UsageError(f"{place}: must be a key of data; use one of {known}") from None
        raise UsageError(f"{place}: {first['msg']}") from None


def _layers_lines(layers: tuple[int, ...]) -> list[str]:
    listing = f"[{', '.join(map(str, layers))}]"
    wrapped = fill(listing, WIDTH, initial_indent="  layers: ", subsequent_indent=" " * 11)
    return wrapped.splitlines()


def _weight_bound_lines(kind: Kind) -> list[str]:
    comment = "w_m: weights stay in [-w_m, w_m]"
    if not kind.boxed:
        return ["  # weight_bound:   # none: a single layer needs no box for its weights"]
    if kind.layered:
        comment += "; or one per layer"
    return [
        f"  weight_bound: {DEFAULT_WEIGHT_BOUND}   # {comment}",
        "  # spectral_bound: # of singular values, in place of weight_bound",
    ]


def _unit_lines(about: Kind, given: Mapping[str, str]) -> list[str]:
    def line(key: str, usual: str) -> str:
        return f"  {key}: {given[key]}" if key in given else f"  # {key}: {usual}"

    units = [*_listed("hidden units", unit_names()), line("activation", SIGMOID)]
    if about.hidden == 0:
        units = ["  # activation:   # none: a single layer has no hidden units"]
    bias = line("bias", "false   # none: its one matrix is used both ways" if about.tied else "false")
    return [*units, *_listed("losses with their outputs", head_names()), line("loss", SQUARED), bias]


def _listed(what: str, names: Sequence[str]) -> list[str]:
    """The names that a key may take, as comments above it."""
    return fill(
        f"{what}: {', '.join(names)}", WIDTH, initial_indent="  # ", subsequent_indent="  #   "
    ).splitlines()


def _data_lines(data: Data, given: Mapping[str, object], layers: tuple[int, ...]) -> list[str]:
    lines = ["# The inputs, scaled to [0, 1]."]
    example = EXAMPLE_DATA if not given and layers[0] == EXAMPLE_INPUTS else {}
    if example:
        lines.append("# MNIST's to begin with; `rsgadvise stats DATA --into FILE` writes yours.")
    if "file" in given and len(given.keys() - _NAMES):
        lines.append("# Measured on the file, which counts where a number here differs.")
    lines.append("data:")
    for key, comment in DATA_COMMENTS.items():
        if key in given:
            text = yaml_scalar(key, given[key] if key == "table" else getattr(data, key))
            line = f"  {key}: {text}   # {comment}"
            lines.append(line if len(line) <= WIDTH else f"  {key}: {text}")
        elif key in example:
            lines.append(f"  {key}: {example[key]}   # {comment}")
        else:
            lines.append(placeholder(key))
    return lines


def placeholder(key: str) -> str:
    """The template's line for a key of the data section that has no value yet."""
    return f"  # {key}: # {DATA_COMMENTS.get(key, '')}"


def yaml_scalar(key: str, value: object) -> str:
    """Return the value of a key as YAML, in quotes where it could be read otherwise."""
    from json import dumps

    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {yaml_scalar(name, item)}' for name, item in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(yaml_scalar(key, entry) for entry in value)}]"
    if (
        key in {"target", "exclude"}
        and isinstance(value, str)
        and re.fullmatch(r"0|-?[1-9][0-9]{0,8}", value)
    ):
        return value  # the number of a column stands for its own text
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", value):
        return dumps(value, ensure_ascii=False)
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false", "null"}):
        return dumps(value)
    return repr(value) if isinstance(value, float) else str(value)
