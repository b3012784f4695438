"""The control plane as an ASGI application: static files first, then endpoints, each a file of `endpoints`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edgewright.fleet.server.api.endpoint import Endpoint, endpoints
from edgewright.fleet.server.api.request_handler import Answering, problem
from edgewright.fleet.server.api.static_files import PREFIXES, Static
from edgewright.fleet.server.control_plane import Plane
from edgewright.schema.fleet_api import Problem


class App:
    """Sends what begins with `/metadata/` or `/targets/` to the files, everything else to the endpoints.

    Devices poll files a thousand times a second; they pass neither a router nor middleware.
    """

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._files: ASGIApp = Static(plane.public, plane.counted)
        self._endpoints = _starlette(plane)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES):
            await self._files(scope, receive, send)
        else:
            await self._endpoints(scope, receive, send)


def _starlette(plane: Plane) -> Starlette:
    answering = Answering(plane)
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


def _one_of(answering: Answering, methods: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        # Starlette answers HEAD where it answers GET.
        return await answering.answer(methods[request.method if request.method in methods else "GET"], request)

    return answer


async def _elsewhere(request: Request, error: Exception) -> Response:
    """Paths and methods that there are not."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        response = problem(Problem(status=405, expected="a method that this path has", got=request.method[:20]))
        headers = getattr(error, "headers", None) or {}
        response.headers.update({k: v for k, v in headers.items() if k.lower() == "allow"})
        return response
    return problem(Problem(status=status, expected="a path of the API", got="another", do="See /openapi.json"))
