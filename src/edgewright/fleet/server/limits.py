"""Rate limits by name and a limit on concurrent requests, both with bounded memory."""

from __future__ import annotations

import ipaddress
import math
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgewright.core.errors import EdgewrightError

MAX_CONNECTIONS = 20_000
"""Largest number of open connections: devices keep theirs open between polls."""
RESERVED_FILES = 1000
"""Open files reserved for the database, the signer's socket and published files."""


_LOOKED_AT = 2
"""Buckets checked in each call: more than the one that a call may add."""


class Buckets:
    """A token bucket for every name.

    A full bucket needs no memory. Every call checks the two buckets with the oldest check and deletes those that have
    refilled, so the number of stored buckets follows the number of active names. Above `names` buckets, the oldest is
    deleted even if it is not full.

    Args:
        rate: tokens per second.
        burst: capacity of a bucket.
        names: largest number of buckets; each needs about 280 bytes, including a name of 32 characters.
    """

    def __init__(self, rate: float, burst: float, names: int = 1_000_000) -> None:
        self._rate, self._burst, self._names = rate, burst, names
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, now: float, amount: float = 1.0) -> float:
        """Take tokens from a bucket, all or none.

        Args:
            name: name of the bucket.
            now: seconds of a monotonic clock.
            amount: number of tokens.

        Returns:
            0 if the tokens were available; otherwise the seconds until they are.
        """
        with self._lock:
            left, since = self._buckets.pop(name, (self._burst, now))
            left = min(self._burst, left + max(0.0, now - since) * self._rate)
            wait = 0.0 if left >= amount else (amount - left) / self._rate
            self._buckets[name] = (left - amount if not wait else left, now)
            self._sweep(now)
            if len(self._buckets) > self._names:
                self._buckets.popitem(last=False)
        return wait

    def __len__(self) -> int:
        """Return the number of stored buckets."""
        return len(self._buckets)

    def _sweep(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            name, (left, since) = next(iter(self._buckets.items()))
            if left + (now - since) * self._rate < self._burst:
                self._buckets.move_to_end(name)
                continue
            del self._buckets[name]
            if not self._buckets:
                return


_LATELY = 10.0
"""Time constant in seconds of the count of refused requests."""
_BEAR, _BEAR_SHORT = 20.0, 80.0
"""Counted refusals for each second of waiting; a core answers four times as many short requests as long ones."""
_SHORT = 4096
"""Bytes of a request's body that may take a reserved place; a report without items has less than 2,000."""
_SOONEST, _LATEST = 2.0, 60.0


class CrowdedError(EdgewrightError):
    """Too many concurrent requests of devices; nothing was done.

    Args:
        wait: seconds after which to retry.
    """

    def __init__(self, wait: float) -> None:
        super().__init__("fewer devices at once", "more", do="Ask again later")
        self.wait = wait


class _Refusals:
    """Counts recent refusals: the count fades with the time constant `_LATELY`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._since = clock, clock()
        self._count = 0.0

    def add(self) -> None:
        """Count one more."""
        self._count = self.count + 1.0

    @property
    def count(self) -> float:
        """Return the count now."""
        now = self._clock()
        self._count *= math.exp(-(now - self._since) / _LATELY)
        self._since = now
        return self._count


class ConcurrencyLimit:
    """Limits the concurrent requests of devices.

    A request above the limit is refused with a retry time that grows with the number of recent refusals: one second
    for every two refusals per second (short requests: every eight). With 10,000 devices that retry, about a hundred
    long or two hundred and fifty short requests per second arrive. While
    requests are refused, a device with a backlog must wait as long before its next part, so that the first part of
    every device, which contains its alarms, is accepted before the rest of others.

    Long requests may take a quarter of the places, which is enough to keep a core busy. The first report of a device
    that returns is short: it need not wait until others have sent their backlogs, and if it is refused, only the number
    of other short ones says how long.

    Args:
        maximum: largest number of concurrent requests.
        room: largest total size of long bodies in bytes; a single request may exceed it.
        spacing: seconds between two parts of a backlog without overload.
        clock: returns monotonic seconds.
    """

    def __init__(self, maximum: int, room: int, spacing: float, clock: Callable[[], float]) -> None:
        self._maximum, self._room, self._spacing = maximum, room, spacing
        self._most_long = min(maximum, max(1, maximum // 4))
        self.here = self.bytes = 0
        self._short, self._all = _Refusals(clock), _Refusals(clock)

    @contextmanager
    def admit(self, length: int) -> Iterator[None]:
        """Count a request with a body of `length` bytes while it is being handled.

        Raises:
            CrowdedError: a limit is reached.
        """
        if self._full(length):
            self._all.add()
            if length <= _SHORT:
                self._short.add()
            pause = _pause(self._short, _BEAR_SHORT) if length <= _SHORT else _pause(self._all)
            raise CrowdedError(max(_SOONEST, pause))
        self.here += 1
        self.bytes += length
        try:
            yield
        finally:
            self.here -= 1
            self.bytes -= length

    @property
    def more(self) -> float:
        """Seconds until a device may send the next part of a backlog."""
        return max(self._spacing, self.late)

    @property
    def late(self) -> float:
        """Additional seconds that every device must wait; 0 without recent refusals."""
        return round(_pause(self._all), 1)

    def _full(self, length: int) -> bool:
        if length <= _SHORT:
            return self.here >= self._maximum
        return self.here >= self._most_long or (self.here > 0 and self.bytes + length > self._room)


def _pause(refusals: _Refusals, bear: float = _BEAR) -> float:
    return min(_LATEST, refusals.count / bear)


def connection_capacity() -> int:
    """Raise the limit of open files as far as allowed; return how many connections fit below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(hard, wanted)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    limit = max(soft, wanted)
    return min(MAX_CONNECTIONS, max(limit - RESERVED_FILES, limit // 2))


def client_of(address: str) -> str:
    """Return the client of an address for limits; for IPv6 the /64 network, which belongs to one client."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
