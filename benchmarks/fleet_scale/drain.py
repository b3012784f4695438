"""10,000 devices return after an outage, each with as much as a report carries.

Once to a server over SQLite, once to a server over PostgreSQL.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.fleet_scale._returning import BATCH_ITEMS
from benchmarks.fleet_scale._serving import SEED, Server, cpu, fleet_of, fresh_database
from benchmarks.table import ROOT, TargetReport, python
from edgewright.device.store.records import StoreConfig
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import devices, items

DEVICES = int(os.environ.get("EDGEWRIGHT_BENCH_DEVICES", "10000"))
WITHIN, BEGUN = 300.0, 120.0


def measure(report: TargetReport) -> None:
    """Two returns to a server of their own each."""
    _returned(report)
    with fresh_database() as address:
        _returned(report, address)


def _returned(report: TargetReport, address: str = "") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = fleet_of(Path(name), DEVICES, address)
        server = Server(folder)
        try:
            before = cpu(server.process.pid)
            result = _devices(server.port)
            spent = cpu(server.process.pid) - before
            peak_bytes = _peak(server.process.pid)
            alive = server.process.poll() is None
        finally:
            server.close()
        kept, late, shut_out = _looked(folder)
    _report_drain(report, result, spent, peak_bytes, kept, late, shut_out, alive, address)


def _devices(port: int) -> dict[str, Any]:
    command = [python(), "-m", "benchmarks.fleet_scale._returning", *map(str, (SEED, DEVICES, BATCH_ITEMS, port))]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None  # noqa: S101
    process.stdout.readline()
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    process.stdin.close()
    process.wait(60)
    if not line:
        raise RuntimeError("the process of the devices ended")
    result: dict[str, Any] = json.loads(line)
    return result


def _peak(pid: int) -> int:
    """Return bytes that the process had in memory at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def _looked(folder: Path) -> tuple[int, int, int]:
    """Return items in the database; devices of which an alarm came after something else; devices that were shut out."""
    database = open_database(folder)
    try:
        with database.reading() as connection:
            kept = connection.execute(sa.select(sa.func.count()).select_from(items)).scalar_one()
            alarm = sa.func.max(sa.case((items.c.priority == 0, items.c.at)))
            other = sa.func.min(sa.case((items.c.priority > 0, items.c.at)))
            each = sa.select(items.c.device).group_by(items.c.device).having(alarm > other).subquery()
            late = connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one()
            out = sa.select(sa.func.count()).where(devices.c.quarantined)
            return kept, late, connection.execute(out).scalar_one()
    finally:
        database.close()


def _report_drain(
    report: TargetReport,
    result: dict[str, Any],
    spent: float,
    peak_bytes: int,
    kept: int,
    late: int,
    shut_out: int,
    alive: bool,
    address: str,
) -> None:
    title = f"{DEVICES:,} devices return, {BATCH_ITEMS} items each"
    title += ", over PostgreSQL" if address else ""
    statuses = dict(result["statuses"])
    away, good = statuses.pop("POST 503", 0), statuses.pop("POST 200", 0)
    wrong = result["errors"] | {k: n for k, n in statuses.items() if k not in ("GET 200", "GET 304")}
    last = {name: sorted(result[name]) for name in ("begun", "alarms", "drained")}
    ends = " / ".join(f"{_at(last[name], 1.0):.0f}" for name in last)
    halves = " / ".join(f"{_at(last[name], 0.5):.0f}" for name in last)
    got = f"half have begun / handed over alarms / everything after {halves} s, the last after {ends} s; "
    got += f"{away:,} asked to come later, errors {wrong or 'none'}; {late} with alarms after the rest"
    right = len(last["drained"]) == DEVICES and not wrong and not late and not shut_out and alive
    right = right and kept == DEVICES * BATCH_ITEMS
    report(title, got, f"{WITHIN:g} s, no error", right and _at(last["drained"], 1.0) <= WITHIN)
    begun = _at(last["begun"], 1.0)
    report(f"{title}: the last is let in", f"after {begun:.0f} s", f"{BEGUN:g} s", begun <= BEGUN)
    times = sorted(result["latencies"])
    got = f"{good:,} reports, p50 {_at(times, 0.5) * 1e3:.0f} ms, p99 {_at(times, 0.99) * 1e3:.0f} ms; "
    got += f"server {spent:.0f} s of a core and {peak_bytes / 1e6:.0f} MB at most, "
    got += f"devices {result['used']:.0f} s of a core"
    report(f"{title}: the server", got, "1 GB", peak_bytes < 1e9)
    if not address:
        _bound(report, spent, kept)


def _bound(report: TargetReport, spent: float, kept: int) -> None:
    """Print what one server core drains, next to the size of a full outbox."""
    rate = kept / spent
    length = 279  # bytes of one of these items
    full = StoreConfig().outbox.bytes
    got = f"{rate:,.0f} items or {rate * length / 1e6:.1f} MB a second of a core; in {WITHIN:g} s "
    got += f"{rate * WITHIN / DEVICES:,.0f} items or {rate * length * WITHIN / DEVICES / 1e3:,.0f} kB of each device; "
    got += f"{DEVICES:,} outboxes at the limit of {full >> 20} MiB take {DEVICES * full / (rate * length) / 3600:.1f} h"
    report("one server", got, "-", True)


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("inf")
