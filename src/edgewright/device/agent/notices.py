"""What a source says of itself, told at once and then no more often than every few seconds."""

from __future__ import annotations

import re

import msgspec

from edgewright.schema.device import Packet

# What differs between two lines that are the same trouble: what was read, and numbers.
_OWN = re.compile(r"""['"].*['"]|\d+""", re.DOTALL)
_MOST = 256


class Notices:
    """Lets the first notice of a kind through and counts those that follow it closely.

    A line at the wrong speed, or a sender without a header, makes a notice of every packet; the store, the outbox and
    the terminal must not fill with them.

    Args:
        seconds: in which a kind of notice of one stream is told once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def passed(self, packet: Packet, now: float) -> Packet:
        """The packet, without its notice where one of that kind was told shortly before.

        Args:
            packet: as it came.
            now: seconds of a clock that never falls back.
        """
        if not packet.notice:
            return packet
        key = (packet.stream, _OWN.sub("#", packet.notice))
        then, left = self._told.get(key, (None, 0))
        if then is not None and now - then < self._seconds:
            self._told[key] = (then, left + 1)
            return msgspec.structs.replace(packet, notice="")
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[key] = (now, 0)
        if not left:
            return packet
        return msgspec.structs.replace(packet, notice=f"{packet.notice} (and {left} more like it before)")
