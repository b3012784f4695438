"""What a device keeps of signed metadata, while a fleet goes through rollouts and through new keys of every kind."""

from __future__ import annotations

import functools
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.faults.fleet_device import HandClock
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from benchmarks.faults_fleet.control import Control, lay_fleet
from edgewright.core.records.fleet import Standings
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import ROOT, TIMESTAMP, Refused
from edgewright.fleet.protocol.transport import FolderTransport
from edgewright.fleet.repository import key_rotation
from edgewright.fleet.repository.acceptance import settle, writing

_DEVICE = "device"


class Publication(NamedTuple):
    """What is published at one moment.

    Attributes:
        folder: as a web server serves it.
        now: seconds since 1970.
        standings: that its metadata leads to.
        plans: (id, SHA-256) of those that are named.
    """

    folder: Path
    now: float
    standings: Standings
    plans: tuple[tuple[str, str], ...]


class Promise(NamedTuple):
    """The newest publication that a device has verified, and a plan whose bytes it keeps; -1 for none."""

    seen: int


@functools.cache
def publications() -> tuple[Publication, ...]:
    """Return a fleet through two rollouts and new keys for the timestamp and for the root; once in a process."""
    file_path = Path(tempfile.mkdtemp(prefix="edgewright-published-"))
    lay_fleet(file_path)
    control, publications = Control(file_path), list[Publication]()

    def publish() -> None:
        folder = file_path / f"{len(publications)}"
        shutil.copytree(control.fleet.metadata.parent, folder)
        control.clock.forward(60.0)
        files = sorted((folder / "targets" / "rollouts").glob("*"), key=_written)
        standings = msgspec.json.decode(files[-1].read_bytes(), type=Standings)
        plans = tuple((one.plan, one.sha256) for one in standings.rollouts)
        publications.append(Publication(folder, control.clock.day, standings, plans))

    publish()
    body = control.plan(1)
    control.scheduler.tick()
    control.rollouts.start(body, "ada")
    publish()
    control.rollouts.steer("plan-1", "ada", "paused")
    publish()
    for role in (TIMESTAMP, ROOT):
        with writing(control.fleet, control.clock.day):
            change, keys = key_rotation.rotate(control.fleet, role, control.clock.day)
            with key_rotation.kept_when_done(control.fleet, keys):
                settle(control.fleet, change, control.fleet.ring(), control.clock.day)
        control.scheduler.tick()
        publish()
    control.rollouts.steer("plan-1", "ada", "aborted", revert=True)
    publish()
    control.close()
    return tuple(publications)


def _written(index: Path) -> tuple[float, int]:
    """Order standings by their signed time; those of one moment by when they were written."""
    return msgspec.json.decode(index.read_bytes(), type=Standings).issued, index.stat().st_mtime_ns


def _prepare(folder: Path) -> None:
    """Create a device that holds the first root."""
    root = (publications()[0].folder / "metadata" / "1.root.json").read_bytes()
    pin(folder / _DEVICE, root, hashlib.sha256(root).hexdigest())


def _client(folder: Path, number: int, opener: Connect = connect) -> Client:
    """Return a device that reads one publication, at its time."""
    clock, one = HandClock(), publications()[number]
    clock.day = one.now
    return Client(folder / _DEVICE, FolderTransport(one.folder), clock, opener=opener)


def _take(client: Client, number: int) -> str:
    """Refresh and read the plans that are named; what is wrong with what is found."""
    one = publications()[number]
    seen = client.refresh()
    if seen.standings != one.standings:
        return f"publication {number} is read as {seen.standings}"
    for plan, sha256 in one.plans:
        client.plan(plan, sha256)
    return ""


def use(folder: Path, recorder: Recorder) -> None:
    """Read every publication, the last one twice."""
    recorder.promise(Promise(-1))
    for number in (*range(len(publications())), len(publications()) - 1):
        client = _client(folder, number, recorder.connect)
        if problem := _take(client, number):
            raise AssertionError(problem)
        recorder.promise(Promise(number))
        client.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again with what was published last."""
    last = len(publications()) - 1
    client = _client(folder, last, recorder.connect)
    _take(client, last)
    client.close()


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with a device after a cut: it believes nothing older, and reads what is new."""
    if before is None:
        return ""
    last = len(publications()) - 1
    client = _client(folder, max(0, before.seen))
    try:
        standings = client.latest().standings
        known = [one.standings for one in publications()]
        newer = known[max(0, before.seen) :]
        if standings not in newer and not (standings is None and before.seen < 0):
            return f"standings of {standings and standings.issued}, after publication {before.seen}"
    finally:
        client.close()
    for older in range(before.seen):
        if problem := _refuses(folder, older):
            return problem
    client = _client(folder, last)
    try:
        return _take(client, last)
    finally:
        client.close()


def _refuses(folder: Path, number: int) -> str:
    """Return an attacker serves what was published before."""
    client = _client(folder, number)
    standings = client.latest().standings
    try:
        client.refresh()
    except Refused:
        after = client.latest().standings
        return "" if after == standings else f"a refusal of publication {number} changed what was held"
    finally:
        client.close()
    return f"publication {number} was taken again"


WORKLOAD = Workload("device reading signed metadata", use, recover, check, prepare=_prepare)
