"""An operator asks a device for its log and its health: server, agent and commands are processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from board_fleet import ServedFleet
from fleet_servers import until

pytestmark = pytest.mark.slow

ROW = "north-ward,42.1337,9.8765,x"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ServedFleet]:
    served = ServedFleet(tmp_path, "--report-every", "5")
    try:
        yield served
    finally:
        served.close()


def test_a_device_answers_with_its_log_and_health_and_no_row_of_data(fleet: ServedFleet) -> None:
    fleet.start("r0.edge", "--token", fleet.token, "--name", "pump-1")
    until(lambda: "release 0, idle: no rollout" in fleet.said(), fleet.said)
    until(lambda: "health   start" in fleet.said(), fleet.said)
    with (fleet.folder / "rows.csv").open("a") as rows:
        rows.write(f"{ROW}\n")
    # The device reports a line that it cannot read.
    events = ("device", "query", "--store", "dev", "--kind", "health")
    until(lambda: "no row" in fleet.run(*events), lambda: fleet.run(*events))
    operator = ("--fleet", "fleet")
    printed = fleet.run("fleet", "device", "diagnose", "pump-1", "--reason", "ticket 7", *operator, "--json")
    diagnosis = json.loads(printed)["diagnosis"]
    assert diagnosis["store"]["boot"] == 1
    assert diagnosis["store"]["tables"]["events"]["entries"] > 0
    assert diagnosis["machine"]["disk_free"] > 0
    assert (diagnosis["counter"], diagnosis["phase"], diagnosis["left_out"]) == (0, "idle", 0)
    assert any((line["source"], line["code"]) == ("agent", "phase.idle") for line in diagnosis["log"])
    assert not [part for part in ROW.split(",")[:3] if part in printed]

    log = fleet.run("fleet", "device", "logs", "pump-1", "--lines", "3", *operator)
    assert log.startswith("log since 20")
    assert len(log.splitlines()) <= 4
    shown = fleet.run("fleet", "device", "diagnose", "pump-1", "--stored", *operator)
    assert "outbox: " in shown
    assert "MiB free" in shown
    audit = json.loads(fleet.run("fleet", "audit", "show", *operator, "--json"))["rows"]
    acts = [row["detail"] for row in audit if row["what"] == "device.diagnosed"]
    assert len(acts) == 2
    assert acts[-1] == {"lines": 100, "reason": "ticket 7"}

    # A device that is away answers later, and the command says so.
    assert fleet.device is not None
    fleet.device.terminate()
    fleet.device.wait(30)
    logs = fleet.run("fleet", "device", "logs", "pump-1", "--wait", "1s", *operator, "--json")
    assert set(json.loads(logs)) == {"id", "expected"}
    fleet.start()
    stored = ("fleet", "device", "diagnose", "pump-1", "--stored", "--json", *operator)
    until(lambda: json.loads(fleet.run(*stored))["id"] == json.loads(logs)["id"])
