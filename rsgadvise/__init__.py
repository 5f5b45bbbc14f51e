"""Hyper-parameter advice for neural networks from gradient-convergence bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsgadvise.library import recommend as recommend

__version__ = "0.1.0"
__all__ = ["__version__", "recommend"]


def __getattr__(name: str) -> Any:
    """Import the library when it is asked for: the command line starts without it."""
    if name == "recommend":
        from rsgadvise.library import recommend

        return recommend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, also before it is imported."""
    return sorted({*globals(), *__all__})
