"""HTTP/1.1 server on asyncio: uvicorn's protocol with limits on connections, request heads and stalled responses.

uvicorn (httptools) parses requests and runs the application. It lacks a time limit and a size limit for request heads,
a limit on open connections that spares active clients, and a time limit for clients that do not read their response.
For the open internet, `deploy/` puts nginx in front (docs/adr/0090-own-listener.md).
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import ctypes
import gc
import logging
import math
import socket
import ssl
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from edgewright.core.errors import PortInUseError
from edgewright.fleet.server.limits import client_of

HEAD_TIMEOUT_S = 10.0  # for a TLS handshake, and for the head of a request
MAX_HEAD_BYTES = 32_768
MAX_PIPELINED = 16  # requests of one connection that wait for the responses to earlier ones
MAX_UNSENT_BYTES = 65_536
"""Unsent bytes per connection that the kernel holds; without this limit it takes some megabytes."""
STALL_TIMEOUT_S = 60.0
"""A response whose client reads nothing for this long is aborted; the limit of a TLS close, too."""
IDLE_TIMEOUT_S = 90  # between requests
SWEEP_INTERVAL_S = 1.0
_MAX_CLIENT_SHARE = 8  # above half of the capacity, one client has at most an eighth of it
_ACCEPTS_PER_TURN, _BACKLOG = 512, 4096  # the kernel drops connections above its backlog; clients retry after seconds
_PART_BYTES = 32_768  # of a response body, written at a time
_TLS_BUFFER_BYTES = 4096  # asyncio's read buffer of 256 KiB per TLS connection suits few connections
_TRIM_AFTER = 500  # TLS connections accepted and closed; glibc keeps 60 kB for each handshake
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # missing in the module `socket` of Python 3.11
_LIBC = ctypes.CDLL(None)


class HttpListener:
    """Serves an application at one address. Create it with `start`.

    Attributes:
        port: port that it listens on.
        connections: open connections, the least recently active first.
        closed: connections closed because there were too many, since the last report.
    """

    _server: asyncio.Server
    _timer: asyncio.TimerHandle

    def __init__(
        self, app: ASGIApp, capacity: int, *, is_shared: bool, tls: ssl.SSLContext | None, report: Callable[[int], None]
    ) -> None:  # fmt: skip
        self.capacity, self._is_shared, self.tls, self._report = capacity, is_shared, tls, report
        self.config = Config(
            app, http=HttpToolsProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None,
            access_log=False, proxy_headers=False, timeout_keep_alive=IDLE_TIMEOUT_S,
        )  # fmt: skip
        self.config.load()
        logging.getLogger("uvicorn.error").disabled = True  # it would log every malformed request
        self.state = ServerState()
        self.loop = asyncio.get_running_loop()
        self.connections: OrderedDict[LimitedProtocol, None] = OrderedDict()
        self.awaiting_head: OrderedDict[LimitedProtocol, float] = OrderedDict()
        self.closed = self.port = self._churn = 0
        self._trim_at = math.inf
        self._clients: defaultdict[str, OrderedDict[LimitedProtocol, None]] = defaultdict(OrderedDict)

    @classmethod
    async def start(
        cls, app: ASGIApp, host: str, port: int, capacity: int, *, is_shared: bool = False,
        tls: ssl.SSLContext | None = None, report: Callable[[int], None] = lambda closed: None,
    ) -> HttpListener:  # fmt: skip
        """Listen and serve until `stop`.

        Args:
            app: ASGI application.
            host: address to listen on.
            port: port; 0 for any free one.
            capacity: maximum number of open connections.
            is_shared: whether clients share an address, such as that of a proxy in front of the server.
            tls: TLS settings; None for none.
            report: called each second with the number of connections closed because there were too many.

        Raises:
            InputError: the address cannot be used.
        """
        listener = cls(app, capacity, is_shared=is_shared, tls=tls, report=report)
        if tls:
            asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        dual = host == "::" and socket.has_dualstack_ipv6()
        try:
            listening = socket.create_server((host, port), family=family, dualstack_ipv6=dual)
        except OSError as error:
            raise PortInUseError("a free address", error.strerror or str(error), f"{host}:{port}") from None
        # Accepted connections inherit both. asyncio sets no TCP_NODELAY here, and a response would wait 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # another system than Linux
            listening.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        listener.port = int(listening.getsockname()[1])
        listener._server = await listener.loop.create_server(
            lambda: LimitedProtocol(listener), sock=listening, backlog=_ACCEPTS_PER_TURN
        )
        listening.listen(_BACKLOG)
        listener._sweep()
        return listener

    async def stop(self, patience_s: float) -> None:
        """Accept no more connections, finish open requests for `patience_s` seconds, and close all connections."""
        self._timer.cancel()
        self._server.close()
        for connection in list(self.connections):
            connection.shutdown()
        until = self.loop.time() + patience_s
        while self.connections and self.loop.time() < until:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    def add(self, connection: LimitedProtocol) -> None:
        """Count a new connection, and close another one if there are too many.

        That is the least active one of a client with more than its share, else the longest without a request head.
        """
        self.connections[connection] = self._clients[connection.peer][connection] = None
        self.awaiting_head[connection] = self.loop.time() + HEAD_TIMEOUT_S
        own, share = self._clients[connection.peer], max(1, self.capacity // _MAX_CLIENT_SHARE)
        if len(own) > share and not self._is_shared and len(self.connections) > self.capacity // 2:
            self._close_surplus(own)
        elif len(self.connections) > self.capacity:
            self._close_surplus(self.awaiting_head if len(self.awaiting_head) > 1 else self.connections)

    def note_activity(self, connection: LimitedProtocol, *, is_answering: bool) -> None:
        """Note that a client sent data or read a part of its response."""
        if connection not in self.connections:
            return
        self.connections.move_to_end(connection)
        if not self._is_shared:
            self._clients[connection.peer].move_to_end(connection)
        if is_answering:
            self.awaiting_head.pop(connection, None)
        else:
            self.awaiting_head.setdefault(connection, self.loop.time() + HEAD_TIMEOUT_S)

    def remove(self, connection: LimitedProtocol) -> None:
        """Forget a connection that ended; does nothing for an unknown one."""
        if connection not in self.connections:
            return
        self._churn += 1
        del self.connections[connection]
        self.awaiting_head.pop(connection, None)
        own = self._clients[connection.peer]
        del own[connection]
        if not own:
            del self._clients[connection.peer]

    def _close_surplus(self, connections: Iterable[LimitedProtocol]) -> None:
        self.closed += 1
        next(iter(connections)).abort()

    def _sweep(self) -> None:
        """Close connections whose head is late or whose client reads nothing, and return free memory to the system."""
        self._timer = self.loop.call_later(SWEEP_INTERVAL_S, self._sweep)
        self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        now = self.loop.time()
        late = [connection for connection, until in self.awaiting_head.items() if until <= now]
        stalled = [connection for connection in self.connections if connection.is_stalled(now)]
        for connection in (*late, *stalled):
            connection.abort()
        if self.tls and self._churn >= _TRIM_AFTER:
            self._churn, self._trim_at = 0, min(self._trim_at, now + 1.5 * HEAD_TIMEOUT_S)
        if now >= self._trim_at:
            self._trim_at = math.inf
            gc.collect()  # failed handshakes are in cycles with their tracebacks
            with suppress(AttributeError):  # another C library than glibc
                _LIBC.malloc_trim(0)
        if closed := self.closed:
            self.closed = 0
            self._report(closed)


class LimitedProtocol(HttpToolsProtocol):
    """A connection of a listener: uvicorn's protocol with limits."""

    def __init__(self, listener: HttpListener) -> None:
        super().__init__(listener.config, listener.state, {}, listener.loop)
        self.app = self._respond
        self._listener = listener
        self.peer = ""
        self._head_bytes = self._unsent_bytes = 0
        self._progress_at = listener.loop.time()
        self._is_open = self._is_refused = False
        self._early = bytearray()
        self._tls: Any = None
        self._socket_transport: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection and start it, with a TLS handshake if the server uses TLS."""
        self._socket_transport = transport
        self.peer = client_of((transport.get_extra_info("peername") or ("",))[0])
        self._listener.add(self)
        if self._listener.tls is None:
            self._is_open = True
            super().connection_made(transport)
        else:
            transport.pause_reading()
            self._handshake = self.loop.create_task(self._start_tls(transport, self._listener.tls))

    async def _start_tls(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            encrypted = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HEAD_TIMEOUT_S,
                ssl_shutdown_timeout=STALL_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, asyncio.CancelledError):  # a failed handshake, or one that took too long
            encrypted = None
        if encrypted is None or self not in self._listener.connections:
            self.abort()
            return
        self._tls = getattr(encrypted, "_ssl_protocol", None)
        self._is_open = True
        super().connection_made(encrypted)
        if self._early:
            self.data_received(bytes(self._early))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._listener.remove(self)
        if self._is_open:
            super().connection_lost(exc)
            self._unset_keepalive_if_required()
            self.pipeline.clear()

    def shutdown(self) -> None:
        """Close after the response to the open request."""
        if self._is_open:
            super().shutdown()
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._listener.remove(self)
        self._socket_transport.abort()  # that of TLS does nothing after a second close()

    def is_stalled(self, now: float) -> bool:
        """Return whether the client has read nothing of its response for `STALL_TIMEOUT_S`."""
        encrypted = self._tls._get_write_buffer_size() if self._tls else 0
        unsent = encrypted + self._socket_transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent_bytes:
            self._progress_at = now
        self._unsent_bytes = unsent
        return now - self._progress_at >= STALL_TIMEOUT_S

    def resume_writing(self) -> None:
        """Continue a response after the client read a part of it."""
        self._progress_at = self.loop.time()
        self._listener.note_activity(self, is_answering=True)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request; refuse a head, or lines between the parts of a body, above `MAX_HEAD_BYTES`."""
        if not self._is_open:  # sent together with the end of the handshake
            self._early += data
            return
        if self._is_refused or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")
        self._listener.note_activity(self, is_answering=self._is_answering())

    def on_headers_complete(self) -> None:
        """Begin a request, unless too many wait or its head is too large."""
        head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if len(self.pipeline) >= MAX_PIPELINED or head_bytes > MAX_HEAD_BYTES:
            raise ValueError("too many requests, or too large a head")  # ends the parser, which calls send_400_response
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._head_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request; requests before it are answered first, then the connection closes."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        if not self._is_answering():
            super().send_400_response(msg)
        elif self.cycle.more_body:
            self.abort()
        else:
            self.cycle.keep_alive = False
            self.flow.pause_reading()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; a large body is sent in parts, each when there is room for it."""

        async def send_parts(message: Message) -> None:
            if len(body := memoryview(message.get("body", b""))) > _PART_BYTES:
                for start in range(0, len(body) - _PART_BYTES, _PART_BYTES):
                    await send({**message, "body": body[start : start + _PART_BYTES], "more_body": True})
                message = {**message, "body": body[(len(body) - 1) // _PART_BYTES * _PART_BYTES :]}
            await send(message)

        await self.config.loaded_app(scope, receive, send_parts)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
