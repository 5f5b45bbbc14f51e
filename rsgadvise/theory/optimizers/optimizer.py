"""What an optimiser has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from rsgadvise.records import dataclass

if TYPE_CHECKING:  # specs are read without numpy
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Setting:
    """What a setting may be: a number, or `many`, from `least` on, or `above` it, and below `below`."""

    least: float = 0.0
    above: bool = False
    below: float | None = None
    many: int = 0


@dataclass(frozen=True)
class Optimizer(ABC):
    """u, along which an optimiser moves the weights: W <- P(W - gamma u), P the projection onto the box.

    Its settings are the fields of its class, with their defaults.

    Attributes:
        title: as in sentences.
        ranges: what each setting may be.
        memory: names of what it remembers of each matrix; zeros before the first iteration.
        plain: whether u is the gradient of the loss and its `penalty`, as the theorems have it.
        untold: settings that are left unsaid where they are the usual ones.
        scale_free: whether u stays the same when f is multiplied by a number.
        keras_differs: in what the keras optimiser of that name is another.
        torch: its class in torch.optim; torch_arguments: what follows the learning rate, with the settings
            as constants.
    """

    title: ClassVar[str]
    ranges: ClassVar[Mapping[str, Setting]] = {}
    memory: ClassVar[tuple[str, ...]] = ()
    plain: ClassVar[bool] = False
    untold: ClassVar[tuple[str, ...]] = ()
    scale_free: ClassVar[bool] = False
    keras_differs: ClassVar[str] = ""
    torch: ClassVar[str]
    torch_arguments: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """As in a spec."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def words(self) -> str:
        """Title and what sets it apart, as in sentences."""
        return self.title

    @property
    def settings(self) -> dict[str, Any]:
        """Each with its value."""
        own = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {key: value for key, (value, usual) in own.items() if value != usual or key not in self.untold}

    @property
    def penalty(self) -> float:
        """lambda of a term lambda ||W||^2/2, biases included, whose gradient joins that of the loss."""
        return 0.0

    @property
    def bare(self) -> bool:
        """Whether u is the gradient of the loss itself."""
        return self.plain and not self.penalty

    @property
    def written(self) -> str | dict[str, Any]:
        """As a spec has it: a word where all settings are the usual ones."""
        return self.name if self == type(self)() else {"name": self.name} | self.settings

    @property
    def gain(self) -> float:
        """What u comes to, over the gradient, where the same comes again and again; 1 if `scale_free`."""
        return 1.0

    @property
    def growth(self) -> float:
        """What u grows by then: its limit over the first."""
        return self.gain

    @property
    @abstractmethod
    def code(self) -> str:
        """Emitted statements that make u of g, w, k = 1, 2, ... and the memory, which they renew.

        They read the settings as constants, and are for arrays of numpy and of keras.
        """

    @property
    @abstractmethod
    def sklearn(self) -> Mapping[str, object]:
        """Arguments of an MLP of scikit-learn."""

    @property
    def sklearn_lacks(self) -> str:
        """What such an MLP does without, in words."""
        return ""

    @abstractmethod
    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """Put u in place of the gradient, and renew the memory.

        Args:
            gradient, weights: of one matrix, of any number of replicas.
            memory: one array of that shape for each name.
            iteration: k = 1, 2, ...
        """

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """(c, optimiser) that with the stepsizes c gamma do to V = keep W what this one does to W.

        The gradient by V is that by W over keep. Where dropout divides what it keeps by keep, such V are the
        weights.
        """
        return keep**2, self


class Decaying(Optimizer):
    """One whose `weight_decay` W joins the gradient G: g = G + weight_decay W, as in torch.optim.SGD."""

    weight_decay: float

    untold: ClassVar[tuple[str, ...]] = ("weight_decay",)

    @property
    def words(self) -> str:
        """With any decay of the weights."""
        return f"{self.title} with weight decay {self.weight_decay:g}" if self.weight_decay else self.title

    @property
    def penalty(self) -> float:
        """Its decay is the gradient of such a term."""
        return self.weight_decay

    @property
    def joining(self) -> str:
        """First of the emitted statements; none for a decay of 0."""
        return "g = g + WEIGHT_DECAY * w\n" if self.weight_decay else ""

    @property
    def sklearn_lacks(self) -> str:
        """Its alpha is divided by the rows, and biases do not decay."""
        return "weight decay" if self.weight_decay else ""

    def join(self, gradient: Array, weights: Array) -> None:
        """g in place of G."""
        if self.weight_decay:
            gradient += self.weight_decay * weights

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """The decay of V too is to be over keep^2."""
        return keep**2, replace(self, **{"weight_decay": self.weight_decay / keep**2})
