"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from rsgadvise.errors import UsageError

_ELSEWHERE = "choose another place"


def check_writable(path: Path, fix: str = "") -> None:
    """Refuse a place that `write_bytes` would refuse, as far as can be told beforehand.

    Args:
        path: of the file.
        fix: what to do, where another place cannot be named.

    Raises:
        UsageError: it is a directory, lies in none, or may not be written.
    """
    real = Path(os.path.realpath(path))
    try:
        if real.is_dir():
            raise UsageError(f"cannot write {path}: it is a directory; {fix or 'name a file'}")
        if not real.parent.is_dir():
            raise UsageError(f"cannot write {path}: its directory does not exist; {fix or _ELSEWHERE}")
        # What is no plain file, such as /dev/stdout, is written in place; all others are moved there.
        asked = (real, real.parent) if real.is_file() else (real if real.exists() else real.parent,)
        if not all(os.access(each, os.W_OK) for each in asked):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"cannot write {path}: {error.strerror}; {fix or _ELSEWHERE}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_bytes` does, in UTF-8.

    Raises:
        UsageError: the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that nobody sees half of it; its mode stays.

    Raises:
        UsageError: the file cannot be written.
    """
    check_writable(path)
    temporary = ""
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe, such as /dev/stdout, cannot be replaced; nor has a pipe a real path.
            path.write_bytes(content)
            return
        from tempfile import mkstemp

        real = Path(os.path.realpath(path))
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o666 & ~_umask()
        handle, temporary = mkstemp(prefix=f".{real.name[:40]}.", dir=real.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        Path(temporary).chmod(mode)
        Path(temporary).replace(real)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise UsageError(f"cannot write {path}: {error.strerror}; {_ELSEWHERE}") from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
