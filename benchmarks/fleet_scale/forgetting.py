"""Reports while a smaller retention time deletes 200,000 of them: how long acknowledgements take, and disk space."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from benchmarks.fleet_scale._history import DAY, NOW, RECENT, fill
from benchmarks.table import TargetReport
from edgewright.fleet.repository.folder import write_settings
from edgewright.fleet.server import reports, retention
from edgewright.fleet.server.control_plane import Limits, Plane, open_plane
from edgewright.fleet.server.database.tables import reports as history
from edgewright.schema.fleet_folder import FleetSettings
from edgewright.schema.fleet_report import Report, Vitals

DEVICES = 1000
_CALM, _PAUSE = 300, 0.02
_LONGEST = 60.0
_REPORTS = 300_000


class _Clock:
    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic()


def measure(report: TargetReport) -> None:
    """Rows for reports before, for reports meanwhile, and for the files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_settings(folder, FleetSettings(name="bench", products=("pump",)))
        plane = open_plane(folder, clock=_Clock(), limits=Limits(keep=DAY))
        try:
            with plane.database.writing.begin() as connection:
                fill(connection, DEVICES, _REPORTS // DEVICES)
            with plane.database.writing.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - an open connection has one
                connection.rollback()
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            calm = sorted(_report(plane, number) for number in range(_CALM))
            began, durations, largest = time.perf_counter(), list[float](), 0
            stop = retention.start(plane)
            while time.perf_counter() - began < _LONGEST:
                durations.append(_report(plane, len(durations)))
                largest = max(largest, _size(folder / "fleet.sqlite-wal"))
                time.sleep(_PAUSE)
                if len(durations) % 50 == 0 and _left(plane) <= DEVICES * (RECENT + 1) + len(durations) + _CALM:
                    break
            took = time.perf_counter() - began
            stop()
            left, size = _left(plane), _size(folder / "fleet.sqlite")
        finally:
            plane.close()
        gone = _REPORTS + len(durations) + _CALM - left
    report("reports deleted a second", f"{gone / took:,.0f}/s", "-", True)
    report("p99 of an acknowledgement before", f"{_p99(calm) * 1e3:.0f} ms", "-", True)
    report(
        f"while {gone:,} reports are deleted in {took:.0f} s",
        f"{_p99(sorted(durations)) * 1e3:.0f} ms",
        "3 times that",
        _p99(sorted(durations)) < 3.0 * _p99(calm),
    )
    report("largest WAL meanwhile", f"{largest / 1e6:.1f} MB", "32 MB", largest < 32e6)
    report("the file afterwards, whose room new rows use", f"{size / 1e6:.0f} MB", "-", True)


def _report(plane: Plane, number: int) -> float:
    """Return the seconds until a report is durable; each is of another device's next nonce."""
    device = f"{number % DEVICES:032x}"
    with plane.database.reading() as connection:
        nonce, sequence = connection.execute(
            sa.text("SELECT nonce, sequence FROM devices WHERE id = :id"), {"id": device}
        ).one()
    report = Report(
        nonce=nonce, sequence=sequence + 1, counter=1, floor=1, phase="idle", clock=NOW, vitals=Vitals(windows=10)
    )
    one = reports.arrived(device, report, f"{number:064x}", at=NOW, nonce=f"n{number}", wait=60.0)
    began = time.perf_counter()
    plane.committer.submit_to(reports.take, one).result()
    return time.perf_counter() - began


def _left(plane: Plane) -> int:
    with plane.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(history)).scalar_one())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _p99(ordered: list[float]) -> float:
    return ordered[int(0.99 * (len(ordered) - 1))]
