"""What the fleet's parts ask of the world: network, clocks, chance. Real ones and simulated ones fit the same holes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


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
        """Seconds since 1970; may be wrong and may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; never falls while the process lives."""


class Chance(Protocol):
    """Where random bytes come from."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""

    def share(self) -> float:
        """A number from 0 up to 1."""
