"""A simulated lidar at the front bumper: of each beam where it ends and how fast that moves, from rows of vehicles.

Rows as `perceptions/lane.py` takes them. Only what a beam hits first is seen; beams lie closest straight ahead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Metres: how far it sees, half of a vehicle's length and width, a lane, and what is told sideways of a lane's middle.
REACH, _LONG, _WIDE, _LANE, _ASIDE = 120.0, 2.5, 1.0, 4.0, 8.0
# Shares of beams that return nothing, nearby and from the furthest; noise of a range in metres, and of it, and in m/s.
_LOST, _LOST_FAR, _NOISE, _NOISE_FAR, _RATE_NOISE = 0.02, 0.2, 0.1, 0.002, 0.2
BEAMS = 64
_angles = np.radians(3.0 * np.sinh(4.1 * np.linspace(-1, 1, BEAMS)))
_WAYS = np.stack([np.cos(_angles), np.sin(_angles)])
LANES = (0.0, -_LANE, _LANE)


def scan(rows: NDArray[Any], draw: np.random.Generator, scale: float = 1.0) -> Array:
    """Return one turn of the lidar: metres ahead, metres to the right, m/s away from it; shape (3, beams).

    A beam without a return ends at the reach, and moves nowhere.

    Args:
        rows: presence, x, y, vx, vy; the first row is the own vehicle, whose motion the others' are relative to.
        draw: of noise and lost returns.
        scale: by which each range is told too long, of a sensor that is calibrated wrongly.
    """
    others = rows[1:][rows[1:, 0] > 0].astype(np.float64)
    ranges, rates = np.full(BEAMS, np.inf), np.zeros(BEAMS)
    if len(others):
        distances = _distances(others, rows[0, 3:5])
        first = distances.argmin(0)
        ranges, rates = distances.min(0), (others[first, 3:5] * _WAYS.T).sum(1)
    share = np.minimum(ranges / REACH, 1.0)
    seen = (ranges < REACH) & (draw.random(BEAMS) > _LOST + _LOST_FAR * share**2)
    noise = draw.normal(0, 1, (2, BEAMS))
    ranges = np.where(seen, scale * (ranges + noise[0] * (_NOISE + _NOISE_FAR * np.where(seen, ranges, 0.0))), REACH)
    return np.stack([*(ranges * _WAYS), np.where(seen, rates + noise[1] * _RATE_NOISE, 0.0)])


def _distances(others: Array, own: Array) -> Array:
    """Return how far each beam runs to the box of each vehicle, shape (vehicles, beams); infinite past it."""
    heading = np.arctan2(others[:, 4] + own[1], others[:, 3] + own[0])
    turn = np.stack([np.cos(heading), np.sin(heading)])
    x, y = others[:, 1] - _LONG, others[:, 2]
    near, far = np.full((len(others), BEAMS), -np.inf), np.full((len(others), BEAMS), np.inf)
    for half, (a, b) in ((_LONG, (turn[0], turn[1])), (_WIDE, (-turn[1], turn[0]))):
        with np.errstate(divide="ignore", invalid="ignore"):
            way = a[:, None] * _WAYS[0] + b[:, None] * _WAYS[1]
            middle = (x * a + y * b)[:, None]
            ends = (middle - half) / way, (middle + half) / way
        near, far = np.fmax(near, np.fmin(*ends)), np.fmin(far, np.fmax(*ends))
    return np.where((near <= far) & (far > 0), np.maximum(near, 0.0), np.inf)


def of_lane(turn: Array, lane: float) -> NDArray[np.float32]:
    """Return a turn as a network is asked about a lane, so many metres to the right: sideways from its middle."""
    aside = np.where(turn[0] ** 2 + turn[1] ** 2 < 0.998 * REACH**2, turn[1] - lane, _ASIDE)
    return np.stack([turn[0], aside.clip(-_ASIDE, _ASIDE), turn[2]]).astype(np.float32)
