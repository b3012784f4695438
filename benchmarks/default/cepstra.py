"""Features of words: cepstra of the mel spectrum (MFCC), how they change, and their course over the word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

_FRAME_S, _HOP_S, _FFT, _MELS, _CEPSTRA = 0.025, 0.010, 256, 26, 13
# A frame belongs to the word where it is at most so much softer than the loudest, in powers of e.
_SOFTEST = 7.0
# The course of a word is told at so many moments.
_MOMENTS = 12

Frames = NDArray[np.float64]


def summary_and_course(waves: Sequence[NDArray[np.floating]], rate: float) -> tuple[Frames, Frames]:
    """Return means and spreads of the cepstra of each word, and their course over the word; shape (n, features) each.

    Args:
        waves: shape (samples,) of each word.
        rate: samples a second.
    """
    filters = _filters(rate)
    words = [_word(np.nan_to_num(np.asarray(wave, np.float64)), rate, filters) for wave in waves]
    return np.array([_summary(word) for word in words]), np.array([_course(word) for word in words])


def _filters(rate: float) -> Frames:
    """Return triangles of equal width in mel, shape (mels, bins)."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, _MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_FFT, 1 / rate)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rise, fall))


def _word(wave: NDArray[np.float64], rate: float, filters: Frames) -> Frames:
    """Return cepstra of the frames of a word, without the silence around it; shape (frames, cepstra)."""
    size, hop = round(_FRAME_S * rate), round(_HOP_S * rate)
    wave = np.append(wave[0], wave[1:] - 0.97 * wave[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hamming(size)
    mel = np.log(np.abs(np.fft.rfft(frames, _FFT)) ** 2 @ filters.T + 1e-10)
    loud = np.flatnonzero(mel.mean(axis=1) > mel.mean(axis=1).max() - _SOFTEST)
    return np.asarray(dct(mel[loud[0] : loud[-1] + 1], norm="ortho")[:, :_CEPSTRA])


def _changes(word: Frames) -> Frames:
    """Return the slope of each cepstrum over five frames."""
    wide = np.pad(word, ((2, 2), (0, 0)), mode="edge")
    return (wide[3:-1] - wide[1:-3] + 2 * (wide[4:] - wide[:-4])) / 10


def _summary(word: Frames) -> NDArray[np.float64]:
    change = _changes(word)
    return np.concatenate([word.mean(0), word.std(0), change.std(0), change.max(0), change.min(0), [len(word)]])


def _course(word: Frames) -> NDArray[np.float64]:
    """Return cepstra less their mean, and their changes, at equal steps of the word."""
    both = np.concatenate([word - word.mean(axis=0), 3 * _changes(word)], axis=1)
    at = np.linspace(0, len(both) - 1, _MOMENTS)
    course = np.array([np.interp(at, np.arange(len(both)), column) for column in both.T])
    return np.append(course.ravel(), np.log(len(both)))
