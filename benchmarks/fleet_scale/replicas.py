"""Two servers over PostgreSQL against one, and one over SQLite: signed reports and polls, over real HTTP.

On two cores that devices, servers and PostgreSQL share, the clock says little about a second server: there is no core
for it. So besides the clock, whose processor's seconds a report takes is told; and the servers are held to a fifth of a
core each, so that they, and nothing else, are what is scarce: what two then serve, against one, shows whether the
database or a lock makes them wait for each other. `EDGEWRIGHT_REPLICAS=1` takes a second a stretch instead of three.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.fleet_scale._serving import (
    POSTGRES,
    Server,
    Speakers,
    backends,
    busy,
    cpu,
    fleet_of,
    fresh_database,
    held_to,
    kept,
)
from benchmarks.table import TargetReport, median
from edgewright.fleet.server.control_plane import Limits
from edgewright.fleet.server.database import tables

DEVICES, REPEATS, SHARE = 2000, 5, 0.2
"""A device may send two reports a second: so many devices are never refused."""
TIMES = 1.5
_SECONDS = float(os.environ.get("EDGEWRIGHT_REPLICAS", "3"))


@dataclass(frozen=True)
class Stretch:
    """Of some seconds: answers a second, seconds of processor an answer by whose, cores of others and idle ones."""

    rate: float
    server: float
    postgres: float
    client: float
    cores: float
    others: float
    idle: float
    p99: float
    sent: float
    received: float


def stretch(speakers: Speakers, servers: Sequence[Server], kind: str, address: str) -> Stretch:
    """Let devices ask these servers for a while.

    Raises:
        RuntimeError: a server answered something else than it should.
    """
    pids = [server.process.pid for server in servers]
    before, database, all_before = [cpu(pid) for pid in pids], backends(address), busy()
    began = time.perf_counter()
    answers = speakers.ask([server.port for server in servers], _SECONDS, kind)
    took = time.perf_counter() - began
    if answers["wrong"]:
        raise RuntimeError(f"{answers['wrong']}")
    mine = sum(cpu(pid) for pid in pids) - sum(before)
    after = backends(address)
    theirs = sum(used - database.get(pid, 0.0) for pid, used in after.items())
    used, idle = (b - a for a, b in zip(all_before, busy(), strict=True))
    done = answers["done"]
    return Stretch(
        done / answers["seconds"], mine / done, theirs / done, answers["cpu"] / done, mine / took,
        (used - mine - theirs - answers["cpu"]) / took, idle / took, answers["p99"], answers["sent"] / done,
        answers["received"] / done,
    )  # fmt: skip


def measure(report: TargetReport) -> None:
    """Rows for polls and reports, free and held; for SQLite alone; and what a core of servers does."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        _sqlite(report, Path(name))
        try:
            address = stack.enter_context(fresh_database())
        except psycopg.OperationalError as error:
            report("two servers over PostgreSQL", f"left out: no PostgreSQL at {POSTGRES}: {error}", "", True)
            return
        (Path(name) / "two").mkdir()
        folder = fleet_of(Path(name) / "two", DEVICES, address)
        servers = [Server(folder) for _ in range(2)]
        for server in servers:
            stack.callback(server.close)
        speakers = Speakers(DEVICES)
        stack.callback(speakers.close)
        _warm(report, speakers, servers, "PostgreSQL")
        for kind in ("report", "poll"):
            _free(report, speakers, servers, kind, address)
            with held_to([server.process.pid for server in servers], SHARE) as limited:
                if limited:
                    _limited_cores(report, speakers, servers, kind, address)
                else:
                    report(f"{kind}s, servers held to a share of a core", "left out: no control group here", "", True)
        _disk(report, folder, "PostgreSQL")


def _warm(report: TargetReport, speakers: Speakers, servers: Sequence[Server], where: str) -> None:
    """Every server has heard every device once: keys are read from the database the first time."""
    costs = []
    for server in servers:
        before = cpu(server.process.pid)
        speakers.ask([server.port], 60.0, "report", each=DEVICES)
        costs.append((cpu(server.process.pid) - before) / DEVICES)
        speakers.ask([server.port], 0.5, "poll")
    got = f"{median(costs) * 1e3:.2f} ms of the server's processor each"
    report(f"reports of devices whose keys are not in memory, {where}", got, "-", True)


def _in_turns(
    speakers: Speakers, servers: Sequence[Server], kind: str, address: str
) -> tuple[list[Stretch], list[Stretch]]:
    one, two = [], []
    for turn in range(REPEATS):
        one.append(stretch(speakers, [servers[turn % 2]], kind, address))
        two.append(stretch(speakers, servers, kind, address))
    return one, two


def _free(report: TargetReport, speakers: Speakers, servers: Sequence[Server], kind: str, address: str) -> None:
    one, two = _in_turns(speakers, servers, kind, address)
    times = median([b.rate / a.rate for a, b in zip(one, two, strict=True)])
    got = f"{_rates(two)}/s against {_rates(one)}/s, {times:.2f}x; {_costs(two)}; {_left(two)}"
    report(f"{kind}s, two servers against one, {os.cpu_count()} cores for all", got, "-", True)


def _limited_cores(
    report: TargetReport, speakers: Speakers, servers: Sequence[Server], kind: str, address: str
) -> None:
    one, two = _in_turns(speakers, servers, kind, address)
    times = median([b.rate / a.rate for a, b in zip(one, two, strict=True)])
    got = f"{_rates(two)}/s against {_rates(one)}/s, {times:.2f}x; servers used {_cores(two)} and {_cores(one)} cores; "
    got += f"{_costs(two)}; {_left(two)}"
    report(f"{kind}s, the same, each server held to {SHARE:g} of a core", got, f"{TIMES:g}x", times >= TIMES)


def _sqlite(report: TargetReport, folder: Path) -> None:
    (folder / "one").mkdir()
    server, speakers = Server(fleet_of(folder / "one", DEVICES)), Speakers(DEVICES)
    try:
        _warm(report, speakers, [server], "SQLite")
        for kind in ("report", "poll"):
            runs = [stretch(speakers, [server], kind, "") for _ in range(REPEATS)]
            rate, wait = median([run.rate for run in runs]), Limits().wait
            late, sent, answered = (median([getattr(run, of) for run in runs]) for of in ("p99", "sent", "received"))
            got = f"{_rates(runs)}/s, p99 {late * 1e3:.0f} ms; {_costs(runs)}; {_left(runs)}; "
            got += (
                f"{sent:.0f} bytes asked, {answered:.0f} answered; {rate * wait:,.0f} devices at one every {wait:g} s"
            )
            report(f"{kind}s, one server over SQLite", got, "-", True)
    finally:
        speakers.close()
        server.close()
    _disk(report, folder / "one" / "fleet", "SQLite")


def _disk(report: TargetReport, folder: Path, where: str) -> None:
    device = kept(folder, tables.devices) + kept(folder, tables.vitals)
    got = f"{kept(folder, tables.reports):.0f} bytes a report, {device:,.0f} a device, with indexes"
    report(f"disk, {where}", got, "-", True)


def _rates(runs: Sequence[Stretch]) -> str:
    rates = sorted(run.rate for run in runs)
    return f"{median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})"


def _cores(runs: Sequence[Stretch]) -> str:
    return f"{median([run.cores for run in runs]):.2f}"


def _costs(runs: Sequence[Stretch]) -> str:
    names = ("server", "postgres", "client")
    each = (f"{name} {median([getattr(run, name) for run in runs]) * 1e3:.2f}" for name in names)
    return "ms of processor each: " + ", ".join(each)


def _left(runs: Sequence[Stretch]) -> str:
    others, idle = median([run.others for run in runs]), median([run.idle for run in runs])
    return f"others had {others:.2f} cores, {idle:.2f} were free"
