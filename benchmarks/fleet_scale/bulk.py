"""Backlogs over HTTP and through a broker: what a report costs the server, how many a second, how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.fleet_scale._serving import SEED, Server, cpu, fleet_of
from benchmarks.fleet_scale.wake import _broker
from benchmarks.table import ROOT, Told, python
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import items

DEVICES = int(os.environ.get("EDGEWRIGHT_BENCH_BULK_DEVICES", "1000"))
ITEMS = 512


def measure(told: Told) -> None:
    """The same devices each way, at a server and a broker of their own."""
    for carried in (False, True):
        _measured(told, carried)


def _measured(told: Told, carried: bool) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = fleet_of(Path(name), DEVICES)
        port, pid = stack.enter_context(_broker(Path(name)))
        server = Server(folder, "--broker", f"mqtt://127.0.0.1:{port}")
        stack.callback(server.close)
        command = [python(), "-m", "benchmarks.fleet_scale._carrying", *map(str, (SEED, DEVICES, ITEMS, server.port))]
        process = subprocess.Popen(
            [*command, str(port if carried else 0)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        ready = process.stdout.readline().split()
        if ready != ["ready", str(DEVICES)]:
            raise RuntimeError(f"not all devices reported: {ready}")
        before = [cpu(one) for one in (server.process.pid, pid)]
        process.stdin.write("\n")
        process.stdin.flush()
        found: dict[str, Any] = json.loads(process.stdout.readline())
        used = [cpu(one) - was for one, was in zip((server.process.pid, pid), before, strict=True)]
        peaks = [_peak(one) for one in (server.process.pid, pid)]
        process.stdin.close()
        process.wait(60)
        kept = _kept(folder)
    _tell(told, carried, found, used, peaks, kept)


def _tell(
    told: Told, carried: bool, found: dict[str, Any], used: list[float], peaks: list[int], kept: int
) -> None:  # fmt: skip
    statuses, drained = found["statuses"], found["drained"]
    over_http, through = statuses.get("POST 200", 0), found["carried"]
    last = drained[-1] if len(drained) == DEVICES else float("inf")
    reports = over_http + through
    what = f"{DEVICES:,} devices hand over {ITEMS} items each, "
    what += "through a broker" if carried else "over HTTP"
    got = f"half after {drained[len(drained) // 2]:.0f} s, the last after {last:.0f} s; {reports:,} reports"
    got += f" ({through:,} through the broker)" if carried else ""
    got += f", {reports / last:,.0f}/s; {used[0] / max(1, reports) * 1e3:.2f} ms of a core of the server each, "
    got += f"{used[1] / max(1, reports) * 1e3:.2f} ms of Mosquitto; at most {peaks[0] / 1e6:.0f} MB of the server, "
    got += f"{peaks[1] / 1e6:.0f} MB of Mosquitto; asked to come later {statuses.get('POST 503', 0):,} times, "
    got += f"besides: {found['errors'] or 'nothing'}"
    told(what, got, "every item once", len(drained) == DEVICES and kept == DEVICES * ITEMS)


def _peak(pid: int) -> int:
    """Bytes that a process had in memory at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def _kept(folder: Path) -> int:
    database = open_database(folder)
    try:
        with database.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(items)).scalar_one())
    finally:
        database.close()
