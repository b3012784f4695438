"""Which operator asks: a bearer token, whose argon2id hash is in the database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict

import argon2
import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import RANK, Call, RefusedError
from edgewright.fleet.server.api.rate_limits import Buckets
from edgewright.fleet.server.database.tables import operators

_TOKEN = re.compile(r"^ewo\.([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{32})$")
# RFC 9106's second recommendation needs 64 MB a check; secrets here are 192 random bits, not words that a person chose,
# so the smallest setting that OWASP names (19 MiB, two passes) is far more than enough and keeps the server small.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_KEPT = 1000


def new_token(name: str) -> tuple[str, str]:
    """A token and its hash for the database."""
    token = f"ewo.{name}.{secrets.token_urlsafe(24)}"
    return token, _HASHER.hash(token)


class Bearers:
    """Checks tokens.

    One that was found right is remembered by a keyed hash, bound to the row that it fitted, so that argon2 runs once a
    token and process, and a removed operator is out at once.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()
        self._tries = Buckets(0.5, 10.0, 10_000)
        self._turn = asyncio.Semaphore(1)

    async def operator(self, call: Call, needed: str) -> tuple[str, str]:
        """Name and role of the operator.

        Raises:
            RefusedError: 401 without a right token, 403 where the role is not enough, 429 for too many wrong ones.
        """
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        found = _TOKEN.match(token.strip())
        if kind.lower() != "bearer" or found is None:
            raise RefusedError(401, "a header 'Authorization: Bearer TOKEN' of an operator", "none or another")
        name = found.group(1)
        row = await call.read(lambda c: c.execute(sa.select(operators).where(operators.c.name == name)).one_or_none())
        held, role = (row.token, row.role) if row is not None else ("", "")
        if not await self._fits(call, name, token.strip(), held):
            raise RefusedError(401, "an operator's token", "a wrong one")
        if RANK[role] < RANK[needed]:
            raise RefusedError(403, f"the role {needed} or above", role, f"operator {name}")
        return name, role

    async def _fits(self, call: Call, name: str, token: str, held: str) -> bool:
        mark = hmac.digest(self._secret, token.encode(), hashlib.sha256)
        if held and self._right.get(mark) == held:
            return True
        wait = self._tries.take(name, call.plane.clock.monotonic())
        if wait:
            raise RefusedError(429, "fewer wrong tokens", "too many", do="Ask again later", wait=wait)
        if not held:
            return False
        async with self._turn:  # one at a time: each takes a core and 19 MiB
            right = await asyncio.to_thread(_check, held, token)
        if right:
            self._right[mark] = held
            if len(self._right) > _KEPT:
                self._right.popitem(last=False)
        return right


def _check(held: str, token: str) -> bool:
    try:
        return _HASHER.verify(held, token)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
