"""Where the model's process hands over what may leave: a socket of this machine, one batch at a time."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from edgewright.device.sinks import Acknowledgement
from edgewright.fleet.device.reports import Outbox

_LARGEST = 4 << 20
_ITEMS = 1000
_FULL_BYTES, _FULL_ITEMS = 32 << 10, 128
"""Half of what the outbox puts into one batch: so much says that more waits behind it."""
_PATIENCE = 1000.0
_TALK = 10.0
_LOOK = 1.0
"""Seconds between two looks whether the sender of a batch still waits: it hangs up where it has an alarm to bring."""


class _Peek(msgspec.Struct, frozen=True):
    """What is asked of an item before it is passed on as it is: whether it is one, the fleet says."""

    boot: int
    sequence: int
    body: Any = None

    @property
    def alarm(self) -> bool:
        """Whether it must not wait."""
        return isinstance(self.body, dict) and self.body.get("kind") == "alarm"


class IpcServer(Outbox):
    """Takes items of the model's process.

    Args:
        path: of the socket, in a folder that only this user enters.
        wake: called, from another thread, when something waits that should not.
        patience: seconds for which a batch waits for the next report before its sender is told to come again.

    Raises:
        OSError: the socket cannot be made.
    """

    def __init__(self, path: Path, wake: Callable[[], None], patience: float = _PATIENCE) -> None:
        self.path, self._wake, self._patience = path, wake, patience
        self._changed = threading.Condition()
        self._batch: list[tuple[tuple[int, int], msgspec.Raw]] = []
        self._given: object = None
        self._alarm = self._backlog = self._behind = False
        self._durable: set[tuple[int, int]] | None = None
        self._refused: dict[tuple[int, int], str] = {}
        self._closed = self._released = False
        with suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(4)
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)
        self._thread.start()

    def urgent(self) -> bool:
        """Return an alarm waits."""
        with self._changed:
            return self._alarm

    def backlog(self) -> bool:
        """Return a full batch waits, or one that came after a full one."""
        with self._changed:
            return self._backlog

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the batch that waits now."""
        with self._changed:
            self._given = self._batch
            return [raw for _, raw in self._batch]

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """Its sender is told what is durable; one that came since then waits on."""
        with self._changed:
            if self._batch and self._batch is self._given:
                self._durable = set(durable) & {place for place, _ in self._batch}
                self._changed.notify_all()

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Its sender is told that the fleet will never take this item; of the others nothing is known to be durable."""
        with self._changed:
            if position in (known for known, _ in self._batch):
                self._durable, self._refused = set(), {position: why}
                self._changed.notify_all()

    def release(self) -> None:
        """Who waits is told that nothing is durable yet: the model's process is about to end."""
        with self._changed:
            if self._batch:
                self._durable, self._released = set(), True
                self._changed.notify_all()

    def close(self) -> None:
        """Who waits is told that nothing is durable; nobody else is let in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(_TALK)
        with suppress(OSError):
            self.path.unlink()

    def _serve(self) -> None:
        while not self._closed:
            try:
                plug, _ = self._socket.accept()
            except OSError:
                return
            with plug, suppress(OSError, ValueError):
                plug.settimeout(_TALK)
                if _user(plug) == os.geteuid():
                    plug.sendall(msgspec.json.encode(self._offer(_read(plug), plug)))

    def _offer(self, content: bytes, plug: socket.socket) -> Acknowledgement:
        """Wait until a report carried the batch, its sender hangs up, or patience ends."""
        batch, alarm = [], False
        for line in content.splitlines()[:_ITEMS]:
            try:
                seen = msgspec.json.decode(line, type=_Peek)
            except (msgspec.DecodeError, RecursionError):
                continue
            batch.append(((seen.boot, seen.sequence), msgspec.Raw(line)))
            alarm = alarm or seen.alarm
        full = len(content) >= _FULL_BYTES or len(batch) >= _FULL_ITEMS
        with self._changed:
            self._batch, self._alarm, self._durable = batch, alarm, None
            self._backlog = bool(batch) and (full or self._behind)
            wake = alarm or self._backlog
        if wake:
            self._wake()
        end = time.monotonic() + (self._patience if batch else 0.0)
        with self._changed:
            while not self._done() and (left := end - time.monotonic()) > 0.0 and not _gone(plug):
                self._changed.wait_for(self._done, min(left, _LOOK))
            later = self._released or (self._durable is None and self._closed)
            found: set[tuple[int, int]] = self._durable or set()
            refused = tuple((*place, why) for place, why in self._refused.items())
            self._durable, self._released, self._refused = None, False, {}
            self._batch, self._alarm, self._backlog = [], False, False
            self._behind = full and bool(found)
        return Acknowledgement(tuple(sorted(found)), later, refused)

    def _done(self) -> bool:
        return self._durable is not None or self._closed


def _gone(plug: socket.socket) -> bool:
    """Return whether the other side has hung up, not only said all that it had to say."""
    look = select.poll()
    look.register(plug, 0)  # that it hung up is told unasked
    return bool(look.poll(0))


def _read(plug: socket.socket) -> bytes:
    parts: list[bytes] = []
    length = 0
    while part := plug.recv(65536):
        length += len(part)
        if length > _LARGEST:
            raise ValueError("a batch that is too large")
        parts.append(part)
    return b"".join(parts)


def _user(plug: socket.socket) -> int:
    """Who is on the other side."""
    size = struct.calcsize("3i")
    found: int = struct.unpack("3i", plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]
    return found
