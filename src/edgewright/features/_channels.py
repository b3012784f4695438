"""What the features of a window's channels have in common: which channels are used, and the noise of their sensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, take
from edgewright.graph.stage import (
    CHUNK_VALUES,
    Context,
    E,
    SampleTransformer,
    StageConfig,
    from_config,
    named,
    positions,
)

Noise = float | tuple[float, ...] | None
# Power below which a channel is silent.
_SILENT = 1e-30


@dataclass(eq=False, repr=False)
class ChosenChannels(SampleTransformer):
    """Numbers of some channels of a window.

    Args:
        channels: places of the channels used, None for all.
        names: of the channels that arrive.
    """

    takes = (2,)

    channels: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()

    def _chosen(self, x: Value) -> Value:
        return x if self.channels is None else take(x, np.asarray(self.channels, np.int64), 1)

    def _count(self) -> int:
        return int(self.shape_[0]) if self.channels is None else len(self.channels)

    def _chosen_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names if self.channels is None else tuple(names[index] for index in self.channels)


@dataclass(eq=False, repr=False)
class ChannelFeatures(ChosenChannels):
    """Features of some channels of a window, beside the noise of their sensors.

    Args:
        channels: places of the channels used, None for all.
        noise: standard deviation of each channel used, None to learn it.
        floor: share of what training samples have that stands for the noise.
        names: of the channels that arrive.
    """

    noise: tuple[float, ...] | None = None
    floor: float = 1e-3


def chunks(X: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """Yield samples in float64, a few at a time."""
    step = max(1, CHUNK_VALUES // (X.shape[1] * X.shape[2]))
    for start in range(0, len(X), step):
        yield X[start : start + step].astype(np.float64)


def audible(power: Any) -> Any:  # noqa: ANN401 - a number or an array
    """Return a mean power; 1 for a channel that is always silent, where any number will do."""
    return np.where(np.asarray(power) > _SILENT, power, 1.0)


def made_of_channels(kind: type[E], config: StageConfig, context: Context, **given: Any) -> E:  # noqa: ANN401
    """Return an estimator of the channels that its configuration names; arguments as of `made`.

    Raises:
        InputError: for a channel that does not arrive, noise that is not above 0, or of another number of channels.
    """
    chosen: tuple[str, ...] = getattr(config, "channels", ())
    used = positions(chosen, context.names, kind.kind)
    noise = _of_channels(getattr(config, "noise", None), len(used), f"stage {kind.kind}, key noise")
    return from_config(kind, config, context, channels=used if chosen else None, noise=noise, **given)


def used_channels(given: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return the key `channels` of a table from the arguments of a stage."""
    return {"channels": named(given["channels"], context)}


def _of_channels(noise: Noise, channels: int, where: str) -> tuple[float, ...] | None:
    """Return the noise of each channel, None where it is to be learned."""
    if noise is None:
        return None
    values = noise if isinstance(noise, tuple) else (float(noise),) * channels
    if len(values) != channels:
        raise StageSettingsError(f"one number or {channels}, one a channel", str(len(values)), where)
    # The square is added in float32, where it must not vanish.
    if not all(np.isfinite(value) and value > 1e-15 for value in values):
        raise StageSettingsError("noise above 0", f"{min(values):g}", where)
    return tuple(float(value) for value in values)
