"""Sound: WAV files, and capture through the real libasound with its null and file plug-ins as the hardware."""

from __future__ import annotations

import ctypes
import math
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from edgewright.device.sources import wav
from edgewright.schema.errors import InputError, UnknownNameError
from stream_rows import Clock, drain, notices, opened, times, until_notice, values
from support import ROOT, left_out

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
    with pytest.raises(InputError, match="cut off"):
        opened(f"wav:{cut}")
    with pytest.raises(InputError, match="a WAV file"):
        opened(f"wav:{text}")
    with pytest.raises(InputError, match="sound of 16000 Hz, got 8000 Hz"):
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
