"""What servers of this machine share: a free port, and waiting until a server takes connections."""

from __future__ import annotations

import asyncio
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


async def answers(host: str, port: int, serving: asyncio.Task[None], where: str, do: str = "") -> None:
    """Wait until a server takes connections.

    Args:
        host: address of the server.
        port: of the server.
        serving: its task.
        where: name of the server in the error.
        do: about a server that does not start.

    Raises:
        InputError: the server ended before.
    """
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    raise InputError("a server that starts", str(serving.exception() or "it exited"), where, do)
