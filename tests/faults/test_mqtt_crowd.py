"""More streams than an agent and its source remember: notices are counted by kind, not by stream."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_example import package
from edgewright.core.records.device import Event
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from mqtt_broker import Broker
from support import left_out

pytestmark = pytest.mark.slow

STREAMS, ROUNDS = 1200, 2


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if importlib.util.find_spec("paho") is None:
        left_out("paho-mqtt is not installed")
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def test_more_than_1000_streams_give_one_notice_of_a_kind(broker: Broker, tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    over = threading.Event()

    def publish() -> None:
        mqtt = importlib.import_module("paho.mqtt.client")
        client = mqtt.Client(importlib.import_module("paho.mqtt.enums").CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        time.sleep(1.0)  # the agent subscribes
        for number in range(STREAMS * ROUNDS):
            row = json.dumps({"t": float(number), "level": 1.0, "heat": 2.0})
            topic = f"plant/pump-{number % STREAMS}"
            client.publish(topic, row, qos=1)
            sent = client.publish(topic, "{broken", qos=1)
            if number % 100 == 99:
                sent.wait_for_publish(30)
        time.sleep(2.0)
        client.loop_stop()
        over.set()

    thread = threading.Thread(target=publish)
    thread.start()
    events: list[Event] = []
    begun = time.monotonic()
    configured = check_settings({"packages": [{"path": "switch.edge"}]}, tmp_path, "device.toml")
    report = run_agent(
        configured, short_source(f"mqtt:127.0.0.1:{broker.port}/plant/+"), tmp_path / "store",
        stop=over.is_set, say=lambda _: None, publish=events.extend, begin=lambda _: None,
    )  # fmt: skip
    thread.join()
    assert report.rows > STREAMS
    counts = Counter(event.label for event in events if event.kind == "health")
    assert {"evicted", "source"} <= set(counts)
    # Every ten seconds: of what cannot be read, 8 streams once and all others once; of what is forgotten, once.
    periods = 1 + (time.monotonic() - begun) // 10
    assert counts["source"] <= 10 * periods
    assert counts["evicted"] <= periods
