"""The broker's files of `deploy` at a real Mosquitto: who may hear and say what, and a backlog that goes through it."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from carried_fleet import Carrying, Served, Waiting, until
from edgewright.fleet.protocol.wire.broker import answer_topic, hang_up, news_topic, report_topic
from edgewright.fleet.protocol.wire.broker_reports import LARGEST, ROOM
from fleet_plane import PRODUCT, Client
from mqtt_broker import Broker
from support import ROOT, left_out

CONF = (ROOT / "deploy" / "mosquitto.conf").read_text()
ME, OTHER = "ab" * 16, "cd" * 16


class Deployed(Broker):
    """A Mosquitto with the settings of `deploy`, without TLS: devices are at `port`, servers at `inner`."""

    def __init__(self, folder: Path) -> None:
        text = re.sub(r"^(certfile|keyfile) .*\n", "", CONF, flags=re.MULTILINE)
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            self.port, self.inner = int(one.getsockname()[1]), int(two.getsockname()[1])
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace("listener 8884", f"listener {self.inner} 127.0.0.1")
        for name in ("listen.acl", "speak.acl"):
            shutil.copy(ROOT / "deploy" / name, folder / name)
        self.config = folder / "mosquitto.conf"
        # Started by root it would become somebody who may not enter this folder.
        self.config.write_text(f"user {getpass.getuser()}\n" + text.replace("/mosquitto/config/", f"{folder}/"))
        self.start()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def broker(tmp_path: Path, stack: ExitStack) -> Deployed:
    if not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"):
        left_out("mosquitto is not installed")
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Deployed(folder)
    stack.callback(made.stop)
    return made


class Somebody:
    """A connection under a name that hears all that it may."""

    def __init__(self, port: int, name: str, stack: ExitStack) -> None:
        self.heard: list[tuple[str, bytes]] = []
        here = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.client.on_connect = lambda client, *_: client.subscribe([("#", 1), ("edgewright/+/+/+", 1)])
        self.client.on_subscribe = lambda *_: here.set()
        self.client.on_message = lambda client, userdata, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        stack.callback(hang_up, self.client)
        assert here.wait(60)

    def says(self, *topics: str) -> None:
        """On each of the topics, until the broker has them all."""
        for topic in topics:
            self.client.publish(topic, b"forged", qos=1).wait_for_publish(60)

    def topics(self) -> set[str]:
        return {topic for topic, _ in self.heard}


def test_a_device_hears_its_own_answers_and_says_its_own_reports_alone(broker: Deployed, stack: ExitStack) -> None:
    me, other = Somebody(broker.port, ME, stack), Somebody(broker.port, OTHER, stack)
    server = Somebody(broker.inner, "server", stack)
    mine, others = answer_topic(PRODUCT, ME), answer_topic(PRODUCT, OTHER)
    me.says(news_topic(PRODUCT), mine, others, report_topic(PRODUCT, OTHER), "elsewhere", report_topic(PRODUCT, ME))
    until(lambda: server.topics() == {report_topic(PRODUCT, ME)}, server.topics)
    server.says("elsewhere", report_topic(PRODUCT, OTHER), others, mine, news_topic(PRODUCT))
    until(lambda: len(me.topics()) == len(other.topics()) == 2, lambda: (me.topics(), other.topics()))
    assert me.topics() == {mine, news_topic(PRODUCT)}
    assert other.topics() == {others, news_topic(PRODUCT)}
    assert server.topics() == {report_topic(PRODUCT, ME), news_topic(PRODUCT)}


def test_a_backlog_goes_through_a_broker_with_these_settings(
    broker: Deployed, tmp_path: Path, stack: ExitStack
) -> None:
    served = Served(tmp_path / "fleet", f"mqtt://127.0.0.1:{broker.inner}")
    stack.callback(served.close)
    served.take()
    url = f"mqtt://127.0.0.1:{broker.port}"
    device = Carrying(tmp_path / "d", served, served.run(Client(served.plane).token()), url, Waiting(60))
    stack.callback(device.close)
    device.learns()
    served.away = True
    device.drain()
    assert device.bulk.carried == 3


def test_the_broker_takes_as_much_as_devices_send() -> None:
    found = re.search(r"^message_size_limit (\d+)$", CONF, re.MULTILINE)
    assert found and int(found.group(1)) >= LARGEST + ROOM
