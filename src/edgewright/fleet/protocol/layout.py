"""Names and lifetimes of roles, targets and files, the file lock, wheel sets, and interfaces of all processes."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Protocol

import msgspec

from edgewright.core.errors import AddressError, FileTooLargeError, WheelError
from edgewright.core.files import lock
from edgewright.core.records.fleet import Id, Plan, Release, Standings

FOLDER_VERSION = 1
CHANGE_VERSION = 1


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`fleet.toml`.

    Attributes:
        format: of the folder; a newer one is refused.
        name: for people.
        products: lines of packages; a device follows one.
        address: under which devices reach the fleet; empty where nobody said.
        stick: a repository that travels on a USB stick; its online roles are signed for longer.
        signers: URI by key id for keys that do not lie in the folder `keys`, as securesystemslib takes them.
        oidc: identity provider of version 0.2.0; read, but not used.
    """

    format: int = FOLDER_VERSION
    name: Annotated[str, msgspec.Meta(max_length=100)]
    products: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=1000)]
    address: str = ""
    stick: bool = False
    signers: dict[str, str] = msgspec.field(default_factory=dict)
    oidc: dict[str, Any] | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New metadata of offline roles, signed by some or all of the keys that it needs; also a file.

    Attributes:
        format: of the file.
        about: one line for people.
        roles: metadata by role, as text. Roles in one change are published together.
        targets: paths with the hash in front of bytes that must be there before the metadata is.
        base: metadata that it builds upon, by role, so that a person can sign on a machine that has nothing else.
    """

    format: int = CHANGE_VERSION
    about: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    roles: dict[str, str]
    targets: tuple[str, ...] = ()
    base: dict[str, str] = msgspec.field(default_factory=dict)


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change.

    Attributes:
        about: what it does.
        state: 'published', 'waiting' for the control plane, or 'prepared' for others to sign.
        file: where a prepared change lies.
        lacking: signatures that it still needs, for people.
    """

    about: str
    state: Literal["published", "waiting", "prepared"]
    file: str = ""
    lacking: tuple[str, ...] = ()


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A release among the signed targets.

    Attributes:
        release: as plans name it.
        revert: a dormant way back: the bytes of an older release under a higher number.
        of: counter of the release whose bytes these are; its own where `revert` is false.
        notes: what the person who published it wrote.
    """

    release: Release
    revert: bool = False
    of: int = 0
    notes: str = ""


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was made.

    Attributes:
        role: that it signs.
        key: its id.
        file: where the private half lies.
        offline: it is meant to leave this machine.
        encrypted: a passphrase protects it.
    """

    role: str
    key: str
    file: str
    offline: bool
    encrypted: bool


class RoleKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Who may sign a role.

    Attributes:
        role: its name.
        threshold: signatures that it needs.
        keys: ids of its keys.
        version, expires: of its metadata; 0 and empty where there is none. `expires` in ISO 8601, UTC.
    """

    role: str
    threshold: int
    keys: tuple[str, ...]
    version: int = 0
    expires: str = ""


class Ceremony(msgspec.Struct, frozen=True, kw_only=True):
    """What `fleet init` made.

    Attributes:
        folder: of the fleet.
        root: SHA-256 of the root's bytes, which devices are told at enrolment.
        roles: with thresholds.
        keys: every key file.
        steps: what a person does next, in order.
        warnings: what is not safe yet.
        stick: it is the repository for sticks of a fleet.
    """

    folder: str
    root: str
    roles: tuple[RoleKeys, ...]
    keys: tuple[KeyMade, ...] = msgspec.field(name="made")
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    stick: bool = False


ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
RELEASES, ROLLOUTS = "releases", "rollouts"
OFFLINE = (ROOT, TARGETS, RELEASES)
ONLINE = (ROLLOUTS, SNAPSHOT, TIMESTAMP)

DAY = 86_400.0
# Longest time between a role's signature and its expiry. A device refuses metadata with a longer lifetime, counted
# from the latest signed time that it knows.
LONGEST: dict[str, float] = {
    ROOT: 400 * DAY,
    TARGETS: 400 * DAY,
    RELEASES: 90 * DAY,
    ROLLOUTS: DAY,
    SNAPSHOT: 7 * DAY,
    TIMESTAMP: DAY,
}
STICK_TIMESTAMP = 90 * DAY
"""Lifetime of the timestamp on a USB stick, which is a separate repository with its own root."""
STICK_LONGEST: dict[str, float] = {**LONGEST, **dict.fromkeys(ONLINE, STICK_TIMESTAMP)}
"""Like `LONGEST`, for a repository on a USB stick: nobody can renew its signatures while it travels."""

PACKAGES, PLANS = "packages", "plans"
INDEX = f"{ROLLOUTS}/index.json"
ABORTED = "aborted"
"""Field of a plan's target in `releases`: its rollout is aborted, regardless of online signatures."""
REPORT_EVERY = 900.0
"""Seconds between two reports of a device without events, unless the control plane requests a longer interval."""
BINS_ABOVE = 500
"""Above this number of packages `releases` delegates to hash bins; with 1,000 in one file a refresh took 22 ms."""

# Paths below the address or folder that serves a fleet.
METADATA_PATH, TARGETS_PATH, API_PATH = "/metadata", "/targets", "/v1"


def package_target(product: str, counter: int) -> str:
    """Return the target path of a release's package."""
    return f"{PACKAGES}/{product}-{counter}.edge"


def plan_target(plan: str) -> str:
    """Return the target path of a plan."""
    return f"{PLANS}/{plan}.json"


_STEP = 0.01


def lock_within(handle: IO[str], seconds: float, *, shared: bool = False) -> bool:
    """Lock an open file and return whether that succeeded within the timeout; closing the file releases the lock."""
    until = time.monotonic() + seconds
    while not lock(handle, shared=shared):
        if time.monotonic() > until:
            return False
        time.sleep(_STEP)
    return True


FOLDER = "agent/"
_WHEEL = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")
_LARGEST = 256 << 20


def wheels_of(package: Path) -> dict[str, bytes]:
    """Return the wheels of a package by file name; none where it carries none.

    Raises:
        InputError: a name that is no wheel's, or more than 256 MiB.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.startswith(FOLDER)]
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise FileTooLargeError(f"wheels of at most {_LARGEST >> 20} MiB", "more", str(package))
            wheels = {entry.filename.removeprefix(FOLDER): archive.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile) as error:
        raise AddressError("a package", str(error), str(package)) from None
    for name in wheels:
        checked(name)
    return wheels


def checked(name: str) -> str:
    """Return the file name of a wheel.

    Raises:
        InputError: it is none.
    """
    if not _WHEEL.fullmatch(name):
        raise WheelError("the file name of a wheel", repr(name), "agent/")
    return name


def digest(wheels: dict[str, bytes]) -> str:
    """Return the name of the environment that these wheels make."""
    parts = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(wheels.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


class SystemClock:
    """The clocks of this machine."""

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; time in which the machine was suspended counts."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SystemRandom:
    """The random numbers of this machine."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""
        return os.urandom(count)

    def share(self) -> float:
        """Return a number from 0 up to 1."""
        return random.SystemRandom().random()


class Refused(Exception):  # noqa: N818 - the device refuses the data and keeps its state
    """Signed metadata or bytes that the device must not trust: forged, older, mixed, too large or too long-lived.

    Args:
        text: description for people.
        kind: reason: 'signature', 'older', 'expired', 'length', 'hash', 'format', 'lifetime' or 'mixed'.
    """

    def __init__(self, text: str, kind: str = "signature") -> None:
        super().__init__(text)
        self.kind = kind


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The newest verified state of a repository.

    Attributes:
        standings: standings of all rollouts; None if none was ever published.
        fresh: whether the role that signs them has not expired, by the later of the device's clock and `signed`. An
            abort counts even if it has expired.
        signed: latest known signed time, seconds since 1970; the device's time never goes below it.
        versions: versions of the metadata by role.
        changed: whether anything is new since the last refresh.
        aborted: plans with an abort signed by the offline keys.
    """

    standings: Standings | None
    fresh: bool
    signed: float
    versions: dict[str, int]
    changed: bool
    aborted: tuple[str, ...] = ()


class Trust(Protocol):
    """One repository and the device's verified copy of its metadata."""

    def refresh(self) -> Seen:
        """Download new metadata and verify it.

        Raises:
            Unreachable: no new metadata could be downloaded; the held metadata stays.
            Refused: the downloaded metadata is not valid; the held metadata stays.
            OutputError: the device's own storage failed.
        """

    def latest(self) -> Seen:
        """Return the held state, verified again, without using the network."""

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a plan with the given hash, and its bytes, from the cache or the network.

        Raises:
            Unreachable, Refused, OutputError: as `refresh`.
        """

    def check(self, release: Release) -> None:
        """Check that the signed metadata of `releases` names this package with the same length and hash.

        Raises:
            Unreachable, Refused, OutputError: as `refresh`.
        """

    def path(self, release: Release) -> str:
        """Return the path of a release's bytes below the address of the targets."""


class Unreachable(Exception):  # noqa: N818 - a temporary condition, not an error in the data
    """The server did not answer, or not in time, or not completely. Try again later.

    Args:
        text: description for people.
        wait: seconds after which the server requests a retry; None if it did not say.
    """

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class NotTaken(Unreachable):
    """The server rejected the request permanently; a retry with the same content cannot succeed."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP response: status, headers with lower-case names, and the body as a stream."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]

    def whole(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            Unreachable: the body is larger than `limit` bytes, or the connection broke.
        """
        parts: list[bytes] = []
        length = 0
        for part in self.body:
            length += len(part)
            if length > limit:
                raise Unreachable(f"an answer larger than {limit:,} bytes")
            parts.append(part)
        return b"".join(parts)


class Transport(Protocol):
    """HTTP to one address, without redirects, proxies or cookies; implementations enforce limits on time and size."""

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> AbstractContextManager[Answer]:
        """Send one request; read the answer's body inside the `with` block.

        Args:
            method: such as 'GET'.
            path: path below the address, with its leading '/'.
            headers: request headers.
            body: body of the request.
            seconds: timeout of the whole exchange, including the body.

        Raises:
            Unreachable: no answer; the body's iterator raises it too, on a stall or a broken connection.
        """


class Clock(Protocol):
    """Time on a device."""

    def wall(self) -> float:
        """Return seconds since 1970; may be wrong and may jump."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never decreases while the process runs."""


class Chance(Protocol):
    """A source of random numbers."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""

    def share(self) -> float:
        """Return a number from 0 up to 1."""
