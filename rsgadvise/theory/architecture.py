"""What a network is made of, said alike by a spec, by a problem of the theory and by what is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rsgadvise.kinds import OfKind
from rsgadvise.theory.heads import SQUARED, head_of
from rsgadvise.theory.units import SIGMOID, units_of

if TYPE_CHECKING:
    from rsgadvise.theory.heads.head import Head
    from rsgadvise.theory.units.unit import Unit


class Architecture(OfKind):
    """A network that has units and a loss by name; none stand for sigmoids."""

    __slots__ = ()
    if TYPE_CHECKING:

        @property
        def weight_bounds(self) -> tuple[float, ...]: ...
        @property
        def activations(self) -> tuple[str, ...]: ...
        @property
        def loss(self) -> str: ...

    @property
    def units(self) -> tuple[Unit, ...]:
        """phi of each hidden layer."""
        return units_of(self.activations, self.hidden)

    @property
    def head(self) -> Head:
        """The loss with its output units."""
        return head_of(self.loss)

    @property
    def as_in_the_paper(self) -> bool:
        """Whether all units are sigmoids and the loss is their squared error."""
        return self.loss == SQUARED and {*self.activations} <= {SIGMOID}

    @property
    def largest_loss(self) -> float:
        """F_max: no loss is larger, whatever the weights in the box."""
        from rsgadvise.theory.constants import largest_loss

        value = largest_loss(self.head, self.widths, self.weight_bounds, self.units)
        return cast(float, value) if value.ndim else float(value)  # many architectures are one problem too
