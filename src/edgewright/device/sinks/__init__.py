"""Where items of the outbox go: every file offers `SINK`; its name is the `kind` of a table `[[sink]]`."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from edgewright.core import catalogue
from edgewright.core.errors import SinkSettingsError

if TYPE_CHECKING:  # it needs NumPy, which the agent of a fleet does without
    from edgewright.device.store.records import OutboxItem, Position


class Sink(ABC):
    """An open way out. One thread uses it."""

    @abstractmethod
    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """Send items and give the places of those that the receiver acknowledged as durable.

        Raises:
            InputError, OutputError, OSError: nothing is known to have arrived.
            NotYetError: nothing arrived, on purpose.
            NeverError: nothing arrived, and some of it never will.
        """

    def close(self) -> None:  # noqa: B027
        """Let go of what it holds; nothing by default."""

    def hurry(self) -> None:  # noqa: B027
        """From another thread: something more urgent came than what is on its way; of no concern by default."""


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a sink's settings: a table `[[sink]]` of device.toml without its `kind`."""


class NotYetError(Exception):
    """A receiver handed a batch back on purpose: it takes it later, and nothing failed."""


class NeverError(Exception):
    """A receiver will never take some items of a batch; the others are taken at once.

    Args:
        refused: places, and why in the receiver's words.
    """

    def __init__(self, refused: Mapping[Position, str]) -> None:
        super().__init__(f"{len(refused)} refused")
        self.refused = dict(refused)


class Acknowledgement(msgspec.Struct, frozen=True):
    """What a receiver says when items are durable there (on its disk, flushed, not in its memory): their places.

    Attributes:
        durable: places.
        later: the others were handed back on purpose; only the fleet's agent says it.
        refused: boot, sequence and why of those that are never taken; only the fleet's agent says it.
    """

    durable: tuple[tuple[int, int], ...]
    later: bool = False
    refused: tuple[tuple[int, int, str], ...] = ()


C = TypeVar("C", bound=SinkConfig)


@dataclass(frozen=True)
class SinkKind(Generic[C]):
    """The one object `SINK` of a sink's file.

    Attributes:
        config: its settings.
        open: settings -> the open sink. Raises `InputError` for what will never work and waits for nothing.
        example: settings that are valid, for documents and tests.
    """

    config: type[C]
    open: Callable[[C], Sink]
    example: C


def kind(name: str) -> SinkKind[SinkConfig]:
    """Return the kind of sink of this name.

    Raises:
        UnknownNameError: listing the known kinds.
    """
    sink: SinkKind[SinkConfig] = catalogue.find(__name__, name, "SINK", "kind of sink", "[[sink]] kind")
    return sink


def lines(batch: Sequence[OutboxItem]) -> bytes:
    """Return a batch as it leaves: one JSON object a line."""
    return b"".join(item.body + b"\n" for item in batch)


def acknowledgement(content: bytes, where: str) -> Acknowledgement:
    """Decode an acknowledgement `{"durable": [[boot, sequence], ...]}`.

    Raises:
        InputError: it says something else.
    """
    try:
        return msgspec.json.decode(content, type=Acknowledgement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SinkSettingsError('an acknowledgement {"durable": [[boot, sequence], ...]}', str(error), where) from None


def require_loopback_or_tls(host: str, tls: bool, where: str) -> None:
    """Require TLS for hosts other than this machine.

    Raises:
        InputError: neither TLS nor this machine.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not (tls or local):
        raise SinkSettingsError("TLS, or an address of this machine", repr(host), where, "Turn TLS on")
