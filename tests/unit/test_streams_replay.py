"""Recordings as sources: replay, sound, and how sources are opened."""

from __future__ import annotations

import ctypes
import gzip
import math
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import (
    InputError,
    MissingFileError,
    SourceDataError,
    SourceError,
    UnknownNameError,
    WavError,
)
from edgewright.device.agent.settings import check_settings
from edgewright.device.sources import replay, short_source, wav
from edgewright.device.sources._packet import Arrived, Backoff, Stamper
from edgewright.device.sources.replay import PAUSE
from stream_rows import Clock, drain, notices, opened, times, until_notice, values
from support import ROOT, left_out

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
    with pytest.raises(SourceDataError):
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
    with pytest.raises(SourceDataError):
        opened(f"replay:{file}?time=-&speed=1", "a")
    with pytest.raises(MissingFileError, match="no such file"):
        opened(f"replay:{tmp_path / 'none.csv'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceDataError):
        opened(f"replay:{tmp_path / 'empty'}")


def test_the_rate_that_is_expected_goes_to_a_source_whose_settings_leave_it_open(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    for source, rate in ((f"csv:{file}", 50.0), (f"csv:{file}?rate=20", 20.0), (f"replay:{file}?rate=5", 5.0)):
        stream = short_source(source, 50.0).open(("x",))
        assert stream.rate == rate
        stream.close()


@pytest.mark.parametrize(
    ("source", "key"), [("replay:a.csv?speed=abc", "speed"), ("replay:a.csv?speed=-1", "speed"), ("csv", "")]
)
def test_a_value_of_another_kind_is_named_with_its_key(source: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        short_source(source)
    assert caught.value.where == f"--source {key}".strip()


def test_tables_with_unknown_keys_and_wrong_values_are_refused() -> None:
    for table, error in (
        ({"kind": "csv", "pth": "x"}, UnknownNameError), ({}, InputError), ({"kind": "csv"}, InputError),
        ({"kind": "serial", "port": "/dev/x", "baud": "fast"}, InputError), ({"kind": "sreial"}, UnknownNameError),
    ):  # fmt: skip
        with pytest.raises(error) as caught:
            check_settings({"source": {**table, "rate": 1.0}}, Path(), "device.toml")
        assert caught.value.where.startswith("device.toml source")


def lost(stamper: Stamper, *counts: int) -> int:
    rows = np.zeros((len(counts), 1), np.float32)
    return stamper.packet(Arrived(rows, np.arange(len(counts), dtype=np.float64), np.array(counts, np.int64))).lost


def test_what_the_count_skips_is_lost_and_a_new_start_is_not() -> None:
    stamper = Stamper()
    assert [lost(stamper, 100, 101), lost(stamper, 102, 105), lost(stamper, 106), lost(stamper, 110)] == [0, 2, 0, 3]
    assert [lost(stamper, 109), lost(stamper, 112, 111), lost(stamper, 113, 113)] == [0, 0, 0]
    assert [lost(Stamper(), 5000, 5001), lost(stamper, 5000)] == [0, 4886]
    assert [lost(stamper, 0, 1, 3), lost(stamper, 4)] == [1, 0]


def test_attempts_come_ever_more_slowly_and_at_last_every_thirty_seconds() -> None:
    now = [0.0]
    backoff = Backoff(clock=lambda: now[0])
    assert backoff.wait() == 0
    waits = []
    for _ in range(10):
        backoff.failed()
        waits.append(round(backoff.wait(), 3))
        now[0] += backoff.wait()
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    backoff.worked()
    backoff.failed()
    assert backoff.wait() == pytest.approx(0.2)


# What `type file` with `infile` gives is read from a file, in the place of a microphone; the clock is `null`'s, which
# never waits.
ALSA = """
pcm.tone {{ type file; slave.pcm "null"; file "/dev/null"; infile "{tone}"; format "raw" }}
"""
CHILD = """
import sys, numpy as np
from stream_rows import drain, values, notices, opened, times
stream = opened("wav:alsa:" + sys.argv[1] + "?rate=8000&channels=2", "sound_2")
packets = drain(stream, 8000)
rows = values(packets)[:8000]
print(stream.rate, stream.columns, len(rows), bool((np.diff(times(packets)) > 0).all()))
np.save(sys.argv[2], rows)
stream.close()
"""


def tone(samples: int, rate: int = 8000) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    moments = np.arange(samples) / rate
    two = np.stack([np.sin(2 * math.pi * 440 * moments), np.cos(2 * math.pi * 100 * moments)], axis=1)
    return np.round(two * 20000).astype(np.int16)


def sound_file(path: Path, samples: int = 10000, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone(samples, rate).tobytes())
    return path


def test_a_file_at_full_speed_is_read_piece_by_piece(tmp_path: Path) -> None:
    stream = opened(f"wav:{sound_file(tmp_path / 'a.wav')}", "sound_2", "sound_1")
    assert stream.rate == 8000.0
    packets = drain(stream, 10**9)
    assert len(packets) == 3
    assert np.array_equal(values(packets), tone(10000)[:, ::-1].astype(np.float32) / np.float32(32768))
    assert np.array_equal(times(packets), np.arange(10000) / 8000)
    assert stream.ended()
    stream.close()


def test_a_file_at_its_own_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(wav, "time", clock)
    stream = opened(f"wav:{sound_file(tmp_path / 'a.wav', 4000)}?speed=1")
    packets = drain(stream, 10**9)
    assert clock.now == pytest.approx(100.5, abs=1e-6)
    assert len(packets) == 5
    stream.close()


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    good = sound_file(tmp_path / "a.wav").read_bytes()
    cut, text = tmp_path / "cut.wav", tmp_path / "text.wav"
    cut.write_bytes(good[:1000])
    text.write_text("hello")
    with pytest.raises(SourceDataError):
        opened(f"wav:{cut}")
    with pytest.raises(WavError):
        opened(f"wav:{text}")
    with pytest.raises(SourceError, match="sound of 16000 Hz, got 8000 Hz"):
        opened(f"wav:{tmp_path / 'a.wav'}?rate=16000")
    with pytest.raises(UnknownNameError, match="no column 'sound'"):
        opened(f"wav:{tmp_path / 'a.wav'}", "sound")
    streamed = tmp_path / "open.wav"  # a program that could not go back left the size open
    at = good.index(b"data") + 4
    streamed.write_bytes(good[:at] + struct.pack("<I", 0xFFFFFFFF) + good[at + 4 :])
    stream = opened(f"wav:{streamed}")
    assert len(values(drain(stream, 10**9))) == 10000
    stream.close()


def alsa() -> None:
    try:
        ctypes.CDLL("libasound.so.2")
    except OSError:
        left_out("libasound is not installed")


def test_capture_through_libasound_gives_the_samples_of_the_device(tmp_path: Path) -> None:
    alsa()
    raw, recorded = tmp_path / "tone.raw", tmp_path / "found.npy"
    raw.write_bytes(tone(400_000).tobytes())
    # ALSA reads its configuration once a process, so the device stands in a home of its own.
    (tmp_path / ".asoundrc").write_text(ALSA.format(tone=raw))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "tone", str(recorded)], capture_output=True, text=True, timeout=60, check=False,
        env={"HOME": str(tmp_path), "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'src'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "8000.0 ('sound_2',) 8000 True\n"
    rows = np.load(recorded)[:, 0]
    expected = tone(400_000)[:, 1].astype(np.float32) / np.float32(32768)
    assert np.array_equal(rows, expected[:8000])


def test_a_microphone_that_is_not_there_is_waited_for_and_said_once() -> None:
    alsa()
    stream = opened("wav:alsa:hw:7,0", "sound")
    lines = notices(until_notice(stream, "cannot be opened"))
    assert len(lines) == 1
    assert "alsa hw:7,0" in lines[0]
    assert [p for _ in range(5) for p in stream.read(0.1)] == []
    stream.close()


def test_silence_from_the_null_device() -> None:
    alsa()
    stream = opened("wav:alsa:null?rate=16000", "sound")
    packets = drain(stream, 1000)
    assert not values(packets).any()
    stream.close()
