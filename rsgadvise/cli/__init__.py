"""The command line: parse, one call into the library, render, exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any, NoReturn

import typer
import typer.main

from rsgadvise.cli.options import VersionOption, grouped
from rsgadvise.cli.output import guarded
from rsgadvise.errors import RsgadviseError

__all__ = ["COMMANDS", "main", "make_app"]

_EPILOG = (
    "Exit codes: 0 fine, 1 the answer is no (target infeasible, verification falsified), 2 bad usage, spec "
    "or data, 3 verification inconclusive."
)

COMMANDS = {
    "recommend": "advice",
    "init": "files",
    "stats": "files",
    "explain": "explaining",
    "batch": "batch",
    "iterations": "iterations",
    "bound": "advice",
    "compare": "comparing",
    "design": "designing",
    "sweep": "sweeping",
    "report": "reporting",
    "plot": "plotting",
    "verify": "verify",
    "schema": "files",
}
"""Commands in the order of use, and the module of each: only those asked for are loaded."""


def make_app(names: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """The command line with the given commands; building one costs less than building all."""
    app = typer.Typer(
        name="rsgadvise",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        command = getattr(import_module(f"rsgadvise.cli.{COMMANDS[name]}"), name)
        app.command()(guarded(grouped(command)))
    return app


@cache
def _parser(names: tuple[str, ...]) -> Any:
    """What parses a command line with these commands: a process that asks often builds it once."""
    return typer.main.get_command(make_app(names))


def _root(version: VersionOption = False) -> None:
    """Hyper-parameter advice for neural networks from gradient-convergence bounds."""


# The command-line library ships its own copy of its parser, or depends on one, by version: the
# common ancestor of its usage errors is found through a public class.
_ParserError: type[Exception] = typer.BadParameter.__mro__[2]


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    with contextlib.suppress(OSError, AttributeError):
        print(f"error: {line}", file=sys.stderr)
    raise SystemExit(code)


def main() -> None:
    """Run the command line and exit with its code; errors become one line on stderr."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        code = _parser((first,) if first in COMMANDS else tuple(COMMANDS))(
            prog_name="rsgadvise", standalone_mode=False
        )
        if code == 130:  # the parser's own answer to Ctrl-C
            _fail("interrupted", 130)
    except RsgadviseError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except OSError as error:  # help and version are written by the parser
        _fail(f"cannot write to standard output: {error.strerror}; use --output FILE", 2)
    except AttributeError:
        if sys.stdout is not None:
            raise
        _fail("cannot write to standard output: it is closed; use --output FILE", 2)
    except MemoryError:
        _fail("out of memory; use smaller batches, fewer candidates or smaller data", 2)
    except _ParserError as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message.startswith("Usage:"):  # called without a command: the help is the answer
            print(message, file=sys.stderr)
            raise SystemExit(2) from None
        message = message.rstrip(".").replace("Value error, ", "").replace("Input should", "should")
        help_for = f"rsgadvise {first} --help" if first in COMMANDS else "rsgadvise --help"
        _fail(f"{message}; see {help_for}", 2)
    raise SystemExit(code if isinstance(code, int) else 0)
