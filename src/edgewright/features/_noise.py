"""The noise of a sensor, which says from what size on a logarithm or a ratio means something."""

from __future__ import annotations

import numpy as np

from edgewright.schema.errors import InputError

Noise = float | tuple[float, ...] | None


def of_channels(noise: Noise, channels: int, kind: str) -> tuple[float, ...] | None:
    """Noise of each channel used, None where it is to be learned.

    Args:
        noise: one number for all channels, or one a channel.
        channels: how many are used.
        kind: of the stage, for messages.

    Raises:
        InputError: for another number of values, or one that is not above 0.
    """
    if noise is None:
        return None
    values = noise if isinstance(noise, tuple) else (float(noise),) * channels
    if len(values) != channels:
        raise InputError(f"one number or {channels}, one a channel", str(len(values)), f"stage {kind}, key noise")
    # The square is added in float32, where it must not vanish.
    if not all(np.isfinite(value) and value > 1e-15 for value in values):
        raise InputError("noise above 0", f"{min(values):g}", f"stage {kind}, key noise")
    return tuple(float(value) for value in values)
