"""Publishes a message over MQTT after files were published: devices poll sooner, and lose nothing without it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

import paho.mqtt.client as mqtt

from edgewright.fleet.protocol.wire.broker import connect, hang_up, news_topic
from edgewright.fleet.server import log

_MESSAGE = b"new"


class NewsPublisher:
    """Publishes news at a broker, without ever waiting for it.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        products: whose devices are told.
        ca_file: certificates trusted instead of the system's; empty for the system's.

    Raises:
        InputError: no such address, or certificates that cannot be read.
    """

    def __init__(self, url: str, products: Sequence[str], ca_file: str = "") -> None:
        self._topics = tuple(news_topic(product) for product in products)
        self._pending, self._lock = False, threading.Lock()
        self._reached: bool | None = None
        self._closing = False
        self._client = connect(
            url, f"ew-fleet-{secrets.token_hex(6)}", ca_file, lambda _: self._connected(),
            lost=lambda: self._note(False), failed=lambda: self._note(False),
        )  # fmt: skip

    def publish(self) -> None:
        """Announce news; where the broker is away, once it is back."""
        with self._lock:
            failed = [
                self._client.publish(topic, _MESSAGE, qos=0).rc != mqtt.MQTT_ERR_SUCCESS for topic in self._topics
            ]
            self._pending = any(failed)

    def close(self) -> None:
        """Disconnect."""
        self._closing = True
        hang_up(self._client)

    def _connected(self) -> None:
        self._note(True)
        with self._lock:
            pending = self._pending
        if pending:
            self.publish()

    def _note(self, reached: bool) -> None:
        """Log when the broker goes and when it is back, not at each try."""
        if reached is not self._reached and not self._closing:
            self._reached = reached
            log.line("info" if reached else "warning", "broker.reached" if reached else "broker.away")
