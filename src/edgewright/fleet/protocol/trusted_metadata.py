"""What the agent asks of the signed metadata."""

from __future__ import annotations

from typing import Protocol

import msgspec

from edgewright.fleet.protocol.ports import Unreachable
from edgewright.schema.fleet_plan import Plan, Release, Standings

__all__ = ["Refused", "Seen", "Trust", "Unreachable"]


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
        """Asks for news and verifies it.

        Raises:
            Unreachable: nothing new was to be had; what is held stays.
            Refused: what was sent is not to be believed; what is held stays.
            OutputError: the device's own storage failed.
        """

    def held(self) -> Seen:
        """What is held, verified again, without the network."""

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """A plan and its bytes, from the cache or the network; its hash is the one given.

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
