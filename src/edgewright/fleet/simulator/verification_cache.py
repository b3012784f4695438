"""Verifies each state of the signed metadata once with the real client and shares the result among all devices.

A device's verification depends on the published state, its previous state and its clock. A `trust.client.Client` with a
correct clock verifies all published states in order. For clocks before the signature or after its expiry, separate
clients verify from the pinned root. Repeating the same verification for every device would give no new information.
"""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from edgewright.device.store.database import Connection, connect
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.ports import Clock, Refused, Seen
from edgewright.fleet.protocol.wire.transport import FolderTransport
from edgewright.fleet.simulator.disk import Disk
from edgewright.fleet.simulator.network import Link
from edgewright.schema.fleet_plan import Plan, Release

_AHEAD = 600.0
"""Seconds of a device's clock for which a result is reused."""
_NOTHING = Seen(standings=None, fresh=False, signed=0.0, versions={}, changed=False)


class _FixedClock:
    """A clock with a settable time."""

    def __init__(self, wall: float) -> None:
        self.now = wall

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Verifier:
    """Verifies the published states, numbered from 1; 0 means no state.

    Args:
        folder: empty folder for the clients' files.
        public: the served folder.
        root: bytes and SHA-256 of the devices' pinned root.
    """

    def __init__(self, folder: Path, public: Path, root: tuple[bytes, str]) -> None:
        self._folder, self._root = folder, root
        self._transport = FolderTransport(public)
        self._clock = _FixedClock(0.0)
        self._main = self._client(folder / "trust", self._clock)
        self._states: list[tuple[Client, _FixedClock] | Refused] = []
        self._elsewhere: dict[tuple[int, str], Refused | None] = {}
        self._seen: dict[int, tuple[float, float, Seen]] = {}
        self._plans: dict[tuple[str, str], tuple[Plan, bytes]] = {}
        self._checked: dict[tuple[int, Release], Refused | None] = {}

    @property
    def newest(self) -> int:
        """Number of the newest published state."""
        return len(self._states)

    def published(self, now: float) -> None:
        """Verify a new publication."""
        self._clock.now = now
        try:
            self._main.refresh()
        except Refused as error:
            self._states.append(error)
            return
        fixed_clock = _FixedClock(now)
        # This client has loaded the state verified so far and does not read it again.
        self._states.append((Client(self._folder / "trust", self._transport, fixed_clock, opener=_quick), fixed_clock))

    def latest(self, state: int, wall: float) -> Seen:
        """Return the view of a device with a state, by the device's clock."""
        if state == 0:
            return _NOTHING
        first, last, seen = self._seen.get(state, (0.0, 0.0, _NOTHING))
        if first <= wall < last:
            return seen
        kept = self._states[state - 1]
        if isinstance(kept, Refused):
            raise kept
        client, fixed_clock = kept
        fixed_clock.now = wall
        seen = client.latest()
        # Metadata expires only once, so equal results at two times hold for the time in between too.
        fixed_clock.now = wall + _AHEAD
        if client.latest() == seen:
            self._seen[state] = (wall, wall + _AHEAD, seen)
        return seen

    def verify(self, wall: float) -> int:
        """Verify the newest state with a device's clock and return its number.

        Raises:
            Refused: the state is not valid by this clock.
        """
        state = self.newest
        if state == 0:
            return 0
        seen = self.latest(state, wall)
        kind = "behind" if wall < seen.signed else "" if seen.fresh else "beyond"
        if kind:
            if (state, kind) not in self._elsewhere:
                self._elsewhere[state, kind] = self._from_root(wall)
            refused = self._elsewhere[state, kind]
            if refused is not None:
                raise refused
        return state

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a verified plan and its bytes."""
        if (name, sha256) not in self._plans:
            self._plans[name, sha256] = self._main.plan(name, sha256)
        return self._plans[name, sha256]

    def check(self, release: Release) -> None:
        """Check that the signed metadata names the package."""
        key = (self.newest, release)
        if key not in self._checked:
            self._checked[key] = None
            try:
                self._main.check(release)
            except Refused as error:
                self._checked[key] = error
        refused = self._checked[key]
        if refused is not None:
            raise refused

    def path(self, release: Release) -> str:
        """Return the path of a release's bytes."""
        return self._main.path(release)

    def close(self) -> None:
        """Close the clients."""
        for state in self._states:
            if not isinstance(state, Refused):
                state[0].close()
        self._main.close()

    def _client(self, folder: Path, clock: Clock) -> Client:
        pin(folder, *self._root)
        return Client(folder, self._transport, clock, opener=_quick)

    def _from_root(self, wall: float) -> Refused | None:
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            client = self._client(Path(scratch) / "trust", _FixedClock(wall))
            try:
                client.refresh()
            except Refused as error:
                return error
            finally:
                client.close()
        return None


class RememberedTrust:
    """Implements `fleet.protocol.ports.Trust` for one device with the shared verification results."""

    def __init__(self, verifier: Verifier, link: Link, clock: Clock, disk: Disk) -> None:
        self._verifier, self._link, self._clock, self._disk = verifier, link, clock, disk

    @property
    def behind(self) -> bool:
        """Whether the device has not verified the newest state."""
        return self._disk.verified != self._verifier.newest

    def refresh(self) -> Seen:
        self._link.reach()
        if not self.behind:
            return self.latest()
        self._disk.verified = self._verifier.verify(self._clock.wall())
        return msgspec.structs.replace(self.latest(), changed=True)

    def latest(self) -> Seen:
        return self._verifier.latest(self._disk.verified, self._clock.wall())

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        self._link.reach()
        return self._verifier.plan(name, sha256)

    def check(self, release: Release) -> None:
        self._link.reach()
        self._verifier.check(release)

    def path(self, release: Release) -> str:
        return self._verifier.path(release)


def _quick(path: Path, writable: bool) -> Connection:
    """Open a temporary database."""
    opened = connect(path, writable)
    opened.execute("PRAGMA locking_mode=NORMAL")
    return opened
