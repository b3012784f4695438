"""The audit log, to read and to verify."""

from __future__ import annotations

from typing import Annotated

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import Call, Endpoint
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import audit
from edgewright.schema.fleet_api import AuditPage, AuditRow, AuditVerified


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows: the newest `limit`, numbered below `below` where that is not 0."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    below: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


async def _show(call: Call) -> AuditPage:
    asked: Wanted = call.query
    rows = sa.select(audit).order_by(audit.c.number.desc()).limit(asked.limit)
    if asked.below:
        rows = rows.where(audit.c.number < asked.below)
    found = await call.read(lambda c: c.execute(rows).all())
    shown = tuple(
        AuditRow(
            number=r.number, at=r.at, who=r.who, what=r.what, subject=r.subject, detail=msgspec.json.decode(r.detail),
            before=r.before, hash=r.hash,
        )
        for r in found
    )  # fmt: skip
    more = len(shown) == asked.limit and shown[-1].number > 1
    return AuditPage(rows=shown, next=shown[-1].number if more else None)


async def _verify(call: Call) -> AuditVerified:
    rows, last, problem = await call.read(audit_chain.verify)
    return AuditVerified(rows=rows, last=last, problem=problem)


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/fleet/audit", "Rows of the audit log, newest first.", "viewer", _show, AuditPage, query=Wanted
    ),
    Endpoint(
        "GET", "/v1/fleet/audit/verified", "Whether the chain of the audit log holds.", "viewer", _verify, AuditVerified
    ),
)
