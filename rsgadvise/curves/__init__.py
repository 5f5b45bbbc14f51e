"""How the bound of an advice moves with each knob, as numbers for whoever draws or tabulates them."""

from rsgadvise.curves.curves import curves_of
from rsgadvise.curves.results import Curve, Curves, Edge, Mark, Series, Stack, Tradeoff

__all__ = ["Curve", "Curves", "Edge", "Mark", "Series", "Stack", "Tradeoff", "curves_of"]
