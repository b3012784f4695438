"""The shadow service at the broker: takes messages in batches, commits, then tells and acknowledges.

One retained message a device, https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from edgewright.device.broker import new_client, paho
from edgewright.device.bus.settings import BATCH, SHADOW_USER, BusDevice, BusSettings, Entity
from edgewright.device.bus.shadow_store import Kind, Message, Shadows, ShadowStore, state_of
from edgewright.device.sinks import require_loopback_or_tls
from edgewright.schema.errors import InputError, OutputError

SUPPORT_URL = "https://www.home-assistant.io/integrations/mqtt/"
AGENT_ENTITIES = {
    "decision": Entity(name="Decision"),
    "state": Entity(name="State of the rules"),
    "alarm": Entity(name="Last alarm"),
    "alarm_at": Entity(name="Time of the last alarm", device_class="timestamp"),
}
"""What a device with an agent shows besides its own entities."""
WRITTEN = ("number", "switch", "select")
"""Kinds of entities that write the desired value of their key."""


def discovery_message(settings: BusSettings, name: str, version: str) -> tuple[str, dict[str, Any]]:
    """Return topic and content of the message for one device.

    Args:
        settings: of the bus.
        name: name of the device.
        version: of Edgewright.
    """
    device = settings.devices[name]
    identity = f"{settings.topic.replace('/', '_')}_{name}"
    components = {key: _component(settings, name, key, entity, identity) for key, entity in entities(device).items()}
    about = {"identifiers": [identity], "name": device.name or name, "manufacturer": "Edgewright"}
    return f"{settings.discovery}/device/{identity}/config", {
        "device": about | ({"model": device.model} if device.model else {}),
        "origin": {"name": "edgewright", "sw_version": version, "support_url": SUPPORT_URL},
        "components": components,
        "availability_topic": settings.status_topic,
        "qos": 1,
    }


def entities(device: BusDevice) -> dict[str, Entity]:
    """Return the entities of a device by key of its shadow."""
    return {**(AGENT_ENTITIES if device.agent else {}), **device.entities}


def _component(settings: BusSettings, name: str, key: str, entity: Entity, identity: str) -> dict[str, Any]:
    """Return one entity: it shows the reported value, before the first report the desired one."""
    shown = f"value_json.reported.get('{key}', value_json.desired.get('{key}'))"
    component: dict[str, Any] = {
        "platform": entity.kind, "unique_id": f"{identity}_{key}", "name": entity.name or key,
        "state_topic": settings.of(name, "state"), "value_template": f"{{{{ {shown} }}}}",
    }  # fmt: skip
    if entity.unit:
        component["unit_of_measurement"] = entity.unit
    if entity.device_class:
        component["device_class"] = entity.device_class
    if entity.kind in ("binary_sensor", "switch"):
        # 'None' is unknown.
        component["value_template"] = f"{{{{ 'ON' if {shown} == true else 'OFF' if {shown} == false else 'None' }}}}"
    if entity.kind in WRITTEN:
        component["command_topic"] = settings.of(name, "desired")
    if entity.kind == "switch":
        component |= {
            "payload_on": f'{{"{key}": true}}', "payload_off": f'{{"{key}": false}}', "state_on": "ON",
            "state_off": "OFF",
        }  # fmt: skip
    elif entity.kind in WRITTEN:
        component["command_template"] = f'{{"{key}": {{{{ value | to_json }}}}}}'
    if entity.kind == "number":
        component |= {"min": entity.minimum, "max": entity.maximum, "step": entity.step}
    if entity.kind == "select":
        component["options"] = list(entity.options)
    return component


_PATIENCE_S, _AGAIN_S, _KEEPALIVE_S = 10.0, 5.0, 30


class ShadowService:
    """Serves the shadows of a store over one broker, in the thread that calls `run`.

    A message is acknowledged to the broker after the commit of its batch, so that the broker gives it again to a
    service that died in between; a batch that comes twice ends in the same values.

    Args:
        settings: of the bus.
        store: of the shadows.
        version: of Edgewright, for Home Assistant.
        say: receives lines for people.

    Attributes:
        received: number of messages so far.

    Raises:
        MissingExtraError: without paho-mqtt.
        InputError: a broker elsewhere without TLS, or a password that cannot be read.
    """

    def __init__(
        self, settings: BusSettings, store: ShadowStore, version: str, say: Callable[[str], None] = lambda _: None
    ) -> None:
        broker = settings.broker
        require_loopback_or_tls(broker.host, bool(broker.ca_file), "[broker] host")
        self._library: Any = paho()
        self._settings, self._version, self._say = settings, version, say
        self._shadows = Shadows(store, say)
        self._inbox: list[tuple[Message | None, int, int]] = []
        self._connected = self._ready = self._silent = False
        self.received = 0
        self._client = self._new_client()

    def run(self, stop: Callable[[], bool], ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` returns true; a broker that is away is asked again.

        Args:
            stop: asked several times a second.
            ready: called when the broker has taken the subscriptions for the first time.

        Raises:
            InputError: the broker refuses the password.
            OutputError: the disk refuses a change.
        """
        announced = False
        while not stop():
            if not self._connected and not self._connect():
                self._rest(stop)
                continue
            self._receive()
            self._take()
            if self._ready and not announced:
                announced = True
                ready()
        if self._connected:
            self._publish(self._settings.status_topic, b"offline")
            self._client.loop(0.1)
            self._client.disconnect()

    def _receive(self) -> None:
        """Read what the broker has sent, up to a batch."""
        self._serve(0.2)
        while self._connected and self._inbox and len(self._inbox) < BATCH:
            before = len(self._inbox)
            self._serve(0.0)
            if len(self._inbox) == before:
                break

    def _serve(self, wait: float) -> None:
        if self._client.loop(wait) != self._library.MQTT_ERR_SUCCESS:
            self._lost("the broker is gone")

    def _take(self) -> None:
        inbox, self._inbox = self._inbox, []
        if not inbox:
            return
        try:
            result = self._shadows.take([message for message, _, _ in inbox if message is not None])
        except Exception as error:
            if isinstance(error, InputError):
                raise
            raise OutputError("to make shadows durable", str(error), "the store of shadows") from error
        self.received += len(inbox)
        for device in result.changed:
            self._announce(device)
        for device, places in result.durable.items():
            self._publish(
                f"{self._settings.events}/{device}/durable", msgspec.json.encode({"durable": places}), keep=False
            )
        for _, number, quality in inbox:
            if quality:
                self._client.ack(number, quality)

    def _announce(self, device: str) -> None:
        shadow = self._shadows.shadows[device]
        self._publish(self._settings.of(device, "state"), state_of(shadow))
        self._publish(self._settings.of(device, "delta"), msgspec.json.encode(shadow.delta()))
        self._publish(self._settings.of(device, f"copy/{self._shadows.origin}"), shadow.encode())

    def _publish(self, topic: str, content: bytes, *, keep: bool = True) -> None:
        # What is retained is told again at every start; a message that is lost before is only late.
        self._client.publish(topic, content, qos=0 if keep else 1, retain=keep)

    def _new_client(self) -> Any:  # noqa: ANN401 - paho is loaded late
        broker = self._settings.broker
        client = new_client(
            f"edgewright-shadow-{self._shadows.origin}", user=SHADOW_USER if broker.password_file else "",
            password_file=broker.password_file, ca_file=broker.ca_file, clean_session=False, manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = _PATIENCE_S
        client.will_set(self._settings.status_topic, b"offline", qos=1, retain=True)
        client.on_connect, client.on_message = self._on_connect, self._on_message
        client.on_subscribe, client.on_disconnect = self._on_subscribe, self._on_disconnect
        return client

    def _connect(self) -> bool:
        broker = self._settings.broker
        try:
            self._client.connect(broker.host, broker.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._lost(f"no broker at {broker.host}:{broker.port} ({error})")
            return False
        self._connected = True
        return True

    def _lost(self, why: str) -> None:
        if self._connected or not self._silent:
            self._say(f"{why}: asked again every {_AGAIN_S:g} s")
        self._connected, self._silent = False, True
        # They were not acknowledged: the broker gives them again.
        self._inbox.clear()

    def _rest(self, stop: Callable[[], bool]) -> None:
        until = time.monotonic() + _AGAIN_S
        while time.monotonic() < until and not stop():
            time.sleep(0.1)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:  # noqa: ANN401
        if code.is_failure:
            where = f"{self._settings.broker.host}:{self._settings.broker.port}"
            do = "edgewright bus rights writes its files; restart it with them"
            raise InputError("a broker that knows this password", str(code), where, do)
        settings = self._settings
        topics = [settings.of("+", part) for part in ("desired", "reported", "copy/+")]
        client.subscribe([(topic, 1) for topic in (*topics, f"{settings.events}/+/items")])

    def _on_subscribe(self, *_: Any) -> None:  # noqa: ANN401
        """Tell everything again: the broker may have lost what it retained."""
        settings = self._settings
        self._publish(settings.status_topic, b"online")
        for device in self._shadows.shadows:
            self._announce(device)
        if settings.discovery:
            for name in settings.devices:
                topic, content = discovery_message(settings, name, self._version)
                self._publish(topic, msgspec.json.encode(content))
        if self._silent:
            self._say("the broker is there")
        self._ready, self._silent = True, False

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:  # noqa: ANN401
        if self._connected and code.is_failure:
            self._lost(f"the broker is gone ({code})")

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:  # noqa: ANN401
        self._inbox.append((self._parsed(message), message.mid, message.qos))

    def _parsed(self, message: Any) -> Message | None:  # noqa: ANN401
        """Return what a message is about; None where it does not count, which is acknowledged all the same."""
        topic, settings = message.topic, self._settings
        if topic.startswith(f"{settings.events}/") and topic.endswith("/items"):
            return Message("items", topic[len(settings.events) + 1 : -len("/items")], message.payload)
        device, _, rest = topic[len(settings.of("", "")) - 1 :].partition("/")
        kind, _, origin = rest.partition("/")
        known: dict[str, Kind] = {"desired": "desired", "reported": "reported", "copy": "copy"}
        # An order that the broker kept from some earlier time would be given again at every connection.
        if kind not in known or origin == self._shadows.origin or (message.retain and kind != "copy"):
            return None
        return Message(known[kind], device, message.payload)
