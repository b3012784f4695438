"""Which device asks: its id is in the signature, its key in the database, and the key has to fit."""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.wire import signing
from edgewright.fleet.server.api.endpoint import Call, RefusedError
from edgewright.fleet.server.api.rate_limits import Buckets, daily
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import devices
from edgewright.schema.errors import InputError

_KEYID = re.compile(r';\s*keyid="([0-9a-f]{32})"')
_KEPT = 200_000
NEW = "new"
"""The name of a key that is told in the body, see `wire.signing.sign`."""


def _refused(why: str) -> RefusedError:
    return RefusedError(401, "a request signed by an enrolled device's key (RFC 9421)", why)


def signed_by(headers: Mapping[str, str]) -> str:
    """The device that a request says it is signed by; empty where it says none."""
    found = _KEYID.search(headers.get("signature-input", ""))
    return found.group(1) if found else ""


class Identities:
    """Finds devices and checks that they are those who ask, then that they do not ask too much.

    Keys of devices are kept in memory: a key never changes its device. What may change is read where it is needed, in
    the transaction that answers.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._requests = Buckets(plane.limits.requests, plane.limits.burst)
        self._bytes = daily(plane.limits.bytes_a_day)

    async def device(self, call: Call) -> Mapping[str, Any]:
        """The device whose key signed a request.

        Raises:
            RefusedError: 401 for a wrong signature, 429 for too many requests.
        """
        name = signed_by(call.headers)
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
        def find(asked: str) -> bytes | None:
            return key if asked == name else None

        try:
            self._plane.verify(call.method, call.target, call.headers, call.content, find)
        except InputError as error:
            raise _refused(error.got or str(error)) from None

    def _within(self, name: str, length: int) -> None:
        now = self._plane.clock.monotonic()
        wait = self._requests.take(name, now) or self._bytes.take(name, now, float(length))
        if wait:
            raise RefusedError(
                429, "fewer requests of this device", "too many", do="Ask again later", wait=min(wait, 3600.0)
            )
