"""A topic of an MQTT broker, with an acknowledgement of our own or, towards a cloud, of the broker.

The broker's PUBACK says that a broker took a message, into memory as a rule: one killed with default settings lost
3,000 of 3,000 acknowledged messages (DESIGN.md, decision 10). So whoever stores the items answers on a second
topic, after its own commit, and only that counts. A broker of a cloud has no such receiver: there PUBACK counts where
the settings say so.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from edgewright.core.errors import InputError, OutputError, SinkSettingsError
from edgewright.device.broker import new_client, paho
from edgewright.device.sinks import (
    NeverError,
    Sink,
    SinkConfig,
    SinkKind,
    acknowledgement,
    lines,
    require_loopback_or_tls,
)
from edgewright.device.store.records import OutboxItem, Position

# Letters of a topic or a name at the broker.
_LONGEST = 1024


class MqttConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        host, port: of the broker.
        topic: items go to TOPIC/DEVICE/items as JSON lines; acknowledgements come on TOPIC/DEVICE/durable. Where the
            broker acknowledges, it is the whole topic of one item, and {device} and {kind} stand for the names of the
            device and of the event, such as dt/plant/{device}/{kind}.
        acknowledged_by: 'receiver' answers on a topic once items are on its disk. 'broker' takes the broker's
            acknowledgement (PUBACK) as enough: for the brokers of clouds, which store a message before they send it. A
            Mosquitto with default settings keeps messages in memory and loses them when it is killed, and a broker of
            MQTT 3.1.1 alone acknowledges also what its rights forbid.
        timeout: seconds to wait for a connection, and for the acknowledgement of a batch.
        tls: encrypt; required unless the broker is on this machine.
        ca_file: certificates that are trusted instead of the system's.
        user, password_file: for the broker; empty for none.
        certificate, key_file: of this device in PEM, for a broker that asks for them; both need tls.
        client: name at the broker; empty for edgewright-DEVICE.
        in_flight: messages on their way at most; further ones wait in the store. Only where the broker acknowledges.
        largest_bytes: an item that is larger is never sent to a broker that acknowledges: 128 KiB is a usual limit.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    topic: str = "edgewright"
    timeout: float = 10.0
    tls: bool = False
    ca_file: str = ""
    user: str = ""
    password_file: str = ""
    acknowledged_by: Literal["receiver", "broker"] = "receiver"
    certificate: str = ""
    key_file: str = ""
    client: Annotated[str, msgspec.Meta(max_length=_LONGEST)] = ""
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    largest_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 28)] = 128 << 10


class _ItemKind(msgspec.Struct):
    kind: str = "item"
    body: dict[str, Any] = {}


def _kind_of(item: OutboxItem) -> str:
    """Return the kind of the event of an item, or of the item where it is none."""
    record = msgspec.json.decode(item.body, type=_ItemKind)
    kind = record.body.get("kind") if record.kind == "event" else None
    return kind if isinstance(kind, str) and kind else record.kind


def _level(name: str) -> str:
    """Return a name as one level of a topic."""
    return re.sub(r"[/+#\0]", "_", name)


class _Mqtt(Sink):
    def __init__(self, config: MqttConfig) -> None:
        require_loopback_or_tls(config.host, config.tls, "[[sink]] host")
        if bool(config.certificate) != bool(config.key_file) or (config.certificate and not config.tls):
            raise SinkSettingsError(
                "certificate and key_file together, with tls = true", "only some of them", "[[sink]]"
            )
        if "#" in config.topic or "+" in config.topic:
            raise SinkSettingsError("a topic without wildcards", repr(config.topic), "[[sink]] topic")
        if not config.topic or "\0" in config.topic or len(config.topic) > _LONGEST:
            raise SinkSettingsError(f"a topic of 1 to {_LONGEST} letters", repr(config.topic)[:80], "[[sink]] topic")
        self._library: Any = paho()
        self._config = config
        self._client: Any = None
        self._device = ""
        self._changed = threading.Condition()
        self._durable: set[Position] = set()
        self._ready = False
        self._refused = ""
        self._cloud = config.acknowledged_by == "broker"
        # Of a broker that acknowledges: numbers of messages that it took.
        self._acknowledged: set[int] = set()
        self._in_flight = config.in_flight
        # A broker of version 3.1.1 acknowledges also what its rights forbid, and drops it; version 5 says so.
        self._protocol: int = self._library.MQTTv5 if self._cloud else self._library.MQTTv311

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """Publish a batch and wait until all of it is acknowledged, or as long as the timeout.

        Raises:
            NeverError: an item is larger than the broker takes.
            OutputError: the broker cannot be reached, or refuses this device.
        """
        limit = self._config.largest_bytes
        large = {item.position: f"{len(item.body):,} bytes; the broker takes {limit:,}" for item in batch
                 if len(item.body) > limit} if self._cloud else {}  # fmt: skip
        if large:
            raise NeverError(large)
        self._connect(device)
        wanted = {item.position for item in batch}
        with self._changed:
            self._durable &= wanted
            self._acknowledged.clear()
        # Without the lock: paho holds one of its own while it reports a message, and takes it here.
        on_way: dict[int, Position] = {}
        try:
            if self._cloud:
                for item in batch:
                    on_way[self._publish(self._topic_of(device, item), item.body)] = item.position
            else:
                self._publish(f"{self._config.topic}/{device}/items", lines(batch))
        except OutputError:
            self.close()
            raise
        with self._changed:
            self._changed.wait_for(lambda: not self._ready or self._is_answered(wanted, on_way), self._config.timeout)
            self._durable.update(position for number, position in on_way.items() if number in self._acknowledged)
            arrived = sorted(wanted & self._durable)
            lost, refused = not self._ready, self._refused
        if lost or not arrived or (self._cloud and len(arrived) < len(wanted)):
            # A new connection next time: this one may hold the batch and would send it beside the next.
            self.close()
        if refused and not arrived:
            raise OutputError("the broker to take a message", refused, self._where())
        return arrived

    def _is_answered(self, wanted: set[Position], on_way: dict[int, Position]) -> bool:
        if self._cloud:
            return bool(self._refused) or on_way.keys() <= self._acknowledged
        return wanted <= self._durable

    def _topic_of(self, device: str, item: OutboxItem) -> str:
        """Return the topic of an item at a broker that acknowledges."""
        return self._config.topic.replace("{device}", _level(device)).replace("{kind}", _level(_kind_of(item)))

    def _publish(self, topic: str, content: bytes) -> int:
        """Hand a message to the client, and return its number."""
        record = self._client.publish(topic, content, qos=1)
        if record.rc != self._library.MQTT_ERR_SUCCESS:
            raise OutputError("the broker to take a batch", self._library.error_string(record.rc), self._where())
        number: int = record.mid
        return number

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
            config.client or f"edgewright-{device}"[:60], user=config.user, password_file=config.password_file,
            tls=config.tls, ca_file=config.ca_file, certificate=config.certificate, key_file=config.key_file,
            protocol=self._protocol,
        )  # fmt: skip
        client.reconnect_delay_set(1, 60)
        client.max_inflight_messages_set(self._in_flight)
        client.on_connect = lambda *arguments: self._connected(client, arguments[3], arguments[4], device)
        client.on_subscribe = lambda *_: self._set_ready(True)
        client.on_disconnect = lambda *arguments: self._disconnected(arguments[3])
        client.on_message = lambda _client, _data, message: self._take(message.payload)
        if self._cloud:
            client.on_publish = lambda *arguments: self._arrived(arguments[2], arguments[3])
        self._client, self._device, self._refused = client, device, ""
        try:
            client.connect(config.host, config.port, keepalive=30)
        except (OSError, UnicodeError) as error:  # a name of a host that cannot be one is the latter
            self._client = None
            raise OutputError("a broker", getattr(error, "strerror", None) or str(error), self._where()) from None
        client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or bool(self._refused), config.timeout)
            ready, refused = self._ready, self._refused
        if not ready:
            self.close()
            raise OutputError("the broker to answer", refused or f"silence for {config.timeout:g} s", self._where())

    def _disconnected(self, reason: Any) -> None:  # noqa: ANN401 - paho's
        with self._changed:
            if not self._ready:
                self._refused = self._refused or f"a line that it closed ({reason}): does it know this device?"
        self._set_ready(False)

    def _connected(self, client: Any, reason: Any, properties: Any, device: str) -> None:  # noqa: ANN401 - paho's
        if reason.is_failure:
            with self._changed:
                self._refused = str(reason)
                if self._refused == "Unsupported protocol version":
                    self._protocol = self._library.MQTTv311
                self._changed.notify_all()
        elif (allowed := getattr(properties, "ReceiveMaximum", self._in_flight)) < self._in_flight:
            with self._changed:  # paho looks at this limit at no time, and changes its own before it connects alone
                self._in_flight = allowed
                self._refused = f"at most {allowed} messages at once, which the next connection keeps to"
                self._changed.notify_all()
        elif self._cloud:
            self._set_ready(True)
        else:
            client.subscribe(f"{self._config.topic}/{device}/durable", qos=1)

    def _arrived(self, number: int, reason: Any) -> None:  # noqa: ANN401 - paho's
        """Take the broker's acknowledgement of a message, or that it takes no such message."""
        with self._changed:
            if reason.is_failure:
                self._refused = str(reason)
            else:
                self._acknowledged.add(number)
            self._changed.notify_all()

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
