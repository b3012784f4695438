"""Diagnoses of devices: asked for by operators, carried by acknowledgements, the latest few of each device kept."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database.tables import devices, diagnoses
from edgewright.fleet.server.device_access import enrolled
from edgewright.schema.fleet_diagnosis import FORMAT, Diagnosis, DiagnosisSeen
from edgewright.schema.fleet_report import DiagnosisRequest

KEPT = 5
"""Requests of one device that stay, with their answers."""


def ask(connection: sa.Connection, device: str, diagnosis: DiagnosisSeen) -> float | None:
    """Store a request; one that was not answered yet is replaced. Return when the device reported last.

    Raises:
        RefusedError: no such device.
    """
    last: float | None = enrolled(connection, device, sa.select(devices.c.last_report_at)).last_report_at
    of = diagnoses.c.device == device
    connection.execute(sa.delete(diagnoses).where(of, diagnoses.c.answered_at.is_(None)))
    old = sa.select(diagnoses.c.id).where(of).order_by(diagnoses.c.at.desc()).offset(KEPT - 1)
    old_ids = list(connection.execute(old).scalars())
    connection.execute(sa.delete(diagnoses).where(diagnoses.c.id.in_(old_ids)))
    values = {"id": diagnosis.id, "device": device, "at": diagnosis.at, "by": diagnosis.by, "lines": diagnosis.lines}
    connection.execute(sa.insert(diagnoses).values(values))
    return last


def pending(connection: sa.Connection, names: Iterable[str]) -> dict[str, DiagnosisRequest]:
    """Return what was asked of these devices and not answered."""
    c = diagnoses.c
    wanted = sa.select(c.device, c.id, c.lines).where(c.device.in_(list(names)), c.answered_at.is_(None))
    return {row.device: DiagnosisRequest(id=row.id, lines=row.lines) for row in connection.execute(wanted)}


def answer(connection: sa.Connection, device: str, diagnosis: Diagnosis, now: float) -> None:
    """Store an answer once; what nobody asked this device for is dropped without a word.

    It is encoded again, so that nothing but the fields of `Diagnosis` is stored. Texts of errors that earlier agents
    sent may quote rows or files, so they are dropped.
    """
    if diagnosis.format < FORMAT:
        diagnosis = msgspec.structs.replace(diagnosis, why="", store_error="")
    mine = sa.and_(diagnoses.c.id == diagnosis.id, diagnoses.c.device == device, diagnoses.c.answered_at.is_(None))
    values = {"answered_at": now, "body": msgspec.json.encode(diagnosis)}
    connection.execute(sa.update(diagnoses).where(mine).values(values))


def latest(connection: sa.Connection, device: str) -> tuple[DiagnosisSeen, ...]:
    """Return those of a device, newest first."""
    rows = connection.execute(
        sa.select(diagnoses).where(diagnoses.c.device == device).order_by(diagnoses.c.at.desc()).limit(KEPT)
    )
    return tuple(
        DiagnosisSeen(
            id=row.id, at=row.at, by=row.by, lines=row.lines, answered=row.answered_at,
            diagnosis=None if row.body is None else msgspec.json.decode(row.body),
        )
        for row in rows
    )  # fmt: skip
