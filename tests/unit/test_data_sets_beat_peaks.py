"""R peaks found in a signal, as a device has to: synthetic beats, noise, premature beats, and nothing at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from beat_peaks import find_peaks
from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from edgewright.data.noises import draw_noise, scaled
from heartbeats import MitdbConfig, _load_mitdb, _millivolts, _raw
from support import shared_data

RATE = 360.0


def beats(seconds: NDArray[np.floating], heights: float | list[float] = 1.0) -> Floats:
    """Return narrow peaks with a broad wave behind each."""
    time = np.arange(round((seconds[-1] + 1) * RATE)) / RATE
    signal = np.zeros(len(time))
    for moment, height in zip(seconds, np.broadcast_to(heights, len(seconds)), strict=True):
        signal += height * np.exp(-(((time - moment) / 0.012) ** 2))
        signal += 0.2 * np.exp(-(((time - moment - 0.28) / 0.05) ** 2))
    return signal.astype(np.float32)


@pytest.mark.parametrize("snr", [None, 12.0, 6.0])
def test_each_beat_is_found_once_where_it_is(snr: float | None) -> None:
    seconds = 0.5 + np.cumsum(0.75 + 0.15 * np.sin(np.arange(80)))
    seconds[20:] -= 0.3  # one beat comes early
    signal = beats(seconds)
    if snr is not None:
        noise = draw_noise("electrodes", signal.shape, RATE, np.random.default_rng(3))
        signal = (signal + scaled(noise, signal, snr)).astype(np.float32)
    peaks = find_peaks(signal, RATE) / RATE
    nearest = np.abs(seconds[:, None] - peaks).min(axis=1)
    assert (nearest < 0.05).mean() >= (1.0 if snr is None else 0.97)
    assert abs(len(peaks) - len(seconds)) <= (0 if snr is None else 4)


def test_a_small_beat_is_taken_in_a_pause_and_a_flat_line_has_none() -> None:
    heights = [1.0] * 30
    heights[20] = 0.42
    seconds = 0.5 + 0.8 * np.arange(30)
    assert len(find_peaks(beats(seconds, heights), RATE)) == 30
    assert len(find_peaks(np.zeros(1000, np.float32), RATE)) == 0
    assert len(find_peaks(np.zeros(0, np.float32), RATE)) == 0


def test_wide_beats_between_narrow_ones_are_taken_though_little_of_them_lies_within_the_band() -> None:
    seconds = 0.5 + 0.8 * np.arange(41)
    heights = np.where(np.arange(41) % 5 == 4, 0.0, 1.0)
    signal, time = beats(seconds, heights.tolist()), np.arange(round((seconds[-1] + 1) * RATE)) / RATE
    for moment in seconds[heights == 0]:
        signal += np.exp(-(((time - moment) / 0.05) ** 2)).astype(np.float32)
    peaks = find_peaks(signal, RATE) / RATE
    assert len(peaks) == len(seconds) and np.abs(peaks - seconds).max() < 0.05


@pytest.mark.parametrize("record", ["106", "223"])
def test_ventricular_beats_of_records_that_did_not_choose_the_shares_are_found(record: str) -> None:
    signal, at, labels = _raw(shared_data("mitdb") / "raw" / f"{record}.hea")
    peaks = find_peaks(_millivolts(signal), RATE)
    distances = np.abs(at[:, None] - peaks) / RATE
    assert (distances.min(axis=1)[labels == "V"] <= 0.15).mean() > 0.99
    inside = (peaks > at[0] - 54) & (peaks < at[-1] + 54)
    assert (distances.min(axis=0)[inside] > 0.15).sum() <= 1


def test_beats_of_a_record_are_found_in_its_signal_and_known_by_the_nearest(tmp_path: Path) -> None:
    for file in (shared_data("mitdb") / "raw").glob("101.*"):
        (tmp_path / file.name).symlink_to(file)
    folder = tmp_path
    annotated, alone, noisy = (
        _load_mitdb(MitdbConfig(intervals=True, **keys), folder).recordings[0]
        for keys in ({}, {"peaks": "found"}, {"peaks": "found", "snr": 12.0})
    )
    assert annotated.time is not None and alone.time is not None and alone.target is not None
    near = np.abs(annotated.time[:, None] - alone.time[None]).min(axis=1) <= 0.15
    assert near.mean() > 0.99
    assert (alone.target == "").mean() < 0.01
    assert noisy.values.shape[1] == alone.values.shape[1] and not np.array_equal(noisy.values[:9], alone.values[:9])
    with pytest.raises(InputError, match="snr with peaks 'found'"):
        _load_mitdb(MitdbConfig(snr=6.0), folder)
