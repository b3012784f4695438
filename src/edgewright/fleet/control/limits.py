"""Rates and quotas: how often somebody may ask, kept in memory and bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict

_DAY = 86_400.0


class Buckets:
    """A bucket of tokens for every name; the longest unused are forgotten, which refills them.

    Args:
        rate: tokens a second.
        burst: that a bucket holds.
        names: most buckets kept.
    """

    def __init__(self, rate: float, burst: float, names: int = 100_000) -> None:
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
            if len(self._held) > self._names:
                self._held.popitem(last=False)
        return wait


def daily(amount: float) -> Buckets:
    """A quota a day, refilled steadily; a whole day's may be used at once."""
    return Buckets(amount / _DAY, amount)
