"""What leaves for a broker of a cloud: a second Mosquitto with TLS that asks each device for its certificate."""

from __future__ import annotations

import datetime
import importlib
import ipaddress
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgewright.core.errors import InputError, OutputError
from edgewright.device.agent.startup import deliver
from edgewright.device.sinks import Sink, kind
from edgewright.device.store.records import Item
from mqtt_broker import broker_until
from store_example import HandClock, event, opened, put_rows

Key = ec.EllipticCurvePrivateKey


def certificate(folder: Path, name: str, issuer: tuple[x509.Name, Key] | None = None) -> tuple[x509.Name, Key]:
    """Write NAME.pem and NAME.key: signed by the issuer, or an authority of its own."""
    subject, key = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), ec.generate_private_key(ec.SECP256R1())
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    text = (
        x509.CertificateBuilder(issuer_name, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(text.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return subject, key


class Cloud:
    """A broker at which a device may write below its own name alone, and a listener with its messages."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        authority = certificate(folder, "authority")
        for name in ("server", "pump", "listener"):
            certificate(folder, name, authority)
        certificate(folder, "stranger")
        self.broker = broker_until(folder, stack)
        self.broker.stop()
        (folder / "rights").write_text("pattern write dt/plant/%u/#\n\nuser listener\ntopic read #\n")
        self.broker.config.write_text(
            f"listener {self.broker.port} 127.0.0.1\ncafile {folder}/authority.pem\ncertfile {folder}/server.pem\n"
            f"keyfile {folder}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
            f"acl_file {folder}/rights\nuser root\n"
        )
        self.broker.start()
        self.messages: list[tuple[str, Item]] = []

    def listen(self, stack: ExitStack) -> None:
        library: Any = importlib.import_module("paho.mqtt.client")
        client = library.Client(library.CallbackAPIVersion.VERSION2, client_id="listener")
        client.tls_set(*(str(self.folder / file) for file in ("authority.pem", "listener.pem", "listener.key")))
        ready: list[bool] = []
        client.on_subscribe = lambda *_: ready.append(True)
        client.on_message = lambda _client, _data, message: self.messages.append(
            (message.topic, msgspec.json.decode(message.payload, type=Item))
        )
        client.connect("127.0.0.1", self.broker.port)
        client.subscribe("dt/#", qos=1)
        client.loop_start()
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        wait_for(lambda: bool(ready))

    def sink(self, name: str = "pump", **settings: object) -> Sink:
        part = kind("mqtt")
        given = {
            "port": self.broker.port, "tls": True, "ca_file": str(self.folder / "authority.pem"), "client": name,
            "certificate": str(self.folder / f"{name}.pem"), "key_file": str(self.folder / f"{name}.key"),
            "acknowledged_by": "broker", "topic": "dt/plant/pump/{kind}", "timeout": 5.0, **settings,
        }  # fmt: skip
        return part.open(msgspec.convert(given, part.config))


def wait_for(condition: Any) -> None:  # noqa: ANN401 - a function without arguments
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened_stack:
        yield opened_stack


@pytest.fixture
def cloud(tmp_path: Path, stack: ExitStack) -> Cloud:
    folder = tmp_path / "cloud"
    folder.mkdir()
    return Cloud(folder, stack)


@pytest.mark.parametrize("in_flight", [1, 20])
def test_items_keep_their_topics_and_leave_the_store_when_the_broker_took_them(
    tmp_path: Path, cloud: Cloud, stack: ExitStack, in_flight: int
) -> None:
    cloud.listen(stack)
    sink = cloud.sink(in_flight=in_flight)
    stack.callback(sink.close)
    with opened(tmp_path / "s", HandClock()) as store:
        store.append_events([event("alarm", number=n) for n in range(60)])
        store.outbox.put("a/b+#", {"count": 1}, 6)
        store.commit()
        record = deliver(store, sink, limit=1 << 20, batches=4)
        assert record.arrived == record.sent == 61
        assert not store.outbox.take(1 << 20)
    wait_for(lambda: len(cloud.messages) == 61)
    assert {topic for topic, _ in cloud.messages} == {"dt/plant/pump/alarm", "dt/plant/pump/a_b__"}
    assert len({(item.boot, item.sequence) for _, item in cloud.messages}) == 61


def test_many_small_items_are_acknowledged_while_others_are_handed_over(
    tmp_path: Path, cloud: Cloud, stack: ExitStack
) -> None:
    sink = cloud.sink()
    with opened(tmp_path / "s", HandClock()) as store:
        store.append_events([event("alarm", number=n) for n in range(3000)])
        store.commit()
        arrived: list[int] = []

        def deliver_all() -> None:
            arrived.append(deliver(store, sink, batches=40).arrived)

        # A thread that may be left behind: a lock that is never free would keep the test for ever.
        thread = threading.Thread(target=deliver_all, daemon=True)
        thread.start()
        thread.join(30)
        assert arrived == [3000]
    sink.close()


def test_a_broker_that_is_killed_gets_the_rest_when_it_is_back(tmp_path: Path, cloud: Cloud, stack: ExitStack) -> None:
    sink = cloud.sink(timeout=1.0)
    stack.callback(sink.close)
    clock = HandClock()
    with opened(tmp_path / "s", clock) as store:
        store.append_events([event("alarm", number=n) for n in range(30)])
        store.commit()
        cloud.broker.process.kill()
        cloud.broker.process.wait()
        first = deliver(store, sink, limit=1 << 20, batches=1)
        assert first.arrived == 0 and first.problem
        cloud.broker.start()
        cloud.listen(stack)
        clock.forward(600.0)
        assert deliver(store, sink, limit=1 << 20, batches=4).arrived == 30
    wait_for(lambda: len(cloud.messages) == 30)


def test_a_stranger_is_told_so_at_once_and_nothing_leaves(tmp_path: Path, cloud: Cloud, stack: ExitStack) -> None:
    sink = cloud.sink("stranger", timeout=20.0)
    stack.callback(sink.close)
    started = time.monotonic()
    with opened(tmp_path / "s", HandClock()) as store:
        store.append_events([event("alarm")])
        store.commit()
        with pytest.raises(OutputError, match="does it know this device"):
            sink.send("pump", store.outbox.take(1 << 20))
    assert time.monotonic() - started < 10


def test_a_host_with_an_impossible_name_is_an_error_of_one_line(cloud: Cloud) -> None:
    with pytest.raises(OutputError, match="a broker"):
        cloud.sink(host="a..b").send("pump", [])


def test_a_large_item_is_given_up_alone(tmp_path: Path, cloud: Cloud, stack: ExitStack) -> None:
    cloud.listen(stack)
    sink = cloud.sink(largest_bytes=1000)
    stack.callback(sink.close)
    with opened(tmp_path / "s", HandClock(), send_columns=("ax",)) as store:
        put_rows(store, 500)
        store.append_events([event("alarm")])
        store.commit()
        deliver(store, sink, limit=1 << 20, batches=4)
        assert not store.outbox.take(1 << 20)
    wait_for(lambda: len(cloud.messages) >= 2)
    assert sorted(topic for topic, _ in cloud.messages) == ["dt/plant/pump/alarm", "dt/plant/pump/health"]


def test_a_message_that_rights_forbid_stays_in_the_store(tmp_path: Path, cloud: Cloud, stack: ExitStack) -> None:
    cloud.listen(stack)
    sink = cloud.sink(topic="dt/plant/other/{kind}")
    stack.callback(sink.close)
    with opened(tmp_path / "s", HandClock()) as store:
        store.append_events([event("alarm")])
        store.commit()
        record = deliver(store, sink)
        assert record.arrived == 0 and "Not authorized" in record.problem
    assert not cloud.messages


def test_a_broker_that_takes_fewer_messages_at_once_gets_so_many(
    tmp_path: Path, cloud: Cloud, stack: ExitStack
) -> None:
    cloud.broker.stop()
    cloud.broker.config.write_text(cloud.broker.config.read_text() + "max_inflight_messages 3\n")
    cloud.broker.start()
    sink, clock = cloud.sink(), HandClock()
    stack.callback(sink.close)
    with opened(tmp_path / "s", clock) as store:
        store.append_events([event("alarm", number=n) for n in range(60)])
        store.commit()
        assert "at most 3 messages at once" in deliver(store, sink).problem
        clock.forward(600.0)
        assert deliver(store, sink).arrived == 60


class OldBroker(socketserver.StreamRequestHandler):
    """Knows version 3.1.1 of MQTT alone, and acknowledges what comes."""

    def handle(self) -> None:
        while kind_byte := self.rfile.read(1):
            length, shift, more = 0, 0, True
            while more:
                (part,) = self.rfile.read(1)
                length, shift, more = length | (part & 127) << shift, shift + 7, part > 127
            body = self.rfile.read(length)
            if kind_byte[0] >> 4 == 1:  # CONNECT: its seventh byte is the version
                self.wfile.write(bytes([0x20, 2, 0, int(body[6] != 4)]))
            elif kind_byte[0] >> 4 == 3:  # PUBLISH: its number follows the topic
                at = 2 + int.from_bytes(body[:2], "big")
                self.wfile.write(bytes([0x40, 2]) + body[at : at + 2])


def test_a_broker_of_the_version_before_is_spoken_to_in_that(tmp_path: Path) -> None:
    part, clock = kind("mqtt"), HandClock()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldBroker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = {"port": server.server_address[1], "acknowledged_by": "broker", "timeout": 5.0}
        sink = part.open(msgspec.convert(given, part.config))
        with opened(tmp_path / "s", clock) as store:
            store.append_events([event("alarm")])
            store.commit()
            assert "Unsupported protocol version" in deliver(store, sink).problem
            clock.forward(600.0)
            assert deliver(store, sink).arrived == 1
        sink.close()
        server.shutdown()


def test_a_key_with_a_password_asks_no_person(cloud: Cloud) -> None:
    key = serialization.load_pem_private_key((cloud.folder / "pump.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"abcd"),
    )
    (cloud.folder / "locked.key").write_bytes(locked)
    with pytest.raises(InputError, match="certificates and a key in PEM") as caught:
        cloud.sink(key_file=str(cloud.folder / "locked.key")).send("pump", [])
    assert "PEM lib" in str(caught.value)  # without a password OpenSSL asks the terminal: 'Invalid argument'


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"key_file": ""}, "certificate and key_file together"),
        ({"tls": False}, "certificate and key_file together"),
        ({"certificate": "nowhere.pem"}, "nowhere.pem"),
        ({"topic": ""}, "a topic of 1 to"),
        ({"topic": "x" * 70_000}, "a topic of 1 to"),
    ],
)
def test_wrong_settings_are_errors_of_one_line(cloud: Cloud, settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong) as caught:
        cloud.sink(**settings).send("pump", [])
    assert "\n" not in str(caught.value)
