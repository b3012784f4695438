"""What a device keeps and what of it may leave: events, raw rows and an outbox that survive power cuts."""

from __future__ import annotations

from edgewright.runtime.store.outbox import Outbox, Taken
from edgewright.runtime.store.store import Store

__all__ = ["Outbox", "Store", "Taken"]
