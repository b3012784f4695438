"""Notices of sources: the first of a kind passes, those that follow it closely are counted."""

from __future__ import annotations

import re

import msgspec

from edgewright.schema.device import Packet

# What differs between two lines that are the same trouble: what was read, and numbers.
_OWN = re.compile(r"""['"].*['"]|\d+""", re.DOTALL)
_KINDS, _STREAMS = 64, 8
_OTHERS = "\0"


class Notices:
    """Lets the first notice of a kind through and counts those that follow it closely.

    A line at the wrong speed, a sender without a header or a gateway with too many streams makes a notice of every
    packet; the store, the outbox and the terminal must not fill with them. Of one kind, eight streams have a notice
    each, and all others share one.

    Args:
        seconds: in which a kind of notice is reported once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kinds: dict[str, dict[str, tuple[float, int]]] = {}

    def passed(self, packet: Packet, now: float) -> Packet:
        """Return the packet, without its notice where one of that kind was reported shortly before.

        Args:
            packet: as it came.
            now: seconds of a clock that never falls back.
        """
        text = self.take(packet.stream, packet.notice, now) if packet.notice else ""
        return packet if text == packet.notice else msgspec.structs.replace(packet, notice=text)

    def take(self, stream: str, text: str, now: float) -> str:
        """Return the notice with the number of those left out before it; empty where this one is left out."""
        kind = _OWN.sub("#", text)
        if kind not in self._kinds and len(self._kinds) >= _KINDS:
            self._kinds.clear()
        reported = self._kinds.setdefault(kind, {})
        if stream not in reported and len(reported) >= _STREAMS:
            for name in [name for name, (then, _) in reported.items() if now - then >= self._seconds]:
                if name != _OTHERS:
                    del reported[name]
            stream = stream if len(reported) < _STREAMS else _OTHERS
        then, left = reported.get(stream, (-self._seconds, 0))
        if stream in reported and now - then < self._seconds:
            reported[stream] = (then, left + 1)
            return ""
        reported[stream] = (now, 0)
        return f"{text} (and {left} more like it before)" if left else text
