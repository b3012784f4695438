"""A second repository on a mounted USB stick, with its own root; used while the network's metadata is not fresh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgewright.fleet.device.ports import Packages
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import PINNED
from edgewright.fleet.protocol.layout import METADATA_PATH, STICK_LONGEST
from edgewright.fleet.protocol.ports import Clock, Refused, Seen, Trust, Unreachable
from edgewright.fleet.protocol.wire.transport import FolderTransport, TransportPackages
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Release

FOLDER = "trust-stick"
ON_STICK = "edgewright"
_MARK = "stick:"
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "davfs", "afs", "ceph", "glusterfs")


class Stick(msgspec.Struct, frozen=True):
    """A mounted stick."""

    trust: Trust
    packages: Packages


class StickMount:
    """The mount point of USB sticks.

    Args:
        folder: mount point.
        store: store of the device; the root for sticks is pinned in its folder `trust-stick`.
        clock: clock of the device.
    """

    def __init__(self, folder: Path, store: Path, clock: Clock) -> None:
        # The layout that `fleet stick write` creates.
        self._folder, self._pinned, self._clock = folder / ON_STICK, store / FOLDER, clock
        self._metadata = self._folder / METADATA_PATH.strip("/")
        self._opened: Stick | None = None
        self._client: Client | None = None

    def look(self) -> Stick | None:
        """Return the mounted stick; None if there is none."""
        if not (self._pinned / PINNED).exists() or not self._metadata.is_dir():
            self.close()
            return None
        if self._opened is None and not _is_remote(self._folder, Path("/proc/self/mounts")):
            try:
                transport = FolderTransport(self._folder)
            except InputError:  # removed between the two checks
                return None
            self._client = Client(self._pinned, transport, self._clock, longest=STICK_LONGEST)
            self._opened = Stick(self._client, TransportPackages(transport))
        return self._opened

    def close(self) -> None:
        """Close the stick's storage."""
        if self._client is not None:
            self._client.close()
        self._client = self._opened = None


class CombinedRepository:
    """Combines the repositories of the network and of a USB stick.

    While the network answers, only its rollouts apply. Otherwise the stick's rollouts apply together with the
    network's fresh ones, and the network's aborts apply permanently.
    """

    def __init__(self, trust: Trust, packages: Packages, port: StickMount) -> None:
        self._trust, self._packages, self._port = trust, packages, port
        self._on_stick: set[str] = set()
        self._spoilt: set[str] = set()
        self._answers = True

    def refresh(self) -> Seen:
        """Download and verify news from the network or the stick; one of them is enough."""
        trouble: Unreachable | Refused | None = None
        try:
            seen = self._trust.refresh()
            self._answers = True
        except (Unreachable, Refused) as error:
            seen, trouble, self._answers = self._trust.latest(), error, False
        stick = self._port.look()
        if stick is not None and not (seen.fresh and self._answers):
            try:
                return _both(seen, stick.trust.refresh())
            except (Unreachable, Refused) as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return seen

    def latest(self) -> Seen:
        """Return the held, verified state, without using the network."""
        seen, stick = self._trust.latest(), self._port.look()
        if stick is None or (seen.fresh and self._answers):
            return seen
        return _both(seen, stick.trust.latest())

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a plan and its bytes from the repository with the rollout."""
        stick = self._port.look()
        listed = stick.trust.latest().standings if stick is not None else None
        there = listed is not None and any(
            (rollout.plan, rollout.sha256) == (name, sha256) for rollout in listed.rollouts
        )
        if stick is None or not there:
            return self._trust.plan(name, sha256)
        on_stick = stick.trust.plan(name, sha256)
        self._on_stick |= {
            rollout.sha256 for rollout in (on_stick[0].release, on_stick[0].revert) if rollout is not None
        }
        return on_stick

    def check(self, release: Release) -> None:
        """Check that the repository of the release's plan names this package."""
        stick = self._of(release)
        if stick is not None:
            stick.trust.check(release)
            return
        try:
            self._trust.check(release)
        except (Unreachable, Refused) as error:
            # The plan may have been downloaded from the network, while the stick has the same package; or the network
            # was asked only because the stick's bytes were wrong.
            other = self._port.look()
            if other is None or (isinstance(error, Refused) and release.sha256 not in self._on_stick):
                raise
            other.trust.check(release)
            self._on_stick.add(release.sha256)
            self._spoilt.discard(release.sha256)

    def path(self, release: Release) -> str:
        """Return the path of a release's bytes; the path of a package on a stick has a prefix."""
        stick = self._of(release)
        return self._trust.path(release) if stick is None else _MARK + stick.trust.path(release)

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Yield the bytes of a target from `offset` to its end."""
        if not path.startswith(_MARK):
            return self._packages.read(path, offset, length)
        stick = self._port.look()
        if stick is None:
            raise Unreachable("the stick was removed")
        return stick.packages.read(path.removeprefix(_MARK), offset, length)

    def spoilt(self, release: Release) -> str:
        """Record that the bytes of a release were wrong; those of a stick are asked of the network next."""
        if self._of(release) is None:
            return self._packages.spoilt(release)
        self._spoilt.add(release.sha256)
        return "the USB stick"

    def _of(self, release: Release) -> Stick | None:
        return self._port.look() if release.sha256 in self._on_stick - self._spoilt else None


def _both(network: Seen, stick: Seen) -> Seen:
    """Merge the states: the network's fresh or aborted rollouts take precedence over the stick's."""
    if stick.standings is None or not stick.fresh:
        return network
    online = network.standings.rollouts if network.standings else ()
    first = [rollout for rollout in online if network.fresh or rollout.state == "aborted"]
    known = {rollout.plan for rollout in first}
    rollouts = (*(rollout for rollout in stick.standings.rollouts if rollout.plan not in known), *first)
    standings = msgspec.structs.replace(stick.standings, rollouts=rollouts)
    return Seen(
        standings=standings, fresh=True, signed=max(network.signed, stick.signed), versions=network.versions,
        changed=True, aborted=network.aborted,
    )  # fmt: skip


def _is_remote(folder: Path, mounts: Path) -> bool:
    """Return whether a folder is on a network file system: sticks are accepted only from this machine."""
    location, kind = "", ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        _, where, file_system, *_ = line.split(" ")
        where = where.encode().decode("unicode_escape")
        if folder.resolve().is_relative_to(where) and len(where) >= len(location):
            location, kind = where, file_system
    return kind.startswith(_REMOTE)
