"""Endpoints for operators to block, retire, rename and tag a device, or to let it retry a release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.gates import FAILED
from edgewright.fleet.server import device_access, retirements
from edgewright.fleet.server.api.endpoint import Call, Endpoint, RefusedError, Who
from edgewright.fleet.server.database.tables import devices, outcomes, tokens
from edgewright.schema.fleet_api import Done, Reason, Rename, Retag, Retired, Retried, Retry

_ID = {"id": r"[0-9a-f]{32}"}
_PATH = "/v1/fleet/devices/{id}"
_MOST_TAGS = 32


async def _retire(call: Call) -> Retired:
    name, reason, now = call.path["id"], call.body.reason, call.now

    def work(connection: sa.Connection) -> str:
        why = f"{reason} (by {call.operator})"
        row = device_access.retire(connection, name, why, now)
        retirements.append(call.plane.folder, row, why, now)
        usable = sa.select(tokens.c.hash).where(tokens.c.hash == row.token, tokens.c.uses > 0, tokens.c.expires > now)
        return str(connection.execute(usable).scalar_one_or_none() or "")

    return Retired(token=(await call.act("device.retired", name, work, {"reason": reason}))[:16])


async def _rename(call: Call) -> Done:
    name, new, detail = call.path["id"], call.body.name, dict[str, Any]()

    def work(connection: sa.Connection) -> None:
        row = _active(connection, name)
        detail.update(before=row.name, after=new)
        connection.execute(sa.update(devices).where(devices.c.id == name).values(name=new))

    await call.act("device.renamed", name, work, detail)
    return Done()


async def _retag(call: Call) -> Done:
    name, retag, now, detail = call.path["id"], call.body, call.now, dict[str, Any]()

    def work(connection: sa.Connection) -> None:
        row = _active(connection, name)
        given = tuple(tag for tag in dict.fromkeys((*row.given, *retag.add)) if tag not in retag.remove)
        if len(given) > _MOST_TAGS:
            raise RefusedError(409, f"at most {_MOST_TAGS} tags of a device", f"{len(given)}", name)
        own = tuple(tag for tag in row.tags if tag not in row.given)
        detail.update(before=row.given, after=given)
        values = {"given": given, "tags": tuple(dict.fromkeys((*given, *own))), "tagged_at": now}
        connection.execute(sa.update(devices).where(devices.c.id == name).values(**values))

    await call.act("device.tagged", name, work, detail)
    return Done()


async def _retry(call: Call) -> Retried:
    name, wanted, detail = call.path["id"], call.body.release, dict[str, Any]()

    def work(connection: sa.Connection) -> int:
        row = _active(connection, name)
        o = outcomes.c
        failed = sa.select(o.counter).where(o.device == name, o.what.in_(FAILED), o.counter > row.floor)
        if wanted:
            failed = failed.where(o.counter == wanted)
        counter = connection.execute(failed.order_by(o.number.desc()).limit(1)).scalar_one_or_none()
        if counter is None:
            expected = f"release {wanted} to have failed there" if wanted else "a release that failed there"
            raise RefusedError(409, f"{expected}, above its floor {row.floor}", "none", name)
        detail.update(release=counter)
        values = {"retries": row.retries + 1, "retry_release": counter, "retry_after": row.outcome}
        connection.execute(sa.update(devices).where(devices.c.id == name).values(**values))
        return int(counter)

    return Retried(release=await call.act("device.retried", name, work, detail))


def _active(connection: sa.Connection, device: str) -> Any:  # noqa: ANN401 - a row
    """Return the row of a device that is not retired, locked until the transaction ends.

    Raises:
        RefusedError: 404 for an unknown device, 409 for a retired one.
    """
    row = connection.execute(sa.select(devices).where(devices.c.id == device).with_for_update()).one_or_none()
    if row is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    if row.status == device_access.RETIRED:
        raise RefusedError(409, "a device that is not retired", "one that is", device)
    return row


def _with_reason(act: str, summary: str, done: str, who: Who, work: Callable[[sa.Connection, Call], None]) -> Endpoint:
    """Return the endpoint of an action with a reason and an empty answer."""

    async def handle(call: Call) -> Done:
        await call.act(f"device.{done}", call.path["id"], lambda c: work(c, call), {"reason": call.body.reason})
        return Done()

    return Endpoint("POST", f"{_PATH}/{act}", summary, who, handle, Done, Reason, parameters=_ID, errors=(409,))


ENDPOINTS = (
    _with_reason(
        "lift", "Ends a quarantine.", "lifted", "admin", lambda c, call: device_access.lift(c, call.path["id"])
    ),
    _with_reason(
        "block", "Refuses a device until it is unblocked.", "blocked", "operator",
        lambda c, call: device_access.block(
            c, call.path["id"], f"{call.body.reason} (by {call.operator})", call.now
        ),
    ),
    _with_reason(
        "unblock", "Ends a block.", "unblocked", "operator",
        lambda c, call: device_access.unblock(c, call.path["id"]),
    ),
    Endpoint(
        "POST", f"{_PATH}/retire", "Refuses a device and its key for ever.", "admin", _retire, Retired, Reason,
        parameters=_ID, errors=(409,),
    ),
    Endpoint(
        "POST", f"{_PATH}/rename", "Gives a device another name.", "operator", _rename, Done, Rename, parameters=_ID,
        errors=(409,),
    ),
    Endpoint(
        "POST", f"{_PATH}/tags", "Adds and removes tags of a device.", "operator", _retag, Done, Retag,
        parameters=_ID, errors=(409,),
    ),
    Endpoint(
        "POST", f"{_PATH}/retry", "Lets a device try a release again that failed there.", "operator", _retry, Retried,
        Retry, parameters=_ID, errors=(409,),
    ),
)  # fmt: skip
