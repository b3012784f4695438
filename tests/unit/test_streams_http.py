"""Rows pushed over HTTP: what is taken, what is refused, and that overload and rubbish are bounded."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError, SourceDataError, SourceError
from edgewright.device.sources._payload import JsonReader, MessageSettings, PayloadReader
from edgewright.device.sources.http import _SLOW, HttpConfig, HttpPush
from frames_example import write_hello, write_rows
from stream_rows import drain, notices, opened, times, until_notice, values


@pytest.fixture
def push() -> Iterator[HttpPush]:
    stream = HttpPush(HttpConfig(port=0, largest=4096, waiting=100, streams=3), ("a", "b"))
    yield stream
    stream.close()


def post(
    stream: HttpPush, path: str, body: bytes | str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any], dict[str, str]]:
    line = http.client.HTTPConnection("127.0.0.1", stream.port, timeout=5)
    try:
        line.request("POST", path, body, headers or {})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read()), dict(answer.getheaders())
    finally:
        line.close()


@pytest.mark.parametrize(
    "body",
    [
        '[{"time": 1.0, "a": 1, "b": 2, "other": "x"}, {"time": 1.5, "a": 3, "b": null}]',
        '{"time": [1.0, 1.5], "a": [1, 3], "b": [2, null]}',
        '{"columns": ["b", "a", "time"], "rows": [[2, 1, 1.0], [null, 3, 1.5]]}',
        "time,a,b\n1.0,1,2\n1.5,3,",
        "b;time;a\n2;1.0;1\n;1.5;3\n",
    ],
)
def test_each_form_of_rows_is_taken(push: HttpPush, body: str) -> None:
    assert post(push, "/pump%201", body)[:2] == (202, {"rows": 2})
    packets = drain(push, 2)
    assert {p.stream for p in packets} == {"pump 1"}
    assert np.array_equal(values(packets), np.array([[1, 2], [3, np.nan]]), equal_nan=True)
    assert times(packets).tolist() == [1.0, 1.5]


def test_frames_and_single_rows_are_taken(push: HttpPush) -> None:
    frames = write_hello(["b", "a"], 10.0) + write_rows(np.array([[2, 1]], np.float32), sequence=0, time=5)
    assert post(push, "/f", frames)[0] == 202
    assert post(push, "/j", '{"a": 5, "b": 6}')[0] == 202
    assert post(push, "/j", "[7, 8]")[0] == 202
    assert values(drain(push, 3)).tolist() == [[1, 2], [5, 6], [7, 8]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "JSON"),
        ('{"c": 1}', "no column 'a'"),
        ('{"a": "warm"}', "a number"),
        ('{"a": 1e300}', "a number"),
        ("[1, 2, 3]", "3 numbers"),
        ('{"a": [1, 2], "b": [1]}', "columns of one length"),
        ("[[" * 2000, "JSON"),
        ("hello world", "no header"),
        ('"z"', "no header"),
        ("[]", "numbers"),
    ],
)
def test_rubbish_is_answered_with_400_and_the_reason(push: HttpPush, body: str, message: str) -> None:
    status, record, _ = post(push, "/x", body)
    assert status == 400
    assert message in record["error"]
    assert post(push, "/x", '{"a": 1, "b": 2}')[0] == 202


def test_what_is_too_much_is_refused(push: HttpPush) -> None:
    assert post(push, "/x", b"1" * 5000)[0] == 413
    assert post(push, "/" + "x" * 300, "{}")[0] == 414
    row = '{"a": [' + ",".join(["1"] * 60) + '], "b": [' + ",".join(["1"] * 60) + "]}"
    assert [post(push, "/x", row)[0] for _ in range(3)] == [202, 202, 429]
    assert post(push, "/x", row)[2]["Retry-After"] == "1"
    assert "2 requests were refused" in " ".join(notices(until_notice(push, "refused")))
    assert [post(push, f"/{i}", '{"a": 1}')[0] for i in range(4)] == [202, 202, 429, 429]


def test_a_request_without_a_length_or_another_method_is_refused(push: HttpPush) -> None:
    for request, status in (
        (b"POST / HTTP/1.1\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    ):
        with socket.create_connection(("127.0.0.1", push.port), timeout=5) as line:
            line.sendall(request)
            assert line.recv(1000).split(b" ")[1] == status


def test_many_slow_connections_do_not_stop_the_others_for_long(push: HttpPush) -> None:
    slow = [socket.create_connection(("127.0.0.1", push.port), timeout=5) for _ in range(40)]
    try:
        for line in slow[:31]:
            line.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n1")
        time.sleep(0.2)
        refused = [line for line in slow[32:] if line.recv(100).startswith(b"HTTP/1.1 503")]
        assert len(refused) == 8
    finally:
        for line in slow:
            line.close()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if post(push, "/x", '{"a": 1}')[0] == 202:
                return
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            time.sleep(0.05)
    raise AssertionError("nobody is served any more")


def test_a_token_is_asked_for_and_needed_where_others_reach_the_host(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("correct horse\n")
    with pytest.raises(SourceError):
        opened("http:0.0.0.0:0")
    stream = HttpPush(HttpConfig(port=0, token_file=str(token)), ("a",))
    try:
        assert post(stream, "/x", '{"a": 1}')[0] == 401
        assert post(stream, "/x", '{"a": 1}', {"Authorization": "Bearer wrong"})[0] == 401
        assert post(stream, "/x", '{"a": 1}', {"Authorization": "Bearer correct horse"})[0] == 202
        assert len(values(drain(stream, 1))) == 1
    finally:
        stream.close()
    token.write_text("short")
    with pytest.raises(SourceError):
        opened(f"http:127.0.0.1:0?token_file={token}")


def test_closing_leaves_no_thread_even_with_a_sender_in_the_middle() -> None:
    before = threading.active_count()
    stream = HttpPush(HttpConfig(port=0), ("a",))
    with socket.create_connection(("127.0.0.1", stream.port), timeout=5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n1")
        until = time.monotonic() + 60
        while threading.active_count() < before + 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        begun = time.monotonic()
        stream.close()
        # A sender is let go only then.
        assert time.monotonic() - begun < _SLOW
    assert threading.active_count() == before


def test_a_port_that_is_taken_is_refused(push: HttpPush) -> None:
    with pytest.raises(SourceError):
        opened(f"http:127.0.0.1:{push.port}")


def test_fuzzed_messages_never_break_the_reader() -> None:
    rng = np.random.default_rng(9)
    hello, rows = write_hello(["a", "b"]), write_rows(np.ones((2, 2), np.float32), sequence=3, time=9)
    seeds = [
        b'[{"time": 1.0, "a": 1, "b": [2]}]',
        b'{"columns":["a"],"rows":[[1],[2]]}',
        b"t,a,b\n1,2,3\n",
        hello + rows,
    ]
    until, refused = time.monotonic() + 1.5, 0
    while time.monotonic() < until:
        reader = PayloadReader(["a", "b"], "fuzz", MessageSettings())
        for _ in range(20):
            data = bytearray(seeds[int(rng.integers(4))])
            for _ in range(int(rng.integers(0, 6))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
            try:
                arrived = reader.read(bytes(data))
            except InputError:
                refused += 1
                continue
            assert arrived.values.shape[1:] == (2,)
            assert arrived.time is None or len(arrived.time) == len(arrived.values)
    assert refused > 10


def test_dates_in_json_that_cannot_be_read_are_told_when_they_begin() -> None:
    reader = JsonReader(("x",), name="http", time="at")
    good = reader.read(b'[{"at": "2026-11-20T13:00:00", "x": 1}, {"at": "2026-11-20T13:00:01", "x": 2}]')
    assert good.notices == ()
    assert good.time is not None and np.diff(good.time).tolist() == [1.0]
    odd = reader.read(b'[{"at": "yesterday", "x": 3}, {"at": "2026-11-20T13:00:03", "x": 4}]')
    assert len(odd.notices) == 1 and "expected a date such as" in odd.notices[0] and "'yesterday'" in odd.notices[0]
    assert odd.time is not None and np.isnan(odd.time).tolist() == [True, False]
    assert reader.read(b'{"at": "the day before", "x": 5}').notices == ()
    assert reader.read(b'{"at": "2026-11-20T13:00:05", "x": 6}').notices == ()
    assert len(reader.read(b'{"at": "again", "x": 7}').notices) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example", "Content-Type": "text/plain"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8181", "Origin": "http://evil.example:8181"}, 421),
        ({"Host": "127.0.0.1"}, 421),
    ],
)
def test_a_page_of_another_site_posts_nothing(push: HttpPush, headers: dict[str, str], status: int) -> None:
    assert post(push, "/pump", '{"a": 1, "b": 2}', headers)[0] == status
    assert push.read(0.0) == []
    assert post(push, "/pump", '{"a": 1, "b": 2}', {"Host": f"localhost:{push.port}"})[0] == 202  # a program


def test_a_page_that_knows_no_token_posts_nothing_whatever_its_host(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("12345678")
    stream = HttpPush(HttpConfig(port=0, token_file=str(tmp_path / "token")), ("a", "b"))
    try:
        bearer, body = {"Authorization": "Bearer 12345678"}, '{"a": 1, "b": 2}'
        assert post(stream, "/pump", body, {"Host": "gateway.local"})[0] == 401
        assert post(stream, "/pump", body, {"Host": "gateway.local", **bearer})[0] == 202
        assert post(stream, "/pump", body, {"Origin": "http://evil.example", **bearer})[0] == 403
    finally:
        stream.close()


def read_json(text: str, *wanted: str, **settings: Any) -> list[list[float | None]]:  # noqa: ANN401 - of the source
    """Return the rows of one message, None where a value is missing."""
    rows = PayloadReader(wanted, "test", MessageSettings(**settings)).read(text.encode()).values
    return [[None if np.isnan(value) else float(value) for value in row] for row in rows]


@pytest.mark.parametrize(
    ("quality", "is_good"),
    [
        ('"good"', True), ('"GOOD"', True), ('"ok"', True), ('"bad"', False), ('"Bad"', False),
        ('"BadSensorFailure"', False), ('"Uncertain_LastUsableValue"', False), ('"uncertain"', False),
        ('"STALE"', False), ("null", True), ("17", True), ("false", True),
    ],
)  # fmt: skip
def test_a_row_whose_quality_is_a_text_that_is_not_good_is_missing(quality: str, is_good: bool) -> None:
    assert read_json(f'{{"x": 1.5, "quality": {quality}}}', "x") == [[1.5 if is_good else None]]


def test_the_quality_of_a_row_can_have_another_name_and_form() -> None:
    sparkplug = {"quality": "q", "good": ("192",)}
    text = '[{"x": 1, "q": 192}, {"x": 2, "q": 0}, {"x": 3, "q": 500}, {"x": 4}, {"x": 5, "q": "192"}]'
    assert read_json(text, "x", **sparkplug) == [[1.0], [None], [None], [None], [5.0]]
    assert read_json('{"x": 1}', "x", **sparkplug) == [[None]]
    flags = '{"x": [1, 2, 3], "Valid": [true, false, null]}'
    assert read_json(flags, "x", quality="valid") == [[1.0], [None], [None]]
    with pytest.raises(SourceDataError):
        read_json('{"x": 1, "q": 192}', "x", quality="q")
    with pytest.raises(SourceDataError):
        PayloadReader(("x",), "test", MessageSettings(quality="q", form="csv"))


def test_a_quality_may_be_a_channel_and_is_none_of_a_message_without_wanted_channels() -> None:
    assert read_json('{"x": 1, "quality": 0.5}', "x", "quality") == [[1.0, 0.5]]
    assert read_json('{"x": 1, "quality": "bad"}') == [[None]]
    assert read_json('{"x": 1, "quality": "bad"}', "x", quality="-") == [[1.0]]
    assert read_json('{"columns": ["x", "quality"], "rows": [[1, "good"], [2, "bad"]]}', "x") == [[1.0], [None]]
