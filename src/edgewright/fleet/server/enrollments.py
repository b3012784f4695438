"""Enrols devices with a token."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.wire.token import PREFIX
from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import devices, tokens
from edgewright.fleet.server.device_access import RETIRED, retired
from edgewright.schema.fleet_report import Enrolled, Enrolment

# Built once: setting up a fleet enrols many devices, and building a statement takes longer than executing it.
_BY_KEY = sa.select(devices).where(devices.c.key == sa.bindparam("key"))
_TOKEN = sa.select(tokens).where(tokens.c.hash == sa.bindparam("mark"))
_USED = sa.update(tokens).where(tokens.c.hash == sa.bindparam("mark")).values(uses=tokens.c.uses - 1)
_NEW = sa.insert(devices)


def hashed(token: str) -> str:
    """Return the hash of a token for the database; the secret has 192 random bits, so a plain hash is sufficient."""
    secret = token.split(".")[1] if token.startswith(f"{PREFIX}.") else token  # of ew1.SECRET.ROOT.HASH.PRODUCT
    return hashlib.sha256(secret.encode()).hexdigest()


def enrol(connection: sa.Connection, enrolment: Enrolment, *, now: float, device: str, nonce: str) -> Enrolled:
    """Enrol a device; a repeated request with the same token and key gets the same answer until the first report.

    Args:
        connection: connection in a write transaction.
        enrolment: request with a verified signature.
        now: seconds since 1970.
        device: random id for a new device.
        nonce: random nonce for a new device.

    Raises:
        RefusedError: 403 for an unknown, expired or used token; 409 for a key that is already enrolled; 410 for the key
            of a retired device.
    """
    mark = hashed(enrolment.token)
    held = connection.execute(_BY_KEY, {"key": enrolment.key}).one_or_none()
    if held is not None:
        if held.status == RETIRED:
            raise retired(held.quarantine_reason)
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
