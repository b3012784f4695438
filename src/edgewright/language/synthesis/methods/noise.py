"""Noise mixed in at a given ratio of signal to noise: white, pink, or what was recorded in a file."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.data.noise import noise_of, pieces, read_noise
from edgewright.language.synthesis.contract import Method, MethodConfig, Windows, spread
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

Decibel = Annotated[float, msgspec.Meta(ge=-40.0, le=100.0)]


class NoiseConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mixed in.

    Attributes:
        snr: ratio of the powers of signal and noise in decibels, about their means, over each window; the lower end
            where `until` is given, and each window then gets its own.
        until: upper end.
        kind: a file of `data/noises`, such as 'white' or 'pink'.
        file: WAV of noise at the rate of the signals instead, taken from a random place.
    """

    snr: Decibel = 10.0
    until: Decibel | None = None
    kind: str = "white"
    file: str = ""


def apply(config: NoiseConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Mixed signals. A channel that never changes has no power and stays as it is.

    Raises:
        InputError: for an upper end below the lower, or a file of another rate, shorter than a window, or silent.
    """
    last = config.snr if config.until is None else config.until
    if last < config.snr:
        raise InputError("`until` of at least `snr`", f"{last:g} below {config.snr:g}", "synth noise")
    shape = windows.x.shape
    if config.file:
        drawn = pieces(read_noise(config.file, windows.rate, shape[2]), shape, rng)
    else:
        drawn = noise_of(config.kind).draw(shape, windows.rate, rng)
    power = spread(drawn.astype(np.float32))
    ratio = rng.uniform(config.snr, last, (len(windows.x), 1, 1)) if last > config.snr else config.snr
    level = spread(windows.x) * 10.0 ** (-np.asarray(ratio) / 20.0)
    return np.asarray(windows.x + drawn * level / np.maximum(power, 1e-12), np.float32)


METHOD = Method(config=NoiseConfig, apply=apply)
