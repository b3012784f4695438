"""From a request to an endpoint and back: limits, who asks, decoding, errors in one shape."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edgewright.fleet.server import log
from edgewright.fleet.server.api.concurrency_limit import CrowdedError
from edgewright.fleet.server.api.device_auth import Identities
from edgewright.fleet.server.api.endpoint import Call, Endpoint, Raw, RefusedError, decoded
from edgewright.fleet.server.api.operator_auth import Bearers
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.group_commit import BusyError
from edgewright.schema.errors import CheckFailedError, EdgewrightError, InputError, OutputError, UnknownNameError
from edgewright.schema.fleet_api import Problem

LOCAL = "edgewright.local"
"""Key of the ASGI scope under which a command on the fleet's own folder says who asks; no request can set it."""
JSON = "application/json"
_PASSED_OVER = 8 << 20
"""Bytes of a refused body that are read and forgotten; the agent hands over 4 MiB of items at most."""
_SAFE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Answering:
    """Answers requests to endpoints of one control plane."""

    def __init__(self, plane: Plane) -> None:
        self.plane, self.bearers, self.identities = plane, Bearers(), Identities(plane)

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """The answer, whatever happens; counted and, where it matters, told in the log."""
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
            if response.status_code != 408:  # that one had its time
                await self._pass_over(request, _PASSED_OVER)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: told in the log, never to the other side
            log.broken(error, endpoint.path)
            response = problem(Problem(status=500, expected="an answer", got="a mistake of the server"))
        seconds = time.perf_counter() - began
        counted = self.plane.counted
        counted.requests.labels(f"{endpoint.method} {endpoint.path}", str(response.status_code)).inc()
        counted.seconds.labels(f"{endpoint.method} {endpoint.path}").observe(seconds)
        # A command on the fleet's own folder tells its user itself; what devices do rightly is in the metrics.
        # Whoever is sent away in a crowd is only counted: a line each would add to it.
        changes = endpoint.method != "GET" and endpoint.who not in ("device", "anyone")
        if (response.status_code >= 400 or changes) and not crowded and LOCAL not in request.scope:
            log.request(endpoint.method, endpoint.path, response.status_code, seconds, who)
        return response

    async def _call(self, endpoint: Endpoint, request: Request) -> Call:
        call = Call(
            plane=self.plane, path=request.path_params, method=request.method, target=request.scope["path"],
            headers=_headers(request),
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
        """Devices share a bounded room; operators come in always, so that a crowd keeps nobody from doing something."""
        if endpoint.who not in ("device", "enrolling"):
            return nullcontext()
        length = request.headers.get("content-length", "0")
        most = endpoint.largest or self.plane.limits.report
        return self.plane.crowd.one(min(int(length), most) if length.isdecimal() and len(length) < 10 else most)

    async def _pass_over(self, request: Request, most: int) -> None:
        """Lets a body come and forgets it: a connection that is closed before loses the answer on its way."""
        received = 0
        # Starlette says RuntimeError of a body that was read to its end.
        with suppress(TimeoutError, ClientDisconnect, RuntimeError):
            async with asyncio.timeout(self.plane.limits.seconds):
                async for part in request.stream():
                    received += len(part)
                    if received > most:
                        return

    async def _content(self, endpoint: Endpoint, request: Request) -> bytes:
        """The body, if it is small enough and comes fast enough; a compressed one is refused."""
        limits = self.plane.limits
        largest = endpoint.largest or (limits.report if endpoint.who == "device" else limits.asked)
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "a body as it is", "a compressed one", "content-encoding")
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


def _headers(request: Request) -> dict[str, str]:
    """Names in lower case; one that came more than once has its values joined, as RFC 9110 says."""
    found: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _query(kind: Any, request: Request) -> Any:  # noqa: ANN401 - a type and a value of it
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise InputError(f"{name!r} once", "more than once", "the query")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError("parameters as the description says", str(error)[:300], "the query") from None


def refusal(error: EdgewrightError) -> Response:
    """What a refusal looks like on the wire."""
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


def problem(said: Problem) -> Response:
    """An error as JSON, with the headers that its status needs."""
    headers = dict(_SAFE)
    if said.wait:
        headers["retry-after"] = str(max(1, int(said.wait + 0.999)))
    if said.status == 401:
        headers["www-authenticate"] = "Bearer, Signature"
    return Response(msgspec.json.encode(said), said.status, headers, JSON)


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
