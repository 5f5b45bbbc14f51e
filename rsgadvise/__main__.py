"""`python -m rsgadvise`, and the installed command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C is answered in one line even while the rest is being imported."""
    try:
        from rsgadvise.interrupts import install

        install()
        from rsgadvise.cli import main as run

        run()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
