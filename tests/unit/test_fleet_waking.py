"""News over a real Mosquitto: heard, missed and asked for again after it was away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from edgewright.fleet.protocol.wire import broker as broker_wire
from edgewright.fleet.protocol.wire.broker import NewsSubscriber, news_topic
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.news_publisher import NewsPublisher
from edgewright.fleet.server.rollouts import worker
from edgewright.fleet.server.rollouts.publisher import take_in
from edgewright.fleet.server.rollouts.worker import conductor
from edgewright.schema.errors import InputError
from mqtt_broker import Broker, broker_until
from rollout_example import Example


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
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    # A connection that is lost is tried again at once, not after seconds.
    monkeypatch.setattr(broker_wire, "_FIRST", (0.05, 0.1))
    with ExitStack() as stack:
        yield broker_until(tmp_path, stack)


def test_news_wake_and_so_does_a_broker_that_is_back(broker: Broker) -> None:
    woken = Count()
    waker = NewsSubscriber(f"mqtt://127.0.0.1:{broker.port}", "pump", woken, "ab" * 16)
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


def test_what_was_published_while_the_broker_was_away_is_told_when_it_is_back(broker: Broker) -> None:
    woken = Count()
    broker.stop()
    publisher = NewsPublisher(f"mqtt://127.0.0.1:{broker.port}", ("fan", "pump"))
    try:
        publisher.publish()  # waits for nobody
        broker.start()
        waker = NewsSubscriber(f"mqtt://127.0.0.1:{broker.port}", "pump", woken, "ab" * 16)
        try:
            assert woken.reaches(1)
            before = woken.times
            publisher.publish()
            assert woken.reaches(before + 1)
        finally:
            waker.close()
    finally:
        publisher.close()


@pytest.mark.slow
def test_a_served_fleet_wakes_devices_when_a_rollout_steps(broker: Broker, tmp_path: Path) -> None:
    now = time.time()
    example, woken, url = Example(tmp_path / "e", now), Count(), f"mqtt://127.0.0.1:{broker.port}"
    body = example.signed_plan(starts=now, enrolled=now, expires=now + 86_400.0)
    example.close()
    publisher = NewsPublisher(url, example.fleet.settings.products)
    plane = open_plane(example.fleet.folder, published=publisher.publish)
    stop = worker.start(plane)
    waker = NewsSubscriber(url, "main", woken, "ab" * 16)
    try:
        assert woken.reaches(1)
        before = woken.times
        service = conductor(plane).rollouts
        take_in(example.fleet, service)
        service.start(body, "ada")
        assert woken.reaches(before + 1)
        before = woken.times
        service.steer("first", "ada", "paused", "lunch")
        assert woken.reaches(before + 1)
        broker.stop()
        began = time.monotonic()
        service.steer("first", "ada", "running", "")
        assert time.monotonic() - began < 5.0
        broker.start()
        assert woken.reaches(before + 2)
    finally:
        waker.close()
        stop()
        publisher.close()
        plane.close()


def test_devices_that_lost_their_broker_do_not_come_back_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[tuple[float, float]] = []
    monkeypatch.setattr(
        mqtt.Client, "reconnect_delay_set", lambda self, first, longest: reported.append((first, longest))
    )
    monkeypatch.setattr(mqtt.Client, "loop_start", lambda self: None)
    wakers = [NewsSubscriber("mqtt://127.0.0.1:1", "pump", lambda: None, f"{number:032x}") for number in range(8)]
    for waker in wakers:
        waker.close()
    assert len(set(reported)) == len(wakers)
    assert all(1.0 <= first <= 5.0 and 60.0 <= longest <= 120.0 for first, longest in reported)


def test_without_a_broker_nothing_breaks() -> None:
    woken = Count()
    NewsSubscriber("mqtt://127.0.0.1:1", "pump", woken, "ab" * 16).close()
    assert woken.times == 0


@pytest.mark.parametrize(
    ("url", "message"), [("http://x", "mqtts:"), ("mqtt://", "mqtts:"), ("mqtt://far.example", "TLS")]
)
def test_what_is_no_broker_is_told(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NewsSubscriber(url, "pump", lambda: None, "ab" * 16)
