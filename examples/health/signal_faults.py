"""Faults of a signal, put into windows of a good one: what a gate should refuse to have answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

_Rng = np.random.Generator
Fault = Callable[[Floats, float, float, _Rng], NDArray[np.floating]]
# Mains of most of the world, in Hz; a slower sensor sees it folded to another frequency.
_MAINS = 50.0


def _flat(x: Floats, unit: float, rate: float, rng: _Rng) -> NDArray[np.floating]:
    """Repeat the first value, as a sensor that hangs."""
    return np.broadcast_to(x[:, :1], x.shape)


def _off(x: Floats, unit: float, rate: float, rng: _Rng) -> NDArray[np.floating]:
    """Rest at a rail, as the amplifier of a lost contact."""
    return 10 * unit + rng.normal(0, 0.02 * unit, x.shape)


def _noise(x: Floats, unit: float, rate: float, rng: _Rng) -> NDArray[np.floating]:
    """Add white noise as large as the signal itself."""
    return x + rng.normal(0, unit, x.shape)


def _hum(x: Floats, unit: float, rate: float, rng: _Rng) -> NDArray[np.floating]:
    """Add mains, as large as the signal itself."""
    time = np.arange(x.shape[1]) / rate
    return x + unit * np.sin(2 * np.pi * (_MAINS * time + rng.random((len(x), 1))))


def _clipped(share: float) -> Fault:
    def clip(x: Floats, unit: float, rate: float, rng: _Rng) -> NDArray[np.floating]:
        middle = np.median(x, axis=1, keepdims=True)
        low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
        return np.clip(x, middle - share * (middle - low), middle + share * (high - middle))

    return clip


FAULTS: dict[str, Fault] = {
    "flat": _flat, "off": _off, "noise": _noise, "hum": _hum,
    "clipped at a half": _clipped(0.5), "clipped at a quarter": _clipped(0.25),
}  # fmt: skip
"""How a fault changes windows of one channel: (values (n, samples), the channel's deviation, rate, generator)."""


def damaged(windows: Floats, fault: str, units: NDArray[np.float64], rate: float, seed: int) -> Floats:
    """Return windows with a fault in one channel each.

    Args:
        windows: shape (n, channels, samples).
        fault: one of `FAULTS`.
        units: deviation of each channel, shape (channels,).
        rate: rows a second.
        seed: of channels and noise.
    """
    rng = np.random.default_rng(seed)
    copy = windows.copy()
    which = rng.integers(0, windows.shape[1], len(windows))
    for channel in range(windows.shape[1]):
        mine = which == channel
        copy[mine, channel] = FAULTS[fault](windows[mine, channel], float(units[channel]), rate, rng)
    return copy
