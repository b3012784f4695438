"""Endpoints for administration: operators, enrolment tokens and the audit log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.api_records import (
    AuditPage,
    AuditRow,
    AuditVerified,
    Done,
    NewOperator,
    NewToken,
    OperatorMade,
    Operators,
    OperatorSeen,
    TokenMade,
    Tokens,
    TokenSeen,
)
from edgewright.fleet.protocol.transport import Token
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import device_access, restore
from edgewright.fleet.server.api.authentication import new_token
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.tables import audit, operators, tokens
from edgewright.fleet.server.endpoint import Call, Endpoint, RefusedError


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows to return: the newest `limit` rows, with numbers below `below` unless that is 0."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    below: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


async def _show(call: Call) -> AuditPage:
    filters: Wanted = call.query
    rows = sa.select(audit).order_by(audit.c.number.desc()).limit(filters.limit)
    if filters.below:
        rows = rows.where(audit.c.number < filters.below)
    rows_found = await call.read(lambda c: c.execute(rows).all())
    records = [{str(key): value for key, value in row._mapping.items()} for row in rows_found]
    decoded = ({**record, "detail": msgspec.json.decode(record["detail"])} for record in records)
    shown = tuple(msgspec.convert(record, AuditRow) for record in decoded)
    more = len(shown) == filters.limit and shown[-1].number > 1
    return AuditPage(rows=shown, next=shown[-1].number if more else None)


async def _verify(call: Call) -> AuditVerified:
    rows, last, problem = await call.read(tables.verify_audit_log)
    return AuditVerified(rows=rows, last=last, problem=problem)


_ID = r"[0-9a-f]{16}"


async def _new(call: Call) -> TokenMade:
    new_token: NewToken = call.body
    product = _product(call.plane.folder, new_token.product)
    secret = base64.urlsafe_b64encode(call.plane.random(24)).decode()
    floor, _ = await call.read(lambda c: metadata.aborted(restore.role_files(c)))
    pinned = _pinned(call.plane.public, secret, product, floor)
    mark, now = device_access.hashed(secret), call.now
    batch = new_token.batch or f"token-{mark[:12]}"
    row = {
        "hash": mark, "product": product, "tags": new_token.tags, "batch": batch, "made_at": now,
        "made_by": call.operator, "expires": now + new_token.seconds, "uses": new_token.uses,
    }  # fmt: skip
    detail = {name: row[name] for name in ("product", "tags", "batch", "uses", "expires")}
    await call.act("token.made", mark[:16], lambda c: c.execute(sa.insert(tokens).values(row)), detail)
    return TokenMade(token=pinned.text(), batch=batch, expires=now + new_token.seconds)


def _product(folder: Path, wanted: str) -> str:
    """Return the wanted product, by default the only one; RefusedError if it is unknown or ambiguous."""
    known = open_fleet(folder).settings.products
    if wanted in known:
        return wanted
    if not wanted and len(known) == 1:
        return known[0]
    raise RefusedError(400, f"one of the fleet's products: {', '.join(known)}", repr(wanted), "product")


def _pinned(public: Path, secret: str, product: str, floor: int) -> Token:
    """Return a token that pins the newest root."""
    try:
        content = (public / "metadata" / "root.json").read_bytes()
        version = int(msgspec.json.decode(content)["signed"]["version"])
    except (OSError, KeyError, TypeError, ValueError):
        raise RefusedError(
            409, "a fleet with a root", "none that can be read", "public/metadata/root.json", "edgewright fleet init"
        ) from None
    return Token(
        secret=secret, root=version, sha256=hashlib.sha256(content).hexdigest(), product=product, releases=floor
    )


async def _tokens(call: Call) -> Tokens:
    now = call.now
    shown = [
        sa.func.substr(tokens.c.hash, 1, 16).label("id"),
        *(column for column in tokens.c if column is not tokens.c.hash),
    ]
    valid = sa.select(*shown).where(tokens.c.expires > now, tokens.c.uses > 0).order_by(tokens.c.made_at).limit(1000)
    rows = await call.read(lambda c: c.execute(valid).all())
    return Tokens(tokens=tuple(TokenSeen(**row._mapping) for row in rows))


async def _revoke(call: Call) -> Done:
    wanted = call.path["id"]

    def revoke(connection: sa.Connection) -> None:
        gone = connection.execute(
            sa.update(tokens).where(tokens.c.hash.startswith(wanted), tokens.c.uses > 0).values(uses=0)
        )
        if not gone.rowcount:
            raise RefusedError(404, "a token that can be used", "another id", wanted)

    await call.act("token.revoked", wanted, revoke)
    return Done()


_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"


async def _add(call: Call) -> OperatorMade:
    new_operator: NewOperator = call.body
    token, hashed = await asyncio.to_thread(new_token, new_operator.name)
    now, expires = call.now, call.now + new_operator.seconds
    row = {"name": new_operator.name, "token": hashed, "role": new_operator.role, "made_at": now, "expires": expires}

    def add(connection: sa.Connection) -> None:
        if connection.execute(sa.select(operators.c.name).where(operators.c.name == new_operator.name)).first():
            raise RefusedError(409, "an unused name", repr(new_operator.name), "name", "Revoke that operator first")
        connection.execute(sa.insert(operators).values(row))

    await call.act("operator.added", new_operator.name, add, {"role": new_operator.role, "expires": expires})
    return OperatorMade(name=new_operator.name, role=new_operator.role, token=token, expires=expires)


async def _list(call: Call) -> Operators:
    rows = await call.read(lambda c: c.execute(sa.select(operators).order_by(operators.c.name)).all())
    return Operators(
        operators=tuple(OperatorSeen(name=r.name, role=r.role, made_at=r.made_at, expires=r.expires) for r in rows)
    )


async def _remove(call: Call) -> Done:
    name = call.path["name"]

    def remove(connection: sa.Connection) -> None:
        if not connection.execute(sa.delete(operators).where(operators.c.name == name)).rowcount:
            raise RefusedError(404, "an operator", repr(name), "the path")

    await call.act("operator.revoked", name, remove)
    return Done()


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/fleet/audit", "Rows of the audit log, newest first.", "viewer", _show, AuditPage, query=Wanted
    ),
    Endpoint(
        "GET", "/v1/fleet/audit/verified", "Whether the chain of the audit log holds.", "viewer", _verify, AuditVerified
    ),
    Endpoint(
        "POST", "/v1/fleet/tokens", "Makes an enrolment token.", "operator", _new, TokenMade, NewToken, errors=(409,)
    ),
    Endpoint("GET", "/v1/fleet/tokens", "Tokens that can be used, without their secrets.", "viewer", _tokens, Tokens),
    Endpoint(
        "DELETE", "/v1/fleet/tokens/{id}", "Revokes a token.", "operator", _revoke, Done, parameters={"id": _ID}
    ),
    Endpoint(
        "POST", "/v1/fleet/operators", "Adds an operator; the token is shown this once.",
        "admin", _add, OperatorMade, takes=NewOperator, errors=(409,),
    ),
    Endpoint("GET", "/v1/fleet/operators", "All operators.", "viewer", _list, Operators),
    Endpoint(
        "DELETE", "/v1/fleet/operators/{name}", "Revokes an operator; the token becomes invalid.",
        "admin", _remove, Done, parameters={"name": _NAME},
    ),
)  # fmt: skip
