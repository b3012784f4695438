"""Messages by which Home Assistant finds the devices of a bus: MQTT device discovery, Home Assistant 2024.11 and newer.

One retained message a device, https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload.
"""

from __future__ import annotations

from typing import Any

from edgewright.device.bus.settings import BusDevice, BusSettings, Entity

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
        name: of the device.
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
    found: dict[str, Any] = {
        "platform": entity.kind, "unique_id": f"{identity}_{key}", "name": entity.name or key,
        "state_topic": settings.of(name, "state"), "value_template": f"{{{{ {shown} }}}}",
    }  # fmt: skip
    if entity.unit:
        found["unit_of_measurement"] = entity.unit
    if entity.device_class:
        found["device_class"] = entity.device_class
    if entity.kind in ("binary_sensor", "switch"):
        # 'None' is unknown.
        found["value_template"] = f"{{{{ 'ON' if {shown} == true else 'OFF' if {shown} == false else 'None' }}}}"
    if entity.kind in WRITTEN:
        found["command_topic"] = settings.of(name, "desired")
    if entity.kind == "switch":
        found |= {
            "payload_on": f'{{"{key}": true}}', "payload_off": f'{{"{key}": false}}', "state_on": "ON",
            "state_off": "OFF",
        }  # fmt: skip
    elif entity.kind in WRITTEN:
        found["command_template"] = f'{{"{key}": {{{{ value | to_json }}}}}}'
    if entity.kind == "number":
        found |= {"min": entity.minimum, "max": entity.maximum, "step": entity.step}
    if entity.kind == "select":
        found["options"] = list(entity.options)
    return found
