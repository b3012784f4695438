"""A second repository on a mounted stick, under a root of its own: asked where the network's word is not fresh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from edgewright.fleet.agent.ports import Packages
from edgewright.fleet.layout import STICK_LONGEST
from edgewright.fleet.ports import Clock, Unreachable
from edgewright.fleet.trust.client import Client
from edgewright.fleet.trust.contract import Refused, Seen, Trust
from edgewright.fleet.trust.pinning import PINNED
from edgewright.fleet.wire.folder import FolderTransport
from edgewright.fleet.wire.packages import TransportPackages
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Release

FOLDER = "trust-stick"
_MARK = "stick:"
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "davfs", "afs", "ceph", "glusterfs")


class Opened(msgspec.Struct, frozen=True):
    """A stick that is there."""

    trust: Trust
    packages: Packages


class Port(Protocol):
    """Where a stick would be."""

    def look(self) -> Opened | None:
        """The stick; None where none is mounted, or its root is not pinned."""


class Mount:
    """A folder on which sticks are mounted.

    Args:
        folder: of the mount.
        store: of the device; the root of sticks is pinned in `trust-stick` of it.
        clock: of the device.
    """

    def __init__(self, folder: Path, store: Path, clock: Clock) -> None:
        self._folder, self._pinned, self._clock = folder, store / FOLDER, clock
        self._opened: Opened | None = None
        self._client: Client | None = None

    def look(self) -> Opened | None:
        """As `Port.look`."""
        if not (self._pinned / PINNED).exists() or not (self._folder / "metadata").is_dir():
            self.close()
            return None
        if self._opened is None and not _is_remote(self._folder, Path("/proc/self/mounts")):
            try:
                transport = FolderTransport(self._folder)
            except InputError:  # taken out between the two looks
                return None
            self._client = Client(self._pinned, transport, self._clock, longest=STICK_LONGEST)
            self._opened = Opened(self._client, TransportPackages(transport))
        return self._opened

    def close(self) -> None:
        """Lets go of the stick."""
        if self._client is not None:
            self._client.close()
        self._client = self._opened = None


class WithStick:
    """Trust and packages of the network and of a stick.

    What the network says holds while it is fresh. Otherwise the stick's rollouts hold, and the network's aborts.

    Args:
        trust, packages: of the network.
        port: where a stick would be.
    """

    def __init__(self, trust: Trust, packages: Packages, port: Port) -> None:
        self._trust, self._packages, self._port = trust, packages, port
        self._on_stick: set[str] = set()

    def refresh(self) -> Seen:
        """As `Trust.refresh`; a network that does not answer is no trouble where a stick does."""
        trouble: Unreachable | Refused | None = None
        try:
            seen = self._trust.refresh()
        except (Unreachable, Refused) as error:
            seen, trouble = self._trust.held(), error
        stick = self._port.look()
        if stick is not None and not seen.fresh:
            try:
                return _both(seen, stick.trust.refresh())
            except (Unreachable, Refused) as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return seen

    def held(self) -> Seen:
        """As `Trust.held`."""
        seen, stick = self._trust.held(), self._port.look()
        return seen if stick is None or seen.fresh else _both(seen, stick.trust.held())

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """As `Trust.plan`, from where the rollout is said."""
        stick = self._port.look()
        listed = stick.trust.held().standings if stick is not None else None
        there = listed is not None and any((one.plan, one.sha256) == (name, sha256) for one in listed.rollouts)
        if stick is None or not there:
            return self._trust.plan(name, sha256)
        found = stick.trust.plan(name, sha256)
        self._on_stick |= {one.sha256 for one in (found[0].release, found[0].revert) if one is not None}
        return found

    def check(self, release: Release) -> None:
        """As `Trust.check`, by the repository that its plan came from."""
        stick = self._of(release)
        (self._trust if stick is None else stick.trust).check(release)

    def path(self, release: Release) -> str:
        """As `Trust.path`; of a stick's package with a mark."""
        stick = self._of(release)
        return self._trust.path(release) if stick is None else _MARK + stick.trust.path(release)

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """As `Packages.read`."""
        if not path.startswith(_MARK):
            return self._packages.read(path, offset, length)
        stick = self._port.look()
        if stick is None:
            raise Unreachable("the stick was taken out")
        return stick.packages.read(path.removeprefix(_MARK), offset, length)

    def _of(self, release: Release) -> Opened | None:
        return self._port.look() if release.sha256 in self._on_stick else None


def _both(network: Seen, stick: Seen) -> Seen:
    """The stick's word, and what the network has aborted."""
    if stick.standings is None or not stick.fresh:
        return network
    said = network.standings.rollouts if network.standings else ()
    aborted = [one for one in said if one.state == "aborted"]
    gone = {one.plan for one in aborted}
    rollouts = (*aborted, *(one for one in stick.standings.rollouts if one.plan not in gone))
    standings = msgspec.structs.replace(stick.standings, rollouts=rollouts)
    return Seen(
        standings=standings, fresh=True, signed=max(network.signed, stick.signed), versions=network.versions,
        changed=True,
    )  # fmt: skip


def _is_remote(folder: Path, mounts: Path) -> bool:
    """Whether a folder lies on another machine: a stick's word counts from this one alone."""
    place, kind = "", ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        _, where, found, *_ = line.split(" ")
        where = where.encode().decode("unicode_escape")
        if folder.resolve().is_relative_to(where) and len(where) >= len(place):
            place, kind = where, found
    return kind.startswith(_REMOTE)
