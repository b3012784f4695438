"""News over MQTT: a message says that there is something to ask for, never what. Without a broker, polling goes on."""

from __future__ import annotations

from collections.abc import Callable

import paho.mqtt.client as mqtt

from edgewright.fleet.wire.broker import connect, hang_up, news_topic

SPREAD = 10.0
"""Seconds over which woken devices spread their question."""


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
        self._topic, self._wake = news_topic(product), wake
        self._client = connect(url, f"ew-{device[:20]}", ca_file, self._connected, wake)

    def close(self) -> None:
        """Hangs up."""
        hang_up(self._client)

    def _connected(self, client: mqtt.Client) -> None:
        client.subscribe(self._topic, qos=0)
        # What was said while nobody listened is asked for now.
        self._wake()
