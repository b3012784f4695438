"""A TCP line between a gateway and a board that can be held up in the middle of a transfer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Line:
    """Passes bytes on, to a board and back; every connection has threads of its own.

    Args:
        port: of the board on this machine.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._left: int | None = None
        self.held = threading.Event()
        self._go = threading.Event()
        self._go.set()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def link(self) -> str:
        """As in device.toml."""
        return f"tcp:127.0.0.1:{self._socket.getsockname()[1]}"

    def hold(self, after: int) -> None:
        """Nothing goes to the board any more once so many bytes have; `held` is set then."""
        self.held.clear()
        self._go.clear()
        self._left = after

    def release(self) -> None:
        """Everything goes again, from the next connection at the latest."""
        self._left = None
        self._go.set()

    def close(self) -> None:
        """Nobody is let in any more."""
        self.release()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to), 5.0)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket, forth: bool) -> None:
        with suppress(OSError):
            while data := near.recv(256):
                if forth and self._left is not None:
                    if self._left < len(data):
                        self.held.set()
                        self._go.wait()
                    else:
                        self._left -= len(data)
                far.sendall(data)
        for plug in (near, far):
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
        near.close()
