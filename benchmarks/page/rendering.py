"""Rendering a record: warm in this process, and cold in one that starts for it.

The fastest of several counts: on a shared machine other work only adds, as the documents of `timeit` say.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.table import ONE_THREAD, python
from edgewright.core.records.trace import Trace
from edgewright.trace.html import page_html

REPEATS = 15
COLD = 5
# Prints seconds of importing and of rendering the first page, as processes that `edgewright show` starts do it.
_COLD = """
import sys, time
begun = time.perf_counter()
from pathlib import Path
from edgewright.trace.html import page_html
from edgewright.trace.page_model import read_trace
loaded = time.perf_counter()
page_html(read_trace(Path(sys.argv[1])))
print(loaded - begun, time.perf_counter() - loaded)
"""


def warm(trace: Trace) -> float:
    """Return seconds of rendering the page again."""
    page_html(trace)
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        page_html(trace)
        took.append(time.perf_counter() - begun)
    return min(took)


def cold(record: Path) -> tuple[float, float, float]:
    """Return seconds of a whole process that renders one page, of its imports, and of its rendering."""
    timings: list[tuple[float, float, float]] = []
    for _ in range(COLD):
        begun = time.perf_counter()
        lines = subprocess.run(
            [python(), "-c", _COLD, str(record)], capture_output=True, text=True, check=True, env=_environment()
        ).stdout.split()
        timings.append((time.perf_counter() - begun, float(lines[0]), float(lines[1])))
    return min(timings)


def _environment() -> dict[str, str]:
    return {**os.environ, **ONE_THREAD}
