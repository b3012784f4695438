"""10,000 devices at a Mosquitto of our own are woken by steps of a rollout, and ask for what was published."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from benchmarks.fleet_scale._listening import PRODUCT
from benchmarks.fleet_scale._serving import Server, cpu
from benchmarks.table import ROOT, TargetReport, python
from edgewright.fleet.protocol.layout import package_target
from edgewright.fleet.protocol.wire.broker import SPREAD, NewsSubscriber
from edgewright.fleet.repository import changes, releases
from edgewright.fleet.repository.acceptance import read_held, settle
from edgewright.fleet.repository.creation import Quorum, create_fleet
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import write_targets
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import audit
from edgewright.schema.fleet_folder import FleetSettings, Published
from edgewright.schema.fleet_plan import Release

DEVICES = int(os.environ.get("EDGEWRIGHT_BENCH_DEVICES", "10000"))
WITHIN = 5.0
_PROCESSES, _REAL = 2, 8
_STEPS, _STAGE_PERCENT = 3, 50
"""Steps of the rollout that are measured, and seconds between them."""


def measure(report: TargetReport) -> None:
    """Measure a fleet whose devices listen at a broker."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        fleet = _fleet(folder / "fleet")
        broker = stack.enter_context(_broker(folder))
        server = Server(fleet.folder, "--broker", f"mqtt://127.0.0.1:{broker[0]}")
        stack.callback(server.close)
        waked = [_Woken() for _ in range(_REAL)]
        for number, one in enumerate(waked):
            waker = NewsSubscriber(f"mqtt://127.0.0.1:{broker[0]}", PRODUCT, one, f"real{number:016x}")
            stack.callback(waker.close)
        listening = [stack.enter_context(_devices(n, broker[0], server.port)) for n in range(_PROCESSES)]
        command = [str(Path(python()).parent / "edgewright"), "fleet", "rollout", "start", "--fleet", "fleet"]
        stages = ",".join(f"s{n}:{(n + 1) * 20}%" for n in range(_STEPS + 1)) + ",all:100%"
        (folder / "plan.toml").write_text("gates = []\n")  # nobody is there who could fail one
        more = ["--plan", "plan.toml", "--stages", stages, "--dwell", f"{_STAGE_PERCENT}s"]
        more += ["--silence", "40s", "--unconfirmed", "100%"]
        subprocess.run([*command, *more], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        time.sleep(_STAGE_PERCENT / 2)
        _results_of(listening)
        for one in waked:
            one.times.clear()
        for step in range(_STEPS):
            _step(report, step, fleet.folder, listening, waked, (server.process.pid, broker[1]))


def _step(
    report: TargetReport, step: int, folder: Path, listening: list[subprocess.Popen[str]], waked: list[_Woken],
    pids: tuple[int, int],
) -> None:  # fmt: skip
    """Wait for the scheduler's next step and for what the devices then do."""
    before = [cpu(pid) for pid in pids]
    at = _committed(folder, time.time())
    time.sleep(max(0.0, at + SPREAD + 25.0 - time.time()))
    used = [cpu(pid) - was for pid, was in zip(pids, before, strict=True)]
    results = _results_of(listening)
    delays = sorted(moment - at for one in results for moment in one["heard"])
    requests = sorted(moment - at for one in results for moment in one["asked"])
    times = sorted(took for one in results for took in one["latencies"])
    wrong = {name: n for one in results for name, n in one["errors"].items()}
    real = sorted(moment - at for one in waked for moment in one.times)
    for one in waked:
        one.times.clear()
    last = delays[-1] if delays else float("inf")
    right = len(delays) >= DEVICES and len(real) >= _REAL and not wrong
    title = f"step {step + 1} of a rollout, {DEVICES:,} devices woken"
    got = f"{len(delays):,} heard it, the first {delays[0]:.2f} s and the last {last:.2f} s after the step's commit; "
    got += f"{_REAL} wakers of the agent's own {real[0]:.2f} to {real[-1]:.2f} s" if real else "no real waker did"
    report(title, got, f"{WITHIN:g} s", right and max(last, real[-1]) < WITHIN)
    got = f"{len(times):,} files for {len(requests):,} devices, the last {requests[-1]:.1f} s after the commit; "
    got += f"p50 {times[len(times) // 2] * 1e3:.0f} ms, p99 {times[int(len(times) * 0.99)] * 1e3:.0f} ms, "
    got += f"errors {wrong or 'none'}; server {used[0]:.1f} s of a core, Mosquitto {used[1]:.1f} s"
    report(f"step {step + 1}: they ask within {SPREAD:g} s", got, "no error", not wrong and len(requests) >= DEVICES)


def _committed(folder: Path, since: float) -> float:
    """When the scheduler's next stage was committed, or a moment before: the time in its line of the audit log."""
    database = open_database(folder)
    try:
        while time.time() < since + 3.0 * _STAGE_PERCENT:
            with database.reading() as connection:
                query = sa.select(audit.c.at).where(audit.c.what == "rollout.stage", audit.c.at > since)
                moment = connection.execute(query.order_by(audit.c.at)).scalars().first()
            if moment is not None:
                return float(moment)
            time.sleep(0.1)
    finally:
        database.close()
    raise RuntimeError("the rollout does not step")


class _Woken:
    """Of a real waker."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(time.time())


def _fleet(folder: Path) -> Fleet:
    """With two signed releases, whose packages are words, and the way back."""
    quorum = {role: Quorum(keys=1, threshold=1) for role in ("root", "targets", "releases")}
    now = time.time()
    fleet, _ = create_fleet(folder, FleetSettings(name="benchmark", products=(PRODUCT,)), quorum, None, now)
    contents, published = {}, []
    for counter, of in ((1, 1), (2, 2), (3, 1)):
        data = f"package {of}. ".encode() * 64
        release = Release(
            product=PRODUCT, counter=counter, target=package_target(PRODUCT, counter), length=len(data),
            sha256=hashlib.sha256(data).hexdigest(), package=f"pump {of}",
        )  # fmt: skip
        contents[release.target] = data
        published.append(Published(release=release, revert=counter == 3, of=of))
    files = [releases.package_file(one, contents[one.release.target]) for one in published]
    roles = releases.with_targets(read_held(fleet), files, now)
    settle(fleet, changes.change("releases", roles, write_targets(fleet, contents)), fleet.ring(), now)
    return fleet


@contextmanager
def _broker(folder: Path) -> Iterator[tuple[int, int]]:
    """Provide a Mosquitto of our own: its port and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'ulimit -n $(ulimit -Hn); exec {program} -c "$0"', str(config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 20.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _devices(number: int, broker: int, server: int) -> Iterator[subprocess.Popen[str]]:
    """Provide a process of devices that all listen."""
    count = DEVICES // _PROCESSES
    command = [python(), "-m", "benchmarks.fleet_scale._listening", *map(str, (number * count, count, broker, server))]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101
    try:
        record = msgspec.json.decode(process.stdout.readline() or "{}")
        if record.get("listening") != count:
            raise RuntimeError(f"not all listen: {record}")
        yield process
    finally:
        process.stdin.close()
        process.wait(30)


def _results_of(listening: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """Return what each process has counted since the last time."""
    results = []
    for process in listening:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        process.stdin.write("\n")
        process.stdin.flush()
    for process in listening:
        assert process.stdout is not None  # noqa: S101
        results.append(json.loads(process.stdout.readline()))
    return results
