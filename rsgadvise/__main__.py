"""`python -m rsgadvise`."""

from __future__ import annotations

from rsgadvise.cli import main

if __name__ == "__main__":
    main()
