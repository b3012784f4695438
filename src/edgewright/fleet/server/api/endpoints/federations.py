"""Learning across devices: operators open and stop it, devices exchange the messages of its rounds."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.core.federation.messages import Reply, encode, parse_request
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import federations
from edgewright.fleet.server.device_access import check_active
from edgewright.fleet.server.endpoint import Call, Endpoint
from edgewright.schema.federation import (
    FederationSeen,
    FederationsSeen,
    StartFederation,
    StopFederation,
)
from edgewright.schema.fleet_api import FederationMessage

_ID = {"federation": r"[0-9a-f]{32}"}
_PATH = "/v1/fleet/federations"
# In JSON three bytes take four letters; a group's messages stay far below.
_LARGEST = 1 << 19


async def _exchange(call: Call) -> FederationMessage:
    assert call.device is not None  # noqa: S101 - `who` is 'device'
    device, now, message = call.device["id"], call.now, parse_request(call.body.body)

    def work(connection: sa.Connection) -> Reply:
        check_active(connection, device)
        return federations.take(connection, device, message, now)

    return FederationMessage(body=encode(await call.commit(work)))


async def _start(call: Call) -> FederationSeen:
    name, request, now = call.plane.random(16).hex(), call.body, call.now
    product = open_fleet(call.plane.folder).product(request.product or None)

    def work(connection: sa.Connection) -> FederationSeen:
        federations.start(connection, name, product, request, call.operator, now)
        return federations.seen(connection, name)

    return await call.act("federation.started", name, work, {"product": product, "rounds": request.settings.rounds})


async def _stop(call: Call) -> FederationSeen:
    name, reason, now = call.path["federation"], call.body.reason, call.now

    def work(connection: sa.Connection) -> FederationSeen:
        federations.stop(connection, name, reason, now)
        return federations.seen(connection, name)

    return await call.act("federation.stopped", name, work, {"reason": reason})


async def _list(call: Call) -> FederationsSeen:
    return FederationsSeen(federations=await call.read(federations.latest))


async def _show(call: Call) -> FederationSeen:
    now, database = call.now, call.plane.database

    def look(connection: sa.Connection) -> FederationSeen:
        return federations.seen(connection, call.path["federation"])

    def work(connection: sa.Connection) -> FederationSeen:
        federations.advance_all(connection, now)
        return look(connection)

    # A command that only reads opens the database to read.
    return await (call.read(look) if database.writing is database.readers else call.commit(work))


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/federation", "Takes a device's message of a round of learning and answers with the next one.",
        "device", _exchange, FederationMessage, takes=FederationMessage, largest=_LARGEST,
    ),
    Endpoint(
        "POST", _PATH, "Lets the devices of a product learn together.",
        "operator", _start, FederationSeen, takes=StartFederation, errors=(409,), largest=4 << 20,
    ),
    Endpoint("GET", _PATH, "Where the learning of devices stands, the latest first.", "viewer", _list, FederationsSeen),
    Endpoint(
        "GET", _PATH + "/{federation}", "Where one stands, and what it learned.",
        "viewer", _show, FederationSeen, parameters=_ID,
    ),
    Endpoint(
        "POST", _PATH + "/{federation}/stop", "Gives the present round up; what earlier ones learned stays.",
        "operator", _stop, FederationSeen, takes=StopFederation, parameters=_ID, errors=(409,),
    ),
)  # fmt: skip
