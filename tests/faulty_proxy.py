"""A bad network between devices and a server: connections that are refused, cut, stalled, slow or never answered."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Literal

Mode = Literal["clean", "refused", "silent", "cut", "lossy", "slow"]
_PIECE = 4096


class FaultyProxy:
    """Passes TCP connections on to a port of this machine, and does to them what `mode` says.

    Args:
        port: of the server.
        seed: of what is drawn by chance.

    Attributes:
        mode: 'refused': closed as soon as they come; 'silent': nothing is passed on either way, half-open connections
            stay so until the mode changes; 'cut': reset in the middle of the answer, after `bytes`; 'lossy': every
            second connection is reset after some bytes of the question or of the answer; 'slow': `bytes` a second, and
            each piece `delay` seconds late. A change ends all connections that are open.
        bytes, delay: as above.
        passed, cut: connections so far.
    """

    def __init__(self, port: int, seed: int = 1) -> None:
        self._server = port
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._mode: Mode = "clean"
        self.bytes, self.delay = 600, 0.1
        self.passed = self.cut = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self) -> Mode:
        """What happens to connections now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self._lock:
            self._mode = mode
            connections, self._open = self._open, set()
        for one in connections:
            _reset(one)

    def close(self) -> None:
        """End everything."""
        self._ended = True
        self.mode = "refused"
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                mode = self._mode
                self._open.add(client)
                self.passed += 1
                limits = self._limits(mode)
            if mode == "refused":
                self._end(client)
            elif mode != "silent":
                threading.Thread(target=self._serve, args=(client, mode, limits), daemon=True).start()

    def _limits(self, mode: Mode) -> tuple[int, int]:
        """Return bytes of the question and of the answer after which a connection is reset; -1: never."""
        if mode == "cut":
            return -1, self.bytes
        if mode == "lossy" and self.passed % 2:
            if self._chance.random() < 0.5:
                return self._chance.randrange(1, 1500), -1
            return -1, self._chance.randrange(500, 20_000)
        return -1, -1

    def _serve(self, client: socket.socket, mode: Mode, limits: tuple[int, int]) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server), timeout=30)
        except OSError:
            self._end(client)
            return
        with self._lock:
            self._open.add(server)
        threads = [
            threading.Thread(target=self._pass, args=(*ends, mode, limit), daemon=True)
            for ends, limit in (((client, server), limits[0]), ((server, client), limits[1]))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._end(client)
        self._end(server)

    def _pass(self, source: socket.socket, target: socket.socket, mode: Mode, limit: int) -> None:
        left = limit
        with suppress(OSError):
            while data := source.recv(_PIECE if mode != "slow" else 512):
                if mode == "slow":
                    time.sleep(self.delay + len(data) / self.bytes)
                if left >= 0:
                    if len(data) > left:
                        target.sendall(data[:left])
                        self.cut += 1
                        _reset(source)
                        _reset(target)
                        return
                    left -= len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _end(self, one: socket.socket) -> None:
        with self._lock:
            self._open.discard(one)
        with suppress(OSError):
            one.close()


def _reset(one: socket.socket) -> None:
    """As a network does that forgets a connection: no orderly end."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()
