"""`dataclass`, whose methods are written once for all frozen classes instead of once for each."""

from __future__ import annotations

import operator
import reprlib
import sys
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False, eq=True, **options):
        """`dataclasses.dataclass` with the same meaning.

        The standard one compiles six methods for a frozen class, and a short command makes seventy such
        classes: that was a tenth of its time. Five of the six need not know the class, and what makes a
        record is compiled when the first is made.
        """

        def made(bare):
            if not frozen:
                return dataclasses.dataclass(bare, eq=eq, **options)
            record = dataclasses.dataclass(bare, init=False, repr=False, eq=False, **options)
            record.__init__ = _Init(record)
            record.__setattr__, record.__delattr__ = _kept, _kept
            for name, method in _SHARED.items() if eq else ():
                if record.__dict__.get(name) is None:
                    setattr(record, name, method)
            if "__slots__" in record.__dict__:
                record.__setstate__ = _restored
            return record

        return made if cls is None else made(cls)


class _Init:
    """In the place of `__init__`: what makes a record is compiled when somebody asks for it."""

    __slots__ = ("record",)

    def __init__(self, record: Any) -> None:
        self.record = record

    def __get__(self, one: object, cls: type | None = None) -> Any:
        self.record.__init__ = _init(self.record)
        return self.record.__init__.__get__(one, cls)


def _init(record: Any) -> Any:
    """`__init__` of a frozen class: its fields as parameters, those by name alone last."""
    given, named, lines = ["self"], ["*"], list[str]()
    known: dict[str, Any] = {"__set": object.__setattr__, "__absent": MISSING}
    for field in fields(record):
        name, start = field.name, f"__{field.name}"
        value, begin = name, ""
        if field.default is not MISSING:
            known[start] = field.default
            begin = f"={start}"
        elif field.default_factory is not MISSING:
            known[start] = field.default_factory
            value, begin = f"{start}() if {name} is __absent else {name}", "=__absent"
        if field.init:
            (named if field.kw_only else given).append(name + begin)
        elif begin:  # nobody gives it: it is as it begins
            value = begin[1:] if value is name else f"{start}()"
        else:
            continue
        lines.append(f"__set(self, {name!r}, {value})")
    if hasattr(record, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join((*given, *(named if named[1:] else ())))
    body = "".join(f"\n  {line}" for line in lines or ["pass"])
    text = f"def make({', '.join(known)}):\n def __init__({parameters}):{body}\n return __init__"
    made: dict[str, Any] = {}
    exec(text, vars(sys.modules[record.__module__]), made)
    init = made["make"](**known)
    init.__qualname__ = f"{record.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in fields(record) if field.init}
    return init


def _kept(self: Any, name: str, value: object = None) -> NoReturn:
    del self, value
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _restored(self: Any, state: Any) -> None:
    """Take what was pickled or copied: of a class with slots it comes as (its dict or None, its slots)."""
    for values in state if isinstance(state, tuple) else (state,):
        for name, value in (values or {}).items():
            object.__setattr__(self, name, value)


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


_SHARED = {"__eq__": _equal, "__hash__": _hash, "__repr__": _shown}
