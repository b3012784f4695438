"""Rows of some columns of one stream, in order and at one rate, as windows or samples that are ready to be answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import SampleShapeError
from edgewright.core.input.recordings import Windower
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Packet
from edgewright.core.records.package import WindowSpec
from edgewright.device.timeline import Ready, Timeline, TimelineConfig
from edgewright.monitor.sensor_health import Health


class SampleBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one stretch of rows without a hole.

    Attributes:
        samples: shape (n, channels, samples), or (n, columns) where each row is one; n at least 1.
        times: shape (n,), seconds at the last row of each.
        healthy: shape (n,), whether every row of a sample was well.
        gap: whether rows are missing between the sample before and the first of these.
    """

    samples: Floats
    times: NDArray[np.float64]
    healthy: NDArray[np.bool_]
    gap: bool


class Feed:
    """The rows of one stream for all that asks for the same columns at the same rate.

    Args:
        columns: names, in order.
        places: of the columns among those that the source gives.
        rate: rows a second; None: rows are taken as they come, without a look at their times.
        config: how rows become a timeline.
    """

    KEPT = ("_timeline", "_hole")

    def __init__(
        self, columns: Sequence[str], places: Sequence[int], rate: float | None, config: TimelineConfig
    ) -> None:
        self.columns, self.rate = tuple(columns), rate
        self._places = list(places)
        self._all = self._places == list(range(len(self._places)))
        self._timeline = Timeline(rate, columns, config) if rate is not None else None
        self._hole = True

    def push(self, packet: Packet) -> tuple[list[Ready], list[Health]]:
        """Return rows that are ready, and notices about them.

        Raises:
            InputError: the packet has other columns than the source said.
        """
        values = packet.values
        if not self._all or values.shape[1:2] != (len(self._places),):
            if values.ndim not in (2, 4) or values.shape[1] <= max(self._places):
                raise SampleShapeError(f"rows of at least {max(self._places) + 1} columns", f"shape {values.shape}")
            values = values[:, self._places]
        if self._timeline is None:
            return self._untimed(packet, values)
        if values is not packet.values:
            packet = Packet(
                stream=packet.stream, values=values, time=packet.time, wall=packet.wall, sequence=packet.sequence,
                lost=packet.lost, notice=packet.notice,
            )  # fmt: skip
        return self._timeline.push(packet)

    def flush(self) -> tuple[list[Ready], list[Health]]:
        """Return rows that were still held back, and notices about them."""
        return self._timeline.flush() if self._timeline is not None else ([], [])

    def _untimed(self, packet: Packet, values: Floats) -> tuple[list[Ready], list[Health]]:
        last = float(packet.time[-1]) if len(packet.time) else 0.0
        health = []
        if packet.notice:
            health.append(Health(time=last, kind="source", text=packet.notice))
        if packet.lost:
            text = f"{packet.lost} rows lost by the source"
            health.append(Health(time=last, kind="lost", text=text, amount=float(packet.lost)))
        hole = self._hole or packet.lost > 0
        if not len(values):
            self._hole = hole
            return [], health
        values = np.where(np.isinf(values), np.float32(np.nan), values)
        well = np.asarray(~np.isnan(values).all(axis=tuple(range(1, values.ndim))), np.bool_)
        self._hole = False
        return [Ready(values=values, time=packet.time, gap_before=hole, healthy=well)], health


class WindowCutter:
    """Cuts the rows of one feed for one package.

    Args:
        window: of the package; None where each row is a sample.
        channels: columns of a row.
        fitted: makes rows samples where they are not yet, such as a camera's pictures of another size.
    """

    KEPT = ("_windower", "_rows", "_bad", "_answered", "_gap")

    def __init__(
        self, window: WindowSpec | None, channels: int, fitted: Callable[[Floats], Floats] | None = None
    ) -> None:
        self._window, self._channels, self._fitted = window, channels, fitted
        self._windower = self._fresh()
        self._rows, self._bad = 0, -1
        self._answered = self._gap = False

    def push(self, ready: Ready) -> SampleBatch | None:
        """Return the samples that these rows complete; None for none."""
        if ready.gap_before:
            self._windower, self._rows, self._bad = self._fresh(), 0, -1
            self._gap = self._answered
        if self._windower is not None:
            cut = self._windows(ready, self._windower)
        else:
            samples = self._fitted(ready.values) if self._fitted is not None else ready.values
            cut = SampleBatch(samples=samples, times=ready.time, healthy=ready.healthy, gap=self._gap)
        if cut is not None:
            self._answered, self._gap = True, False
        return cut

    def _fresh(self) -> Windower | None:
        window = self._window
        if window is None:
            return None
        return Windower(window.samples, window.step, self._channels, fill_start=window.fill_start)

    def _windows(self, ready: Ready, window: Windower) -> SampleBatch | None:
        first, before = window.next_start, self._rows
        windows = window.push(ready.values)
        self._rows += len(ready.values)
        bad = np.flatnonzero(~ready.healthy) + before
        last_bad = self._bad
        if len(bad):
            self._bad = int(bad[-1])
        if not windows:
            return None
        starts = first + window.step * np.arange(len(windows))
        ends = starts + window.samples - 1
        starts = np.maximum(starts, 0)  # copies are as well as the first row
        # The newest row that was not well, up to the end of each window.
        newest = np.full(len(ends), last_bad)
        if len(bad):
            location = np.searchsorted(bad, ends, side="right")
            newest = np.where(location > 0, bad[np.maximum(location, 1) - 1], last_bad)
        return SampleBatch(
            samples=np.stack(windows), times=ready.time[ends - before], healthy=newest < starts, gap=self._gap
        )
