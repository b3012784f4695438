"""Messages that are sent again because their acknowledgement got lost: each is taken once, after a restart too."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Sequence


def digest_of(*parts: str | bytes) -> str:
    """Return a short name of a message."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:20]


class Repeats:
    """Names of the last messages, the oldest forgotten first.

    Args:
        each: messages of a sender that stay known.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._names: OrderedDict[str, deque[str]] = OrderedDict()

    def add(self, sender: str, name: str, maximum: int) -> None:
        """Take the newest message of a sender; at most so many of all senders stay known."""
        self._names.setdefault(sender, deque(maxlen=self._each)).append(name)
        self._names.move_to_end(sender)
        while sum(map(len, self._names.values())) > maximum:
            oldest, names = next(iter(self._names.items()))
            names.popleft()
            if not names:
                del self._names[oldest]

    def known(self, sender: str, name: str) -> bool:
        """Return whether this is one of the last messages of the sender."""
        return name in self._names.get(sender, ())

    def state(self) -> list[list[str]]:
        """Return all of it for `go_on`."""
        return [[sender, name] for sender, names in self._names.items() for name in names]

    def go_on(self, state: Sequence[list[str]]) -> None:
        """Know what an earlier run knew."""
        for sender, name in state:
            self.add(sender, name, len(state))
