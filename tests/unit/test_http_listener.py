"""The listener over real sockets: large and slow heads, pipelined requests, silent TLS connections, an orderly stop."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from certificates import write_certificate
from edgewright.core.errors import CertificateError, PortInUseError
from edgewright.core.files import resident_bytes
from edgewright.core.request_origin import server_context
from edgewright.fleet.server import http_listener, limits
from edgewright.fleet.server.http_listener import HttpListener

GET = b"GET / HTTP/1.1\r\nHost: fleet\r\n\r\n"
Visit = Callable[[HttpListener, asyncio.Event], Awaitable[None]]
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OPENED: list[asyncio.StreamWriter] = []


async def connected(listener: HttpListener, trusted: ssl.SSLContext | None = None) -> Ends:
    """Return a connection that `visited` closes."""
    ends = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=trusted, server_hostname="localhost" if trusted else None
    )
    OPENED.append(ends[1])
    return ends


async def _app(send: Callable[[dict[str, object]], Awaitable[None]], going: asyncio.Event, body: bytes) -> None:
    await going.wait()
    length = b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


def visited(
    visit: Visit, tls: ssl.SSLContext | None = None, body: bytes = b"ok", report: Callable[[int], None] = lambda n: None
) -> None:
    """Run a visit of a listener whose answers wait for the event."""

    async def go() -> None:
        going = asyncio.Event()
        listener = await HttpListener.start(
            lambda scope, receive, send: _app(send, going, body), "127.0.0.1", 0, 100, tls=tls, report=report
        )
        try:
            await asyncio.wait_for(visit(listener, going), 30.0)
        finally:
            await listener.stop(0.1)
            while OPENED:
                OPENED.pop().close()
            await asyncio.sleep(0.01)
        assert len(listener.connections) == 0

    asyncio.run(go())


def test_a_head_that_is_too_large_is_refused() -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        reader, writer = await connected(listener)
        writer.write(GET[:-2])
        for _ in range(40):
            writer.write(b"X-Filling: " + b"x" * 1000 + b"\r\n")
            await asyncio.sleep(0)
        with suppress(ConnectionError):  # the answer may be lost behind what was still sent
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
        assert len(listener.connections) == 0

    visited(visit)


@pytest.mark.parametrize("count", [2, 3, 17])
def test_pipelined_requests_are_answered_in_order(count: int) -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        reader, writer = await connected(listener)
        for _ in range(2):
            going.clear()
            writer.write(count * GET)
            while not listener.state.tasks:
                await asyncio.sleep(0.01)
            going.set()
            for _ in range(count):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        assert len(listener.connections) == 1

    visited(visit)


@pytest.mark.parametrize("more", [1000 * GET, 17 * GET + b"no request\r\n\r\n", 17 * GET + 100 * (b"x" * 1000)])
@pytest.mark.parametrize("begins_alone", [False, True])
def test_a_connection_closes_after_the_pipelined_requests_that_may_wait(more: bytes, begins_alone: bool) -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        reader, writer = await connected(listener)
        if begins_alone:
            writer.write(GET)
            while not listener.state.tasks:
                await asyncio.sleep(0.01)
        writer.write(more if begins_alone else GET + more)
        await asyncio.sleep(0.05)
        going.set()
        for number in range(17):
            head = await reader.readuntil(b"ok")
            assert head.startswith(b"HTTP/1.1 200")
            assert (b"connection: close" in head) == (number == 16)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert len(listener.connections) == 0

    visited(visit)


def test_half_a_second_head_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "HEAD_TIMEOUT_S", 0.05)
    monkeypatch.setattr(http_listener, "SWEEP_INTERVAL_S", 0.05)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        reader, writer = await connected(listener)
        writer.write(GET)
        await reader.readuntil(b"ok")
        await asyncio.sleep(0.3)  # idle is no fault
        writer.write(GET[:20])
        assert await reader.read() == b""

    visited(visit)


def test_a_silent_tls_connection_ends_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(http_listener, "SWEEP_INTERVAL_S", 0.05)
    certificate = write_certificate(tmp_path)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        silent = [await connected(listener) for _ in range(3)]
        silent[0][1].write(b"\x16")
        silent[1][1].write(b"no handshake at all, and long enough to be refused\r\n\r\n")
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        reader, writer = await connected(listener, trusted)
        writer.write(GET)
        await reader.readuntil(b"ok")
        monkeypatch.setattr(http_listener, "HEAD_TIMEOUT_S", 0.0)
        for waiting, _ in silent:
            with suppress(ConnectionError):
                await waiting.read()
        assert len(listener.connections) == 1
        writer.write(GET)
        await reader.readuntil(b"ok")

    visited(visit, server_context(*certificate))


CHUNKED = b"POST / HTTP/1.1\r\nHost: fleet\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (GET + GET[:-2], b"X-Filling: " + b"x" * 1000 + b"\r\n"),
        (GET + GET[:-2] + b"X-Filling: ", b"x" * 1000),
        (GET + b"GET /", b"x" * 1000),
        (CHUNKED + b"0\r\n", b"X-Filling: " + b"x" * 1000 + b"\r\n"),
        (CHUNKED + b"1;", b"x" * 1000),
    ],
    ids=["headers", "a header", "an address", "trailers", "an extension"],
)
def test_what_follows_endlessly_while_an_answer_is_open_ends_the_connection(begin: bytes, more: bytes) -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        reader, writer = await connected(listener)
        writer.write(begin)
        while not listener.state.tasks:
            await asyncio.sleep(0.01)
        with suppress(ConnectionError):
            for _ in range(50):
                writer.write(more * (100_000 // len(more)))
                await asyncio.sleep(0)
        going.set()
        with suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.read(), 5.0)).count(b"HTTP/1.1 200") <= 1
        assert len(listener.connections) == 0

    visited(visit)


def test_a_body_in_small_chunks_and_a_large_body_are_no_large_head() -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        reader, writer = await connected(listener)
        for body in (CHUNKED + 20_000 * b"1\r\nx\r\n" + b"0\r\n\r\n", GET[:-2] + b"Content-Length: 400000\r\n\r\n"):
            writer.write(body)
            if b"Length" in body:
                writer.write(400_000 * b"x")
            await writer.drain()
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    visited(visit)


def _slow(listener: HttpListener) -> socket.socket:
    """Return a connection whose kernel takes little before it is read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.settimeout(20.0)
    client.connect(("127.0.0.1", listener.port))
    return client


LARGE = 2 << 20


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("body", [LARGE, 130_000])
def test_a_client_that_reads_nothing_holds_little_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, body: int
) -> None:
    monkeypatch.setattr(http_listener, "STALL_TIMEOUT_S", 0.5)
    certificate = write_certificate(tmp_path)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        client = await asyncio.to_thread(_slow, listener)
        if tls:
            trusted = ssl.create_default_context(cafile=str(certificate[0]))
            client = await asyncio.to_thread(trusted.wrap_socket, client, server_hostname="localhost")
        await asyncio.to_thread(client.sendall, GET)
        max_waiting, began = 0, asyncio.get_running_loop().time()
        with client:
            while listener.state.connections and asyncio.get_running_loop().time() < began + 10.0:
                for connection in [*listener.connections]:
                    max_waiting = max(max_waiting, connection._unsent_bytes)
                await asyncio.sleep(0.02)
        assert max_waiting < 180_000
        assert len(listener.connections) == 0

    visited(visit, server_context(*certificate) if tls else None, b"x" * body)


def test_a_slow_tls_client_that_reads_gets_all_before_the_connection_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(http_listener, "STALL_TIMEOUT_S", 3.0)
    certificate = write_certificate(tmp_path)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        client = await asyncio.to_thread(_slow, listener)
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        client = await asyncio.to_thread(trusted.wrap_socket, client, server_hostname="localhost")
        read, number = b"", 0
        with client:
            await asyncio.to_thread(client.sendall, GET[:-2] + b"Connection: close\r\n\r\n")
            while part := await asyncio.to_thread(client.recv, 16_384):
                read, number = read + part, number + 1
                await asyncio.sleep(0.25 if number % 40 == 1 else 0.0)
        assert len(read.partition(b"\r\n\r\n")[2]) == 3 * LARGE

    visited(visit, server_context(*certificate), b"x" * (3 * LARGE))


def test_an_idle_tls_client_that_does_not_answer_the_close_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(http_listener, "IDLE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(http_listener, "STALL_TIMEOUT_S", 0.3)
    certificate = write_certificate(tmp_path)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        client = await asyncio.to_thread(_slow, listener)
        with await asyncio.to_thread(trusted.wrap_socket, client, server_hostname="localhost") as client:
            await asyncio.to_thread(client.sendall, GET)
            await asyncio.sleep(1.0)
            assert len(listener.connections) == 0

    visited(visit, server_context(*certificate))


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        await connected(listener)
        while not listener.state.connections:
            await asyncio.sleep(0.01)
        (connection,) = listener.state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    visited(visit)


def test_a_tls_connection_that_was_closed_twice_ends(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        client = await asyncio.to_thread(_slow, listener)
        with await asyncio.to_thread(trusted.wrap_socket, client, server_hostname="localhost") as client:
            for connection in list(listener.state.connections):
                connection.shutdown()
                connection.shutdown()
            await listener.stop(0.1)
            await asyncio.sleep(0.1)
            assert len(listener.state.connections) == 0

    visited(visit, server_context(*certificate))


def test_a_download_that_goes_on_is_not_idle() -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        client = await asyncio.to_thread(_slow, listener)
        with client:
            await asyncio.to_thread(client.sendall, GET)
            while not listener.state.connections:
                await asyncio.sleep(0.01)
            (loading,) = listener.connections
            others = [await connected(listener) for _ in range(3)]
            while len(listener.connections) < 4:
                await asyncio.sleep(0.01)
            assert next(iter(listener.connections)) is loading
            for _ in range(10):
                await asyncio.to_thread(client.recv, 65_536)
                await asyncio.sleep(0.02)
            assert next(iter(listener.connections)) is not loading
            assert len(others) == 3

    visited(visit, body=b"x" * LARGE)


@pytest.mark.slow
def test_closed_tls_connections_give_their_memory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "HEAD_TIMEOUT_S", 4.0)
    certificate = write_certificate(tmp_path)
    count = min(1500, limits.connection_capacity() // 3)

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        listener.capacity = 2 * count
        before, loop = resident_bytes(), asyncio.get_running_loop()
        for _ in range(2):
            address = ("127.0.0.1", listener.port)
            opened = [await asyncio.to_thread(socket.create_connection, address) for _ in range(count)]
            while resident_bytes() - before < count * 20_000:
                await asyncio.sleep(0.05)
            grown = resident_bytes() - before
            for one in opened:
                one.close()
            until = loop.time() + 30.0
            # What all connections share stays.
            while resident_bytes() - before > 0.5 * grown:
                assert loop.time() < until, (before, grown, resident_bytes())
                await asyncio.sleep(0.1)

    visited(visit, server_context(*certificate))


def test_a_report_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "SWEEP_INTERVAL_S", 0.05)
    reported: list[int] = []

    def report(closed: int) -> None:
        reported.append(closed)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        going.set()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        for count in (1, 2):
            listener.closed = count
            while count not in reported:
                await asyncio.sleep(0.01)
        reader, writer = await connected(listener)
        writer.write(GET)
        await reader.readuntil(b"ok")

    visited(visit, report=report)


def test_an_open_request_is_answered_when_the_listener_stops() -> None:
    async def visit(listener: HttpListener, going: asyncio.Event) -> None:
        reader, writer = await connected(listener)
        writer.write(GET)
        while not listener.state.tasks:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(listener.stop(20.0))
        await asyncio.sleep(0.05)
        going.set()
        answer = await reader.read()
        assert answer.endswith(b"ok")
        assert b"connection: close" in answer
        await stopping

    visited(visit)


def test_an_address_in_use_and_a_wrong_certificate_are_errors(tmp_path: Path) -> None:
    async def go(port: int) -> None:
        await HttpListener.start(lambda scope, receive, send: asyncio.sleep(0), "127.0.0.1", port, 10)

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(PortInUseError):
        asyncio.run(go(listener.getsockname()[1]))
    (tmp_path / "a").write_text("no PEM")
    with pytest.raises(CertificateError):
        server_context(tmp_path / "a", tmp_path / "a")
