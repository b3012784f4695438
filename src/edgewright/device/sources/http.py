"""Rows pushed over HTTP: POST /NAME with JSON, CSV or frames; a small bounded server of the standard library."""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RD, socket
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec

from edgewright.core.errors import InputError, SourceError
from edgewright.core.files import os_errors
from edgewright.core.records.data import Column
from edgewright.core.records.device import Packet
from edgewright.core.request_origin import foreign_page, is_foreign_host, own_hosts, values_of
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._packet import Repeats, Stamper, digest_of, notice_of
from edgewright.device.sources._payload import MessageSettings, PayloadReader

_SLOW = 10.0  # seconds after which a sender that says nothing is let go
_MOST_CONNECTIONS = 32
_NAME = 200  # characters of a stream's name


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "edgewright"
    sys_version = ""
    timeout = _SLOW
    # Head and body of an answer go in two packets: Nagle's algorithm would hold the second one back for 40 ms.
    disable_nagle_algorithm = True
    source: HttpPush

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
        """Start a connection, or end it at once where there are too many."""
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


class HttpConfig(MessageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an HTTP source.

    Attributes:
        host, port: to listen at; port 0 takes a free one.
        token_file: file whose first line every request must carry as `Authorization: Bearer ...`; needed wherever
            others than this machine can reach the host.
        largest: bytes of a body; a larger one is answered with 413.
        waiting: rows that may wait to be read; beyond it a request is answered with 429, as for a stream too many.
        acknowledge: answer with 200 when what came of the rows is stored; else with 202 as soon as they can be read.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8181
    token_file: str = ""
    waiting: Annotated[int, msgspec.Meta(ge=1, le=1 << 24)] = 100_000
    acknowledge: bool = False


_PATIENCE = 20.0  # seconds that a sender waits for what it sent to be stored
_REPEATS, _ALL_REPEATS = 64, 1024  # last bodies of a stream and of all that are known


@dataclass
class _Bodies:
    """Posted bodies, and numbers of those taken, read, covered by the last position, and stored.

    Attributes:
        waiting: packet, stream and name of each that is not read yet.
        rows: of those that wait.
        refused: requests refused since the last read.
        repeats: bodies that a sender may send again.
    """

    waiting: deque[tuple[Packet, str, str]] = field(default_factory=deque)
    rows: int = 0
    refused: int = 0
    accepted: int = 0
    read: int = 0
    placed: int = 0
    durable: int = 0
    repeats: Repeats = field(default_factory=lambda: Repeats(_REPEATS))


class HttpPush(Stream):
    """A listening server; every stream is the path it is posted to.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all that the first body has.

    Raises:
        InputError: for an address that cannot be listened at, or one that others reach without a token.
    """

    def __init__(self, config: HttpConfig, columns: tuple[str, ...]) -> None:
        self.rate, self.columns = config.rate, columns
        self._config, self._wanted = config, columns
        self._token = _token(config)
        self._readers: dict[str, tuple[PayloadReader, Stamper]] = {}
        self._trained: Sequence[Column] = ()
        self._bodies = _Bodies()
        self.loses = "" if config.acknowledge else "rows are answered before they are stored: set acknowledge=true"
        # Before the agent has taken up its place, nobody knows which bodies are repeated.
        self._begun, self._closed = not config.acknowledge, False
        self._ready = threading.Condition()
        try:
            self._server = Server((config.host, config.port), type("Handler", (Handler,), {"source": self}))
        except (OSError, OverflowError) as error:
            reason, where = getattr(error, "strerror", None) or str(error), f"{config.host}:{config.port}"
            do = "Use another port, or free this one"
            raise SourceError("an address to listen at", reason, where, do) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="http source", daemon=True
        )
        self._thread.start()

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written in lines."""
        with self._ready:
            self._trained = columns
            for reader, _ in self._readers.values():
                reader.read_as(columns)

    def position(self) -> dict[str, Any] | None:
        """Return how many bodies were read, and the names of those that may be sent again."""
        if not self._config.acknowledge:
            return None
        with self._ready:
            self._bodies.placed = self._bodies.read
            return {"taken": self._bodies.read, "repeats": self._bodies.repeats.state()}

    def resume(self, position: dict[str, Any]) -> bool:
        """Know the bodies whose answer the sender may not have got; it sends all others."""
        with self._ready:
            self._bodies.repeats.go_on(position["repeats"])
            self._begin()
        return True

    def awaited(self) -> bool:
        """Return whether a sender waits for its answer."""
        return self._config.acknowledge and self._bodies.read > self._bodies.placed

    def stored(self, position: dict[str, Any] | None) -> None:
        """Answer the senders of these rows."""
        if position is not None:
            with self._ready:
                self._bodies.durable = position["taken"]
                self._ready.notify_all()

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return rows that were posted."""
        with self._ready:
            self._begin()
            self._ready.wait_for(lambda: self._bodies.waiting or self._bodies.refused, max(0.0, timeout))
            packets = [packet for packet, _, _ in self._bodies.waiting]
            for _, stream, name in self._bodies.waiting:
                if name:
                    self._bodies.repeats.add(stream, name, _ALL_REPEATS)
            self._bodies.read += len(self._bodies.waiting)
            self._bodies.waiting.clear()
            self._bodies.rows = 0
            if self._bodies.refused:
                text = f"{self._bodies.refused} requests were refused: rows arrived faster than they were read"
                packets.append(notice_of(text, len(self.columns)))
                self._bodies.refused = 0
            return packets

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._ready.notify_all()

    def close(self) -> None:
        """Stop listening; requests that are being answered are cut off."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.drop()
        self._server.server_close()

    def refusal(self, headers: dict[bytes, list[bytes]]) -> tuple[int, str] | None:
        """Return status and sentence where a request with these headers may not post: rules may run commands on rows.

        Without a token, only programs of this machine may: no page that a browser shows here, whatever its name.
        """
        hosts = own_hosts(self.port)
        if self._token is not None:
            if not hmac.compare_digest(headers.get(b"authorization", [b""])[0], b"Bearer " + self._token):
                return 401, "expected Authorization: Bearer TOKEN"
        elif is_foreign_host(headers, hosts, programs=True):
            return 421, f"expected Host: 127.0.0.1:{self.port} or localhost:{self.port}; set token_file for other names"
        if why := foreign_page(headers, hosts, programs=True):
            return 403, f"expected a program, not a page of another site: {why}"
        return None

    def take(self, stream: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Read a body: the status and what to answer."""
        with self._ready:
            if not self._ready.wait_for(lambda: self._begun or self._closed, _PATIENCE):
                return 503, {"error": "the agent does not read yet: send the rows again"}
            if self._bodies.rows >= self._config.waiting:
                self._bodies.refused += 1
                self._ready.notify()
                return 429, {"error": "rows arrive faster than they are read"}
            if stream not in self._readers:
                if len(self._readers) >= self._config.streams:
                    return 429, {"error": f"more than {self._config.streams} streams"}
                reader = PayloadReader(self._wanted, f"POST /{stream}", self._config)
                reader.read_as(self._trained)
                self._readers[stream] = reader, Stamper(stream, self._config.rate)
            reader, stamper = self._readers[stream]
            try:
                arrived = reader.read(body)
            except InputError as error:
                return 400, {"error": str(error)}
            self.columns = self.columns or reader.columns
            rows = len(arrived.values)
            # Rows that say when, or which ones, they are can be told from others of the same values.
            named = self._config.acknowledge and (arrived.time is not None or arrived.sequence is not None)
            name = digest_of(stream, body) if named and rows else ""
            if name and self._bodies.repeats.known(stream, name):
                return self._answer(self._bodies.read, rows)
            unread = name and any(name == other for _, _, other in self._bodies.waiting)
            if not unread and (rows or arrived.notices):
                self._bodies.waiting.append((stamper.packet(arrived), stream, name))
                self._bodies.accepted += 1
                self._bodies.rows += max(1, rows)
                self._ready.notify_all()
            if arrived.notices and not rows:
                return 400, {"error": "; ".join(arrived.notices)}
            return self._answer(self._bodies.accepted, rows)

    def _answer(self, number: int, rows: int) -> tuple[int, dict[str, Any]]:
        """Wait until so many bodies are stored, where that is what the sender is told."""
        if not self._config.acknowledge:
            return 202, {"rows": rows}
        if self._ready.wait_for(lambda: self._bodies.durable >= number or self._closed, _PATIENCE) and not self._closed:
            return 200, {"rows": rows}
        return 503, {"error": "the rows are not stored yet: send them again"}

    @property
    def largest(self) -> int:
        """Bytes of a body."""
        return self._config.largest


def _token(config: HttpConfig) -> bytes | None:
    if not config.token_file:
        if not _only_here(config.host):
            raise SourceError("a token on a reachable host", "none", f"http:{config.host}", "Set token_file")
        return None
    with os_errors(InputError, "a file with a token", config.token_file):
        token = Path(config.token_file).read_bytes().partition(b"\n")[0].strip()
    if len(token) < 8:
        raise SourceError("a token of at least 8 characters", f"{len(token)}", config.token_file)
    return token


def _only_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _settings_of(text: str) -> dict[str, str]:
    host, colon, port = text.rpartition(":")
    return {key: value for key, value in (("host", host if colon else text), ("port", port if colon else "")) if value}


STREAM = StreamKind(
    config=HttpConfig, open=HttpPush, example="http:127.0.0.1:8181?token_file=token", location_settings=_settings_of
)
