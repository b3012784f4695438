"""The unit of a column of numbers that says when a row was measured, by what else is measured and how fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import MAGNITUDES, SCALE, WORDS, is_round, may_be_days, unit_in_name, unit_of_numbers
from edgewright.data.sensor_kinds import ACCELERATION, PRESSURE, ROTATION, SIGNAL, TEMPERATURE, kinds_of
from edgewright.schema.data import Column

# Rows a second that sensors of motion (inertial ones give at most 8,000), of signals, of rooms, and that others give.
_MOTION_HZ, _SIGNAL_HZ, _SLOW_HZ, _ANY_HZ = (5.0, 8000.0), (5.0, 50_000.0), (1e-5, 2.0), (1e-5, 20_000.0)
_MINUTE_S = 60
# Seconds of a day are hardly ever written in finer steps than this.
_FINEST_S = 1e-3


@dataclass(frozen=True)
class UnitChoice:
    """The unit of a column of numbers.

    Attributes:
        unit: one of `SCALE`; the first of several that fit.
        others: units that fit as well.
        step: median difference of two rows.
    """

    unit: str
    others: tuple[str, ...] = ()
    step: float = 0.0

    @property
    def units(self) -> tuple[str, ...]:
        """All units that fit."""
        return (self.unit, *self.others)

    def pace(self, unit: str) -> str:
        """Return what the rows are in a unit: 'milliseconds, 100 Hz'."""
        step_s = self.step * SCALE[unit]
        rate = f"{1 / step_s:.4g} Hz" if step_s < 1 else f"a row every {step_s:.4g} s"
        return f"{WORDS[unit]} ({unit}), {rate}"


def choose_unit(numbers: NDArray[np.float64], name: str, others: Iterable[str], stated: str = "") -> UnitChoice:
    """Choose the unit by what the file states, by magnitude and step, and by how fast what else is measured changes.

    Args:
        numbers: shape (rows,).
        name: of the column; the unit that ends it counts as stated.
        others: names of the columns that are measured.
        stated: the unit in a line of units; empty for none.
    """
    known = numbers[np.isfinite(numbers)]
    steps = np.abs(np.diff(known))
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if said := tuple(dict.fromkeys(unit for unit in (stated, unit_in_name(name)) if unit)):
        return UnitChoice(said[0], said[1:], step)
    usual = unit_of_numbers(numbers, name)
    largest = float(np.abs(known).max()) if len(known) else 0.0
    low, high = _range_of(others)
    if may_be_days(numbers, name) and "dat" not in name.lower():
        fit = [unit for unit in ("d", "s") if low <= 1 / (step * SCALE[unit]) <= high] or ["d", "s"]
        # A quarter of a day and of a second have the same digits; hours and minutes of a day have endless ones.
        ends = bool(np.allclose(known / _FINEST_S, np.round(known / _FINEST_S), rtol=0, atol=1e-3))
        fit = ["d", "s"] if ends else [unit for unit in fit if unit == "d" or step >= _FINEST_S]
        return UnitChoice(fit[0], tuple(fit[1:]), step)
    if usual == "d" or (largest > MAGNITUDES[-1][0] and _is_epoch(largest)) or step < 1:
        return UnitChoice(usual, step=step)
    # Who counts from row to row in ones counts seconds or rows; finer units stand in larger steps.
    anything = (low, high) == _ANY_HZ
    least = {"s": 0.0, "ms": 1.5, "us": 1e3 if anything else 1.5, "ns": 1e6 if anything else 1.5}
    fit = [u for u in least if low <= 1 / (step * SCALE[u]) <= high and step >= least[u]]
    if "s" in fit and step > _MINUTE_S and (known != np.round(known)).any():
        fit = ["s"]  # counters of finer units have no fractions in such steps
    fit = [unit for unit in fit if unit != "s" or _is_usual(step) or fit == ["s"]]
    if "s" in fit and step % 60 == 0 and 1000 % step:
        # Whole minutes, and no whole number of rows in a second. Minutes of an hour and hours of a day are usual.
        if step < 1000 or is_round(step):
            fit = ["s"]
        elif is_round(step * SCALE["ms"]):
            fit.remove("s")
    if not fit and step == 1 and low > 1:
        fit = ["s", "ms"]  # too slow in one and in steps that nobody writes in the other
    if not fit:
        return UnitChoice(usual, step=step)
    return UnitChoice(fit[0], tuple(fit[1:]), step)


def _is_epoch(largest: float) -> bool:
    return any(1e9 * scale < largest < 4e9 * scale for scale in (1.0, 1e3, 1e6, 1e9))


def _is_usual(step: float) -> bool:
    """Return whether rows come every so many seconds: up to a minute, or whole minutes up to a day."""
    return step <= _MINUTE_S or (step % _MINUTE_S == 0 and step <= 86_400)


def _range_of(names: Iterable[str]) -> tuple[float, float]:
    """Return rows a second that are plausible for what is measured."""
    kinds = set(kinds_of(tuple(Column(name=name) for name in names)))
    slow, fast = kinds & {TEMPERATURE, PRESSURE}, kinds & {SIGNAL, ACCELERATION, ROTATION}
    if not fast:
        return _SLOW_HZ if slow else _ANY_HZ
    low, high = _SIGNAL_HZ if SIGNAL in kinds else _MOTION_HZ
    # Beside what changes slowly they may be means of a minute.
    return _SLOW_HZ[0] if slow else low, high
