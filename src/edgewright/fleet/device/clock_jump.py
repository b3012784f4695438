"""Whether somebody has set the clock: then what was put off because of it is tried at once."""

from __future__ import annotations

from edgewright.fleet.protocol.ports import Clock

LEAST = 60.0
"""Seconds by which the time of day must have moved against the clock that never falls; less is trimming."""


class Stepped:
    """Watches a device's two clocks. A machine that slept sets nothing: both of them went on meanwhile.

    A device whose clock is far ahead refuses all news as expired, and looks ever more seldom, up to once an hour; over
    TLS the same goes for one that is behind. Once the time service has set the clock that wait has no reason any more.

    Args:
        clock: of the device.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = self._now()

    def __call__(self) -> bool:
        """Whether the clock was set since it was asked last."""
        before, self._difference = self._difference, self._now()
        return abs(self._difference - before) > LEAST

    def _now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()
