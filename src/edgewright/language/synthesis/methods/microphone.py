"""Another microphone: it passes some frequencies more than others, and nothing below its lowest."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Positive, Windows
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

# Cosines along the frequencies: more of them would make the response rougher than a microphone's.
_WAVES = 5


class MicrophoneConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frequency response.

    Attributes:
        decibels: how much it varies: standard deviation of each of five cosines over the frequencies, the k-th divided
            by the root of k.
        lowest: Hz; each window draws a corner up to it, below which the power falls by 12 dB an octave.
    """

    decibels: Annotated[float, msgspec.Meta(ge=0.0, le=60.0)] = 4.0
    lowest: Positive = 250.0


def apply(config: MicrophoneConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Sounds through one response each, the same for all channels.

    Raises:
        InputError: for a rate below 1 kHz: that is no sound.
    """
    if windows.rate < 1000.0:
        raise InputError("sound of at least 1 kHz", f"{windows.rate:g} Hz", "synth microphone")
    count, _, samples = windows.x.shape
    spectra = np.fft.rfft(windows.x)
    hertz = np.fft.rfftfreq(samples, 1.0 / windows.rate)
    waves = np.arange(1, _WAVES + 1)[:, None]
    sizes = config.decibels * rng.standard_normal((count, _WAVES, 1)) / np.sqrt(waves)
    phases = rng.uniform(0.0, 2.0 * np.pi, (count, _WAVES, 1))
    response = (sizes * np.cos(np.pi * waves * hertz / hertz[-1] + phases)).sum(axis=1)
    corner = rng.uniform(0.0, config.lowest, (count, 1))
    passed = hertz**2 / np.sqrt(hertz**4 + np.maximum(corner, 1e-3) ** 4)
    gains = 10.0 ** (response / 20.0) * passed
    return np.asarray(np.fft.irfft(spectra * gains[:, None, :], samples), np.float32)


METHOD = Method(config=MicrophoneConfig, apply=apply)
