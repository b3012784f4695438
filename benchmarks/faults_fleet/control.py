"""A fleet and its control plane without its door: real database, signer and files in a folder; the clock is told."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from benchmarks.faults.fleet_device import HandClock
from benchmarks.faults.model import lay
from benchmarks.faults.states import files_of
from edgewright.core.records.fleet import (
    Acknowledged,
    Enrolled,
    Enrolment,
    Outcome,
    Plan,
    Release,
    Report,
    Stage,
    Standings,
)
from edgewright.device.store.records import Item
from edgewright.fleet.protocol.layout import (
    INDEX,
    RELEASES,
    ROOT,
    TARGETS,
    TIMESTAMP,
    FleetSettings,
    Published,
    package_target,
)
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import read_held, settle, writing
from edgewright.fleet.repository.folder import Fleet, open_fleet, write_targets
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server import device_access, reports, restore
from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database.tables import tokens
from edgewright.fleet.server.retention import prune
from edgewright.fleet.server.rollouts.worker import conductor
from edgewright.fleet.server.signer.supervisor import folder_signer

PRODUCT, HOUR = "pump", 3600.0
_SIGNATURES = 10_000
_SECRET = "a" * 32
_DEVICES = 2


@functools.cache
def two_release_files() -> dict[str, bytes]:
    """Return files of a fleet with two releases and their ways back; its keys are made once in a process."""
    with tempfile.TemporaryDirectory() as location:
        create(Path(location) / "fleet", (1, 3), HandClock().day)
        return files_of(Path(location))


def create(folder: Path, counters: Sequence[int], now: float) -> None:
    """Create a fleet with a release and its way back for each odd counter."""
    quorums = dict.fromkeys((ROOT, TARGETS, RELEASES), Quorum(keys=1, threshold=1))
    fleet, _ = create_fleet(folder, FleetSettings(name="faults", products=(PRODUCT,)), quorums, None, now)
    for counter in counters:
        _release(fleet, counter, now)


def lay_fleet(folder: Path) -> None:
    """Lay down the fleet, before any control plane."""
    lay(two_release_files(), folder)


def _content(counter: int) -> bytes:
    return f"package {counter} of a fleet. ".encode() * 20


def _signed(counter: int, of: int) -> Release:
    data = _content(of)
    return Release(
        product=PRODUCT, counter=counter, target=package_target(PRODUCT, counter), length=len(data),
        sha256=hashlib.sha256(data).hexdigest(), package=f"pump {of}",
    )  # fmt: skip


def _release(fleet: Fleet, counter: int, now: float) -> None:
    """Signs a release and a way back; these packages are words, so no test vectors are run."""
    new, back = _signed(counter, counter), _signed(counter + 1, max(1, counter - 2))
    contents = {new.target: _content(counter), back.target: _content(max(1, counter - 2))}
    published = [Published(release=new, of=counter), Published(release=back, revert=True, of=max(1, counter - 2))]
    with writing(fleet, now):
        files = [metadata.package_file(one, contents[one.release.target]) for one in published]
        roles = metadata.with_targets(read_held(fleet), files, now)
        change = changes.change(f"release {counter}", roles, write_targets(fleet, contents))
        settle(fleet, change, fleet.ring(), now)


class Control:
    """An opened control plane, as a server has it after its start.

    Args:
        folder: in which the fleet lies as `fleet`.
        now: seconds since 1970; by default when the fleet was made.
    """

    attend: ClassVar[Callable[[Plane], Callable[[], None]]] = staticmethod(lambda plane: lambda: None)
    """What a load does with each control plane that was opened, until what it returns is called."""

    def __init__(self, folder: Path, now: float = 0.0) -> None:
        self.clock = HandClock()
        self.clock.day = now or self.clock.day
        self._drawn = 0
        self.fleet = open_fleet(folder / "fleet")
        for key in (folder / "fleet" / "keys").rglob("*.key"):
            key.chmod(0o600)  # files are laid down without their permissions
        self.plane = open_plane(self.fleet.folder, thread=False, clock=self.clock, random=self._random)
        self._made = conductor(self.plane, folder_signer(self.fleet, self.clock.wall, _SIGNATURES).sign)
        self.rollouts, self.scheduler = self._made.rollouts, self._made.scheduler
        self.database = self.plane.database
        # As `ticking` begins: what was committed is published, and a database behind its devices is refused.
        self._made.publisher.publish()
        seen = restore.from_folder(self.fleet.metadata.parent)
        restore.check(self.database, restore.published(seen, (self.fleet.metadata / "1.root.json").read_bytes()))
        self._leave = Control.attend(self.plane)

    def plan(self, counter: int) -> bytes:
        """Return signs a plan of two stages offline; it waits to be taken in."""
        stages = (Stage(name="half", percent=50.0, dwell=HOUR), Stage(name="all", percent=100.0, dwell=HOUR))
        planned = Plan(
            id=f"plan-{counter}", release=_signed(counter, counter), revert=_signed(counter + 1, max(1, counter - 2)),
            salt="5" * 64, stages=stages, starts=self.clock.day, enrolled=self.clock.day,
            expires=self.clock.day + 30 * 24 * HOUR,
        )  # fmt: skip
        return publish_plan(self.fleet.folder, planned, now=self.clock.day)

    def enrol(self) -> list[Enrolled]:
        """Two devices, by one token."""
        now = self.clock.day
        row: dict[str, Any] = {
            "hash": device_access.hashed(_SECRET), "product": PRODUCT, "tags": (), "batch": "b", "uses": _DEVICES,
            "made_at": now, "made_by": "tester", "expires": now + HOUR,
        }  # fmt: skip
        self.plane.committer.submit(lambda c: c.execute(sa.insert(tokens).values(row)) and None).result()
        enrolments = [
            Enrolment(token=_SECRET, key=(f"{number}" * 43) + "=", name="d", profile="pi", product=PRODUCT)
            for number in range(1, _DEVICES + 1)
        ]
        return [
            self.plane.committer.submit(
                functools.partial(
                    device_access.enrol,
                    enrolment=one,
                    now=now,
                    device=self._random(16).hex(),
                    nonce=self._random(16).hex(),
                )
            ).result()
            for one in enrolments
        ]

    def report(self, device: str, nonce: str, sequence: int) -> Acknowledged:
        """One report with an outcome and an item, acknowledged."""
        now = self.clock.day
        item = Item(device="d", boot=1, sequence=sequence, kind="event", put=now, body={"priority": 1})
        outcome = Outcome(number=sequence + 1, result="tested", counter=1, plan="", at=now)
        device_report = Report(
            nonce=nonce, sequence=sequence, counter=1, floor=0, phase="idle", outcomes=(outcome,),
            items=(msgspec.Raw(msgspec.json.encode(item)),),
        )  # fmt: skip
        digest = hashlib.sha256(msgspec.json.encode(device_report)).hexdigest()
        one = reports.arrived(device, device_report, digest, at=now, nonce=self._random(16).hex(), wait=60.0)
        return msgspec.json.decode(self.plane.committer.submit_to(reports.take, one).result(), type=Acknowledged)

    def prune(self) -> int:
        """Remove what was followed long ago; how many rows and files."""
        return prune(self.fleet, self.database, self.plane.committer, self.clock.day)

    def close(self) -> None:
        """Let go of the database."""
        self._leave()
        self.plane.close()

    def _random(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(self._drawn.to_bytes(8, "big")).digest(count)


class _Files(FetcherInterface):
    """Files of a folder instead of a web server."""

    def __init__(self, public: Path) -> None:
        self._public = public

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter([(self._public / url.removeprefix("file:///")).read_bytes()])
        except OSError:
            raise DownloadHTTPError("no such file", 404) from None


class Watcher:
    """A device that is nothing but python-tuf's own client: it verifies all it reads and accepts no older version.

    Args:
        folder: empty, of what it remembers.
        public: what is published.
    """

    def __init__(self, folder: Path, public: Path) -> None:
        (folder / "targets").mkdir(parents=True)
        self._folder, self._public = folder, public
        self._root = (public / "metadata" / "1.root.json").read_bytes()

    def look(self) -> tuple[int, Standings | None]:
        """Version of the timestamp and the standings it leads to.

        Raises:
            tuf.api.exceptions.RepositoryError: something is not signed as it must be, or older than it was.
        """
        updater = Updater(
            str(self._folder), "file:///metadata/", str(self._folder / "targets"), "file:///targets/",
            fetcher=_Files(self._public), bootstrap=self._root, config=UpdaterConfig(),
        )  # fmt: skip
        updater.refresh()
        target_info = updater.get_targetinfo(INDEX)
        if target_info is None:
            return self._version(), None
        return self._version(), msgspec.json.decode(
            Path(updater.download_target(target_info)).read_bytes(), type=Standings
        )

    def _version(self) -> int:
        record = msgspec.json.decode((self._folder / f"{TIMESTAMP}.json").read_bytes())
        return int(record["signed"]["version"])
