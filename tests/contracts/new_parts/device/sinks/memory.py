"""A list in memory, which counts as durable here."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.errors import OutputError
from edgewright.device.sinks import Sink, SinkConfig, SinkKind
from edgewright.device.store.records import OutboxItem, Position


class MemoryConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        room: items that it takes.
    """

    room: int = 100


class _Memory(Sink):
    def __init__(self, config: MemoryConfig) -> None:
        self._room, self._bodies = config.room, list[bytes]()

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """Keep the items."""
        if len(self._bodies) + len(batch) > self._room:
            raise OutputError("room", "none", "memory", "Raise room")
        self._bodies += [item.body for item in batch]
        return [item.position for item in batch]

    def close(self) -> None:
        """Forget the items."""
        self._bodies.clear()


SINK = SinkKind(MemoryConfig, _Memory, MemoryConfig())
