"""Tokens and devices that come with them."""

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

# Built once: a fleet that is set up enrols tens of thousands, and building a statement takes longer than running it.
_BY_KEY = sa.select(devices).where(devices.c.key == sa.bindparam("key"))
_TOKEN = sa.select(tokens).where(tokens.c.hash == sa.bindparam("mark"))
_USED = sa.update(tokens).where(tokens.c.hash == sa.bindparam("mark")).values(uses=tokens.c.uses - 1)
_NEW = sa.insert(devices)


def secret(token: str) -> str:
    """The secret part of `ew1.SECRET.ROOT.HASH.PRODUCT`; a bare secret is one."""
    return token.split(".")[1] if token.startswith(f"{PREFIX}.") else token


def hashed(token: str) -> str:
    """What the database keeps of a token: the secret has 192 random bits, so a plain hash gives nothing away."""
    return hashlib.sha256(secret(token).encode()).hexdigest()


def enrol(connection: sa.Connection, asked: Enrolment, *, now: float, device: str, nonce: str) -> Enrolled:
    """Takes a device in; asked again with the same token and key it gives the same answer, until the first report.

    Args:
        connection: in a transaction that may write.
        asked: whose signature was checked.
        now: seconds since 1970.
        device, nonce: random; used where the device is new.

    Raises:
        RefusedError: 403 for a token that is not there, over or used; 409 for a key that is enrolled already.
    """
    mark = hashed(asked.token)
    held = connection.execute(_BY_KEY, {"key": asked.key}).one_or_none()
    if held is not None:
        if not hmac.compare_digest(held.token, mark) or held.sequence >= 0 or held.quarantined:
            raise RefusedError(
                409, "a key that is not enrolled yet", "one that is", "key", "Make another on the device"
            )
        return _enrolled(held._mapping)
    token = connection.execute(_TOKEN, {"mark": mark}).one_or_none()
    if token is None or token.uses < 1 or token.expires <= now:
        raise RefusedError(
            403, "an enrolment token that holds", "one that is unknown, used or over", "token",
            "Make one: edgewright fleet token new",
        )  # fmt: skip
    if token.product != asked.product:
        raise RefusedError(403, f"product {token.product!r}, which the token is for", repr(asked.product), "product")
    connection.execute(_USED, {"mark": mark})
    row: dict[str, Any] = {
        "id": device, "key": asked.key, "name": asked.name, "product": asked.product, "profile": asked.profile,
        "tags": token.tags, "given": token.tags, "batch": token.batch, "token": mark, "enrolled_at": now,
        "version": asked.version.replace("\0", ""), "nonce": nonce,
    }  # fmt: skip
    connection.execute(_NEW, row)
    audit_chain.append(
        connection, at=now, who="enrolment", what="device.enrolled", subject=device, detail={"name": asked.name}
    )
    return _enrolled(row)


def _enrolled(row: Any) -> Enrolled:  # noqa: ANN401 - a row or its values
    return Enrolled(device=row["id"], tags=row["given"], batch=row["batch"], at=row["enrolled_at"], nonce=row["nonce"])
