"""Where rows come from on a device: every file offers `STREAM`; its name is the word before the colon of `--source`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

import msgspec

from edgewright.core import catalogue
from edgewright.core.errors import SourceError, UnknownNameError
from edgewright.core.records.data import Column
from edgewright.core.records.device import Packet
from edgewright.core.toml_tables import explain


class Stream(Protocol):
    """An open source. It is read by one thread; what it needs to wait for the world is its own affair."""

    rate: float | None
    """Rows a second that it is meant to give; None where nobody says."""
    origin: str = ""
    """What identifies it among sources of its kind, such as the whole path of its file."""
    reached: str = ""
    """Where it is, in a few words for people."""
    loses: str = "rows that are sent while the agent is away are lost"
    """What gets lost while the agent is away, in a few words; empty where nothing does."""

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written in texts, before the first `read`; frames have no texts."""
        return

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return what arrived, waiting at most `timeout` seconds for something; nothing when nothing came.

        A source that vanished is looked for again, ever more slowly, and says so in `Packet.notice`.
        """

    def ended(self) -> bool:
        """Return whether nothing will ever come again (the end of a file that is replayed); never by default."""
        return False

    def position(self) -> Any:  # noqa: ANN401 - JSON of any shape
        """Return where it is: everything before was returned by `read`; None where it cannot go back there."""
        return None

    def resume(self, position: Any) -> bool:  # noqa: ANN401 - JSON of any shape
        """Go to a position of an earlier run, before the first `read`.

        Returns:
            Whether the rows that come are those behind it, without a hole.

        Raises:
            ValueError, TypeError, KeyError, AttributeError, IndexError: the position is none of this version.
        """
        return False

    def awaited(self) -> bool:
        """Return whether somebody waits until the rows that were read are stored."""
        return False

    def stored(self, position: Any) -> None:  # noqa: ANN401 - JSON of any shape
        """Take notice that all rows before a position are stored durably; another thread may call it."""
        return

    def close(self) -> None:
        """Let go of what it holds."""


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a source's settings: the table `[source]` of device.toml without its `kind`."""


class RowSettings(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source of rows.

    Attributes:
        rate: rows a second of a stream; rows without a time are stamped evenly with it.
        time: column with the time: ISO text, epoch or counter; found by its name when left out, '-' for none.
        sequence: column with the sender's count; found by its name when left out, '-' for none.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None
    time: str = ""
    sequence: str = ""


C = TypeVar("C", bound=StreamConfig)


@dataclass(frozen=True)
class StreamKind(Generic[C]):
    """The one object `STREAM` of a source's file.

    Attributes:
        config: its settings.
        open: (settings, channels wanted, in order) -> the open source. Raises `InputError` for what will never work (a
            wrong setting, a column that is not there) and waits for what may come.
        example: of the short form, for messages and `--help`.
        location_settings: what stands before the question mark of `--source KIND:PLACE?settings`, as settings:
            either the name of one, or a function such as from '/dev/ttyUSB0@115200' to {'port': ..., 'baud': ...}.
    """

    config: type[C]
    open: Callable[[C, tuple[str, ...]], Stream]
    example: str
    location_settings: str | Callable[[str], dict[str, str]] = "path"

    def short(self, rest: str) -> C:
        """Read what stands behind the colon of `--source KIND:PLACE?settings`, such as `x.csv?rate=50&time=t`.

        Raises:
            UnknownNameError: for a key that the source does not have, with the known ones.
            InputError: for a setting without a value, or a value that is none of its kind.
        """
        location, _, query = rest.partition("?")
        given = (
            {self.location_settings: location}
            if isinstance(self.location_settings, str)
            else self.location_settings(location)
        )
        for part in query.split("&") if query else ():
            name, equals, value = part.partition("=")
            if not equals or not name:
                raise SourceError("settings such as ?rate=50&time=t", repr(part), f"--source ...{rest}")
            given[unquote(name)] = unquote(value)
        for key in given:
            if key not in self.config.__struct_fields__:
                raise UnknownNameError("setting", key, self.config.__struct_fields__, "--source")
        listed = {field.name for field in msgspec.structs.fields(self.config) if isinstance(field.default, tuple)}
        values = {key: value.split(",") if key in listed else value for key, value in given.items()}
        try:
            return msgspec.convert(values, self.config, strict=False)
        except msgspec.ValidationError as error:
            raise explain(error, values, self.config, "--source") from None


class Source(msgspec.Struct, frozen=True):
    """A kind of source with its settings, ready to be opened."""

    kind: str
    config: StreamConfig

    def open(self, columns: tuple[str, ...] = ()) -> Stream:
        """Open it for these channels, in order; none: all there are."""
        return kind(self.kind).open(self.config, columns)


def read_unstored(stream: Stream, timeout: float) -> Sequence[Packet]:
    """Read what nobody stores: whoever waits for an acknowledgement gets it at once."""
    packets = stream.read(timeout)
    stream.stored(stream.position())
    return packets


def short_source(text: str, rate: float | None = None) -> Source:
    """Return the source of `--source KIND:PLACE?settings`.

    Args:
        text: such as 'serial:/dev/ttyUSB0@115200'.
        rate: rows a second that are expected; a source whose settings say no other stamps rows without a time by it.

    Raises:
        UnknownNameError: for a kind or setting that does not exist.
        InputError: for settings that do not fit.
    """
    name, colon, rest = text.partition(":")
    part = kind(name)
    if not colon:
        raise SourceError(f"a source such as {part.example}", repr(text), "--source")
    config = part.short(rest)
    if rate is not None and getattr(config, "rate", rate) is None:
        with suppress(msgspec.ValidationError):  # a rate of sound is whole
            config = msgspec.convert({**msgspec.to_builtins(config), "rate": rate}, part.config, strict=False)
    return Source(name, config)


def kind(name: str) -> StreamKind[StreamConfig]:
    """Return the kind of source of this name.

    Raises:
        UnknownNameError: listing the known kinds.
    """
    source: StreamKind[StreamConfig] = catalogue.find(__name__, name, "STREAM", "kind of source", "--source")
    return source
