"""`dataclass`, with comparing, hashing and printing written once for all classes instead of once for each."""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False, eq=True, **options):
        """`dataclasses.dataclass` with the same meaning.

        The standard one compiles six methods for a frozen class, and a short command makes a hundred such
        classes: that was a tenth of its time. Three of the six need not know the class.
        """
        shared = frozen and eq

        def made(bare):
            if shared:
                for name, method in (("__eq__", _equal), ("__hash__", _hash), ("__repr__", _shown)):
                    if bare.__dict__.get(name) is None:
                        setattr(bare, name, method)
            return dataclasses.dataclass(
                bare, frozen=frozen, eq=eq and not shared, repr=not shared, **options
            )

        return made if cls is None else made(cls)


_VALUES: dict[type, Callable[[Any], tuple[Any, ...]]] = {}
"""For a class, what gives the fields that are compared."""


def _values(of: Any) -> tuple[Any, ...]:
    cls = of.__class__
    if cls not in _VALUES:
        names = [field.name for field in fields(cls) if field.compare]
        several = len(names) > 1  # of one name, attrgetter gives the bare value
        _VALUES[cls] = (
            operator.attrgetter(*names) if several else lambda of: tuple(getattr(of, n) for n in names)
        )
    return _VALUES[cls](of)


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


@reprlib.recursive_repr()
def _shown(self: Any) -> str:
    values = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(values)})"
