"""The bytes of packages over a transport, from where an earlier download broke off."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.fleet.protocol.ports import Transport, Unreachable
from edgewright.fleet.protocol.trusted_metadata import Refused

_SECONDS = 3600.0


class TransportPackages:
    """As `fleet.device.ports.Packages`.

    Args:
        transport: to the address that serves the targets.
        seconds: for one answer; what came before counts, so that a slow link gets there in the end.
    """

    def __init__(self, transport: Transport, seconds: float = _SECONDS) -> None:
        self._transport, self._seconds = transport, seconds

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """As `fleet.device.ports.Packages.read`."""
        if offset >= length:
            return
        asked = {"Range": f"bytes={offset}-"} if offset else {}
        with self._transport.exchange("GET", path, asked, seconds=self._seconds) as answer:
            if answer.status not in (200, 206):
                raise Unreachable(f"{path}: status {answer.status}", _after(answer.headers.get("retry-after", "")))
            # A server that does not know ranges sends all of it.
            passed, given = (0 if answer.status == 206 else offset), offset
            for part in answer.body:
                piece, passed = part[passed:], max(0, passed - len(part))
                given += len(piece)
                if given > length:
                    raise Refused(f"{path}: more than {length:,} bytes", "length")
                if piece:
                    yield piece
            if given < length:
                raise Unreachable(f"{path}: {given:,} of {length:,} bytes came")


def _after(text: str) -> float | None:
    return float(text) if text.isdecimal() and len(text) < 8 else None
