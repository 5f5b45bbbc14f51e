"""The rules between sections of a spec, each held to the key that is to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsgadvise.spec.rules import ROUNDING, Got, Problem, failure, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rsgadvise.spec.models import Spec

__all__ = ["disagreements"]

NO_DROPOUT = "1 for kind single_layer, whose theory has no dropout"
USE_MULTILAYER = "remove it, or use kind: multilayer"


def disagreements(spec: Spec) -> list[Problem]:
    """Return every rule between sections that the spec breaks."""
    return [*_eigenvalue(spec), *_training(spec), *_search(spec), *_budget(spec)]


def _eigenvalue(spec: Spec) -> Iterator[Problem]:
    # The trace of E[x x^T], d second_moment, bounds the eigenvalue above; the unit vector of equal
    # entries bounds it below.
    data, d = spec.data, spec.network.input_dim
    if data.top_eigenvalue is None:
        return
    uppers = {"second_moment": data.second_moment, "mean": data.mean}
    lowers = {"mean_square": data.mean_square, "mean**2": None if data.mean is None else data.mean**2}
    upper_name, upper = next(((n, v) for n, v in uppers.items() if v is not None), ("1", 1.0))
    lower_name, lower = next(((n, v) for n, v in lowers.items() if v is not None), ("0", 0.0))
    value = data.top_eigenvalue
    if d * lower > value * (1 + ROUNDING) or value > d * upper * (1 + ROUNDING):
        rule = f"from {d} * {lower_name} = {d * lower:.6g} to {d} * {upper_name} = {d * upper:.6g}"
        fix = "measure it with `rsgadvise stats DATA --into SPEC`"
        yield ("data", "top_eigenvalue"), failure(rule, value, fix)


def _training(spec: Spec) -> Iterator[Problem]:
    network, training = spec.network, spec.training
    loss = training.initial_loss
    if loss is not None and loss > network.output_dim * (1 + ROUNDING):
        rule = f"at most {network.output_dim}, the number of outputs and so the largest loss possible"
        fix = f"lower it, or remove it to assume {network.output_dim}"
        yield ("training", "initial_loss"), failure(rule, loss, fix)
    if training.pretraining is not None and network.kind != "multilayer":
        got = Got(f"tolerance {number_text(training.pretraining.tolerance)}")
        rule = f"absent for kind {network.kind}: only multilayer networks are pretrained layer by layer"
        yield ("training", "pretraining"), failure(rule, got, USE_MULTILAYER)
    if isinstance(training.stepsize, tuple):
        if network.kind != "multilayer":
            rule = f"one number for kind {network.kind}, all of whose weights share a stepsize"
            fix = f"write {number_text(training.stepsize[0])}, for example"
            yield ("training", "stepsize"), failure(rule, training.stepsize, fix)
        elif len(training.stepsize) != network.depth:
            rule = f"a number or a list of {network.depth}, one per layer of weights"
            fix = "give one number for every layer"
            yield ("training", "stepsize"), failure(rule, training.stepsize, fix)
    if network.kind == "single_layer" and training.keep_prob not in {None, 1.0}:
        yield ("training", "keep_prob"), failure(NO_DROPOUT, training.keep_prob, USE_MULTILAYER)


def _search(spec: Spec) -> Iterator[Problem]:
    if spec.network.kind != "single_layer" or "keep_prob" not in spec.search.model_fields_set:
        return
    given = spec.search.keep_prob
    values = given if isinstance(given, tuple) else (given.min, given.max)
    if (worst := min(values)) != 1:
        yield ("search", "keep_prob"), failure(NO_DROPOUT, worst, USE_MULTILAYER)


def _budget(spec: Spec) -> Iterator[Problem]:
    if spec.budget is None:
        return
    seconds, epochs = spec.budget.seconds, spec.budget.epochs
    if seconds is not None and spec.cost is None:
        rule = "absent without a cost section, which says how long a step takes"
        fix = "add `cost: {per_iteration: , per_sample: }`"
        yield ("budget", "seconds"), failure(rule, seconds, fix)
    if epochs is not None and spec.data.samples is None and spec.data.file is None:
        rule = "absent while the number of samples is unknown"
        yield ("budget", "epochs"), failure(rule, epochs, "add data.samples or data.file")
