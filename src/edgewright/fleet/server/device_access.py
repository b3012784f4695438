"""Controls which devices the control plane accepts: quarantined, blocked and retired devices are refused."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import devices

FORKED = "two devices have this key: a report came with a nonce that another report had already used"
ACTIVE, BLOCKED, RETIRED = "active", "blocked", "retired"
"""Values of `devices.status`. A device that is not active is also quarantined: it has no vote and no permissions."""
_RESET = {"nonce": "", "nonce_before": "", "digest": "", "acknowledged": None}


def quarantine(connection: sa.Connection, device: str, reason: str, now: float) -> None:
    """Quarantine a device, and any other holder of its key, until an operator lifts it."""
    connection.execute(sa.update(devices).where(devices.c.id == device).values(**_shut(reason, now)))
    audit_chain.append(
        connection, at=now, who="control", what="device.quarantined", subject=device, detail={"reason": reason}
    )


def shut_out(status: str, reason: str) -> RefusedError:
    """Return the error for a device in quarantine."""
    if status == RETIRED:
        return retired(reason)
    if status == BLOCKED:
        do = "An operator ends this: edgewright fleet device unblock"
        return RefusedError(403, "an active device", f"one that an operator blocked: {reason}", do=do)
    return RefusedError(
        403, "a device in good standing", f"one in quarantine: {reason}",
        do="Find the other holder of its key, then lift it or enrol the device with a new key",
    )  # fmt: skip


def enrolled(connection: sa.Connection, device: str, query: sa.Select[Any] | None = None) -> Any:  # noqa: ANN401 - a row
    """Return the row of a device, locked until the transaction ends, or what a query over devices finds of it.

    Raises:
        RefusedError: 404 for an unknown device.
    """
    rows = sa.select(devices).with_for_update() if query is None else query
    row = connection.execute(rows.where(devices.c.id == device)).one_or_none()
    if row is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    return row


def not_retired(connection: sa.Connection, device: str) -> Any:  # noqa: ANN401 - a row
    """Return the locked row of a device that is not retired.

    Raises:
        RefusedError: 404 for an unknown device, 409 for a retired one.
    """
    row = enrolled(connection, device)
    if row.status == RETIRED:
        raise RefusedError(409, "a device that is not retired", "one that is", device)
    return row


def check_active(connection: sa.Connection, device: str) -> None:
    """Refuse a device that is in quarantine, blocked or retired, in the transaction that would hear it.

    Raises:
        RefusedError: it is, or is not enrolled.
    """
    c = devices.c
    row = enrolled(connection, device, sa.select(c.quarantined, c.status, c.quarantine_reason))
    if row.quarantined:
        raise shut_out(row.status, row.quarantine_reason)


def retired(reason: str) -> RefusedError:
    """Return the error for a retired device: status 410, since a retry never succeeds."""
    return RefusedError(
        410, "an active device", f"one that was retired: {reason}",
        do="Its key never counts again; a device that returns needs an empty store and a new enrolment token",
    )  # fmt: skip


def lift(connection: sa.Connection, device: str) -> None:
    """End a quarantine; the next report is accepted with any nonce and sequence number.

    Raises:
        RefusedError: 404 for an unknown device, 409 if it is not in quarantine, or is blocked or retired.
    """
    row = enrolled(connection, device)
    if row.status != ACTIVE:
        do = "edgewright fleet device unblock" if row.status == BLOCKED else ""
        raise RefusedError(409, "a device in quarantine", f"one that is {row.status}", device, do)
    if not row.quarantined:
        raise RefusedError(409, "a device in quarantine", "one in good standing", device)
    _let_in(connection, device)


def block(connection: sa.Connection, device: str, reason: str, now: float) -> None:
    """Block a device until an operator unblocks it.

    Raises:
        RefusedError: 404 for an unknown device, 409 if it is blocked, retired or in quarantine: unblocking would end
            the quarantine, which only an administrator may do.
    """
    row = enrolled(connection, device)
    if row.quarantined:
        got = f"one that is {row.status}" if row.status != ACTIVE else "one in quarantine, which is shut out already"
        raise RefusedError(409, "an active device", got, device)
    values = {"status": BLOCKED, **_shut(reason, now)}
    connection.execute(sa.update(devices).where(devices.c.id == device).values(**values))


def unblock(connection: sa.Connection, device: str) -> None:
    """End a block; the next report is accepted with any nonce and sequence number.

    Raises:
        RefusedError: 404 for an unknown device, 409 if it is not blocked.
    """
    row = enrolled(connection, device)
    if row.status != BLOCKED:
        got = f"one that is {row.status}"
        do = "Enrol the device again with a new key" if row.status == RETIRED else ""
        raise RefusedError(409, "a blocked device", got, device, do)
    _let_in(connection, device)


def retire(connection: sa.Connection, device: str, reason: str, now: float) -> Any:  # noqa: ANN401 - a row
    """Exclude a device permanently; its row, which is returned, stays, so that its key cannot enrol again.

    Raises:
        RefusedError: 404 for an unknown device, 409 if it is already retired.
    """
    row = not_retired(connection, device)
    values = {"status": RETIRED, **_shut(reason, now)}
    connection.execute(sa.update(devices).where(devices.c.id == device).values(**values))
    return row


def forget_nonces(connection: sa.Connection) -> None:
    """Accept any nonce in the next report of each device, for a restore: the backup does not know the latest nonces."""
    connection.execute(sa.update(devices).values(**_RESET))


def _shut(reason: str, now: float) -> dict[str, Any]:
    return {"quarantined": True, "quarantine_reason": reason[:500], "quarantined_at": now}


def _let_in(connection: sa.Connection, device: str) -> None:
    values = {"status": ACTIVE, "quarantined": False, "quarantine_reason": "", "quarantined_at": None, **_RESET}
    connection.execute(sa.update(devices).where(devices.c.id == device).values(**values))
