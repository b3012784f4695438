"""The framed form: what goes in comes out, damage is noticed and costs only the frame it hit."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.device import frames
from edgewright.device.frames import LONGEST, FrameDecoder, Hello, Rows, Unwrapped, read_frame
from frames_example import write_hello, write_rows


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
