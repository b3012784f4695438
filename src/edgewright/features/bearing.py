"""How strongly the envelope of a vibration repeats at the frequencies of a rolling bearing, at any speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features import _sound
from edgewright.features._channels import ChannelFeatures, audible, chunks, made_of_channels, used_channels
from edgewright.graph.builder import (
    Value,
    absolute,
    centre,
    cut,
    difference,
    join,
    largest,
    log,
    mean,
    relu,
    reshape,
    total,
)
from edgewright.graph.stage import Context, Stage, StageConfig, positions, require, require_rate

# What is added to the variance of an envelope before the division, and to a height before its logarithm.
_STEADY, _GUARD = 1e-2, 0.1
# Bins on each side of a frequency that still count, beside what the rolling elements slip.
_BINS = 1.5


def orders(balls: int, ratio: float, angle: float) -> dict[str, float]:
    """Return how often parts of a bearing pass a defect in one turn of the shaft (Harris, Rolling Bearing Analysis).

    Args:
        balls: rolling elements.
        ratio: diameter of a rolling element by that of the circle of their centres.
        angle: of contact, in degrees.

    Returns:
        By name: turns of the shaft and of the cage (FTF), balls on a defect of the outer (BPFO) and of the inner ring
        (BPFI), and strikes of a defect of a ball on both rings (2 BSF).
    """
    slope = ratio * float(np.cos(np.radians(angle)))
    return {
        "shaft": 1.0,
        "cage": (1 - slope) / 2,
        "outer ring": balls * (1 - slope) / 2,
        "inner ring": balls * (1 + slope) / 2,
        "ball": (1 - slope**2) / ratio,
    }


class BearingConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Heights of the lines of a rolling bearing in the spectrum of the envelope of each channel, as logarithms.

    Attributes:
        speed: channel of the shaft's speed, in turns a minute.
        balls: rolling elements of the bearing, from its data sheet.
        ratio: diameter of a rolling element by that of the circle of their centres.
        angle: of contact, in degrees.
        multiples: of each frequency.
        block: samples of which the envelope is a mean; its spectrum ends at the rate by twice as many.
        slip: share by which a frequency may differ from that of pure rolling.
        channels: of vibration; all but the speed when left out.
        floor: share of a channel's mean training power that is added before the envelope's
            logarithm, which keeps single knocks from hiding what repeats (Borghesani and Antoni, 2018).
    """

    speed: str
    balls: Annotated[int, msgspec.Meta(ge=3)]
    ratio: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
    angle: Annotated[float, msgspec.Meta(ge=0.0, lt=90.0)] = 0.0
    multiples: Annotated[int, msgspec.Meta(ge=1)] = 3
    block: Annotated[int, msgspec.Meta(ge=1)] = 8
    slip: Annotated[float, msgspec.Meta(ge=0.0, lt=0.5)] = 0.02
    channels: tuple[str, ...] = ()
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.05


@dataclass(eq=False, repr=False)
class Bearing(ChannelFeatures):
    """(n, channels, samples) -> (n, channels * parts of the bearing * multiples).

    Args:
        speed: place of the channel of the speed.
        balls, ratio, angle: of the bearing.
        multiples: of each frequency.
        block: samples a mean.
        slip: share of a frequency.
        rate: samples a second.

    Attributes:
        guard_: power added before the logarithm of the envelope, for each channel used.
    """

    kind = "bearing"

    guard_: NDArray[np.float32] = field(init=False)

    speed: int = 0
    balls: int = 8
    ratio: float = 0.25
    angle: float = 0.0
    multiples: int = 3
    block: int = 8
    slip: float = 0.02
    rate: float = 8192.0

    def formula(self, x: Value) -> Value:
        """Spectrum of the envelope, then its highest bin near each frequency of the bearing."""
        power, lines = self._power(x), self._lines()
        # A shaft that turns backwards strikes as often.
        shaft = absolute(mean(cut(x, self.speed, self.speed + 1, 1), 2, keep=True)) * np.float32(1 / 60)
        wanted = shaft * lines.reshape(-1, 1)
        bins = self._frequencies().astype(np.float32)
        height = power / (total(power, 2, keep=True) + _STEADY) * float(len(bins))
        width = wanted * np.float32(self.slip) + np.float32(_BINS * bins[1])
        near = relu(-absolute(wanted - bins) / width + 1.0)
        highest = [largest(cut(height, n, n + 1, 1) * near, 2) for n in range(self._count())]
        return log(join(highest, 1) + _GUARD)

    def _lines(self) -> NDArray[np.float32]:
        """Return by how much the turns of the shaft are multiplied for each line."""
        parts = orders(self.balls, self.ratio, self.angle).values()
        return np.array([part * n for part in parts for n in range(1, self.multiples + 1)], np.float32)

    def _envelope_samples(self) -> int:
        return (int(self.shape_[1]) - 1) // self.block

    def _frequencies(self) -> NDArray[np.float64]:
        return _sound.frequencies(_sound.fast_length(self._envelope_samples()), self.rate / self.block)

    def _blocks(self, x: Value) -> Value:
        """Return the mean square of each block of differences: they leave what rings above the tones of the shaft."""
        count = self._envelope_samples()
        rings = cut(difference(self._chosen(x), 2), 0, count * self.block, 2)
        return mean(reshape(rings * rings, (0, self._count(), count, self.block)), 3)

    def _power(self, x: Value) -> Value:
        """Return the power spectrum of the logarithm of the blocks."""
        count = self._envelope_samples()
        envelope = log(self._blocks(x) + np.asarray(self.guard_, np.float32)[:, None])
        return _sound.power(centre(envelope, 2), *_sound.matrices(count, "hann", _sound.fast_length(count)))

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        sums = sum(self._blocks(part).mean(axis=2).sum(axis=0) for part in chunks(X))
        self.guard_ = (self.floor * audible(np.asarray(sums) / len(X))).astype(np.float32)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        parts = orders(self.balls, self.ratio, self.angle)
        lines = [f"{part} x{n}" for part in parts for n in range(1, self.multiples + 1)]
        return [f"{name} {line}" for name in self._chosen_names(names) for line in lines]


def _build(config: BearingConfig, context: Context) -> Bearing:
    require(context, "bearing", (2,))
    rate = require_rate(context, "bearing")
    (speed,) = positions((config.speed,), context.names, "bearing")
    vibration = config.channels or tuple(name for name in context.names if name != config.speed)
    if not vibration or config.speed in vibration:
        raise StageSettingsError(
            "channels of vibration beside the speed", ", ".join(vibration) or "none", "stage bearing"
        )
    if context.shape[1] < 16 * config.block:
        expected = f"windows of at least {16 * config.block} samples"
        raise StageSettingsError(expected, str(context.shape[1]), "stage bearing, key block")
    given = msgspec.structs.replace(config, channels=vibration)
    return made_of_channels(Bearing, given, context, speed=speed, rate=rate)


def _why(estimator: Bearing) -> str:
    parts = orders(estimator.balls, estimator.ratio, estimator.angle)
    strikes = ", ".join(f"{name} {order:.3g}" for name, order in parts.items() if name != "shaft")
    return f"A damaged part strikes so many times in a turn of the shaft: {strikes}. The envelope shows who does."


def _read_back(given: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 - arguments of a stage
    return {**used_channels(given, context), "speed": context.names[given["speed"]]}


STAGE = Stage(
    config=BearingConfig,
    build=_build,
    state=("shape_", "guard_"),
    why=_why,
    formula=(
        "e = log(guard + mean over blocks of (x[t+1] - x[t])^2); P = |DFT(hann (e - mean e))|^2; "
        "f = order m |speed| / 60; "
        "y = log(max_k K P_k / (sum P + 0.01) * max(0, 1 - |f - f_k| / (1.5 df + slip f)) + 0.1)"
    ),
    read_back=_read_back,
)
