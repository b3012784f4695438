"""Endpoints for liveness, readiness, metrics, and the OpenAPI 3.1 description of all endpoints."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.responses import Response

from edgewright._version import __version__
from edgewright.fleet.protocol.api_records import Health, Problem
from edgewright.fleet.server import control_plane, gauges
from edgewright.fleet.server.endpoint import Call, Endpoint, Raw, endpoints

_PARAMETER = re.compile(r"\{(\w+)\}")
_WHY = {
    400: "The request does not match the API description.",
    401: "Not signed by an enrolled device, or without an operator's token.",
    403: "Not allowed: the role, a token that is used up, or a device in quarantine.",
    404: "Not found.",
    405: "Method not allowed.",
    408: "The body arrived too slowly.",
    409: "Conflicts with the current state.",
    413: "The body is too large.",
    415: "Unsupported content type, or a compressed body.",
    429: "Too many requests; Retry-After says when to retry.",
    503: "Unavailable: the queue is full, the disk failed or the server is stopping; Retry-After says when to retry.",
}
_OF_ALL = (400, 404, 408, 413, 415, 503)
_OF_KNOWN = (401, 403, 429)


def document(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """Return the OpenAPI description as JSON-compatible values."""
    types = list(
        dict.fromkeys(
            [Problem]
            + [e.takes for e in endpoints if e.takes is not None]
            + [e.gives for e in endpoints if e.gives is not Raw]
        )
    )
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Edgewright fleet",
            "version": __version__,
            "description": "Enrolment and reports of devices, and what operators do. Updates themselves are signed "
            "files under /metadata and /targets, which any web server may serve.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "operator": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of `fleet operator add`.",
                },
                "device": {
                    "type": "apiKey", "in": "header", "name": "Signature",
                    "description": "HTTP message signature (RFC 9421), Ed25519, by the device's key; its keyid is the "
                    "device's id.",
                },
            },
        },
    }  # fmt: skip


def _operation(endpoint: Endpoint, by_type: dict[Any, Any]) -> dict[str, Any]:
    statuses = set(_OF_ALL) | set(endpoint.errors) | (set() if endpoint.who == "anyone" else set(_OF_KNOWN))
    refused = {"application/json": {"schema": by_type[Problem]}}
    answers: dict[str, Any] = {str(s): {"description": _WHY[s], "content": refused} for s in sorted(statuses)}
    given = {} if endpoint.gives is Raw else {"application/json": {"schema": by_type[endpoint.gives]}}
    answers[str(endpoint.status)] = {"description": "Done.", **({"content": given} if given else {})}
    record: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").rstrip("_"),
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": dict(sorted(answers.items())),
    }
    if endpoint.who in ("device", "enrolling"):
        record["security"] = [{"device": []}]
    elif endpoint.who != "anyone":
        record["security"] = [{"operator": []}]
        record["x-role"] = endpoint.who
    if endpoint.takes is not None:
        record["requestBody"] = {"required": True, "content": {"application/json": {"schema": by_type[endpoint.takes]}}}
    return record


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    of_path = [
        {
            "name": name, "in": "path", "required": True,
            "schema": {"type": "string", "pattern": f"^{endpoint.parameters.get(name, '[^/]+')}$"},
        }
        for name in _PARAMETER.findall(endpoint.path)
    ]  # fmt: skip
    if endpoint.query is None:
        return of_path
    shape = next(iter(msgspec.json.schema(endpoint.query)["$defs"].values()))
    of_query = [
        {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": schema}
        for name, schema in shape["properties"].items()
    ]
    return of_path + of_query


async def _lives(call: Call) -> Health:
    return Health(ok=True)


async def _ready(call: Call) -> Health | Response:
    why = _why_not(call)
    if not why:
        try:
            await call.read(lambda c: c.execute(sa.select(1)).scalar_one())
        except sa.exc.DBAPIError as error:
            why = str(error).splitlines()[0]
    if not why:
        return Health(ok=True)
    content = msgspec.json.encode(Health(ok=False, why=why))
    return Response(content, 503, {"retry-after": "5", "cache-control": "no-store"}, "application/json")


def _why_not(call: Call) -> str:
    plane = call.plane
    if plane.stopping:
        return "the server is stopping"
    if not plane.committer.alive:
        return "the database writer has stopped"
    parts = {"writer": plane.committer.trouble, **plane.ready}
    return "; ".join(f"{part}: {why}" for part, why in sorted(parts.items()) if why)


async def _metrics(call: Call) -> Raw:
    collector = call.plane.extra.setdefault("gauges", gauges.Gauges(call.plane))
    read = await asyncio.to_thread(collector.text)
    return Raw(body=call.plane.counted.text() + read, kind=control_plane.CONTENT_TYPE)


async def _description(call: Call) -> Raw:
    return Raw(body=msgspec.json.encode(document(endpoints())), kind="application/json")


ENDPOINTS = (
    Endpoint("GET", "/healthz", "Whether the process is alive.", "anyone", _lives, Health),
    Endpoint("GET", "/readyz", "Whether the server accepts requests now.", "anyone", _ready, Health),
    Endpoint("GET", "/metrics", "Metrics in Prometheus' form.", "viewer", _metrics, Raw),
    Endpoint("GET", "/openapi.json", "This description.", "anyone", _description, Raw),
)
