"""Whether the server lives and is ready, what it counted, and what it can do."""

from __future__ import annotations

import asyncio

import msgspec
import sqlalchemy as sa
from starlette.responses import Response

from edgewright.fleet.server.api import openapi
from edgewright.fleet.server.api.endpoint import Call, Endpoint, Raw, endpoints
from edgewright.fleet.server.monitoring import counters, gauges
from edgewright.schema.fleet_api import Health


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
        return "the server ends"
    if not plane.committer.alive:
        return "nothing is written any more"
    parts = {"writer": plane.committer.trouble, **plane.ready}
    return "; ".join(f"{part}: {why}" for part, why in sorted(parts.items()) if why)


async def _metrics(call: Call) -> Raw:
    read = await asyncio.to_thread(gauges.reading(call.plane))
    return Raw(body=call.plane.counted.text() + read, kind=counters.CONTENT_TYPE)


async def _description(call: Call) -> Raw:
    return Raw(body=msgspec.json.encode(openapi.document(endpoints())), kind="application/json")


ENDPOINTS = (
    Endpoint("GET", "/healthz", "Whether the process lives.", "anyone", _lives, Health),
    Endpoint("GET", "/readyz", "Whether requests are welcome now.", "anyone", _ready, Health),
    Endpoint("GET", "/metrics", "Metrics in Prometheus' form.", "viewer", _metrics, Raw),
    Endpoint("GET", "/openapi.json", "This description.", "anyone", _description, Raw),
)
