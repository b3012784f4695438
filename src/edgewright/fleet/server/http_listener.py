"""An HTTP/1.1 server on an asyncio event loop that accepts, counts and limits its own connections.

uvicorn's protocol over llhttp reads requests and calls the application. This module accepts the connections, so it
knows each of them from its first moment and closes only sockets that it opened (docs/adr/0090-own-listener.md).
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import ctypes
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from edgewright.fleet.server.connection_limits import OpenConnections, client_of
from edgewright.schema.errors import InputError

_BACKLOG, _AT_ONCE, _FEW_AT_ONCE = 4096, 512, 32
"""Connections that wait in the kernel, and those accepted before others get their turn. The kernel drops what does not
fit, and its client tries again after seconds. Few at once where handshakes must keep pace, or where a connection whose
request has not been read yet may be closed as a silent one."""
_IDLE_S = 90
"""Seconds without a request after which a connection is closed."""
_TRIM_AFTER = 500
"""Closed connections after which free memory returns to the system: glibc keeps it, 60 kB for each TLS handshake."""
_LIBC = ctypes.CDLL(None)
_PIPELINED = 16
"""Requests of a connection that wait for the answers to earlier ones."""
_HEAD = 32_768
"""Largest head of a request in bytes."""
_TLS_BUFFER = 4096
"""Read buffer of a TLS connection in bytes; the 256 KiB of asyncio suit few connections."""
_PART, _UNSENT = 32_768, 65_536
"""Bytes of an answer that are written at a time, and unsent bytes from which it waits for its client; over TLS a
connection holds up to twice as many, before and behind the encryption."""
_STALLED_S = 60.0
"""Seconds without progress after which an answer that its client does not read ends."""
_CLOSE_NOTIFY_S = 1.0
"""Seconds for the answer to a TLS close, once everything is sent."""
_TLS_SHUTDOWN_S = 86_400.0
"""Time limit of asyncio for a TLS close, unsent data included; `_HttpConnection` has better ones."""
_UNSENT_OPTION = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
"""Linux; the module `socket` of Python 3.11 lacks it."""
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TICK_S = 1.0


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server: version 1.3 only.

    Raises:
        InputError: the files are no certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # devices keep connections and do not resume sessions
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise InputError("a certificate and its key in PEM", str(error), f"{certificate} and {key}") from None
    return context


class HttpListener:
    """Serves an application at one address.

    Args:
        app: what answers.
        host, port: address; port 0 for any free one.
        connections: limits.
        tls: TLS settings; None for none.
        report: called about once a second with the number of connections closed because there were too many.

    Raises:
        InputError: the address cannot be used.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, connections: OpenConnections, tls: ssl.SSLContext | None = None,
        report: Callable[[int], None] = lambda closed: None,
    ) -> None:  # fmt: skip
        self.connections, self._tls, self._report = connections, tls, report
        self.config = Config(
            app, http=HttpToolsProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None,
            access_log=False, proxy_headers=False, timeout_keep_alive=_IDLE_S,
        )  # fmt: skip
        self.config.load()
        logging.getLogger("uvicorn.error").disabled = True  # it would log every malformed request
        self.state = ServerState()
        self._peak = self._count = 0
        self.loop = asyncio.get_running_loop()
        if tls:
            asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER
        self._socket = _listening(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._tick()

    async def stop(self, patience_s: float) -> None:
        """Accept no more connections, finish open requests for `patience_s` seconds, and close all connections."""
        self._timer.cancel()
        if self._socket.fileno() >= 0:
            self.loop.remove_reader(self._socket)
            self._socket.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        until = self.loop.time() + patience_s
        while self.state.connections and self.loop.time() < until:
            await asyncio.sleep(0.02)
        self.connections.end_all()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        self._timer = self.loop.call_later(_TICK_S, self._tick)
        self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self.loop.add_reader(self._socket, self._accept)
        self.connections.end_silent()
        count = len(self.connections)
        is_falling, self._count = count < self._count, count
        if self._peak - count >= _TRIM_AFTER and not is_falling:
            self._peak = count
            with suppress(AttributeError):  # another C library than glibc
                _LIBC.malloc_trim(0)
        if closed := self.connections.closed:
            self.connections.closed = 0
            self._report(closed)

    def _accept(self) -> None:
        # Several turns pass before the request of a new connection is read.
        many = not self._tls and self.connections.has_room(4 * _AT_ONCE)
        for _ in range(_AT_ONCE if many else _FEW_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_ROOM:  # the connections wait in the kernel until the next tick
                    self.loop.remove_reader(self._socket)
                    return
                continue  # the error of a connection that has already ended
            accepted.setblocking(False)
            _HttpConnection(self, accepted, client_of(address[0])).begin()

    def connect(self, connection: _HttpConnection, accepted: socket.socket) -> asyncio.Task[object]:
        """Return the task that does the TLS handshake and connects the protocol."""
        self._peak = max(self._peak, len(self.connections))
        return self.loop.create_task(
            self.loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S if self._tls else None,
            )
        )  # fmt: skip


def _listening(host: str, port: int) -> socket.socket:
    six = ":" in host
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if six else socket.AF_INET, backlog=_BACKLOG,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )  # fmt: skip
    except OSError as error:
        raise InputError("a free address", error.strerror or str(error), f"{host}:{port}") from None
    listening.setblocking(False)
    # Accepted connections have the same options. Without the first, an answer waits 40 ms for its own head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):  # another system
        listening.setsockopt(socket.IPPROTO_TCP, _UNSENT_OPTION, _UNSENT)
    return listening


class _HttpConnection(HttpToolsProtocol):
    """A connection of a listener, from its acceptance on."""

    def __init__(self, listener: HttpListener, accepted: socket.socket, address: str) -> None:
        super().__init__(listener.config, listener.state, {}, listener.loop)
        self.app = self._answer
        self.address = address
        self._listener, self._accepted = listener, accepted
        self._is_open, self._is_full, self._head = False, False, 0
        self._tls: Any = None
        self._socket_transport: Any = None
        self._watching: asyncio.TimerHandle | None = None
        self._progress_at, self._unsent, self._resumed = 0.0, 0, False

    def begin(self) -> None:
        """Start the handshake and be counted."""
        self._listener.connections.add(self)
        self._task = self._listener.connect(self, self._accepted)
        self._task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[object]) -> None:
        if task.cancelled() or task.exception() is not None:  # such as a failed handshake
            self._listener.connections.remove(self)
            self._accepted.close()
            if not task.cancelled() and (error := task.exception()) is not None:
                error.__traceback__ = None
            self._release()

    def _release(self) -> None:
        """Drop the references of a closed connection.

        In cycles, also through the traceback of a failed handshake, they kept its 60 kB until a full collection.
        """
        for name in ("parser", "transport", "flow", "cycle", "_tls", "_socket_transport", "_task"):
            setattr(self, name, None)
        self.pipeline.clear()
        self.app = self.config.loaded_app

    def end(self) -> None:
        """Close it at once."""
        if self._is_open:
            self._socket_transport.abort()
        else:
            with suppress(OSError):  # the other side may be gone
                self._accepted.shutdown(socket.SHUT_RDWR)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the transport, after the TLS handshake."""
        self._is_open = True
        super().connection_made(transport)
        self._tls = getattr(transport, "_ssl_protocol", None)
        self._socket_transport = self._tls._transport if self._tls else transport
        for part in (transport, self._socket_transport):
            part.set_write_buffer_limits(_UNSENT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._listener.connections.remove(self)
        if self._watching:
            self._watching.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._release()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; refuse a head, and lines between the parts of a body, that are too large."""
        if self._is_full:
            return
        self._head += len(data)
        super().data_received(data)
        if self._head > _HEAD:
            self.send_400_response("The head of the request is too large.")
        self._listener.connections.note_data(self, complete=self._is_answering())

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin a request; one after `_PIPELINED` waiting ones is left out, and the connection closes after them."""
        if len(self.pipeline) >= _PIPELINED:
            self._is_full = True
            self.pipeline[0][0].keep_alive = False  # the newest
        elif len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > _HEAD:
            self.send_400_response("The head of the request is too large.")
            raise ValueError("the head of the request")  # ends the parser
        else:
            self._head = 0
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._head = 0
        if not self._is_full:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._head = 0
        if not self._is_full:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request and close; an answer that is open would be mixed with the refusal."""
        if self._is_full:  # what is wrong belongs to a request that is left out
            return
        if self._is_answering():
            self._socket_transport.abort()
        elif not self.transport.is_closing():
            super().send_400_response(msg)
            self._watch()

    def pause_writing(self) -> None:
        """Wait for the client; its time without progress begins."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Go on with an answer."""
        self._resumed = True
        super().resume_writing()

    def shutdown(self) -> None:
        """Close after the open request."""
        super().shutdown()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._watch()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and write large answers in parts, each when there is room for it."""

        async def send_parts(message: Message) -> None:
            body = memoryview(message.get("body", b""))
            for start in range(0, len(body) - _PART, _PART):
                await send({**message, "body": body[start : start + _PART], "more_body": True})
                message = {**message, "body": body[start + _PART :]}
            await send(message)

        try:
            await self.config.loaded_app(scope, receive, send_parts)
        finally:
            self.loop.call_soon(self._watch)  # uvicorn closes after an error

    def _watch(self) -> None:
        """Check each second that an answer goes on, and that a connection closes once all is sent."""
        if self._watching is None and self.parser is not None and (self.transport.is_closing() or self._waiting()):
            self._progress_at, self._unsent, self._resumed = self.loop.time(), self._waiting(), False
            self._watching = self.loop.call_later(_CLOSE_NOTIFY_S, self._check)

    def _check(self) -> None:
        self._watching = None
        now, before, self._unsent = self.loop.time(), self._unsent, self._waiting()
        if self._resumed or self._unsent < before:
            self._progress_at, self._resumed = now, False
            self._listener.connections.note_sent(self)
        stalled = self._unsent and now - self._progress_at >= _STALLED_S
        closing = self.transport.is_closing()
        if stalled or (closing and not before and not self._unsent):
            self._socket_transport.abort()
        elif closing or self._unsent:
            self._watching = self.loop.call_later(_CLOSE_NOTIFY_S, self._check)

    def _waiting(self) -> int:
        encrypted = self._tls._get_write_buffer_size() if self._tls else 0
        return int(encrypted + self._socket_transport.get_write_buffer_size())
