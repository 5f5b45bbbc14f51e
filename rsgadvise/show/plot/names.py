"""What axes and groups are called, with the symbol and the unit, and the sentences of captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from rsgadvise.kinds import KINDS
from rsgadvise.numerals import count, number, stepsizes

GRADIENT = "E‖∇f(Wᴿ)‖² (squared gradient norm)"
LIMIT = "largest gradient possible (vacuity limit)"
"""The level above which a bound says nothing."""

_QUANTITIES: dict[str, tuple[str, str, str]] = {
    # last part of the key: name, symbol, unit
    "batch_size": ("batch size", "B", "rows"),
    "iterations": ("iterations", "N", "steps"),
    "stepsize": ("stepsize", "γ", ""),
    "decay": ("stepsize decay", "ρ", ""),
    "keep_prob": ("keep probability", "ζ", ""),
    "dropout_rate": ("dropout rate", "1 − ζ", ""),
    "initial_loss": ("initial loss", "f(W¹)", ""),
    "tolerance": ("pretraining tolerance", "α", ""),
    "weight_bound": ("weight bound", "w", ""),
    "mean": ("mean of the inputs", "μ_x", ""),
    "mean_square": ("mean square of the inputs", "τ_x", ""),
    "second_moment": ("second moment of the inputs", "E‖x‖²/d_x", ""),
    "top_eigenvalue": ("top eigenvalue", "λ_max", ""),
    "largest_norm": ("largest norm of the inputs", "max ‖x‖", ""),
    "samples": ("samples", "S", "rows"),
    "epochs": ("epochs", "C", "passes"),
    "eps": ("target", "ε", ""),
    "delta": ("probability of missing it", "δ", ""),
    "runs": ("runs", "T", ""),
    "layers": ("layer lengths", "", "units"),
    "depth": ("depth", "L", "layers"),
    "width": ("hidden length", "", "units"),
    "kind": ("network", "", ""),
    "stopping": ("stopping", "P_R", ""),
}
_ONE_LAYER = re.compile(r"(?:network\.)?layers\[(\d+)\]$")
_LONGEST = 44
_PLACES_NAMED = 4
_REASON = 160


def _quantity(key: str, depth: int, kind: str = "") -> tuple[str, str, str]:
    """Name, symbol and unit of a key; `depth` counts the layers of the network."""
    found = _ONE_LAYER.match(key)
    if found:
        index = int(found[1])
        tied = kind in KINDS and KINDS[kind].tied  # whose outputs are as many as its inputs
        final = index == depth - 1 and not tied
        place = "input" if index == 0 else "output" if final else "hidden"
        return f"{place} length", f"d_{index}", "units"
    last = re.sub(r"\[\d+\]$", "", key).rsplit(".", 1)[-1]
    return _QUANTITIES.get(last, (key, "", ""))


def axis_name(key: str, depth: int, kind: str = "") -> str:
    """The name of what was varied, with symbol and unit; `kind` is that of the network.

    Example:
        >>> axis_name("network.layers[1]", 3), axis_name("training.keep_prob", 3), axis_name("a.b", 3)
        ('hidden length d_1 (units)', 'keep probability ζ', 'a.b')
        >>> axis_name("network.layers[1]", 2, "autoencoder"), axis_name("network.layers[1]", 2)
        ('hidden length d_1 (units)', 'output length d_1 (units)')
    """
    name, sign, unit = _quantity(key, depth, kind)
    return f"{name}{f' {sign}' if sign else ''}{f' ({unit})' if unit else ''}"


def symbol(key: str, depth: int) -> str:
    """The symbol of what was varied, else its name."""
    name, sign, _ = _quantity(key, depth)
    return sign or name


def value_text(value: object) -> str:
    """A value of an axis as text.

    Example:
        >>> value_text([784, 200, 10]), value_text(0.5), value_text(1024), value_text("uniform")
        ('784-200-10', '0.5', '1,024', 'uniform')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, (list, tuple)):
        whole = all(isinstance(item, int) for item in value)
        return shortened(("-" if whole else ", ").join(str(item) for item in value))
    return shortened(str(value))


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A text on one line, whose middle is left out where it is long.

    Example:
        >>> shortened("/a/very/long/path/of/a/spec.yaml", 20)
        '/a/very/l…/spec.yaml'
    """
    if not text.isprintable():
        text = ascii(text)[1:-1]
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def layer_names(layers: Sequence[Sequence[int]]) -> str:
    """Networks in one word: lengths that differ as d_l, or the numbers of weight matrices where those differ.

    Example:
        >>> layer_names([(784, 50, 10), (784, 100, 10)]), layer_names([(4, 2), (4, 3, 2)])
        ('784-d_1-10', 'L = 1 to 2')
    """
    depths = sorted({len(each) for each in layers})
    if len(depths) > 1:
        return f"L = {depths[0] - 1} to {depths[-1] - 1}"
    columns = enumerate(zip(*layers, strict=True))
    return shortened("-".join(str(found[0]) if len(set(found)) == 1 else f"d_{at}" for at, found in columns))


def _single(value: Any) -> Any:
    """The number that all entries are, else the value itself."""
    return value[0] if isinstance(value, (list, tuple)) and len(set(value)) == 1 else value


def fixed_values(values: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """What is the same at all points, as text.

    Args:
        values: key and its value at each point, one for each layer or for all; null where it is unknown.
    """
    same, chosen = [], []
    for key, found in values:
        each = [_single(value) for value in found]  # networks that differ in depth may have equal stepsizes
        if not each or any(value is None for value in each):
            continue
        first = each[0]
        name, sign, _ = _quantity(key, 0)
        if any(value != first for value in each):
            chosen.append(name)
        else:
            whole = isinstance(first, (int, float)) and first == int(first)
            same.append(f"{name} {sign} = {count(int(first)) if whole else stepsizes(first)}")
    parts = []
    if same:
        parts.append("fixed: " + ", ".join(same))
    if chosen:
        parts.append("differs from point to point: " + ", ".join(chosen))
    return "; ".join(parts)


def interval_text(confidence: float | None) -> str:
    """The name of what was measured, with what its intervals are.

    Example:
        >>> interval_text(0.99), interval_text(None)
        ('measured mean, 99 % interval', 'measured mean with its interval')
    """
    if confidence is None:
        return "measured mean with its interval"
    return f"measured mean, {100 * confidence:.6g} % interval"


def _times(ratio: float) -> str:
    """A factor with three significant digits."""
    rounded = float(f"{ratio:.3g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e6 else f"{rounded:.3g}"


def looseness_text(name: str, pairs: Sequence[tuple[float, float]]) -> Iterator[str]:
    """How far a bound lies above what was measured, over (bound, measured).

    Example:
        >>> list(looseness_text("paper bound", [(12.0, 1.0), (1666.7, 1.0), (3.4e9, 1.0)]))
        ['The paper bound is 12 to 3.4e+09 times the measured, median 1,670.']
        >>> list(looseness_text("paper bound", [(0.5, 1.0), (3.0, 1.0)]))[1]
        'The paper bound lies below the measured mean at 1 of 2 points.'
    """
    ratios = [bound / measured for bound, measured in pairs if measured > 0]
    if not ratios:
        return
    low, high = _times(min(ratios)), _times(max(ratios))
    if low == high:
        yield f"The {name} is {low} times the measured."
    else:
        yield f"The {name} is {low} to {high} times the measured, median {_times(median(ratios))}."
    below = sum(1 for ratio in ratios if ratio < 1)
    if below:
        yield f"The {name} lies below the measured mean at {below} of {len(ratios)} points."


def missing_text(name: str, lacking: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Where a bound is missing, and why.

    Args:
        name: of the bound.
        lacking: what the point is, and its notes.
    """
    if not lacking:
        return
    labels = [label for label, _ in lacking if label]
    named = "; ".join(labels[:_PLACES_NAMED])
    if len(labels) > _PLACES_NAMED:
        named += f"; and {len(labels) - _PLACES_NAMED} more"
    reasons = list(dict.fromkeys(note.rstrip(".") for _, notes in lacking for note in notes))
    text = f"No {name} (× at the edge) at {named or 'this point'}"
    if reasons:
        text += f": {shortened(reasons[0], _REASON)}"
        if len(reasons) > 1:
            text += f" (and {len(reasons) - 1} more notes)"
    yield f"{text}."
