"""The control plane as an ASGI application: static files first, then endpoints with limits, decoding and errors."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edgewright.fleet.server import log
from edgewright.fleet.server.api.authentication import DeviceAuthentication, OperatorAuthentication
from edgewright.fleet.server.api.static_files import PREFIXES, Static
from edgewright.fleet.server.connection_limits import client_of
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.group_commit import BusyError
from edgewright.fleet.server.endpoint import Call, Endpoint, Raw, RefusedError, decoded, endpoints
from edgewright.fleet.server.limits import CrowdedError
from edgewright.schema.errors import CheckFailedError, EdgewrightError, InputError, OutputError, UnknownNameError
from edgewright.schema.fleet_api import Problem

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
            log.broken(error, endpoint.path)
            response = problem(Problem(status=500, expected="an answer", got="an error of the server"))
        seconds = time.perf_counter() - began
        counted = self.plane.counted
        counted.requests.labels(f"{endpoint.method} {endpoint.path}", str(response.status_code)).inc()
        counted.seconds.labels(f"{endpoint.method} {endpoint.path}").observe(seconds)
        # Commands on the fleet's own folder print their errors themselves; metrics count successful device requests.
        # Requests refused because of overload are only counted: a log line for each would add to the load.
        changes = endpoint.method != "GET" and endpoint.who not in ("device", "anyone")
        if (response.status_code >= 400 or changes) and not crowded and LOCAL not in request.scope:
            log.request(endpoint.method, endpoint.path, response.status_code, seconds, who)
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
    """Return the client for rate limits."""
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
            raise InputError(f"{name!r} once", "more than once", "the query")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError("parameters as in the API description", str(error)[:300], "the query") from None


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
        status=status, expected=error.expected, got=error.got, where=error.where, do=error.do, wait=round(wait, 3)
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
    """Return the response for an unknown path or method."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        response = problem(Problem(status=405, expected="a method that this path has", got=request.method[:20]))
        headers = getattr(error, "headers", None) or {}
        response.headers.update({k: v for k, v in headers.items() if k.lower() == "allow"})
        return response
    return problem(Problem(status=status, expected="a path of the API", got="another", do="See /openapi.json"))
