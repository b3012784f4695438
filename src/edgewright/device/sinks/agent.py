"""To the fleet's agent on this device, through a socket of this machine; the agent signs and sends it on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from edgewright.core.errors import OutputError
from edgewright.device.sinks import NeverError, NotYetError, Sink, SinkConfig, SinkKind, acknowledgement, lines
from edgewright.device.store.records import OutboxItem, Position

_LARGEST_ANSWER = 1 << 20
_ALARM = b'"kind":"alarm"'


class AgentConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        path: path of the socket, which the agent makes and names.
        timeout: seconds; the agent answers when a report with these items was acknowledged, or that it waits.
    """

    path: str
    timeout: float = 1100.0


class _ItemKey(msgspec.Struct, frozen=True):
    boot: int
    sequence: int


class _Agent(Sink):
    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._waiting: socket.socket | None = None
        self._hurried = False

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """One connection a batch.

        Raises:
            NeverError: the fleet refused an item by itself, or one is no item that could be sent at all.
            NotYetError: the agent hands it back, since it or this process is about to end, or `hurry` was called.
        """
        if wrong := {item.position: why for item in batch if (why := _wrong(item))}:
            raise NeverError(wrong)
        parts: list[bytes] = []
        length = 0
        alarm = any(_ALARM in item.body for item in batch)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as plug:
                plug.settimeout(self._config.timeout)
                plug.connect(self._config.path)
                plug.sendall(lines(batch))
                plug.shutdown(socket.SHUT_WR)
                self._wait(plug, alarm)
                while (part := plug.recv(65536)) and length <= _LARGEST_ANSWER:
                    parts.append(part)
                    length += len(part)
        except OSError as error:
            raise OutputError("the fleet's agent", error.strerror or str(error), self._config.path) from None
        finally:
            hurried = self._wait(None, alarm)
        if hurried and not parts:
            raise NotYetError
        reply = acknowledgement(b"".join(parts), self._config.path)
        if reply.refused:
            raise NeverError({(boot, sequence): why for boot, sequence, why in reply.refused})
        if reply.later and not reply.durable:
            raise NotYetError
        return reply.durable

    def hurry(self) -> None:
        """From another thread: a batch without an alarm that waits for the next report is taken back."""
        with self._lock:
            self._hurried = True
            self._hang_up()

    def _wait(self, plug: socket.socket | None, alarm: bool) -> bool:
        """From now this one is waited for, None for nobody; whether `hurry` was called for a batch without an alarm."""
        with self._lock:
            self._waiting = None if alarm else plug
            hurried = self._hurried and not alarm
            if plug is not None and hurried:
                self._hang_up()  # it was called while this batch was on its way to the agent
            elif plug is None:
                self._hurried = False
            return hurried

    def _hang_up(self) -> None:
        if self._waiting is not None:
            with suppress(OSError):
                self._waiting.shutdown(socket.SHUT_RDWR)


def _wrong(item: OutboxItem) -> str:
    """Why the agent could not say which item this is; empty where it can. One such line would spoil a whole report."""
    try:
        key = msgspec.json.decode(item.body, type=_ItemKey)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"expected an item as JSON, got {error}"[:200]
    if (key.boot, key.sequence) != tuple(item.position) or b"\n" in item.body:
        return "expected an item of one line with its own position, got another"
    return ""


SINK = SinkKind(AgentConfig, _Agent, AgentConfig(path="/run/edgewright/agent.socket"))
