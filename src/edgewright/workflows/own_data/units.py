"""Units of columns that declare none, guessed from names and values; a guess is shown and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import number
from edgewright.data.checks_columns import column_of
from edgewright.data.quality import axes, gravity_unit
from edgewright.data.sensor_kinds import ACCELERATION_NAME, ROTATION_NAME, TEMPERATURE_NAME
from edgewright.schema.data import DataSet

_HUMIDITY = re.compile(r"humid(?!.*(ratio|abs|spec))|(^|_)rh($|_)", re.IGNORECASE)
# Ends of names, and what a single letter needs the rest of the name to say.
_ENDINGS = {
    "mg": "mg", "ms2": "m/s²", "mps2": "m/s²", "m_s2": "m/s²", "dps": "deg/s", "degs": "deg/s", "deg_s": "deg/s",
    "rads": "rad/s", "rad_s": "rad/s", "radps": "rad/s", "degc": "°C", "deg_c": "°C", "celsius": "°C", "degf": "°F",
    "deg_f": "°F", "fahrenheit": "°F", "kelvin": "K", "pct": "%", "perc": "%", "percent": "%", "hpa": "hPa",
    "kpa": "kPa", "rpm": "rpm", "ppm": "ppm", "lux": "lux",
}  # fmt: skip
_LETTERS = {
    "c": ("°C", TEMPERATURE_NAME),
    "f": ("°F", TEMPERATURE_NAME),
    "k": ("K", TEMPERATURE_NAME),
    "g": ("g", ACCELERATION_NAME),
}
# Usual gyroscopes measure up to 2,000 deg/s, which is 35 rad/s, as 16-bit counts up to 32,768.
_FULL_DEGREES, _FULL_RADIANS = 2000.0, 35.0
# An accelerometer whose magnitude spreads by so much of gravity is moved by a person or machine.
_MOVED = 0.1
# Usual values of °C; below about 45 °F nobody heats, above 45 °C the number may be °F.
_CELSIUS, _KELVIN = (-40.0, 45.0), (200.0, 400.0)


@dataclass(frozen=True)
class UnitGuess:
    """A unit that nobody declared.

    Attributes:
        columns: names.
        unit: as it is shown.
        why: what it was guessed from.
    """

    columns: tuple[str, ...]
    unit: str
    why: str

    @property
    def sentence(self) -> str:
        """The guess with its reason, in a line."""
        return f"{', '.join(self.columns)}: {self.unit}, a GUESS: {self.why}; no value was changed"


def guess_units(dataset: DataSet) -> tuple[UnitGuess, ...]:
    """Guess units of the columns without one, by name first and by values else; columns that say nothing have none."""
    free = {column.name: index for index, column in enumerate(dataset.columns) if not column.unit}
    found: dict[tuple[str, str], list[str]] = {}
    for guesses in (_by_name(free), _acceleration(dataset), _by_values(dataset, free)):
        for name, unit, why in guesses:
            if free.pop(name, None) is not None:
                found.setdefault((unit, why), []).append(name)
    return tuple(UnitGuess(tuple(names), unit, why) for (unit, why), names in found.items())


def _by_name(free: dict[str, int]) -> list[tuple[str, str, str]]:
    found = []
    for name in free:
        ending, unit = _ending(name)
        if unit:
            found.append((name, unit, f"the name ends in {ending!r}"))
    return found


def _ending(name: str) -> tuple[str, str]:
    """Return the end of a name that is a unit, as it is written, and the unit."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).rstrip("_ ")
    for ending, unit in _ENDINGS.items():
        if match := re.search(rf"[_ .\-]({ending})$", words, re.IGNORECASE):
            return match[1], unit
    match = re.search(r"[_ .\-]([cfkg])$", words, re.IGNORECASE)
    unit, kind = _LETTERS[match[1].lower()] if match else ("", TEMPERATURE_NAME)
    return (match[1], unit) if match and kind.search(name) else ("", "")


def _acceleration(dataset: DataSet) -> Iterator[tuple[str, str, str]]:
    for _, triple in axes(dataset):
        unit, usual = gravity_unit(dataset, triple)
        if not unit:
            continue
        why = f"the median magnitude of the three axes, {number(usual)}, is gravity"
        if unit == "mg" and _is_whole(dataset, triple[0]):
            why += "; raw counts of 1,024 to 1 g would look alike"
        yield from ((dataset.columns[index].name, unit, why) for index in triple)


def _by_values(dataset: DataSet, free: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    rotations = [name for name in free if ROTATION_NAME.search(name)]
    if rotations:
        unit, why = _rotation(dataset, [free[name] for name in rotations])
        yield from ((name, unit, why) for name in rotations if unit)
    for name, index in list(free.items()):
        values = _known(dataset, index)
        if not len(values):
            continue
        if TEMPERATURE_NAME.search(name):
            unit, why = _temperature(float(np.median(values)))
        elif _HUMIDITY.search(name):
            unit, why = _humidity(float(values.min()), float(values.max()))
        else:
            continue
        if unit:
            yield name, unit, why


def _rotation(dataset: DataSet, indices: list[int]) -> tuple[str, str]:
    """Return deg/s, rad/s or raw counts for the axes of gyroscopes; empty where they turn too slowly to tell."""
    peak = max((float(np.abs(_known(dataset, index)).max(initial=0.0)) for index in indices), default=0.0)
    shown = f"the largest value is {number(peak)}"
    if peak > 1.25 * _FULL_DEGREES:
        whole = all(_is_whole(dataset, index) for index in indices)
        return (
            ("raw counts", f"{shown}, whole numbers beyond the 2,000 deg/s of usual gyroscopes") if whole else ("", "")
        )
    if peak > _FULL_RADIANS:
        return "deg/s", f"{shown}, beyond the 35 rad/s (2,000 deg/s) of usual gyroscopes"
    if any(_is_moved(dataset, triple) for _, triple in axes(dataset)):
        return "rad/s", f"{shown} while the accelerometer is moved; in deg/s that would be hardly any turn"
    return "", ""


def _is_moved(dataset: DataSet, triple: tuple[int, int, int]) -> bool:
    parts = np.stack([column_of(dataset, index).astype(np.float64) for index in triple])
    magnitude = np.sqrt((parts**2).sum(axis=0))
    magnitude = magnitude[np.isfinite(magnitude)]
    unit, usual = gravity_unit(dataset, triple)
    return bool(unit) and float(np.std(magnitude)) > _MOVED * usual


def _temperature(usual: float) -> tuple[str, str]:
    shown = f"the median is {number(usual)}"
    if _CELSIUS[0] <= usual <= _CELSIUS[1]:
        return "°C", f"{shown}, usual for a temperature in °C"
    if _KELVIN[0] <= usual <= _KELVIN[1]:
        return "K", f"{shown}, {number(usual - 273.15)} °C if it is Kelvin"
    return "", ""


def _humidity(low: float, high: float) -> tuple[str, str]:
    if low < 0.0 or high > 110.0:
        return "", ""
    shown = f"values are {number(low)} to {number(high)}"
    return ("%", f"{shown} of at most 100") if high > 1.5 else ("fraction of 1", f"{shown} of at most 1")


def _known(dataset: DataSet, index: int) -> NDArray[np.float64]:
    values = column_of(dataset, index).astype(np.float64)
    return values[np.isfinite(values)]


def _is_whole(dataset: DataSet, index: int) -> bool:
    values = _known(dataset, index)
    return bool(np.array_equal(values, np.round(values)))
