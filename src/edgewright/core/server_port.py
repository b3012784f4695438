"""A free port for a server of this machine."""

from __future__ import annotations

import errno
import socket

from edgewright.schema.errors import InputError


def free_port(host: str, wanted: int) -> int:
    """Return the port to listen on; 0 asks the system for one.

    Raises:
        InputError: another program listens there, or it may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        # As the server does, so that a port whose last connections are still closing is not refused.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, wanted))
            tried.listen(1)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            got = f"{wanted}, which another program uses" if in_use else error.strerror or str(error)
            do = "Name another with --port, or --port 0 for any that is free"
            raise InputError("a free port", got, f"{host}:{wanted}", do) from None
        return int(tried.getsockname()[1])
