"""Rows a second by their times, and rows that come at another rate than a model was trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Times = NDArray[np.float64]
GAP = 5.0
"""A step in time longer than this many usual steps is a gap that no window crosses; less is jitter or a lost row."""
TOLERANCE = 0.1
"""Relative difference of two rates that is the drift of a clock, as on a device."""
STANDING = 0.1
"""Share of steps of 0 from which on a clock is coarse: the time of a row does not tell it from the next one."""
# Share of steps that are as long as usual in rows of which many were lost, or which came in bursts.
_USUAL, _USUAL_FASTER = 0.1, 0.3
# Steps that tell the rate of a recording that goes on, of one that is there, and those that are looked at.
FEWEST, _FEW, _STEPS = 20, 5, 1000
# Quantile of the steps of a coarse clock that is its tick; longer steps are between bursts.
_SHORT_TICKS = 0.25
# Steps of a coarse clock that are looked at, those that are 0 among them.
_COARSE_STEPS = 100 * _STEPS
# Share of a whole number by which a ratio of rates may differ from it.
_WHOLE = 0.05


def rate_of(time: Times) -> float | None:
    """Return rows a second, from the steps that are near the median: a gap or a late row does not move it.

    Where a clock is so coarse that a tenth of its steps are zero, the rows of whole ticks count instead.
    None for fewer than two rows or a clock that stands still.
    """
    return _rate_of_steps(np.diff(time))


def gap_length(steps: Times) -> float:
    """Return the length above which a step is a gap, in the unit of the steps; infinite where they do not tell.

    A clock whose usual step is zero, such as whole seconds at 25 Hz, is measured by its ticks.
    """
    moved = steps[steps > 0]
    if not len(moved):
        return np.inf
    usual = float(np.median(steps))
    return GAP * (usual if usual > 0 else float(np.quantile(moved, _SHORT_TICKS)))


def _rate_of_steps(steps: Times) -> float | None:
    """Return rows a second by steps in their order; those below 0 do not count."""
    steps = steps[steps >= 0]
    moves = np.flatnonzero(steps > 0)
    if not len(moves):
        return None
    moved = steps[moves]
    step = float(np.median(moved))
    if len(steps) - len(moved) > STANDING * len(steps):
        # Rows between two moves have one time, for as long as the second move. The first and the last tick of a burst
        # are not whole, so they count only where there are no others.
        usual = moved <= GAP * float(np.quantile(moved, _SHORT_TICKS))
        whole = usual[:-1] & usual[1:]
        if whole.any():
            return float(np.diff(moves)[whole].sum() / moved[1:][whole].sum())
        return float((usual.sum() + len(steps) - len(moved)) / moved[usual].sum())
    near = moved[(moved >= 0.5 * step) & (moved <= 1.5 * step)]
    return 1.0 / (float(near.mean()) if len(near) else step)


def is_other_rate(time: Times, rate: float, tolerance: float) -> bool:
    """Return whether rows come at another rate, as at least five of their steps show."""
    steps = np.diff(time)
    return int(np.count_nonzero(steps > 0)) >= _FEW and _other_rate(steps, rate, tolerance) is not None


def _other_rate(steps: Times, rate: float, tolerance: float = TOLERANCE) -> float | None:
    """Return the rate of steps where it is another one than `rate`.

    Rows that were lost one by one leave steps of the right length between them, and are no lower rate.
    """
    measured = _rate_of_steps(steps)
    if measured is None or abs(measured / rate - 1) <= tolerance:
        return None
    usual = _USUAL if measured < rate else _USUAL_FASTER
    return measured if np.mean(np.abs(steps[steps > 0] * rate - 1) <= tolerance) < usual else None


def pace(rate: float) -> str:
    """Return a rate in words: rows a second, or seconds from one row to the next."""
    return f"a row every {1 / rate:.4g} s" if rate < 1 else f"{rate:.4g} rows a second"


def differs(rate: float, other: float) -> bool:
    """Return whether a rate is another one, and no drift of a clock."""
    return abs(other / rate - 1) > TOLERANCE


def other_rate(rate: float, measured: float, where: str, by: str = "") -> InputError:
    """Return the error for rows at another rate than in training; `by` is the column that says so."""
    faster = round(measured / rate)
    do = "Resample the rows"
    if faster > 1 and abs(measured / rate / faster - 1) <= _WHOLE:
        do = f"Average every {faster} rows into one"
    if not by and measured > rate:
        do += f" (resample = {rate:g} in [data], or score --set resample={rate:g})"
    do += f", or train on recordings of {pace(measured)}"
    do += f". If the times are wrong, remove the column {by!r}" if by else ""
    return InputError(f"{pace(rate)}, as in training", pace(measured) + (f" by {by!r}" if by else ""), where, do)


class RateGuard:
    """Refuses recordings whose rows come at another rate than those of the training, as soon as their steps show it.

    Args:
        rate: rows a second in training; None where its times did not say it: then nothing is refused.
        column: with the times.
        where: the rows come from, for messages.
    """

    def __init__(self, rate: float | None, column: str, where: str = "") -> None:
        self._rate, self._column, self.where = rate, column, where
        self.begin()

    def begin(self) -> None:
        """Begin a recording."""
        self._steps: Times = np.empty(0)

    def push(self, steps: Times, names: Sequence[str] = ()) -> None:
        """Take steps of the recording in seconds; those that go back tell nothing.

        Args:
            steps: shape (rows,).
            names: of the recording.

        Raises:
            InputError: rows at another rate.
        """
        known = np.count_nonzero(self._steps)
        if self._rate is None or known >= _STEPS or len(self._steps) >= _COARSE_STEPS:
            return
        self._steps = np.concatenate([self._steps, steps[steps >= 0]])
        self._steps = self._steps[: int(np.searchsorted(np.cumsum(self._steps > 0), _STEPS, side="right"))]
        measured = None
        if np.count_nonzero(self._steps) >= FEWEST:
            measured = _other_rate(self._steps, self._rate)
        if measured is not None:
            where = ", ".join([self.where, *names] if self.where else names)
            raise other_rate(self._rate, measured, where, self._column)
