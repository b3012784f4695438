"""`bus.toml`: the services of a gateway with their rights, and the devices that have a shadow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.schema.errors import InputError

SHADOW_USER = "shadow"
"""User of the shadow service at the broker."""
BATCH = 512
"""Most messages that are made durable together, and that the broker gives before one is acknowledged."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_BASE = re.compile(r"[^+#/\0\s][^+#\0\s]*")


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is.

    Attributes:
        host, port: of it.
        ca_file: certificates that are trusted; with it the line is encrypted, which other machines need.
        password_file: of the shadow service; empty for a broker without rights.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    ca_file: str = ""
    password_file: str = ""


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user of the broker may do.

    Attributes:
        publish, subscribe: patterns of topics, + for one level and # for the rest.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


class Entity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of a shadow as Home Assistant shows it.

    Attributes:
        kind: kind of the entity; number, switch and select write the desired value of the key,
            the others show its reported value.
        name: for people; the key by default.
        unit, device_class: as Home Assistant has them; empty for none.
        minimum, maximum, step: of a number.
        options: of a select.
    """

    kind: Literal["sensor", "binary_sensor", "number", "switch", "select"] = "sensor"
    name: str = ""
    unit: str = ""
    device_class: str = ""
    minimum: float = 0.0
    maximum: float = 100.0
    step: float = 1.0
    options: tuple[str, ...] = ()


class BusDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device.

    Attributes:
        name: for people; its key by default.
        model: for people.
        agent: it runs `edgewright device run` with a sink of the kind mqtt: what it decides goes into its shadow.
        entities: by key of the shadow.
    """

    name: str = ""
    model: str = ""
    agent: bool = False
    entities: dict[str, Entity] = {}


class BusSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything in bus.toml.

    Attributes:
        topic: shadows are at TOPIC/shadow/DEVICE.
        events: topic of the agents' sinks.
        discovery: prefix at which Home Assistant looks for devices; empty to tell it nothing.
        broker: where it is.
        services: by user.
        devices: by name, each of them a user, too.
    """

    topic: str = "home"
    events: str = "edgewright"
    discovery: str = "homeassistant"
    broker: BrokerSettings = BrokerSettings()
    services: dict[str, Service] = {}
    devices: dict[str, BusDevice] = {}

    def of(self, device: str, part: str) -> str:
        """Return the topic of something of a shadow."""
        return f"{self.topic}/{SHADOW_USER}/{device}/{part}"

    @property
    def status_topic(self) -> str:
        """Topic at which the shadow service is online or offline."""
        return f"{self.topic}/{SHADOW_USER}-status"


def read_bus(path: Path) -> BusSettings:
    """Read and check bus.toml.

    Raises:
        InputError: it is no TOML, or a name, topic or value is none.
    """
    settings = convert_table(read_toml(path, "a table of a bus"), BusSettings, path.name)
    for key in ("topic", "events", "discovery"):
        text = getattr(settings, key)
        if not _BASE.fullmatch(text) and (text or key != "discovery"):
            raise InputError("a topic without wildcards and spaces", repr(text), f"{path.name} {key}")
    for table, names in (("services", settings.services), ("devices", settings.devices)):
        for name in names:
            if not _NAME.fullmatch(name) or name == SHADOW_USER:
                expected = f"a name of a-z, 0-9, - and _ other than {SHADOW_USER!r}"
                raise InputError(expected, repr(name), f"{path.name} {table}")
    if both := sorted(settings.services.keys() & settings.devices.keys()):
        raise InputError("a name for one user", f"{both[0]!r} as service and as device", path.name)
    for name, service in settings.services.items():
        for pattern in (*service.publish, *service.subscribe):
            check_pattern(pattern, f"{path.name} services.{name}")
    for name, device in settings.devices.items():
        for key, entity in device.entities.items():
            _check_entity(key, entity, f"{path.name} devices.{name}.entities.{key}")
    return msgspec.structs.replace(settings, broker=_seen_from(path.parent, settings.broker))


def check_pattern(pattern: str, where: str) -> None:
    """Refuse what is no pattern of topics; a line break in it would be another line of the access list.

    Raises:
        InputError: naming it.
    """
    levels = pattern.split("/")
    wrong = any(
        ("+" in level and level != "+") or ("#" in level and (level != "#" or level is not levels[-1]))
        for level in levels
    )
    if not pattern or wrong or pattern.startswith("$") or not pattern.isprintable() or pattern != pattern.strip():
        raise InputError("a topic of MQTT, + for one level and # for the rest", repr(pattern), where)


def _check_entity(key: str, entity: Entity, where: str) -> None:
    if not _KEY.fullmatch(key):
        raise InputError("a key of a-z, 0-9 and _", repr(key), where)
    if entity.kind == "select" and not entity.options:
        raise InputError("options of a select", "none", where)
    if entity.kind == "number" and not (entity.minimum < entity.maximum and entity.step > 0.0):
        raise InputError("a minimum below the maximum, and a step above 0", "others", where)


def _seen_from(folder: Path, broker: BrokerSettings) -> BrokerSettings:
    paths = {key: str(folder / text) for key in ("ca_file", "password_file") if (text := getattr(broker, key))}
    return msgspec.structs.replace(broker, **paths)
