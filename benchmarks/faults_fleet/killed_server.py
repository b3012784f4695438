"""A real server under load that is killed again and again, and what must hold after each kill.

Devices keep connections open up to a share of the server's capacity, sign reports and record each acknowledgement;
commands that only read run beside. `kill -9` ends the server at a random moment, sometimes already while it starts.
"""

from __future__ import annotations

import json
import random
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError

from benchmarks.faults_fleet import control
from benchmarks.faults_fleet.commands_beside import Commands
from benchmarks.faults_fleet.kept_connections import EXPECTED, Devices
from benchmarks.fleet_scale._serving import add_devices
from benchmarks.table import python
from edgewright.fleet.protocol.api_records import NewOperator, OperatorMade
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.sqlite import NAME

SHARES = (0.5, 0.7, 0.95)
"""Of the server's capacity for connections."""
_LONGEST_S, _EARLY = 4.0, 0.2
"""Longest time under load before a kill, and the share of kills after which the next start is killed, too."""
_REPORTS = 50
"""Reports that are acknowledged before each kill, after a command that ran under this load."""
_PATIENCE_S = 180.0
_COMMAND = "import sys; from edgewright.cli.main import main; main()"
_LIMIT = "edgewright_fleet_connections_limit"


@dataclass
class Kills:
    """What was done, and what was wrong after it.

    Attributes:
        open: number of open connections at each kill under load.
        early: kills of a server that started.
    """

    acknowledged: int = 0
    open: list[int] = field(default_factory=list)
    early: int = 0
    rollouts: int = 0
    commands: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    capacity: int = 0
    lost: int = 0
    wrong: list[list[str]] = field(default_factory=list)
    """Of each kill under load."""

    @property
    def problems(self) -> list[str]:
        """All of them."""
        return [problem for problems in self.wrong for problem in problems]


class Server:
    """`edgewright fleet serve` in a process of its own.

    Args:
        folder: of the fleet.
        files: limit of open files (`ulimit -n`).
    """

    def __init__(self, folder: Path, files: int) -> None:
        self._folder, self._files = folder, files
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._log = folder.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait` until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", f'ulimit -n {self._files} && exec "$0" "$@"', python(), "-c", _COMMAND, "fleet", "serve",
                 str(self._folder), "--port", str(self.port)],
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def wait(self) -> str:
        """Wait until it is ready; return why it is not, empty where it is."""
        until, why = time.monotonic() + _PATIENCE_S, ""
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                return f"the server ended by itself: {self._log.read_text()[-1000:]}"
            why = self.unready()
            if not why:
                return ""
            time.sleep(0.05)
        return f"not ready after {_PATIENCE_S:.0f} s: {why}"

    def unready(self) -> str:
        """Return what `/readyz` says; empty where it is ready."""
        try:
            self.get("/readyz")
        except HTTPError as error:
            return error.read().decode(errors="replace")
        except (URLError, OSError) as error:
            return str(error)
        return ""

    def get(self, path: str, token: str = "") -> str:
        """Return the body of an answer."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - an address of ours
            text: str = answer.read().decode()
            return text

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE_S)


class Attack:
    """A fleet in a folder with its server, devices and commands.

    Args:
        folder: empty.
        devices: number of devices in the database, each with its own key.
        kills: number of kills under load; each has a release that is rolled out after it.
        files: limit of open files of the server.
        seed: of what is drawn.
    """

    def __init__(self, folder: Path, devices: int, kills: int, files: int, seed: int) -> None:
        self._folder = folder / "fleet"
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        first, *self._counters = [2 * number + 1 for number in range(kills + 1)]
        control.create(self._folder, [first, *self._counters], time.time())
        for act in self._rollout(first):  # there is one to ask for from the beginning
            subprocess.run([python(), "-c", _COMMAND, "fleet", *act], check=True, stdout=subprocess.DEVNULL)
        database = open_database(self._folder)
        add_devices(database, devices)
        database.close()
        with local_client(self._folder) as client:
            operator = NewOperator(name="reader", role="viewer")
            self._token = client.ask(OperatorMade, "POST", "/v1/fleet/operators", operator).token
        self._devices = Devices(devices, self._chance)
        self._server = Server(self._folder, files)
        self.kills = Kills()

    def run(
        self, shares: Sequence[float], min_connections: int = 0, report_line: Callable[[str], None] = lambda line: None
    ) -> Kills:  # fmt: skip
        """Kill the server once for each release; the shares of its capacity take turns.

        Args:
            shares: of the capacity.
            min_connections: number of connections at least.
            report_line: called with a line about each kill.
        """
        kills = self.kills
        self._server.start()
        problem = self._server.wait()
        if problem:
            raise RuntimeError(problem)
        kills.capacity = self._capacity()
        commands = Commands(self._folder)
        try:
            for number, counter in enumerate(self._counters):
                count = max(min_connections, int(shares[number % len(shares)] * kills.capacity))
                self._devices.connect(self._server.port, count)
                self._devices.run(self._chance.uniform(0.5, _LONGEST_S), self._progress(commands))
                kills.open.append(self._devices.open)
                self._server.end()
                self._devices.drop()
                kills.wrong.append(self._after(commands, counter))
                problems = "; ".join(kills.wrong[-1]) or "nothing wrong"
                report_line(
                    f"kill {number + 1}: {kills.open[-1]:,} connections, so far {self._devices.reports:,} reports "
                    f"acknowledged and {commands.count:,} commands, {problems}"
                )
        finally:
            commands.close()
            self._devices.drop()
            self._server.end()
        kills.commands = commands.count
        kills.acknowledged = self._devices.reports
        kills.statuses = dict(self._devices.statuses)
        kills.wrong[-1] += commands.failed
        kills.wrong[-1] += [f"{n} answers with status {s}" for s, n in kills.statuses.items() if s not in EXPECTED]
        return kills

    def _progress(self, commands: Commands) -> Callable[[], bool]:
        """Return whether reports were acknowledged from now on, and after a command that began from now on."""
        reported, ended = self._devices.reports, commands.count

        def enough() -> bool:
            nonlocal reported
            if commands.count < ended + 2:  # the one that ran and another
                reported = self._devices.reports
            return self._devices.reports >= reported + _REPORTS

        return enough

    def _after(self, commands: Commands, counter: int) -> list[str]:
        """Start the server again; return what is wrong."""
        self._server.start()
        if self._chance.random() < _EARLY:
            time.sleep(self._chance.uniform(0.0, 2.0))
            self._server.end()
            self.kills.early += 1
            self._server.start()
        problems = [self._server.wait(), *self._database()]
        problems += [commands.run(act) for act in self._rollout(counter)]
        self.kills.rollouts += not any(problems[-2:])
        problems.append(self._server.unready())
        return [problem for problem in problems if problem]

    def _rollout(self, counter: int) -> list[list[str]]:
        """Return the commands that start and abort the rollout of a release."""
        own, plan = ["--fleet", str(self._folder)], f"plan-{counter}"
        start = ["rollout", "start", "--release", f"{control.PRODUCT}:{counter}", "--id", plan, *own]
        return [start, ["rollout", "abort", plan, "--why", "a test", *own]]

    def _database(self) -> list[str]:
        """Return what is wrong with the database of the server that was killed."""
        problems = []
        with closing(sqlite3.connect(f"file:{self._folder / NAME}?mode=ro", uri=True)) as connection:
            whole = connection.execute("PRAGMA integrity_check").fetchall()
            if whole != [("ok",)]:
                problems.append(f"the database is damaged: {whole[:3]}")
            for table in ("reports", "items"):
                query = f"SELECT device, sequence FROM {table}"  # noqa: S608 - names of ours
                present: dict[str, set[int]] = {}
                for device, sequence in connection.execute(query):
                    present.setdefault(device, set()).add(sequence)
                lost = sum(
                    len(set(range(count)) - present.get(device, set()))
                    for device, count in self._devices.acknowledged.items()
                )
                if lost:
                    self.kills.lost = max(self.kills.lost, lost)
                    problems.append(f"{lost} acknowledged {table} are lost")
            quarantined = connection.execute("SELECT count(*) FROM devices WHERE quarantined").fetchone()[0]
            if quarantined:
                problems.append(f"{quarantined} devices are quarantined")
        database = open_database(self._folder)
        try:
            with database.reading() as reading:
                problems.append(tables.verify_audit_log(reading)[2])
        finally:
            database.close()
        return problems

    def _capacity(self) -> int:
        """Return the number of connections that the server keeps at most, as its metrics say."""
        text = self._server.get("/metrics", self._token)
        return int(float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{_LIMIT} "))))


def described(kills: Kills) -> str:
    """Return what was done, in words."""
    statuses = json.dumps({str(status): count for status, count in sorted(kills.statuses.items())})
    return (
        f"capacity {kills.capacity:,}, {min(kills.open):,} to {max(kills.open):,} connections, "
        f"{kills.acknowledged:,} reports acknowledged, {kills.commands} commands beside, {kills.rollouts} rollouts, "
        f"{kills.early} kills of a start, answers {statuses}"
    )
