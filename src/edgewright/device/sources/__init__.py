"""Where rows come from on a device: every file offers `STREAM`; its name is the word before the colon of `--source`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from edgewright.core import catalogue
from edgewright.schema.device import Packet


class Stream(Protocol):
    """An open source. It is read by one thread; what it needs to wait for the world is its own affair."""

    rate: float | None
    """Rows a second that it is meant to give; None where nobody says."""

    def read(self, timeout: float) -> Sequence[Packet]:
        """What arrived, waiting at most `timeout` seconds for something; nothing when nothing came.

        A source that vanished is looked for again, ever more slowly, and says so in `Packet.notice`.
        """

    def ended(self) -> bool:
        """Whether nothing will ever come again (the end of a file that is replayed)."""

    def close(self) -> None:
        """Lets go of what it holds."""


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a source's settings: the table `[source]` of device.toml without its `kind`."""


C = TypeVar("C", bound=StreamConfig)


@dataclass(frozen=True)
class StreamKind(Generic[C]):
    """The one object `STREAM` of a source's file.

    Attributes:
        config: its settings.
        short: turns what stands behind the colon of `--source KIND:REST` into settings: 'serial:/dev/ttyUSB0@115200'.
        open: (settings, channels wanted, in order) -> the open source. Raises `InputError` for what will never work (a
            wrong setting, a column that is not there) and waits for what may come.
        example: of the short form, for messages and `--help`.
    """

    config: type[C]
    short: Callable[[str], C]
    open: Callable[[C, tuple[str, ...]], Stream]
    example: str


def kind(name: str) -> StreamKind[StreamConfig]:
    """The kind of source of this name.

    Raises:
        UnknownNameError: listing the known kinds.
    """
    found: StreamKind[StreamConfig] = catalogue.find(__name__, name, "STREAM", "kind of source", "--source")
    return found
