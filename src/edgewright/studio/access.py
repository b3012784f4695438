"""Access to local servers: sign-in by token, sessions by cookie, roles, and the audit log of changes."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgewright.core.files import open_private, private_folder
from edgewright.core.request_origin import account, cookie_value, values_of
from edgewright.studio import local_server
from edgewright.studio.authentication import SESSION_S, Owner, Role, Sessions, User, UsersFile
from edgewright.studio.local_server import LARGEST_BODY, HTTPException

SIGN_IN = "/sign-in"
AUDIT_LOG = ".edgewright/studio-audit.jsonl"
"""Log of changes below the studio's folder: a JSON object per line with time, user, role, path and status."""
_MAX_LOG_BYTES = 10 << 20
_MAX_SIGN_IN_BYTES, _MAX_TOKEN = 8192, 200
_BEARER = b"bearer "
_TARGET = re.compile(r"/(?![/\\])[\x21-\x7e]*")
_POLICY = b"default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in · Edgewright</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Sign in</h1><p role="alert">{problem}</p><p>{hint}</p>
<form method="post" action="{action}"><input type="hidden" name="to" value="{to}">
<p><label>Token <input type="password" name="token" maxlength="200" required autofocus></label>
<button>Sign in</button></p>
</form><p><a href="{to}">Try again without a token</a></p></main></body></html>
"""
_CONTINUE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Edgewright</title>
<meta http-equiv="refresh" content="0;url={to}"></head><body><p><a href="{to}">Continue</a></p></body></html>
"""
_OWNER_HINT = "{command} prints the address with the token when it starts. It ends with the {service}."
_USERS_HINT = "The administrator of this studio gives each user a token (edgewright studio-user add)."


@dataclass(frozen=True)
class StudioAccess:
    """Who may use a studio.

    Attributes:
        sessions: verified logins.
        owner: the user who started it; None in a shared studio.
    """

    sessions: Sessions
    owner: Owner | None = None


def owner_access(token: str = "") -> StudioAccess:
    """Return access for the user of this process alone.

    Args:
        token: the secret; a new one by default.
    """
    owner = Owner(account(str(os.getuid())), token)
    return StudioAccess(Sessions(owner), owner)


def shared_access(users: Path) -> StudioAccess:
    """Return access for the users of a users file.

    Raises:
        InputError: the file cannot be read, or other users of the machine may read or write it.
    """
    return StudioAccess(Sessions(UsersFile(users), SESSION_S))


def user_of(request: Request) -> User:
    """Return the user of a request."""
    user: User = request.scope["state"]["user"]
    return user


def require_role(
    role: Role, endpoint: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that refuses users whose role does not include `role`."""

    async def guarded(request: Request) -> Response:
        user = user_of(request)
        if not user.may(role):
            raise HTTPException(403, f"This needs the role {role}. {user.name} has the role {user.role}.")
        return await endpoint(request)

    return guarded


class AuditLog:
    """Appends a line for each change, in a file that only its owner reads.

    Args:
        folder: of the studio.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / AUDIT_LOG

    def append(self, user: User, path: str, status: int) -> None:
        """Write a line; errors such as a full disk are ignored. The log is rotated at 10 MiB."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"time": now, "user": user.name, "role": user.role, "path": path[:300], "status": status}
        try:
            private_folder(self._path.parent)
            if self._path.exists() and self._path.stat().st_size > _MAX_LOG_BYTES:
                self._path.replace(self._path.with_suffix(".old"))
            with open_private(self._path, "a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError:
            return


class TokenGuard(local_server.Guard):
    """Requires a session cookie or a bearer token on every request.

    A GET with `?token=` and the form at `/sign-in` open a session. The page that answers a token reloads the address
    without the token by itself: a browser that came from another page would not send a `SameSite=Strict` cookie after a
    redirect.

    Args:
        app: the application.
        port: of the server.
        access: who may use it.
        largest: bytes of a body.

    Attributes:
        service: name of the server in cookies and messages.
        command: command that starts the server.
    """

    service, command = "server", "edgewright serve"

    def __init__(self, app: ASGIApp, port: int, access: StudioAccess, largest: int = LARGEST_BODY) -> None:
        super().__init__(app, port, largest)
        self._access = access
        self._shared = access.owner is None
        self.scheme = "https" if self._shared else "http"
        # Browsers send cookies to every port of a host, so the port is part of the name.
        self.cookie = f"{'__Host-' if self._shared else ''}edgewright-{self.service}-{port}"

    def allowed_hosts(self, headers: dict[bytes, list[bytes]]) -> frozenset[bytes]:
        """Return this machine's names; any name in a shared studio, whose cookies belong to one host over TLS."""
        return frozenset(host.lower() for host in headers.get(b"host", [])) if self._shared else self.hosts

    def allows_programs(self, headers: dict[bytes, list[bytes]]) -> bool:
        """Allow requests without Origin if they carry a token in a header, which no page of another site can send."""
        return b"authorization" in headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate a request, then pass it on."""
        if scope["type"] != "http" or self.refusal(scope) is not None:
            await super().__call__(scope, receive, send)
            return
        token, target = _token_of(scope)
        if scope["method"] == "GET" and token is not None:
            await self._open(send, token, target, 200)
        elif scope["method"] == "POST" and scope["path"] == SIGN_IN:
            form = await _form(receive)
            to = form.get("to", "/")
            await self._open(send, form.get("token", ""), to if _TARGET.fullmatch(to) else "/", 303)
        elif (user := await self._user(scope)) is None:
            await self.refuse_stranger(send, f"This {self.service} needs a token.", target)
        else:
            scope.setdefault("state", {})["user"] = user
            await super().__call__(scope, receive, self.audited(scope, user, send))

    def audited(self, scope: Scope, user: User, send: Send) -> Send:
        """Return `send`, which may log the status of a change."""
        del scope, user
        return send

    async def _user(self, scope: Scope) -> User | None:
        """Return the user of a request. A header with a token counts alone, without any cookie."""
        headers = values_of(scope["headers"])
        if b"authorization" in headers:
            (value, *more) = headers[b"authorization"]
            if more or value[: len(_BEARER)].lower() != _BEARER or len(value) > _MAX_TOKEN:
                return None
            token = value[len(_BEARER) :].strip().decode("latin-1")
            return await run_in_threadpool(self._access.sessions.user_of_token, token)
        return self._access.sessions.user_of_session(cookie_value(headers, self.cookie))

    async def _open(self, send: Send, token: str, target: str, status: int) -> None:
        """Open a session and lead to a page, or show the form again."""
        session = ""
        if len(token) <= _MAX_TOKEN:
            session = await run_in_threadpool(self._access.sessions.open_session, token)
        if not session:
            problem = f"The token is wrong, or from an earlier start of this {self.service}."
            await self.refuse_stranger(send, problem, target)
            return
        cookie = f"{self.cookie}={session}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if self._shared else ''}"
        headers = [(b"set-cookie", cookie.encode()), (b"referrer-policy", b"no-referrer")]
        if status == 303:
            headers.append((b"location", target.encode()))
        body = _CONTINUE.format(to=escape(target)).encode()
        await local_server.refuse(send, status, body, b"text/html; charset=utf-8", headers)

    async def refuse_stranger(self, send: Send, problem: str, target: str) -> None:
        """Answer 401 with a form for the token."""
        hint = _USERS_HINT if self._shared else _OWNER_HINT.format(command=self.command, service=self.service)
        body = _PAGE.format(problem=problem, hint=hint, action=SIGN_IN, to=escape(target)).encode()
        headers = [(b"www-authenticate", b"Bearer"), (b"content-security-policy", _POLICY)]
        await local_server.refuse(send, 401, body, b"text/html; charset=utf-8", headers)


class StudioGuard(TokenGuard):
    """Guard of the studio, which logs changes in a shared studio.

    Args:
        app: the studio.
        port: of the studio.
        access: who may use it.
        audit: log of changes.
        largest: bytes of a body.
    """

    service, command = "studio", "edgewright studio"

    def __init__(
        self, app: ASGIApp, port: int, access: StudioAccess, audit: AuditLog, largest: int = LARGEST_BODY
    ) -> None:
        super().__init__(app, port, access, largest)
        self._audit = audit

    def audited(self, scope: Scope, user: User, send: Send) -> Send:
        """Return `send` that logs the status of a change in a shared studio."""
        if scope["method"] != "POST" or user.is_owner:
            return send

        async def logged(message: Message) -> None:
            if message["type"] == "http.response.start":
                await run_in_threadpool(self._audit.append, user, scope["path"], message["status"])
            await send(message)

        return logged


def _token_of(scope: Scope) -> tuple[str | None, str]:
    """Return the token in the address, None if there is none, and the address without it."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    token = next((value for key, value in pairs if key == "token"), None)
    rest = urlencode([(key, value) for key, value in pairs if key != "token"])
    target = quote(scope["path"], safe="/:@!$&'()*+,;=~") + (f"?{rest}" if rest else "")
    return token, target if _TARGET.fullmatch(target) else "/"


async def _form(receive: Receive) -> dict[str, str]:
    """Return the fields of a short form; none if it is too long."""
    body = b""
    while len(body) <= _MAX_SIGN_IN_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    if len(body) > _MAX_SIGN_IN_BYTES:
        return {}
    return {key: values[0] for key, values in parse_qs(body.decode("latin-1"), keep_blank_values=True).items()}
