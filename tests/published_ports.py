"""Published ports of a composition that runs without an engine: what comes in on one side is taken to the other.

`python published_ports.py [PORT=HOST:PORT | fdN=HOST:PORT]...`: run in the network of the composition's host. A port is
listened at there; a socket that was inherited may listen in another network, as the port of a container does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _serve(listening: socket.socket, host: str, port: int) -> None:
    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_carry(reader, back), _carry(there, writer))
        finally:
            for one in (writer, back):
                one.close()

    server = await asyncio.start_server(come, sock=listening)
    await server.serve_forever()


async def _all(addresses: list[str]) -> None:
    serving = []
    for one in addresses:
        location, _, target = one.partition("=")
        host, _, port = target.rpartition(":")
        if location.startswith("fd"):
            listening = socket.socket(fileno=int(location[2:]))
        else:
            listening = socket.create_server(("0.0.0.0", int(location)))  # noqa: S104 - in a network of its own
        serving.append(_serve(listening, host, int(port)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*serving)


if __name__ == "__main__":
    asyncio.run(_all(sys.argv[1:]))
