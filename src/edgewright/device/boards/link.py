"""Frames between this device and a board: requests out, and the whole state of the board in every answer.

A frame is the one of `device.frames`: COBS between zeros, closed by a CRC-32. Requests begin with kind and sequence;
an answer names both. What else comes over the line (rows) is passed over.
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

from edgewright.device.boards.configuration import checked_link
from edgewright.device.frames import stuffed, unstuffed
from edgewright.schema.errors import InputError, MissingExtraError, OutputError

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
        raise InputError("a line to a board", _said(error), link.partition(":")[2]) from None
    try:
        yield opened if kind == "serial" else _Tcp(opened)
    except OSError as error:
        raise OutputError("the line to stay open", _said(error), link, "The next attempt resumes there") from None
    finally:
        opened.close()


def _serial(port: str, baud: int) -> Any:  # noqa: ANN401 - pyserial has no types
    try:
        library: Any = importlib.import_module("serial")
    except ModuleNotFoundError:
        raise MissingExtraError("device", "pyserial") from None
    return library.Serial(port, baud, timeout=_LOOK, write_timeout=_PATIENCE, exclusive=True)


def _said(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error)


ASK, BEGIN, WRITE, FINISH, CONFIRM, REVERT = range(0xB1, 0xB7)
TOLD = 0xBA
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
        counter: of the weights at work.
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


def answer(coded: bytes, kind: int, sequence: int) -> BoardAnswer | None:
    """Return the answer in a frame without its zero; None for another frame, or an answer to another request."""
    plain = unstuffed(coded)
    if plain is None or len(plain) != _ANSWER.size + 4 or plain[0] != TOLD:
        return None
    if zlib.crc32(plain[:-4]) != int.from_bytes(plain[-4:], "little") or (plain[1], plain[2]) != (sequence, kind):
        return None
    _, _, _, code, _, state, active, trial, *numbers, name, layout = _ANSWER.unpack(plain[:-4])
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
            found = self._heard(kind, wait)
            if found is not None:
                return found
        raise OutputError("an answer of the board", f"none to {self._tries} requests", do="Check line and baud rate")

    def _heard(self, kind: int, wait: float) -> BoardAnswer | None:
        until, held = time.monotonic() + wait, bytearray()
        while time.monotonic() < until:
            for byte in self._port.read(256):
                if byte:
                    held.append(byte)
                    continue
                found = answer(bytes(held), kind, self._sequence) if len(held) < _LONGEST else None
                if found is not None:
                    return found
                held.clear()
        return None
