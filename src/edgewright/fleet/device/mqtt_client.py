"""A device's connection to a broker: news that something was published.

News say that there is something to ask for, never what. Without a broker polling goes on.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt

from edgewright.fleet.protocol.wire.broker import connect, hang_up, news_topic

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
