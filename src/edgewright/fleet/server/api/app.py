"""The control plane as an ASGI application: static files first, then endpoints with limits, decoding and errors."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edgewright.core.errors import (
    CheckFailedError,
    EdgewrightError,
    OutputError,
    RequestError,
    UnknownNameError,
)
from edgewright.fleet.protocol.api_records import Problem
from edgewright.fleet.repository.distribution import CACHE
from edgewright.fleet.server import background
from edgewright.fleet.server.api.authentication import DeviceAuthentication, OperatorAuthentication
from edgewright.fleet.server.control_plane import Counters, Plane
from edgewright.fleet.server.database.group_commit import BusyError
from edgewright.fleet.server.endpoint import Call, Endpoint, Raw, RefusedError, decoded, endpoints
from edgewright.fleet.server.limits import CrowdedError, client_of

LOCAL = "edgewright.local"
"""Key of the ASGI scope with the operator of a command on the fleet's own folder; no request can set it."""
JSON = "application/json"
_PASSED_OVER = 8 << 20
"""Bytes of a refused body that are read and discarded; the agent sends at most 4 MiB of items."""
_SAFE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class RequestHandler:
    """Answers requests to endpoints of one control plane."""

    def __init__(self, plane: Plane) -> None:
        self.plane, self.bearers, self.identities = plane, OperatorAuthentication(plane), DeviceAuthentication(plane)

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer a request, also after an error; count it, and log refusals and changes."""
        began = time.perf_counter()
        who, crowded = "", False
        try:
            with self._room(endpoint, request):
                call = await self._call(endpoint, request)
                who = call.operator or (str(call.device["id"]) if call.device else "")
                response = self._response(endpoint, await endpoint.handle(call))
        except CrowdedError as error:
            crowded = True
            await self._pass_over(request, self.plane.limits.report)
            response = refusal(error)
        except ClientDisconnect:
            response = Response(status_code=400)
        except EdgewrightError as error:
            response = refusal(error)
            if response.status_code != 408:  # the body has already timed out
                await self._pass_over(request, _PASSED_OVER)
        except Exception as error:  # noqa: BLE001 - an internal error: details go to the log, not to the client
            background.broken(error, endpoint.path)
            response = problem(Problem(status=500, expected="an answer", got="an error of the server"))
        seconds = time.perf_counter() - began
        counted = self.plane.counted
        counted.requests.labels(f"{endpoint.method} {endpoint.path}", str(response.status_code)).inc()
        counted.seconds.labels(f"{endpoint.method} {endpoint.path}").observe(seconds)
        # Commands on the fleet's own folder print their errors themselves; metrics count successful device requests.
        # Requests refused because of overload are only counted: a log line for each would add to the load.
        changes = endpoint.method != "GET" and endpoint.who not in ("device", "anyone")
        if (response.status_code >= 400 or changes) and not crowded and LOCAL not in request.scope:
            background.request(endpoint.method, endpoint.path, response.status_code, seconds, who)
        return response

    async def _call(self, endpoint: Endpoint, request: Request) -> Call:
        call = Call(
            plane=self.plane, path=request.path_params, method=request.method, target=request.scope["path"],
            headers=_headers(request), client=_client(request, self.plane.behind_proxy),
        )  # fmt: skip
        local = request.scope.get(LOCAL)
        if endpoint.who in ("viewer", "operator", "admin"):
            call.operator, call.role = local or await self.bearers.operator(call, endpoint.who)
        call.content = await self._content(endpoint, request)
        if endpoint.who == "device":
            call.device = await self.identities.device(call)
        for name, pattern in endpoint.parameters.items():
            if not re.fullmatch(pattern, call.path[name]):
                raise RefusedError(404, f"{name} of the form {pattern}", repr(call.path[name][:80]), "the path")
        if endpoint.takes is not None:
            if request.headers.get("content-type", JSON).partition(";")[0].strip().lower() != JSON:
                raise RefusedError(415, f"content-type: {JSON}", repr(request.headers["content-type"][:80]))
            call.body = decoded(call.content, endpoint.takes)
        if endpoint.query is not None:
            call.query = _query(endpoint.query, request)
        if endpoint.who == "enrolling":
            self.identities.enrolling(call)
        return call

    def _room(self, endpoint: Endpoint, request: Request) -> AbstractContextManager[None]:
        """Limit concurrent requests of devices; operators are not limited, so that they can act under overload."""
        if endpoint.who not in ("device", "enrolling"):
            return nullcontext()
        length = request.headers.get("content-length", "0")
        maximum = endpoint.largest or self.plane.limits.report
        return self.plane.crowd.admit(min(int(length), maximum) if length.isdecimal() and len(length) < 10 else maximum)

    async def _pass_over(self, request: Request, maximum: int) -> None:
        """Read and discard a body: closing the connection earlier could lose the answer."""
        received = 0
        # Starlette raises RuntimeError for a completely read body.
        with suppress(TimeoutError, ClientDisconnect, RuntimeError):
            async with asyncio.timeout(self.plane.limits.seconds):
                async for part in request.stream():
                    received += len(part)
                    if received > maximum:
                        return

    async def _content(self, endpoint: Endpoint, request: Request) -> bytes:
        """Return the body; refuse one that is too large, too slow or compressed."""
        limits = self.plane.limits
        largest = endpoint.largest or (limits.report if endpoint.who == "device" else limits.body)
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "an uncompressed body", "a compressed one", "content-encoding")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > largest:
            raise RefusedError(413, f"a body of at most {largest:,} bytes", f"{length[:20]}")
        parts, received = [], 0
        try:
            async with asyncio.timeout(limits.seconds):
                async for part in request.stream():
                    received += len(part)
                    if received > largest:
                        raise RefusedError(413, f"a body of at most {largest:,} bytes", "more")
                    parts.append(part)
        except TimeoutError:
            raise RefusedError(408, f"a body within {limits.seconds:g} s", "a slower one") from None
        return b"".join(parts)

    def _response(self, endpoint: Endpoint, answer: Any) -> Response:  # noqa: ANN401 - of the endpoint's type
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, Raw):
            return Response(answer.body, endpoint.status, _SAFE, answer.kind)
        content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        return Response(content, endpoint.status, _SAFE, JSON)


def _client(request: Request, behind_proxy: bool) -> str:
    text = request.client.host if request.client else ""
    if behind_proxy:  # the proxy adds the last entry; a client can forge the others
        text = request.headers.get("x-forwarded-for", text).rpartition(",")[2].strip()
    return client_of(text)


def _headers(request: Request) -> dict[str, str]:
    """Return the headers with lower-case names; values of repeated headers are joined (RFC 9110)."""
    headers: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _query(kind: Any, request: Request) -> Any:  # noqa: ANN401 - a type and a value of it
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise RequestError(f"{name!r} once", "more than once", "the query")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError("parameters as in the API description", str(error)[:300], "the query") from None


def refusal(error: EdgewrightError) -> Response:
    """Return the HTTP response for a refusal."""
    wait = float(getattr(error, "wait", 0.0))
    if isinstance(error, RefusedError):
        status = error.status
    elif isinstance(error, BusyError | CrowdedError | OutputError):
        status, wait = 503, wait or 5.0
    elif isinstance(error, UnknownNameError):
        status = 404
    elif isinstance(error, CheckFailedError):
        status = 409
    else:
        status = 400
    plain = Problem(
        status=status,
        expected=error.expected,
        got=error.got,
        where=error.where,
        do=error.do,
        wait=round(wait, 3),
        code=error.code,
    )
    return problem(plain)


def problem(body: Problem) -> Response:
    """Return an error as JSON, with the headers that its status needs."""
    headers = dict(_SAFE)
    if body.wait:
        headers["retry-after"] = str(max(1, int(body.wait + 0.999)))
    if body.status == 401:
        headers["www-authenticate"] = "Bearer, Signature"
    return Response(msgspec.json.encode(body), body.status, headers, JSON)


class App:
    """Routes `/metadata/` and `/targets/` to the static files, everything else to the endpoints.

    Devices can poll files a thousand times per second, so these requests bypass router and middleware.
    """

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._files: ASGIApp = Static(plane.public, plane.counted)
        self._endpoints = _starlette(plane)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES):
            await self._files(scope, receive, send)
        else:
            await self._endpoints(scope, receive, send)


def _starlette(plane: Plane) -> Starlette:
    answering = RequestHandler(plane)
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints():
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    # Paths without parameters first: '/v1/fleet/audit/verify' before '/v1/fleet/audit/{number}'.
    ordered = sorted(by_path, key=lambda path: (path.count("{"), path))
    routes = [
        Route(path, _one_of(answering, by_path[path]), methods=sorted(by_path[path]), include_in_schema=False)
        for path in ordered
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _elsewhere})
    app.router.redirect_slashes = False
    return app


def _one_of(answering: RequestHandler, methods: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        # Starlette routes HEAD requests to GET endpoints.
        return await answering.answer(methods[request.method if request.method in methods else "GET"], request)

    return answer


async def _elsewhere(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        response = problem(Problem(status=405, expected="a method that this path has", got=request.method[:20]))
        headers = getattr(error, "headers", None) or {}
        response.headers.update({k: v for k, v in headers.items() if k.lower() == "allow"})
        return response
    return problem(Problem(status=status, expected="a path of the API", got="another", do="See /openapi.json"))


PREFIXES = ("/metadata/", "/targets/")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_HASHED = re.compile(r"[0-9a-f]{64}\.")
_VERSIONED = re.compile(r"[0-9]{1,10}\.[A-Za-z0-9_-]+\.json")
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_CHUNK_BYTES = 1 << 16  # read and sent at a time; also the memory that a slow client holds
# The same values that `fleet export` recommends for other servers.
_FOREVER = CACHE["metadata/N.ROLE.json"].encode()
_TIMESTAMP, _OTHERWISE = CACHE["metadata/timestamp.json"].encode(), CACHE["metadata/root.json"].encode()
_NO_METADATA = CACHE["status 404 below metadata/ (the next root)"].encode()
_NO_TARGET = CACHE["status 404 below targets/"].encode()
_Key = tuple[int, int, int]


class Static:
    """Serves `/metadata/*` and `/targets/**` of a folder, read-only.

    Publishing renames files into place, so a reader sees either the old or the new file. A file is not open while a
    client reads a part of it, so slow clients hold no files.
    """

    def __init__(self, public: Path, counted: Counters) -> None:
        self._public = str(public)
        self._status = {code: counted.static.labels(str(code)) for code in (200, 206, 304, 404, 405, 416)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        path = scope["path"]
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            await self._send(send, 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])
            return
        target = self._find(path)
        if target is None:
            body = b"" if method == "HEAD" else b"not here\n"
            absent = _NO_METADATA if path.startswith("/metadata/") else _NO_TARGET
            plain = [(b"content-type", b"text/plain"), (b"content-length", b"9"), (b"cache-control", absent)]
            await self._send(send, 404, plain, body)
            return
        file, key = target
        name = path.rpartition("/")[2]
        content = _read_part(file, key, 0, key[1]) if key[1] <= _CHUNK_BYTES else b""
        tag = _tag(name, key, content)
        for_ever = _VERSIONED.fullmatch(name) if path.startswith("/metadata/") else _HASHED.match(name)
        caching = _FOREVER if for_ever else _TIMESTAMP if name == "timestamp.json" else _OTHERWISE
        headers = [
            (b"etag", tag), (b"cache-control", caching), (b"accept-ranges", b"bytes"),
            (b"x-content-type-options", b"nosniff"),
        ]  # fmt: skip
        request = {k: v for k, v in scope["headers"] if k in (b"if-none-match", b"range", b"if-range")}
        given = request.get(b"if-none-match", b"").split(b",")
        if any(candidate.strip().removeprefix(b"W/") in (tag, b"*") for candidate in given):
            await self._send(send, 304, headers)
            return
        size = key[1]
        span = _span(request, tag, size)
        if span is None:
            gone = (b"content-range", b"bytes */%d" % size)
            await self._send(send, 416, [*headers, gone, (b"content-length", b"0")])
            return
        first, after = span
        kind = b"application/json" if name.endswith(".json") else b"application/octet-stream"
        headers += [(b"content-type", kind), (b"content-length", b"%d" % (after - first))]
        if part := (first, after) != (0, size):
            headers.append((b"content-range", b"bytes %d-%d/%d" % (first, after - 1, size)))
        status = 206 if part else 200
        if method == "HEAD" or first == after:
            await self._send(send, status, headers)
            return
        if content:
            await self._send(send, status, headers, content[first:after])
            return
        position = first
        while position < after:
            content = _read_part(file, key, position, min(_CHUNK_BYTES, after - position))
            if position == first:
                if not content:
                    await self._send(send, 404, [(b"cache-control", b"no-store"), (b"content-length", b"0")])
                    return
                await send({"type": "http.response.start", "status": status, "headers": headers})
            if not content:  # the file was replaced: the connection ends, and the client requests it again
                return
            position += len(content)
            await send({"type": "http.response.body", "body": content, "more_body": position < after})
        self._status[status].inc()

    def _find(self, path: str) -> tuple[str, _Key] | None:
        """Find the file of a path, or None; a path cannot leave the folder, and links are not followed."""
        parts = path[1:].split("/")
        if not 2 <= len(parts) <= 6 or not all(_PART.fullmatch(part) for part in parts):
            return None
        file = f"{self._public}/{'/'.join(parts)}"
        try:
            seen = os.lstat(file)
        except OSError:
            return None
        if not stat.S_ISREG(seen.st_mode):
            return None
        return file, (seen.st_ino, seen.st_size, seen.st_mtime_ns)

    async def _send(self, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._status[status].inc()


def _read_part(file: str, key: _Key, position: int, size: int) -> bytes:
    """Return a part of a file; nothing if it is no longer the one with this key."""
    try:
        with Path(file).open("rb", buffering=0) as opened:
            seen = os.fstat(opened.fileno())
            opened.seek(position)
            return opened.read(size) if (seen.st_ino, seen.st_size, seen.st_mtime_ns) == key else b""
    except OSError:
        return b""


def _tag(name: str, key: _Key, content: bytes) -> bytes:
    """Return the entity tag: the hash in the name, of the content of a small file, else inode, size and time."""
    if _HASHED.match(name):
        return f'"{name[:32]}"'.encode()
    text = hashlib.sha256(content).hexdigest()[:32] if content else f"{key[0]:x}-{key[1]:x}-{key[2]:x}"
    return f'"{text}"'.encode()


def _span(request: dict[bytes, bytes], tag: bytes, size: int) -> tuple[int, int] | None:
    """Return the bytes to send as (first, end); the whole file for no, several or invalid ranges (RFC 9110).

    None means that the range is outside the file.
    """
    whole = (0, size)
    match = _RANGE.fullmatch(request.get(b"range", b"").decode("latin-1").strip())
    if match is None or request.get(b"if-range", tag) != tag:
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return None
    return int(first), min(size, int(last) + 1 if last else size)
