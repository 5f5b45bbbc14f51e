"""What messages call the choices of a user: what they tell to do must be what the command at hand takes."""

from __future__ import annotations

import shlex

from rsgadvise.records import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Where a user says how a file is to be read.

    Args:
        in_spec: whether in the data section of a spec, or by options.
        said: whether anywhere: of a file of targets nothing can be said, so it has to be written otherwise.
        fixed: whether the columns are those of another file, that was trained on.
    """

    in_spec: bool = False
    said: bool = True
    fixed: bool = False

    def key(self, name: str) -> str:
        """Where something is said."""
        return f"data.{name}" if self.in_spec else f"--{name.replace('_', '-')}"

    def setting(self, name: str, value: str) -> str:
        """How it is said to be this."""
        return f"{self.key(name)}{': ' if self.in_spec else ' '}{value}"

    def table_key(self, key: str, value: str) -> str:
        """How something about the writing of a table is said, as a shell takes it."""
        if self.in_spec:
            return f"data.table.{key}: {value if key == 'header' else repr(value)}"
        return f"--table {shlex.quote(f'{key}={value}')}"

    @property
    def array(self) -> str:
        return self.key("array")

    @property
    def target(self) -> str:
        return self.key("target")

    @property
    def encoding(self) -> str:
        """What to do about a text of an unknown encoding."""
        return (
            f"name its encoding with {self.table_key('encoding', 'NAME')}"
            if self.said
            else "save it as UTF-8"
        )

    @property
    def leave_out(self) -> str:
        """What to do about a column that is no feature."""
        return f"leave it out with {self.key('exclude')}" if self.said else "take it out of the file"

    def no_number(self, *, named: bool) -> str:
        """What to do about a column that holds no numbers; `named`: whether the targets are known."""
        if named:
            return self.leave_out
        return f"if the column is the target, name it with {self.target}, else {self.leave_out}"


OPTIONS, SPEC, ONLY_TARGETS = Words(), Words(in_spec=True), Words(said=False)
TRAINED = Words(said=False, fixed=True)
