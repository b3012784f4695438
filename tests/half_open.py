"""`python half_open.py ADDRESS PORT`: half-open TLS connections to a server, and how requests beside them fare."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import ssl
import sys
import time

CONNECTIONS = 3000
CLOSED_AFTER = 14.0
"""Seconds until connections that sent a byte and nothing more must be closed; nginx waits 10."""


def main() -> None:
    """Open them, half with one byte of a handshake; then request a file twenty times."""
    address, port = sys.argv[1], int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CONNECTIONS), hard))
    half_open = [socket.create_connection((address, port), timeout=30) for _ in range(CONNECTIONS)]
    for one in half_open[::2]:
        one.sendall(b"\x16")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    statuses, seconds = [], []
    for _ in range(20):
        began = time.monotonic()
        connection = http.client.HTTPSConnection(address, port, timeout=30, context=context)
        connection.request("GET", "/metadata/timestamp.json")
        statuses.append(connection.getresponse().status)
        connection.close()
        seconds.append(time.monotonic() - began)
    time.sleep(CLOSED_AFTER)
    closed = 0
    for one in half_open[::2]:
        one.setblocking(False)
        try:
            closed += one.recv(1) == b""
        except ConnectionError:
            closed += 1
        except BlockingIOError:
            pass
    print(json.dumps({"statuses": statuses, "seconds": seconds, "closed": closed, "of": len(half_open[::2])}))


if __name__ == "__main__":
    main()
