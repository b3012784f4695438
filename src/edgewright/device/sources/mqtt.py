"""Messages of an MQTT broker: a topic, or many under a wildcard, each of which is a stream."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from edgewright.core.errors import InputError, SourceError
from edgewright.core.records.data import Column
from edgewright.core.records.device import Packet
from edgewright.device.broker import new_client, paho
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._packet import Backoff, Repeats, Stamper, digest_of, notice_of
from edgewright.device.sources._payload import MessageSettings, PayloadReader

_PATIENCE = 5.0  # seconds to reach the broker
_MOST_PACKETS = 256  # taken in one read; what comes after waits in the socket, so the broker feels it
_LIBRARY_LOOK = 0.05
# So many messages, or so many seconds, may wait for their acknowledgement: a broker sends about twenty ahead.
_UNACKNOWLEDGED, _PATIENT = 10, 1.0
_REPEATS = 64


class MqttConfig(MessageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an MQTT source.

    Attributes:
        host, port: of the broker.
        topics: to subscribe to; + and # as MQTT has them. What stands for them names the stream.
        qos: 0, 1 or 2.
        client: name at the broker; with one, the broker keeps messages of qos 1 and 2 while this end is away, and each
            is acknowledged when what came of it is stored.
        user: at the broker; `password_file` holds its password.
        password_file: file whose first line is the password.
        ca: file with the certificates to trust; with it the line is encrypted.
        keepalive: seconds of silence after which the broker counts as gone.
        streams: most streams at once; the one that was silent longest is forgotten.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    topics: tuple[str, ...] = ()
    qos: Literal[0, 1, 2] = 1
    client: str = ""
    user: str = ""
    password_file: str = ""
    ca: str = ""
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30


@dataclass
class _Delivery:
    """Messages of a session that the broker keeps until they are acknowledged.

    Attributes:
        accepted, placed, durable: numbers of messages taken, covered by the last position, and stored.
        since: monotonic seconds of the first message after the last position; 0 for none.
        waiting: taken and not acknowledged: the number of each, its name at the broker and its qos.
        repeats: messages that the broker may send again.
    """

    accepted: int = 0
    placed: int = 0
    durable: int = 0
    since: float = 0.0
    waiting: deque[tuple[int, int, int]] = field(default_factory=deque)
    repeats: Repeats = field(default_factory=lambda: Repeats(1))


class MqttTopics(Stream):
    """Subscribed topics. The network is served within `read`, by the thread that reads: nothing piles up here.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all that the first message has.

    Raises:
        MissingExtraError: without paho-mqtt.
        InputError: for a topic that is none, or a file that cannot be read.
    """

    def __init__(self, config: MqttConfig, columns: tuple[str, ...]) -> None:
        self._library: Any = paho()
        self.rate = config.rate
        self.columns = columns
        self._config, self._wanted = config, columns
        self.origin, self._keeps = f"{config.host}:{config.port}", bool(config.client and config.qos)
        self.loses = "messages that arrive while the agent is away are lost: set client and qos=1"
        if self._keeps:
            self.origin += f" {config.client}"
            self.loses = (
                "" if config.qos == 1 else "a message of qos 2 on its way while the agent ends is lost: use qos=1"
            )
        self._delivery = _Delivery()
        self._readers: OrderedDict[str, tuple[PayloadReader, Stamper]] = OrderedDict()
        self._trained: Sequence[Column] = ()
        self._packets: list[Packet] = []
        self._backoff = Backoff()
        self._connected = self._was_there = False
        self._client = self._new_client()

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written in lines."""
        self._trained = columns

    def position(self) -> dict[str, Any] | None:
        """Return how many messages were taken, and the names of those that the broker may send again."""
        if not self._keeps:
            return None
        self._delivery.placed, self._delivery.since = self._delivery.accepted, 0.0
        return {"taken": self._delivery.accepted, "repeats": self._delivery.repeats.state()}

    def resume(self, position: dict[str, Any]) -> bool:
        """Know the messages whose acknowledgement the broker may not have got; it sends all others."""
        self._delivery.repeats.go_on(position["repeats"])
        return True

    def awaited(self) -> bool:
        """Return whether the broker waits for acknowledgements."""
        return self._delivery.accepted - self._delivery.placed >= _UNACKNOWLEDGED or (
            self._delivery.since > 0.0 and time.monotonic() - self._delivery.since >= _PATIENT
        )

    def stored(self, position: dict[str, Any] | None) -> None:
        """Acknowledge these messages with the next `read`."""
        if position is not None:
            self._delivery.durable = position["taken"]

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return messages that came, a packet each."""
        until = time.monotonic() + timeout
        while True:
            self._acknowledge()
            self._serve(max(0.0, min(_LIBRARY_LOOK, until - time.monotonic())))
            if self._packets:
                # What has arrived already is taken along, up to a bound.
                while len(self._packets) < _MOST_PACKETS:
                    before = len(self._packets)
                    self._serve(0.0)
                    if len(self._packets) == before:
                        break
                packets, self._packets = self._packets, []
                return packets
            left = until - time.monotonic()
            if left <= 0:
                return []
            if not self._connected:
                time.sleep(min(left, max(0.01, self._backoff.wait())))

    def close(self) -> None:
        """Acknowledge what was stored, and say goodbye to the broker."""
        if self._connected:
            self._acknowledge()
            self._client.disconnect()
            self._client.loop(0.0)
        self._connected = False

    def _new_client(self) -> Any:  # noqa: ANN401 - paho is loaded late
        config = self._config
        client = new_client(
            config.client, user=config.user, password_file=config.password_file, ca_file=config.ca,
            clean_session=not config.client, manual_ack=self._keeps,
        )  # fmt: skip
        client.connect_timeout = _PATIENCE
        client.on_connect, client.on_message = self._on_connect, self._on_message
        client.on_subscribe, client.on_disconnect = self._on_subscribe, self._on_disconnect
        return client

    def _acknowledge(self) -> None:
        while self._connected and self._delivery.waiting and self._delivery.waiting[0][0] <= self._delivery.durable:
            _, mid, qos = self._delivery.waiting.popleft()
            self._client.ack(mid, qos)

    def _new(self, message: Any) -> bool:  # noqa: ANN401 - paho is loaded late
        """Take a message, which is acknowledged in its time; whether it was not taken before."""
        if not self._keeps or not message.qos:
            return True
        name = digest_of(message.topic, bytes(message.payload))
        if message.dup and self._delivery.repeats.known(str(message.mid), name):
            if all(mid != message.mid for _, mid, _ in self._delivery.waiting):
                self._client.ack(message.mid, message.qos)
            return False
        self._delivery.accepted += 1
        self._delivery.since = self._delivery.since or time.monotonic()
        self._delivery.waiting.append((self._delivery.accepted, message.mid, message.qos))
        self._delivery.repeats.add(str(message.mid), name, max(_REPEATS, 2 * len(self._delivery.waiting)))
        return True

    def _serve(self, wait: float) -> None:
        if not self._connected and not self._connect():
            return
        if self._client.loop(wait) != self._library.MQTT_ERR_SUCCESS:
            self._lost("the broker is gone")

    def _connect(self) -> bool:
        if self._backoff.wait():
            return False
        try:
            self._client.connect(self._config.host, self._config.port, self._config.keepalive)
        except (OSError, ValueError) as error:
            self._lost(f"no broker at {self._config.host}:{self._config.port} ({_reason(error)})")
            return False
        self._connected = True
        return True

    def _lost(self, why: str) -> None:
        if self._connected or not self._was_there:
            self._say(f"{why}: retrying")
        self._connected, self._was_there = False, True
        self._backoff.failed()

    def _say(self, text: str, stream: str = "") -> None:
        self._packets.append(notice_of(text, len(self.columns), stream))

    def _on_connect(self, client: Any, _data: Any, flags: Any, code: Any, _properties: Any) -> None:  # noqa: ANN401
        if code.is_failure:
            self._lost(f"the broker refuses: {code}")
            return
        if self._was_there:
            self._say("the broker is there")
        self._was_there = True
        self._backoff.worked()
        if not flags.session_present:  # the broker forgot what it had sent
            self._delivery.waiting.clear()
        client.subscribe([(topic, self._config.qos) for topic in self._config.topics])

    def _on_subscribe(self, _client: Any, _data: Any, _id: Any, codes: Any, _properties: Any) -> None:  # noqa: ANN401
        for topic, code in zip(self._config.topics, codes, strict=False):
            if code.is_failure:
                self._say(f"the broker refuses the topic {topic}: {code}")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:  # noqa: ANN401
        if self._connected:
            self._lost(f"the broker is gone ({code})" if code.is_failure else "the broker is gone")

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:  # noqa: ANN401
        stream = stream_of(self._config.topics, message.topic)
        if not self._new(message):
            return
        if message.retain:
            return  # kept by the broker from some earlier time, and given again at every connection
        if len(message.payload) > self._config.largest:
            self._say(f"a message of {len(message.payload)} bytes was skipped", stream)
            return
        reader, stamper = self._of(stream, message.topic)
        try:
            arrived = reader.read(bytes(message.payload))
        except InputError as error:
            self._say(str(error), stream)
            return
        except (
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:  # sent again, it would end the agent again
            self._say(f"a message that cannot be read ({type(error).__name__}) was skipped", stream)
            return
        self.columns = self.columns or reader.columns
        self.rate = self._config.rate or reader.rate
        if len(arrived.values) or arrived.notices:
            self._packets.append(stamper.packet(arrived))

    def _of(self, stream: str, topic: str) -> tuple[PayloadReader, Stamper]:
        if stream not in self._readers:
            reader = PayloadReader(self._wanted, topic, self._config)
            reader.read_as(self._trained)
            self._readers[stream] = (reader, Stamper(stream, self._config.rate))
            if len(self._readers) > self._config.streams:
                oldest, _ = self._readers.popitem(last=False)
                self._say(f"more than {self._config.streams} streams: {oldest!r} is forgotten")
        self._readers.move_to_end(stream)
        return self._readers[stream]


def stream_of(topics: Sequence[str], topic: str) -> str:
    """Return what the wildcards match; the whole topic where several are subscribed; empty without a wildcard."""
    if len(topics) > 1:
        return topic
    pattern, levels = topics[0].split("/"), topic.split("/")
    matched = [level for want, level in zip(pattern, levels, strict=False) if want == "+"]
    if pattern[-1] == "#":
        matched += levels[len(pattern) - 1 :]
    return "/".join(matched)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text)[:80]


def _check_topic(topic: str) -> None:
    levels = topic.split("/")
    wrong = any("+" in level and level != "+" for level in levels)
    wrong |= any("#" in level and (level != "#" or index < len(levels) - 1) for index, level in enumerate(levels))
    if not topic or wrong or "\0" in topic or len(topic.encode()) > 65535:
        raise SourceError("a topic of MQTT, + for one level and # for the rest", repr(topic), "--source mqtt:")


def _settings_of(text: str) -> dict[str, str]:
    broker, _, topic = text.partition("/")
    host, colon, port = broker.rpartition(":")
    given = {"host": host if colon else broker, "port": port if colon else "", "topics": topic}
    return {key: value for key, value in given.items() if value}


def _open(config: MqttConfig, columns: tuple[str, ...]) -> Stream:
    if not config.topics:
        raise SourceError("a topic", "none", "--source mqtt:", "Name it: mqtt:127.0.0.1:1883/sensors/+")
    for topic in config.topics:
        _check_topic(topic)
    return MqttTopics(config, columns)


STREAM = StreamKind(
    config=MqttConfig, open=_open, example="mqtt:127.0.0.1:1883/sensors/+/imu", location_settings=_settings_of
)
