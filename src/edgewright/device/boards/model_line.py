"""Requests to `NAME_serial.c` on a board: rows in; answers, stages, cycles and stack out."""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass

from edgewright.device.boards.link import Port
from edgewright.device.frames import stuffed, unstuffed
from edgewright.schema.errors import OutputError

VERSION = 1
ANSWER = 0xFFFFFFFF
"""The answer, where a number names a stage."""
_HELLO, _ROW, _RUN, _READ = range(0xC1, 0xC5)
_TOLD = 0x10
_VALUES = 32
_HEAD = struct.Struct("<IIII16s")
# Seconds for an answer, and how often a request is sent again: nothing that a board does twice harms.
_PATIENCE_S, _TRIES = 2.0, 3
_RUN_S = 60.0
_FIX = "Check the wiring, the baud rate and that the firmware calls NAME_serial_run"


@dataclass(frozen=True)
class BoardHello:
    """What a board says of its firmware.

    Attributes:
        inputs: numbers of a sample.
        words: 4-byte words of an answer.
        stages: that it shows; 0 where it was compiled without taps.
        hash: of the model's code.
        name: of the model.
    """

    inputs: int
    words: int
    stages: int
    hash: bytes
    name: str


class ModelLine:
    """A board at the other end of a line.

    Args:
        port: open line.
        where: its name, for errors.
    """

    def __init__(self, port: Port, where: str) -> None:
        self._port, self._where = port, where
        self._sequence = 0
        self._held = bytearray()

    def hello(self) -> BoardHello:
        """Return what the board runs.

        Raises:
            OutputError: no answer, or no sense in it.
        """
        body = self._ask(_HELLO, b"", _PATIENCE_S)
        version = int.from_bytes(body[:4], "little")
        if len(body) < 4 + _HEAD.size - 4 or version != VERSION:
            raise OutputError(f"a board with protocol {VERSION}", f"protocol {version}", self._where, "Export again")
        _, inputs, words, stages, told = _HEAD.unpack_from(body)
        return BoardHello(inputs, words, stages, told, body[_HEAD.size :].decode("ascii", "replace"))

    def run(self, row: bytes) -> tuple[int, int, int]:
        """Answer a sample of float32 bytes; return cycles (0: no counter), and bytes of stack used and painted."""
        for start in range(0, len(row), 4 * _VALUES):
            self._ask(_ROW, struct.pack("<I", start // 4) + row[start : start + 4 * _VALUES], _PATIENCE_S)
        body = self._ask(_RUN, bytes(4), _RUN_S)
        if len(body) != 12:
            raise self._garbage()
        cycles, stack, painted = struct.unpack("<III", body)
        return cycles, stack, painted

    def read(self, stage: int) -> bytes:
        """Return the values of a stage, or of `ANSWER`, as bytes."""
        made, words = bytearray(), 1
        while len(made) < 4 * words:
            body = self._ask(_READ, struct.pack("<II", stage, len(made) // 4), _PATIENCE_S)
            if len(body) < 8:
                raise self._garbage()
            words = int.from_bytes(body[:4], "little")
            made += body[4:]
        return bytes(made)

    def _ask(self, kind: int, body: bytes, patience_s: float) -> bytes:
        heard = 0
        for _ in range(_TRIES):
            self._sequence = (self._sequence + 1) & 0xFF
            plain = bytes([kind, self._sequence]) + (body or bytes(4))
            frame = b"\0" + stuffed(plain + struct.pack("<I", zlib.crc32(plain))) + b"\0"
            self._port.write(frame)
            found, read = self._wait(kind | _TOLD, patience_s)
            if found is not None:
                return found
            heard += read
        if heard:
            raise self._garbage()
        raise OutputError(f"an answer of the board within {patience_s:g} s", "none", self._where, _FIX)

    def _wait(self, kind: int, patience_s: float) -> tuple[bytes | None, int]:
        """Return the answer to the last request, and how many bytes came."""
        until, heard = time.monotonic() + patience_s, 0
        while time.monotonic() < until:
            data = self._port.read(256)
            heard += len(data)
            *whole, rest = (bytes(self._held) + data).split(b"\0")
            self._held = bytearray(rest[-4096:])
            for piece in whole:
                plain = unstuffed(piece) if piece else None
                if plain is None or len(plain) < 6 or zlib.crc32(plain[:-4]) != int.from_bytes(plain[-4:], "little"):
                    continue
                if plain[0] == kind and plain[1] == self._sequence:
                    return plain[2:-4], heard
            if heard > 1 << 20:
                break
        return None, heard

    def _garbage(self) -> OutputError:
        return OutputError("answers of NAME_serial", "other bytes", self._where, _FIX)
