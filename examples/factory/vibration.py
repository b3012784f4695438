"""Vibration of simulated rolling bearings with known damage, by McFadden and Smith (1984) and Antoni (2006).

Each contact of a defect strikes a resonance of the housing. The rates of contacts follow from the velocities of parts
that roll without slipping, so nothing here shares a formula with `features/bearing.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HEALTHY = "healthy"
PARTS = (HEALTHY, "outer ring", "inner ring", "ball", "cage")


class Geometry(NamedTuple):
    """A bearing: rolling elements, their diameter and that of the circle of their centres in mm, contact in degrees."""

    balls: int
    ball: float
    pitch: float
    angle: float = 0.0


class Condition(NamedTuple):
    """How a machine runs: turns a minute, and its load as a share of the largest one."""

    rpm: float
    load: float


def contacts(bearing: Geometry, part: str) -> tuple[float, float]:
    """Return the strikes of a damaged part in one turn of the shaft, and the turns in which their strength comes back.

    A defect of the inner ring passes the load with the shaft, one of a ball with the cage; the load zone of the outer
    ring stands still (0).
    """
    reach = bearing.ball * np.cos(np.radians(bearing.angle))
    inner, outer = (bearing.pitch - reach) / 2, (bearing.pitch + reach) / 2
    # The centre of a ball moves half as fast as the inner ring that drives it; the outer ring stands still.
    cage = inner / 2 / (bearing.pitch / 2)
    spin = cage * outer / (bearing.ball / 2)
    return {
        "outer ring": (bearing.balls * cage, 0.0),
        "inner ring": (bearing.balls * (1 - cage), 1.0),
        "ball": (2 * spin, cage),
        "cage": (cage, 0.0),
    }[part]


class Specimen(NamedTuple):
    """One bearing in its housing: what is damaged, its resonance in Hz and damping, and its strikes by noise in dB."""

    part: str
    resonance: float
    damping: float
    strength: float


def draw_specimen(part: str, strength: tuple[float, float], rng: np.random.Generator) -> Specimen:
    """Draw a housing, and how strong the strikes of its damage are."""
    return Specimen(part, rng.uniform(1800, 3400), rng.uniform(0.02, 0.06), rng.uniform(*strength))


def vibration(
    bearing: Geometry, specimen: Specimen, condition: Condition, samples: int, rate: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return acceleration and measured speed in turns a minute, each of shape (samples,).

    Every recording has tones of unbalance, misalignment and a gear, noise, and a few knocks from elsewhere.
    """
    time = np.arange(samples) / rate
    turn = condition.rpm / 60 * (1 + 0.003 * np.sin(2 * np.pi * rng.uniform(0.2, 1) * time + rng.uniform(0, 6)))
    angle = np.cumsum(turn) / rate
    noise = rng.normal(0, 1, samples)
    tones = sum(
        rng.uniform(0.2, 1) * height * np.cos(2 * np.pi * (order * angle + rng.random()))
        for order, height in ((1, 2.0), (2, 1.0), (3, 0.5), (17, 1.5), (34, 0.7))
    )
    hits = np.zeros(samples)
    for sample in rng.integers(0, samples, rng.poisson(4 * samples / rate)):
        hits[sample] += rng.uniform(2, 12)
    signal = noise + tones + _ringing(hits, specimen, rate)
    if specimen.part != HEALTHY:
        strikes = _ringing(_strikes(bearing, specimen, angle, rng), specimen, rate)
        share = 10 ** (specimen.strength / 20) * np.sqrt(condition.load)
        signal = signal + strikes * share / max(float(strikes.std()), 1e-12)
    return signal, condition.rpm * (turn / turn.mean()) * (1 + rng.normal(0, 0.002)) * np.ones(samples)


def _strikes(bearing: Geometry, specimen: Specimen, angle: Array, rng: np.random.Generator) -> Array:
    rate, swing = contacts(bearing, specimen.part)
    rate *= 1 + rng.uniform(-0.015, 0.015)
    count = int(angle[-1] * rate) + 2
    # A ball does not roll quite evenly: each strike comes by a hundredth of its distance early or late.
    turns = (np.arange(count) + rng.random() + rng.normal(0, 0.01, count)) / rate
    heights = np.abs(1 + rng.normal(0, 0.15, count))
    if swing:
        heights *= np.maximum(0.1, (1 + np.cos(2 * np.pi * (swing * turns + rng.random()))) / 2)
    samples = np.searchsorted(angle, turns)
    hits, inside = np.zeros(len(angle)), samples < len(angle)
    np.add.at(hits, samples[inside], heights[inside])
    return hits


def _ringing(hits: Array, specimen: Specimen, rate: float) -> Array:
    """Return what a resonance makes of strikes."""
    time = np.arange(round(0.02 * rate)) / rate
    speed = 2 * np.pi * specimen.resonance
    ring = np.exp(-specimen.damping * speed * time) * np.sin(speed * time)
    return np.convolve(hits, ring)[: len(hits)]
