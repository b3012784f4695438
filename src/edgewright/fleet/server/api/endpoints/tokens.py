"""Enrolment tokens."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.wire.token import Token
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import enrollments
from edgewright.fleet.server.api.endpoint import Call, Endpoint, RefusedError
from edgewright.fleet.server.database.tables import tokens
from edgewright.schema.fleet_api import Done, NewToken, TokenMade, Tokens, TokenSeen

_ID = r"[0-9a-f]{16}"


async def _new(call: Call) -> TokenMade:
    asked: NewToken = call.body
    product = _product(call.plane.folder, asked.product)
    secret = base64.urlsafe_b64encode(call.plane.random(24)).decode()
    pinned = _pinned(call.plane.public, secret, product)
    mark, now = enrollments.hashed(secret), call.now
    batch = asked.batch or f"token-{mark[:12]}"
    row = {
        "hash": mark, "product": product, "tags": asked.tags, "batch": batch, "made_at": now,
        "made_by": call.operator, "expires": now + asked.seconds, "uses": asked.uses,
    }  # fmt: skip
    detail = {
        "product": product,
        "tags": asked.tags,
        "batch": batch,
        "uses": asked.uses,
        "expires": row["expires"],
    }
    await call.act("token.made", mark[:16], lambda c: c.execute(sa.insert(tokens).values(row)), detail)
    return TokenMade(token=pinned.text(), batch=batch, expires=now + asked.seconds)


def _product(folder: Path, wanted: str) -> str:
    """The product that is meant.

    Raises:
        RefusedError: 400 where the fleet has no such product, or several and none is named.
    """
    known = open_fleet(folder).settings.products
    if wanted in known:
        return wanted
    if not wanted and len(known) == 1:
        return known[0]
    raise RefusedError(400, f"one of the fleet's products: {', '.join(known)}", repr(wanted), "product")


def _pinned(public: Path, secret: str, product: str) -> Token:
    """The token with the newest root, which a device must find under its version.

    Raises:
        RefusedError: 409 where the fleet has no root yet.
    """
    try:
        content = (public / "metadata" / "root.json").read_bytes()
        version = int(msgspec.json.decode(content)["signed"]["version"])
    except (OSError, KeyError, TypeError, ValueError):
        raise RefusedError(
            409, "a fleet with a root", "none that can be read", "public/metadata/root.json", "edgewright fleet init"
        ) from None
    return Token(secret=secret, root=version, sha256=hashlib.sha256(content).hexdigest(), product=product)


async def _list(call: Call) -> Tokens:
    now = call.now
    held = sa.select(tokens).where(tokens.c.expires > now, tokens.c.uses > 0).order_by(tokens.c.made_at).limit(1000)
    rows = await call.read(lambda c: c.execute(held).all())
    return Tokens(
        tokens=tuple(
            TokenSeen(
                id=row.hash[:16], product=row.product, tags=row.tags, batch=row.batch, made_at=row.made_at,
                made_by=row.made_by, expires=row.expires, uses=row.uses,
            )
            for row in rows
        )
    )  # fmt: skip


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


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/fleet/tokens", "Makes an enrolment token.", "operator", _new, TokenMade, NewToken, errors=(409,)
    ),
    Endpoint("GET", "/v1/fleet/tokens", "Tokens that can be used, without their secrets.", "viewer", _list, Tokens),
    Endpoint(
        "DELETE", "/v1/fleet/tokens/{id}", "Makes a token useless.", "operator", _revoke, Done, parameters={"id": _ID}
    ),
)  # fmt: skip
