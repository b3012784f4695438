"""A file of retired devices beside the database, so that a backup from before a retirement still refuses the device.

Every retirement is appended before its transaction ends. `fleet restore` applies the file to the restored database.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.files import open_private
from edgewright.fleet.server.database.tables import devices
from edgewright.fleet.server.device_access import RETIRED
from edgewright.schema.errors import OutputError

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


def append(folder: Path, row: Any, reason: str, now: float) -> None:  # noqa: ANN401 - a row of devices
    """Write a retirement durably.

    Args:
        folder: folder of the fleet.
        row: row of the device.
        reason: reason for people.
        now: seconds since 1970.

    Raises:
        OutputError: the disk is full or broken.
    """
    one = Retirement(id=row.id, key=row.key, name=row.name, product=row.product, reason=reason, at=now)
    try:
        with open_private(folder / FILE, "ab") as file:
            file.write(msgspec.json.encode(one) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError("a folder that can be written", error.strerror or str(error), str(folder / FILE)) from error


def apply(folder: Path, connection: sa.Connection) -> tuple[str, ...]:
    """Retire the devices of the file in a database that does not know it, also those that it has never heard of.

    Returns:
        The names of these devices.
    """
    path, names = folder / FILE, []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            one = msgspec.json.decode(line, type=Retirement)
        except msgspec.DecodeError:
            continue  # the disk became full within it: that retirement was refused
        same = devices.c.key == one.key
        values = {"status": RETIRED, "quarantined": True, "quarantine_reason": one.reason, "quarantined_at": one.at}
        if connection.execute(sa.update(devices).where(same, devices.c.status != RETIRED).values(**values)).rowcount:
            names.append(one.name)
        elif connection.execute(sa.select(devices.c.id).where(same)).one_or_none() is None:
            unknown = {"profile": "", "tags": (), "given": (), "batch": "", "token": "", "enrolled_at": one.at}
            own = {"id": one.id, "key": one.key, "name": one.name, "product": one.product, "nonce": ""}
            connection.execute(sa.insert(devices).values(**own, **unknown, **values))
            names.append(one.name)
    return tuple(names)
