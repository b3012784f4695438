"""The server behind the HTTP source: bounded in connections, bodies and time, with the standard library alone."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RD, socket
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec

from edgewright.core.request_origin import values_of

_SLOW = 10.0  # seconds after which a sender that says nothing is let go
_MOST_CONNECTIONS = 32
_NAME = 200  # characters of a stream's name


class Taker(Protocol):
    """Who takes the bodies."""

    @property
    def largest(self) -> int:
        """Bytes of a body."""

    def refusal(self, headers: dict[bytes, list[bytes]]) -> tuple[int, str] | None:
        """Return status and sentence where a request with these headers may not post."""

    def take(self, stream: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer to a body."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "edgewright"
    sys_version = ""
    timeout = _SLOW
    # Head and body of an answer go in two packets: Nagle's algorithm would hold the second one back for 40 ms.
    disable_nagle_algorithm = True
    source: Taker

    def do_POST(self) -> None:
        """Take rows."""
        until = time.monotonic() + _SLOW
        length = self.headers.get("Content-Length", "")
        given = values_of((name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items())
        if refused := self.source.refusal(given):
            self._answer(refused[0], {"error": refused[1]})
        elif self.headers.get("Transfer-Encoding") or not length.isascii() or not length.isdigit():
            self._answer(411, {"error": "expected a Content-Length"})
        elif len(length) > 12 or int(length) > self.source.largest:
            self._answer(413, {"error": f"expected at most {self.source.largest} bytes"})
        elif len(stream := unquote(self.path.partition("?")[0].strip("/"))) > _NAME:
            self._answer(414, {"error": f"expected a name of at most {_NAME} characters"})
        elif (body := self._body(int(length), until)) is None:
            self._answer(408, {"error": "expected the whole body within ten seconds"})
        else:
            status, record = self.source.take(stream, body)
            self._answer(status, record, keep=True)

    def do_GET(self) -> None:
        """Say what this is."""
        self._answer(405, {"error": "POST rows to /NAME as JSON, CSV or frames"})

    def _body(self, length: int, until: float) -> bytes | None:
        body = bytearray()
        while len(body) < length:
            if time.monotonic() > until:  # a sender that gives a byte now and then holds a connection no longer
                return None
            piece = self.rfile.read1(min(length - len(body), 1 << 16))
            if not piece:
                return None
            body += piece
        return bytes(body)

    def _answer(self, status: int, record: dict[str, Any], *, keep: bool = False) -> None:
        # A body that was not read would be taken for the next request: the connection ends.
        self.close_connection = self.close_connection or not keep
        body = msgspec.json.encode(record)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status in (429, 503):
            self.send_header("Retry-After", "1")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: what matters is in the answer and in `Packet.notice`."""


class Server(ThreadingHTTPServer):
    """At most so many connections at once, one thread each."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = threading.Semaphore(_MOST_CONNECTIONS)
        self._open: set[socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Start a connection, or ends it at once where there are too many."""
        if not self._room.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(0.2)
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            self._room.release()

    def drop(self) -> None:
        """Read no more of any connection, so that no thread waits for a sender; answers still go out."""
        with self._lock:
            for request in self._open:
                with suppress(OSError):
                    request.shutdown(SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Ignore a sender that closed the connection early."""
