"""What the fleet's parts ask of the world: network, clocks, chance. Real ones and simulated ones fit the same holes."""

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
        """Return seconds since some moment; time in which the machine slept counts."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SystemRandom:
    """Chance of this machine."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""
        return os.urandom(count)

    def share(self) -> float:
        """Return a number from 0 up to 1."""
        return random.SystemRandom().random()


class Refused(Exception):  # noqa: N818 - what the other side sent is refused; the device goes on as before
    """Signed metadata or bytes that must not be believed: forged, older, mixed, too large, too long-lived.

    Args:
        text: what, for people.
        what: one word for it: 'signature', 'older', 'expired', 'length', 'hash', 'format', 'lifetime', 'mixed'.
    """

    def __init__(self, text: str, what: str = "signature") -> None:
        super().__init__(text)
        self.what = what


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The newest word that was verified.

    Attributes:
        standings: of all rollouts; None where none was ever published.
        fresh: whether the role that signs them has not expired, by the later of the device's clock and `signed`. An
            abort counts even where it is not.
        signed: latest signed time known, seconds since 1970: the floor of time.
        versions: of the roles held.
        changed: whether anything is new since the last refresh.
    """

    standings: Standings | None
    fresh: bool
    signed: float
    versions: dict[str, int]
    changed: bool


class Trust(Protocol):
    """One repository, with what the device holds of it."""

    def refresh(self) -> Seen:
        """Ask for news and verifies it.

        Raises:
            Unreachable: nothing new was to be had; what is held stays.
            Refused: what was sent is not to be believed; what is held stays.
            OutputError: the device's own storage failed.
        """

    def held(self) -> Seen:
        """Return what is held, verified again, without the network."""

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a plan and its bytes, from the cache or the network; its hash is the one given.

        Raises:
            Unreachable, Refused, OutputError: as `refresh`.
        """

    def check(self, release: Release) -> None:
        """Whether the signed metadata of `releases` names this package with the same length and hash.

        Raises:
            Unreachable, Refused, OutputError: as `refresh`.
        """

    def path(self, release: Release) -> str:
        """Where its bytes lie, below the address of targets."""


class Unreachable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """The other side did not answer, or not in time, or not whole. Try again later.

    Args:
        text: what happened, for people.
        wait: seconds after which the other side asks to be asked again; None where it said nothing.
    """

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class NotTaken(Unreachable):
    """The other side answered that it does not take what was said, and will not take it however often it is said."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Of an exchange over HTTP: status, header names in lower case, and the body as it comes."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]

    def whole(self, limit: int) -> bytes:
        """All of the body.

        Raises:
            Unreachable: it is larger than `limit` bytes, or it broke off.
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
    """HTTP to one address. No redirects, no proxies, no cookies; limits on time and size hold inside."""

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> AbstractContextManager[Answer]:
        """One exchange; the answer's body is read inside the `with`.

        Args:
            method: such as 'GET'.
            path: below the address, beginning with '/'.
            headers: names as they are sent.
            body: of the request.
            seconds: for the whole exchange, body included.

        Raises:
            Unreachable: no answer; also raised by the body's iterator when it stalls or breaks off.
        """


class Clock(Protocol):
    """Time on a device."""

    def wall(self) -> float:
        """Return seconds since 1970; may be wrong and may jump."""

    def monotonic(self) -> float:
        """Return seconds since some moment; never falls while the process lives."""


class Chance(Protocol):
    """Where random bytes come from."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""

    def share(self) -> float:
        """Return a number from 0 up to 1."""
