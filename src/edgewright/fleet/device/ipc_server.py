"""A local socket that accepts items for reports from the model's process, one batch at a time."""

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
"""Half of the outbox's batch limits: a batch of this size means that more items wait."""
_PATIENCE = 1000.0
_TALK = 10.0
_LOOK = 1.0
"""Seconds between two checks whether the sender still waits: it closes the connection to send an alarm first."""


class _Peek(msgspec.Struct, frozen=True):
    """The fields of an item that the agent reads before it forwards the item unchanged; the fleet validates it."""

    boot: int
    sequence: int
    body: Any = None

    @property
    def alarm(self) -> bool:
        """Whether the item is an alarm, which must not wait."""
        return isinstance(self.body, dict) and self.body.get("kind") == "alarm"


class IpcServer(Outbox):
    """Accepts items from the model's process.

    Args:
        path: path of the socket, in a folder that only this user can access.
        wake: called from another thread when an item should not wait.
        patience: seconds that a batch waits for the next report before its sender must retry.

    Raises:
        OSError: the socket cannot be created.
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
        """Return whether an alarm waits."""
        with self._changed:
            return self._alarm

    def backlog(self) -> bool:
        """Return whether a full batch waits, or a batch that followed a full one."""
        with self._changed:
            return self._backlog

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the waiting batch."""
        with self._changed:
            self._given = self._batch
            return [raw for _, raw in self._batch]

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """Tell the sender of the offered batch which items are durable; a newer batch keeps waiting."""
        with self._changed:
            if self._batch and self._batch is self._given:
                self._durable = set(durable) & {position for position, _ in self._batch}
                self._changed.notify_all()

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Tell the sender that the fleet permanently rejects this item; no other item is confirmed as durable."""
        with self._changed:
            if position in (known for known, _ in self._batch):
                self._durable, self._refused = set(), {position: why}
                self._changed.notify_all()

    def release(self) -> None:
        """Answer a waiting sender that nothing is durable yet, because the model's process is about to exit."""
        with self._changed:
            if self._batch:
                self._durable, self._released = set(), True
                self._changed.notify_all()

    def close(self) -> None:
        """Answer a waiting sender that nothing is durable, and close the socket."""
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
        """Wait until a report has delivered the batch, the sender disconnects, or the patience ends."""
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
            sent: set[tuple[int, int]] = self._durable or set()
            refused = tuple((*position, why) for position, why in self._refused.items())
            self._durable, self._released, self._refused = None, False, {}
            self._batch, self._alarm, self._backlog = [], False, False
            self._behind = full and bool(sent)
        return Acknowledgement(tuple(sorted(sent)), later, refused)

    def _done(self) -> bool:
        return self._durable is not None or self._closed


def _gone(plug: socket.socket) -> bool:
    """Return whether the sender has closed the connection completely, not only its sending half."""
    look = select.poll()
    look.register(plug, 0)  # poll always reports POLLHUP
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
    size = struct.calcsize("3i")
    user: int = struct.unpack("3i", plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]
    return user
