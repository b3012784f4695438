"""News over a real Mosquitto: heard, missed and asked for again after it was away."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.fleet.agent.waking import Waker, news_topic
from edgewright.schema.errors import InputError
from mqtt_broker import Broker
from support import left_out


class Count:
    """How often somebody was woken."""

    def __init__(self) -> None:
        self.times, self.changed = 0, threading.Condition()

    def __call__(self) -> None:
        with self.changed:
            self.times += 1
            self.changed.notify_all()

    def reaches(self, times: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.times >= times, 15.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if not shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or not shutil.which("mosquitto_pub"):
        left_out("mosquitto and mosquitto_pub are not installed")
    made = Broker(tmp_path)
    yield made
    made.stop()


def test_news_wake_and_so_does_a_broker_that_is_back(broker: Broker) -> None:
    woken = Count()
    waker = Waker(f"mqtt://127.0.0.1:{broker.port}", "pump", woken, "ab" * 16)
    try:
        assert woken.reaches(1)  # what was missed before is asked for
        broker.send(news_topic("fan"), "not for us")
        broker.send(news_topic("pump"), "anything")
        assert woken.reaches(2)
        broker.stop()
        broker.start()
        assert woken.reaches(3)
    finally:
        waker.close()


def test_without_a_broker_nothing_breaks() -> None:
    woken = Count()
    Waker("mqtt://127.0.0.1:1", "pump", woken, "ab" * 16).close()
    assert woken.times == 0


@pytest.mark.parametrize(
    ("url", "told"), [("http://x", "mqtts:"), ("mqtt://", "mqtts:"), ("mqtt://far.example", "TLS")]
)
def test_what_is_no_broker_is_told(url: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Waker(url, "pump", lambda: None, "ab" * 16)
