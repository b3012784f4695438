"""What looking at all devices takes, and forgetting old reports: 100,000 rows of devices, 20,000 of reports."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa

from benchmarks.fleet_scale._serving import POSTGRES, fleet_of, fresh_database
from benchmarks.table import TargetReport, median
from edgewright.fleet.server import retention
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database.tables import reports
from edgewright.fleet.server.gauges import Gauges

DEVICES = 100_000
REPORTS = 20_000
_TIMES = 5


def measure(report: TargetReport) -> None:
    """Rows over SQLite and over PostgreSQL; nothing is remembered from one time to the next."""
    _one(report, "", "SQLite")
    try:
        with fresh_database() as address:
            _one(report, address, "PostgreSQL")
    except psycopg.OperationalError as error:
        report("the same over PostgreSQL", f"left out: nobody at {POSTGRES}: {error}", "-", True)


def _one(report: TargetReport, address: str, where: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        plane = open_plane(fleet_of(Path(name), DEVICES, address), thread=False)
        try:
            took = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                Gauges(plane).text()
                took.append(time.perf_counter() - began)
            with plane.database.writing.begin() as connection:
                connection.execute(sa.insert(reports), [_report(number) for number in range(REPORTS)])
            began = time.perf_counter()
            deleting, gone = retention.Retention(plane), 0
            while step := deleting.step(time.time()):
                gone += step
            rate = gone / (time.perf_counter() - began)
        finally:
            plane.close()
    report(f"metrics of {DEVICES:,} devices, counted, {where}", f"{median(took) * 1e3:.0f} ms", "-", True)
    report(f"reports forgotten, 400 a commit, {where}", f"{rate:,.0f}/s", "-", True)


def _report(number: int) -> dict[str, object]:
    at = float(number) if number + 1 < REPORTS else time.time()
    return {
        "device": f"{number % 1000:032x}", "at": at, "clock": 0.0, "sequence": number, "digest": "a" * 64,
        "counter": 1, "floor": 0, "phase": "idle", "plan": "p", "stage": 0, "model": True,
    }  # fmt: skip
