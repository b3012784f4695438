"""Frames as the senders of boards write them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from edgewright.core.records.data import Floats
from edgewright.device.frames import (
    _DTYPES,
    _HELLO_HEAD,
    _ROWS_HEAD,
    _WRAP,
    FLOAT32,
    HELLO,
    LONGEST,
    ROWS,
    stuffed,
)  # fmt: skip


def write_rows(values: Floats, *, sequence: int, time: int, period: int = 0, form: int = FLOAT32) -> bytes:
    """One frame of rows with its closing zero: what a sender writes.

    Args:
        values: shape (rows, channels), 1 to 255 each.
        sequence: count of the first row.
        time: of the first row, microseconds of the device's clock.
        period: microseconds from row to row.
        form: FLOAT32 or INT16.
    """
    rows, channels = values.shape
    head = _ROWS_HEAD.pack(ROWS, channels, rows, form, sequence % _WRAP, time, period)
    return _closed(head + np.ascontiguousarray(values).astype(_DTYPES[form]).tobytes())


def write_hello(columns: Sequence[str], rate: float | None = None) -> bytes:
    """Return the frame that names the columns, with its closing zero; a sender repeats it every few seconds."""
    return _closed(_HELLO_HEAD.pack(HELLO, len(columns), 0, 0, rate or 0.0) + ",".join(columns).encode())


def _closed(body: bytes) -> bytes:
    coded = stuffed(body + zlib.crc32(body).to_bytes(4, "little"))
    assert len(coded) <= LONGEST
    return coded + b"\0"
