"""The control plane over HTTP: what a device asks and tells, signed by its key."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.protocol.layout import API_PATH
from edgewright.fleet.protocol.ports import NotTaken, Transport, Unreachable
from edgewright.fleet.protocol.wire.signing import sign
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import Problem
from edgewright.schema.fleet_report import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Report

_LARGEST = 1 << 18
_LONG = 3600.0
_REFUSED = frozenset({401, 403, 404, 409, 410})
_NOT_TAKEN = frozenset({400, 413, 422})
"""It is what was said that is not taken: too large, or not what the description says."""
_OFTEN = frozenset({408, 425, 429, 503})
"""Refused for now, not for what was said: where a server is crowded, a body that came too slowly is nobody's fault."""
NEW = "new"
"""Name of a key that its request names in the body."""
A = TypeVar("A")


class HttpControl:
    """Calls the control plane over HTTP (`fleet.device.ports.Control`).

    Args:
        transport: to the control plane.
        key: of this device.
        device: its id; empty before enrolment.
    """

    def __init__(self, transport: Transport, key: Ed25519PrivateKey, device: str = "") -> None:
        self._transport, self._key, self._device = transport, key, device

    def enrol(self, request: Enrolment) -> Enrolled:
        """Enrol the device."""
        answer = self._ask("enroll", request, Enrolled, NEW)
        self._device = answer.device
        return answer

    def intent(self, intent: Intent) -> Allowed:
        """Send an intent."""
        return self._ask("intent", intent, Allowed, self._device)

    def report(self, report: Report) -> Acknowledged:
        """Send a report."""
        return self._ask("report", report, Acknowledged, self._device)

    def _ask(self, what: str, record: object, kind: type[A], name: str) -> A:
        path, body = f"{API_PATH}/{what}", msgspec.json.encode(record)
        headers = {"Content-Type": "application/json", **sign("POST", path, body, self._key, name)}
        with self._transport.exchange("POST", path, headers, body) as answer:
            content = answer.whole(_LARGEST)
        # Outside of the exchange: whoever is refused keeps its connection, for the next try.
        if answer.status == 200:
            try:
                return msgspec.json.decode(content, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unreachable(f"{path}: an invalid answer: {error}", _LONG) from None
        try:
            problem = msgspec.json.decode(content, type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):  # it says nothing that is understood
            problem = Problem(
                status=answer.status, expected="an answer of a control plane", got=f"status {answer.status}"
            )
        if answer.status in _REFUSED:
            raise InputError(problem.expected, problem.got, problem.where or path, problem.do)
        after = answer.headers.get("retry-after", "")
        wait = float(after) if after.isdecimal() and len(after) < 8 else None
        # What it finds wrong with this device's words it will find wrong again: not asked every few seconds.
        text = ", ".join(word for word in (problem.expected, problem.got) if word)
        if answer.status in _NOT_TAKEN:
            raise NotTaken(f"{path}: expected {text}"[:300], _LONG)
        raise Unreachable(
            f"{path}: expected {text}"[:300], wait if answer.status in _OFTEN or answer.status >= 500 else _LONG
        )
