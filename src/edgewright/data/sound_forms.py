"""Sounds of several forms, such as mono and stereo or 16 and 44.1 kHz, become sounds of one form."""

from __future__ import annotations

import importlib
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.schema.data import Floats, Recording
from edgewright.schema.errors import DataWarning, InputError


def in_one_form(recordings: Sequence[Recording], rates: Sequence[float], where: str) -> tuple[list[Recording], float]:
    """Return sounds with one number of channels and one rate; one warning says what was changed.

    Sounds of several numbers of channels are mixed down to one channel, and those above the lowest rate are resampled
    to it.

    Args:
        recordings: values of shape (samples, channels).
        rates: samples a second of each.
        where: folder or file, for the warning.

    Raises:
        InputError: rates that are no whole numbers.
    """
    channels = [int(recording.values.shape[1]) for recording in recordings]
    lowest, mixed = min(rates), len(set(channels)) > 1
    if not mixed and len(set(rates)) == 1:
        return list(recordings), lowest
    changes = [f"{plural(count, 'file')} of {number} channels mixed down to mono"
               for number, count in sorted(Counter(channels).items()) if mixed and number > 1]  # fmt: skip
    changes += [f"{plural(count, 'file')} resampled from {rate:g} to {lowest:g} Hz"
                for rate, count in sorted(Counter(rates).items()) if rate > lowest]  # fmt: skip
    warnings.warn(f"{where}: of {plural(len(recordings), 'file')}, {', '.join(changes)}", DataWarning, 2)
    return [_in_form(own, rate, lowest, mixed) for own, rate in zip(recordings, rates, strict=True)], lowest


def _in_form(recording: Recording, rate: float, lowest: float, mono: bool) -> Recording:
    values: Floats = np.asarray(recording.values)
    if mono and values.shape[1] > 1:
        values = values.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate == lowest:
        return msgspec.structs.replace(recording, values=values)
    if not (rate.is_integer() and lowest.is_integer()):
        raise InputError("rates in whole hertz, to resample sounds", f"{rate:g} and {lowest:g} Hz", recording.name)
    signal = importlib.import_module("scipy.signal")
    common = math.gcd(int(rate), int(lowest))
    up, down = int(lowest) // common, int(rate) // common
    # The filter overshoots at steps: samples stay within those of the file.
    loudest = float(np.abs(values).max())
    values = np.asarray(signal.resample_poly(values, up, down, axis=0).clip(-loudest, loudest), np.float32)
    rows = np.minimum(np.arange(len(values)) * down // up, len(recording.values) - 1)
    return msgspec.structs.replace(
        recording, values=values, target=_rows_of(recording.target, rows), groups=_rows_of(recording.groups, rows),
        sessions=_rows_of(recording.sessions, rows),
    )  # fmt: skip


def _rows_of(cells: Any, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - an array, or None
    """Return some rows of a column; one text for all rows takes no memory for each."""
    if cells is None:
        return None
    return np.broadcast_to(cells[:1], len(rows)) if not cells.strides[0] else cells[rows]
