"""A connection to an MQTT broker that may be away: it is tried again for as long as it takes, and nobody waits.

A device hears on it that something was published: that there is something to ask for, never what.
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
"""Seconds to the next try: the first and the longest are drawn once for each connection, between these; it doubles."""
_KEEP_ALIVE = 120


def news_topic(product: str) -> str:
    """Return the topic on which news of a product are said."""
    return TOPIC.format(product=product)


def connect(
    url: str, name: str, ca_file: str, connected: Callable[[mqtt.Client], None],
    heard: Callable[[mqtt.MQTTMessage], None] | None = None, *, lost: Callable[[], None] | None = None,
    failed: Callable[[], None] | None = None,
) -> mqtt.Client:  # fmt: skip
    """Return a connection that comes about by itself, now or later.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        name: of the connection; a second one of that name would end it.
        ca_file: certificates trusted instead of the system's; empty for the system's.
        connected: called, from another thread, each time that there is a connection.
        heard: called, from another thread, at each message.
        lost: called, from another thread, each time that a connection has ended.
        failed: called, from another thread, each time that there is nobody at the address.

    Raises:
        InputError: no such address, or certificates that cannot be read.
    """
    parts = checked_broker(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    if parts.scheme == "mqtts":
        with os_errors(InputError, "certificates in PEM", ca_file):
            client.tls_set(ca_certs=ca_file or None)
    if parts.username:
        client.username_pw_set(parts.username, parts.password or "")
    # Paho's own pauses have no chance in them: a fleet that lost its broker would come back in a few moments, together.
    client.reconnect_delay_set(random.uniform(*_FIRST), random.uniform(*_LONGEST))  # type: ignore[arg-type]  # noqa: S311

    def on_connect(client: mqtt.Client, userdata: object, flags: object, code: Any, *_: Any) -> None:  # noqa: ANN401
        if not code.is_failure:
            connected(client)

    client.on_connect = on_connect
    if heard is not None:
        client.on_message = lambda client, userdata, message: heard(message)
    if lost is not None:
        client.on_disconnect = lambda *_: lost()
    if failed is not None:
        client.on_connect_fail = lambda *_: failed()
    with suppress(OSError):
        client.connect_async(parts.hostname or "", parts.port or _PORTS[parts.scheme], keepalive=_KEEP_ALIVE)
    client.loop_start()
    return client


def hang_up(client: mqtt.Client) -> None:
    """End a connection; one that is just being tried ends by itself a little later."""
    client.disconnect()
    ending = threading.Thread(target=client.loop_stop, daemon=True)
    ending.start()
    ending.join(_PATIENCE)


def checked_broker(url: str) -> SplitResult:
    """Return the parts of a broker's address.

    Raises:
        InputError: no such address, or one without TLS that other machines reach.
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
"""Seconds over which woken devices spread their requests."""


class NewsSubscriber:
    """Subscribes to news at a broker.

    A message is not trusted: whoever can publish on the topic of news can make devices poll, and no more.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        product: whose news.
        wake: called, from another thread, at each message of news and whenever the connection is back.
        device: id, and name of the connection.
        ca_file: certificates trusted instead of the system's.

    Raises:
        InputError: no such address.
    """

    def __init__(self, url: str, product: str, wake: Callable[[], None], device: str, ca_file: str = "") -> None:
        self._topic, self._wake = news_topic(product), wake
        self._client = connect(url, device, ca_file, self._connected, lambda message: wake())

    def close(self) -> None:
        """Disconnects."""
        hang_up(self._client)

    def _connected(self, client: mqtt.Client) -> None:
        client.subscribe(self._topic)
        # News published while nobody listened are asked for now.
        self._wake()


def delayed(news: Callable[[], None]) -> Callable[[], None]:
    """Return a callback that reports news some seconds later: many devices hear a message at once."""

    def wake() -> None:
        timer = threading.Timer(SPREAD * random.random(), news)  # noqa: S311 - spreads load
        timer.daemon = True
        timer.start()

    return wake
