"""Controls which devices the control plane accepts: enrols them, and refuses quarantined, blocked and retired ones."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import OutputError
from edgewright.core.files import flush, open_private
from edgewright.core.records.fleet import Enrolled, Enrolment
from edgewright.fleet.protocol.transport import PREFIX
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.tables import devices, tokens
from edgewright.fleet.server.endpoint import RefusedError

FORKED = "two devices have this key: a report came with a nonce that another report had already used"
ACTIVE, BLOCKED, RETIRED = "active", "blocked", "retired"
"""Values of `devices.status`. A device that is not active is also quarantined: it has no vote and no permissions."""
_RESET = {"nonce": "", "nonce_before": "", "digest": "", "acknowledged": None}


def quarantine(connection: sa.Connection, device: str, reason: str, now: float) -> None:
    """Quarantine a device, and any other holder of its key, until an operator lifts it."""
    connection.execute(sa.update(devices).where(devices.c.id == device).values(**_shut(reason, now)))
    tables.append_audit_row(
        connection, at=now, who="control", action="device.quarantined", subject=device, detail={"reason": reason}
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


FILE = "retired.jsonl"


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """A retired device; fields as in the table of devices.

    Attributes:
        at: time of the retirement, seconds since 1970.
    """

    id: str
    key: str
    name: str
    product: str
    reason: str
    at: float


def record_retirement(folder: Path, row: Any, reason: str, now: float) -> None:  # noqa: ANN401 - a row of devices
    """Write a retirement durably.

    Args:
        folder: folder of the fleet.
        row: row of the device.
        reason: reason for people.
        now: seconds since 1970.

    Raises:
        OutputError: the disk is full or broken.
    """
    retirement = Retirement(id=row.id, key=row.key, name=row.name, product=row.product, reason=reason, at=now)
    try:
        with open_private(folder / FILE, "ab") as file:
            file.write(msgspec.json.encode(retirement) + b"\n")
            flush(file)
    except OSError as error:
        raise OutputError("a folder that can be written", error.strerror or str(error), str(folder / FILE)) from error


def apply_retirements(folder: Path, connection: sa.Connection) -> tuple[str, ...]:
    """Retire the devices of the file in a database that does not know it, also those that it has never heard of.

    Returns:
        The names of these devices.
    """
    path, names = folder / FILE, []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            retirement = msgspec.json.decode(line, type=Retirement)
        except msgspec.DecodeError:
            continue  # the disk became full within it: that retirement was refused
        same = devices.c.key == retirement.key
        values = {
            "status": RETIRED,
            "quarantined": True,
            "quarantine_reason": retirement.reason,
            "quarantined_at": retirement.at,
        }
        if connection.execute(sa.update(devices).where(same, devices.c.status != RETIRED).values(**values)).rowcount:
            names.append(retirement.name)
        elif connection.execute(sa.select(devices.c.id).where(same)).one_or_none() is None:
            unknown = {"profile": "", "tags": (), "given": (), "batch": "", "token": "", "enrolled_at": retirement.at}
            own = {
                "id": retirement.id,
                "key": retirement.key,
                "name": retirement.name,
                "product": retirement.product,
                "nonce": "",
            }
            connection.execute(sa.insert(devices).values(**own, **unknown, **values))
            names.append(retirement.name)
    return tuple(names)


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
    enrolled = connection.execute(_BY_KEY, {"key": enrolment.key}).one_or_none()
    if enrolled is not None:
        if enrolled.status == RETIRED:
            raise retired(enrolled.quarantine_reason)
        if not hmac.compare_digest(enrolled.token, mark) or enrolled.sequence >= 0 or enrolled.quarantined:
            raise RefusedError(
                409, "a key that is not enrolled yet", "one that is", "key", "Make another on the device"
            )
        return _enrolled(enrolled._mapping)
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
    tables.append_audit_row(
        connection, at=now, who="enrolment", action="device.enrolled", subject=device, detail={"name": enrolment.name}
    )
    return _enrolled(row)


def _enrolled(row: Any) -> Enrolled:  # noqa: ANN401 - a row or its values
    return Enrolled(device=row["id"], tags=row["given"], batch=row["batch"], at=row["enrolled_at"], nonce=row["nonce"])
