"""Client of the control plane over HTTP; the device's key signs all requests."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.device.ports import RetiredError
from edgewright.fleet.protocol.layout import API_PATH
from edgewright.fleet.protocol.ports import NotTaken, Transport, Unreachable
from edgewright.fleet.protocol.wire.signing import sign
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import Problem
from edgewright.schema.fleet_diagnosis import Diagnosis
from edgewright.schema.fleet_report import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Report

_LARGEST = 1 << 18
_LONG = 3600.0
_RETIRED = 410
_REFUSED = frozenset({401, 403, 404, 409, _RETIRED})
_NOT_TAKEN = frozenset({400, 413, 422})
"""Statuses for an invalid request: too large, or not as the API description requires."""
_OFTEN = frozenset({408, 425, 429, 503})
"""Statuses of a temporary refusal; on an overloaded server a body can time out (408) without a fault of the device."""
NEW = "new"
"""Key id of a request that contains its public key in the body."""
A = TypeVar("A")


class HttpControl:
    """Calls the control plane over HTTP (`fleet.device.ports.Control`).

    Args:
        transport: transport to the control plane.
        key: private key of this device.
        device: id of this device; empty before enrolment.
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

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        """Send what an operator asked for."""
        self._ask("diagnosis", diagnosis, dict, self._device)

    def _ask(self, endpoint: str, record: object, kind: type[A], name: str) -> A:
        path, body = f"{API_PATH}/{endpoint}", msgspec.json.encode(record)
        headers = {"Content-Type": "application/json", **sign("POST", path, body, self._key, name)}
        with self._transport.exchange("POST", path, headers, body) as answer:
            content = answer.whole(_LARGEST)
        # After the exchange: a refused device keeps its connection for the next attempt.
        if answer.status == 200:
            try:
                return msgspec.json.decode(content, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unreachable(f"{path}: an invalid answer: {error}", _LONG) from None
        try:
            problem = msgspec.json.decode(content, type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):  # not a response of a control plane
            problem = Problem(
                status=answer.status, expected="an answer of a control plane", got=f"status {answer.status}"
            )
        if answer.status in _REFUSED:
            refusal = RetiredError if answer.status == _RETIRED else InputError
            raise refusal(problem.expected, problem.got, problem.where or path, problem.do)
        after = answer.headers.get("retry-after", "")
        wait = float(after) if after.isdecimal() and len(after) < 8 else None
        # The server would refuse the same request again, so wait for an hour instead of some seconds.
        text = ", ".join(word for word in (problem.expected, problem.got) if word)
        if answer.status in _NOT_TAKEN:
            raise NotTaken(f"{path}: expected {text}"[:300], _LONG)
        raise Unreachable(
            f"{path}: expected {text}"[:300], wait if answer.status in _OFTEN or answer.status >= 500 else _LONG
        )
