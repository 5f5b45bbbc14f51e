"""Text -> validated spec, with every error at its place in the text and in the words of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from rsgadvise.errors import SpecError, UsageError
from rsgadvise.records import dataclass
from rsgadvise.spec.models import Section, Spec
from rsgadvise.spec.rules import Numbers, Rule, look_alike, shown
from rsgadvise.spec.yaml import (
    MAX_DEPTH,
    STDIN,
    KeyPath,
    Node,
    Problem,
    SpecSource,
    build_tree,
    decode,
    key_path_parts,
    path_text,
    place_of,
    plain,
    printable,
    raise_first,
    read_file,
    read_stdin,
)

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from rsgadvise.spec.models import Section


# pydantic's errors -> problems in the words of a spec, each at its place.


def validation_problems(error: ValidationError, root: Node) -> list[Problem]:
    """Return every problem that validation found in the tree.

    A key that is missing beside one that is unknown is left out: the one is the other, misspelled.
    """
    details = error.errors(include_url=False)
    misspelled = {detail["loc"][:-1] for detail in details if detail["type"] == "extra_forbidden"}
    return [
        _problem(detail, root)
        for detail in details
        if not (detail["type"] == "missing" and detail["loc"][:-1] in misspelled)
    ]


def _problem(detail: ErrorDetails, root: Node) -> Problem:
    path: KeyPath = detail["loc"]
    unknown = detail["type"] == "extra_forbidden"
    place = place_of(root, path, at_key=unknown)
    # The search for look-alikes is left to the one problem that is shown: there may be thousands.
    message = partial(unknown_key, path) if unknown else partial(_message, detail)
    return Problem(path, message, place.line, place.column, place.origin)


def _message(detail: ErrorDetails) -> str:
    path, kind = detail["loc"], detail["type"]
    if kind == "rule":
        return detail["msg"]
    if kind == "missing":
        where = f" to {path_text(path[:-1])}" if len(path) > 1 else ""
        name = str(path[-1])
        examples = _section(path[:-1]).model_fields[name].examples or ["..."]
        return f"must be given; got nothing; add `{name}: {_flow(examples[0])}`{where}"
    keys = ", ".join(_section(path).model_fields)
    fix = f"write its keys as `key: value`, out of {keys}"
    return f"must be a section of keys; got {shown(detail['input'])}; {fix}"


def _section(path: KeyPath) -> type[Section]:
    section: type[Section] = Spec
    for part in path:
        section = section.sections.get(str(part), section)
    return section


def _flow(value: object) -> str:
    """Return an example value as it is written in a spec, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


# Words of other tools for what has another name here, or does not exist; without their underscores.
_MEANT = {
    "learningrate lr stepsize eta": "the learning rate is called stepsize and belongs under training",
    "dropout dropoutrate dropoutprob p rate": (
        "the dropout rate is 1 - keep_prob; give keep_prob under training or search"
    ),
    "steps maxsteps numsteps maxiterations": (
        "the number of steps is called iterations and belongs under training or search"
    ),
    "maxepochs numepochs nepochs passes": "the number of passes over the data is limited by budget.epochs",
    "maxiter": "passes over the data are limited by budget.epochs, steps by search.iterations",
    "batch batches minibatch minibatchsize": (
        "the rows of one step are called batch_size, which belongs under training or search"
    ),
    "activations activationfunction nonlinearity": (
        "the units of hidden layers are called activation, which belongs under network"
    ),
    "optimiser solver adam adamw": "what makes updates of gradients is called training.optimizer",
    "momentum nesterov beta betas beta1 beta2": (
        "momentum is one of the optimisers: training.optimizer: {name: momentum, beta: 0.9}"
    ),
    "weightdecay l1 l2 regularization regularisation": (
        "weights decay by training.optimizer: {name: sgd, weight_decay: 0.01}; nothing else is added, and "
        "training.decay is that of the stepsize"
    ),
    "lossfunction criterion objective": (
        "what is minimised is called loss, which belongs under network; its value at the start is "
        "training.initial_loss"
    ),
    "biases usebias fitintercept intercept": "whether units have biases is network.bias, true or false",
    "earlystopping earlystop patience": (
        "the number of steps is training.iterations, and training.stopping draws the one whose weights are "
        "kept; leave it out"
    ),
    "scheduler schedule lrschedule lrscheduler warmup annealing": (
        "step k uses stepsize * k**-decay; give training.decay, or leave it out"
    ),
    "hidden hiddenlayers hiddenlayersizes hiddendim units neurons width depth architecture inputdim "
    "outputdim": "the lengths of all layers, the input's first, are network.layers",
    "label labels y targets": "the targets of a data file are named with data.target",
    "path filename dataset csv": "the data file is named with data.file",
    "normalize normalise normalization standardize scale scaler": (
        "how features come into [0, 1] is data.scaling"
    ),
    "model": "the network is described under network",
}
_SYNONYMS = {word: meant for words, meant in _MEANT.items() for word in words.split()}


def unknown_key(path: KeyPath) -> str:
    """Return what to say of a key that its section does not have: most likely another was meant."""
    key = str(path[-1])
    message = f"unknown key {shown(key)}"
    here = list(_section(path[:-1]).model_fields)
    homes = _homes()
    if key in homes:
        return f"{message}; {key!r} belongs {homes[key]}"
    if meant := _SYNONYMS.get(_bare(key)):
        return f"{message}; {meant}"
    if close := look_alike(key, here):
        return f"{message}; did you mean {close!r}?"
    if close := look_alike(key, list(homes)):
        return f"{message}; did you mean {close!r}, which belongs {homes[close]}?"
    return f"{message}; the keys here are {', '.join(here)}"


def _bare(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _homes() -> dict[str, str]:
    """Return, for each key of a spec, the words for where it belongs."""
    homes: dict[str, list[str]] = {}

    def visit(section: type[Section], path: KeyPath) -> None:
        for key in section.model_fields:
            homes.setdefault(key, []).append(path_text(path))
            if key in section.sections:
                visit(section.sections[key], (*path, key))

    visit(Spec, ())
    return {key: _belongs(places) for key, places in homes.items()}


def _belongs(places: list[str]) -> str:
    under = [place for place in places if place]
    words = f"under {' or '.join(under)}" if under else ""
    return " or ".join(part for part in ("at the top level" if "" in places else "", words) if part)


# Which rule holds for a key of a spec, asked without a spec that has it.


def rule_of(key: str) -> Rule:
    """Return the rule for the value of a key, or for one entry of its list, as in `network.layers[1]`.

    Raises:
        UsageError: the spec knows no such key, or it is a section.

    Example:
        >>> rule_of("network.layers[1]").schema()
        {'type': 'integer', 'minimum': 1, 'maximum': 1000000000}
    """
    path = key_path_parts(key)
    if path is None:
        raise UsageError(f"must be a key of the spec; got {shown(key)}; write training.stepsize, for example")
    section: type[Section] = Spec
    for depth, part in enumerate(path):
        if part not in section.model_fields:
            raise UsageError(unknown_key(path[: depth + 1]))
        name, rest = str(part), path[depth + 1 :]
        inside = section.sections.get(name)
        if inside is not None and rest and isinstance(rest[0], str):
            section = inside
            continue
        rule = _rule(section.model_fields[name])
        if rule is not None and not rest:
            return rule
        if isinstance(rule, Numbers) and rule.listing and len(rest) == 1 and isinstance(rest[0], int):
            return rule.item
        if rule is None and inside is not None:
            first = f"{path_text(path[: depth + 1])}.{next(iter(inside.model_fields))}"
            raise UsageError(f"must be a key; got the section {name}; name a key in it, such as {first}")
        break
    raise UsageError(f"must be a key of the spec; got {shown(key)}, which holds no such entry; shorten it")


def _rule(field: FieldInfo) -> Rule | None:
    """The rule among the annotations of a field, which may be one of an optional type."""
    inner = [note for way in get_args(field.annotation) for note in getattr(way, "__metadata__", ())]
    return next((note for note in (*field.metadata, *inner) if isinstance(note, Rule)), None)


# `--set a.b=value`: one key of the positioned tree replaced, with the option as its place.

LABEL_CHARACTERS = 80


def apply_override(root: Node, text: str, *, option: str = "--set") -> None:
    """Replace the key that `text`, the value of one `--set`, names; absent sections are made.

    Args:
        root: changed in place.
        text: key.path=value.
        option: which option gave it, for messages.

    Raises:
        SpecError: the text is not `key.path=value`, the value is not YAML, or the path leads nowhere.
    """
    label = f"{option} {printable(text)}"
    if len(label) > LABEL_CHARACTERS:
        label = f"{label[:LABEL_CHARACTERS]}..."
    name, equals, value = text.partition("=")
    path = key_path_parts(name.strip())
    if not equals or path is None or len(path) > MAX_DEPTH:
        got = shown(text) if not equals else shown(name)
        message = f"must be key.path=value; got {got}; write `--set training.batch_size=64`, for example"
        raise SpecError(message, file=label)
    node = _parse_value(value, path, label)
    holder = root
    for depth, part in enumerate(path, 1):
        entries = _entries(holder, path[:depth], label)
        if depth == len(path):
            entries[part] = node
        elif isinstance(part, int):
            holder = entries[part]
        else:
            holder = entries.setdefault(part, Node(None, origin=label))


def _parse_value(text: str, path: KeyPath, label: str) -> Node:
    tree = build_tree(text)
    if tree.problems:
        # A position within the option would be counted from its value, which no one sees apart.
        raise_first([Problem((*path, *problem.path), problem.message) for problem in tree.problems], label)
    node = tree.root or Node(None)
    below = [node]
    while below:
        entry = below.pop()
        entry.origin, entry.line, entry.column, entry.key = label, None, None, None
        if isinstance(entry.value, dict):
            below.extend(entry.value.values())
        elif isinstance(entry.value, list):
            below.extend(entry.value)
    return node


def _entries(holder: Node, path: KeyPath, label: str) -> Any:
    """The list or mapping of a node that has the end of the path, or may get it."""
    part = path[-1]
    if holder.value is None and isinstance(part, str):
        holder.value = {}
    value = holder.value
    if isinstance(part, str) and isinstance(value, dict):
        return value
    if isinstance(part, int) and isinstance(value, list) and part < len(value):
        return value
    got, parent = shown(plain(holder)), path_text(path[:-1])
    rule, fix = "inside a section", f"set {parent} itself"
    if isinstance(part, int):
        many = isinstance(value, list) and value
        rule = f"an index from 0 to {len(value) - 1}" if many else "a key of a list"  # type: ignore[arg-type]
        got, fix = f"index {part} of {got}", f"set the whole list, as in `--set {parent}=[...]`"
    else:
        got = f"{got} there"
    raise SpecError(f"must be {rule}; got {got}; {fix}", file=label, key=path_text(path))


# Text -> validated spec, with every error at its place in the text.

INIT = "start from `rsgadvise init FILE`"
BYTE_ORDER_MARK = "\ufeff"
SUFFIXES = (".yaml", ".yml", ".json")
"""Of files that are specs whatever they hold."""


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A validated spec and where its values stand."""

    spec: Spec
    source: SpecSource


def load_spec(
    path_or_dash: str | Path, *, overrides: Sequence[str] = (), stdin: IO[bytes] | IO[str] | None = None
) -> LoadedSpec:
    """Read, parse and validate a spec file, or standard input for "-".

    Args:
        path_or_dash: the file, or "-".
        overrides: texts of `--set a.b=value`, applied in order.
        stdin: read instead of `sys.stdin`.

    Raises:
        SpecError: the spec cannot be read or breaks a rule.
    """
    if str(path_or_dash) == "-":
        return parse_spec(decode(read_stdin(stdin), STDIN), file=STDIN, overrides=overrides)
    path = Path(path_or_dash)
    file = printable(str(path_or_dash))
    text = decode(read_file(path), file)
    return _parse(text, file=file, base_dir=path.parent, overrides=overrides)


def parse_spec(text: str, *, file: str, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Parse and validate the text of a spec; `file` names it in messages.

    `data.file` is relative to the directory of `file`; for a name such as "<stdin>" it is relative
    to the working directory.

    Raises:
        SpecError: the spec breaks a rule.

    Example:
        >>> from rsgadvise.spec import parse_spec
        >>> text = "network: {kind: single_layer, layers: [784, 10]}"
        >>> parse_spec(text, file="a.yaml", overrides=["network.layers[1]=5"]).spec.network.layers
        (784, 5)
    """
    base_dir = Path() if file.startswith("<") else Path(file).parent
    return _parse(text, file=printable(file), base_dir=base_dir, overrides=overrides)


def _parse(text: str, *, file: str, base_dir: Path, overrides: Sequence[str]) -> LoadedSpec:
    tree = build_tree(text.removeprefix(BYTE_ORDER_MARK))
    root = tree.root
    if not tree.complete or (tree.problems and root is None):
        raise_first(tree.problems, file)
    if root is None or root.value is None:
        raise SpecError(f"must hold a spec; got an empty file; {INIT}", file=file)
    if not isinstance(root.value, dict):
        got, fix = shown(plain(root)), INIT
        if file == STDIN and isinstance(root.value, str):
            fix = f"write a spec, or, since data are read more than once, save them and name the file; {INIT}"
        elif Path(file).suffix.lower() not in {"", *SUFFIXES}:
            fix = f"if it holds data, `rsgadvise recommend {file} --save SPEC` makes a spec of it"
        message = f"must be sections such as network: and data:; got {got}; {fix}"
        raise SpecError(message, file=file, line=root.line, column=root.column)
    for override in overrides:
        apply_override(root, override)
    return _validated(root, list(tree.problems), file=file, base_dir=base_dir, text=text)


def with_override(loaded: LoadedSpec, *texts: str, option: str = "--set") -> LoadedSpec:
    """The same spec with further keys replaced, as by `--set`; the one given is left as it is.

    Args:
        loaded: a valid spec.
        texts: of key.path=value, applied in order, and only then validated.
        option: where they come from, for messages.

    Raises:
        SpecError: a text is malformed, or what it makes of the spec breaks a rule.

    Example:
        >>> from rsgadvise.spec import parse_spec, with_override
        >>> narrow = parse_spec("network: {kind: single_layer, layers: [784, 10]}", file="a.yaml")
        >>> with_override(narrow, "network.layers[1]=5").spec.network.layers, narrow.spec.network.layers
        ((784, 5), (784, 10))
    """
    root = deepcopy(loaded.source.root)
    for text in texts:
        apply_override(root, text, option=option)
    source = loaded.source
    return _validated(root, [], file=source.file, base_dir=source.base_dir, text=source.text)


def _validated(root: Node, problems: list[Problem], *, file: str, base_dir: Path, text: str) -> LoadedSpec:
    try:
        spec = Spec.model_validate(plain(root))
    except ValidationError as error:
        # One mistake is reported once: what the notation broke cannot also be valid.
        reported = {problem.path for problem in problems}
        problems += [new for new in validation_problems(error, root) if new.path not in reported]
        raise_first(problems, file)
    if problems:
        raise_first(problems, file)
    return LoadedSpec(spec=spec, source=SpecSource(file=file, base_dir=base_dir, root=root, text=text))


# A spec with some keys replaced, held to every rule that a file is held to.


def changed_spec(spec: Spec, changes: Mapping[str, Any]) -> Spec:
    """The spec as `--set key=value` would make it, for every key at once.

    Only the sections that change are read again, so that a long list elsewhere costs nothing.

    Args:
        spec: a valid spec.
        changes: value by `section.key` or `section.key.key`; None takes the key out.

    Raises:
        SpecError: the new values break a rule; its `key` and `message` say which.

    Example:
        >>> spec = Spec.model_validate({"network": {"kind": "single_layer", "layers": [784, 10]}})
        >>> changed_spec(spec, {"training.batch_size": 64}).training.batch_size
        64
    """
    sections: dict[str, Any] = {name: getattr(spec, name) for name in spec.model_fields_set}
    opened: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        first, *inner, last = key.split(".")
        if first not in opened:
            section = sections.get(first)
            opened[first] = {} if section is None else section.model_dump(exclude_unset=True)
        place = opened[first]
        for part in inner:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        return Spec.model_validate({**sections, **opened})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise SpecError(detail["msg"], file="", key=path_text(detail["loc"])) from None


def with_statistics(spec: Spec, measured: Mapping[str, float | int | None]) -> Spec:
    """The spec with the statistics of its data file in place of those that it gives.

    They are taken as they are: exact arithmetic makes them obey the rules between them. Standardised inputs
    have means of 0, which nobody asks a spec for, and a second moment of 1 at most but for rounding.
    """
    known = {key: value for key, value in measured.items() if value is not None}
    if not spec.data.unit:
        known = {key: value for key, value in known.items() if key not in ("mean", "mean_square")}
        if "second_moment" in known:
            known["second_moment"] = min(known["second_moment"], 1.0)
    data = spec.data.model_copy(update=known)
    return spec.model_copy(update={"data": data})
