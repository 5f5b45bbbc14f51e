"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from rsgadvise.errors import UsageError


def check_writable(path: Path) -> None:
    """Refuse a place that `write_bytes` would refuse, as far as can be told beforehand.

    Raises:
        UsageError: it is a directory, or lies in none.
    """
    real = Path(os.path.realpath(path))
    try:
        if real.is_dir():
            raise UsageError(f"cannot write {path}: it is a directory; name a file")
        if not real.parent.is_dir():
            raise UsageError(f"cannot write {path}: its directory does not exist; choose another place")
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place") from None


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
        if real.exists() and not os.access(real, os.W_OK):
            # The move below would go through all the same: it asks for the directory's permission.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
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
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place") from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
