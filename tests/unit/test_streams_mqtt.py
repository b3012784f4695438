"""MQTT topics, with a real Mosquitto on loopback."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import SourceError
from edgewright.device.sources.mqtt import stream_of
from frames_example import write_hello, write_rows
from mqtt_broker import Broker
from stream_rows import drain, notices, opened, until_notice, values
from support import left_out


def needs_paho() -> None:
    if importlib.util.find_spec("paho") is None:
        left_out("paho-mqtt is not installed")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()) or not shutil.which("mosquitto_pub"):
        left_out("mosquitto and mosquitto_pub are not installed")
    needs_paho()
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def test_a_wildcard_names_the_streams_and_each_form_is_read(broker: Broker) -> None:
    stream = opened(f"mqtt:127.0.0.1:{broker.port}/plant/+/imu", "a", "b")
    assert not notices([p for _ in range(5) for p in stream.read(0.05)])
    broker.send("plant/pump 1/imu", json.dumps({"time": 1.0, "a": 1, "b": 2}))
    broker.send("plant/pump 2/imu", "b,a\n4,3\n6,5\n")
    rows = write_rows(np.array([[8, 7]], np.float32), sequence=4, time=0)
    broker.send("plant/pump 3/imu", write_hello(["b", "a"]) + rows)
    broker.send("plant/pump 3/other", "x")
    packets = drain(stream, 4)
    got = {p.stream: p.values.tolist() for p in packets}
    assert got == {"pump 1": [[1, 2]], "pump 2": [[3, 4], [5, 6]], "pump 3": [[7, 8]]}
    broker.send("plant/pump 1/imu", "{broken")
    broker.send("plant/pump 1/imu", json.dumps({"a": 9, "b": 9}))
    packets = drain(stream, 1)
    assert values(packets).tolist() == [[9, 9]]
    assert "JSON" in notices(packets)[0]
    stream.close()


def test_a_broker_that_dies_is_looked_for_and_subscribed_to_again(broker: Broker) -> None:
    stream = opened(f"mqtt:127.0.0.1:{broker.port}/t", "a")
    stream.read(0.2)
    broker.send("t", '{"a": 1}')
    assert drain(stream, 1)[0].stream == ""
    broker.stop()
    until_notice(stream, "broker is gone")
    broker.start()
    until_notice(stream, "broker is there")
    stream.read(0.2)
    broker.send("t", '{"a": 2}')
    assert values(drain(stream, 1)).tolist() == [[2]]
    stream.close()


def test_with_a_name_the_broker_keeps_what_comes_while_this_end_is_away(broker: Broker) -> None:
    for sent in ([1], [2, 3, 4]):
        stream = opened(f"mqtt:127.0.0.1:{broker.port}/t?client=gateway", "a")
        if sent == [1]:
            stream.read(0.3)
            broker.send("t", '{"a": 1}')
        assert values(drain(stream, len(sent))).ravel().tolist() == sent
        stream.stored(stream.position())
        stream.close()
        for n in (2, 3, 4):
            broker.send("t", json.dumps({"a": n}))


def test_what_the_broker_kept_from_an_earlier_time_is_no_new_row(broker: Broker) -> None:
    broker.send("t", '{"a": 1}', "-r")
    stream = opened(f"mqtt:127.0.0.1:{broker.port}/t", "a")
    assert drain(stream, 1, 0.5) == []
    broker.send("t", '{"a": 2}', "-r")
    assert values(drain(stream, 1)).tolist() == [[2]]
    stream.close()


def test_too_long_messages_and_too_many_streams_are_bounded(broker: Broker) -> None:
    stream = opened(f"mqtt:127.0.0.1:{broker.port}/#?largest=100&streams=2", "a")
    stream.read(0.2)
    broker.send("one", "[" + "1," * 200 + "1]")
    assert "401 bytes was skipped" not in until_notice(stream, "was skipped")[0].notice
    for name in ("one", "two", "three"):
        broker.send(name, '{"a": 1}')
    packets = drain(stream, 3)
    assert "'one' is forgotten" in " ".join(notices(packets))
    stream.close()


def test_no_broker_is_waited_for_and_said_once() -> None:
    needs_paho()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stream = opened(f"mqtt:127.0.0.1:{port}/t", "a")
    begun = time.monotonic()
    lines = [text for _ in range(6) for text in notices(stream.read(0.1))]
    assert time.monotonic() - begun > 0.4
    assert len(lines) == 1
    assert "no broker at 127.0.0.1" in lines[0]
    stream.close()


@pytest.mark.parametrize(
    ("topics", "topic", "stream"),
    [
        (["a/b"], "a/b", ""),
        (["a/+/c"], "a/b/c", "b"),
        (["+/x/+"], "p/x/q", "p/q"),
        (["a/#"], "a/b/c", "b/c"),
        (["a/#"], "a", ""),
        (["a", "b"], "b", "b"),
    ],
)
def test_the_name_of_a_stream_is_what_the_wildcards_stand_for(topics: list[str], topic: str, stream: str) -> None:
    assert stream_of(topics, topic) == stream


@pytest.mark.parametrize("topic", ["", "a/#/b", "a+/b", "a/b#"])
def test_a_topic_that_is_none_is_refused(topic: str) -> None:
    needs_paho()
    with pytest.raises(SourceError):
        opened(f"mqtt:127.0.0.1:1883/{topic}", "a")
