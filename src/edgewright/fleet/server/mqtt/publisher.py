"""Says over MQTT that files were published. Devices ask sooner for it and lose nothing where nobody hears it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

import paho.mqtt.client as mqtt

from edgewright.fleet.protocol.wire.broker import connect, hang_up, news_topic

_WORD = b"new"


class Herald:
    """Speaks at a broker, without ever waiting for it.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        products: whose devices are told.
        ca_file: certificates trusted instead of the system's; empty for the system's.

    Raises:
        InputError: no such address, or certificates that cannot be read.
    """

    def __init__(self, url: str, products: Sequence[str], ca_file: str = "") -> None:
        self._topics = tuple(news_topic(product) for product in products)
        self._owed, self._lock = False, threading.Lock()
        self._client = connect(url, f"ew-fleet-{secrets.token_hex(6)}", ca_file, lambda _: self._back())

    def tell(self) -> None:
        """There is news. Where the broker is away it is said when it is back."""
        with self._lock:
            failed = [self._failed(topic) for topic in self._topics]
            self._owed = any(failed)

    def close(self) -> None:
        """Hangs up."""
        hang_up(self._client)

    def _failed(self, topic: str) -> bool:
        """Says it; whether that failed."""
        return self._client.publish(topic, _WORD, qos=0).rc != mqtt.MQTT_ERR_SUCCESS

    def _back(self) -> None:
        with self._lock:
            owed = self._owed
        if owed:
            self.tell()
