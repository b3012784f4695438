"""Frames between this device and a board: requests out, and the whole state of the board in every answer.

A frame is the one of `device.frames`: COBS between zeros, closed by a CRC-32. Requests begin with kind and sequence;
an answer names both. What else comes over the line (rows) is passed over. `BoardLine` brings weights to a board;
`ModelLine` speaks to `NAME_serial.c`: rows in; answers, stages, cycles and stack out.
"""

from __future__ import annotations

import importlib
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from edgewright.core.errors import BoardError, MissingExtraError, OutputError
from edgewright.device.boards.configuration import checked_link
from edgewright.device.frames import stuffed, unstuffed

_LOOK, _PATIENCE = 0.05, 5.0  # seconds that a read waits at most, and a write or the making of a connection


class _Tcp:
    """A connection as a port; an end of the other side is an error, since a line has none."""

    def __init__(self, plug: socket.socket) -> None:
        self._plug = plug

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none where nothing came for a while."""
        self._plug.settimeout(_LOOK)
        try:
            got = self._plug.recv(size)
        except TimeoutError:
            return b""
        if not got:
            raise ConnectionResetError("the other side has closed the connection")
        return got

    def write(self, data: bytes, /) -> int:
        """Send all of it."""
        self._plug.settimeout(_PATIENCE)
        self._plug.sendall(data)
        return len(data)


@contextmanager
def open_link(link: str) -> Iterator[Port]:
    """Provide an open line.

    Raises:
        MissingExtraError: without pyserial.
        InputError: it cannot be opened: no such port, or another process holds it.
        OutputError: it vanishes meanwhile.
    """
    kind, location, number = checked_link(link, "the line")
    try:
        opened: Any = (
            _serial(location, number) if kind == "serial" else socket.create_connection((location, number), 5.0)
        )
    except (OSError, ValueError) as error:
        raise BoardError("a line to a board", _error_text(error), link.partition(":")[2]) from None
    try:
        yield opened if kind == "serial" else _Tcp(opened)
    except OSError as error:
        raise OutputError("the line to stay open", _error_text(error), link, "The next attempt resumes there") from None
    finally:
        opened.close()


def _serial(port: str, baud: int) -> Any:  # noqa: ANN401 - pyserial has no types
    try:
        library: Any = importlib.import_module("serial")
    except ModuleNotFoundError:
        raise MissingExtraError("device", "pyserial") from None
    return library.Serial(port, baud, timeout=_LOOK, write_timeout=_PATIENCE, exclusive=True)


def _error_text(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error)


ASK, BEGIN, WRITE, FINISH, CONFIRM, REVERT = range(0xB1, 0xB7)
REPLY = 0xBA
_ANSWER = struct.Struct("<BBBBBBBBIIIIII16s32s")
_LONGEST = 4096
OK, ORDER, TOO_LONG, GAP, FLASH, DAMAGED, FORMAT, LAYOUT, OLDER, SIGNATURE, ANSWERS, TRIAL, NONE = range(13)
CODES = {
    OK: "done",
    ORDER: "an earlier step is missing",
    TOO_LONG: "longer than a slot of the board, or too short",
    GAP: "bytes before these are missing",
    FLASH: "its flash could not be erased, written or read",
    DAMAGED: "the received bytes differ from the announced ones",
    FORMAT: "not weights, or of a format that the board does not know",
    LAYOUT: "made for other code: update the firmware with the boot loader",
    OLDER: "not newer than the board's latest weights",
    SIGNATURE: "not signed with the board's key",
    ANSWERS: "the test vectors give other answers on the board",
    TRIAL: "the board has weights on trial: confirm or revert them first",
    NONE: "the board has no weights",
}


class Port(Protocol):
    """An open line: pyserial's, or a test's."""

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none where nothing came for a while."""

    def write(self, data: bytes, /) -> int | None:
        """Send."""


@dataclass(frozen=True)
class BoardAnswer:
    """What a board says with every answer.

    Attributes:
        code: of `CODES`, for the request.
        state: of what is being received: 0 nothing, 1 receiving, 2 received, 3 verified, 4 tested.
        active: slot at work; None for none.
        trial: starts that are left to weights on trial; None where they are confirmed.
        received, length: bytes, of what is being received.
        counter: counter of the weights at work.
        floor: new weights need a higher one.
        slot: bytes of a slot.
        chunk: bytes of weights in a request at most.
        name: first bytes of the SHA-512 of what is being received, or of what is at work.
        layout: of the board's code.
    """

    code: int
    state: int
    active: int | None
    trial: int | None
    received: int
    length: int
    counter: int
    floor: int
    slot: int
    chunk: int
    name: bytes
    layout: bytes


def request(kind: int, sequence: int, body: bytes = b"") -> bytes:
    """Return a frame to the board, with a zero before it that ends what noise may have begun."""
    plain = bytes([kind, sequence]) + body
    return b"\0" + stuffed(plain + zlib.crc32(plain).to_bytes(4, "little")) + b"\0"


def _content(coded: bytes) -> bytes:
    """Return what a frame holds without its CRC; nothing where it is damaged."""
    plain = unstuffed(coded) or b""
    return plain[:-4] if zlib.crc32(plain[:-4]) == int.from_bytes(plain[-4:], "little") else b""


def answer(coded: bytes, kind: int, sequence: int) -> BoardAnswer | None:
    """Return the answer in a frame without its zero; None for another frame, or an answer to another request."""
    content = _content(coded)
    if len(content) != _ANSWER.size or tuple(content[:3]) != (REPLY, sequence, kind):
        return None
    _, _, _, code, _, state, active, trial, *numbers, name, layout = _ANSWER.unpack(content)
    received, length, counter, floor, slot, chunk = numbers
    return BoardAnswer(
        code, state, active if active < 2 else None, trial - 1 if trial else None, received, length, counter, floor,
        slot, chunk, name, layout,
    )  # fmt: skip


class BoardLine:
    """Asks a board, again where no answer comes.

    Args:
        port: whose `read` waits at most a fraction of a second.
        patience: seconds until a request is sent again.
        tries: of a request.
    """

    def __init__(self, port: Port, *, patience: float = 1.0, tries: int = 5) -> None:
        self._port, self._patience, self._tries = port, patience, tries
        self._sequence = int(time.monotonic() * 1000) & 0xFF

    def ask(self, kind: int, body: bytes = b"", *, patience: float | None = None) -> BoardAnswer:
        """Return the board's answer to a request; it is safe to carry one out twice.

        Raises:
            OutputError: no answer.
        """
        wait = self._patience if patience is None else patience
        for _ in range(self._tries):
            self._sequence = (self._sequence + 1) & 0xFF
            self._port.write(request(kind, self._sequence, body))
            reply = self._receive(kind, wait)
            if reply is not None:
                return reply
        raise OutputError("an answer of the board", f"none to {self._tries} requests", do="Check line and baud rate")

    def _receive(self, kind: int, wait: float) -> BoardAnswer | None:
        until, coded = time.monotonic() + wait, bytearray()
        while time.monotonic() < until:
            for byte in self._port.read(256):
                if byte:
                    coded.append(byte)
                    continue
                reply = answer(bytes(coded), kind, self._sequence) if len(coded) < _LONGEST else None
                if reply is not None:
                    return reply
                coded.clear()
        return None


VERSION = 1
ANSWER = 0xFFFFFFFF
"""The answer, where a number names a stage."""
_HELLO, _ROW, _RUN, _READ = range(0xC1, 0xC5)
_ANSWERED = 0x10
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
        name: name of the model.
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
        self._buffer = bytearray()

    def hello(self) -> BoardHello:
        """Return what the board runs.

        Raises:
            OutputError: no answer, or no sense in it.
        """
        body = self._ask(_HELLO, b"", _PATIENCE_S)
        version = int.from_bytes(body[:4], "little")
        if len(body) < 4 + _HEAD.size - 4 or version != VERSION:
            raise OutputError(f"a board with protocol {VERSION}", f"protocol {version}", self._where, "Export again")
        _, inputs, words, stages, code_hash = _HEAD.unpack_from(body)
        return BoardHello(inputs, words, stages, code_hash, body[_HEAD.size :].decode("ascii", "replace"))

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
        data, words = bytearray(), 1
        while len(data) < 4 * words:
            body = self._ask(_READ, struct.pack("<II", stage, len(data) // 4), _PATIENCE_S)
            if len(body) < 8:
                raise self._garbage()
            words = int.from_bytes(body[:4], "little")
            data += body[4:]
        return bytes(data)

    def _ask(self, kind: int, body: bytes, patience_s: float) -> bytes:
        received = 0
        for _ in range(_TRIES):
            self._sequence = (self._sequence + 1) & 0xFF
            self._port.write(request(kind, self._sequence, body or bytes(4)))
            answer, read = self._wait(kind | _ANSWERED, patience_s)
            if answer is not None:
                return answer
            received += read
        if received:
            raise self._garbage()
        raise OutputError(f"an answer of the board within {patience_s:g} s", "none", self._where, _FIX)

    def _wait(self, kind: int, patience_s: float) -> tuple[bytes | None, int]:
        """Return the answer to the last request, and how many bytes came."""
        until, received = time.monotonic() + patience_s, 0
        while time.monotonic() < until:
            data = self._port.read(256)
            received += len(data)
            *whole, rest = (bytes(self._buffer) + data).split(b"\0")
            self._buffer = bytearray(rest[-4096:])
            for piece in whole:
                content = _content(piece)
                if tuple(content[:2]) == (kind, self._sequence):
                    return content[2:], received
            if received > 1 << 20:
                break
        return None, received

    def _garbage(self) -> OutputError:
        return OutputError("answers of NAME_serial", "other bytes", self._where, _FIX)
