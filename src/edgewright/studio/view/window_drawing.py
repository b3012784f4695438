"""A window that was taken out of its recording, as a drawing; the same picture as that of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.studio.view.drawing import COLUMNS, Picture, clock, panel_of, round_marks


def draw_window(data: bytes, columns: Sequence[str], units: Sequence[str], rate: float, name: str) -> Picture:
    """The drawing of all channels of a window.

    Args:
        data: float32, channels first.
        columns, units: of the channels.
        rate: samples a second; 0 where it is unknown.
        name: of the window, for who does not see it.
    """
    values = np.frombuffer(data, np.float32).reshape(len(columns), -1)
    rows = values.shape[1]
    panels = tuple(panel_of(row, name, unit) for row, name, unit in zip(values, columns, units, strict=True))
    end = rows / rate if rate else float(rows)
    ticks = tuple((round(100 * m / end, 3), clock(m) if rate else f"{m:,.0f}") for m in round_marks(0.0, end, 6))
    return Picture(
        first=0, end=rows, rows=rows, panels=panels, bands=(), more_bands=0, boxes=(), lanes=0, more_windows=0, gaps=(),
        ticks=ticks, axis="time" if rate else "row", thinned=rows > 2 * COLUMNS, sentence=name,
    )  # fmt: skip
