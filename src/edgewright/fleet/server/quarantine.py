"""A device's good standing: quarantine, its end, and starting anew after a restore."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import devices

FORKED = "two devices have this key: a report came with a nonce that another report had used up"


def quarantine(connection: sa.Connection, device: str, reason: str, now: float) -> None:
    """Shuts a device out, and whoever else has its key, until a person lifts it."""
    connection.execute(
        sa.update(devices)
        .where(devices.c.id == device)
        .values(quarantined=True, quarantine_reason=reason[:500], quarantined_at=now)
    )
    audit_chain.append(
        connection, at=now, who="control", what="device.quarantined", subject=device, detail={"reason": reason}
    )


def shut_out(reason: str) -> RefusedError:
    """What a device in quarantine hears."""
    return RefusedError(
        403, "a device in good standing", f"one in quarantine: {reason}",
        do="Find the other holder of its key, then lift it or enrol the device with a new key",
    )  # fmt: skip


def lift(connection: sa.Connection, device: str) -> None:
    """Ends a quarantine; the next report is taken whatever its nonce and sequence.

    Raises:
        RefusedError: 404 for no such device, 409 where it is not in quarantine.
    """
    row = connection.execute(sa.select(devices.c.quarantined).where(devices.c.id == device)).one_or_none()
    if row is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    if not row.quarantined:
        raise RefusedError(409, "a device in quarantine", "one in good standing", device)
    connection.execute(
        sa.update(devices)
        .where(devices.c.id == device)
        .values(quarantined=False, quarantine_reason="", quarantined_at=None, **_ANEW)
    )


def forget_nonces(connection: sa.Connection) -> None:
    """After a restore: devices hold nonces that the backup has not seen, so the next report of each is taken as is."""
    connection.execute(sa.update(devices).values(**_ANEW))


_ANEW = {"nonce": "", "nonce_before": "", "digest": "", "acknowledged": None}
