"""Endpoints for devices: enrolment, reports and intents."""

from __future__ import annotations

import asyncio

from edgewright.core.records.fleet import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Report
from edgewright.fleet.repository.metadata import sha256
from edgewright.fleet.server import device_access, reports
from edgewright.fleet.server.endpoint import Call, Endpoint
from edgewright.fleet.server.rollouts import offered


async def _enrol(call: Call) -> Enrolled:
    random = call.plane.random
    device, nonce, now = random(16).hex(), random(16).hex(), call.now
    return await call.commit(lambda c: device_access.enrol(c, call.body, now=now, device=device, nonce=nonce))


async def _report(call: Call) -> bytes:
    plane = call.plane
    assert call.device is not None  # noqa: S101 - `who` is 'device'
    received = reports.arrived(
        call.device["id"], call.body, sha256(call.content),
        at=call.now, nonce=plane.random(16).hex(), wait=plane.limits.wait + plane.crowd.late, more=plane.crowd.more,
    )  # fmt: skip
    answer: bytes = await asyncio.wrap_future(plane.committer.submit_to(reports.take, received))
    plane.counted.brought([call.body.clock - item.put for item in received.items])
    return answer


async def _intent(call: Call) -> Allowed:
    assert call.device is not None  # noqa: S101 - `who` is 'device'
    device, now = call.device["id"], call.now
    return await call.commit(lambda c: offered.ask(c, device, call.body, now))


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/enroll", "Enrols a device; the request is signed with the key that it names, as 'new'.",
        "enrolling", _enrol, Enrolled, takes=Enrolment, errors=(409,), largest=4096,
    ),
    Endpoint(
        "POST", "/v1/report", "Accepts a report; answers once it is durable.",
        "device", _report, Acknowledged, takes=Report, errors=(409,),
    ),
    Endpoint(
        "POST", "/v1/intent", "Says whether the device may activate a release now.",
        "device", _intent, Allowed, takes=Intent, errors=(409,), largest=4096,
    ),
)  # fmt: skip
