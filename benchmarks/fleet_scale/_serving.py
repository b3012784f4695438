"""Real servers of one fleet for measuring: its folder and database, processes, how much of a core they may have."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from benchmarks.fleet_scale._speaking import keys
from benchmarks.table import ONE_THREAD, ROOT, python
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet
from edgewright.fleet.server.database import migration
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.tables import devices

POSTGRES = os.environ.get("EDGEWRIGHT_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
SEED = 7
_TICKS = os.sysconf("SC_CLK_TCK")


def fleet_of(folder: Path, count: int, address: str = "") -> Path:
    """Create a fleet with the devices of `_speaking.keys(SEED, count)`; in PostgreSQL where an address is given."""
    here = folder / "fleet"
    quorum = {role: Quorum(keys=1, threshold=1) for role in ("root", "targets", "releases")}
    create_fleet(here, FleetSettings(name="benchmark", products=("pump",)), quorum, None, time.time())
    database = open_database(here)
    add_devices(database, count)
    database.close()
    if address:
        migration.move(here, address)
    return here


def add_devices(database: Database, count: int) -> None:
    """Rows of devices whose keys are `_speaking.keys(SEED, count)`; each may report with an empty nonce."""
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices), [_device(n, key) for n, key in enumerate(keys(SEED, count))])


def _device(number: int, key: Any) -> dict[str, Any]:  # noqa: ANN401 - Ed25519PrivateKey
    return {
        "id": f"{number:032x}", "key": base64.b64encode(key.public_key().public_bytes_raw()).decode(), "name": "d",
        "product": "pump", "profile": "pi", "tags": ("north",), "given": ("north",), "batch": "b", "token": "",
        "enrolled_at": time.time(), "nonce": "",
    }  # fmt: skip


@contextmanager
def fresh_database() -> Iterator[str]:
    """Provide address of an empty database of PostgreSQL, dropped in the end.

    Raises:
        psycopg.OperationalError: nobody answers at `EDGEWRIGHT_POSTGRES`.
    """
    name = f"edgewright_bench_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{POSTGRES.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Server:
    """`edgewright fleet serve` as a user starts it."""

    def __init__(self, folder: Path, *more: str) -> None:
        command = [str(Path(python()).parent / "edgewright"), "fleet", "serve", str(folder), "--port", "0", *more]
        self.log = (folder.parent / f"log{secrets.token_hex(3)}").open("w+")
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **ONE_THREAD}
        )
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if " at http" not in line:
            self.log.seek(0)
            sys.exit(f"no server: {self.log.read()[-2000:]}")
        self.port = int(line.split(" at ")[1].split()[0].rpartition(":")[2])

    def close(self) -> None:
        """End it as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None  # noqa: S101
        self.process.stdout.close()
        self.log.close()


class Speakers:
    """The process of the devices."""

    def __init__(self, count: int) -> None:
        self.process = subprocess.Popen(
            [python(), "-m", "benchmarks.fleet_scale._speaking", str(SEED), str(count)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._line()

    def ask(self, ports: Sequence[int], seconds: float, kind: str, each: int = 0) -> dict[str, Any]:
        """One stretch; see `_speaking`."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps({"ports": ports, "seconds": seconds, "what": kind, "each": each}) + "\n")
        self.process.stdin.flush()
        document: dict[str, Any] = json.loads(self._line())
        return document

    def _line(self) -> str:
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the devices ended")
        return line

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.close()
        self.process.wait(30)


def cpu(pid: int) -> float:
    """Return seconds of processor that a process has used; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def backends(address: str) -> dict[int, float]:
    """Seconds of processor of each of PostgreSQL's processes that serve a database; empty where it runs elsewhere."""
    if not address:
        return {}
    name = address.rpartition("/")[2]
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
        pids = [row[0] for row in connection.execute(query, (name,))]
    return {pid: cpu(pid) for pid in pids if Path(f"/proc/{pid}").exists()}


def busy() -> tuple[float, float]:
    """Return seconds of processor used and idle, of all cores, by whomever."""
    fields = [int(one) / _TICKS for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, idle


def kept(folder: Path, table: sa.Table) -> float:
    """Return bytes of the database for each row of a table, its indexes included."""
    sizes = {
        "sqlite": f"SELECT sum(pgsize) FROM dbstat WHERE name IN "  # noqa: S608 - a table of ours
        f"(SELECT name FROM sqlite_master WHERE tbl_name = '{table.name}')",
        "postgresql": f"SELECT pg_total_relation_size('{table.name}')",
    }
    database = open_database(folder)
    try:
        with database.reading() as connection:
            size = connection.exec_driver_sql(sizes[connection.dialect.name]).scalar_one()
            return float(size) / float(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
    finally:
        database.close()


@contextmanager
def held_to(pids: Sequence[int], share: float) -> Iterator[bool]:
    """Each process gets so much of a core and no more, by a control group of its own; False where that cannot be.

    As a machine of its own would have: what it may use is its own, and the others' load is not taken from it.
    """
    groups: list[Path] = []
    try:
        for pid in pids:
            groups.append(_group(pid, share))  # noqa: PERF401 - those before a failure are to be removed
        yield True
    except (OSError, StopIteration):
        if len(groups) == len(pids):
            raise
        yield False
    finally:
        for group in groups:
            for one in group.joinpath("cgroup.procs").read_text().split():
                with suppress(OSError):
                    group.parent.joinpath("cgroup.procs").write_text(one)
            group.rmdir()


def _group(pid: int, share: float) -> Path:
    """Return a control group of version 1 or 2 with one process in it."""
    root = next(
        one for one in map(Path, ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup")) if one.joinpath("cgroup.procs").exists()
    )
    group = root / f"edgewright-bench-{pid}"
    group.mkdir()
    try:
        if group.joinpath("cpu.max").exists():
            group.joinpath("cpu.max").write_text(f"{int(share * 20_000)} 20000")
        else:
            group.joinpath("cpu.cfs_period_us").write_text("20000")
            group.joinpath("cpu.cfs_quota_us").write_text(str(int(share * 20_000)))
        group.joinpath("cgroup.procs").write_text(str(pid))
    except OSError:
        group.rmdir()
        raise
    return group
