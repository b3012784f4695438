"""One item that the control plane will never take must not hold up all the others: it is found by halving."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

Place = tuple[int, int]
"""(boot, sequence) of an item."""


class _Named(msgspec.Struct, frozen=True):
    boot: int
    sequence: int


class Sieve:
    """Chooses how many of the items that wait go into the next report.

    A report that is refused for what it says is followed by one with half of its items, the most urgent half. An item
    that is refused alone is suspected only: the next report goes without any. Where that one is taken, the item is to
    blame; where it is refused too, the items are not, and none is set aside.

    Attributes:
        suspect: the item that was refused alone, and why; None for none.
    """

    def __init__(self) -> None:
        self._most: int | None = None
        self._whole = True
        self.suspect: tuple[Place, str] | None = None

    @property
    def active(self) -> bool:
        """Whether something of what waits was held back from the last report."""
        return self._most is not None or self.suspect is not None

    def choose(self, offered: Sequence[msgspec.Raw]) -> tuple[msgspec.Raw, ...]:
        """Of what waits, the most urgent first, what the next report carries."""
        if self.suspect is not None:
            return ()
        chosen = tuple(offered if self._most is None else offered[: self._most])
        self._whole = len(chosen) == len(offered)
        return chosen

    def refused(self, items: Sequence[msgspec.Raw], why: str) -> bool:
        """The report with these items was refused; whether another one may fare better."""
        if not items:
            self._most, self.suspect = None, None
            return False
        if len(items) == 1:
            self.suspect = (_place(items[0]), why)
        else:
            self._most = len(items) // 2
        return True

    def taken(self, items: Sequence[msgspec.Raw]) -> tuple[Place, str] | None:
        """A report with these items was taken; the item that is to be set aside, and why, where one was found."""
        found, self.suspect = self.suspect, None
        if found is not None or self._whole:
            self._most = None
        elif self._most is not None:
            self._most = 2 * len(items)
        return found


def _place(item: msgspec.Raw) -> Place:
    seen = msgspec.json.decode(item, type=_Named)
    return seen.boot, seen.sequence
