"""Whether a labelled recording is judged row by row or in windows, and how long these are."""

from __future__ import annotations

import math

import numpy as np

from edgewright.data.clock import pace
from edgewright.data.framing import sound_window, stretches
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet

# From this rate on a reading is a part of a movement or a sound, and says little by itself.
FASTEST_ROWS = 5.0
# Seconds of a window: some steps of a person, some turns of a machine.
SECONDS = 2.5
_SHORTEST = 8


def window_for(dataset: DataSet) -> tuple[WindowConfig | None, str]:
    """Return the window that is taken where none is named, and why; None for rows.

    A power of two of samples, about 2.5 s, and no more than half of what a label usually lasts.
    """
    rate = dataset.rate
    sound, why = sound_window(dataset)
    if sound is not None:
        return sound, why
    if rate is None:
        return None, "rows carry no time: each is judged by itself"
    if rate < FASTEST_ROWS:
        return None, f"{pace(rate)}: each row is a state of its own, and is judged by itself"
    runs = stretches(dataset)
    lasts = float(np.median(runs)) if runs else 0.0
    wanted = min(SECONDS * rate, lasts / 2) if lasts else SECONDS * rate
    samples = 2 ** round(math.log2(max(_SHORTEST, wanted)))
    if lasts and samples > lasts:
        samples //= 2
    why = f"{rate:g} rows a second are parts of a movement: windows of {samples} rows, {samples / rate:.3g} s"
    text = f", as a label lasts {lasts / rate:.3g} s in the median" if lasts else ""
    return WindowConfig(samples=samples), why + text
