"""`python -m benchmarks.search NAME ...`: each table of the search is a file of this folder."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the file that the first argument names, or every file; 1 when a figure is missed."""
    known = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_"))
    if arguments and arguments[0] not in known:
        print(f"no table {arguments[0]!r}. Known: {', '.join(known)}", file=sys.stderr)
        return 2
    chosen, rest = ([arguments[0]], arguments[1:]) if arguments else (known, [])
    codes = [int(importlib.import_module(f"benchmarks.search.{name}").main(rest)) for name in chosen]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
