"""A device's own work: verifying what is new among a thousand packages, and fetching one of 100 kB, over loopback."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.fleet.subject import PRODUCT, served
from edgewright.core.records.fleet import Release
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import FleetSettings, Published, SystemClock, package_target
from edgewright.fleet.protocol.transport import HttpTransport, TransportPackages
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import publish, read_held
from edgewright.fleet.repository.folder import Fleet, write_targets
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet

_SIZE = 100_000
_TIMES = 15


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, median and worst of several, and the median of the processor's seconds of the device."""

    middle: float
    worst: float
    cpu: float


@dataclass(frozen=True)
class Refreshed:
    """What a device's steps took.

    Attributes:
        moved: rollouts moved on: timestamp, snapshot, rollouts and the index are new.
        added: a package was added too: the list of all of them is new.
        fetched: 100 kB, checked against the signed list, fetched, hashed and flushed.
    """

    moved: Took
    added: Took
    fetched: Took


def refreshed(folder: Path, packages: int) -> Refreshed:
    """Measure with the trust client that devices have."""
    here = folder / "fleet"
    quorum = {role: Quorum(keys=1, threshold=1) for role in ("root", "targets", "releases")}
    fleet, _ = create_fleet(here, FleetSettings(name="benchmark", products=(PRODUCT,)), quorum, None, time.time())
    releases_made = [_release(fleet, counter) for counter in range(1, packages - _TIMES + 1)]
    _add(fleet, releases_made)
    root = (fleet.metadata / "1.root.json").read_bytes()
    device = folder / "device"
    device.mkdir()
    pin(device, root, hashlib.sha256(root).hexdigest())
    moved: list[tuple[float, float]] = []
    added: list[tuple[float, float]] = []
    fetched: list[tuple[float, float]] = []
    with served(here) as (port, _):
        transport = HttpTransport(f"http://127.0.0.1:{port}")
        client = Client(device, transport, SystemClock())
        client.refresh()
        for counter in range(packages - _TIMES + 1, packages + 1):
            publish(fleet, {}, time.time())
            moved.append(_timed(lambda: _refresh(client)))
            release = _release(fleet, counter)
            _add(fleet, [release])
            added.append(_timed(lambda: _refresh(client)))
            fetched.append(_timed(partial(_download, client, transport, release, folder / "slot")))
        client.close()
        transport.close()
    return Refreshed(_took(moved), _took(added), _took(fetched))


def _took(times: list[tuple[float, float]]) -> Took:
    wall, cpu = [one[0] for one in times], [one[1] for one in times]
    return Took(statistics.median(wall), max(wall), statistics.median(cpu))


def _release(fleet: Fleet, counter: int) -> Release:
    """Return a release of its own bytes, which are written among the targets; the first ones are small."""
    data = os.urandom(_SIZE if counter > 900 else 1000)
    path = package_target(PRODUCT, counter)
    write_targets(fleet, {path: data})
    digest = hashlib.sha256(data).hexdigest()
    return Release(product=PRODUCT, counter=counter, target=path, sha256=digest, length=len(data))


def _add(fleet: Fleet, added: list[Release]) -> None:
    published = read_held(fleet)
    files = []
    for release in added:
        data = (fleet.targets / _sidecar(release)).read_bytes()
        files.append(metadata.package_file(Published(release=release, of=release.counter), data))
    change = changes.change("packages", metadata.with_targets(published, files, time.time()))
    # Not by way of the control plane, which takes changes in every few seconds: the device is what is measured.
    publish(fleet, changes.role_files(changes.sign(published, change, fleet.ring())), time.time())


def _sidecar(release: Release) -> str:
    folder, _, name = release.target.rpartition("/")
    return f"{folder}/{release.sha256}.{name}"


def _timed(step: Callable[[], None]) -> tuple[float, float]:
    began, used = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - began, time.process_time() - used


def _refresh(client: Client) -> None:
    if not client.refresh().changed:
        raise RuntimeError("nothing new was seen")


def _download(client: Client, transport: HttpTransport, release: Release, slot: Path) -> None:
    """As the agent does: signed list, bytes, hash, flush."""
    client.check(release)
    hashed = hashlib.sha256()
    with slot.open("wb") as file:
        for part in TransportPackages(transport).read(client.path(release), 0, release.length):
            hashed.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    if hashed.hexdigest() != release.sha256:
        raise RuntimeError("other bytes")
