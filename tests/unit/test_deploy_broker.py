"""The broker's files of `deploy` at a real Mosquitto: who may subscribe to what, and who may publish."""

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

from edgewright.fleet.protocol.wire.broker import hang_up, news_topic
from fleet_plane import PRODUCT
from fleet_servers import until
from mqtt_broker import Broker
from support import ROOT, left_out

CONF = (ROOT / "deploy" / "mosquitto.conf").read_text()


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
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def broker(tmp_path: Path, stack: ExitStack) -> Deployed:
    if not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"):
        left_out("mosquitto is not installed")
    folder = tmp_path / "broker"
    folder.mkdir()
    deployed = Deployed(folder)
    stack.callback(deployed.stop)
    return deployed


class Somebody:
    """A connection under a name that hears all that it may."""

    def __init__(self, port: int, name: str, stack: ExitStack) -> None:
        self.heard: list[str] = []
        here = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: here.set()
        self.client.on_message = lambda client, userdata, message: self.heard.append(message.topic)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        stack.callback(hang_up, self.client)
        assert here.wait(60)

    def says(self, *topics: str) -> None:
        """On each of the topics, until the broker has them all."""
        for topic in topics:
            self.client.publish(topic, b"forged", qos=1).wait_for_publish(60)


def test_a_device_reads_news_and_publishes_nothing(broker: Deployed, stack: ExitStack) -> None:
    device, server = Somebody(broker.port, "ab" * 16, stack), Somebody(broker.inner, "server", stack)
    device.says(news_topic(PRODUCT), "edgewright/pump/report/x", "elsewhere")
    server.says("elsewhere", news_topic(PRODUCT))
    until(lambda: device.heard and server.heard)
    # The server's message comes after everything the broker had to deliver, and no other message came before it.
    assert device.heard == server.heard == [news_topic(PRODUCT)]
