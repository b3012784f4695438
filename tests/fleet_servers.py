"""A fleet whose plans are all signed, its control plane as a process, and what its database and its devices say."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa

from edgewright.core.package import write_package
from edgewright.core.records.fleet import Plan, Standing, Standings
from edgewright.fleet.protocol.api_records import NewOperator, NewToken, OperatorMade, TokenMade
from edgewright.fleet.protocol.layout import INDEX
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.tables import audit, devices, items, outcomes, reports, rollouts
from edgewright.fleet.server.http_server import Listening
from fleet_folder import Judge, fleet, judge, publish
from rollout_example import plan
from runtime_example import classifier, parts

SERVER = (sys.executable, "-c", "from edgewright.cli.main import main; main()")
FALLING = (sys.executable, str(Path(__file__).with_name("falling_server.py")))
PATIENCE = 180.0
_NOISE = 60_000


def until(true: Callable[[], object], describe: Callable[[], object] = lambda: "") -> None:
    """Wait, long enough for a machine that is busy."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, describe()
        time.sleep(0.05)


class Server:
    """`edgewright fleet serve` in a process of its own, at a port that stays.

    Args:
        folder: of the fleet.
        more: further options.
        command: how it is started.
        settings: further variables of its environment.
        port: 0 for any that is free now.
    """

    def __init__(
        self, folder: Path, *more: str, command: tuple[str, ...] = SERVER, port: int = 0, **settings: str
    ) -> None:
        self.port = Listening(port=port).checked().port
        self.address = f"http://127.0.0.1:{self.port}"
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [*command, "fleet", "serve", str(folder), "--port", str(self.port), *more], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env={**os.environ, **settings},
        )  # fmt: skip
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr or ()), daemon=True)
        self._reader.start()

    def ready(self) -> bool:
        """Return whether it answers."""
        try:
            return httpx.get(f"{self.address}/healthz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self) -> Server:
        """Until it answers."""
        until(lambda: self.ready() or self.process.poll() is not None, lambda: self.log)
        assert self.process.poll() is None, "".join(self.log)
        return self

    def died(self) -> int:
        """Wait for its end; its exit code."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self._reader.join(5)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.died()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


class Signed:
    """A fleet with as many releases and plans as are named, signed and published before any server.

    Args:
        folder: empty.
        plans: fields of each plan.
    """

    def __init__(self, folder: Path, *plans: dict[str, Any]) -> None:
        now = time.time()
        self.made = fleet(folder / "fleet", now)
        self.folder = self.made.folder
        publish(self.made, _package(folder, 0), now)
        self.plans: list[Plan] = []
        for number, record in enumerate(plans, 1):
            release, back = publish(self.made, _package(folder, number), now)
            planned = plan(
                release=release.release, revert=back.release,
                **{"id": f"plan-{number}", "starts": now - 1.0, "expires": now + 86_400.0, "enrolled": now, **record},
            )  # fmt: skip
            publish_plan(self.folder, planned, now=now)
            self.plans.append(planned)
        self.device: Judge = judge(self.made)

    def operator(self) -> httpx.Client:
        """Ask as an administrator; the caller closes it."""
        with local_client(self.folder) as desk:
            operator = desk.ask(
                OperatorMade,
                "POST",
                "/v1/fleet/operators",
                NewOperator(name=f"ada-{secrets.token_hex(4)}", role="admin"),
            )
        headers = {"authorization": f"Bearer {operator.token}"}
        return httpx.Client(headers=headers, timeout=60, trust_env=False)

    def seen(self) -> dict[str, Standing]:
        """Return standings as a device reads and verifies them; one that was served an older file raises."""
        index = self.device.read(INDEX)
        return {one.plan: one for one in msgspec.json.decode(index, type=Standings).rollouts} if index else {}

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Provide the database, beside a server or without one."""
        database = open_database(self.folder)
        try:
            yield database
        finally:
            database.close()

    def acts(self) -> list[tuple[str, str]]:
        """Return steps of rollouts as the audit log tells them; the log is whole."""
        with self.database() as database, database.reading() as connection:
            assert tables.verify_audit_log(connection)[2] == ""
            query = sa.select(audit.c.subject, audit.c.what).where(audit.c.what.like("rollout.%"))
            return [(row.subject, row.what) for row in connection.execute(query.order_by(audit.c.number))]

    def states(self) -> dict[str, str]:
        """Of all rollouts."""
        with self.database() as database, database.reading() as connection:
            return {row.plan: row.state for row in connection.execute(sa.select(rollouts.c.plan, rollouts.c.state))}

    def token(self) -> str:
        """For some devices; beside a server or without one."""
        with local_client(self.folder) as desk:
            return desk.ask(TokenMade, "POST", "/v1/fleet/tokens", NewToken(product="main", uses=50)).token

    def told(self) -> tuple[dict[str, list[int]], dict[str, list[int]], list[str]]:
        """By device: numbers of its items and of its reports as they came; and who is in quarantine."""
        with self.database() as database, database.reading() as connection:
            records: list[dict[str, list[int]]] = []
            for table in (items, reports):
                numbers: dict[str, list[int]] = {}
                for device, number in connection.execute(sa.select(table.c.device, table.c.sequence)):
                    numbers.setdefault(device, []).append(number)
                records.append({device: sorted(known) for device, known in numbers.items()})
            shut_out = connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).scalars()
            return records[0], records[1], list(shut_out)

    def devices(self, count: int) -> list[str]:
        """Return rows of devices that were enrolled before everything."""
        now = time.time()
        names = [f"{number:032x}" for number in range(count)]
        rows = [
            {
                "id": name, "key": name, "name": "d", "product": "main", "profile": "pi", "tags": (), "given": (),
                "batch": f"b{number // 10}", "token": "", "enrolled_at": now - 100.0, "counter": 1, "nonce": "",
                "last_report_at": now,
            }
            for number, name in enumerate(names)
        ]  # fmt: skip
        self._write(devices, rows)
        return names

    def ended(self, names: list[str], number: int, action: str) -> None:
        """Trials of a plan's release are over."""
        planned, now = self.plans[number], time.time()
        rows = [
            {
                "device": name,
                "number": number + 1,
                "plan": planned.id,
                "counter": planned.release.counter,
                "what": action,
                "because": "",
                "detail": "",
                "clock": now,
                "at": now,
            }
            for name in names
        ]
        self._write(outcomes, rows)

    def _write(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        with self.database() as database, database.writing.begin() as connection:
            connection.execute(sa.insert(table), rows)


def _package(folder: Path, number: int) -> Path:
    """Return a real package, larger than any file of metadata."""
    path = folder / f"activity-{number}.edge"
    noise = hashlib.shake_256(f"{number}".encode()).hexdigest(_NOISE)
    manifest, files = parts(classifier((10, 4, 3)), provenance={"seed": f"{number}", "noise": noise})
    write_package(path, manifest, files)
    return path
