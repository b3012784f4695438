"""A real Mosquitto that is killed with messages in flight: nothing that the receiver did not call durable goes."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgewright.device.agent.startup import deliver
from edgewright.device.sinks import kind
from edgewright.device.store import status
from edgewright.device.store.records import Item
from store_example import HandClock, event, opened, put_rows
from support import left_out

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def broker(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Mosquitto with its default settings, in memory."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        left_out("no mosquitto")
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([str(program), "-c", str(settings)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait(10)


class Receiver:
    """Takes items and calls them durable, unless it is told to be mute; keeps every byte that it heard."""

    def __init__(self, port: int) -> None:
        library: Any = importlib.import_module("paho.mqtt.client")
        self.items: dict[tuple[int, int], Item] = {}
        self.received: list[bytes] = []
        self.mute = False
        self.client = library.Client(library.CallbackAPIVersion.VERSION2)
        self.ready = False
        self.client.on_subscribe = lambda *_: setattr(self, "ready", True)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("edgewright/+/items", qos=1)
        self.client.loop_start()
        while not self.ready:
            time.sleep(0.01)

    def _take(self, client: Any, _: Any, message: Any) -> None:  # noqa: ANN401 - paho's
        self.received.append(message.topic.encode() + message.payload)
        items = [msgspec.json.decode(line, type=Item) for line in message.payload.splitlines()]
        self.items.update({(item.boot, item.sequence): item for item in items})
        if not self.mute:
            places = msgspec.json.encode({"durable": [[item.boot, item.sequence] for item in items]})
            client.publish(f"edgewright/{items[0].device}/durable", places, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_broker_that_is_killed_with_messages_in_flight_takes_nothing_with_it(tmp_path: Path) -> None:
    port, clock = free_port(), HandClock()
    part = kind("mqtt")
    sink = part.open(msgspec.convert({"port": port, "timeout": 3.0}, part.config))
    with opened(tmp_path / "s", clock) as store:
        put_rows(store)
        store.append_events([event("alarm", number=n) for n in range(100)])
        store.commit()
        with broker(port, tmp_path):
            receiver = Receiver(port)
            first = deliver(store, sink, limit=4096, batches=2)
            assert first.sent == first.arrived > 10
            # The broker takes a batch and acknowledges it; nobody stored it; then it is killed.
            receiver.mute = True
            lost = deliver(store, sink, limit=4096)
            assert (lost.sent > 0, lost.arrived) == (True, 0)
            receiver.close()
        clock.forward(1000.0)
        silent = deliver(store, sink)
        assert "a broker" in silent.problem
        assert status.of(store).waiting == {0: 100 - first.arrived}
        with broker(port, tmp_path):
            again = Receiver(port)
            again.items.update(receiver.items)
            clock.forward(1000.0)
            while deliver(store, sink).sent:
                clock.forward(1.0)
            again.close()
        sink.close()
        assert status.of(store).waiting == {}
        assert set(again.items) == {(1, number) for number in range(1, 101)}
        assert b"ax" not in b"".join(receiver.received + again.received)
