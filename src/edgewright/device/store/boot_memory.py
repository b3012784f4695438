"""What a store remembers of itself from boot to boot; lost with a power cut but for the last ten minutes."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from edgewright.device.store.database import Database
from edgewright.device.store.write_counter import Written


class Memory(msgspec.Struct):
    """Running time in seconds, bytes written, keys that the gate kept back, the quota that was set."""

    age: float = 0.0
    written: Written = msgspec.field(default_factory=Written)
    withheld: int = 0
    quota: int = 0


def load(database: Database) -> Memory:
    """What was saved last; the age is at least that of the newest entry."""
    found = Memory()
    content = database.value("SELECT value FROM meta WHERE key = 'memory'")
    with suppress(msgspec.MsgspecError, TypeError):
        found = msgspec.json.decode(content or b"{}", type=Memory)
    for table in ("events", "rows"):
        newest = database.value(f"SELECT age FROM {table} ORDER BY id DESC LIMIT 1")  # noqa: S608
        found.age = max(found.age, float(newest or 0.0))
    return found


def save(database: Database, memory: Memory) -> None:
    """Within a transaction."""
    database.execute("INSERT OR REPLACE INTO meta VALUES ('memory', ?)", (msgspec.json.encode(memory),))
