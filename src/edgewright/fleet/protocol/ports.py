"""Interfaces of the fleet to network, clocks and random numbers, with real and simulated implementations."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from edgewright.schema.fleet_plan import Plan, Release, Standings


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
