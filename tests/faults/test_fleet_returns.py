"""Ten thousand devices come back at the same moment: the agent's own reports, over connections to a real server."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from benchmarks.fleet_scale._returning import ALARM_EVERY
from benchmarks.fleet_scale._serving import SEED, Server, busy, cpu, fleet_of

from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import devices, items
from support import ROOT, left_out

pytestmark = pytest.mark.heavy

DEVICES, ITEMS = 10_000, ALARM_EVERY
"""How long full outboxes take, and in which order they leave, is measured by `make bench-fleet-scale`."""
WOKEN = 10.0


def test_ten_thousand_devices_that_return_at_once_are_heard_without_an_error(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DEVICES + 1000:
        left_out("it needs as many open files as there are connections")
    folder = fleet_of(tmp_path, DEVICES)
    server = Server(folder)
    before, _ = busy()
    try:
        returned = _returned(server.port)
        assert server.process.poll() is None
        others = busy()[0] - before - cpu(server.process.pid) - returned["used"]
    finally:
        server.close()
    statuses = returned["statuses"]
    wrong = {name: n for name, n in statuses.items() if name not in ("POST 200", "POST 503", "GET 200", "GET 304")}
    assert not wrong
    if others > returned["took"]:  # other processes used more than a core: polls may be late, and agents repeat them
        for error in ("TimeoutError ", "ConnectionResetError [Errno 104] Connection reset by peer"):
            returned["errors"].pop(f"a poll: {error}", 0)
    assert not returned["errors"]
    assert len(returned["alarms"]) == len(returned["drained"]) == DEVICES
    database = open_database(folder)
    with database.reading() as connection:
        each = sa.select(sa.func.count()).select_from(items).group_by(items.c.device)
        assert connection.execute(each).scalars().all() == [ITEMS] * DEVICES  # each item once
        out = sa.select(sa.func.count()).where(devices.c.quarantined)
        assert connection.execute(out).scalar_one() == 0
    database.close()


def _returned(port: int) -> dict[str, Any]:
    """Return what `benchmarks.fleet_scale._returning` says of devices that are all woken within `WOKEN` seconds."""
    given = map(str, (SEED, DEVICES, ITEMS, port, WOKEN))
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fleet_scale._returning", *given], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "cut off\n"
        process.stdin.write("\n")
        process.stdin.flush()
        measured: dict[str, Any] = json.loads(process.stdout.readline())
    return measured
