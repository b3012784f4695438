"""A serial line, on real pseudo-terminals."""

from __future__ import annotations

import importlib.util
import os
import pty
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import ConfigError, SourceError, UnknownNameError
from edgewright.device.sources import serial as serial_stream
from edgewright.device.sources._payload import FrameReader
from frames_example import write_hello, write_rows
from stream_rows import drain, notices, opened, times, until_notice, values
from support import left_out


class Line:
    """A pseudo-terminal under a name of its own, which can be unplugged and plugged in again."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug()

    def plug(self) -> None:
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        self.name.symlink_to(os.ttyname(self.near))

    def unplug(self) -> None:
        self.name.unlink()
        os.close(self.near)
        os.close(self.far)

    def send(self, data: bytes) -> None:
        os.write(self.far, data)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    if importlib.util.find_spec("serial") is None:
        left_out("pyserial is not installed")
    line = Line(tmp_path / "ttyTEST")
    yield line
    line.unplug()


def test_lines_with_a_header_after_half_a_line(line: Line) -> None:
    stream = opened(f"serial:{line.name}@115200", "acc_x", "acc_z")
    stream.read(0.0)
    line.send(b".5,9\r\nbooting\r\nt_ms,acc_x,acc_y,acc_z\r\n0,1,2,3\r\n20,4,5,6\r\n")
    packets = drain(stream, 2)
    assert values(packets).tolist() == [[1, 3], [4, 6]]
    assert times(packets).tolist() == pytest.approx([0.0, 0.02])
    stream.close()


def test_the_header_of_a_board_that_starts_when_its_port_is_opened(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_stream, "_QUIET", 0.05)
    stream = opened(f"serial:{line.name}@115200", "acc_x", "acc_z")
    stream.read(0.0)
    time.sleep(0.1)
    line.send(b"t_ms,acc_x,acc_y,acc_z\r\n0,1,2,3\r\n20,4,5,6\r\n")
    packets = drain(stream, 2)
    assert values(packets).tolist() == [[1, 3], [4, 6]]
    assert not notices(packets)
    stream.close()


def test_frames_with_what_was_dropped_counted(line: Line) -> None:
    stream = opened(f"serial:{line.name}@921600?form=framed", "y", "x")
    stream.read(0.0)
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    line.send(write_hello(["x [g]", "y [g]"], 50.0))
    for i in range(20):
        frame = bytearray(write_rows(rows[i : i + 1], sequence=i, time=i * 20_000))
        if i == 5:
            frame[4] ^= 0x10
        if i not in (10, 11):
            line.send(bytes(frame))
    packets = drain(stream, 17)
    kept = [i for i in range(20) if i not in (5, 10, 11)]
    assert values(packets).tolist() == rows[kept][:, ::-1].tolist()
    assert sum(p.lost for p in packets) == 3
    assert "1 damaged frame" in " ".join(notices(packets))
    assert stream.rate == 50.0
    assert times(packets)[-1] == pytest.approx(19 * 0.02)
    stream.close()


def test_a_sender_whose_columns_change_within_one_piece() -> None:
    one, two = np.ones((1, 1), np.float32), np.ones((1, 2), np.float32)
    reader = FrameReader([], name="line")
    first = write_hello(["a"]) + write_rows(one, sequence=0, time=0)
    assert reader.feed(first + write_hello(["a", "b"])).values.shape == (0, 2)
    assert reader.feed(write_rows(two, sequence=1, time=1)).values.shape == (1, 2)
    assert reader.columns == ("a", "b")


def test_frames_without_names_count_where_they_have_as_many_channels_as_are_wanted() -> None:
    reader = FrameReader(["a", "b"], name="line")
    narrow = reader.feed(write_rows(np.ones((1, 3), np.float32), sequence=0, time=0))
    assert len(narrow.values) == 0 and "3 channels, expected 2" in " ".join(narrow.notices)
    assert reader.feed(write_rows(np.ones((1, 2), np.float32), sequence=1, time=1)).values.tolist() == [[1, 1]]


def test_a_line_that_vanishes_and_comes_back(line: Line) -> None:
    stream = opened(f"serial:{line.name}", "a")
    stream.read(0.0)
    line.send(b"\na\n1\n")
    assert values(drain(stream, 1)).tolist() == [[1]]
    line.unplug()
    until_notice(stream, "is gone")
    line.plug()
    until_notice(stream, "is there")
    line.send(b"7\n8\n")  # the first line may be the rest of one
    assert values(drain(stream, 1)).tolist() == [[8]]
    stream.close()


def test_a_line_that_is_not_there_yet_is_waited_for(tmp_path: Path, line: Line) -> None:
    stream = opened(f"serial:{tmp_path / 'ttyLATER'}", "a")
    assert "cannot be opened" in until_notice(stream, "cannot be opened")[0].notice
    (tmp_path / "ttyLATER").symlink_to(os.ttyname(line.near))
    until_notice(stream, "is there")
    line.send(b"\na\n1\n")
    assert values(drain(stream, 1)).tolist() == [[1]]
    stream.close()


def test_noise_makes_the_baud_rate_doubted(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_stream, "_STARTS_SOON", 0.2)
    stream = opened(f"serial:{line.name}@9600?form=framed", "a")
    stream.read(0.0)
    text = ""
    for _ in range(40):
        line.send(b"\x80\xfe\x00\x80" * 8)
        text += " ".join(notices(stream.read(0.02)))
        time.sleep(0.02)
        if "baud" in text:
            break
    assert "is it 9600 baud, and form 'framed'?" in text
    stream.close()


def test_what_will_never_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="at --source baud"):
        opened("serial:/dev/ttyUSB0@fast")
    with pytest.raises(SourceError):
        opened("serial:")
    with pytest.raises(UnknownNameError, match="Known: csv, framed - at --source form"):
        opened("serial:/dev/ttyUSB0?form=binary")
