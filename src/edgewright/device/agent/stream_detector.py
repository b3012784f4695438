"""A detector at work on one stream, going on from what it had learnt when the agent last stopped."""

from __future__ import annotations

import math

import msgspec

from edgewright.device.agent.checkpoint import Kept, decoded, encoded, goes_on
from edgewright.device.agent.plan import Watched
from edgewright.device.agent.rules import Odd
from edgewright.device.timeline_settings import Ready
from edgewright.monitor.detector_stream import Watch
from edgewright.schema.errors import EdgewrightError

# What a state raises that does not fit its detector, although its name says that it does.
_MISFIT = (EdgewrightError, msgspec.MsgspecError, ValueError, TypeError, KeyError, IndexError, AttributeError)


class Detecting:
    """Rows on their way to a `Watch`.

    Args:
        watched: the detector.
        kept: its state on this stream when the agent last stopped; None where there was none.
    """

    def __init__(self, watched: Watched, kept: Kept | None) -> None:
        self._watched, self._kept = watched, kept
        self._watch = Watch(watched.file)
        self._time = math.nan

    def push(self, ready: Ready) -> list[Odd]:
        """Takes rows; gives those that begin an alarm."""
        if self._kept is not None:
            if goes_on(self._kept, float(ready.time[0])):
                self._resume(self._kept)
            self._kept = None
        self._time = float(ready.time[-1])
        columns, name = self._watched.columns, self._watched.name
        return [
            Odd(one.time, one.score, columns[one.channel] if one.channel >= 0 else "", name)
            for one in self._watch.push(ready.values, ready.time)
            if one.alarm
        ]

    def keep(self) -> Kept | None:
        """Its state now; what was kept before where no row has come since."""
        return self._kept if math.isnan(self._time) else Kept(self._time, encoded(self._watch.state()))

    def _resume(self, kept: Kept) -> None:
        try:
            self._watch = Watch(self._watched.file, decoded(kept.state))
        except _MISFIT:
            self._watch = Watch(self._watched.file)
