"""Pictures out of a camera's bytes, and out of a file that holds its stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Planes = NDArray[np.uint8]
COLOURS, GREY = ("red", "green", "blue"), "grey"
# What a camera is asked for, the most wanted first; V4L2's names.
FORMATS = ("MJPG", "YUYV", "RGB3", "GREY")
BYTES = {"YUYV": 2, "RGB3": 3, "GREY": 1}  # of a pixel, where all pictures have as many
_PIECE, _LARGEST = 1 << 20, 64 << 20
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
# Markers of JPEG without a length behind them, and the one behind which the pixels begin.
_BARE, _SCAN = (0x01, *range(0xD0, 0xD8)), 0xDA


def decoded(form: str, frame: bytes, width: int, height: int, line: int, columns: tuple[str, ...]) -> Planes:
    """Return a frame as planes, shape (columns, height, width).

    Args:
        form: one of `FORMATS`.
        frame: bytes of one picture.
        width: of a picture that does not say it itself.
        height: as width.
        line: bytes of a row; 0 where nothing lies between rows.
        columns: 'red', 'green', 'blue' and 'grey', any of them.

    Raises:
        InputError: the frame is not whole, or no picture.
    """
    if form == "MJPG":
        return _jpeg(frame, columns)
    each = BYTES[form]
    line = max(line, width * each)
    if len(frame) < line * (height - 1) + width * each:
        raise InputError(f"{line * height} bytes of a picture", f"{len(frame)}", f"a frame of {form}")
    padded = np.frombuffer(frame.ljust(line * height, b"\0"), np.uint8, line * height).reshape(height, line)
    rows = padded[:, : width * each].reshape(height, width, each)
    if form == "GREY":
        return np.repeat(rows.transpose(2, 0, 1), len(columns), axis=0)
    return chosen(rows if form == "RGB3" else _from_yuyv(rows), columns)


def chosen(rows: NDArray[np.uint8], columns: tuple[str, ...]) -> Planes:
    """Return the planes of red, green and blue pixels, shape (height, width, 3), that are asked for."""
    made = []
    for name in columns:
        if name == GREY:  # as Pillow's 'L', ITU-R BT.601
            parts = rows.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
            made.append(((parts + 0x8000) >> 16).astype(np.uint8))
        else:
            made.append(rows[..., COLOURS.index(name)])
    return np.stack(made)


def _jpeg(frame: bytes, columns: tuple[str, ...]) -> Planes:
    from edgewright.core.pictures import opened  # noqa: PLC0415 - of an extra

    return chosen(opened(frame, "a frame", lambda picture: np.asarray(picture.convert("RGB"), np.uint8)), columns)


def _from_yuyv(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of each pixel, colour of each two, as ITU-R BT.601 has them in 16 to 235 and 16 to 240."""
    width = rows.shape[1] - rows.shape[1] % 2
    wide = rows[:, :width].astype(np.float32)
    y = (wide[..., 0] - 16.0) * (255.0 / 219.0)
    u, v = (np.repeat(wide[:, side::2, 1] - 128.0, 2, axis=1) * (255.0 / 224.0) for side in (0, 1))
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


class Recording:
    """Frames of a stream that was written to a file, one after the other; one is in memory.

    Args:
        file: open, at its start.
        size: bytes of a frame; 0 for JPEG after JPEG.
        name: of the file, for messages.
    """

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._name = file, size, name
        self._held = b""

    def next(self) -> bytes:
        """Return the next frame; empty at the end.

        Raises:
            InputError: something else than a JPEG, or one that is too large or cut off.
        """
        if self._size:
            frame = self._file.read(self._size)
            if frame and len(frame) < self._size:
                raise InputError(f"frames of {self._size} bytes", f"{len(frame)} bytes at the end", self._name)
            return frame
        if not self._more(lambda: len(self._held) >= 2):
            if self._held:
                raise InputError("a whole JPEG", "the file ends", self._name)
            return b""
        if self._held[:2] != _BEGIN:
            raise InputError(
                "JPEG after JPEG", "other bytes", self._name,
                "Say the form of raw frames: ?format=YUYV&width=640&height=480",
            )  # fmt: skip
        frame, self._held = self._held[: (end := self._frame())], self._held[end:]
        return frame

    def _frame(self) -> int:
        """Return where the first JPEG ends: its segments say their length, and its pixels hold no marker."""
        at = 2
        while True:
            self._need(at + 4)
            if self._held[at] != 0xFF:
                at = self._found(b"\xff", at)
                continue
            marker = self._held[at + 1]
            if marker == _END[1]:
                return at + 2
            if marker in (0x00, 0xFF, *_BARE):
                at += 1 if marker == 0xFF else 2
                continue
            at += 2 + int.from_bytes(self._held[at + 2 : at + 4], "big")

    def _found(self, mark: bytes, start: int) -> int:
        while (at := self._held.find(mark, start)) < 0:
            start = len(self._held)
            self._need(start + 3)
        return at

    def _need(self, length: int) -> None:
        # A frame ends with two bytes; the two behind them may be missing at the end of the file.
        if not self._more(lambda: len(self._held) >= length) and len(self._held) < length - 2:
            raise InputError("a whole JPEG", "the file ends", self._name, "It was cut off: record it again")

    def _more(self, enough: Callable[[], bool]) -> bool:
        while not enough():
            if len(self._held) > _LARGEST:
                raise InputError(f"frames of at most {_LARGEST >> 20} MB", "a larger one", self._name)
            piece = self._file.read(_PIECE)
            if not piece:
                return False
            self._held += piece
        return True
