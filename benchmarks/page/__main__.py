"""Prints what pages cost, against what is promised; 1 where a target is missed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.chromium import chromium  # noqa: E402 - after the threads are set
from benchmarks.page.fleet import DEVICES, LIMIT_S, fleet, served  # noqa: E402
from benchmarks.page.opening import opened  # noqa: E402
from benchmarks.page.rendering import cold, warm  # noqa: E402
from benchmarks.page.runs import runs  # noqa: E402
from benchmarks.page.slowing import slowed  # noqa: E402
from benchmarks.table import markdown, verdict  # noqa: E402

_WARM, _COLD, _OPENED, _SLOWED = 0.150, 1.0, 0.100, 0.05


def main() -> int:
    """Print the tables."""
    rows, reached = [], []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        empty = Path(folder) / "empty.html"
        empty.write_text("<!doctype html><title>empty</title>", encoding="utf-8")
        for run in runs(Path(folder)):
            page = run.folder / "trace.html"
            size, again, (whole, imports, first) = page.stat().st_size, warm(run.trace), cold(run.folder / "trace.json")
            load = opened(browser, page)
            within = size <= run.limit and again <= _WARM and whole <= _COLD and load <= _OPENED
            reached.append(within)
            parts = f"{whole:.2f} s ({imports:.2f} imports, {first:.2f} page)"
            bare = 1e3 * opened(browser, empty)
            figures = [f"{size / 1e3:.0f} kB", f"{1e3 * again:.0f} ms", parts, f"{1e3 * load:.0f} ms ({bare:.0f} ms)"]
            rows.append([run.name, *figures, verdict(within)])
    heads = [
        "page of a run",
        "size",
        "rendered, warm",
        "rendered by a new process",
        "opened in Chromium (an empty page)",
        "target",
    ]
    print(markdown(heads, rows))
    rows = []
    for name in ("activity", "latency"):
        slowdown = slowed(name)
        # By processor time: on shared cores wall clock also tells what others did meanwhile.
        reached.append(slowdown.cpu_share <= _SLOWED)
        both = [f"{slowdown.traced:.2f} s", f"{slowdown.bare:.2f} s"]
        rows.append(
            [name, *both, f"{100 * slowdown.share:+.1f} %", f"{100 * slowdown.cpu_share:+.1f} %", verdict(reached[-1])]
        )
    print()
    print(
        markdown(
            ["whole `edgewright run`", "with its trace", "without", "wall clock", "processor time", "at most 5 %"],
            rows,
        )
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seen in served(Path(folder) / "runs", fleet(Path(folder))):
            reached.append(seen.cpu_s <= LIMIT_S)
            figures = [f"{1e3 * seen.cpu_s:.0f} ms", f"{1e3 * seen.wall_s:.0f} ms", f"{seen.size / 1e3:.0f} kB"]
            rows.append([seen.address, *figures, verdict(reached[-1])])
    heads = [f"page of a fleet of {DEVICES:,} devices", "processor", "wall clock", "size", "at most 200 ms"]
    print(markdown(heads, rows))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
