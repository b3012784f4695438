"""Memory and processor time of a server for a TLS connection that a device keeps between its polls."""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
import tempfile
from pathlib import Path

from benchmarks.fleet_scale._tls import served
from benchmarks.table import TargetReport

CONNECTIONS = (1000, 4000)
"""Memory is the slope between these two."""
_POLL = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
_AT_ONCE = 50
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def measure(report: TargetReport) -> None:
    """Open connections, poll on each of them, and leave them idle."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (port, process, certificate):
        asyncio.run(_measured(report, port, process, ssl.create_default_context(cafile=str(certificate))))


async def _measured(report: TargetReport, port: int, process: int, trusted: ssl.SSLContext) -> None:
    async def opened() -> Ends:
        ends = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname="localhost")
        await _poll(ends)
        return ends

    connections_open: list[Ends] = []
    memory: list[int] = []
    handshake = poll = 0.0
    for count in CONNECTIONS:
        more, before = count - len(connections_open), _processor(process)
        for _ in range(0, more, _AT_ONCE):
            connections_open += await asyncio.gather(*(opened() for _ in range(_AT_ONCE)))
        handshake = (_processor(process) - before) / more
        before = _processor(process)
        for first in range(0, count, _AT_ONCE):
            await asyncio.gather(*(_poll(ends) for ends in connections_open[first : first + _AT_ONCE]))
        poll = (_processor(process) - before) / count
        await asyncio.sleep(1.0)
        memory.append(_memory(process))
    before = _processor(process)
    await asyncio.sleep(20.0)
    idle = (_processor(process) - before) / 20.0
    each = (memory[1] - memory[0]) / (CONNECTIONS[1] - CONNECTIONS[0])
    report("memory of a kept TLS connection", f"{each:,.0f} bytes", "-", True)
    report("processor time of a new TLS connection and a poll", f"{handshake * 1e3:.2f} ms", "-", True)
    report("of a poll on a kept one", f"{poll * 1e3:.2f} ms", "-", True)
    report(f"of {CONNECTIONS[1]:,} idle ones", f"{idle * 100:.2f} % of a core", "-", True)
    for _, writer in connections_open:
        writer.transport.abort()


async def _poll(ends: Ends) -> None:
    reader, writer = ends
    writer.write(_POLL)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))


def _memory(process: int) -> int:
    return int(Path(f"/proc/{process}/status").read_text().split("VmRSS:")[1].split()[0]) * 1024


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
