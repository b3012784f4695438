"""The tail of a growing CSV file, standard input, and lines in general."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.device.sources import csv as csv_stream
from edgewright.device.sources._csv_lines import LONGEST_LINE, LineReader
from edgewright.device.sources._packet import ArrivalClock, TimeColumn
from stream_rows import drain, notices, opened, times, until_notice, values


def append(file: Path, text: str) -> None:
    with file.open("a") as handle:
        handle.write(text)


def test_rows_appended_are_read_in_the_order_wanted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time_ms,x,y\n0,1,2\n")
    stream = opened(f"csv:{file}", "y", "x")
    assert stream.read(0.0) == []
    append(file, "20,3,4\n40,5")
    packets = drain(stream, 1)
    append(file, ",6\n60,7,\n")
    packets += drain(stream, 2)
    assert np.array_equal(values(packets), np.array([[4, 3], [6, 5], [np.nan, 7]]), equal_nan=True)
    assert times(packets).tolist() == pytest.approx([0.02, 0.04, 0.06])
    stream.close()


def test_from_the_start_what_is_there_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x;y\n1;2\n3;4\n")
    stream = opened(f"csv:{file}?begin=start")
    assert values(drain(stream, 2)).tolist() == [[1, 2], [3, 4]]
    stream.close()


def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    stream = opened(f"csv:{file}", "x")
    assert notices(stream.read(0.0)) == ["a.csv is not there: retrying"]
    assert stream.read(0.3) == []
    file.write_text("x\n1\n2\n")
    assert values(drain(stream, 2)).tolist() == [[1], [2]]
    stream.close()


def test_rotation_and_truncation_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x,y\n")
    stream = opened(f"csv:{file}", "x", "y")
    append(file, "1,1\n")
    packets = drain(stream, 1)
    append(file, "2,2\n")
    file.rename(tmp_path / "a.csv.1")
    file.write_text("y,x\n30,3\n")
    packets += drain(stream, 2)
    assert values(packets).tolist() == [[1, 1], [2, 2], [3, 30]]
    assert "rotated" in notices(packets)[-1]
    with file.open("w") as handle:
        handle.write("x,y\n4,4\n")
    packets = drain(stream, 1)
    assert values(packets).tolist() == [[4, 4]]
    assert "truncated" in notices(packets)[0]
    file.unlink()
    until_notice(stream, "is gone")
    file.write_text("x,y\n5,5\n")
    assert values(drain(stream, 1)).tolist() == [[5, 5]]
    stream.close()


def test_a_row_is_given_within_milliseconds(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n")
    stream = opened(f"csv:{file}", "x")
    stream.read(0.0)
    begun: list[float] = []

    def write() -> None:
        begun.append(time.perf_counter())
        append(file, "1\n")

    waits = []
    for _ in range(20):
        writer = threading.Timer(0.02, write)
        writer.start()
        assert len(stream.read(2.0)) == 1
        waits.append(time.perf_counter() - begun[-1])
        writer.join()
    stream.close()
    # The quickest of them: another process may have the core in the others.
    assert min(waits) < 0.005, waits


def test_lines_that_are_no_rows_are_passed_over_and_told_of(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x,y\n")
    stream = opened(f"csv:{file}", "x", "y")
    append(file, "1,1\nfatal: sensor\n2,2,2\n\n3,abc\n4,4\n")
    packets = drain(stream, 2)
    assert values(packets).tolist() == [[1, 1], [4, 4]]
    assert "a line that is no row" in notices(packets)[0]
    stream.close()


def test_what_will_never_work_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("acc_x [m/s²],acc_y\n1,2\n")
    with pytest.raises(UnknownNameError, match="no column 'acc_z'"):
        opened(f"csv:{file}", "acc_z")
    with pytest.raises(InputError, match="expected acc_x in g, got acc_x in m/s²"):
        opened(f"csv:{file}", "acc_x [g]")
    with pytest.raises(UnknownNameError, match=r"no setting 'begn'.*Did you mean 'begin'"):
        opened(f"csv:{file}?begn=start")
    with pytest.raises(InputError, match=r"at --source rate$"):
        opened(f"csv:{file}?rate=fast")
    with pytest.raises(InputError, match="a folder"):
        opened(f"csv:{tmp_path}")
    opened(f"csv:{file}", "acc_x").close()


def test_standard_input_ends() -> None:
    reader, writer = os.pipe()
    stream = csv_stream.CsvPipe(csv_stream.CsvConfig(path="-"), ("x",), reader)
    os.write(writer, b"x,y\n1,2\n3,4")
    assert values(drain(stream, 1)).tolist() == [[1]]
    os.close(writer)
    assert values(drain(stream, 1)).tolist() == [[3]]
    assert stream.ended()
    os.close(reader)


def test_a_line_without_end_fills_no_memory() -> None:
    reader = LineReader(["x"], name="noise")
    lines = [text for _ in range(20) for text in reader.feed(b"1" * (LONGEST_LINE // 2)).notices]
    assert len(reader._partial) <= LONGEST_LINE
    assert len(lines) == 1
    assert reader.feed(b"\nx\n5\n").values.tolist() == [[5]]


def test_a_board_that_starts_anew_repeats_its_header_and_may_change_it() -> None:
    reader = LineReader(["a", "b"], name="line", joined=True)
    assert reader.feed(b"rubbish,9\nboot: ok\na,b\n1,2\n").values.tolist() == [[1, 2]]
    assert reader.feed(b"a,b\n3,4\n").values.tolist() == [[3, 4]]
    assert reader.feed(b"b,a,c\n5,6,0\n").values.tolist() == [[6, 5]]


def test_numbers_without_a_header_take_the_names_wanted_or_given() -> None:
    assert LineReader(["a", "b"], name="line").feed(b"1,2\n").values.tolist() == [[1, 2]]
    assert LineReader(["b"], name="line", columns=["a", "b"]).feed(b"1,2\n").values.tolist() == [[2]]
    free = LineReader([], name="line")
    assert free.feed(b"1\t2\n").values.tolist() == [[1, 2]]
    assert free.columns == ("c1", "c2")
    few = LineReader(["a"], name="line").feed(b"1,2\n")
    assert "2 cells without names" in few.notices[0]


def test_dates_that_cannot_be_read_are_told_when_they_begin(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time,x\n")
    stream = opened(f"csv:{file}?rate=50", "x")
    append(file, "20 of November 13:00:00,1\n20 of November 13:00:01,2\n")
    packets = drain(stream, 2)
    assert packets[0].notice.startswith("column time: expected a date such as 2026-11-20T13:00:00, got '20 of November")
    assert packets[0].wall is None
    assert np.diff(times(packets)).tolist() == pytest.approx([0.02])
    append(file, "20 of November 13:00:02,3\n")
    assert drain(stream, 1)[0].notice == ""
    # All is well again, and then not; a time that is missing is no date that cannot be read.
    append(file, "2026-11-20T13:00:03,4\n,5\n")
    packets = drain(stream, 2)
    assert notices(packets) == []
    assert packets[0].time[0] == 1795179603.0
    append(file, "2026-11-20T13:00:05,6\n13 o'clock,7\n")
    assert "13 o'clock" in " ".join(packet.notice for packet in drain(stream, 2))
    stream.close()


def test_times_are_dates_epochs_or_counters() -> None:
    dates = LineReader([], name="line").feed(
        b"time,x\n2024-05-01T12:00:00Z,1\n2024-05-01T12:00:00.5+00:00,2\nnever,3\n"
    )
    assert dates.time is not None
    assert dates.time[:2].tolist() == [1714564800.0, 1714564800.5]
    assert np.isnan(dates.time[2])
    assert TimeColumn("t").seconds(np.array([1.7e12])).tolist() == [1.7e9]
    counter = TimeColumn("t_us")
    near = 2.0**32 - 10_000
    moments = np.concatenate([counter.seconds(np.array([near, near + 5000])), counter.seconds(np.array([0.0, 10_000]))])
    assert np.diff(moments).tolist() == pytest.approx([0.005, 0.005, 0.01])


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 60))
def test_rows_do_not_depend_on_how_bytes_are_cut(cuts: list[int], rows: int) -> None:
    text = b"t_ms,seq,a,b\r\n" + b"".join(b"%d,%d,%d.5,%d\r\n" % (20 * i, i, i, -i) for i in range(rows))
    whole, reader = LineReader(["b", "a"], name="w").feed(text), LineReader(["b", "a"], name="w")
    parts, at = [], 0
    while at < len(text):
        size = cuts[at % len(cuts)]
        parts.append(reader.feed(text[at : at + size]))
        at += size
    parts = [part for part in parts if len(part.values)]
    assert np.array_equal(np.concatenate([p.values for p in parts]), whole.values)
    assert whole.time is not None
    assert whole.sequence is not None
    assert np.concatenate([p.time for p in parts if p.time is not None]).tolist() == whole.time.tolist()
    assert np.concatenate([p.sequence for p in parts if p.sequence is not None]).tolist() == list(range(rows))


def test_fuzzed_lines_never_break_the_reader() -> None:
    rng = np.random.default_rng(4)
    until, seed = time.monotonic() + 1.0, b't,a,b\n1,2,3\n4,,5\n"6",7,8\n'
    while time.monotonic() < until:
        reader = LineReader(["a", "b"], name="noise")
        data = bytearray(seed * 3)
        for _ in range(int(rng.integers(0, 8))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        for part in (data[:17], data[17:]):
            arrived = reader.feed(bytes(part))
            assert arrived.values.shape[1:] == (2,)
        reader.finish()


def test_rows_without_a_time_are_spread_evenly_and_follow_their_arrival() -> None:
    clock, moments, now = ArrivalClock(50.0), [], 100.0
    rng = np.random.default_rng(0)
    for _ in range(300):  # bundles of four rows, up to 30 ms late, of a sender whose clock is 1 % off
        now += 4 / 49.5
        moments.append(clock.stamp(4, now + rng.uniform(0, 0.03)))
    steps = np.diff(np.concatenate(moments))
    assert (steps > 0).all()
    assert np.abs(steps - 0.02).max() < 0.005
    assert abs(np.concatenate(moments)[-1] - now) < 0.1
    jumped = clock.stamp(1, now + 5.0)
    assert jumped[0] == pytest.approx(now + 5.0)


WANTED = ("acc_x [g]", "acc_y [g]")


def test_a_header_in_another_order_counts_where_units_are_wanted() -> None:
    lines = LineReader(WANTED, name="log.csv")
    assert lines.feed(b"t,acc_x,acc_y\n0,1,2\n").values.tolist() == [[1.0, 2.0]]
    arrived = lines.feed(b"t,acc_y,acc_x\n1,2,1\n2,4,3\n")
    assert arrived.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert arrived.notices == ()


def test_a_header_with_a_column_less_leaves_the_others_at_work() -> None:
    lines = LineReader(WANTED, name="log.csv")
    lines.feed(b"t,acc_x,acc_y\n0,1,2\n")
    lines.restart()
    arrived = lines.feed(b"t,acc_y\n1,2\n")
    assert np.isnan(arrived.values[0, 0])
    assert arrived.values[0, 1] == 2.0
    assert arrived.notices == ("no column acc_x [g]: it counts as missing",)


def test_no_row_is_read_after_a_header_with_another_unit() -> None:
    for begin in (b"", b"acc_x,acc_y\n1,2\n"):
        lines = LineReader(WANTED, name="log.csv")
        lines.feed(begin)
        arrived = lines.feed(b"acc_x [m/s2],acc_y\n9.8,0\n")
        assert not len(arrived.values)
        assert arrived.notices[0].startswith("expected acc_x in g, got acc_x in m/s2")
        assert not len(lines.feed(b"9.8,0\n").values)
        assert lines.feed(b"acc_x [g],acc_y\n1,0\n").values.tolist() == [[1.0, 0.0]]


def test_a_line_of_text_is_no_header() -> None:
    lines = LineReader(WANTED, name="log.csv")
    arrived = lines.feed(b"acc_x,acc_y\n1,2\nboard,restarted\n3,4\n")
    assert arrived.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert arrived.notices == ("a line that is no row: expected a number, got 'board'",)
