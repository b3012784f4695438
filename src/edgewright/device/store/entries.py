"""What is written for an event, a stretch of rows and an item that leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.device.store import row_blocks
from edgewright.device.store.commit_queue import Write
from edgewright.device.store.crypto import Key
from edgewright.device.store.outbox import encode
from edgewright.schema.data import Floats
from edgewright.schema.device import PRIORITY, Event
from edgewright.schema.store import RAW_PRIORITY, Item, StoreConfig

_EVENT = "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS = "INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ITEM = "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)"
# What the columns beside the content of an entry take, about.
_OVERHEAD = 64


class Owner(Protocol):
    """What is asked of the store."""

    config: StoreConfig
    key: Key | None

    @property
    def device(self) -> str:
        """Its device."""

    @property
    def boot(self) -> int:
        """Its boot."""

    def age(self) -> float:
        """Running time in seconds."""


def event(told: Event, boot: int, number: int, age: float, wall: float) -> Write:
    """An event with its whole detail."""
    detail = json.dumps(told.detail, separators=(",", ":"), default=str) if told.detail else ""
    size = _OVERHEAD + len(detail) + len(told.label) + len(told.stream)
    values = (boot, number, age, wall, size, told.kind, told.stream, told.time, told.wall, told.doubt, told.label,
              told.score, detail)  # fmt: skip
    return Write(PRIORITY[told.kind], "events", _EVENT, values, size)


def item(told: Item, priority: int, age: float, expires: float | None = None) -> Write:
    """An item; `expires` seconds from now."""
    content = encode(told)
    size = len(content) + _OVERHEAD
    ends = None if expires is None else age + expires
    return Write(priority, "outbox", _ITEM, (priority, told.boot, told.sequence, age, ends, size, content), size)


def place(device: str, boot: int, number: int, stream: str) -> str:
    """What the encrypted part of a stretch is bound to: moved elsewhere it does not open."""
    return f"{device}|{boot}|{number}|{stream}"


def rows(
    owner: Owner, number: int, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats,
    wall: float,
) -> Write:  # fmt: skip
    """A stretch of rows, times of shape (rows,) and values of shape (rows, columns), packed."""
    where = place(owner.device, owner.boot, number, stream)
    block = row_blocks.pack(names, times, values, owner.config.encrypt, owner.key, where)
    size = _OVERHEAD + len(block.plain) + len(block.sealed) + len(block.names)
    told = (owner.boot, number, owner.age(), wall, size, stream, block.names, float(times[0]), float(times[-1]),
            len(times), block.plain, block.sealed, block.key)  # fmt: skip
    return Write(RAW_PRIORITY + 1, "rows", _ROWS, told, size)


def raw_body(
    stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats, allowed: Sequence[int]
) -> dict[str, Any]:
    """Rows as they may leave: the columns at the places `allowed`, null where missing."""
    kept = [[float(v) if np.isfinite(v) else None for v in row] for row in values[:, list(allowed)]]
    return {"stream": stream, "names": [names[i] for i in allowed], "times": times.tolist(), "values": kept}
