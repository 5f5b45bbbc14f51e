"""The terms of a bound in symbols, words and sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rsgadvise.advise.wording import TERM_WORDS
from rsgadvise.explain.results import Term

__all__ = ["explained_terms"]

_FREE = ("D_f / (N γ e), e = 1 - U γ/2", "U σ² γ / (2 B e)")
_STOCHASTIC = ("D_f / (N γ e), e = 1 - U γ/2", "σ² / (B e)")
_MULTILAYER = ("D_f / (N g), g = min_l γ_l (1 - U γ_l/2)", "Σ_l γ_l σ_l² / (B g)")
_CROSS = "S + 2 √(A S), S = σ²/B, A the other terms"
_LATE = "F_max Σ_{k>1} max(0, q_k - q_{k-1})"

# (kind, whose constants) -> term -> formula at constant stepsize and uniform R.
_PLAIN: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("single_layer", "paper"): {
        "initial_error": "D_f / (N γ (1 - 13γ/16))",
        "gradient_noise": "e^s γ / (B (1 - 13γ/16)), e^s = 13 d_x d_y / 256",
    },
    ("autoencoder", "paper"): {
        "initial_error": "D_f / (N γ e), e = 1 - U_da γ/2",
        "gradient_noise": "e^da / (B e), e^da of equation (10)",
        "projection_noise": "e^da / B",
    },
    ("multilayer", "paper"): {
        "initial_error": "D_f / (N g ζ²), g = min_l γ_l - b_l γ_l²",
        "output_noise": "e_L / (B g ζ), e_L = 13 d_{L-1} d_L γ_L² / 256",
        "top_hidden_noise": "α e_{L-1} / (B g), e_l = d_{l-1} d_l d_{l+1} w_l γ_l / 4",
        "lower_hidden_noise": "α ζ Σ_{l<L-1} e_l / (B g)",
    },
    ("single_layer", "certified"): {"initial_error": _FREE[0], "gradient_noise": _FREE[1]},
    ("autoencoder", "certified"): {
        "initial_error": _STOCHASTIC[0],
        "gradient_noise": _STOCHASTIC[1],
        "projection_noise": _CROSS,
    },
    ("multilayer", "certified"): {
        "initial_error": _MULTILAYER[0],
        "gradient_noise": _MULTILAYER[1],
        "projection_noise": _CROSS,
    },
}

# The same for any P_R and decaying stepsizes, [T1].
_GENERAL: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("single_layer", "paper"): {
        "initial_error": "q_1 D_f, q_k = p_k / (γ_k (1 - 13γ_k/16))",
        "late_stopping": _LATE,
        "gradient_noise": "(e^s/B) Σ q_k γ_k², e^s = 13 d_x d_y / 256",
    },
    ("autoencoder", "paper"): {
        "initial_error": "q_1 D_f, q_k = p_k / (γ_k (1 - U_da γ_k/2))",
        "late_stopping": _LATE,
        "gradient_noise": "(e^da/B) Σ q_k γ_k, e^da of equation (10)",
        "projection_noise": "e^da / B",
    },
    ("multilayer", "paper"): {
        "initial_error": "q_1 D_f / ζ², q_k = p_k / g_k, g_k the least descent of iteration k",
        "late_stopping": f"{_LATE} / ζ²",
        "output_noise": "13 d_{L-1} d_L / (256 B ζ) Σ q_k γ_{L,k}²",
        "top_hidden_noise": "α k_{L-1} / B Σ q_k γ_{L-1,k}, k_l = d_{l-1} d_l d_{l+1} w_l / 4",
        "lower_hidden_noise": "α ζ / B Σ_{l<L-1} k_l Σ q_k γ_{l,k}",
    },
    ("single_layer", "certified"): {
        "initial_error": "q_1 D_f, q_k = p_k / (γ_k (1 - U γ_k/2))",
        "late_stopping": _LATE,
        "gradient_noise": "(U σ²/2B) Σ q_k γ_k²",
    },
    ("autoencoder", "certified"): {
        "initial_error": "q_1 D_f, q_k = p_k / (γ_k (1 - U γ_k/2))",
        "late_stopping": _LATE,
        "gradient_noise": "(σ²/B) Σ q_k γ_k",
        "projection_noise": _CROSS,
    },
    ("multilayer", "certified"): {
        "initial_error": "q_1 D_f, q_k = p_k / g_k, g_k the least descent of iteration k",
        "late_stopping": _LATE,
        "gradient_noise": "Σ_l (σ_l²/B) Σ q_k γ_{l,k}",
        "projection_noise": _CROSS,
    },
}

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
    formulas = (_PLAIN if plain else _GENERAL)[kind, constants]
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
