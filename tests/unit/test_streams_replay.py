"""A recording played again: the same rows each time, at its own pace or at full speed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from edgewright.device.sources import replay
from edgewright.device.sources.replay import PAUSE
from edgewright.schema.errors import InputError, UnknownNameError
from stream_rows import Clock, drain, opened, times, values

EVERYTHING = 10**9


def recording(file: Path, rows: int = 2500, start: float = 0.0) -> Path:
    rng = np.random.default_rng(rows)
    lines = [f"{start + i / 50:.3f},{a:.4f},{b:.4f},walking" for i, (a, b) in enumerate(rng.normal(size=(rows, 2)))]
    text = "time,a,b,label\n" + "\n".join(lines) + "\n"
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)
    return file


def test_full_speed_twice_gives_the_same_packets(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.csv")
    one, two = (drain(opened(f"replay:{file}", "b", "a"), EVERYTHING) for _ in range(2))
    assert [len(p.values) for p in one] == [len(p.values) for p in two] == [1024, 1024, 452]
    assert np.array_equal(values(one), values(two))
    assert times(one).tolist() == pytest.approx((np.arange(2500) / 50).tolist())
    assert all(p.wall is None for p in one)


def test_a_time_that_is_an_input_is_both(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.csv", 100)
    packets = drain(opened(f"replay:{file}?time=time", "time", "a"), EVERYTHING)
    assert times(packets).tolist() == pytest.approx((np.arange(100) / 50).tolist())
    assert values(packets)[:, 0].tolist() == pytest.approx((np.arange(100) / 50).tolist())
    file.write_text(file.read_text().replace("0.000,", "NA,", 1))
    with pytest.raises(InputError, match="a time in every row"):
        drain(opened(f"replay:{file}?time=time", "time", "a"), EVERYTHING)


def test_its_own_pace_and_five_times_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = recording(tmp_path / "a.csv", 26)
    for speed, seconds in ((1, 0.5), (5, 0.1)):
        clock = Clock()
        monkeypatch.setattr(replay, "time", clock)
        packets = drain(opened(f"replay:{file}?speed={speed}", "a"), 26)
        assert clock.now == pytest.approx(100 + seconds, abs=1e-6)
        assert len(packets) > 3
        assert len(values(packets)) == 26


def test_a_folder_is_played_in_order_and_time_never_falls_back(tmp_path: Path) -> None:
    recording(tmp_path / "b.csv.gz", 100, start=5.0)
    recording(tmp_path / "a.csv", 200)
    (tmp_path / "labels.csv").write_text("file,label\na.csv,walking\n")
    stream = opened(f"replay:{tmp_path}?repeat=2", "a")
    packets = drain(stream, EVERYTHING)
    moments = times(packets)
    assert len(moments) == 600
    assert (np.diff(moments) > 0).all()
    assert np.flatnonzero(np.diff(moments) > 1).tolist() == [199, 299, 499]
    assert np.diff(moments)[199] == pytest.approx(PAUSE)
    assert stream.ended()


def test_all_columns_of_numbers_and_dates(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(",timestamp,seq,x\n0,2024-05-01 12:00:00,5,1\n1,2024-05-01 12:00:01,6,2\n")
    stream = opened(f"replay:{file}")
    (packet,) = drain(stream, EVERYTHING)
    assert packet.values.tolist() == [[1], [2]]
    assert packet.wall == 1714564801.0
    assert packet.sequence is not None
    assert packet.sequence.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "when,x\n2024-05-01 12:00:00,1\n",
            "got the date '2024-05-01 12:00:00' - at a.csv line 2, column when. If it is",
        ),
        ("when,x\n2024-05-01 12:00:00,1\n", "set time=when;"),
        (
            "time,x\n1.5,1\n2024-05-01 12:00:00,1\n",
            "seconds in every row, or dates in every row, got '2024-05-01 12:00:00'",
        ),
        (
            "time,x\n13 of January 12:00,1\n",
            "a date such as 2026-11-20T13:00:00, got '13 of January 12:00' - at a.csv line 2",
        ),
        ("time,x\n2024-05-01 12:00:00,1\n,1\n", "got none - at a.csv line 3, column time. Write every time so"),
        ("x,y\n1,high\n", "got 'high' - at a.csv line 2, column y. Correct or empty the cell, or leave the column out"),
    ],
)
def test_a_column_that_is_no_number_is_told_with_what_to_do(tmp_path: Path, rows: str, message: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(rows)
    with pytest.raises(InputError) as caught:
        drain(opened(f"replay:{file}"), EVERYTHING)
    assert message in str(caught.value)


def test_what_will_never_work_is_refused(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.csv", 10)
    with pytest.raises(UnknownNameError, match="no column 'c'"):
        opened(f"replay:{file}", "c")
    with pytest.raises(UnknownNameError, match="no time column 'when'"):
        opened(f"replay:{file}?time=when", "a")
    with pytest.raises(InputError, match="a time column or a rate"):
        opened(f"replay:{file}?time=-&speed=1", "a")
    with pytest.raises(InputError, match="no such file"):
        opened(f"replay:{tmp_path / 'none.csv'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="at least one CSV file"):
        opened(f"replay:{tmp_path / 'empty'}")
