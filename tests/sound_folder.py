"""A folder of short WAV files of two tones, one of them in each half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.riff import wav_bytes

RATE, SECONDS = 8000, 2.0
TONES = {"high": 1200.0, "low": 300.0}


def tone(label: str) -> NDArray[np.float32]:
    """Return the samples of one recording, shape (rows, 1)."""
    time = np.arange(round(RATE * SECONDS)) / RATE
    return (0.5 * np.sin(2 * np.pi * TONES[label] * time))[:, None].astype(np.float32)


def write_sounds(folder: Path) -> Path:
    """Write two recordings of each tone, in folders named after it."""
    for label in TONES:
        (folder / label).mkdir(parents=True)
        for number in (1, 2):
            (folder / label / f"{number}.wav").write_bytes(wav_bytes(tone(label), RATE))
    return folder
