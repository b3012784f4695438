"""Limits open connections, so that no client can use all of them; connections without a request are closed first.

The HTTP server accepts connections in native code without a limit per client. While many are open, a thread checks the
server's sockets and shuts down surplus ones, which the HTTP server handles like any closed connection.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import socket
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from edgewright.fleet.server import log
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.monitoring.counters import Counters

MOST = 20_000
"""Largest number of open connections: devices keep theirs open between polls."""
RESERVED = 1000
"""Open files reserved for the database, the signer's socket and published files."""
PRESSURE, FULL, ROOM = 0.6, 0.9, 0.8
"""Shares of the capacity: checks start at the first one; above the second, the most idle connections are closed down
to the third."""
_CLIENT = 8
"""Divisor of the capacity that gives the limit of one client while many connections are open."""
_SILENT_MS = 10_000
"""Milliseconds in which the first bytes of a connection must arrive."""
_EVERY, _SHARE = 0.5, 20.0
"""Seconds between two checks, and their smallest ratio to the duration of the last check."""


class Connection(NamedTuple):
    """One open connection of this process."""

    client: str
    file: int
    idle_ms: int
    received: int


def capacity() -> int:
    """Raise the limit of open files as far as allowed; return how many connections fit below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + RESERVED if hard == resource.RLIM_INFINITY else min(hard, MOST + RESERVED)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    limit = max(soft, wanted)
    return min(MOST, max(limit - RESERVED, limit // 2))


def client_of(address: str) -> str:
    """Return the client of an address for limits; for IPv6 the /64 network, which belongs to one client."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6:
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def too_many(found: list[Connection], most: int, *, shared: bool) -> list[Connection]:
    """Return the connections to close.

    Args:
        found: all connections of the server.
        most: capacity.
        shared: whether the clients share the address of a proxy in front of the server.
    """
    silent = {one.file for one in found if not one.received and one.idle_ms > _SILENT_MS}
    by_client: dict[str, list[Connection]] = defaultdict(list)
    for one in found:
        if one.file not in silent:
            by_client[one.client].append(one)
    kept: list[Connection] = []
    for ones in by_client.values():
        kept += ones if shared else sorted(ones, key=_idleness)[: most // _CLIENT]
    if len(kept) > FULL * most:
        kept = sorted(kept, key=_idleness)[: int(ROOM * most)]
    files = {one.file for one in kept}
    return [one for one in found if one.file not in files]


def _idleness(one: Connection) -> tuple[bool, int]:
    return (not one.received, one.idle_ms)


def _open_files() -> list[str]:
    with os.scandir("/proc/self/fd") as found:
        return [entry.name for entry in found]


def _copy(file: int) -> socket.socket:
    """Return a socket for a duplicated file descriptor; OSError if the file is not a socket."""
    copy = os.dup(file)
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _open_sockets(port: int) -> Iterator[tuple[Connection, socket.socket]]:
    """Yield the connections to a port of this process; each duplicated socket is closed before the next one."""
    # struct tcp_info of linux/tcp.h: milliseconds since the last received data at byte 52, received bytes at byte 128.
    for name in _open_files():
        with suppress(OSError, struct.error), _copy(int(name)) as found:
            if found.getsockname()[1:2] != (port,):
                continue
            client = found.getpeername()[0]
            info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
            (idle,), (received,) = struct.unpack_from("I", info, 52), struct.unpack_from("Q", info, 128)
            yield Connection(client_of(client), int(name), idle, received), found


def cut(port: int, most: int, *, shared: bool) -> int:
    """Close the surplus connections of this process and return their number."""
    found = [one for one, _ in _open_sockets(port)]
    going = {one.file: one.client for one in too_many(found, most, shared=shared)}
    closed = 0
    if going:
        for one, open_socket in _open_sockets(port):
            if going.get(one.file) == one.client:  # otherwise the descriptor belongs to another connection now
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)
                    closed += 1
    return closed


def watch(port: int, most: int, counted: Counters, *, shared: bool) -> Callable[[], None]:
    """Keep connections within their limits from a thread of its own; what is returned ends it.

    Args:
        port: of the server.
        most: capacity.
        counted: metrics that tell open and closed connections.
        shared: as of `too_many`.
    """
    others = len(_open_files())
    counted.capacity.set(most)
    counted.connections = lambda: max(0, len(_open_files()) - others)

    def look() -> float:
        if len(_open_files()) < PRESSURE * most:
            return _EVERY
        began = os.times().elapsed
        closed = cut(port, most, shared=shared)
        counted.closed.inc(closed)
        if closed:
            log.line("warning", "connections.closed", count=closed, most=most)
            return _EVERY
        return max(_EVERY, _SHARE * (os.times().elapsed - began))

    return repeat("connections", _EVERY, look)
