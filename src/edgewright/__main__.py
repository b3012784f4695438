"""`python -m edgewright` is the `edgewright` command."""

from __future__ import annotations

from edgewright.cli.main import main

if __name__ == "__main__":
    main()
