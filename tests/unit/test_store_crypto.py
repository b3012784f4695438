"""Encrypted columns of a store; its outbox over the network."""

from __future__ import annotations

import http.server
import shutil
import sqlite3
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import MissingExtraError, SinkSettingsError, StoreDamagedError, TextEncodingError
from edgewright.core.records.device import Event
from edgewright.device.agent.startup import deliver
from edgewright.device.broker import first_line
from edgewright.device.sinks import Sink, SinkConfig, acknowledgement, kind
from edgewright.device.store import reader, status
from edgewright.device.store.entries import read_key
from edgewright.device.store.records import Item, OutboxItem, Position
from edgewright.device.store.status import purge
from edgewright.device.store.store import Store
from store_example import HandClock, config, opened

SECRET = bytes(range(32))


def key_file(folder: Path, content: bytes = SECRET, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def filled(folder: Path, key: Path, encrypt: tuple[str, ...]) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    settings = config(encrypt=encrypt, key_file=str(key))
    with Store.open(folder, settings, "device-1", HandClock()) as store:
        store.append_rows("wrist", ("ax", "ay"), np.arange(100.0), values)
    return values


@pytest.mark.parametrize("encrypt", [("ax",), ("*",)])
def test_columns_open_with_their_key_alone(tmp_path: Path, encrypt: tuple[str, ...]) -> None:
    key = key_file(tmp_path)
    values = filled(tmp_path / "s", key, encrypt)
    closed = ("ax", "ay") if encrypt == ("*",) else ("ax",)
    with reader.look(tmp_path / "s") as database:
        (locked,) = reader.rows(database, "device-1")
        (open_,) = reader.rows(database, "device-1", key=read_key(key))
    assert locked.sealed == closed
    assert set(locked.values) == {"ax", "ay"} - set(closed)
    np.testing.assert_array_equal(open_.values["ax"], values[:, 0])
    np.testing.assert_array_equal(open_.values["ay"], values[:, 1])
    assert open_.sealed == ()


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "s", key_file(tmp_path), ("*",))
    (tmp_path / "b").mkdir()
    other = read_key(key_file(tmp_path / "b", b"x" * 32))
    with reader.look(tmp_path / "s") as database:
        (locked,) = reader.rows(database, "device-1", key=other)
    assert locked.sealed == ("ax", "ay")


@pytest.mark.parametrize("change", ["sequence = 99", "stream = 'other'", "boot = 2", "sealed = substr(sealed, 2)"])
def test_rows_that_were_moved_or_changed_do_not_open(tmp_path: Path, change: str) -> None:
    key = key_file(tmp_path)
    filled(tmp_path / "s", key, ("ax",))
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as database:
        database.execute(f"UPDATE rows SET {change}")  # noqa: S608
    database.close()
    with reader.look(tmp_path / "s") as looked:
        (row,) = reader.rows(looked, "device-1", key=read_key(key))
    assert row.sealed == ("ax",)


def test_what_is_encrypted_lies_nowhere_on_the_disk(tmp_path: Path) -> None:
    values = np.full((64, 2), 0.0, dtype=np.float32)
    values[:, 0] = np.arange(64) * 0.001 + 77.0
    times = np.arange(64.0)
    rows_by_name = {}
    for name, encrypt in (("clear", ()), ("sealed", ("ax",))):
        folder = tmp_path / name
        settings = config(encrypt=encrypt, key_file=str(key_file(tmp_path)))
        with Store.open(folder, settings, "device-1", HandClock()) as store:
            store.append_rows("wrist", ("ax", "ay"), times, values)
        with reader.look(folder) as database:
            (row,) = database.execute("SELECT plain, sealed FROM rows")
        rows_by_name[name] = row
    assert len(rows_by_name["clear"][0]) > len(rows_by_name["sealed"][0])
    assert len(rows_by_name["sealed"][1]) > 28
    assert rows_by_name["clear"][1] == b""


def test_export_asks_for_the_key(tmp_path: Path, cli: Cli) -> None:
    key = key_file(tmp_path)
    filled(tmp_path / "s", key, ("ax",))
    base = ["device", "export", "--store", str(tmp_path / "s"), "--rows", "--column", "ax", "--out"]
    assert "expected the key of column 'ax'" in cli(*base, tmp_path / "a.csv", code=2)
    assert not (tmp_path / "a.csv").exists()
    assert run([*base, str(tmp_path / "a.csv"), "--key", str(key)]) == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 101


def test_keys_that_are_none_are_refused(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, SECRET.hex().encode() + b"\n")).name == read_key(key_file(tmp_path)).name
    for content in (b"", b"x" * 31, b"z" * 64):
        with pytest.raises(StoreDamagedError, match="expected 32 bytes or 64 hexadecimal digits"):
            read_key(key_file(tmp_path, content))
    with pytest.raises(StoreDamagedError, match="expected a key that only its owner reads, got mode 644"):
        read_key(key_file(tmp_path, mode=0o644))
    with pytest.raises(StoreDamagedError, match="expected a key_file with 'encrypt'"):
        Store.open(tmp_path / "s", config(encrypt=("ax",)))
    shutil.rmtree(tmp_path / "s", ignore_errors=True)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgewright\[device\]'"):
        read_key(key_file(tmp_path))


CANARY = "CANARY-7f3a"
# A value that nothing else has, in every form in which it may leave.
NUMBER = np.float32(12345.678)
FORMS = (CANARY.encode(), b"12345.67", b"12345.7", struct.pack("<f", NUMBER), struct.pack(">f", NUMBER),
         struct.pack("<d", NUMBER), struct.pack(">d", NUMBER))  # fmt: skip


def fill(store: Store) -> None:
    values = np.full((40, 3), NUMBER, dtype=np.float32)
    values[:, 1] = 0.5
    store.append_rows("wrist", (CANARY, "allowed", "ay"), np.arange(40.0), values)
    store.append_events([
        Event(kind="alarm", stream="wrist", label="fall", time=3.0, score=0.75,
              detail={"count": 2, CANARY: 1, "window": [float(NUMBER)], "note": CANARY, "sketch": {"x": CANARY},
                      "counts": {"fall": 3}, "reason": "x" * 300}),
    ])  # fmt: skip
    store.outbox.put("summary", {"count": 9, "rows": [float(NUMBER)], "raw": CANARY}, 6)
    store.commit()


def no_canary(content: bytes) -> None:
    for form in FORMS:
        assert form not in content


@contextmanager
def http_receiver() -> Iterator[tuple[str, list[bytes]]]:
    requests: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(str(self.headers).encode() + body)
            items = [msgspec.json.decode(line, type=Item) for line in body.splitlines()]
            answer = msgspec.json.encode({"durable": [[item.boot, item.sequence] for item in items]})
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/items", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def open_sink(name: str, **settings: object) -> Sink:
    part = kind(name)
    config: SinkConfig = msgspec.convert(settings, part.config)
    return part.open(config)


def test_a_folder_takes_files_and_no_canary(tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    with opened(tmp_path / "s", send_columns=("allowed",)) as store:
        fill(store)
        assert status.of(store).withheld >= 6
        delivery = deliver(store, open_sink("folder", path=str(tmp_path / "stick")))
        assert (delivery.sent, delivery.arrived, delivery.problem) == (3, 3, "")
        assert status.of(store).waiting == {}
    (file,) = (tmp_path / "stick").iterdir()
    content = file.read_bytes()
    no_canary(content + file.name.encode())
    items = [msgspec.json.decode(line, type=Item) for line in content.splitlines()]
    assert [item.kind for item in items] == ["event", "summary", "rows"]
    assert items[0].body["detail"] == {"count": 2, "counts": {"fall": 3}}
    assert items[1].body == {"count": 9}
    assert items[2].body["names"] == ["allowed"]
    assert items[2].body["values"] == [[0.5]] * 40


def test_http_takes_batches_and_no_canary(tmp_path: Path) -> None:
    with http_receiver() as (url, requests), opened(tmp_path / "s") as store:
        fill(store)
        delivery = deliver(store, open_sink("http", url=url))
        assert (delivery.sent, delivery.arrived) == (2, 2)
    assert b"Edgewright-Device: device-1" in requests[0]
    no_canary(b"".join(requests))


@pytest.mark.parametrize("token", [b"first-7f3a\nsecond", b"caf\xc3\xa9-7f3a", b"7f3a\xff", b"7f3a\x00"])
def test_a_token_that_no_header_takes_is_not_quoted_and_stops_no_delivery(tmp_path: Path, token: bytes) -> None:
    (tmp_path / "token").write_bytes(token)
    with opened(tmp_path / "s") as store:
        fill(store)
        delivery = deliver(store, open_sink("http", url="http://127.0.0.1:9/", token_file=str(tmp_path / "token")))
    assert "expected a token in one line of printable ASCII" in delivery.problem
    assert "7f3a" not in delivery.problem
    with pytest.raises(TextEncodingError) as raised:
        (tmp_path / "password").write_bytes(token + b"\xfe")
        first_line(str(tmp_path / "password"))
    assert "0x" not in str(raised.value)


def test_raw_rows_never_leave_by_themselves(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        fill(store)
        kinds = [msgspec.json.decode(t.body, type=Item).kind for t in store.outbox.take(1 << 30)]
        assert "rows" not in kinds
        (stored,) = reader.rows(store.database, "device-1")
        assert set(stored.values) == {CANARY, "allowed", "ay"}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_exports_hold_named_columns_and_no_canary(
    tmp_path: Path, form: str, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path / "s") as store:
        fill(store)
    rows, events = tmp_path / f"rows.{form}", tmp_path / f"events.{form}"
    base = ["device", "export", "--store", str(tmp_path / "s")]
    assert run([*base, "--rows", "--column", "allowed", "--out", str(rows)]) == 0
    assert run([*base, "--detail", "count", "--out", str(events)]) == 0
    no_canary(rows.read_bytes() + events.read_bytes())
    assert len(rows.read_bytes().splitlines()) == 40 + (form == "csv")
    assert b"0.5" in rows.read_bytes()
    assert b"fall" in events.read_bytes()
    capsys.readouterr()
    assert "Raw data stays on the device unless you name a column" in cli(
        *base, "--rows", "--out", tmp_path / f"none.{form}", code=2
    )
    text = cli(*base, "--rows", "--column", "alowed", "--out", tmp_path / f"none.{form}", code=2)
    assert "no column 'alowed'. Known: " in text
    assert "Did you mean 'allowed'?" in text
    assert "one of boot, sequence" in cli(*base, "--column", "alowed", "--out", tmp_path / f"none.{form}", code=2)
    assert "--force" in cli(*base, "--rows", "--column", "ay", "--out", rows, code=2)
    assert not (tmp_path / f"none.{form}").exists()


def test_purged_rows_are_not_in_the_files_any_more(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        store.append_events([Event(kind="decision", label=f"{CANARY}-{n}") for n in range(300)])
        store.commit()
        assert purge(store, ["events", "outbox"]) == {"events": 300, "outbox": 300}
        assert CANARY.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "s").iterdir() if p.is_file())
        assert status.of(store).dropped[0].reason == "purged"


def test_what_leaves_the_machine_is_encrypted() -> None:
    for name, settings in (
        ("http", {"url": "http://gateway.example/items"}),
        ("mqtt", {"host": "broker.example"}),
        ("http", {"url": "http://127.0.0.1.example/items"}),
    ):
        with pytest.raises(SinkSettingsError, match="expected TLS, or an address of this machine"):
            open_sink(name, **settings)
    with pytest.raises(SinkSettingsError, match="expected an address"):
        open_sink("http", url="file:///etc/passwd")
    assert open_sink("http", url="https://gateway.example/items")


def test_an_acknowledgement_says_durable_or_nothing() -> None:
    assert acknowledgement(b'{"durable": [[1, 2], [1, 3]]}', "here").durable == ((1, 2), (1, 3))
    for wrong in (b"", b"ok", b'{"received": [[1, 2]]}', b'{"durable": [[1]]}', b'{"durable": [["1", 2]]}'):
        with pytest.raises(SinkSettingsError, match="expected an acknowledgement"):
            acknowledgement(wrong, "here")


def test_a_stick_that_is_not_there_is_no_error_of_the_store(tmp_path: Path) -> None:
    with opened(tmp_path / "s", HandClock()) as store:
        fill(store)
        delivery = deliver(store, open_sink("folder", path=str(tmp_path / "stick")))
        assert delivery.arrived == 0
        assert "Is the stick plugged in" in delivery.problem
        assert sum(status.of(store).waiting.values()) == delivery.sent


def test_a_receiver_that_keeps_half_gets_the_rest_again(tmp_path: Path) -> None:
    class Half(Sink):
        def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
            return [item.position for item in batch[::2]]

    clock = HandClock()
    with opened(tmp_path / "s", clock) as store:
        store.append_events([Event(kind="decision", label=str(n)) for n in range(64)])
        store.commit()
        for _ in range(12):
            deliver(store, Half())
            clock.forward(1000.0)
        assert status.of(store).waiting == {}
