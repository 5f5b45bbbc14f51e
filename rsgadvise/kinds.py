"""The kinds of networks, and what sets one apart from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from rsgadvise.records import dataclass

KindName = Literal["single_layer", "autoencoder", "multilayer"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of network: what a name in `network.kind` stands for.

    Attributes:
        name: in a spec.
        hidden: its hidden layers; None for one or more.
        example: d_0..d_L of one for MNIST. sizes: what such a list holds.
        loss, equation: in symbols, and its number in the paper.
        limit: the largest squared gradient possible, in symbols.
        tied: whether one matrix encodes and decodes: its targets are its inputs, and only these are dropped.
        boxed: whether weights are kept in a box, so that the projected gradient is bounded.
        masked: whether units may be dropped.
        layered: whether every matrix has a stepsize of its own, and hidden layers may be pretrained.
    """

    name: KindName
    hidden: int | None
    example: tuple[int, ...]
    sizes: str
    loss: str
    equation: str
    limit: str
    tied: bool = False
    boxed: bool = True
    masked: bool = True
    layered: bool = False


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "single_layer",
            hidden=0,
            example=(784, 10),
            sizes="inputs and outputs, [d_in, d_out]",
            loss="||y - σ(Wx)||²",
            equation="(3)",
            limit="c1² d_y d_x τ_x",
            boxed=False,
            masked=False,
        ),
        Kind(
            "autoencoder",
            hidden=1,
            example=(784, 100),
            sizes="inputs and hidden units, [d_x, d_h]",
            loss="||x - σ(Wᵀσ(W(x * z)))||² with one matrix W",
            equation="(4)",
            limit="c1² d_h d_x (1 + (w/4) ζ d_x √τ_x)²",
            tied=True,
        ),
        Kind(
            "multilayer",
            hidden=None,
            example=(784, 200, 10),
            sizes="units per layer, [d_0, ..., d_L], the input first",
            loss="||y - h^L||², h^l = σ(W_l (h^{l-1} * z^l))",
            equation="(5)",
            limit="c1² d_L A_L², A_l² = m_{l-1}² + (s_l/4)² A_{l-1}², m_0² = ζ² d_0 τ_x, m_l² = ζ² d_l",
            layered=True,
        ),
    )
}


class OfKind:
    """What has the name of a kind says of itself what its kind does; see `Kind`."""

    __slots__ = ()
    if TYPE_CHECKING:

        @property
        def kind(self) -> KindName: ...
        @property
        def layers(self) -> tuple[int, ...]: ...

    @property
    def tied(self) -> bool:
        """Whether one matrix encodes and decodes."""
        return KINDS[self.kind].tied

    @property
    def boxed(self) -> bool:
        """Whether weights are kept in a box."""
        return KINDS[self.kind].boxed

    @property
    def masked(self) -> bool:
        """Whether units may be dropped."""
        return KINDS[self.kind].masked

    @property
    def layered(self) -> bool:
        """Whether every matrix has a stepsize of its own."""
        return KINDS[self.kind].layered

    @property
    def widths(self) -> tuple[int, ...]:
        """Units from input to output as the signal passes them; an autoencoder ends where it began."""
        return (*self.layers, self.layers[0]) if self.tied else self.layers

    @property
    def hidden(self) -> int:
        """Hidden layers."""
        return len(self.widths) - 2
