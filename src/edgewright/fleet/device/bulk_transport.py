"""The bulk path: reports of a backlog go through the broker where that is known to work, everything else over HTTPS.

The broker is not trusted. What it loses, holds back or makes up costs a pause, after which the very same report goes
over HTTPS; nothing is taken for durable that the control plane has not signed.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.protocol.layout import API_PATH
from edgewright.fleet.protocol.ports import Answer, Chance, Clock, Transport, Unreachable
from edgewright.fleet.protocol.wire.broker_reports import ANSWERS, ASKED, LARGEST, PATH, read_answer, write_report
from edgewright.fleet.protocol.wire.signing import sign

REPORT_PATH = f"{API_PATH}/report"
PATIENCE = 15.0
"""Seconds for an answer over the broker: as many as a connection of HTTP may stall."""
_PAUSE, _LONGEST = 60.0, 3600.0
"""Seconds for which the broker is not asked after it failed: from about this, doubling, up to that."""
_SAID = frozenset({200, 429, 503})
"""What is taken from the broker: durable, or come later. Every other answer is asked for again over HTTPS, since the
broker may have altered what was said."""


class Asking(Protocol):
    """A connection to a broker, as `agent.waking.Waker`."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""

    def ask(self, message: bytes, believed: Callable[[bytes], Answer | None], seconds: float) -> Answer:
        """Raises: Unreachable."""


class Bulk:
    """As `fleet.protocol.ports.Transport`.

    Args:
        https: to the control plane.
        broker: connection, of which nothing is believed.
        key, device: that sign: a report over the broker is signed for a path of its own.
        clock, chance: of the device.
        bulky: whether much waits to be handed over, so that the broker is to carry it.
        note: takes why reports do not go over the broker, once it changes; empty where they do again.
        patience: seconds for an answer over the broker.
    """

    def __init__(
        self, https: Transport, broker: Asking, key: Ed25519PrivateKey, device: str, clock: Clock, chance: Chance, *,
        bulky: Callable[[], bool], note: Callable[[str], object] = lambda why: None, patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        self._https, self._broker, self._key, self._device = https, broker, key, device
        self._clock, self._chance, self._bulky, self._note = clock, chance, bulky, note
        self._patience, self._pace = patience, Pace(chance, _PAUSE, _LONGEST)
        self._answers = b""
        self.carried = 0
        """Reports that were acknowledged over the broker."""

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """As `fleet.protocol.ports.Transport.exchange`."""
        if (method, path) != ("POST", REPORT_PATH):
            with self._https.exchange(method, path, headers, body, seconds=seconds) as answer:
                yield answer
            return
        until = time.monotonic() + seconds
        carried = self._over_the_broker(headers, body, min(self._patience, seconds))
        if carried is not None:
            yield carried
            return
        left = max(until - time.monotonic(), seconds / 2.0)  # what the broker took is not the server's fault
        with self._https.exchange(method, path, {**headers, ANSWERS: ASKED}, body, seconds=left) as answer:
            self._learn(answer.headers.get(ANSWERS, ""))
            yield answer

    def _over_the_broker(self, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer | None:
        """The control plane's own answer; None where the report is to go over HTTPS."""
        if not (self._answers and len(body) <= LARGEST and self._broker.connected and self._bulky()):
            return None
        if self._clock.monotonic() < self._pace.due:
            return None
        signed = {**headers, **sign("POST", PATH, body, self._key, self._device)}
        message, key = write_report(signed, body, self._chance.bytes(16).hex()), self._answers
        try:
            answer = self._broker.ask(message, lambda came: read_answer(came, key, self._device, message), seconds)
        except Unreachable as error:
            self._pace.bad(self._clock.monotonic())
            self._note(str(error))
            return None
        if answer.status not in _SAID:
            self._pace.bad(self._clock.monotonic())
            self._note(f"over the broker the control plane says {answer.status}")
            return None
        self._pace.failures, self._pace.due = 0, 0.0
        self._note("")
        self.carried += answer.status == 200
        return answer

    def _learn(self, text: str) -> None:
        """The key of answers, as the control plane says it over HTTPS; kept for as long as this process lives."""
        if not text:
            return
        try:
            found = base64.b64decode(text, validate=True)
        except ValueError:
            return
        if len(found) == 32:
            self._answers = found
