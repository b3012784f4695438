"""Rows in binary frames, as the senders of `senders/` write them: counted, stamped by the device, checked by a CRC.

A frame is coded by COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999), so that a zero byte stands
between frames and nowhere else: a reader that joins late or loses bytes is right again after the next zero. Inside,
little endian:

    rows    E1  channels u8  rows u8  format u8  sequence u32  time u64 (us)  period u32 (us)  values  crc u32
    hello   E2  channels u8  0   u8  0      u8  rate f32      names as UTF-8 text, comma-separated     crc u32

`sequence` counts rows and is that of the first row; row i was taken at time + i * period. Format 0 is float32, 1 int16.
The CRC is that of IEEE 802.3 (zlib's) over all before it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

ROWS, HELLO = 0xE1, 0xE2
FLOAT32, INT16 = 0, 1
_DTYPES = {FLOAT32: "<f4", INT16: "<i2"}
_ROWS_HEAD, _HELLO_HEAD = struct.Struct("<BBBBIQI"), struct.Struct("<BBBBf")
# 255 channels are 1,020 bytes a row; a sender cuts its frames so that they stay below, and noise cannot fill memory.
LONGEST = 4096
_WRAP = 1 << 32


@dataclass(frozen=True)
class Rows:
    """A frame of rows: values (rows, channels) float32, time (rows,) in seconds, sequence (rows,) as the sender counts.

    `sequence` is modulo 2^32: `Unwrapped` makes it a count that goes on.
    """

    values: Floats
    time: NDArray[np.float64]
    sequence: NDArray[np.int64]


@dataclass(frozen=True)
class Hello:
    """What a sender says of itself: its columns in order, and rows a second (None: it does not say)."""

    columns: tuple[str, ...]
    rate: float | None


Frame: TypeAlias = Rows | Hello


class FrameDecoder:
    """Frames from bytes, however they are cut; holds at most one frame.

    Args:
        joined: whether the first frame may have begun before it was listened to: what is left of it is no damage.

    Attributes:
        damaged: pieces between zeros that were no frame: bytes lost, a wrong CRC, noise.
    """

    def __init__(self, *, joined: bool = False) -> None:
        self.damaged = 0
        self._joined = joined
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete."""
        frames: list[Frame] = []
        *whole, rest = data.split(b"\0")
        for piece in whole:
            self._hold(piece)
            frame = None if self._skipping else read_frame(bytes(self._buffer))
            if frame is not None:
                frames.append(frame)
            elif (self._buffer or self._skipping) and not self._joined:
                self.damaged += 1  # nothing between two zeros is no fault: senders may put extra ones
            self._joined = False
            self._buffer.clear()
            self._skipping = False
        self._hold(rest)
        return frames

    def _hold(self, piece: bytes) -> None:
        if self._skipping or len(self._buffer) + len(piece) > LONGEST:
            self._skipping = True
            self._buffer.clear()
        else:
            self._buffer += piece


class Unwrapped:
    """A count modulo 2^32 as a count that goes on: a fall by more than half of that is an overflow, not a new start."""

    def __init__(self) -> None:
        self._low, self._base = 0, 0

    def __call__(self, low: int) -> int:
        """Return the whole count whose low 32 bits are these."""
        if self._low - low > _WRAP // 2:
            self._base += _WRAP
        self._low = low
        return self._base + low


def read_frame(coded: bytes) -> Frame | None:
    """One frame, without its zero; None where it is damaged."""
    plain = unstuffed(coded)
    if plain is None or len(plain) < 12:
        return None
    body, crc = plain[:-4], int.from_bytes(plain[-4:], "little")
    if zlib.crc32(body) != crc:
        return None
    if body[0] == ROWS and len(body) >= _ROWS_HEAD.size:
        return _rows(body)
    if body[0] == HELLO:
        return _hello(body)
    return None


def _rows(body: bytes) -> Rows | None:
    _, channels, rows, form, sequence, time, period = _ROWS_HEAD.unpack_from(body)
    kind = _DTYPES.get(form)
    if kind is None or not channels or not rows:
        return None
    payload = body[_ROWS_HEAD.size :]
    if len(payload) != channels * rows * np.dtype(kind).itemsize:
        return None
    values = np.frombuffer(payload, kind).reshape(rows, channels).astype(np.float32)
    step = np.arange(rows, dtype=np.int64)
    return Rows(values, (float(time) + period * step) * 1e-6, sequence + step)


def _hello(body: bytes) -> Hello | None:
    _, channels, _, _, rate = _HELLO_HEAD.unpack_from(body)
    try:
        names = tuple(name.strip() for name in body[_HELLO_HEAD.size :].decode("utf-8").split(","))
    except UnicodeDecodeError:
        return None
    if len(names) != channels or len(set(names)) != channels or not all(names):
        return None
    return Hello(names, float(rate) if 0.0 < rate < 1e9 else None)


def stuffed(plain: bytes) -> bytes:
    """COBS: every run of up to 254 bytes without a zero behind a byte that says how long it is."""
    out = bytearray()
    pieces = plain.split(b"\0")
    for piece in pieces:
        while len(piece) >= 254:
            out += b"\xff" + piece[:254]
            piece = piece[254:]
        out += bytes([len(piece) + 1]) + piece
    return bytes(out)


def unstuffed(coded: bytes) -> bytes | None:
    """Return the bytes before COBS; None where a length points beyond the end."""
    out = bytearray()
    at, size = 0, len(coded)
    while at < size:
        length = coded[at]
        if not length or at + length > size:
            return None
        out += coded[at + 1 : at + length]
        at += length
        if length < 255 and at < size:
            out.append(0)
    return bytes(out)
