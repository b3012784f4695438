"""The device's view of one repository of signed metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from tuf.api.metadata import Targets

from edgewright.core.errors import InputError, OutputError
from edgewright.core.files import PRIVATE, os_errors, private_folder, write_atomic, write_together
from edgewright.core.records.fleet import FORMAT, Plan, Release, Standings
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.ports import Packages
from edgewright.fleet.device.trust.pinned_root import (
    PINNED,
    MetadataState,
    MetadataVerifier,
    VerifiedMetadata,
    guarded,
    pinned_root,
)
from edgewright.fleet.protocol.layout import (
    ABORTED,
    INDEX,
    LONGEST,
    METADATA_PATH,
    PLANS,
    RELEASES,
    ROLLOUTS,
    ROOT,
    SNAPSHOT,
    STICK_LONGEST,
    TARGETS,
    TARGETS_PATH,
    TIMESTAMP,
    Clock,
    Refused,
    Seen,
    Transport,
    Trust,
    Unreachable,
    plan_target,
)
from edgewright.fleet.protocol.plans.decision import day
from edgewright.fleet.protocol.transport import FolderTransport, TransportPackages

_PLANS = "plans"
_KEPT_PLANS = 16
_LARGEST_INDEX, _LARGEST_PLAN, _LARGEST_TIMESTAMP = 1 << 20, 1 << 18, 1 << 14
_SLACK = 3600.0
_TIMESTAMP_PATH = f"{METADATA_PATH}/timestamp.json"
_SIGNED = (ROOT, TIMESTAMP, SNAPSHOT, TARGETS, RELEASES, ROLLOUTS)
D = TypeVar("D", Plan, Standings)


class Client:
    """The verified metadata of one repository on a device.

    Args:
        folder: folder of the metadata files, with the pinned root.
        transport: transport to the address that serves `/metadata` and `/targets`.
        clock: the device's clock; the latest signed time replaces an earlier clock time.
        longest: longest accepted lifetime in seconds by role.
        opener: opens the database.

    Raises:
        InputError: no root is pinned.
        OutputError: the storage cannot be read.
    """

    def __init__(
        self, folder: Path, transport: Transport, clock: Clock, *, longest: Mapping[str, float] = LONGEST,
        opener: Connect = connect,
    ) -> None:  # fmt: skip
        self._folder, self._transport, self._clock, self._longest = folder, transport, clock, longest
        self._pinned = pinned_root(folder)
        self._memory = MetadataState(folder, opener)
        self._checker: MetadataVerifier | None = None

    def refresh(self) -> Seen:
        """Download and verify news; an unchanged timestamp needs one request and no verification."""
        word = self._memory.word
        request = {"If-None-Match": word.etag} if word.etag and self._now() < word.expires else {}
        with self._transport.exchange("GET", _TIMESTAMP_PATH, request) as answer:
            if answer.status == 304 and request:
                return self.latest()
            if answer.status != 200:
                raise Unreachable(f"{_TIMESTAMP_PATH}: status {answer.status}")
            timestamp, etag = answer.whole(_LARGEST_TIMESTAMP), answer.headers.get("etag", "")[:200]
        self._checker = self._verify(timestamp, etag)
        before, word = word, self._memory.word
        changed = (word.index, word.versions) != (before.index, before.versions)
        return msgspec.structs.replace(self.latest(), changed=changed)

    def latest(self) -> Seen:
        """Return the last completely verified state, which is stored with the floors."""
        word = self._memory.word
        standings = msgspec.json.decode(word.index, type=Standings) if word.index else None
        return Seen(
            standings=standings, fresh=self._now() < word.expires, signed=word.signed, versions=word.versions,
            changed=False, aborted=word.aborted,
        )  # fmt: skip

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a plan and its bytes."""
        kept = self._folder / _PLANS / f"{sha256}.json"
        content = b""
        with suppress(OSError):
            content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            content = self._fetch(plan_target(name), _LARGEST_PLAN, sha256)
            self._keep_plan(kept, content)
        plan = _decode(content, Plan, f"plan {name}")
        if plan.id != name:
            raise Refused(f"plan {name!r} has the id {plan.id!r}", "mixed")
        return plan, content

    def check(self, release: Release) -> None:
        """Check that the signed metadata names this package."""
        file = self._verified().target(release.target)
        if file is None:
            raise Refused(f"{release.target} is not among the signed targets", "mixed")
        signed = (file.length, file.hashes.get("sha256"), (file.custom or {}).get("counter", release.counter))
        planned = (release.length, release.sha256, release.counter)
        if signed != planned:
            raise Refused(f"{release.target}: signed as {signed}, the plan says {planned}", "mixed")

    def path(self, release: Release) -> str:
        """Return the path of a release's bytes below the address of the targets."""
        return _plan_file_name(release.target, release.sha256)

    def close(self) -> None:
        """Close the storage."""
        self._memory.close()

    def _now(self) -> float:
        return self._moment(self._memory.word.timekeys)

    def _moment(self, timekeys: str) -> float:
        word = self._memory.word
        return max(self._clock.wall(), word.signed if timekeys == word.timekeys else 0.0)

    def _verified(self) -> MetadataVerifier:
        """Return the verifier of the last refresh, or a new one with the newest metadata."""
        if self._checker is None:
            timestamp = self._whole(_TIMESTAMP_PATH, _LARGEST_TIMESTAMP)
            self._checker = self._verify(timestamp, "")
        return self._checker

    def _verify(self, timestamp: bytes, etag: str) -> MetadataVerifier:
        """Verify all metadata that a timestamp names, and store it if everything is valid."""
        ready = {_TIMESTAMP_PATH: timestamp}
        try:
            try:
                checker: MetadataVerifier = guarded(
                    lambda: MetadataVerifier(self._folder, self._transport, self._pinned, self._moment, ready)
                )
                guarded(checker.refresh)
            except Refused as error:
                raise self._by_clock(error) from None
            index = self._index(checker)
            standings = _decode(index, Standings, INDEX) if index else None
            word = self._word(checker, standings, index, etag)
            floors = {(role, checker.keys(role)): version for role, version in word.versions.items()}
            for (role, keys), version in floors.items():
                floor = self._memory.floor(role, keys)
                if version < floor:
                    raise Refused(f"{role} of version {version} after {floor}", "older")
            # Write the timestamp last: a cache with it is complete, and a cache without it is downloaded again.
            named = sorted(checker.fresh_files, key=lambda name: (name == "timestamp.json", name))
            write_together({self._folder / name: checker.fresh_files[name] for name in named}, PRIVATE)
            checker.fresh_files.clear()
            if word != self._memory.word:
                self._memory.learn(word, floors)
        except OSError as error:
            raise OutputError("to keep signed metadata", error.strerror or str(error), str(self._folder)) from None
        return checker

    def _by_clock(self, error: Refused) -> Refused:
        """Add the local clock and the fleet's last signed time to an expiry error: the clock may be wrong."""
        if error.kind != "expired":
            return error
        signed = self._memory.word.signed
        last = f"the last accepted one is of {day(signed)}" if signed else "none was ever accepted"
        return Refused(
            f"{error} by this device's clock, {day(self._clock.wall())}; {last}. Is the clock right?", "expired"
        )

    def _index(self, checker: MetadataVerifier) -> bytes:
        """Return the bytes of the standings; unchanged standings are not downloaded again."""
        info = checker.target(INDEX)
        if info is None:
            return b""
        sha256, kept = info.hashes["sha256"], self._memory.word.index
        if kept and hashlib.sha256(kept).hexdigest() == sha256:
            return kept
        return self._download(INDEX, sha256, min(info.length, _LARGEST_INDEX))

    def _word(
        self, checker: MetadataVerifier, standings: Standings | None, index: bytes, etag: str
    ) -> VerifiedMetadata:
        """Return the metadata of this refresh after checking its times.

        Raises:
            Refused: the signed time decreased, or an expiry is too far in the future.
        """
        timekeys, before = checker.keys(TIMESTAMP), self._memory.word
        aborted = _aborted(checker, standings, before.aborted)
        self._not_older(checker)
        floor = before.signed if timekeys == before.timekeys else 0.0
        signed = max(floor, standings.issued if standings else 0.0)
        expiries = {role: checker.role(role).expires.timestamp() for role in _SIGNED if checker.role(role)}  # type: ignore[union-attr]
        if standings and standings.issued < floor:
            raise Refused(f"rollouts signed at {standings.issued:.0f}, after some of {floor:.0f}", "older")
        resting = min(expiry for role, expiry in expiries.items() if role != RELEASES)
        if signed > resting:
            # An online key must not move time beyond the expiry of offline metadata: everything would then be expired.
            text = f"rollouts signed on {day(signed)}, after metadata they depend on had expired ({day(resting)})"
            raise Refused(f"{text}: is the fleet's clock right?", "lifetime")
        now = max(self._clock.wall(), signed)
        for role, expires in expiries.items():
            if expires > now + self._longest[role] + _SLACK:
                days = (expires - now) / 86_400
                raise Refused(f"{role} is valid for {days:.1f} days, more than allowed", "lifetime")
        versions = {role: int(checker.role(role).version) for role in _SIGNED if checker.role(role)}  # type: ignore[union-attr]
        return VerifiedMetadata(
            index=index, expires=resting, signed=signed, timekeys=timekeys, versions=versions, etag=etag,
            aborted=aborted,
        )  # fmt: skip

    def _not_older(self, checker: MetadataVerifier) -> None:
        """Refuse metadata of `releases` below the known version or the token's: it could lack signed aborts."""
        snapshot, floor = checker.role(SNAPSHOT), self._memory.floor(RELEASES, checker.keys(RELEASES))
        named = snapshot.meta.get(f"{RELEASES}.json") if snapshot else None
        if named is not None and named.version < floor:
            raise Refused(f"{RELEASES} of version {named.version} after {floor}", "older")

    def _fetch(self, target: str, limit: int, sha256: str) -> bytes:
        """Download a small target and check it against the signed metadata and the caller's hash."""
        info = self._verified().target(target)
        if info is None:
            raise Refused(f"{target} is not among the signed targets", "mixed")
        if info.length > limit:
            raise Refused(f"{target} of {info.length:,} bytes, more than {limit:,}", "length")
        if info.hashes["sha256"] != sha256:
            raise Refused(f"{target}: signed with another content than the rollout names", "mixed")
        return self._download(target, sha256, info.length)

    def _download(self, target: str, sha256: str, length: int) -> bytes:
        path = _plan_file_name(target, sha256)
        content = self._whole(path, length)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused(f"{target}: {len(content)} bytes that differ from the signed ones", "hash")
        return content

    def _whole(self, path: str, limit: int) -> bytes:
        with self._transport.exchange("GET", path, {}) as answer:
            if answer.status != 200:
                raise Unreachable(f"{path}: status {answer.status}")
            return answer.whole(limit)

    def _keep_plan(self, path: Path, content: bytes) -> None:
        with os_errors(OutputError, "to keep a plan", path):
            private_folder(path.parent)
            kept = sorted(path.parent.glob("*.json"), key=lambda plan_file: plan_file.stat().st_mtime)
            for old in kept[: len(kept) - _KEPT_PLANS + 1]:
                file_operations.remove(old)
        write_atomic(path, content, PRIVATE)


def _aborted(checker: MetadataVerifier, standings: Standings | None, before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the plans with an abort signed in `releases`, which is read while a rollout is active.

    If it has expired or is unavailable, the known aborts stay valid, since they must still reach the device.
    """
    under_way = (
        next((rollout.plan for rollout in standings.rollouts if rollout.state != "aborted"), "") if standings else ""
    )
    with suppress(Refused, Unreachable):
        if under_way:
            checker.target(plan_target(under_way))
    releases = checker.role(RELEASES)
    files = releases.targets if isinstance(releases, Targets) else {}
    start = len(f"{PLANS}/")
    plans = {path[start:-5] for path, file in files.items() if (file.custom or {}).get(ABORTED) is True}
    return tuple(sorted({*before, *plans}))


def _plan_file_name(target: str, sha256: str) -> str:
    folder, _, name = target.rpartition("/")
    return f"{TARGETS_PATH}/{folder}/{sha256}.{name}"


def _decode(content: bytes, kind: type[D], subject: str) -> D:
    try:
        plan = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{subject}: {error}", "format") from None
    if plan.format > FORMAT:
        raise Refused(f"{subject} of format {plan.format}; this device reads {FORMAT}", "format")
    return plan


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
