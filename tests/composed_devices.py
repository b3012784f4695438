"""Devices of a composition: one that joins and is updated, and some that report without end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from agent_example import package
from composed_fleet import NAME, Composed
from fleet_servers import until
from growing_rows import Rows

COMMAND = str(Path(sys.executable).with_name("edgewright"))


def update(fleet: Composed) -> None:
    """Enrol a device and update it by the commands of the document."""
    path = fleet.place / "device"
    path.mkdir()
    package(fleet.data / "pump.edge", provenance={"seed": "1"})
    (fleet.media / "plan.toml").write_text("[trial]\nseconds = 4.0\n")
    ticket = token(fleet)
    rows = Rows(path / "rows.csv")
    line = [
        COMMAND, "device", "run", "--fleet", f"https://{NAME}", "--ca", str(fleet.data / "secrets/ca.pem"),
        "--token", ticket, "--store", str(path / "store"), "--poll", "2",
        "--source", f"csv:{path / 'rows.csv'}",
    ]  # fmt: skip
    log = path / "log"
    with log.open("w") as out:
        device = fleet.outside(*line, stdout=out, stderr=out)
    try:
        until(lambda: "no rollout" in log.read_text() or device.poll() is not None, log.read_text)
        fleet.type("use", {
            "/media/usb": str(fleet.media),
            "rollout start --fleet /fleet --keys /keys": "rollout start --fleet /fleet --keys /keys "
            "--plan /keys/plan.toml --stages all:100% --open all --dwell 1h",  # it is under way while figures are read
        })  # fmt: skip
        until(lambda: "release 1, idle: confirmed" in log.read_text(), log.read_text)
    finally:
        rows.close()
        device.terminate()
        device.wait(60)


def token(fleet: Composed) -> str:
    """For some devices."""
    match = re.search(
        r"ew1\.\S+", fleet.ask("edgewright", "fleet", "token", "new", "--fleet", "/fleet", "--uses", "50")
    )
    assert match
    return match.group()


class Reporting:
    """Devices that report without end: their names, and afterwards what each was acknowledged and what it noticed."""

    def __init__(self, fleet: Composed, names: list[str]) -> None:
        self.fleet, self.names, self.told = fleet, names, dict[str, tuple[int, list[str]]]()

    def go_on(self, times: int = 3) -> None:
        """Until each of them was heard some more times."""
        before = counted(self.fleet)
        until(lambda: all(counted(self.fleet)[name] >= before[name] + times for name in self.names))


@contextmanager
def reporting(fleet: Composed, count: int = 6) -> Iterator[Reporting]:
    """Provide some of them, at work until the end."""
    tokens = fleet.place / f"token-{time.monotonic_ns()}"
    tokens.write_text(token(fleet))
    program, ca = Path(__file__).parent / "reporting_devices.py", fleet.data / "secrets" / "ca.pem"
    line = [sys.executable, str(program), f"https://{NAME}", str(ca), str(tokens), str(count)]
    process = fleet.outside(*line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            reporting = Reporting(fleet, json.loads(process.stdout.readline()))
            yield reporting
            process.stdin.close()
            reporting.told = json.loads(process.stdout.readline())
        finally:
            process.kill()


def counted(fleet: Composed) -> dict[str, int]:
    """Return reports that are kept, by device."""
    query = "SELECT device || ' ' || count(*) FROM reports GROUP BY device"
    rows = fleet.ask("psql", "-U", "fleet", "-d", "fleet", "-tAc", query, service="postgres")
    return {line.split()[0]: int(line.split()[1]) for line in rows.splitlines()}


def refused_as_usual(fleet: Composed) -> bool:
    """Return whether servers answer through nginx: they refuse what nobody signed."""
    try:
        with fleet.web() as web:
            return {web.post("/v1/report", content=b"{}").status_code for _ in range(4)} == {401}
    except httpx.TransportError:
        return False
