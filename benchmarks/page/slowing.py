"""What tracing adds to a run: whole runs with everything against runs that record and draw nothing, in turns.

The runs without are the same pipeline in the same process with these taken out: statistics and samples of the cards,
observations, the layer-by-layer predictions' page, `trace.json`, and the page with its warming up. What the record
takes from work that a run does anyway (shapes, losses, evaluation) stays, as it would be there without a trace.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from benchmarks.table import median
from edgewright.pipeline import cards
from edgewright.pipeline import run as room
from edgewright.pipeline.config import read_config

TURNS = 15
_NOTHING: tuple[tuple[object, str, Callable[..., object]], ...] = (
    (room, "warm_page", lambda: None),
    (room, "leave_page", lambda trace, folder: None),
    (room, "write_trace", lambda trace, path: None),
    (cards, "statistics", lambda samples, columns: ()),
    (cards, "sample_rows", lambda samples: ()),
)


@dataclass(frozen=True)
class Slowed:
    """Median seconds of wall clock with and without, and the median of the ratios of neighbours, less one."""

    traced: float
    bare: float
    share: float
    cpu_share: float


def slowed(pipeline: str, changes: tuple[str, ...] = ()) -> Slowed:
    """Runs a pipeline in turns, after one of each kind that is not counted."""
    times: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(TURNS + 1):
        for traced in (True, False) if turn % 2 else (False, True):
            wall, used = _timed(pipeline, changes, traced)
            if turn:
                times[traced].append(wall)
                cpu[traced].append(used)
    share = median([a / b for a, b in zip(times[True], times[False], strict=True)]) - 1
    cpu_share = median([a / b for a, b in zip(cpu[True], cpu[False], strict=True)]) - 1
    return Slowed(median(times[True]), median(times[False]), share, cpu_share)


def _timed(pipeline: str, changes: tuple[str, ...], traced: bool) -> tuple[float, float]:
    config = read_config(pipeline, changes)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if not traced:
            stack.enter_context(_bare())
        begun, used = time.perf_counter(), time.process_time()
        room.run_pipeline(config, out=Path(folder))
        return time.perf_counter() - begun, time.process_time() - used


@contextmanager
def _bare() -> Iterator[None]:
    """The run without its trace."""
    with ExitStack() as stack:
        for owner, name, instead in _NOTHING:
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield
