"""Publishes a message over MQTT after files were published, so that devices poll earlier; it is optional."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

import paho.mqtt.client as mqtt

from edgewright.fleet.protocol.wire.broker import connect, hang_up, news_topic
from edgewright.fleet.server import log

_MESSAGE = b"new"


class NewsPublisher:
    """Publishes news to a broker without blocking.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        products: products whose devices are notified.
        ca_file: trusted certificates instead of the system's; empty for the system's.

    Raises:
        InputError: the address is invalid, or the certificates cannot be read.
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
        """Announce news; if the broker is unavailable, announce it after the reconnection."""
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
        """Log when the broker becomes unavailable or available, but not every attempt."""
        if reached is not self._reached and not self._closing:
            self._reached = reached
            log.line("info" if reached else "warning", "broker.reached" if reached else "broker.away")
