"""Reports through a real Mosquitto: acknowledged after the commit, and believed by what signed them alone."""

from __future__ import annotations

import asyncio
import base64
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from carried_fleet import Carrying, Served, Waiting, until
from edgewright.cli.device._fleet import fleet_lines, followed
from edgewright.fleet.device.broker_connection import checked, listening
from edgewright.fleet.device.bulk_transport import Bulk
from edgewright.fleet.device.system_ports import Clocks, Luck
from edgewright.fleet.protocol.ports import Answer, Unreachable
from edgewright.fleet.protocol.wire.broker import answer_topic, hang_up, report_topic
from edgewright.fleet.protocol.wire.broker_reports import (
    LARGEST,
    PATH,
    ROOM,
    read_answer,
    read_report,
    write_answer,
    write_report,
)
from edgewright.fleet.protocol.wire.signing import sign
from edgewright.fleet.server.database.tables import devices, items, reports
from edgewright.fleet.server.mqtt.consumer import Taker
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_report import Acknowledged, Report
from fleet_plane import PRODUCT, Client
from mqtt_broker import broker_until

DEVICE = "ab" * 16


class Tap:
    """Somebody at the broker who hears everything and may say anything."""

    def __init__(self, port: int, topic: str, does: Callable[[Tap, str, bytes], None] = lambda *_: None) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._does, here = does, threading.Event()

        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe(topic)
        self.client.on_subscribe = lambda *_: here.set()
        self.client.on_message = lambda client, userdata, message: self._on(message)
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()
        assert here.wait(60)

    def say(self, topic: str, message: bytes) -> None:
        self.client.publish(topic, message, qos=1)

    def _on(self, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
        self._does(self, message.topic, bytes(message.payload))


class World:
    """A broker, a control plane, and devices that a test adds."""

    def __init__(self, folder: Path, stack: ExitStack, window: int = 64) -> None:
        self._folder, self._stack = folder, stack
        self.broker = broker_until(folder, stack)
        self.url = f"mqtt://127.0.0.1:{self.broker.port}"
        self.served = Served(folder / "fleet", self.url, window)
        stack.callback(self.served.close)

    def device(self, count: int = 0, size: int = 0, patience: float = 60.0) -> Carrying:
        """Enrolled, knows the key of answers, and is at the broker."""
        token = self.served.run(Client(self.served.plane).token())
        name = f"d{len(list(self._folder.iterdir()))}"
        made = Carrying(self._folder / name, self.served, token, self.url, Waiting(count, size), patience)
        self._stack.callback(made.close)
        made.learns()
        return made

    def tap(self, topic: str, does: Callable[[Tap, str, bytes], None] = lambda *_: None) -> Tap:
        made = Tap(self.broker.port, topic, does)
        self._stack.callback(hang_up, made.client)
        return made

    def kept(self, device: str) -> list[int]:
        with self.served.plane.database.reading() as connection:
            query = sa.select(items.c.sequence).where(items.c.device == device).order_by(items.c.sequence)
            return list(connection.execute(query).scalars())

    def shut_out(self, device: str) -> bool:
        with self.served.plane.database.reading() as connection:
            query = sa.select(devices.c.quarantined).where(devices.c.id == device)
            return bool(connection.execute(query).scalar_one())

    def written(self, device: str) -> int:
        with self.served.plane.database.reading() as connection:
            query = sa.select(sa.func.count()).select_from(reports).where(reports.c.device == device)
            return int(connection.execute(query).scalar_one())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, stack: ExitStack) -> World:
    return World(tmp_path, stack)


def message_of(device: Carrying, body: bytes) -> bytes:
    return write_report(sign("POST", PATH, body, device.key, device.id), body, "0" * 32)


def next_report(device: Carrying, **more: object) -> bytes:
    said = {
        "nonce": device.state.link.nonce, "sequence": device.state.next_sequence(), "counter": 1, "floor": 0,
        "phase": "idle", **more,
    }  # fmt: skip
    return msgspec.json.encode(msgspec.convert(said, Report))


# What is believed.


def test_no_bit_of_an_answer_and_of_what_it_answers_may_differ() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public, message = key.public_key().public_bytes_raw(), write_report({"Signature": "s"}, b"{}", "1" * 32)
    answer = write_answer(key, DEVICE, message, 200, {"Retry-After": "3", "x": "y"}, b"content")
    found = read_answer(answer, public, DEVICE, message)
    assert found is not None
    assert (found.status, found.headers, found.whole(100)) == (200, {"retry-after": "3"}, b"content")
    assert read_answer(answer, other.public_key().public_bytes_raw(), DEVICE, message) is None
    assert read_answer(answer, public, "cd" * 16, message) is None
    assert read_answer(answer, public, DEVICE, write_report({"Signature": "s"}, b"{}", "2" * 32)) is None
    assert read_answer(answer, public, DEVICE, message + b" ") is None
    for place in range(len(answer)):
        for bit in (1, 64):
            changed = answer[:place] + bytes([answer[place] ^ bit]) + answer[place + 1 :]
            assert read_answer(changed, public, DEVICE, message) is None, place


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_whatever_comes_is_read_or_is_none(content: bytes) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert read_answer(content, public, DEVICE, b"") is None
    read_report(content)
    head = b'{"ask":"' + b"0" * 32 + b'","headers":{"signature":"s","host":"h"}}'
    assert read_report(head + b"\n" + content) == ({"signature": "s"}, content)


# What arrives.


def test_a_backlog_goes_through_the_broker_and_leaves_the_outbox_after_the_commit(world: World) -> None:
    world.served.take()
    device = world.device(50)
    world.served.away = True
    held, over = threading.Event(), threading.Event()

    def blocked(connection: sa.Connection) -> None:
        held.set()
        assert over.wait(60)

    world.served.plane.committer.submit(blocked)
    assert held.wait(60)
    telling = threading.Thread(target=device.tell)
    telling.start()
    until(lambda: world.served.plane.committer.waiting == 1)  # the report is there, and is not durable
    assert telling.is_alive()
    assert len(device.outbox.waiting) == 50
    over.set()
    telling.join(60)
    assert len(device.outbox.waiting) == 30
    device.drain()
    assert world.kept(device.id) == list(range(1, 51))
    assert (device.bulk.carried, device.state.link.broker) == (3, "")
    assert world.served.metric("requests", endpoint=f"POST {PATH}", status="200") == 3
    until(lambda: world.served.metric("carried", what="answered") == 3)


def test_what_is_no_backlog_goes_over_https(world: World) -> None:
    world.served.take()
    device = world.device()
    device.tell()
    assert device.bulk.carried == 0
    assert world.written(device.id) == 2


def test_a_server_that_says_no_key_is_asked_over_https_alone(world: World) -> None:
    device = world.device(30)  # nobody hears the broker: the server is one of before, or has none
    tap = world.tap(report_topic(PRODUCT))
    device.drain()
    assert (device.bulk.carried, tap.heard) == (0, [])
    assert world.kept(device.id) == list(range(1, 31))


def test_a_device_of_before_is_told_no_key(world: World) -> None:
    world.served.take()
    device = world.device()
    body = next_report(device)
    signed = sign("POST", "/v1/report", body, device.key, device.id)
    with world.served.exchange("POST", "/v1/report", signed, body) as answer:
        assert (answer.status, "edgewright-answers" in answer.headers) == (200, False)


# Whoever speaks at the broker.


def false_answers(world: World, device: Carrying, recorded: bytes) -> Callable[[Tap, str, bytes], None]:
    """To each report every answer that is not the fleet's to this message."""
    thief, own = Ed25519PrivateKey.generate(), world.served.taker._key
    durable = b'{"nonce":"n","outcomes":0,"durable":[' + b",".join(b"[1,%d]" % n for n in range(1, 51)) + b"]}"

    def does(tap: Tap, topic: str, message: bytes) -> None:
        true = write_answer(own, device.id, message, 200, {}, durable)
        signature, _, said = true.partition(b"\n")
        for one in (
            b"", b"garbage", durable, recorded,
            write_answer(thief, device.id, message, 200, {}, durable),
            write_answer(own, DEVICE, message, 200, {}, durable),
            write_answer(own, device.id, message + b" ", 200, {}, durable),
            signature + b"\n" + said.replace(b"[1,1]", b"[1,2]"),
            base64.b64encode(bytes(64)) + b"\n" + said,
        ):  # fmt: skip
            tap.say(answer_topic(PRODUCT, device.id), one)

    return does


def test_forged_replayed_and_foreign_answers_leave_the_outbox_as_it_is(world: World) -> None:
    world.served.take()
    device = world.device(50, patience=2.0)
    answers = world.tap(answer_topic(PRODUCT, device.id))
    device.tell()  # one that is the fleet's, and is recorded
    assert len(device.outbox.waiting) == 30
    until(lambda: answers.heard)
    recorded = answers.heard[0][1]
    world.served.ends()
    world.tap(report_topic(PRODUCT), false_answers(world, device, recorded))
    world.served.away = True
    before = set(device.outbox.waiting)
    device.tell()
    assert set(device.outbox.waiting) == before
    assert device.state.link.broker == "answers of the broker that are not the fleet's"
    world.served.away = False
    device.drain()  # over HTTPS: the broker rests
    assert world.kept(device.id) == list(range(1, 51))
    assert device.bulk.carried == 1


def test_a_flood_of_false_answers_does_not_keep_a_report_from_https(world: World) -> None:
    world.served.take()
    device = world.device(20)
    world.served.ends()

    def flood(tap: Tap, topic: str, message: bytes) -> None:
        for number in range(2000):
            tap.client.publish(answer_topic(PRODUCT, device.id), b"%d" % number)

    world.tap(report_topic(PRODUCT), flood)
    device.tell()  # within its patience of a minute, or `until` would be over too
    assert not device.outbox.waiting
    assert "not the fleet's" in device.state.link.broker


def test_what_the_broker_altered_is_answered_and_not_believed(world: World) -> None:
    """A server says 401 to what the broker broke; the device asks over HTTPS, and hears that all is well."""
    world.served.take()
    device = world.device(20, patience=2.0)
    heard = world.tap(report_topic(PRODUCT))
    altered: list[int] = []
    ask = device.waker.ask

    def through(message: bytes, believed: Callable[[bytes], Answer | None], seconds: float) -> Answer:
        head, _, body = message.partition(b"\n")
        altered.append(1)
        return ask(head + b"\n" + body.replace(b'"number":1,', b'"number":7,'), believed, seconds)

    device.waker.ask = through  # type: ignore[method-assign]
    device.tell()
    assert altered and len(heard.heard) == 1
    assert world.served.metric("requests", endpoint=f"POST {PATH}", status="401") == 1
    assert not device.outbox.waiting
    assert "not the fleet's" in device.state.link.broker


def test_a_refusal_is_heard_over_https_before_anything_is_given_up(world: World) -> None:
    world.served.take()
    device = world.device(20)
    body = msgspec.json.encode({"nonce": "", "sequence": -1})  # no report
    signed = sign("POST", "/v1/report", body, device.key, device.id)
    with device.bulk.exchange("POST", "/v1/report", signed, body) as answer:
        assert answer.status == 400
    assert world.served.metric("requests", endpoint=f"POST {PATH}", status="400") == 1
    assert world.served.metric("requests", endpoint="POST /v1/report", status="400") == 1
    assert device.state.link.broker == "over the broker the control plane says 400"


def test_a_key_of_answers_that_changed_is_learnt_over_https(world: World) -> None:
    world.served.take()
    device = world.device(60, patience=2.0)
    device.bulk._answers = bytes(32)  # as after a restore, or of another fleet
    device.tell()
    assert "not the fleet's" in device.state.link.broker
    assert len(device.outbox.waiting) == 40
    device.bulk._pace.due = 0.0  # the pause is over
    device.drain()
    assert (device.bulk.carried, device.state.link.broker) == (2, "")
    assert world.kept(device.id) == list(range(1, 61))


# What a broker holds back.


def test_a_report_that_was_held_back_shuts_nobody_out_and_is_no_request_over_https(world: World) -> None:
    world.served.take()
    device = world.device()
    nonce, held = device.state.link.nonce, next_report(device)
    message = message_of(device, held)
    device.tell()  # the device was started anew and goes on without it
    device.tell()
    headers, body = read_report(message) or ({}, b"")
    with world.served.exchange("POST", "/v1/report", headers, body) as answer:
        assert answer.status == 401  # whoever read it at the broker cannot bring it
    world.tap("#").say(report_topic(PRODUCT, device.id), message)
    until(lambda: world.served.metric("requests", endpoint=f"POST {PATH}", status="409") == 1)
    assert not world.shut_out(device.id)
    device.tell()
    # Two devices with one key are found all the same, at the request that the device signed for HTTPS.
    forked = next_report(device, nonce=nonce)
    signed = sign("POST", "/v1/report", forked, device.key, device.id)
    with world.served.exchange("POST", "/v1/report", signed, forked) as answer:
        assert answer.status == 403
    assert world.shut_out(device.id)


def test_the_same_report_over_both_ways_is_written_once(world: World) -> None:
    world.served.take()
    device = world.device()
    body = next_report(device)
    tap = world.tap(answer_topic(PRODUCT, device.id))
    for _ in range(2):
        tap.say(report_topic(PRODUCT, device.id), message_of(device, body))
    until(lambda: len(tap.heard) == 2)
    with world.served.exchange(
        "POST", "/v1/report", sign("POST", "/v1/report", body, device.key, device.id), body
    ) as a:
        said = a.whole(1 << 16)
    assert {one[1].partition(b"\n")[2].partition(b"\n")[2] for one in tap.heard} == {said}
    assert world.written(device.id) == 2  # with the one of `learns`


# What is no report.


def test_garbage_is_counted_and_nobody_is_kept_waiting(world: World) -> None:
    world.served.take()
    device, chance = world.device(20), random.Random(7)  # noqa: S311 - no secret
    true = message_of(device, next_report(device))
    place, tap = report_topic(PRODUCT, device.id), world.tap("nothing")
    broken = [chance.randbytes(chance.randrange(200)) for _ in range(100)]
    for _ in range(100):
        cut = chance.randrange(len(true))
        broken.append(true[:cut] + chance.randbytes(chance.randrange(4)) + true[cut + chance.randrange(4) :])
    for one in broken:
        tap.say(place, one)
    tap.say(report_topic(PRODUCT, DEVICE), true)  # of another device
    tap.say(report_topic(PRODUCT, "no-device"), b"{}\n{}")
    until(lambda: sum(world.served.carried().values()) >= len(broken) + 2, world.served.carried)
    assert world.served.metric("carried", what="broken") == 0
    assert world.served.metric("carried", what="malformed") > 50
    assert world.written(device.id) <= 2  # one may have been cut off where nothing was left to cut
    world.served.away = True
    device.drain()
    assert device.bulk.carried == 1


def test_what_is_too_large_goes_over_https(world: World) -> None:
    world.served.take()
    device = world.device(20, size=LARGEST // 10)
    tap = world.tap("nothing")
    tap.say(report_topic(PRODUCT, device.id), b"x" * (LARGEST + 2 * ROOM))  # the broker keeps it from the server
    device.drain()
    assert device.bulk.carried == 0
    assert world.kept(device.id) == list(range(1, 21))
    assert world.served.metric("carried", what="malformed") == 0


def test_no_more_are_taken_than_become_durable(tmp_path: Path, stack: ExitStack) -> None:
    world = World(tmp_path, stack, window=4)
    world.served.take()
    device, most = world.device(), [0]
    held, over = threading.Event(), threading.Event()

    def blocked(connection: sa.Connection) -> None:
        held.set()
        assert over.wait(60)

    async def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], len(world.served.taker._tasks))
            await asyncio.sleep(0.001)

    world.served.plane.committer.submit(blocked)
    assert held.wait(60)
    watching = asyncio.run_coroutine_threadsafe(watch(), world.served.loop)
    tap = world.tap("nothing")
    for _ in range(30):
        tap.say(report_topic(PRODUCT, device.id), message_of(device, next_report(device)))
    until(lambda: world.served.plane.committer.waiting == 4)
    over.set()
    watching.result(60)
    until(lambda: world.served.carried()["answered"] == 30, world.served.carried)
    assert most[0] == 4


# A broker that goes.


def test_a_broker_that_goes_while_it_is_asked_is_not_waited_for(world: World) -> None:
    world.served.take()
    device = world.device(20)
    world.served.ends()
    world.tap(report_topic(PRODUCT), lambda *_: world.broker.process.kill())
    device.tell()
    assert not device.outbox.waiting
    assert device.state.link.broker == "the broker went away"


def test_where_nobody_takes_reports_the_broker_rests(world: World) -> None:
    world.served.take()
    device = world.device(100, patience=0.2)
    world.served.ends()
    heard = world.tap(report_topic(PRODUCT))
    device.drain()
    assert device.state.link.broker == "no answer over the broker"
    assert len(heard.heard) == 1  # and not one for each of five reports
    assert world.kept(device.id) == list(range(1, 101))


def test_without_a_broker_a_report_is_as_it_always_was(world: World) -> None:
    class Away:
        connected = False

        def ask(self, message: bytes, believed: Callable[[bytes], Answer | None], seconds: float) -> Answer:
            raise AssertionError

    device = world.device(5)
    bulk = Bulk(world.served, Away(), device.key, device.id, Clocks(), Luck(), bulky=lambda: True)
    body = next_report(device)
    with bulk.exchange("POST", "/v1/report", sign("POST", "/v1/report", body, device.key, device.id), body) as answer:
        assert answer.status == 200
    world.served.away = True
    with pytest.raises(Unreachable), bulk.exchange("GET", "/metadata/timestamp.json", {}):
        pass


# What its owner is told.


def test_why_reports_do_not_go_over_the_broker_is_said_once_and_stands_in_the_status(
    world: World, tmp_path: Path, stack: ExitStack
) -> None:
    world.served.take()
    device, said = world.device(), list[str]()
    device.waker.close()
    arguments = (world.url, "", PRODUCT, device.state, lambda: None, lambda: True, said.append)
    assert listening("", *arguments[1:], world.served, device.key, stack) is world.served
    bulk = listening(*arguments, world.served, device.key, stack)
    assert isinstance(bulk, Bulk)
    bulk._patience = 0.2
    until(lambda: bulk._broker.connected)
    folder = next(one for one in tmp_path.iterdir() if (one / "update.sqlite").exists())

    def report() -> int:
        body = next_report(device)
        bulk._pace.due = 0.0
        with bulk.exchange("POST", "/v1/report", sign("POST", "/v1/report", body, device.key, device.id), body) as got:
            said_back = msgspec.json.decode(got.whole(1 << 16), type=Acknowledged)
        device.state.set_nonce(said_back.nonce)
        return len(said)

    report()
    assert not said  # the first goes over HTTPS, and hears the key of answers
    world.served.ends()
    for _ in range(3):
        report()
    assert said == ["the broker: no answer over the broker; reports go over HTTPS"]
    line = "  reports go over HTTPS and not over the broker: no answer over the broker"
    assert line in fleet_lines(followed(folder))
    world.served.taker = Taker(world.url, (PRODUCT,))
    world.served.take()
    bulk._patience = 60.0
    until(lambda: report() == 2)
    assert said[1] == "reports of a backlog go over the broker"
    assert line not in fleet_lines(followed(folder))


@pytest.mark.parametrize("url", ["http://x", "mqtt://far.example", "mqtts://host:0"])
def test_what_is_no_broker_is_told_before_the_device_has_enrolled(url: str) -> None:
    checked("")
    with pytest.raises(InputError):
        checked(url)
