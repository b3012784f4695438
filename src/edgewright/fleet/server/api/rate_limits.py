"""Rates and quotas: how often somebody may ask, kept in memory and bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict

_DAY = 86_400.0
_LOOKED_AT = 2
"""Buckets at each call: more than the one that it may add."""


class Buckets:
    """A bucket of tokens for every name.

    To forget a bucket refills it. With every call the two that were looked at the longest ago are looked at again, and
    one that is full by now is forgotten: so those that are kept follow the names that have asked for more than comes
    back, however many names there are. Only beyond `names` one goes that is not full.

    Args:
        rate: tokens a second.
        burst: that a bucket holds.
        names: most buckets kept; each takes some 280 bytes, its name of 32 characters included.
    """

    def __init__(self, rate: float, burst: float, names: int = 1_000_000) -> None:
        self._rate, self._burst, self._names = rate, burst, names
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, now: float, amount: float = 1.0) -> float:
        """Takes tokens, all or none.

        Args:
            name: whose bucket.
            now: seconds of a clock that never falls.
            amount: tokens.

        Returns:
            0 where they were there; else the seconds until they will be.
        """
        with self._lock:
            left, since = self._held.pop(name, (self._burst, now))
            left = min(self._burst, left + max(0.0, now - since) * self._rate)
            wait = 0.0 if left >= amount else (amount - left) / self._rate
            self._held[name] = (left - amount if not wait else left, now)
            self._sweep(now)
            if len(self._held) > self._names:
                self._held.popitem(last=False)
        return wait

    def __len__(self) -> int:
        """Buckets that are kept now."""
        return len(self._held)

    def _sweep(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            name, (left, since) = next(iter(self._held.items()))
            if left + (now - since) * self._rate < self._burst:
                self._held.move_to_end(name)
                continue
            del self._held[name]
            if not self._held:
                return


def daily(amount: float) -> Buckets:
    """A quota a day, refilled steadily; a whole day's may be used at once."""
    return Buckets(amount / _DAY, amount)
