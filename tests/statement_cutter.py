"""A proxy before PostgreSQL that resets a connection at a chosen statement, before it or before its answer."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_ENDS = b"QS"
"""Messages that end a round trip: a simple query, and the synchronisation after an extended one."""


class StatementCutter:
    """Passes everything on, and resets the connection whose statement has the number `at`, once.

    Args:
        address: of a database.

    Attributes:
        direct: the database's own address.
        at: number of the statement, from 1 over all connections; 0 for none.
        after: whether the server has carried the statement out before the connection is reset; commits alone count.
        seen: statements so far.
        cut: whether a connection was reset.
        text: of the statement that was cut.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.direct = address
        self._far = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        near = f"127.0.0.1:{self._listening.getsockname()[1]}"
        user = f"{parts.username}@" if parts.username else ""
        self.address = f"postgresql://{user}{near}{parts.path}?sslmode=disable&gssencmode=disable"
        self._lock = threading.Lock()
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, at: int = 0, *, after: bool = False) -> None:
        """Count from the beginning."""
        self.at, self.after, self.seen, self.cut, self.text = at, after, 0, False, b""
        self._cutting: socket.socket | None = None

    def close(self) -> None:
        """Let nobody in any more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._far, 10)
                far.settimeout(None)
            except OSError:
                return
            threading.Thread(target=self._forth, args=(near, far), daemon=True).start()
            threading.Thread(target=self._back, args=(near, far), daemon=True).start()

    def _forth(self, near: socket.socket, far: socket.socket) -> None:
        pending, begun = b"", False
        with suppress(OSError):
            while data := near.recv(65_536):
                pending += data
                while len(pending) >= 5:
                    head = 0 if begun is False else 1  # the first message of a connection has no kind
                    length = head + struct.unpack("!I", pending[head : head + 4])[0]
                    if len(pending) < length:
                        break
                    message, pending = pending[:length], pending[length:]
                    cut = begun and message[:1] in _ENDS and self._count(message)
                    begun = True
                    if cut and not self.after:
                        self._end(near, far)
                        return
                    if cut:
                        self._cutting = near
                    far.sendall(message)
        self._end(near, far)

    def _back(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65_536):
                if near is self._cutting:  # the answer has begun: the statement was carried out
                    break
                near.sendall(data)
        self._end(near, far)

    def _count(self, message: bytes) -> bool:
        with self._lock:
            self.seen += not self.after or b"COMMIT" in message
            if self.seen != self.at or self.cut:
                return False
            self.cut, self.text = True, message
            return True

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                one.close()
