"""Limits of open connections: no client can use all of them, and those that send no request end first."""

from __future__ import annotations

import ipaddress
import resource
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Protocol

MAX_CONNECTIONS = 20_000
"""Largest number of open connections: devices keep theirs open between polls."""
RESERVED = 1000
"""Open files reserved for the database, the signer's socket and published files."""
PRESSURE = 0.6
"""Share of the capacity from which a client, and the silent connections together, have at most an eighth of it."""
_PARTS = 8
SILENT_S = 10.0
"""Seconds for a TLS handshake and the head of a request to arrive, from their first byte or a new connection on."""


class Connection(Protocol):
    """A connection that a listener accepted."""

    @property
    def address(self) -> str:
        """The client, see `client_of`."""

    def end(self) -> None:
        """Close it at once."""


def capacity() -> int:
    """Raise the limit of open files as far as allowed; return how many connections fit below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED if hard == resource.RLIM_INFINITY else min(hard, MAX_CONNECTIONS + RESERVED)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    limit = max(soft, wanted)
    return min(MAX_CONNECTIONS, max(limit - RESERVED, limit // 2))


def client_of(address: str) -> str:
    """Return the client of an address for limits; for IPv6 the /64 network, which belongs to one client."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6:
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class OpenConnections:
    """The open connections of a listener, the most idle first; a surplus one is closed when another is added.

    Args:
        maximum: capacity.
        shared: whether the clients share the address of a proxy in front of the server.
        clock: seconds on a monotonic clock.
    """

    def __init__(self, maximum: int, *, shared: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.maximum, self._shared, self._clock = maximum, shared, clock
        self.closed = 0
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self._clients: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)
        self._silent: OrderedDict[Connection, float] = OrderedDict()
        self._silent_of: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Add a new connection, and close others while there are too many: `closed` counts them."""
        self._set_silent(connection)
        own = self._clients[connection.address]
        own[connection] = self._open[connection] = None
        if len(self) > PRESSURE * self.maximum:
            part = max(1, self.maximum // _PARTS)
            if not self._shared:
                self._close_surplus(own, part)
                # First those of this client: it would else end the handshakes of others.
                self._close_surplus(self._silent_of[connection.address], max(1, part // _PARTS))
            self._close_surplus(self._silent, part)
        self._close_surplus(self._open, self.maximum)

    def has_room(self, more: int) -> bool:
        """Return whether so many more connections stay below the pressure at which silent ones are closed."""
        return len(self) + more <= PRESSURE * self.maximum

    def note_data(self, connection: Connection, *, complete: bool) -> None:
        """Note that data came.

        Args:
            connection: which received data.
            complete: whether the head of the request is complete.
        """
        if connection not in self._open:
            return
        self.note_sent(connection)
        if complete:
            self._set_heard(connection)
        elif connection not in self._silent:
            self._set_silent(connection)

    def note_sent(self, connection: Connection) -> None:
        """Note that a client took a part of its answer."""
        if connection in self._open:
            self._open.move_to_end(connection)
            self._clients[connection.address].move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that ended; does nothing for an unknown one."""
        if connection in self._open:
            del self._open[connection]
            self._set_heard(connection)
            _drop(self._clients, connection)

    def end_silent(self) -> None:
        """Close connections whose head did not arrive within `SILENT_S`."""
        until = self._clock() - SILENT_S
        while self._silent and next(iter(self._silent.values())) <= until:
            self._end(next(iter(self._silent)))

    def end_all(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            self._end(connection)

    def _set_silent(self, connection: Connection) -> None:
        self._silent[connection] = self._clock()
        self._silent_of[connection.address][connection] = None

    def _set_heard(self, connection: Connection) -> None:
        if self._silent.pop(connection, None) is not None:
            _drop(self._silent_of, connection)

    def _close_surplus(
        self, connections: OrderedDict[Connection, float] | OrderedDict[Connection, None], maximum: int
    ) -> None:
        while len(connections) > maximum:
            self._end(next(iter(connections)))
            self.closed += 1

    def _end(self, connection: Connection) -> None:
        self.remove(connection)
        connection.end()


def _drop(clients: dict[str, OrderedDict[Connection, None]], connection: Connection) -> None:
    own = clients[connection.address]
    del own[connection]
    if not own:
        del clients[connection.address]
