"""Sound is judged in windows: single samples of a sound wave say nothing."""

from __future__ import annotations

import math

import numpy as np

from edgewright.data.targets import as_text, labelled, task_of
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet

# From this rate on rows are samples of sound or vibration.
SOUND = 4000.0
# Stretches of one label that last no longer are whole sounds, such as a word; longer ones are cut into windows.
WHOLE_S, WINDOW_S = 2.5, 1.0
# So many stretches are no longer than a window, and a window is a multiple of so many samples.
_SHARE, _GRAIN = 0.9, 256


def stretches(dataset: DataSet) -> list[int]:
    """Return rows of each stretch of one label, session and person within a recording; empty for amounts."""
    runs: list[int] = []
    for recording in dataset.recordings:
        if recording.target is None or not len(recording.values):
            continue
        y = np.asarray(recording.target)
        known = labelled(y)
        if not known.any():
            continue
        if task_of(y[known]) != "classification":
            return []
        names = as_text(y)
        change = names[1:] != names[:-1]
        for kept in (recording.sessions, recording.groups):
            change = change if kept is None else change | (kept[1:] != kept[:-1])
        turns = np.flatnonzero(change) + 1
        edges = np.concatenate(([0], turns, [len(names)]))
        runs += [int(n) for n, at in zip(np.diff(edges), edges[:-1], strict=True) if known[at]]
    return runs


def sound_window(dataset: DataSet) -> tuple[WindowConfig | None, str]:
    """Return the window in which sound is cut where none is named, and why; None for what is no sound.

    A window holds nine of ten stretches of one label whole; where they are longer than `WHOLE_S`, it lasts a second.
    Shorter ones are filled up with zeros.
    """
    rate = dataset.rate
    if rate is None or rate < SOUND:
        return None, ""
    runs = stretches(dataset)
    long = float(np.quantile(runs, _SHARE)) if runs else math.inf
    if long <= WHOLE_S * rate:
        samples, reach = _GRAIN * math.ceil(long / _GRAIN), f"nine of ten of {len(runs):,} sounds fit in"
    else:
        samples, reach = _GRAIN * round(WINDOW_S * rate / _GRAIN), "sounds are longer than"
    why = f"{rate:g} rows a second are sound: {reach} a window of {samples:,} samples, {samples / rate:.3g} s"
    return WindowConfig(samples=samples, pad=True), f"{why}; shorter ones are padded with zeros"
