"""An application served in this process, on this machine only, and what every request passes first.

Only this machine's own pages may read, and only they may change anything. A page of another site is kept out three
times: by the Host header, by Origin and Sec-Fetch-Site (`core/request_origin.py`), and what the studio answers may be
neither framed nor read by it. See docs/adr/0019-the-studio.md.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgewright.core.errors import InputError
from edgewright.core.request_origin import foreign_page, is_foreign_host, own_hosts, values_of
from edgewright.fleet.server.http_listener import HttpListener

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of a form with its file."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(self)",
}
_READING = ("GET", "HEAD")


class TooLargeError(InputError):
    """A body that is larger than the server takes."""

    code = "file-too-large"


class Guard:
    """Refuses what does not come from the studio's own pages, and says on every answer what a browser may do with it.

    Args:
        app: what answers.
        port: the studio's; only `127.0.0.1:PORT` and `localhost:PORT` are its names.
        largest: bytes of a body.

    Attributes:
        programs: whether programs may ask, too, which send no Origin.
        name: name of the server in messages.
        thing, changes: what is posted to it, in messages.
        scheme: of the Origin of its own pages.
        marks: headers of every answer that does not set them itself.
    """

    programs, scheme = False, "http"
    name, thing, changes = "The studio", "forms", "changes"
    marks: Mapping[bytes, bytes] = {
        b"cache-control": b"no-store", b"content-security-policy": POLICY.encode(), **_HEADERS
    }  # fmt: skip

    def __init__(self, app: ASGIApp, port: int, largest: int = LARGEST_BODY) -> None:
        self.app, self.largest, self.hosts = app, largest, own_hosts(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or refuses it; there are no web sockets."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refused = self.refusal(scope)
        if refused is not None:
            await self.refuse(send, *refused)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.largest:
                raise TooLargeError(f"{self.thing} of at most {self.largest // 1_048_576} MiB", "more")
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                present = {name.lower() for name, _ in given}
                message["headers"] = given + [(k, v) for k, v in self.marks.items() if k not in present]
            await send(message)

        await self.app(scope, limited, marked)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and sentence where a request is refused, None where it may pass."""
        method, values = scope["method"], values_of(scope["headers"])
        hosts, programs = self.allowed_hosts(values), self.allows_programs(values)
        if is_foreign_host(values, hosts, programs=programs):
            return 421, f"{self.name} only accepts 127.0.0.1 and localhost with its own port as host."
        if method in _READING:
            return None
        if method != "POST":
            return 405, f"{self.name} supports GET, HEAD and POST."
        if why := foreign_page(values, hosts, programs=programs, scheme=self.scheme):
            return 403, f"{self.name} accepts {self.changes} only from its own pages: {why}."
        length = values.get(b"content-length", [b"0"])[0]
        if not length.isdigit() or int(length) > self.largest:
            return 413, f"{self.name} accepts {self.thing} of at most {self.largest // 1_048_576} MiB."
        return None

    def allowed_hosts(self, headers: dict[bytes, list[bytes]]) -> frozenset[bytes]:
        """Return the values of the Host header that are accepted."""
        del headers
        return self.hosts

    def allows_programs(self, headers: dict[bytes, list[bytes]]) -> bool:
        """Return whether the request may come from a program, which sends no Origin."""
        del headers
        return self.programs

    async def refuse(self, send: Send, status: int, sentence: str) -> None:
        """Answer a request that may not pass."""
        await refuse(send, status, sentence.encode() + b"\n", b"text/plain; charset=utf-8")


async def refuse(
    send: Send, status: int, body: bytes, media_type: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a status and a body that nobody may keep or show in a frame; headers add to those of all answers."""
    own = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *headers]
    more = {b"cache-control": b"no-store", b"content-security-policy": b"default-src 'none'", **_HEADERS}
    given = {name for name, _ in own}
    every = own + [(name, value) for name, value in more.items() if name not in given]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})


ADDRESS = "127.0.0.1"
_PATIENCE_S = 2.0
_MAX_CONNECTIONS = 400
"""Largest number of open connections, below the 1,024 files that a process may open by default."""


async def serve_until_signal(
    app: ASGIApp,
    port: int,
    begin: Callable[[str], Awaitable[None]],
    stop: Callable[[], None],
    end: Callable[[], Awaitable[None]],
    host: str = ADDRESS,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Serve until a signal.

    Args:
        app: what answers.
        port: a free one, see `core.server_port`.
        begin: called with the address once it answers.
        stop: called at the signal, before answers on their way end.
        end: called afterwards, also when the server did not start.
        host: address to listen at.
        tls: TLS settings; None for plain HTTP.

    Returns:
        The signal that ended it.

    Raises:
        InputError: the server did not start.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def ending(number: int) -> None:
        stop()
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending, number)
    async with AsyncExitStack() as server:
        try:
            await server.enter_async_context(listening(app, host, port, tls))
            name = f"[{host}]" if ":" in host else host
            await begin(f"{'https' if tls else 'http'}://{name}:{port}/")
            await ended
        finally:
            stop()
            await end()
    return ended.result()


@asynccontextmanager
async def listening(app: ASGIApp, address: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve an application as long as the context is open, then finish open requests for two seconds.

    Raises:
        InputError: the address cannot be used.
    """
    # A browser opens several connections, and all browsers of this machine have one address.
    listener = await HttpListener.start(app, address, port, _MAX_CONNECTIONS, is_shared=True, tls=tls)
    try:
        yield
    finally:
        await listener.stop(_PATIENCE_S)


def open_browser(address: str) -> None:
    """Show an address in the user's browser, where there is one; a terminal's browser would take the terminal."""
    if (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or os.name == "nt"
        or os.uname().sysname == "Darwin"
    ):
        webbrowser.open(address)


__all__ = [
    "FormData", "HTTPException", "JSONResponse", "PlainTextResponse", "RedirectResponse", "Request", "Response",
    "StreamingResponse", "UploadFile",
]  # fmt: skip
