"""Endpoints for operators to block, retire, rename and tag a device, or to let it retry a release."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.api_records import Done, Reason, Rename, Retag, Retired, Retried, Retry
from edgewright.fleet.protocol.plans.gates import FAILED
from edgewright.fleet.server import device_access
from edgewright.fleet.server.database.tables import devices, outcomes, tokens
from edgewright.fleet.server.device_access import not_retired
from edgewright.fleet.server.endpoint import DEVICE_ID, Call, Endpoint, RefusedError, Who

_PATH = "/v1/fleet/devices/{id}"
_MOST_TAGS = 32


async def _retire(call: Call) -> Retired:
    name, reason, now = call.path["id"], call.body.reason, call.now

    def work(connection: sa.Connection) -> str:
        why = f"{reason} (by {call.operator})"
        row = device_access.retire(connection, name, why, now)
        device_access.record_retirement(call.plane.folder, row, why, now)
        usable = sa.select(tokens.c.hash).where(tokens.c.hash == row.token, tokens.c.uses > 0, tokens.c.expires > now)
        return str(connection.execute(usable).scalar_one_or_none() or "")

    return Retired(token=(await call.act("device.retired", name, work, {"reason": reason}))[:16])


async def _rename(call: Call) -> Done:
    name, new, detail = call.path["id"], call.body.name, dict[str, Any]()

    def work(connection: sa.Connection) -> None:
        row = not_retired(connection, name)
        detail.update(before=row.name, after=new)
        connection.execute(sa.update(devices).where(devices.c.id == name).values(name=new))

    await call.act("device.renamed", name, work, detail)
    return Done()


async def _retag(call: Call) -> Done:
    name, retag, now, detail = call.path["id"], call.body, call.now, dict[str, Any]()

    def work(connection: sa.Connection) -> None:
        row = not_retired(connection, name)
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
        row = not_retired(connection, name)
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


def _change(
    act: str, summary: str, who: Who, handle: Callable[[Call], Awaitable[Any]], gives: Any = Done, takes: Any = Reason  # noqa: ANN401 - types
) -> Endpoint:  # fmt: skip
    return Endpoint("POST", f"{_PATH}/{act}", summary, who, handle, gives, takes, parameters=DEVICE_ID, errors=(409,))


def _with_reason(done: str, work: Callable[[sa.Connection, Call], None]) -> Callable[[Call], Awaitable[Done]]:
    """Return the handler of an action with a reason and an empty answer."""

    async def handle(call: Call) -> Done:
        await call.act(f"device.{done}", call.path["id"], lambda c: work(c, call), {"reason": call.body.reason})
        return Done()

    return handle


def _block(connection: sa.Connection, call: Call) -> None:
    device_access.block(connection, call.path["id"], f"{call.body.reason} (by {call.operator})", call.now)


_lift = _with_reason("lifted", lambda c, call: device_access.lift(c, call.path["id"]))
_unblock = _with_reason("unblocked", lambda c, call: device_access.unblock(c, call.path["id"]))
ENDPOINTS = (
    _change("lift", "Ends a quarantine.", "admin", _lift),
    _change("block", "Refuses a device until it is unblocked.", "operator", _with_reason("blocked", _block)),
    _change("unblock", "Ends a block.", "operator", _unblock),
    _change("retire", "Refuses a device and its key for ever.", "admin", _retire, Retired),
    _change("rename", "Gives a device another name.", "operator", _rename, takes=Rename),
    _change("tags", "Adds and removes tags of a device.", "operator", _retag, takes=Retag),
    _change("retry", "Lets a device try a release again that failed there.", "operator", _retry, Retried, Retry),
)
