"""The terms of a bound in symbols, words and sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rsgadvise.advise.wording import TERM_WORDS
from rsgadvise.bounds.theorems import theorem_of
from rsgadvise.explain.results import Term

__all__ = ["explained_terms"]

_LIMIT = {
    "single_layer": "c1² d_y d_x τ_x",
    "autoencoder": "c1² d_h d_x (1 + (w/4) ζ d_x √τ_x)²",
    "multilayer": "c1² d_L A_L², A_l² = m_{l-1}² + (s_l/4)² A_{l-1}², m_0² = ζ² d_0 τ_x, m_l² = ζ² d_l",
}

_EVERYWHERE = ("network", "inputs", "targets")
_RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "initial_error": ("suboptimality", "stepsize", "smoothness", "stopping", "sampling", "box", "masks"),
    "late_stopping": ("stepsize", "smoothness", "stopping", "sampling", "box", "masks"),
    "gradient_noise": ("variance", "moments", "sampling", "stepsize", "smoothness", "masks"),
    "output_noise": ("variance", "sampling", "stepsize", "smoothness", "masks"),
    "top_hidden_noise": ("variance", "pretraining", "sampling", "stepsize", "smoothness", "masks"),
    "lower_hidden_noise": ("variance", "pretraining", "sampling", "stepsize", "smoothness", "masks"),
    "projection_noise": ("cross_term", "variance", "moments", "sampling", "masks", "box"),
    "largest_gradient": ("moments",),
}


def explained_terms(
    terms: Mapping[str, float],
    *,
    kind: str,
    constants: str,
    plain: bool,
    equation: str,
    hypotheses: Collection[str],
) -> tuple[Term, ...]:
    """Each term with its formula, its source and what it rests on.

    Args:
        terms: value by name; they sum to the bound.
        kind, constants: of the network, and whose.
        plain: constant stepsize and uniform R.
        equation: where the bound comes from.
        hypotheses: ids of those that apply to this network.
    """
    total = sum(terms.values())
    theorem = theorem_of(kind, constants)
    formulas = theorem.plain if plain else theorem.general
    found = []
    for name, value in terms.items():
        limit = name == "largest_gradient"
        needed = (*_EVERYWHERE, *_RESTS_ON[name])
        found.append(
            Term(
                name=name,
                value=value,
                share=value / total if total > 0 else 0.0,
                formula=_LIMIT[kind] if limit else formulas[name],
                words=TERM_WORDS[name],
                source="largest gradient possible, docs/theory.md" if limit else equation,
                assumptions=tuple(each for each in needed if each in hypotheses),
            )
        )
    return tuple(found)
