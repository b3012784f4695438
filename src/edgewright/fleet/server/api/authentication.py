"""Who asks: a device by the signature of its key (RFC 9421), an operator by a bearer token (argon2id)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import argon2
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.wire import signing
from edgewright.fleet.server.api.endpoint import RANK, Call, RefusedError
from edgewright.fleet.server.api.limits import Buckets
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import devices, operators
from edgewright.schema.errors import InputError

_TOKEN = re.compile(r"^ewo\.([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{32})$")
# RFC 9106's second recommendation needs 64 MB a check; secrets here are 192 random bits, not words that a person chose,
# so the smallest setting that OWASP names (19 MiB, two passes) is far more than enough and keeps the server small.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_KNOWN_TOKENS = 1000


def new_token(name: str) -> tuple[str, str]:
    """Return a token and its hash for the database."""
    token = f"ewo.{name}.{secrets.token_urlsafe(24)}"
    return token, _HASHER.hash(token)


class OperatorAuthentication:
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
            if len(self._right) > _KNOWN_TOKENS:
                self._right.popitem(last=False)
        return right


def _check(held: str, token: str) -> bool:
    try:
        return _HASHER.verify(held, token)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


_KEYID = re.compile(r';\s*keyid="([0-9a-f]{32})"')
_KEPT = 200_000
NEW = "new"
"""The name of a key that is told in the body, see `wire.signing.sign`."""


def _refused(why: str) -> RefusedError:
    return RefusedError(401, "a request signed by an enrolled device's key (RFC 9421)", why)


class DeviceAuthentication:
    """Finds devices and checks that they are those who ask, then that they do not ask too much.

    Keys of devices are kept in memory: a key never changes its device. What may change is read where it is needed, in
    the transaction that answers.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._requests = Buckets(plane.limits.requests, plane.limits.burst)
        self._bytes = Buckets(plane.limits.bytes_a_day / DAY, plane.limits.bytes_a_day)

    async def device(self, call: Call) -> Mapping[str, Any]:
        """Return the device whose key signed a request.

        Raises:
            RefusedError: 401 for a wrong signature, 429 for too many requests.
        """
        found = _KEYID.search(call.headers.get("signature-input", ""))
        name = found.group(1) if found else ""
        if not name:
            raise _refused("none")
        key = self._keys.get(name)
        if key is None:
            text = await call.read(
                lambda c: c.execute(sa.select(devices.c.key).where(devices.c.id == name)).scalar_one_or_none()
            )
            if text is None:
                raise _refused("an id that is not enrolled here")
            key = self._keys[name] = base64.b64decode(text)
            if len(self._keys) > _KEPT:
                self._keys.popitem(last=False)
        self._signed(call, name, key)
        self._within(name, len(call.content))
        return {"id": name}

    def enrolling(self, call: Call) -> None:
        """Whether an enrolment is signed with the key that it names.

        Raises:
            RefusedError: 401 where it is not.
        """
        try:
            key = signing.public_bytes(call.body.key)
        except InputError as error:
            raise _refused(error.got) from None
        self._signed(call, NEW, key)

    def _signed(self, call: Call, name: str, key: bytes) -> None:
        def find(requested: str) -> bytes | None:
            return key if requested == name else None

        try:
            signing.verify(call.method, call.target, call.headers, call.content, find)
        except InputError as error:
            raise _refused(error.got or str(error)) from None

    def _within(self, name: str, length: int) -> None:
        now = self._plane.clock.monotonic()
        wait = self._requests.take(name, now) or self._bytes.take(name, now, float(length))
        if wait:
            raise RefusedError(
                429, "fewer requests of this device", "too many", do="Ask again later", wait=min(wait, 3600.0)
            )
