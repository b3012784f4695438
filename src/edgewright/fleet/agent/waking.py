"""News over MQTT: a message says that there is something to ask for, never what. Without a broker, polling goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgewright.runtime.sinks import require_loopback_or_tls
from edgewright.schema.errors import InputError

TOPIC = "edgewright/{product}/news"
SPREAD = 10.0
"""Seconds over which woken devices spread their question."""
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def news_topic(product: str) -> str:
    """The topic on which news of a product are said."""
    return TOPIC.format(product=product)


class Waker:
    """Listens at a broker.

    What it hears is not believed, so that whoever can speak on the topic can make devices ask, and no more.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        product: whose news.
        wake: called, from another thread, at each message.
        device: name of the connection.
        ca_file: certificates trusted instead of the system's.

    Raises:
        InputError: no such address.
    """

    def __init__(self, url: str, product: str, wake: Callable[[], None], device: str, ca_file: str = "") -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            host, port = "", 0
        if not host or not port:
            raise InputError("an address mqtts://HOST[:PORT]", repr(url), "the broker")
        require_loopback_or_tls(host, parts.scheme == "mqtts", "the broker")
        self._topic, self._wake = news_topic(product), wake
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"ew-{device[:20]}", clean_session=True
        )  # fmt: skip
        if parts.scheme == "mqtts":
            self._client.tls_set(ca_certs=ca_file or None)
        if parts.username:
            self._client.username_pw_set(parts.username, parts.password or "")
        self._client.reconnect_delay_set(1, 300)
        self._client.on_connect = self._connected
        self._client.on_message = self._heard
        # A broker that is away is tried again, for as long as it takes.
        with suppress(OSError):
            self._client.connect_async(host, port, keepalive=120)
        self._client.loop_start()

    def close(self) -> None:
        """Hangs up."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, *_: Any) -> None:  # noqa: ANN401 - of the library
        client.subscribe(self._topic, qos=0)
        # What was said while nobody listened is asked for now.
        self._wake()

    def _heard(self, *_: Any) -> None:  # noqa: ANN401 - of the library
        self._wake()
