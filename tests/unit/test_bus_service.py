"""The bus with a real Mosquitto: rights, shadows over the broker, restarts, agents, and what Home Assistant is told."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli_runner import Cli
from document_blocks import blocks_of, type_page
from edgewright.device.bus.rights import access_list, password_hash, write_rights
from edgewright.device.bus.service import ShadowService, discovery_message
from edgewright.device.bus.settings import BusSettings, read_bus
from edgewright.device.bus.shadow_store import ShadowStore
from edgewright.device.sinks import kind
from edgewright.device.sinks.mqtt import MqttConfig
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.store import Item, OutboxItem
from mqtt_broker import Broker, broker_until
from support import ROOT

BUS = """
topic = "home"
[services.heating]
publish = ["home/shadow/+/desired"]
subscribe = ["home/shadow/+/state"]
[services.display]
subscribe = ["home/shadow/room/state"]
[services.homeassistant]
publish = ["home/shadow/+/desired"]
subscribe = ["homeassistant/#", "home/#"]
[devices.room]
name = "Room"
agent = true
[devices.room.entities.setpoint]
kind = "number"
unit = "°C"
minimum = 5
maximum = 30
step = 0.5
[devices.room.entities.mode]
kind = "select"
options = ["eco", "warm"]
[devices.room.entities.lamp]
kind = "switch"
[devices.room.entities.window]
kind = "binary_sensor"
device_class = "window"
"""


class Client:
    """Somebody at the broker, who remembers what comes."""

    def __init__(self, port: int, user: str, password: str, topics: tuple[str, ...] = ("#",)) -> None:
        library: Any = importlib.import_module("paho.mqtt.client")
        self.client = library.Client(library.CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(user, password)
        self.seen: list[tuple[str, bytes]] = []
        self.answer = threading.Event()
        self.refused = ""
        self.client.on_message = lambda _c, _d, message: self.seen.append((message.topic, message.payload))
        self.client.on_connect = lambda *given: self._connected(given[3], topics)
        self.client.on_subscribe = lambda *_: self.answer.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.answer.wait(10)

    def _connected(self, code: Any, topics: tuple[str, ...]) -> None:  # noqa: ANN401 - of paho
        if code.is_failure:
            self.refused = str(code)
            self.answer.set()
            return
        self.client.subscribe([(topic, 1) for topic in topics])

    def send(self, topic: str, content: bytes) -> None:
        self.client.publish(topic, content, qos=1).wait_for_publish(10)

    def last(self, topic: str) -> Any:  # noqa: ANN401 - JSON
        """Return the newest message of a topic; an empty table where none has come yet."""
        contents = [content for name, content in self.seen if name == topic]
        return msgspec.json.decode(contents[-1]) if contents else {}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def until(true: Callable[[], object], message: str = "") -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, message
        time.sleep(0.02)


class Bus:
    """A broker with the rights of `BUS` and the shadow service in a thread."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.broker: Broker = broker_until(folder, stack)
        self.broker.stop()
        text = f'{BUS}\n[broker]\nport = {self.broker.port}\npassword_file = "broker/secrets/shadow"\n'
        (folder / "bus.toml").write_text(text)
        self.settings = read_bus(folder / "bus.toml")
        self.new = write_rights(self.settings, folder / "broker")
        self.broker.config = folder / "broker" / "mosquitto.conf"
        self.broker.start()

    def client(self, user: str, *topics: str) -> Client:
        password = (self.folder / "broker" / "secrets" / user).read_text().strip()
        client = Client(self.broker.port, user, password, topics or ("#",))
        self._stack.callback(client.close)
        return client

    @contextmanager
    def served(self, store: str = "store") -> Iterator[ShadowService]:
        opened, ended, ready = ShadowStore(self.folder / store), threading.Event(), threading.Event()
        service = ShadowService(self.settings, opened, "0")
        thread = threading.Thread(target=service.run, args=(ended.is_set, ready.set))
        thread.start()
        try:
            assert ready.wait(20)
            yield service
        finally:
            ended.set()
            thread.join(20)
            opened.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with ExitStack() as stack:
        yield Bus(tmp_path, stack)


@pytest.mark.slow
def test_the_broker_lets_everybody_do_what_the_table_says_and_no_more(bus: Bus) -> None:
    assert sorted(bus.new) == ["display", "heating", "homeassistant", "room", "shadow"]
    wrong = Client(bus.broker.port, "heating", "not the password")
    assert "uthor" in wrong.refused or "password" in wrong.refused
    wrong.close()
    shadow, display, heating, room = (bus.client(user) for user in ("shadow", "display", "heating", "room"))
    display.send("home/shadow/room/desired", b"1")
    heating.send("home/shadow/room/state", b"2")
    room.send("home/shadow/hall/reported", b"3")
    room.send("home/shadow/room/desired", b"4")
    heating.send("home/shadow/room/desired", b"5")
    room.send("home/shadow/room/reported", b"6")
    until(lambda: len(shadow.seen) == 2, str(shadow.seen))
    assert shadow.seen == [("home/shadow/room/desired", b"5"), ("home/shadow/room/reported", b"6")]
    shadow.send("home/shadow/room/state", b"7")
    shadow.send("home/shadow/hall/state", b"8")
    shadow.send("home/shadow/room/delta", b"9")
    until(lambda: len(heating.seen) == 2 and len(room.seen) == 2 and display.seen)
    assert [content for _, content in heating.seen] == [b"7", b"8"]
    assert [content for _, content in room.seen] == [b"7", b"9"]
    assert [content for _, content in display.seen] == [b"7"]


@pytest.mark.slow
def test_a_service_with_another_password_ends_with_one_line(cli: Cli, bus: Bus) -> None:
    (bus.folder / "broker" / "secrets" / "shadow").write_text("another")
    message = cli("bus", "run", bus.folder / "bus.toml", "--store", bus.folder / "store", code=2)
    assert "a broker that knows this password" in message
    assert message.count("\n") == 1


@pytest.mark.slow
def test_a_shadow_goes_on_without_its_device_its_broker_and_its_service(bus: Bus) -> None:
    with bus.served():
        heating, room = bus.client("heating"), bus.client("room")
        heating.send("home/shadow/room/desired", b'{"setpoint": 21, "mode": "warm"}')
        until(lambda: room.last("home/shadow/room/delta") == {"setpoint": 21, "mode": "warm"})
        room.send("home/shadow/room/reported", b'{"setpoint": 21}')
        until(lambda: heating.last("home/shadow/room/state").get("reported") == {"setpoint": 21})
        until(lambda: room.last("home/shadow/room/delta") == {"mode": "warm"})
    # Orders for a service that is away wait at the broker.
    heating.send("home/shadow/room/desired", b'{"mode": null, "setpoint": 19}')
    with bus.served():
        until(lambda: heating.last("home/shadow/room/state").get("desired") == {"setpoint": 19})
        bus.broker.stop()
        (bus.folder / "broker" / "mosquitto.db").unlink(missing_ok=True)
        bus.broker.start()
        late = bus.client("display")
        until(lambda: late.last("home/shadow/room/state"))
        assert late.last("home/shadow/room/state").get("desired") == {"setpoint": 19}


@pytest.mark.slow
def test_copies_of_two_gateways_meet_after_they_were_apart(bus: Bus) -> None:
    heating, watch = bus.client("heating"), bus.client("homeassistant")
    with bus.served("one"):
        heating.send("home/shadow/room/desired", b'{"setpoint": 21, "lamp": true}')
        until(lambda: watch.last("home/shadow/room/state"))
    with bus.served("two"):
        heating.send("home/shadow/room/desired", b'{"mode": "eco", "lamp": null}')
        until(lambda: watch.last("home/shadow/room/state").get("desired") == {"setpoint": 21, "mode": "eco"})
    with bus.served("one"), bus.served("two"):
        heating.send("home/shadow/room/desired", b'{"setpoint": 18}')
        time.sleep(0.5)
    registers = []
    for name in ("one", "two"):
        store = ShadowStore(bus.folder / name)
        registers.append(store.load()["room"].registers)
        store.close()
    assert registers[0] == registers[1]
    assert registers[0]["desired", "setpoint"].value == b"18"
    assert registers[0]["desired", "lamp"].value == b""


@pytest.mark.slow
def test_an_agents_events_are_taken_shown_and_found_by_home_assistant(bus: Bus) -> None:
    with bus.served():
        watch = bus.client("homeassistant")
        password = bus.folder / "broker" / "secrets" / "room"
        sink = kind("mqtt").open(MqttConfig(port=bus.broker.port, user="room", password_file=str(password)))
        body = msgspec.json.encode(
            Item(device="room", boot=1, sequence=7, kind="event", put=1e9, body={"kind": "alarm", "label": "frost"})
        )
        assert sink.send("room", [OutboxItem((1, 7), 0, body)]) == [(1, 7)]
        sink.close()
        until(lambda: watch.last("home/shadow/room/state"))
        assert watch.last("home/shadow/room/state")["reported"]["alarm"] == "frost"
        until(lambda: watch.last("homeassistant/device/home_room/config"))
        discovery = watch.last("homeassistant/device/home_room/config")
        assert ("home/shadow-status", b"online") in watch.seen
    until(lambda: ("home/shadow-status", b"offline") in watch.seen)
    check_discovery(discovery)
    assert set(discovery["components"]) == {
        "decision", "state", "alarm", "alarm_at", "setpoint", "mode", "lamp", "window",
    }  # fmt: skip


# Home Assistant 2024.11, components/mqtt: schemas.py (DEVICE_DISCOVERY_SCHEMA refuses other keys), and of each platform
# the keys that this project uses with those that are required.
TOP = {"device", "origin", "components", "availability_topic", "qos"}
ABOUT = {"identifiers", "name", "manufacturer", "model"}
SHARED = {"platform", "unique_id", "name", "state_topic", "value_template"}
PLATFORMS = {
    "sensor": ({"unit_of_measurement", "device_class"}, {"state_topic"}),
    "binary_sensor": ({"device_class"}, {"state_topic"}),
    "number": (
        {"unit_of_measurement", "device_class", "command_topic", "command_template", "min", "max", "step"},
        {"command_topic"},
    ),
    "select": ({"command_topic", "command_template", "options"}, {"command_topic", "options"}),
    "switch": (
        {"device_class", "command_topic", "payload_on", "payload_off", "state_on", "state_off"}, {"command_topic"},
    ),
}  # fmt: skip


def check_discovery(discovery: dict[str, Any]) -> None:
    assert set(discovery) == TOP
    assert set(discovery["device"]) <= ABOUT
    assert discovery["device"]["identifiers"]
    assert set(discovery["origin"]) <= {"name", "sw_version", "support_url"}
    identities = [one["unique_id"] for one in discovery["components"].values()]
    assert len(set(identities)) == len(identities)
    for one in discovery["components"].values():
        known, required = PLATFORMS[one["platform"]]
        assert required <= set(one) <= known | SHARED, one


def test_what_home_assistant_writes_is_a_patch(tmp_path: Path) -> None:
    jinja2 = pytest.importorskip("jinja2")
    (tmp_path / "bus.toml").write_text(BUS)
    topic, discovery = discovery_message(read_bus(tmp_path / "bus.toml"), "room", "0")
    assert topic == "homeassistant/device/home_room/config"
    check_discovery(discovery)
    parts = discovery["components"]
    world = jinja2.Environment(autoescape=False)
    world.filters["to_json"] = lambda value: msgspec.json.encode(value).decode()

    def render(template: str, **names: object) -> str:
        return str(world.from_string(template).render(**names))

    assert msgspec.json.decode(render(parts["setpoint"]["command_template"], value=20.5)) == {"setpoint": 20.5}
    assert msgspec.json.decode(render(parts["mode"]["command_template"], value='a"b')) == {"mode": 'a"b'}
    assert msgspec.json.decode(parts["lamp"]["payload_on"]) == {"lamp": True}
    shown = parts["setpoint"]["value_template"]
    assert render(shown, value_json={"desired": {"setpoint": 21}, "reported": {}}) == "21"
    assert render(shown, value_json={"desired": {"setpoint": 21}, "reported": {"setpoint": 19}}) == "19"
    lamp = parts["lamp"]["value_template"]
    for reported, state in (({"lamp": True}, "ON"), ({"lamp": False}, "OFF"), ({}, "None")):
        assert render(lamp, value_json={"desired": {}, "reported": reported}) == state


@pytest.mark.slow
def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    with ExitStack() as stack:
        broker_until(tmp_path, stack)  # is Mosquitto here?
    [table, _] = [block for block in blocks_of("docs/bus.md") if block.language == "toml"]
    (tmp_path / "bus.toml").write_text(table.text)
    typed = type_page("docs/bus.md", tmp_path, seconds=120)["bus"]
    assert '"desired":{"setpoint":21.5}' in typed
    assert "desired  setpoint = 21.5  (not reported yet)" in typed


def test_passwords_are_those_of_mosquitto_and_stay(tmp_path: Path) -> None:
    (tmp_path / "bus.toml").write_text(BUS)
    settings = read_bus(tmp_path / "bus.toml")
    write_rights(settings, tmp_path / "out")
    secret = (tmp_path / "out" / "secrets" / "room").read_text()
    assert (tmp_path / "out" / "secrets" / "room").stat().st_mode & 0o077 == 0
    assert write_rights(settings, tmp_path / "out") == []
    assert (tmp_path / "out" / "secrets" / "room").read_text() == secret
    fewer = msgspec.structs.replace(settings, services={})
    write_rights(fewer, tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out" / "secrets").iterdir()) == ["room", "shadow"]
    assert "heating" not in (tmp_path / "out" / "passwords").read_text()
    with pytest.raises(OutputError, match="--owner"):
        write_rights(settings, tmp_path / "out", "nobody knows them")
    assert password_hash("x", b"123456789012").startswith("$7$20000$MTIzNDU2Nzg5MDEy$")
    assert "user room\ntopic write home/shadow/room/reported\n" in access_list(settings)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ('topic = "a/#"', "without wildcards"),
        ('[services."a b"]', "a name of a-z"),
        ("[services.shadow]", "other than 'shadow'"),
        ("[services.x]\n[devices.x]", "a name for one user"),
        ('[services.x]\npublish = ["a/b+"]', "a topic of MQTT"),
        ('[services.x]\npublish = ["a\\nuser y"]', "a topic of MQTT"),
        ('[devices.x.entities.m]\nkind = "select"', "options of a select"),
        ('[devices.x.entities.m]\nkind = "number"\nminimum = 9\nmaximum = 1', "minimum below the maximum"),
        ('[devices.x.entities."it\'s"]', "a key of a-z"),
        ("[services.x]\nreads = []", "reads"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(tmp_path: Path, change: str, text: str) -> None:
    (tmp_path / "bus.toml").write_text(change)
    with pytest.raises(InputError, match=text):
        read_bus(tmp_path / "bus.toml")


def test_the_rooms_bus_is_one_and_shows_what_its_agent_decides() -> None:
    settings = read_bus(ROOT / "examples" / "room" / "bus.toml")
    for name in settings.devices:
        check_discovery(discovery_message(settings, name, "0")[1])
    _, discovery = discovery_message(settings, "gateway", "0")
    assert {"decision", "state", "alarm"} <= set(discovery["components"])
    assert "user valve\ntopic write home/shadow/boiler/reported\n" in access_list(settings)


def test_a_broker_elsewhere_needs_tls(tmp_path: Path) -> None:
    settings = BusSettings()
    far = msgspec.structs.replace(settings, broker=msgspec.structs.replace(settings.broker, host="192.0.2.1"))
    with pytest.raises(InputError, match="TLS"):
        ShadowService(far, ShadowStore(tmp_path), "0")


@pytest.mark.slow
def test_the_commands_write_serve_and_show(cli: Cli, bus: Bus) -> None:
    table, store = bus.folder / "bus.toml", bus.folder / "s"
    assert "room publishes home/shadow/room/reported" in cli("bus", "rights", table, "--out", bus.folder / "b")
    command = [sys.executable, "-m", "edgewright", "bus", "run", str(table), "--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert "serves home" in process.stdout.readline()
        heating = bus.client("heating")
        heating.send("home/shadow/room/desired", b'{"setpoint": 21}')
        until(lambda: heating.last("home/shadow/room/state"))
        assert cli.json("bus", "show", "room", "--store", store)["room"]["desired"] == {"setpoint": 21}
        assert "in use" in cli("bus", "run", table, "--store", store, code=2)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert "desired  setpoint = 21  (not reported yet)" in cli("bus", "show", "--store", store)
    assert "no shadow 'hall'" in cli("bus", "show", "hall", "--store", store, code=2)
