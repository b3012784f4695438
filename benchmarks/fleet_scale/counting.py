"""What looking at all devices takes: the metrics of a control plane with 100,000 rows of devices, over SQLite."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.fleet_scale._serving import fleet_of
from benchmarks.table import Told, median
from edgewright.fleet.control.gauged import Gauged
from edgewright.fleet.control.plane import open_plane

DEVICES = 100_000
_TIMES = 5


def measure(told: Told) -> None:
    """One row; nothing is remembered from one time to the next."""
    with tempfile.TemporaryDirectory() as name:
        plane = open_plane(fleet_of(Path(name), DEVICES), thread=False)
        try:
            took = []
            for _ in range(_TIMES):
                began = time.process_time()
                Gauged(plane).text()
                took.append(time.process_time() - began)
        finally:
            plane.close()
    told(f"metrics of {DEVICES:,} devices, counted", f"{median(took) * 1e3:.0f} ms of a processor", "-", True)
