"""Devices that join with a token, and devices in quarantine."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.wire.token import PREFIX
from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import devices, tokens
from edgewright.schema.fleet_report import Enrolled, Enrolment

FORKED = "two devices have this key: a report came with a nonce that another report had already used"


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
    """Return what a device in quarantine hears."""
    return RefusedError(
        403, "a device in good standing", f"one in quarantine: {reason}",
        do="Find the other holder of its key, then lift it or enrol the device with a new key",
    )  # fmt: skip


def lift(connection: sa.Connection, device: str) -> None:
    """End a quarantine; the next report is taken whatever its nonce and sequence.

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


# Built once: a fleet that is set up enrols tens of thousands, and building a statement takes longer than running it.
_BY_KEY = sa.select(devices).where(devices.c.key == sa.bindparam("key"))
_TOKEN = sa.select(tokens).where(tokens.c.hash == sa.bindparam("mark"))
_USED = sa.update(tokens).where(tokens.c.hash == sa.bindparam("mark")).values(uses=tokens.c.uses - 1)
_NEW = sa.insert(devices)


def hashed(token: str) -> str:
    """Return what the database keeps of a token: the secret has 192 random bits, so a plain hash gives nothing away."""
    secret = token.split(".")[1] if token.startswith(f"{PREFIX}.") else token  # of ew1.SECRET.ROOT.HASH.PRODUCT
    return hashlib.sha256(secret.encode()).hexdigest()


def enrol(connection: sa.Connection, enrolment: Enrolment, *, now: float, device: str, nonce: str) -> Enrolled:
    """Take a device in; asked again with the same token and key it gives the same answer, until the first report.

    Args:
        connection: in a transaction that may write.
        enrolment: whose signature was checked.
        now: seconds since 1970.
        device: random id, used where the device is new.
        nonce: random, used where the device is new.

    Raises:
        RefusedError: 403 for a token that is not there, over or used; 409 for a key that is enrolled already.
    """
    mark = hashed(enrolment.token)
    held = connection.execute(_BY_KEY, {"key": enrolment.key}).one_or_none()
    if held is not None:
        if not hmac.compare_digest(held.token, mark) or held.sequence >= 0 or held.quarantined:
            raise RefusedError(
                409, "a key that is not enrolled yet", "one that is", "key", "Make another on the device"
            )
        return _enrolled(held._mapping)
    token = connection.execute(_TOKEN, {"mark": mark}).one_or_none()
    if token is None or token.uses < 1 or token.expires <= now:
        raise RefusedError(
            403, "a valid enrolment token", "one that is unknown, used or expired", "token",
            "Make one: edgewright fleet token new",
        )  # fmt: skip
    if token.product != enrolment.product:
        raise RefusedError(
            403, f"product {token.product!r}, which the token is for", repr(enrolment.product), "product"
        )
    connection.execute(_USED, {"mark": mark})
    row: dict[str, Any] = {
        "id": device, "key": enrolment.key, "name": enrolment.name, "product": enrolment.product,
        "profile": enrolment.profile, "tags": token.tags, "given": token.tags, "batch": token.batch, "token": mark,
        "enrolled_at": now, "version": enrolment.version.replace("\0", ""), "nonce": nonce,
    }  # fmt: skip
    connection.execute(_NEW, row)
    audit_chain.append(
        connection, at=now, who="enrolment", what="device.enrolled", subject=device, detail={"name": enrolment.name}
    )
    return _enrolled(row)


def _enrolled(row: Any) -> Enrolled:  # noqa: ANN401 - a row or its values
    return Enrolled(device=row["id"], tags=row["given"], batch=row["batch"], at=row["enrolled_at"], nonce=row["nonce"])
