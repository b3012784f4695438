"""Rows from frames that arrive piece by piece: columns as the sender names them, damaged frames counted."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.device.frames import FrameDecoder, Hello, Unwrapped
from edgewright.device.sources._columns import NO_COLUMN, Match, match
from edgewright.device.sources._packet import Arrived, joined
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError


class FrameReader:
    """Rows from bytes of frames, however they are cut.

    Columns are those of the sender's hello; before it came, `names`, or what is wanted where it has as many.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: of the source, for messages.
        names: of the channels, for a sender that does not name them.
        joined: whether the first frame may have begun before it was listened to.

    Attributes:
        columns: channels that come out; empty until they are known.
        rate: rows a second as the sender says; None while it does not.
    """

    def __init__(self, wanted: Sequence[str], *, name: str, names: Sequence[str] = (), joined: bool = False) -> None:
        self._wanted, self._name = tuple(wanted), name
        self._joined = joined
        self._decoder, self._count = FrameDecoder(joined=joined), Unwrapped()
        self._damaged = 0
        self._given: tuple[str, ...] = ()
        self._match: Match | None = None
        self._notices: list[str] = []
        self._width = 0
        self.rate: float | None = None
        self.columns = self._wanted
        if names:
            self._named(tuple(names))

    def restart(self) -> None:
        """Forget half a frame: the line was unplugged."""
        self._decoder = FrameDecoder(joined=self._joined)
        self._damaged = 0

    def feed(self, data: bytes) -> Arrived:
        """Return the rows of the frames that these bytes complete."""
        parts: list[Arrived] = []
        for frame in self._decoder.feed(data):
            if isinstance(frame, Hello):
                self.rate = frame.rate
                if frame.columns != self._given:
                    self._named(frame.columns)
            elif (values := self._chosen(frame.values)) is not None:
                low = int(frame.sequence[0])
                parts.append(Arrived(values, frame.time, frame.sequence + (self._count(low) - low)))
        damaged, self._damaged = self._decoder.damaged - self._damaged, self._decoder.damaged
        if damaged:
            self._notices.append(f"{damaged} damaged frame{'s' if damaged > 1 else ''}")
        notices, self._notices = tuple(dict.fromkeys(self._notices)), []
        return joined(parts, len(self.columns), notices)

    def finish(self) -> Arrived:
        """Return a frame whose closing zero was left out, as at the end of a message."""
        return self.feed(b"\0")

    def _named(self, given: tuple[str, ...]) -> None:
        self._given = given
        try:
            self._match = match(given, self._wanted, self._name, time=NO_COLUMN, sequence=NO_COLUMN)
        except InputError as error:
            self._match = None
            self._notices.append(str(error))
            return
        self.columns = self._match.names
        if self._match.missing:
            self._notices.append(self._match.notice)

    def _chosen(self, values: Floats) -> Floats | None:
        """Return the wanted channels of a frame; None where it is not known which they are."""
        channels = values.shape[1]
        if self._match is None and not self._given:
            if self._wanted and len(self._wanted) != channels:
                if channels != self._width:
                    self._notices.append(f"{channels} channels, expected {len(self._wanted)}: waiting for their names")
                self._width = channels
                return None
            self._named(self._wanted or tuple(f"c{i + 1}" for i in range(channels)))
            self._given = ()
        found = self._match
        if found is None:
            return None
        if channels <= max(found.places, default=0):
            if channels != self._width:
                self._notices.append(f"frames of {channels} channels, which are fewer than the columns")
            self._width = channels
            return None
        return found.chosen(len(values), lambda place: values[:, place])
