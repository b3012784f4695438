"""What waits for the next commit: in memory, in order, with a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# Where commits fail for good (a disk that is full of other things), so much is kept in memory and no more.
LIMIT = 4 << 20
_DELETION = -1


class Write(NamedTuple):
    """One statement that waits.

    Attributes:
        rank: priority of what it stores; the highest is given up first. -1 for deletions, which are never given up.
        table: whose size it changes; empty for none.
        size: bytes of content that it adds.
        done: called after the commit.
    """

    rank: int
    table: str
    sql: str
    arguments: tuple[Any, ...]
    size: int
    done: Callable[[], None] | None = None


class Pending:
    """Statements in order, their number and bytes."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.bytes = 0
        self.since: float | None = None
        self.given_up: dict[int, tuple[int, int]] = {}
        """By priority: items and bytes for which there was no room."""

    def add(self, write: Write, now: float) -> None:
        """Adds one, and gives up the least urgent, the oldest first, where there is too much."""
        self.writes.append(write)
        self.bytes += write.size
        self.begin(now)
        while self.bytes > LIMIT:
            rank = max(w.rank for w in self.writes)
            if rank <= _DELETION:
                return
            place = next(i for i, w in enumerate(self.writes) if w.rank == rank)
            gone = self.writes.pop(place)
            self.bytes -= gone.size
            if gone.table == "outbox":
                items, size = self.given_up.get(rank, (0, 0))
                self.given_up[rank] = (items + 1, size + gone.size)

    def begin(self, now: float) -> None:
        """Something waits from now, if nothing did."""
        if self.since is None:
            self.since = now

    def clear(self) -> None:
        """All of it is durable."""
        self.writes, self.bytes, self.since, self.given_up = [], 0, None, {}
