"""Who may use the phone's pages: whoever opened the address of the code first, within its time."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Scope, Send

from edgewright.core.request_origin import cookie_value, values_of
from edgewright.studio import local_server
from edgewright.studio.local_server import LARGEST_BODY

LIFETIME_S = 600.0
"""Seconds in which the code opens the page."""
COOKIE = "__Host-edgewright-phone"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_SENSORS = b"accelerometer=(self), gyroscope=(self), microphone=(self), camera=(), geolocation=()"
_HEADERS = {
    b"cache-control": b"no-store", b"content-security-policy": POLICY.encode(), b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer", b"x-frame-options": b"DENY", b"permissions-policy": _SENSORS,
    b"cross-origin-opener-policy": b"same-origin", b"cross-origin-resource-policy": b"same-origin",
}  # fmt: skip
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Edgewright</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>This page is closed</h1><p>{}</p></main></body></html>
"""
_AGAIN = "End edgewright studio --phone with Ctrl-C, start it again and scan the new code."


class Access:
    """A token that opens the pages once, and the session that it opened.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.token = secrets.token_urlsafe(24)
        self._session = ""
        self._clock, self._end = clock, clock() + LIFETIME_S

    def opened(self, token: str) -> str:
        """Return the session that a token opens; empty where it is wrong, used or too old."""
        if self._session or self._clock() > self._end or not hmac.compare_digest(token.encode(), self.token.encode()):
            return ""
        self._session = secrets.token_urlsafe(32)
        return self._session

    def known(self, session: str) -> bool:
        """Return whether a session is the open one."""
        return bool(self._session) and hmac.compare_digest(session.encode(), self._session.encode())

    def refusal(self, token: str) -> str:
        """Return why somebody without a session is refused."""
        if not token:
            return "Scan the code in the terminal of edgewright studio --phone: its address holds the key to this page."
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return f"The key in the address is not that of this studio. {_AGAIN}"
        return f"The code {'was used already' if self._session else 'is too old'}. {_AGAIN}"


class Guard(local_server.Guard):
    """Lets one session in, by the address of the code, and refuses everybody else.

    Args:
        app: what answers.
        access: of this studio.
        hosts: values of the Host header by which the phone reaches it.
        largest: bytes of a body.
    """

    thing, marks = "recordings", _HEADERS

    def __init__(self, app: ASGIApp, access: Access, hosts: frozenset[bytes], largest: int = LARGEST_BODY) -> None:
        self.app, self.access, self.hosts, self.largest = app, access, hosts, largest

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and sentence where a request is refused, None where it may pass; a new session is sent on."""
        headers, method = values_of(scope["headers"]), scope["method"]
        if [host.lower() for host in headers.get(b"host", [])][:2] not in [[host] for host in self.hosts]:
            return 421, "This address is not that of the studio."
        if not self.access.known(cookie_value(headers, COOKIE)):
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if method == "GET" else ""
            session = self.access.opened(token) if scope["path"] == "/" else ""
            return (303, session) if session else (403, self.access.refusal(token))
        if method == "POST" and headers.get(b"origin") not in [[b"https://" + host] for host in self.hosts]:
            return 403, "The studio accepts recordings only from its own page."
        return None

    async def refuse(self, send: Send, status: int, sentence: str) -> None:
        """Answer a request that may not pass; the sentence of a new session is its key."""
        if status == 303:
            cookie = f"{COOKIE}={sentence}; Path=/; Secure; HttpOnly; SameSite=Lax"
            more = {b"location": b"/", b"set-cookie": cookie.encode(), **_HEADERS}
            await local_server.refuse(send, status, b"", b"text/html", more.items())
        else:
            body = _PAGE.format(sentence).encode()
            await local_server.refuse(send, status, body, b"text/html; charset=utf-8", _HEADERS.items())
