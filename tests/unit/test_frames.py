"""Frames of serial lines and their senders."""

from __future__ import annotations

import shutil
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.device import frames
from edgewright.device.frames import INT16, LONGEST, FrameDecoder, Hello, Rows, Unwrapped, read_frame
from frames_example import write_hello, write_rows
from support import ROOT, left_out


def some(rows: int = 3, channels: int = 6, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(rows, channels)).astype(np.float32)


def test_rows_come_back_with_time_and_count() -> None:
    values = some()
    (frame,) = FrameDecoder().feed(write_rows(values, sequence=7, time=1_000_000, period=20_000))
    assert isinstance(frame, Rows)
    assert np.array_equal(frame.values, values)
    assert frame.time.tolist() == pytest.approx([1.0, 1.02, 1.04])
    assert frame.sequence.tolist() == [7, 8, 9]


def test_int16_and_hello_come_back() -> None:
    values = np.array([[-32768, 0, 32767]], np.float32)
    sent = write_hello(["acc_x [g]", "b", "c"], 50.0) + write_rows(values, sequence=0, time=0, form=frames.INT16)
    hello, rows = FrameDecoder().feed(sent)
    assert hello == Hello(("acc_x [g]", "b", "c"), 50.0)
    assert isinstance(rows, Rows)
    assert rows.values.tolist() == values.tolist()


@given(st.binary(max_size=1200))
def test_stuffing_leaves_no_zero_and_comes_back(plain: bytes) -> None:
    coded = frames.stuffed(plain)
    assert b"\0" not in coded
    assert frames.unstuffed(coded) == plain


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_frames_do_not_depend_on_how_bytes_are_cut(cuts: list[int], sequence: int) -> None:
    sent = write_hello(["a", "b"]) + b"".join(
        write_rows(some(2, 2, i), sequence=sequence + 2 * i, time=i * 1000) for i in range(5)
    )
    whole, pieces = FrameDecoder(), FrameDecoder()
    expected = whole.feed(sent)
    got, at = [], 0
    while at < len(sent):
        size = cuts[at % len(cuts)]
        got += pieces.feed(sent[at : at + size])
        at += size
    assert len(got) == len(expected) == 6
    for a, b in zip(got[1:], expected[1:], strict=True):
        assert isinstance(a, Rows)
        assert isinstance(b, Rows)
        assert np.array_equal(a.values, b.values)
        assert np.array_equal(a.sequence, b.sequence)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_wrong_byte_costs_one_or_two_frames_and_no_wrong_row_comes(position: int, change: int) -> None:
    sent = [write_rows(some(1, 3, i), sequence=i, time=i) for i in range(6)]
    data = bytearray(b"".join(sent))
    data[position % len(data)] ^= change
    decoder = FrameDecoder()
    got = [frame for frame in decoder.feed(bytes(data) + b"\0") if isinstance(frame, Rows)]
    assert 4 <= len(got) <= 5  # a zero that became something else joins two frames
    assert decoder.damaged >= 1
    for frame in got:
        assert np.array_equal(frame.values, some(1, 3, int(frame.sequence[0])))


def test_noise_fills_no_memory_and_the_next_frame_is_read() -> None:
    decoder = FrameDecoder()
    for _ in range(100):
        assert decoder.feed(b"\x55" * 10_000) == []
    assert len(decoder._buffer) <= LONGEST
    assert len(decoder.feed(b"\0" + write_rows(some(), sequence=0, time=0))) == 1
    assert decoder.damaged == 1


def test_the_rest_of_a_frame_that_began_before_is_no_damage() -> None:
    frame = write_rows(some(), sequence=0, time=0)
    decoder = FrameDecoder(joined=True)
    assert len(decoder.feed(frame[20:] + frame)) == 1
    assert decoder.damaged == 0
    assert decoder.feed(frame[20:]) == []
    assert decoder.damaged == 1


def test_wrong_lengths_with_a_right_crc_are_no_frames() -> None:
    good = frames.unstuffed(write_rows(some(1, 2), sequence=0, time=0)[:-1])
    assert good is not None
    for body in (
        good[:-8],
        b"\xe1" + good[1:-4] + b"\0",
        b"\xe9" + good[1:-4],
        b"\xe2\x03\0\0\0\0\0\0a,b",
        b"\xe1" * 9,
    ):
        closed = body + zlib.crc32(body).to_bytes(4, "little")
        assert read_frame(frames.stuffed(closed)) is None


def test_the_count_goes_on_over_its_overflow_and_begins_anew_with_the_sender() -> None:
    count = Unwrapped()
    top = 2**32
    assert [count(n % top) for n in (top - 2, top - 1, top, top + 1)] == [top - 2, top - 1, top, top + 1]
    again = Unwrapped()
    assert [again(n) for n in (5000, 5001, 0, 1)] == [5000, 5001, 0, 1]


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_fuzzed_bytes_never_break_the_decoder(random: object) -> None:
    rng = np.random.default_rng(abs(hash(str(random))) % 2**32)
    until = time.monotonic() + 0.1
    decoder = FrameDecoder()
    seeds = [write_rows(some(2, 4), sequence=1, time=2), write_hello(["a", "b"], 5.0), bytes(rng.bytes(300))]
    while time.monotonic() < until:
        data = bytearray(seeds[int(rng.integers(3))])
        for _ in range(int(rng.integers(0, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        for frame in decoder.feed(bytes(data)):
            if isinstance(frame, Rows):
                assert frame.values.shape == (len(frame.time), frame.values.shape[1])


HEADER = ROOT / "senders" / "arduino" / "edgewright_sender"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]
PROGRAM = """
#include <stdio.h>
#include "edgewright_frame.h"
static void give(const uint8_t *bytes, size_t size) { fwrite(bytes, 1, size, stdout); }
int main(void) {
    static uint8_t room[4096];
    static float rows[200];
    static int16_t raw[300];
    ew_clock clock = {0, 0};
    int i;
    for (i = 0; i < 200; i++) rows[i] = (float)(i * i) * 0.25f - 100.0f;
    for (i = 0; i < 300; i++) raw[i] = (int16_t)(i * 217 - 32768);
    give(room, ew_hello(room, EW_HELLO_ROOM(19), 3, 50.0f, "a [g],b [m/s2],long"));
    for (i = 0; i < 40; i++)
        give(room, ew_rows(room, EW_ROOM(1, 3), rows + i, 1, 3, (uint32_t)i + 0xFFFFFFF0u,
                           ew_time(&clock, 4294000000u + (uint32_t)i * 100000u), 0));
    give(room, ew_rows(room, EW_ROOM(20, 10), rows, 20, 10, 7, 123456789012345u, 20000));
    give(room, ew_rows_int16(room, EW_ROOM(75, 2), raw, 75, 4, 9, 1, 1000));
    for (i = 0; i < 12 + 19 + 2; i++)
        if (ew_hello(room, (size_t)i, 3, 50.0f, "a [g],b [m/s2],long") != 0) return 1;
    return 0;
}
"""


def compiler(name: str) -> str:
    executable = shutil.which(name)
    if not executable:
        left_out(f"{name} is not installed")
    return executable or ""


def test_the_c_header_writes_what_python_writes(tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(PROGRAM)
    build = [compiler("gcc"), "-std=c99", *STRICT, "-fsanitize=address,undefined", "-I", str(HEADER), str(source)]
    subprocess.run([*build, "-o", str(program)], check=True, timeout=60)
    sent = subprocess.run([str(program)], capture_output=True, check=True, timeout=60).stdout

    rows = (np.arange(200, dtype=np.float32) ** 2 * np.float32(0.25) - 100).astype(np.float32)
    raw = (np.arange(300) * 217 - 32768).astype(np.int16)
    expected = write_hello(["a [g]", "b [m/s2]", "long"], 50.0)
    for i in range(40):
        expected += write_rows(rows[None, i : i + 3], sequence=0xFFFFFFF0 + i, time=4294000000 + i * 100000)
    expected += write_rows(rows.reshape(20, 10), sequence=7, time=123456789012345, period=20000)
    expected += write_rows(raw.reshape(75, 4).astype(np.float32), sequence=9, time=1, period=1000, form=INT16)
    assert sent == expected

    hello, *frames = FrameDecoder().feed(sent)
    assert hello == Hello(("a [g]", "b [m/s2]", "long"), 50.0)
    assert len(frames) == 42
    assert isinstance(frames[41], Rows)
    assert np.array_equal(frames[41].values, raw.reshape(75, 4))


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("g++", ["-x", "c++", "-std=c++11"]),
        ("arm-none-eabi-gcc", ["-x", "c", "-std=c99", "-mcpu=cortex-m0", "-Os"]),
    ],
)
def test_the_header_compiles_for_boards(program: str, options: list[str], tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text(PROGRAM)
    build = [compiler(program), *options, *STRICT, "-I", str(HEADER), "-c", str(source), "-o", str(tmp_path / "main.o")]
    subprocess.run(build, check=True, timeout=60)
