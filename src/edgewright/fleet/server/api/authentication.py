"""Authenticates devices by the signature of their key (RFC 9421) and operators by a bearer token."""

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

import sqlalchemy as sa

from edgewright.core.errors import InputError
from edgewright.fleet.protocol import transport
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.decision import day
from edgewright.fleet.server import background
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import devices, operators
from edgewright.fleet.server.endpoint import RANK, Call, RefusedError
from edgewright.fleet.server.limits import Buckets

_TOKEN = re.compile(r"^ewo\.([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{32})$")
_SHA256 = "sha256:"


def new_token(name: str) -> tuple[str, str]:
    """Return a token and its hash for the database; with 192 random bits a fast hash is sufficient."""
    token = f"ewo.{name}.{secrets.token_urlsafe(24)}"
    return token, hashed(token)


def hashed(token: str) -> str:
    """Return the hash of a token for the database."""
    return _SHA256 + hashlib.sha256(token.encode()).hexdigest()


_NOBODY = hashed(secrets.token_urlsafe(24))
"""Hash for the comparison with the token of an unknown name, so that it takes the same time."""


class OperatorAuthentication:
    """Checks operator tokens.

    A valid token is accepted regardless of earlier wrong ones, and a wrong one takes the same time for an existing as
    for an unknown name. The limit counts only wrong tokens by client address, so that no client can lock out others.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane, self._wrong = plane, Buckets(0.5, 10.0, 100_000)
        self._unlimited: set[str] = set()

    async def operator(self, call: Call, needed: str) -> tuple[str, str]:
        """Return name and role of the operator.

        Raises:
            RefusedError: 401 without a valid token, 403 for an insufficient role, 429 after too many wrong tokens.
        """
        name, role = await self._known(call)
        if RANK[role] < RANK[needed]:
            raise RefusedError(403, f"the role {needed} or above", role, f"operator {name}")
        return name, role

    async def _known(self, call: Call) -> tuple[str, str]:
        """Return name and role of the operator whose token a request contains."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        token = token.strip()
        match = _TOKEN.match(token)
        if kind.lower() != "bearer" or match is None:
            raise RefusedError(401, "a header 'Authorization: Bearer TOKEN' of an operator", "none or another")
        name = match.group(1)
        row = await call.read(lambda c: c.execute(sa.select(operators).where(operators.c.name == name)).one_or_none())
        right = _right(row.token if row is not None else _NOBODY, token)
        if row is None or not right:
            self._count(call)
            raise RefusedError(401, "an operator's token", "a wrong one")
        if row.expires is not None and row.expires <= call.now:
            do = "An administrator revokes it and makes another: edgewright fleet operator add"
            raise RefusedError(401, "a valid token", f"one that expired on {day(row.expires)}", do=do)
        if row.expires is None and name not in self._unlimited:
            self._unlimited.add(name)
            background.line(
                "warning", "operator.unlimited", who=name, why="its token never expires: add another operator"
            )
        return name, row.role

    def _count(self, call: Call) -> None:
        """Count a wrong token; RefusedError 429 if its client has sent too many."""
        wait = self._wrong.take(call.client, call.plane.clock.monotonic())
        if wait:
            raise RefusedError(429, "fewer wrong tokens from this address", "too many", do="Ask later", wait=wait)


def _right(stored: str, token: str) -> bool:
    return hmac.compare_digest(stored.encode(), hashed(token).encode())


_KEYID = re.compile(r';\s*keyid="([0-9a-f]{32})"')
_KEPT = 200_000
NEW = "new"
"""Key id of a request with its public key in the body, see `transport.sign`."""


def _refused(why: str) -> RefusedError:
    return RefusedError(401, "a request signed by an enrolled device's key (RFC 9421)", why)


class DeviceAuthentication:
    """Authenticates devices and limits their requests.

    Device keys are cached in memory, since a key never moves to another device. Data that can change is read in the
    transaction that answers the request.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._pending: dict[str, asyncio.Future[str | None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._requests = Buckets(plane.limits.requests, plane.limits.burst)
        self._bytes = Buckets(plane.limits.bytes_a_day / DAY, plane.limits.bytes_a_day)

    async def device(self, call: Call) -> Mapping[str, Any]:
        """Return the device whose key signed a request.

        Raises:
            RefusedError: 401 for a wrong signature, 429 for too many requests.
        """
        match = _KEYID.search(call.headers.get("signature-input", ""))
        name = match.group(1) if match else ""
        if not name:
            raise _refused("none")
        key = self._keys.get(name)
        if key is None:
            text = await self._read(call, name)
            if text is None:
                raise _refused("an id that is not enrolled here")
            key = self._keys[name] = base64.b64decode(text)
            if len(self._keys) > _KEPT:
                self._keys.popitem(last=False)
        self._signed(call, name, key)
        self._within(name, len(call.content))
        return {"id": name}

    async def _read(self, call: Call, name: str) -> str | None:
        """Return the key of a device, read with those of all devices that ask meanwhile: a thread each costs more."""
        waiting = self._pending.get(name)
        if waiting is None:
            waiting = self._pending[name] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_asked(call))
        return await asyncio.shield(waiting)

    async def _read_asked(self, call: Call) -> None:
        while self._pending:
            waiting, self._pending = self._pending, {}
            chosen = sa.select(devices.c.id, devices.c.key).where(devices.c.id.in_(waiting))
            try:
                rows = {row.id: row.key for row in await call.read(lambda c, which=chosen: c.execute(which).all())}  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - all who asked get it
                for future in waiting.values():
                    future.set_exception(error)
                continue
            for name, future in waiting.items():
                future.set_result(rows.get(name))

    def enrolling(self, call: Call) -> None:
        """Check that an enrolment is signed with the key in its body.

        Raises:
            RefusedError: 401 for another signature.
        """
        try:
            key = transport.public_bytes(call.body.key)
        except InputError as error:
            raise _refused(error.got) from None
        self._signed(call, NEW, key)

    def _signed(self, call: Call, name: str, key: bytes) -> None:
        def find(requested: str) -> bytes | None:
            return key if requested == name else None

        try:
            transport.verify(call.method, call.target, call.headers, call.content, find)
        except InputError as error:
            raise _refused(error.got or str(error)) from None

    def _within(self, name: str, length: int) -> None:
        now = self._plane.clock.monotonic()
        wait = self._requests.take(name, now) or self._bytes.take(name, now, float(length))
        if wait:
            raise RefusedError(
                429, "fewer requests of this device", "too many", do="Ask again later", wait=min(wait, 3600.0)
            )
