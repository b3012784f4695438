"""A connection to an MQTT broker: it reconnects in the background for as long as necessary.

A message on it only tells the device to poll; it never contains the news itself.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgewright.core.files import os_errors
from edgewright.device.sinks import require_loopback_or_tls
from edgewright.schema.errors import InputError

TOPIC = "edgewright/{product}/news"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PATIENCE = 2.0
_FIRST, _LONGEST = (1.0, 5.0), (60.0, 120.0)
"""Ranges in seconds of the first and the longest reconnect delay, drawn once per connection; the delay doubles."""
_KEEP_ALIVE = 120


def news_topic(product: str) -> str:
    """Return the topic for news of a product."""
    return TOPIC.format(product=product)


def connect(
    url: str, name: str, ca_file: str, connected: Callable[[mqtt.Client], None],
    received: Callable[[mqtt.MQTTMessage], None] | None = None, *, lost: Callable[[], None] | None = None,
    failed: Callable[[], None] | None = None,
) -> mqtt.Client:  # fmt: skip
    """Return a client that connects in the background, now or later.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        name: client id; a second client with the same id would end the connection.
        ca_file: trusted certificates instead of the system's; empty for the system's.
        connected: called from another thread each time the client has connected.
        received: called from another thread for each message.
        lost: called from another thread each time a connection has ended.
        failed: called from another thread each time a connection attempt fails.

    Raises:
        InputError: the address is invalid, or the certificates cannot be read.
    """
    parts = checked_broker(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    if parts.scheme == "mqtts":
        with os_errors(InputError, "certificates in PEM", ca_file):
            client.tls_set(ca_certs=ca_file or None)
    if parts.username:
        client.username_pw_set(parts.username, parts.password or "")
    # Paho's own delays are not random: after a broker outage the whole fleet would reconnect at the same moments.
    client.reconnect_delay_set(random.uniform(*_FIRST), random.uniform(*_LONGEST))  # type: ignore[arg-type]  # noqa: S311

    def on_connect(client: mqtt.Client, userdata: object, flags: object, code: Any, *_: Any) -> None:  # noqa: ANN401
        if not code.is_failure:
            connected(client)

    client.on_connect = on_connect
    if received is not None:
        client.on_message = lambda client, userdata, message: received(message)
    if lost is not None:
        client.on_disconnect = lambda *_: lost()
    if failed is not None:
        client.on_connect_fail = lambda *_: failed()
    with suppress(OSError):
        client.connect_async(parts.hostname or "", parts.port or _PORTS[parts.scheme], keepalive=_KEEP_ALIVE)
    client.loop_start()
    return client


def hang_up(client: mqtt.Client) -> None:
    """Disconnect; a connection attempt in progress ends a little later."""
    client.disconnect()
    ending = threading.Thread(target=client.loop_stop, daemon=True)
    ending.start()
    ending.join(_PATIENCE)


def checked_broker(url: str) -> SplitResult:
    """Check a broker's address and return its parts.

    Raises:
        InputError: the address is invalid, or it lacks TLS and is not on this machine.
    """
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.scheme in _PORTS and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise InputError("an address mqtts://HOST[:PORT]", repr(url), "the broker")
    require_loopback_or_tls(parts.hostname or "", parts.scheme == "mqtts", "the broker")
    return parts


SPREAD = 10.0
"""Seconds over which notified devices spread their requests."""


class NewsSubscriber:
    """Subscribes to news of a product at a broker.

    Messages are not trusted: a client that can publish on the topic can only make devices poll.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        product: product of the news.
        wake: called from another thread for each message and after each reconnection.
        device: id of the device, used as client id.
        ca_file: trusted certificates instead of the system's.

    Raises:
        InputError: the address is invalid.
    """

    def __init__(self, url: str, product: str, wake: Callable[[], None], device: str, ca_file: str = "") -> None:
        self._topic, self._wake = news_topic(product), wake
        self._client = connect(url, device, ca_file, self._connected, lambda message: wake())

    def close(self) -> None:
        """Disconnect from the broker."""
        hang_up(self._client)

    def _connected(self, client: mqtt.Client) -> None:
        client.subscribe(self._topic)
        # Poll for news that was published while the device was disconnected.
        self._wake()


def delayed(news: Callable[[], None]) -> Callable[[], None]:
    """Return a callback that reports news after a random delay: many devices receive a message at the same moment."""

    def wake() -> None:
        timer = threading.Timer(SPREAD * random.random(), news)  # noqa: S311 - spreads load
        timer.daemon = True
        timer.start()

    return wake
