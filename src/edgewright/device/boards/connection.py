"""Opens the line to a board: a serial port, or a TCP bridge that holds one."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgewright.device.boards.address import checked_link
from edgewright.device.boards.link import Port
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
        """Sends all of it."""
        self._plug.settimeout(_PATIENCE)
        self._plug.sendall(data)
        return len(data)


@contextmanager
def open_link(link: str, where: str = "the line") -> Iterator[Port]:
    """An open line.

    Raises:
        MissingExtraError: without pyserial.
        InputError: it cannot be opened: no such port, or another process holds it.
        OutputError: it vanishes meanwhile.
    """
    kind, place, number = checked_link(link, where)
    try:
        opened: Any = _serial(place, number) if kind == "serial" else socket.create_connection((place, number), 5.0)
    except (OSError, ValueError) as error:
        raise InputError("a line to a board", _said(error), link.partition(":")[2]) from None
    try:
        yield opened if kind == "serial" else _Tcp(opened)
    except OSError as error:
        raise OutputError("the line to stay", _said(error), link, "The next try goes on where it was") from None
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
