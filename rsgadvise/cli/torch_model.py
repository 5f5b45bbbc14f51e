"""`recommend --model`: any torch module that a Python file makes."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsgadvise.cli.options import Emit, ModelOptions
from rsgadvise.cli.output import Target, show, write
from rsgadvise.errors import UsageError, brief
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.advise.model_results import ModelAdvice
    from rsgadvise.cli.options import DataOptions
    from rsgadvise.pilot import Effort
    from rsgadvise.pilot.torch_model.advice import Wanted
    from rsgadvise.pilot.torch_model.optimizers import TorchOptimizer
    from rsgadvise.pilot.torch_model.wrapped import Loss


@dataclass(frozen=True, slots=True)
class _Rows:
    """The data file as tensors, and what a program is to be told to read it again.

    Attributes:
        inputs, targets: a row for each example; classes by number, or as numbers of 0 and 1.
        classes: whether they are numbers of classes. one_hot: of labels, a 1 for each row's; else None.
        scaling, options: of the file. notes: on it.
        decode: see `advise_model`. answers: whether they are several of 0 and 1.
    """

    inputs: Any
    targets: Any
    classes: bool
    one_hot: Any
    scaling: str
    options: dict[str, object]
    notes: tuple[str, ...]
    decode: Any
    answers: bool


def recommend_model(
    asked: ModelOptions,
    options: DataOptions,
    effort: Effort,
    to: Target,
    *,
    emit_: Emit | None,
    details: bool,
    until: float | None,
    command: str,
) -> bool:
    """Measure, race and write the answer; whether the user interrupted the race.

    Raises:
        UsageError: an option is missing or wrong, or the model cannot be trained on the data.
        MissingExtraError: torch is absent.
    """
    if emit_ not in (None, "torch"):
        raise UsageError(f"--model can be emitted as torch; got --emit {emit_}; write --emit torch")
    ready = prepared(asked, options, effort, quiet=to.quiet)
    advice = measured(ready, quiet=to.quiet)
    if until is not None:
        from rsgadvise.pilot.forecast import asked as asked_for

        advice = replace(advice, train=asked_for(advice.train, until))
    if emit_ is not None:
        write(to.path, _program(asked, options.optimizer or "adam", ready, advice, effort.seed))
        return advice.interrupted
    from rsgadvise.show.report.torch_model import model_blocks

    blocks = partial(model_blocks, details=details, source=command)
    show(to, "recommend", advice, blocks, advice.recommendations)
    return advice.interrupted


def _check_options(options: DataOptions, effort: Effort) -> None:
    """Refuse what is about networks of this package's own."""
    if options.hidden is not None or options.kind is not None:
        name = "--hidden" if options.hidden is not None else "--kind"
        raise UsageError(f"{name} describes a network, and --model brings one; leave {name} out")
    if not effort.automatic:
        raise UsageError(
            f"--constants {effort.constants} is for a network of a spec; of a model everything is measured; "
            "leave --constants out"
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model, its rows and how it is to be trained, read and found to be there.

    Attributes:
        name: of the model. module: made. inputs: as it takes them. shape: of a row, None for a flat one.
        rows: the data file. loss, optimizer, wanted: as `advise_model` takes them.
        notes: what was assumed.
    """

    name: str
    module: Any
    inputs: Any
    shape: tuple[int, ...] | None
    rows: _Rows
    loss: Loss
    optimizer: TorchOptimizer
    wanted: Wanted
    notes: tuple[str, ...]


def prepared(asked: ModelOptions, options: DataOptions, effort: Effort, *, quiet: bool) -> Prepared:
    """Read and make everything that the options name.

    Raises:
        UsageError: an option is missing or wrong. MissingExtraError: torch is absent.
    """
    assert asked.model is not None
    if asked.data is None:
        raise UsageError("--model needs --data DATA, the rows to train on; got none; add it")
    _check_options(options, effort)
    from rsgadvise.data.stream import optional

    optional("torch", "--model", "a model needs torch", extra="torch")
    import torch

    from rsgadvise.pilot.torch_model.advice import BATCH_SIZE, EPOCHS, Wanted, check_wanted
    from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
    from rsgadvise.pilot.torch_model.wrapped import BINARY, loss_named, made

    wanted = Wanted(
        batch_size=BATCH_SIZE if options.batch_size is None else options.batch_size or None,
        epochs=EPOCHS if options.epochs is None else options.epochs,
        pilot=effort.pilot,
        work=effort.work,
        seed=effort.seed,
    )
    check_wanted(wanted, option="--")
    optimizer = torch_optimizer(_named_or_code(options.optimizer or "adam", "--optimizer"))
    torch.manual_seed(effort.seed)
    module = made(_code(asked.model, "--model"), asked.model)
    rows = _read(asked, options, quiet=quiet)
    loss = loss_named(
        _named_or_code(asked.loss, "--loss")
        if asked.loss is not None
        else "cross_entropy"
        if rows.classes
        else "squared"
    )
    inputs, shape, shaped = _shaped(rows.inputs, asked.input_shape, module)
    if loss.name == BINARY and rows.classes:
        single = rows.one_hot.shape[1] == 2 and _outputs(module, inputs[:2]) == 1
        rows = replace(rows, classes=False, targets=rows.one_hot[:, 1:] if single else rows.one_hot)
    notes = [*rows.notes, *shaped]
    if asked.loss is None:
        other = (
            f"--loss {BINARY} takes outputs for log-odds of 1" if rows.answers else "--loss says otherwise"
        )
        notes.append(f"Assumed: the loss {loss.name}; {other}.")
    if options.optimizer is None:
        notes.append("Assumed: the optimiser adam; --optimizer says otherwise.")
    if options.epochs is None:
        notes.append(f"Assumed: {EPOCHS:g} epochs; --epochs says otherwise.")
    if options.batch_size is None:
        notes.append(f"Assumed: batches of {BATCH_SIZE} rows; --batch-size says otherwise, auto measures it.")
    return Prepared(
        name=asked.model.rpartition(":")[2],
        module=module,
        inputs=inputs,
        shape=shape,
        rows=rows,
        loss=loss,
        optimizer=optimizer,
        wanted=wanted,
        notes=tuple(notes),
    )


def measured(ready: Prepared, *, quiet: bool) -> ModelAdvice:
    """Measured and raced, with progress.

    Raises:
        UsageError: the model cannot be trained on the data.
    """
    from rsgadvise.cli.progress import ReadProgress
    from rsgadvise.pilot.torch_model.advice import advise_model

    with ReadProgress(enabled=not quiet) as bar:
        advice = advise_model(
            ready.module,
            (ready.inputs, ready.rows.targets),
            loss=ready.loss,
            optimizer=ready.optimizer,
            wanted=ready.wanted,
            name=ready.name,
            decode=ready.rows.decode,
            progress=lambda part, name: bar(round(1000 * part), 1000, name),
        )
    plan = replace(advice.train, scaling=ready.rows.scaling)
    return replace(advice, train=plan, notes=(*advice.notes, *ready.notes))


def _code(said: str, option: str) -> Any:
    """What a Python file calls so; the file is run.

    Raises:
        UsageError: there is no such file or name, or the file fails.
    """
    file, _, name = said.rpartition(":")
    path = Path(file)
    if not file or not name or not path.is_file():
        what = "no such file" if file and name else "one of them alone"
        raise UsageError(
            f"{option} must be FILE.py:NAME, a Python file and a name in it; got {said!r}, {what}; write "
            "e.g. net.py:make_net"
        )
    spec = importlib.util.spec_from_file_location(f"rsgadvise_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{option} must name a Python file; got {file!r}; rename it to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that its classes can be copied
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # what lies beside it can be imported, as when it is run
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file} must run without an error; got {brief(error)}; mend it") from error
    finally:
        sys.path.remove(folder)
    if not hasattr(module, name):
        own = [each for each, value in vars(module).items() if getattr(value, "__module__", "") == spec.name]
        there = ", ".join([*own[:8], "..."] if len(own) > 8 else own)
        raise UsageError(
            f"{file} must define {name}, as {option} names it; got {there or 'nothing'}; change one"
        )
    return getattr(module, name)


def _named_or_code(said: str, option: str) -> Any:
    return _code(said, option) if ":" in said else said


def _read(asked: ModelOptions, options: DataOptions, *, quiet: bool) -> _Rows:
    import torch

    from rsgadvise.cli import sources
    from rsgadvise.data.opening import open_as
    from rsgadvise.data.statistics import load_encoded

    assert asked.data is not None
    path = asked.data
    source, reading, notes = sources.opened(path, options, targeted=True)
    statistics = sources.measured(source, spectrum=False, quiet=quiet, scaling=options.scaling)
    inputs, targets, encoding = load_encoded(open_as(path, reading), statistics)
    assert targets is not None
    assert encoding is not None
    classes = statistics.target_encoding == "one-hot"
    notes = [*notes, f"Data measured from {path}: scaling {statistics.scaling}.", *statistics.notes]
    found = torch.tensor(targets, dtype=torch.float32)
    return _Rows(
        torch.tensor(inputs, dtype=torch.float32),
        found.argmax(dim=1) if classes else found,
        classes,
        found if classes else None,
        statistics.scaling,
        dict(reading.said),
        tuple(notes),
        encoding.decodes,
        encoding.kind == "0 and 1 per column",
    )


def _shaped(inputs: Any, said: str | None, module: Any) -> tuple[Any, tuple[int, ...] | None, list[str]]:
    """(the rows as the module takes them, their shape or None for flat ones, what to say of it)."""
    import math

    width = inputs.shape[1]
    if said is not None:
        try:
            shape = tuple(int(part) for part in said.split(","))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1 or math.prod(shape) != width:
            raise UsageError(
                f"--input-shape must be whole numbers whose product is the {width:,} features of a row; got "
                f"{said!r}; write e.g. {_example(width)}"
            )
        found = inputs.reshape(-1, *shape)
        if colours_last(shape):
            return found.permute(0, 3, 1, 2).contiguous(), shape, []
        return found, shape, []
    side = math.isqrt(width)
    if side * side != width or side < 4 or _takes(module, inputs[:2]):
        return inputs, None, []
    square = inputs.reshape(-1, 1, side, side)
    if not _takes(module, square[:2]):
        return inputs, None, []
    return square, (1, side, side), [f"Rows were taken for images of {side} x {side} in one colour."]


def colours_last(shape: tuple[int, ...]) -> bool:
    """Whether a row is height, width and colours, which torch wants first."""
    return len(shape) == 3 and shape[2] <= 4 and shape[2] < shape[0]


def _example(width: int) -> str:
    import math

    for colours in (1, 3):
        side = math.isqrt(width // colours)
        if colours * side * side == width:
            return f"{colours},{side},{side}"
    return str(width)


def _takes(module: Any, inputs: Any) -> bool:
    """Whether a copy of the module computes something of them."""
    return _outputs(module, inputs) is not None


def _outputs(module: Any, inputs: Any) -> float | None:
    """How many numbers a copy of the module makes of a row; None where it fails."""
    import copy

    import torch

    try:
        with torch.no_grad(), torch.random.fork_rng():
            outputs = copy.deepcopy(module).eval()(inputs.to(next(module.parameters()).device))
    except Exception:  # noqa: BLE001 - whatever code of the user raises, it does not
        return None
    return outputs.numel() / len(inputs) if torch.is_tensor(outputs) else 0.0


def _program(asked: ModelOptions, optimizer: str, ready: Prepared, advice: ModelAdvice, seed: int) -> str:
    from rsgadvise.pilot.torch_model.optimizers import torch_optimizer
    from rsgadvise.pilot.torch_model.wrapped import LOSSES
    from rsgadvise.show.emit import model_program

    assert asked.model is not None
    file, _, name = asked.model.rpartition(":")
    rows, shape = ready.rows, ready.shape
    return model_program(
        advice,
        file=file,
        name=name,
        loss=LOSSES[advice.loss].code if asked.loss is None or ":" not in asked.loss else asked.loss,
        optimizer=optimizer if ":" in optimizer else torch_optimizer(optimizer).code,
        data={"path": str(asked.data), "options": rows.options, "scaling": rows.scaling},
        classes=rows.classes,
        second=rows.one_hot is not None and rows.targets.ndim == 2 and rows.targets.shape[1] == 1,
        judged=advice.train.held_out_error is not None,
        tensor=bool(_outputs(ready.module, ready.inputs[:2])),
        shape=shape,
        turned=shape is not None and colours_last(shape),
        seed=seed,
    )
