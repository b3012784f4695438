"""Bytes that a device and its fleet exchange, counted by a relay between the agent's own client and a real server.

HTTP without TLS: heads and bodies, in both directions. The fleet has the default thresholds, 20 releases and a rollout
that is moved on by `pause` and `resume`.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.fleet.subject import PRODUCT, served
from benchmarks.fleet_scale._serving import SEED, add_devices
from benchmarks.fleet_scale._speaking import keys, report_of
from benchmarks.table import TargetReport
from edgewright.core.records.fleet import Gate, Plan, Release, Stage
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import FleetSettings, Published, SystemClock, package_target
from edgewright.fleet.protocol.transport import HttpTransport
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import publish, read_held
from edgewright.fleet.repository.folder import Fleet, write_targets
from edgewright.fleet.repository.key_rotation import create_fleet
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.rollouts.worker import conductor

RELEASES = 20
_PLAN = "benchmark"


class Relay:
    """Bytes from a device, and to it."""

    def __init__(self) -> None:
        self.asked = self.answered = 0

    def of(self, step: Callable[[], object]) -> tuple[int, int]:
        """Return what a step of the device takes."""
        before = self.asked, self.answered
        step()
        return self.asked - before[0], self.answered - before[1]


@contextmanager
def relayed(port: int) -> Iterator[tuple[int, Relay]]:
    """Provide a port in front of another, one connection at a time, whose bytes are counted."""
    counted, ended = Relay(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.2)

        def run() -> None:
            while not ended.is_set():
                try:
                    near = door.accept()[0]
                except TimeoutError:
                    continue
                with near, socket.create_connection(("127.0.0.1", port)) as far:
                    _carry(near, far, counted, ended)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield int(door.getsockname()[1]), counted
        finally:
            ended.set()
            thread.join(5.0)


def _carry(near: socket.socket, far: socket.socket, counted: Relay, ended: threading.Event) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(near, selectors.EVENT_READ)
        waiting.register(far, selectors.EVENT_READ)
        while not ended.is_set():
            for one, _ in waiting.select(0.2):
                part = near.recv(1 << 16) if one.fileobj is near else far.recv(1 << 16)
                if not part:
                    return
                if one.fileobj is near:
                    counted.asked += len(part)
                    far.sendall(part)
                else:
                    counted.answered += len(part)
                    near.sendall(part)


def measure(report: TargetReport) -> None:
    """Measure the bytes of a device and of a fleet for each kind of exchange."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fleet = create_fleet(
            folder / "fleet", FleetSettings(name="benchmark", products=(PRODUCT,)), {}, None, time.time()
        )[0]
        releases_made = [_release(fleet, counter) for counter in range(1, 2 * RELEASES, 2)]
        database = open_database(fleet.folder)
        add_devices(database, 1)
        database.close()
        plane = open_plane(fleet.folder, thread=False)
        try:
            with served(fleet.folder) as (server, _), relayed(server) as (port, relay):
                for title, (requested, answered) in _exchanges(
                    fleet, releases_made[-1], plane, folder / "device", port, relay
                ):
                    report(f"bytes of {title}", f"{requested:,} asked, {answered:,} answered", "-", True)
                before = _files(fleet)
                conductor(plane).rollouts.steer(_PLAN, "benchmark", "paused")
                report("files that a step of a rollout adds", f"{_files(fleet) - before}, beside {before}", "-", True)
        finally:
            plane.close()


def _files(fleet: Fleet) -> int:
    return sum(path.is_file() for path in fleet.metadata.parent.rglob("*"))


def _exchanges(
    fleet: Fleet, release: Release, plane: Plane, device: Path, port: int, relay: Relay
) -> Iterator[tuple[str, tuple[int, int]]]:
    service = conductor(plane)
    root = (fleet.metadata / "1.root.json").read_bytes()
    device.mkdir()
    pin(device, root, hashlib.sha256(root).hexdigest())
    transport = HttpTransport(f"http://127.0.0.1:{port}")
    client = Client(device, transport, SystemClock())
    body = publish_plan(fleet.folder, _plan(release), now=time.time())
    service.scheduler.tick()
    service.rollouts.start(body, "benchmark")
    yield f"a first look, {RELEASES} releases, a rollout", relay.of(client.refresh)
    yield "a poll that finds nothing new (304)", relay.of(client.refresh)
    service.rollouts.steer(_PLAN, "benchmark", "paused")
    yield "a look after a rollout moved on", relay.of(client.refresh)
    service.rollouts.steer(_PLAN, "benchmark", "running")
    seen = client.latest().standings
    assert seen is not None  # noqa: S101
    sha256 = seen.rollouts[0].sha256
    yield "the plan", relay.of(lambda: client.plan(_PLAN, sha256))
    client.close()
    key: Ed25519PrivateKey = keys(SEED, 1)[0]
    control = HttpControl(transport, key, f"{0:032x}")
    yield "a report without items", relay.of(lambda: control.report(report_of("", 0)))
    transport.close()


def _plan(release: Release) -> Plan:
    now = time.time()
    stages = tuple(Stage(name=f"stage{share}", percent=float(share), dwell=3600.0) for share in (1, 10, 50, 100))
    return Plan(
        id=_PLAN, release=release, salt="5" * 64, stages=stages, starts=now, expires=now + 86_400.0 * 7,
        gates=(Gate(measure="failed", limit=0.3), Gate(measure="alarms", limit=5.0)), enrolled=now,
    )  # fmt: skip


def _release(fleet: Fleet, counter: int) -> Release:
    """Return a signed release of its own bytes."""
    data, path = os.urandom(1000), package_target(PRODUCT, counter)
    write_targets(fleet, {path: data})
    release = Release(
        product=PRODUCT, counter=counter, target=path, sha256=hashlib.sha256(data).hexdigest(), length=len(data)
    )
    files = [metadata.package_file(Published(release=release, of=counter), data)]
    change = changes.change("packages", metadata.with_targets(read_held(fleet), files, time.time()))
    publish(fleet, changes.role_files(changes.sign(read_held(fleet), change, fleet.ring())), time.time())
    return release
