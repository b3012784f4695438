"""Diagnoses: operators ask one device for its log lines and health, and the device answers after its next report."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.fleet.protocol.api_records import (
    MAX_BYTES,
    AskDiagnosis,
    Diagnoses,
    Diagnosis,
    DiagnosisAsked,
    DiagnosisSeen,
    Done,
)
from edgewright.fleet.protocol.layout import REPORT_EVERY
from edgewright.fleet.server import reports
from edgewright.fleet.server.database.tables import devices
from edgewright.fleet.server.device_access import check_active, enrolled
from edgewright.fleet.server.endpoint import DEVICE_ID, Call, Endpoint


async def _ask(call: Call) -> DiagnosisAsked:
    name, now, wanted = call.path["id"], call.now, call.body
    diagnosis = DiagnosisSeen(id=call.plane.random(16).hex(), at=now, by=call.operator, lines=wanted.lines)
    detail = {"lines": wanted.lines, "reason": wanted.reason}
    last = await call.act("device.diagnosed", name, lambda c: reports.ask(c, name, diagnosis), detail)
    expected = None if last is None else max(0.0, last + (call.plane.limits.wait or REPORT_EVERY) - now)
    return DiagnosisAsked(id=diagnosis.id, expected=expected)


async def _answer(call: Call) -> Done:
    assert call.device is not None  # noqa: S101 - `who` is 'device'
    device, diagnosis, now = call.device["id"], call.body, call.now

    def work(connection: sa.Connection) -> None:
        check_active(connection, device)
        reports.answer(connection, device, diagnosis, now)

    await call.commit(work)
    return Done()


async def _latest(call: Call) -> Diagnoses:
    name = call.path["id"]

    def read(connection: sa.Connection) -> Diagnoses:
        enrolled(connection, name, sa.select(devices.c.id))
        return Diagnoses(diagnoses=reports.latest(connection, name))

    return await call.read(read)


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/diagnosis", "Accepts what an operator asked a device for; nothing else is kept.",
        "device", _answer, Done, takes=Diagnosis, largest=MAX_BYTES,
    ),
    Endpoint(
        "POST", "/v1/fleet/devices/{id}/diagnoses", "Asks a device for its last log lines and its health.",
        "operator", _ask, DiagnosisAsked, takes=AskDiagnosis, parameters=DEVICE_ID,
    ),
    Endpoint(
        "GET", "/v1/fleet/devices/{id}/diagnoses", "The latest diagnoses of a device.",
        "viewer", _latest, Diagnoses, parameters=DEVICE_ID,
    ),
)  # fmt: skip
