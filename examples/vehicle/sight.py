"""What a car perceives by its lidar: answers of two networks, cautious ends of their intervals, and their monitor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.core.predictor import Predictor
from traffic import FREE, LANES, REACH, of_lane

Array = NDArray[np.float64]
# Share of the reach from which a gap counts as nobody.
_NOBODY = 0.95


class Sighting(NamedTuple):
    """What is perceived at a moment.

    Attributes:
        seen: the likeliest numbers, as the perception `lane` has them.
        names: own speed, and the cautious ends of gap and speed of whoever drives ahead.
        fits: whether both intervals can follow from those of the turn before.
    """

    seen: Array
    names: dict[str, float]
    fits: bool


class _Known(NamedTuple):
    """Own speed at a time, and the intervals of the gap and of the other's speed in the own lane."""

    time: float
    speed: float
    gap: Array
    lead: Array


class Sight:
    """Two networks that look at turns of a lidar in one episode.

    Args:
        gap: packaged network of gaps, with its interval.
        closing: packaged network of closing speeds, with its interval.
        acceleration: hardest braking and acceleration of others that is assumed, m/s2.
    """

    def __init__(self, gap: Predictor, closing: Predictor, acceleration: float) -> None:
        self._networks, self._acceleration = (gap, closing), acceleration
        self._before: _Known | None = None

    def look(self, turn: Array, speed: float, time: float) -> Sighting:
        """Return what a turn shows.

        Args:
            turn: of the lidar, shape (3, beams).
            speed: own one, m/s.
            time: of the decision, s.
        """
        samples = np.stack([of_lane(turn, lane) for lane in LANES])
        answers = [network.predict(samples) for network in self._networks]
        gaps, closings = (np.asarray(answer.predictions, np.float64) for answer in answers)
        gap, closing = (np.asarray(answer.interval, np.float64)[0] for answer in answers)
        nobody = gaps > _NOBODY * REACH
        seen = np.stack([np.where(nobody, FREE, gaps.clip(0.0)), speed + np.where(nobody, 0.0, closings)], axis=1)
        now = _Known(time, speed, gap, speed + closing)
        fits = self._before is None or _follows(self._before, now, self._acceleration)
        self._before = now
        names = {"speed": speed, "gap": max(0.0, float(gap[0])), "lead": max(0.0, float(now.lead[0]))}
        return Sighting(np.array([speed, *seen.ravel()]), names, fits)


def _follows(before: _Known, now: _Known, acceleration: float) -> bool:
    """Return whether intervals meet those that can follow from earlier ones at accelerations up to that.

    What was at the end of the reach may be anywhere behind it, at any speed.
    """
    seconds = now.time - before.time
    change = acceleration * seconds * np.array([-1.0, 1.0])
    own = (before.speed + now.speed) / 2 * seconds
    gap = before.gap + (before.lead + change / 2).clip(0.0) * seconds - own
    lead = (before.lead + change).clip(0.0)
    if before.gap[1] >= REACH:
        return bool(now.gap[1] >= min(gap[0], REACH))
    return _meet(now.gap, gap) and _meet(now.lead, lead)


def _meet(first: Array, other: Array) -> bool:
    return bool(first[0] <= other[1] and other[0] <= first[1])
