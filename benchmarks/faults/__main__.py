"""`make faults`: every case, its states by way, and how many of them were wrong; ends with 1 when one was."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

from benchmarks.faults import cases
from benchmarks.table import markdown

_SHOWN = 10


def main(arguments: list[str]) -> int:
    """Prints the table; `--share 0.05` looks at so much of the states, names of cases choose some."""
    share = float(arguments[arguments.index("--share") + 1]) if "--share" in arguments else 1.0
    chosen = [name for name in arguments if not name.startswith("--") and name != str(share)]
    rows, wrong = [], []
    for module in pkgutil.iter_modules(cases.__path__):
        if chosen and module.name not in chosen:
            continue
        part = importlib.import_module(f"{cases.__name__}.{module.name}")
        started = time.perf_counter()
        for what, result in part.run(share):
            seconds, started = time.perf_counter() - started, time.perf_counter()
            ways = ", ".join(f"{count} {way}" for way, count in sorted(result.states.items()))
            rows.append([what, f"{result.count:,}", ways, f"{len(result.wrong)}", f"{seconds:.0f} s"])
            wrong += [f"{what}: {problem}" for problem in result.wrong]
    print(markdown(["fault", "states", "of them", "wrong", "time"], rows))
    for line in wrong[:_SHOWN]:
        print(line)
    if not rows:
        print(f"no case of these names: {', '.join(chosen)}")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
