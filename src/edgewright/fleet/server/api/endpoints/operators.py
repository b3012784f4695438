"""Operators: who may use this API, and as what."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import Call, Endpoint, RefusedError
from edgewright.fleet.server.api.operator_auth import new_token
from edgewright.fleet.server.database.tables import operators
from edgewright.schema.fleet_api import Done, NewOperator, OperatorMade, Operators, OperatorSeen

_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"


async def _add(call: Call) -> OperatorMade:
    asked: NewOperator = call.body
    token, hashed = await asyncio.to_thread(new_token, asked.name)
    row = {"name": asked.name, "token": hashed, "role": asked.role, "made_at": call.now}

    def add(connection: sa.Connection) -> None:
        if connection.execute(sa.select(operators.c.name).where(operators.c.name == asked.name)).first():
            raise RefusedError(409, "a name that is free", repr(asked.name), "name", "Remove that operator first")
        connection.execute(sa.insert(operators).values(row))

    await call.act("operator.added", asked.name, add, {"role": asked.role})
    return OperatorMade(name=asked.name, role=asked.role, token=token)


async def _list(call: Call) -> Operators:
    rows = await call.read(lambda c: c.execute(sa.select(operators).order_by(operators.c.name)).all())
    return Operators(operators=tuple(OperatorSeen(name=r.name, role=r.role, made_at=r.made_at) for r in rows))


async def _remove(call: Call) -> Done:
    name = call.path["name"]

    def remove(connection: sa.Connection) -> None:
        if not connection.execute(sa.delete(operators).where(operators.c.name == name)).rowcount:
            raise RefusedError(404, "an operator", repr(name), "the path")

    await call.act("operator.removed", name, remove)
    return Done()


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/fleet/operators", "Adds an operator; the token is shown this once.",
        "admin", _add, OperatorMade, takes=NewOperator, errors=(409,),
    ),
    Endpoint("GET", "/v1/fleet/operators", "All operators.", "viewer", _list, Operators),
    Endpoint(
        "DELETE", "/v1/fleet/operators/{name}", "Removes an operator; the token holds no longer.",
        "admin", _remove, Done, parameters={"name": _NAME},
    ),
)  # fmt: skip
