"""A topic of an MQTT broker, with an acknowledgement of our own.

The broker's PUBACK says that a broker took a message, into memory as a rule: one killed with default settings lost
3,000 of 3,000 acknowledged messages (DESIGN.md, decision 10). So whoever stores the items answers on a second
topic, after its own commit, and only that counts.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from edgewright.device.broker import new_client, paho
from edgewright.device.sinks import Sink, SinkConfig, SinkKind, acknowledgement, lines, require_loopback_or_tls
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.store import OutboxItem, Position


class MqttConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        host, port: of the broker.
        topic: items go to TOPIC/DEVICE/items as JSON lines; acknowledgements come on TOPIC/DEVICE/durable.
        timeout: seconds to wait for a connection, and for the acknowledgement of a batch.
        tls: encrypt; required unless the broker is on this machine.
        ca_file: certificates that are trusted instead of the system's.
        user, password_file: for the broker; empty for none.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    topic: str = "edgewright"
    timeout: float = 10.0
    tls: bool = False
    ca_file: str = ""
    user: str = ""
    password_file: str = ""


class _Mqtt(Sink):
    def __init__(self, config: MqttConfig) -> None:
        require_loopback_or_tls(config.host, config.tls, "[[sink]] host")
        if "#" in config.topic or "+" in config.topic:
            raise InputError("a topic without wildcards", repr(config.topic), "[[sink]] topic")
        self._library: Any = paho()
        self._config = config
        self._client: Any = None
        self._device = ""
        self._changed = threading.Condition()
        self._durable: set[Position] = set()
        self._ready = False

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """Publish a batch and wait until all of it is acknowledged, or as long as the timeout."""
        self._connect(device)
        wanted = {item.position for item in batch}
        with self._changed:
            self._durable &= wanted
            record = self._client.publish(f"{self._config.topic}/{device}/items", lines(batch), qos=1)
            if record.rc != self._library.MQTT_ERR_SUCCESS:
                raise OutputError("the broker to take a batch", self._library.error_string(record.rc), self._where())
            self._changed.wait_for(lambda: wanted <= self._durable or not self._ready, self._config.timeout)
            arrived = sorted(wanted & self._durable)
            lost = not self._ready
        if lost or not arrived:
            # A new connection next time: this one may hold the batch and would send it beside the next.
            self.close()
        return arrived

    def close(self) -> None:
        """Leave the broker."""
        client, self._client = self._client, None
        self._ready = False
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connect(self, device: str) -> None:
        if self._client is not None and self._ready and device == self._device:
            return
        self.close()
        config = self._config
        client = new_client(
            f"edgewright-{device}"[:60], user=config.user, password_file=config.password_file,
            ca_file=config.ca_file if config.tls else "",
        )  # fmt: skip
        client.reconnect_delay_set(1, 60)
        if config.tls and not config.ca_file:
            client.tls_set()
        client.on_connect = lambda *_: client.subscribe(f"{config.topic}/{device}/durable", qos=1)
        client.on_subscribe = lambda *_: self._set_ready(True)
        client.on_disconnect = lambda *_: self._set_ready(False)
        client.on_message = lambda _client, _data, message: self._take(message.payload)
        self._client, self._device = client, device
        try:
            client.connect(config.host, config.port, keepalive=30)
        except OSError as error:
            self._client = None
            raise OutputError("a broker", error.strerror or str(error), self._where()) from None
        client.loop_start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready, config.timeout):
                self.close()
                raise OutputError("the broker to answer", f"silence for {config.timeout:g} s", self._where())

    def _set_ready(self, ready: bool) -> None:
        with self._changed:
            self._ready = ready
            self._changed.notify_all()

    def _take(self, content: bytes) -> None:
        try:
            places = acknowledgement(content, self._where()).durable
        except InputError:
            return  # whoever sent that: it acknowledges nothing
        with self._changed:
            self._durable.update(places)
            self._changed.notify_all()

    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"


SINK = SinkKind(MqttConfig, _Mqtt, MqttConfig())
