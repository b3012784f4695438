"""A source goes on behind the rows that were stored: files that rotate, are copied and replaced, brokers, senders."""

from __future__ import annotations

import gzip
import http.client as http_client
import json
import math
import os
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from agent_example import recording, signal
from edgewright.device.sources import Stream, _packet, http, opcua
from edgewright.device.sources._polling import LinkError
from edgewright.device.sources.opcua import OpcuaConfig, PolledVariables
from mqtt_broker import Broker, broker_until
from plant import OpcuaPlant, free_port
from stream_rows import drain, notices, opened, values


def lines(*numbers: int) -> str:
    return "".join(f"{number},{number * 10}\n" for number in numbers)


class File:
    """A CSV file of two columns, and a reader that is closed and opened again."""

    def __init__(self, folder: Path, settings: str = "begin=start") -> None:
        self.path, self._settings = folder / "rows.csv", settings
        self.path.write_text("time,a\n")

    def write(self, *numbers: int) -> None:
        with self.path.open("a") as file:
            file.write(lines(*numbers))

    def read(self, position: Any = None) -> tuple[list[int], Any, bool, list[str]]:  # noqa: ANN401 - JSON
        """Return times of the rows, the position behind them, whether it went on without a hole, and notices."""
        stream = opened(f"csv:{self.path}?{self._settings}", "a")
        exact = stream.resume(json.loads(json.dumps(position))) if position is not None else False
        packets = [packet for _ in range(8) for packet in stream.read(0.02)]
        stream.close()
        times = [int(time) for packet in packets for time in packet.time]
        return times, stream.position_before_close, exact, notices(packets)  # type: ignore[attr-defined]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    from edgewright.device.sources.csv import CsvTail

    close = CsvTail.close

    def closing(self: Any) -> None:  # noqa: ANN401
        self.position_before_close = self.position()
        close(self)

    monkeypatch.setattr(CsvTail, "close", closing)
    return File(tmp_path)


def test_lines_that_were_written_meanwhile_are_read_and_half_a_line_is_whole_then(file: File) -> None:
    file.write(1, 2)
    with file.path.open("a") as half:
        half.write("3,3")
    values, position, _, _ = file.read()
    with file.path.open("a") as rest:
        rest.write("0\n")
    file.write(4)
    assert values == [1, 2]
    assert file.read(position)[:3:2] == ([3, 4], True)
    assert file.read(file.read(position)[1])[0] == []


def renamed(file: File) -> None:
    file.path.rename(file.path.with_suffix(".csv.1"))
    file.path.write_text("time,a\n")


def renamed_twice(file: File) -> None:
    renamed(file)
    file.write(5, 6)
    time.sleep(0.02)
    file.path.with_suffix(".csv.1").rename(file.path.with_suffix(".csv.2"))
    renamed(file)


def copied_and_truncated(file: File) -> None:
    shutil.copy(file.path, file.path.with_suffix(".csv.1"))
    os.truncate(file.path, 0)


def moved_back(file: File) -> None:
    copy = file.path.with_name("other")
    shutil.copy(file.path, copy)
    file.path.unlink()
    copy.rename(file.path)


@pytest.mark.parametrize(
    ("rotate", "between"), [(renamed, []), (renamed_twice, [5, 6]), (copied_and_truncated, []), (moved_back, [])]
)
def test_after_a_rotation_the_rest_of_the_old_file_comes_before_the_new_one(
    file: File, rotate: Callable[[File], None], between: list[int]
) -> None:
    file.write(1, 2)
    _, position, _, _ = file.read()
    file.write(3, 4)
    rotate(file)
    file.write(7, 8)
    values, later, exact, _ = file.read(position)
    assert values == [3, 4, *between, 7, 8]
    assert exact
    file.write(9)
    assert file.read(later)[0] == [9]


def copied_truncated_and_begun(file: File) -> None:
    copied_and_truncated(file)
    file.path.write_text("time,a\n")


@pytest.mark.parametrize(
    ("rotate", "between"), [(renamed, []), (renamed_twice, [5, 6]), (copied_truncated_and_begun, [])]
)
def test_a_place_behind_the_header_alone_is_found_in_the_file_that_was_rotated(
    file: File, rotate: Callable[[File], None], between: list[int]
) -> None:
    file.write(-1)
    renamed(file)  # was read to its end, and is not read again
    time.sleep(0.02)
    file.path.write_text("time,a\n")
    values, position, _, _ = file.read()
    assert values == []
    file.path.with_suffix(".csv.1").rename(file.path.with_suffix(".csv.3"))
    time.sleep(0.02)
    file.write(1, 2)
    rotate(file)
    time.sleep(0.02)
    shutil.copy(file.path, file.path.with_suffix(".csv.bak"))
    file.write(7, 8)
    assert file.read(position)[:3:2] == ([1, 2, *between, 7, 8], True)


def test_names_that_move_on_while_the_rest_is_read_hide_no_file(file: File) -> None:
    file.write(1)
    _, position, _, _ = file.read()
    file.write(2)
    renamed_twice(file)
    file.write(7)
    stream = opened(f"csv:{file.path}?begin=start", "a")
    assert stream.resume(position)
    for number in (2, 1):
        file.path.with_suffix(f".csv.{number}").rename(file.path.with_suffix(f".csv.{number + 1}"))
    time.sleep(0.02)
    renamed(file)
    file.write(9)
    assert [int(time) for packet in drain(stream, 5) for time in packet.time] == [2, 5, 6, 7, 9]
    stream.close()


def test_a_row_that_is_written_as_the_file_loses_its_name_is_read(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = opened(f"csv:{file.path}?begin=start", "a")
    file.write(1)
    assert len(drain(stream, 1)) == 1
    read = os.read

    def late(handle: int, size: int) -> bytes:
        if not (data := read(handle, size)):
            monkeypatch.undo()
            file.write(2)
            renamed(file)
            file.write(3)
        return data

    monkeypatch.setattr(os, "read", late)
    assert [int(time) for packet in drain(stream, 2) for time in packet.time] == [2, 3]
    stream.close()


@pytest.mark.parametrize("rotate", [renamed, copied_and_truncated, copied_truncated_and_begun])
def test_rows_between_the_last_read_and_a_rotation_are_read(file: File, rotate: Callable[[File], None]) -> None:
    stream = opened(f"csv:{file.path}?begin=start", "a")
    file.write(1)
    assert len(drain(stream, 1)) == 1
    stream.read(0.02)
    with file.path.open("a") as half:
        half.write("2,20\n3,")
    assert [int(time) for packet in drain(stream, 1) for time in packet.time] == [2]
    with file.path.open("a") as rest:
        rest.write("30\n4,40\n")
    rotate(file)
    file.write(5)
    assert [int(time) for packet in drain(stream, 3) for time in packet.time] == [3, 4, 5]
    stream.close()


def test_another_file_under_the_name_is_read_from_its_start_and_said(file: File) -> None:
    file.write(1, 2)
    _, position, _, _ = file.read()
    for content in (lines(11), "time,a\n" + lines(11, *range(20, 60))):
        file.path.unlink()
        file.path.write_text(content)
        values, _, exact, notices = file.read(position)
        assert values[0] == 11
        assert not exact
        assert "another file than before" in notices[0]


def test_a_compressed_or_copied_file_beside_it_is_not_read(file: File) -> None:
    file.write(1, 2)
    _, position, _, _ = file.read()
    shutil.copy(file.path, file.path.with_name("rows.csv.bak"))
    with gzip.open(file.path.with_name("rows.csv.2.gz"), "wt") as packed:
        packed.write(lines(5))
    file.write(3)
    renamed(file)
    file.write(4)
    assert file.read(position)[:3:2] == ([3, 4], True)


def test_a_file_that_is_away_at_the_start_goes_on_when_it_is_back(file: File) -> None:
    file.write(1)
    _, position, _, _ = file.read()
    away = file.path.parent / "away" / "rows.csv"
    away.parent.mkdir()
    file.path.rename(away)
    stream = opened(f"csv:{file.path}?begin=start", "a")
    assert stream.resume(position) is not None
    assert "not there" in notices(stream.read(0.1))[0]
    assert json.dumps(stream.position()["file"]) == json.dumps(position["file"])
    away.rename(file.path)
    file.write(2)
    assert [packet.time.tolist() for packet in drain(stream, 1)] == [[2.0]]
    stream.close()


@pytest.mark.parametrize("kind", ["replay", "wav"])
def test_a_recording_of_the_same_name_and_size_is_another_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "wav":
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(8000))
    else:
        path = tmp_path / "rows.csv"
        path.write_text("time,a\n" + lines(*range(10, 60)))
    stream = opened(f"{kind}:{path}")
    stream.read(0.1)
    position = json.loads(json.dumps(stream.position()))
    stream.close()
    stream = opened(f"{kind}:{path}")
    assert stream.resume(position)
    stream.close()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    stream = opened(f"{kind}:{path}")
    assert not stream.resume(position)
    stream.close()


def test_rows_without_a_time_follow_each_other_over_a_restart_and_a_backlog(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n" + "1\n" * 40)
    stream = opened(f"csv:{path}?begin=start&rate=50", "a")
    first = np.concatenate([packet.time for packet in drain(stream, 40)])
    position = stream.position()
    stream.close()
    with path.open("a") as file:
        file.write("1\n" * 40_000)  # more than one read takes
    stream = opened(f"csv:{path}?begin=start&rate=50", "a")
    assert stream.resume(json.loads(json.dumps(position)))
    times = np.concatenate([first, *(packet.time for packet in drain(stream, 40_000))])
    np.testing.assert_allclose(np.diff(times), 0.02, atol=1e-9)
    time.sleep(0.02)
    with path.open("a") as file:
        file.write("1\n")
    assert 0 < drain(stream, 1)[0].time[0] - times[-1] < 1.0
    stream.close()


def test_a_counter_that_began_again_goes_on_from_where_it_was(tmp_path: Path) -> None:
    path, top = tmp_path / "rows.csv", 1 << 32
    path.write_text(f"t_ms,a\n{top - 40},1\n{top - 20},1\n0,1\n")
    stream = opened(f"csv:{path}?begin=start", "a")
    before = drain(stream, 3)[-1].time[-1]
    position = stream.position()
    stream.close()
    with path.open("a") as file:
        file.write("20,1\n")
    stream = opened(f"csv:{path}?begin=start", "a")
    assert stream.resume(position)
    assert drain(stream, 1)[0].time[0] - before == pytest.approx(0.02)
    stream.close()


def test_a_position_of_another_version_is_an_error_that_the_agent_expects(tmp_path: Path) -> None:
    recording(tmp_path / "rows.csv", signal(1.0))
    wrong: list[Any] = [{}, [], "x", {"file": {"inode": 1}, "lines": {}, "stamp": []}]
    for source in (f"csv:{tmp_path / 'rows.csv'}", f"replay:{tmp_path / 'rows.csv'}"):
        stream = opened(source, "level")
        for position in wrong:
            with pytest.raises((ValueError, TypeError, KeyError, AttributeError, IndexError)):
                stream.resume(position)
        stream.close()


def test_a_replay_goes_on_at_its_row_unless_the_recording_is_another_one(tmp_path: Path) -> None:
    for number in range(3):
        recording(tmp_path / f"part_{number}.csv", signal(30.0, seed=number))
    whole = opened(f"replay:{tmp_path}", "level")
    all_of_it = drain(whole, 4500)
    for given in (1, 700, 1499, 1500, 3100):
        stream = opened(f"replay:{tmp_path}", "level")
        assert stream.resume({"rows": given, "whole": stream.position()["whole"]})
        rest = drain(stream, 4500 - given)
        np.testing.assert_array_equal(values(rest), values(all_of_it)[given:])
        np.testing.assert_array_equal(
            np.concatenate([p.time for p in rest]), np.concatenate([p.time for p in all_of_it])[given:]
        )
        assert stream.position()["rows"] == 4500
        assert not stream.read(0.0)
        assert stream.ended()
    position = whole.position()
    recording(tmp_path / "part_3.csv", signal(1.0))
    assert not opened(f"replay:{tmp_path}", "level").resume(position)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with ExitStack() as stack:
        yield broker_until(tmp_path, stack)


def test_a_broker_sends_again_what_was_not_stored_and_nothing_that_was(broker: Broker) -> None:
    source = f"mqtt:127.0.0.1:{broker.port}/t?client=gateway"
    stream = opened(source, "a")
    stream.read(0.3)
    for number in range(4):
        broker.send("t", json.dumps({"a": number}))
    assert values(drain(stream, 4)).ravel().tolist() == [0, 1, 2, 3]
    # Two were read before this position became durable; the process ends before the broker hears of it.
    position = stream.position()
    assert stream.awaited() is False
    stream._client.socket().close()  # type: ignore[attr-defined]
    broker.send("t", json.dumps({"a": 4}))
    stream = opened(source, "a")
    assert stream.resume(json.loads(json.dumps(position)))
    assert values(drain(stream, 1)).ravel().tolist() == [4]
    assert not [p for _ in range(5) for p in stream.read(0.05) if len(p.values)]
    stream._client.socket().close()  # type: ignore[attr-defined]
    stream = opened(source, "a")  # nothing was stored since, and nothing is known: 4 comes again
    assert values(drain(stream, 1)).ravel().tolist() == [4]
    stream.stored(stream.position())
    stream.read(0.2)
    stream.close()
    stream = opened(source, "a")
    assert not [p for _ in range(6) for p in stream.read(0.05) if len(p.values)]
    stream.close()


def test_more_messages_come_than_the_broker_sends_ahead(broker: Broker) -> None:
    stream = opened(f"mqtt:127.0.0.1:{broker.port}/t?client=gateway", "a")
    stream.read(0.3)
    for number in range(30):
        broker.send("t", json.dumps({"a": number}))
    values: list[float] = []
    until = time.monotonic() + 20
    while len(values) < 30 and time.monotonic() < until:
        values += [float(x) for packet in stream.read(0.1) for x in packet.values.ravel()]
        if stream.awaited():
            stream.stored(stream.position())
    assert values == list(range(30))
    stream.close()


def post(stream: Any, body: dict[str, Any], answers: list[tuple[int, dict[str, Any]]]) -> threading.Thread:  # noqa: ANN401
    def send() -> None:
        line = http_client.HTTPConnection("127.0.0.1", stream.port, timeout=30)
        line.request("POST", "/pump", json.dumps(body).encode())
        answer = line.getresponse()
        answers.append((answer.status, json.loads(answer.read())))
        line.close()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_a_sender_is_answered_when_its_rows_are_stored_and_a_repeat_is_taken_once() -> None:
    stream = opened("http:127.0.0.1:0?acknowledge=true", "a")
    answers: list[tuple[int, dict[str, Any]]] = []
    thread = post(stream, {"time": [1.0, 2.0], "a": [1, 2]}, answers)
    assert len(drain(stream, 2)[0].values) == 2
    thread.join(0.2)
    assert (answers, stream.awaited()) == ([], True)
    position = stream.position()
    assert not stream.awaited()
    # The answer gets lost with the process; the next one knows the body, and answers it.
    after = opened("http:127.0.0.1:0?acknowledge=true", "a")
    assert after.resume(json.loads(json.dumps(position)))
    repeated: list[tuple[int, dict[str, Any]]] = []
    post(after, {"time": [1.0, 2.0], "a": [1, 2]}, repeated).join(10)
    assert repeated == [(200, {"rows": 2})]
    assert not after.read(0.05)
    after.close()
    stream.stored(position)
    thread.join(10)
    assert answers == [(200, {"rows": 2})]
    # Without a time nobody can tell a repeat from a value that stays the same.
    for _ in range(2):
        thread = post(stream, {"a": 5}, answers)
        drain(stream, 1)
        stream.stored(stream.position())
        thread.join(10)
    assert [status for status, _ in answers] == [200, 200, 200]
    thread = post(stream, {"a": 6}, answers)
    drain(stream, 1)
    stream.close()
    thread.join(10)
    assert answers[-1][0] == 503


def test_what_is_sent_again_before_the_place_is_known_waits_and_is_taken_once() -> None:
    stream = opened("http:127.0.0.1:0?acknowledge=true", "a")
    answers: list[tuple[int, dict[str, Any]]] = []
    bodies = [{"time": [float(number)], "a": [number]} for number in range(70)]
    for body in bodies:
        thread = post(stream, body, answers)
        drain(stream, 1)
        position = stream.position()
        stream.stored(position)
        thread.join(10)
    stream.close()
    assert [status for status, _ in answers] == [200] * 70
    after = opened("http:127.0.0.1:0?acknowledge=true", "a")
    answers.clear()
    # The last ones come again, whichever of them had no answer.
    threads = [post(after, body, answers) for body in bodies[10:30]]
    time.sleep(0.3)
    assert answers == []
    assert after.resume(json.loads(json.dumps(position)))
    for thread in threads:
        thread.join(10)
    assert [status for status, _ in answers] == [200] * 20
    assert not after.read(0.05)
    late = [post(after, body, answers) for body in bodies[30:50]]
    for thread in late:
        thread.join(10)
    assert not after.read(0.05)
    after.close()


def test_a_sender_is_sent_away_while_no_agent_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.1)
    stream = opened("http:127.0.0.1:0?acknowledge=true", "a")
    line = http_client.HTTPConnection("127.0.0.1", stream.port, timeout=30)  # type: ignore[attr-defined]
    line.request("POST", "/pump", json.dumps({"time": 1.0, "a": 1}).encode())
    answer = line.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
    line.close()
    assert not stream.read(0.05)
    stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [True, False])
def test_rows_while_nobody_asked_come_from_the_history_of_a_plant(keeps: bool) -> None:
    plant = OpcuaPlant(free_port(), speed=1.0, heat=20.0)
    try:
        if keeps:
            plant.keep_history()
        source = f"opcua:{plant.url}?rate=10&nodes={plant.nodes}"
        stream = opened(source, "speed")
        before = drain(stream, 3)
        position = json.loads(json.dumps(stream.position()))
        stream.close()
        assert ("history" in stream.loses) == (not keeps)
        # This server gives no value from before the time that is asked for: the first rows hold the newest one.
        time.sleep(0.3)
        changed = []
        for value in (2.0, 3.0):
            changed.append(time.monotonic())
            plant.set(speed=value)
            time.sleep(0.7)
        stream = opened(source, "speed")
        assert stream.resume(position)
        packets = drain(stream, 20)
        rows = values(packets).ravel().tolist()
        times = np.concatenate([packet.time for packet in (*before, *packets)])
        assert (np.diff(times) > 0).all()
        stream.close()
        if not keeps:
            assert "no history" in notices(packets)[0]
            assert set(rows) == {3.0}
            return
        assert sorted(set(rows)) == [1.0, 2.0, 3.0]
        assert rows == sorted(rows)
        # The plant's clock goes on once a second, so that its history may end up to a second early.
        assert 0 < rows.count(2.0) < 10 * (changed[1] - changed[0]) + 2.0
        assert packets[0].wall is not None
        assert abs(packets[0].wall - time.time()) < 5.0
    finally:
        plant.stop()


class Plant:
    """A server with a history of one variable, whose value is the second of its own clock."""

    def __init__(self, ahead: float = 0.0, failures: int = 0, unknown: int = 0) -> None:
        self.ahead, self.failures, self.unknown, self.requests = ahead, failures, unknown, list[float]()

    def connect(self) -> None:
        pass

    def values(self) -> list[float]:
        return [-1.0]

    def keeps_history(self) -> bool:
        if self.unknown:
            self.unknown -= 1
            raise LinkError("no answer")
        return True

    def history(self, start: float, end: float) -> list[tuple[Any, Any]]:
        if self.failures:
            self.failures -= 1
            raise LinkError("no history: no answer")
        self.requests.append(start)
        times = np.arange(np.floor(start), end + 1.0)
        return [(times, (times % 1000).astype(np.float32))]

    def close(self) -> None:
        pass


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a source that failed be tried again at once."""
    monkeypatch.setattr(_packet, "_FIRST", 0.01)


def after_ten_seconds(
    plant: Plant, slept: float = 10.0, more: Mapping[str, Any] = MappingProxyType({})
) -> tuple[list[float], list[str], float, PolledVariables]:
    """Return rows and notices of a source whose agent was away, and by how much its first row is dated wrongly."""
    config = OpcuaConfig(url="opc.tcp://plant", nodes=("a@1",), rate=10.0)
    stream = PolledVariables(plant, ["a"], (), config)  # type: ignore[arg-type]
    newest = time.time() + plant.ahead - slept
    stream.resume({"newest": newest, "stamp": [5.0, time.time() - slept, None], **more})
    packets: list[Any] = []
    until = time.monotonic() + 20.0
    while not any(-1.0 in packet.values for packet in packets) and time.monotonic() < until:
        packets += stream.read(0.2)
    rows = [float(value) for packet in packets for value in packet.values.ravel()]
    walls = [one.wall - newest - len(one.values) / config.rate for one in packets if one.wall and len(one.values) > 1]
    return rows, notices(packets), walls[0] if walls else math.nan, stream


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize(("failures", "unknown"), [(0, 0), (1, 0), (3, 0), (0, 1), (1, 1)])
def test_a_history_that_cannot_be_read_now_is_asked_again(failures: int, unknown: int) -> None:
    rows, notices, _, stream = after_ten_seconds(Plant(failures=failures, unknown=unknown))
    assert 101 <= len(rows) <= 170 and rows[-1] == -1.0
    assert sorted(rows[:-1]) == rows[:-1]
    assert len([text for text in notices if "asked again" in text]) == min(failures, 1)
    assert abs(stream.position()["newest"] - time.time()) < 1.0


@pytest.mark.usefixtures("_soon")
def test_a_history_that_is_refused_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua, "_TRIES", 3)
    rows, notices, _, _ = after_ten_seconds(Plant(failures=1000))
    assert rows == [-1.0]
    assert [text for text in notices if "are lost" in text]


def test_before_the_first_value_of_a_history_the_newest_row_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    # Such as a server that leaves out the value before the time that is asked for.
    monkeypatch.setattr(opcua, "_CHUNK", 40)
    plant = Plant()
    monkeypatch.setattr(plant, "history", lambda start, end: [_from(time.time() - 9.0, start, end)])
    position = {"values": [7.0]}
    assert set(after_ten_seconds(plant, more=position)[0]) == {7.0, 8.0, -1.0}
    assert math.isnan(after_ten_seconds(plant)[0][0]), "of an earlier version"
    stream = after_ten_seconds(plant, more=position)[3]
    assert stream.position()["values"] == [-1.0]


def _from(change: float, start: float, end: float) -> tuple[Any, Any]:
    """Return the one value of a variable that changed once, where that was within the time."""
    inside = int(start <= change <= end)
    return np.full(inside, change), np.full(inside, 8.0, np.float32)


@pytest.mark.parametrize("ahead", [3600.0, -86_400.0])
def test_a_history_is_asked_by_the_clock_of_the_server(ahead: float) -> None:
    plant = Plant(ahead)
    rows, _, off, stream = after_ten_seconds(plant)
    assert 101 <= len(rows) <= 130
    assert abs(plant.requests[0] - (time.time() + ahead - 10.0)) < 5.0
    assert abs(off + ahead) < 1.0  # dated by the clock of the device
    assert abs(stream.position()["newest"] - time.time() - ahead) < 1.0


def test_every_source_says_what_it_loses(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    streams: dict[str, Stream] = {
        text: opened(text, "a") for text in (f"csv:{tmp_path / 'rows.csv'}", "http:127.0.0.1:0", "mqtt:127.0.0.1/t")
    }
    assert [bool(stream.loses) for stream in streams.values()] == [False, True, True]
    assert [stream.position() is None for stream in streams.values()] == [False, True, True]
    for stream in streams.values():
        stream.close()
