"""What a network is made of, said alike by a spec, by a problem of the theory and by what is trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from rsgadvise.kinds import OfKind
from rsgadvise.records import dataclass
from rsgadvise.theory.heads import SQUARED, head_of
from rsgadvise.theory.units import SIGMOID, units_of

if TYPE_CHECKING:
    from rsgadvise.theory.descent import FloatArray
    from rsgadvise.theory.heads.head import Head
    from rsgadvise.theory.units.unit import Unit


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing can be proven of a network, whose constants can only be measured.

    Attributes:
        key: of the spec that it lies in. given: what stands there.
        rule: what would have to. why: what the given one has, and lacks by it.
        fix: what has not. change: the first of it, as --set takes it.
    """

    key: str
    given: str
    rule: str
    why: str
    fix: str
    change: str

    @property
    def subject(self) -> str:
        """What stands there, as in sentences."""
        return self.given if self.key.startswith("network.") else f"{self.key}: {self.given}"


class Architecture(OfKind):
    """A network that has units and a loss by name; none stand for sigmoids.

    With biases every layer has one more input, which is 1 and never masked: they are the last column of its
    matrix. They start at 0, and share the box of the weights and their stepsize.
    """

    __slots__ = ()
    if TYPE_CHECKING:

        @property
        def weight_bounds(self) -> tuple[float, ...]: ...
        @property
        def activations(self) -> tuple[str, ...]: ...
        @property
        def loss(self) -> str: ...
        @property
        def bias(self) -> bool: ...
        @property
        def spectral(self) -> bool: ...

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
        """Whether all units are sigmoids without biases, the loss is their squared error, and inputs lie in
        [0, 1]."""
        plain = self.loss == SQUARED and {*self.activations} <= {SIGMOID} and not self.bias
        return plain and self.largest_norm is None

    @property
    def largest_norm(self) -> float | None:
        """No input is longer, inf where that is unknown; None of inputs in [0, 1], as of a network alone."""
        return None

    @property
    def lingers(self) -> bool:
        """Whether it stays about the loss of a constant prediction at first.

        Where a unit is not 0 at 0, as a sigmoid, a layer hands on nearly the same for every row.
        """
        return any(unit.at_zero != 0 for unit in self.units)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What keeps its curvature or its gradients from having a bound; none where both have one.

        Without a box that is a loss of unbounded slope, and anywhere a unit with a kink: where an input moves
        it the gradient jumps, so that no constant bounds its change, whatever the Hessian is beside the kink.
        """
        smooth = {
            name: unit.smoothed or "softplus"
            for name, unit in zip(self.activations, self.units, strict=False)
            if unit.bend == math.inf
        }
        if smooth:
            kinked, instead = next(iter(smooth.items()))
            words = [smooth.get(name, name) for name in self.activations]
            kink = Obstacle(
                "network.activation",
                kinked,
                "smooth",
                "a kink, so no curvature bound exists",
                f"{instead} has no kink",
                f"network.activation={words[0] if len({*words}) == 1 else '[' + ','.join(words) + ']'}",
            )
            return (kink,)
        if not self.weight_bounds and self.head.squared_slope(1, math.inf) == math.inf:
            slope = Obstacle(
                "network.loss",
                self.loss,
                "of bounded slope without a box",
                "no bounded slope without a box, so no variance bound exists",
                "kind: multilayer has a box",
                "network.kind=multilayer",
            )
            return (slope,)
        return ()

    @property
    def obstacle(self) -> Obstacle | None:
        """The first of these."""
        return next(iter(self.obstacles), None)

    @property
    def limit_key(self) -> str:
        """Key of the spec that bounds the weights."""
        return f"network.{'spectral' if self.spectral else 'weight'}_bound"

    @property
    def without_measuring(self) -> str:
        """What to do where nothing can be measured, as an error has it."""
        obstacle = self.obstacle
        return "use --constants certified" if obstacle is None else f"change {obstacle.key}: {obstacle.fix}"

    @property
    def penalty(self) -> float:
        """lambda of a term lambda ||W||^2/2 that joins the loss in training; 0 of the network alone."""
        return 0.0

    @property
    def largest_square(self) -> FloatArray:
        """No ||W||^2 of all weights together is larger."""
        from rsgadvise.theory.constants import largest_square

        return largest_square(self.layers, self.weight_bounds, bias=self.bias, spectral=self.spectral)

    @property
    def largest_loss(self) -> float:
        """F_max: no loss is larger, whatever the weights in the box."""
        return self.largest_with(self.penalty)

    def _farthest(self, norm: float | None) -> float:
        """No ||x||^2 is larger, where no ||x|| is above `norm`, or above `largest_norm`."""
        norm = self.largest_norm if norm is None else norm
        return self.layers[0] if norm is None else norm**2

    def pulled(self, penalty: float, norm: float | None = None) -> FloatArray:
        """C^2/lambda^2, no row's gradient being longer than C: weights without a box do not grow beyond it.

        With gamma lambda <= 1, ||W - gamma (G + lambda W)|| is at most the larger of ||W|| and C/lambda.
        """
        slope = self.head.squared_slope(self.widths[-1], math.inf)
        return slope * (self._farthest(norm) + self.bias) / penalty**2

    def assumed_start(self, penalty: float, norm: float | None = None) -> float:
        """f(W^1) where nobody gave it: the largest of all, or of the weights that decay does not shorten."""
        if not (bool(penalty) and not self.weight_bounds):
            return self.largest_with(penalty, norm=norm)
        return self.largest_with(penalty, self.pulled(penalty, norm), norm)

    def largest_with(
        self, penalty: float, square: FloatArray | None = None, norm: float | None = None
    ) -> float:
        """F_max of the loss with penalty ||W||^2/2 beside it, ||W||^2 being at most `square`.

        Args:
            penalty, square: as above.
            norm: no input is longer; by default `largest_norm`, and where that is None they lie in [0, 1].
        """
        from rsgadvise.theory.constants import largest_loss

        within: float | FloatArray = math.inf
        if penalty:
            within = self.largest_square if square is None else square
        farthest = self._farthest(norm)
        value = largest_loss(
            self.head,
            self.widths,
            self.weight_bounds,
            self.units,
            farthest,
            targets=max(self.layers[0], farthest) if self.tied else self.widths[-1],
            bias=self.bias,
            spectral=self.spectral,
            square=within,
        )
        if penalty:
            value = value + penalty / 2 * within
        return cast(float, value) if value.ndim else float(value)  # many architectures are one problem too
