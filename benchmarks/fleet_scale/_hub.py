"""Many devices' blocking code in one thread: a greenlet each, over epoll, with a transport like the agent's own."""

from __future__ import annotations

import errno
import heapq
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from edgewright.fleet.protocol.layout import Answer, Unreachable

_STALL = 15.0
"""Seconds without an answer, as of `fleet.protocol.transport`."""
_AT_ONCE = 32


class Hub:
    """Runs greenlets that wait for sockets and for time."""

    def __init__(self) -> None:
        self._here = getcurrent()
        self._epoll, self._first = select.epoll(), select.epoll()
        self._waiting: dict[int, tuple[greenlet, int]] = {}
        self._timers: list[tuple[float, int, greenlet, int]] = []
        self._turns: dict[greenlet, int] = {}
        # What comes first wakes the hub from its wait for the rest.
        self._epoll.register(self._first.fileno(), select.EPOLLIN)
        self._count = 0

    def start(self, function: Callable[[], None]) -> None:
        """Something that begins when the hub runs."""
        spawned = greenlet(lambda _: function(), self._here)
        self._at(time.monotonic(), spawned)

    def sleep(self, seconds: float) -> None:
        """Others go on meanwhile."""
        self._at(time.monotonic() + seconds, getcurrent())
        self._here.switch()

    def wait(self, plug: socket.socket, events: int, seconds: float, *, first: bool = False) -> None:
        """Wait until a socket can be read or written.

        Args:
            plug: the socket.
            events: `selectors.EVENT_READ` or `EVENT_WRITE`.
            seconds: to wait at most.
            first: go on before all other work, which must not delay a measured time.

        Raises:
            TimeoutError: it cannot within so many seconds.
        """
        me, number = getcurrent(), plug.fileno()
        self._at(time.monotonic() + seconds, me)
        self._waiting[number] = (me, self._turns[me])
        epoll = self._first if first else self._epoll
        epoll.register(number, events | select.EPOLLONESHOT)
        try:
            if self._here.switch() is None:
                raise TimeoutError
        finally:
            self._waiting.pop(number, None)
            epoll.unregister(number)

    def run(self, over: Callable[[], bool], every: float = 0.5) -> None:
        """Until `over` says so."""
        look = 0.0
        while True:
            now = time.monotonic()
            if now >= look:
                if over():
                    return
                look = now + every
            self._ready(self._first.poll(0.0, 4096))
            for _ in range(_AT_ONCE):
                if not self._timers or self._timers[0][0] > now:
                    break
                _, _, one, turn = heapq.heappop(self._timers)
                if self._turns.get(one) == turn:
                    self._resume(one, None)
            pause = max(0.0, min(self._timers[0][0] if self._timers else look, look) - time.monotonic())
            self._ready(self._epoll.poll(pause, _AT_ONCE))

    def _ready(self, events: list[tuple[int, int]]) -> None:
        for number, _ in events:
            waiting = self._waiting.get(number)
            if waiting is not None and self._turns.get(waiting[0]) == waiting[1]:
                self._resume(waiting[0], number)

    def _at(self, moment: float, one: greenlet) -> None:
        self._count += 1
        self._turns[one] = self._count
        heapq.heappush(self._timers, (moment, self._count, one, self._count))

    def _resume(self, one: greenlet, value: Any) -> None:  # noqa: ANN401 - None for time, a file for a socket
        self._turns.pop(one, None)
        one.switch(value)


class HubTransport:
    """As `fleet.protocol.ports.Transport`, over a connection that is kept.

    Args:
        hub: that the device runs in.
        port: of the server on this machine.
        told: called with method, status and seconds of each answer.
    """

    def __init__(self, hub: Hub, port: int, on_answer: Callable[[str, int, float], None]) -> None:
        self._hub, self._port, self._on_answer = hub, port, on_answer
        self._plug: socket.socket | None = None

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """One exchange."""
        lines = [f"{method} {path} HTTP/1.1", "Host: fleet", "User-Agent: edgewright", f"Content-Length: {len(body)}"]
        request = "\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode() + body
        began = time.monotonic()
        for fresh in (self._plug is None, True):
            try:
                status, answer_headers, content = self._ask(request, began + seconds)
                break
            except (OSError, TimeoutError, ValueError) as error:
                self.close()
                if fresh or isinstance(error, TimeoutError):
                    raise Unreachable(f"{type(error).__name__} {error}") from None
        self._on_answer(method, status, time.monotonic() - began)
        if answer_headers.get("connection", "") == "close":
            self.close()
        yield Answer(status=status, headers=answer_headers, body=iter((content,)))

    def close(self) -> None:
        """End the connection."""
        if self._plug is not None:
            self._plug.close()
            self._plug = None

    def _ask(self, request: bytes, until: float) -> tuple[int, dict[str, str], bytes]:
        if self._plug is None:
            self._plug = socket.socket()
            self._plug.setblocking(False)
            self._plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._plug.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
                raise OSError("no connection")
            self._hub.wait(self._plug, select.EPOLLOUT, min(_STALL, until - time.monotonic()))
            if failed := self._plug.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(failed, "no connection")
        sent = memoryview(request)
        while sent:
            try:
                sent = sent[self._plug.send(sent) :]
            except BlockingIOError:
                self._hub.wait(self._plug, select.EPOLLOUT, min(_STALL, until - time.monotonic()))
        head, _, content = self._until(b"", lambda got: b"\r\n\r\n" in got, until).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:]}
        length = int(headers.get("content-length", "0"))
        return int(lines[0].split()[1]), headers, self._until(content, lambda got: len(got) >= length, until)

    def _until(self, got: bytes, enough: Callable[[bytes], bool], until: float) -> bytes:
        assert self._plug is not None  # noqa: S101 - `_ask` has opened it
        while not enough(got):
            try:
                part = self._plug.recv(65536)
            except BlockingIOError:
                self._hub.wait(self._plug, select.EPOLLIN, min(_STALL, until - time.monotonic()))
                continue
            if not part:
                raise OSError("closed")
            got += part
        return got
