"""How much each device's word counts, and what the words say together: weights, quantiles, intervals.

One-sided bounds at 95 % (Wilson, 'Probable inference', 1927, for shares; the binomial spread of a rank for quantiles):
a limit is called exceeded only where chance among so few devices does not explain it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

SURE = 1.6449
"""Normal deviate of a one-sided 95 %."""


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """One device's value of one measure.

    Attributes:
        device: its id.
        batch: of its enrolment; devices that came together may be one hand's.
        enrolled: seconds since 1970.
        value: of the measure; for a share 1.0 or 0.0.
    """

    device: str
    batch: str = ""
    enrolled: float = 0.0
    value: float


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Voices with weights, smallest value first.

    Attributes:
        values, weights: of the same length; weights from above 0 to 1.
        sample: how many devices of equal weight know as much (Kish, 1965).
    """

    values: tuple[float, ...]
    weights: tuple[float, ...]
    sample: float


def weigh(voices: Sequence[Voice], cap: float, least: int) -> Counted:
    """Gives every device one vote and then takes from batches that have too many.

    Args:
        voices: of different devices; values that are not finite are left out.
        cap: largest share of the votes of one batch. Where there are too few batches for it, they are made equal.
        least: votes below which no batch is pushed; otherwise one odd device could speak for half of the fleet.
    """
    heard = sorted((v for v in voices if math.isfinite(v.value)), key=lambda voice: (voice.value, voice.device))
    sizes = Counter(voice.batch for voice in heard)
    most = max(_level(sorted(sizes.values()), cap), float(least))
    weights = tuple(min(1.0, most / sizes[voice.batch]) for voice in heard)
    squares = sum(weight * weight for weight in weights)
    sample = sum(weights) ** 2 / squares if squares else 0.0
    return Counted(values=tuple(voice.value for voice in heard), weights=weights, sample=sample)


def _level(sizes: Sequence[int], cap: float) -> float:
    """The largest number of votes a batch at which none has more than `cap` of them; sizes in rising order."""
    if not sizes or cap >= 1.0:
        return float(sizes[-1]) if sizes else 0.0
    below = 0
    for index, size in enumerate(sizes):
        above = len(sizes) - index  # batches that would be cut to the level
        if above * cap < 1.0:
            # level = cap * (below + above * level), where that lies between the last size and this one
            level = cap * below / (1.0 - above * cap)
            if level <= size:
                return max(level, float(sizes[0]))
        below += size
    return float(sizes[-1])


def quantile(counted: Counted, level: float) -> float:
    """The smallest value at or below which `level` of the votes lie; the first and the last at 0 and 1."""
    wanted = level * sum(counted.weights)
    reached = 0.0
    for value, weight in zip(counted.values, counted.weights, strict=True):
        reached += weight
        if reached >= wanted - 1e-9:
            return value
    return counted.values[-1]


def quantile_bounds(counted: Counted, level: float) -> tuple[float, float]:
    """Values between which the fleet's quantile lies: each bound alone is right 95 times in 100."""
    spread = SURE * math.sqrt(level * (1.0 - level) / counted.sample)
    return quantile(counted, max(0.0, level - spread)), quantile(counted, min(1.0, level + spread))


def share(counted: Counted) -> float:
    """Weighted share of the voices whose value is 1."""
    total = sum(counted.weights)
    return sum(w for v, w in zip(counted.values, counted.weights, strict=True) if v > 0.5) / total


def share_bounds(part: float, sample: float) -> tuple[float, float]:
    """Shares between which the fleet's share lies, by Wilson's score; each bound alone is right 95 times in 100."""
    square = SURE * SURE
    centre = (part + square / (2.0 * sample)) / (1.0 + square / sample)
    inside = part * (1.0 - part) / sample + square / (4.0 * sample * sample)
    spread = SURE * math.sqrt(inside) / (1.0 + square / sample)
    return max(0.0, centre - spread), min(1.0, centre + spread)
