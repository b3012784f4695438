"""`make bench-language`: one table of all modules of this folder that offer `rows()`; names of some run these only."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks.language as folder
from benchmarks.language.row import Row
from benchmarks.table import markdown, verdict


def main(wanted: list[str]) -> int:
    """Print the table; 1 when a target is missed."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__) if module.name != "__main__")
    names = [name for name in names if not wanted or name in wanted]
    rows: list[Row] = []
    for name in names:
        offered = getattr(importlib.import_module(f"benchmarks.language.{name}"), "rows", None)
        if offered is not None:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += offered()
    cells = [
        [row.task, row.model, row.reached, row.takes, row.target, "" if row.within is None else verdict(row.within)]
        for row in rows
    ]
    print(markdown(["task", "model", "reached", "takes", "target", ""], cells))
    return int(any(row.within is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
