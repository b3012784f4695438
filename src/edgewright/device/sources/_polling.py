"""A source that waits for the world: it is looked for again, ever more slowly, where it is gone."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from edgewright.device.sources import Stream
from edgewright.device.sources._packet import Arrived, Backoff, Stamper, notice_of
from edgewright.schema.device import Packet

_POLL = 0.01  # seconds between looks for what is not there, at the least


class PolledSource(Stream):
    """Reads until something came or the time is over.

    Args:
        rate: rows a second that are expected; None where nobody says.
        columns: channels that come out; empty until they are known.
    """

    def __init__(self, rate: float | None, columns: tuple[str, ...]) -> None:
        self.rate, self.columns = rate, columns
        self._stamper, self._backoff = Stamper(rate=rate), Backoff()
        self._handle: Any = None
        self._notice = ""

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return what arrived, or what is to be told of it."""
        until = time.monotonic() + timeout
        while True:
            arrived = self._taken(max(0.0, until - time.monotonic()))
            notice, self._notice = self._notice, ""
            if arrived is not None and (len(arrived.values) or arrived.notices):
                return [self._stamper.packet(arrived, notice)]
            if notice:
                return [notice_of(notice, len(self.columns))]
            left = until - time.monotonic()
            if left <= 0:
                return []
            self._pause(left)

    @abstractmethod
    def _taken(self, wait: float) -> Arrived | None:
        """Return what came within so many seconds, with the source opened again where that is due."""

    def _pause(self, left: float) -> None:
        """Wait for the next attempt; what is open waits in `_taken`."""
        if self._handle is None:
            time.sleep(min(left, max(_POLL, self._backoff.wait())))

    def _failed(self, notice: str) -> None:
        """Say what went wrong; the next attempt comes later."""
        self._backoff.failed()
        self._notice = notice


class Gone(Exception):  # noqa: N818 - it may come back
    """A device is not there, or not any more."""


class CapturedSource(PolledSource):
    """A device of the machine; one that vanishes is opened again when it comes back.

    Args:
        name: of the device, for notices.
        capture: opens the device, or raises `Gone`; what it returns has a `close`.
        rate: as that of `PolledSource`.
        columns: as those of `PolledSource`.
    """

    def __init__(self, name: str, capture: Callable[[], Any], rate: float | None, columns: tuple[str, ...]) -> None:
        super().__init__(rate, columns)
        self._name, self._capture, self._told = name, capture, False

    def close(self) -> None:
        """Give the device back."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _opened(self) -> bool:
        """Return whether the device is open, after an attempt where that is due."""
        if self._handle is not None:
            return True
        if self._backoff.wait():
            return False
        reported, self._told = self._told, True
        try:
            self._handle = self._capture()
        except Gone as error:
            self._failed("" if reported else f"{self._name} cannot be opened ({error}): retrying")
            return False
        self._backoff.worked()
        self._told = False
        self._notice = f"{self._name} is there" if reported else ""
        return True

    def _gone(self, error: Gone) -> None:
        """Give back a device that vanished, and say so."""
        self.close()
        self._told = True
        self._failed(f"{self._name} is gone ({error}): retrying")


def reached(moment: float, timeout: float) -> bool:
    """Wait for a moment of the monotonic clock, at most `timeout` seconds; return whether it came."""
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(min(max(0.0, timeout), left))
    return moment <= time.monotonic()
