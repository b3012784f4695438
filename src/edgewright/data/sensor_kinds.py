"""What a column measures, judged by its unit and name: it decides which errors of a sensor are plausible."""

from __future__ import annotations

import re

from edgewright.core.csv.header import EQUALS
from edgewright.core.records.data import Column

ACCELERATION, ROTATION, SIGNAL, TEMPERATURE, PRESSURE = "acceleration", "rotation", "signal", "temperature", "pressure"
TIME, COUNT, CATEGORY, OTHER = "time", "count", "category", "other"
NO_SENSOR = (TIME, COUNT, CATEGORY)
"""Kinds whose values no sensor's error changes."""

TEMPERATURE_NAME = re.compile(r"temp(?!o)|thermo", re.IGNORECASE)
ROTATION_NAME = re.compile(r"gyr|angular|omega|rot(ation)?[_ ]?rate", re.IGNORECASE)
ACCELERATION_NAME = re.compile(r"acc(?!ount|ess|ura|umul|ept|id)|beschl|acel", re.IGNORECASE)
_UNITS = {
    ACCELERATION: ("g", "mg", "m/s²", "m/s^2", "m/s2"),
    ROTATION: ("deg/s", "°/s", "rad/s", "dps"),
    SIGNAL: ("mV", "µV", "uV"),
    TEMPERATURE: ("°C", "C", "K", "°F", "F"),
    PRESSURE: ("hPa", "mbar", "Pa", "kPa"),
    TIME: ("s", "ms", "us", "µs", "ns", "min", "h", "d", "days", "cycles"),
    COUNT: ("count", "counts", "samples"),
}
# The first that fits holds. A whole word ends at a sign that is no letter, or where a capital begins.
_NAMES = (
    (TIME, re.compile(
        r"(^|[\W_])(time(stamp)?|date|hours?|minutes?|seconds?|days?|weekday|week|months?|year|age|cycles?|elapsed|"
        r"duration|uptime)($|[\W_])", re.IGNORECASE,
    )),
    (COUNT, re.compile(r"(^|[\W_])(counts?|number|num|index|id|steps|pulses|total)($|[\W_])", re.IGNORECASE)),
    (ROTATION, ROTATION_NAME),
    (ACCELERATION, ACCELERATION_NAME),
    (TEMPERATURE, TEMPERATURE_NAME),
    (PRESSURE, re.compile(r"baro|atm|air[_ ]?press|sea[_ ]?level|(^|[\W_])(pressure|press)($|[\W_])", re.IGNORECASE)),
    (SIGNAL, re.compile(r"(^|[\W_])(ecg|ekg|eeg|emg|ppg|sound|audio|mic(rophone)?)($|[\W_]|\d)", re.IGNORECASE)),
)  # fmt: skip
# Names of a letter or two are motion only where all three axes are there.
_SHORT = {"g": ROTATION, "a": ACCELERATION, "": ACCELERATION}
# What is computed of readings has no offset of theirs.
_COMPUTED = re.compile(
    r"trend|slope|delta|diff|change|rise|drop|std|dev|var|spread|range|rate|ratio|amplitude|rms|energy", re.IGNORECASE
)
_AXIS = re.compile(r"^(?P<stem>.*?)[_\-. ]?(?P<axis>[xyz])$", re.IGNORECASE)


def kind_of(column: Column) -> str:
    """Return what a column measures; a declared unit goes before the name, and `OTHER` is what neither tells."""
    if EQUALS in column.name:
        return CATEGORY
    by_name = next((kind for kind, pattern in _NAMES if pattern.search(column.name)), OTHER)
    by_unit = next((kind for kind, units in _UNITS.items() if column.unit in units), "")
    kind = by_unit or by_name
    if kind in (TEMPERATURE, PRESSURE) and _COMPUTED.search(column.name):
        return OTHER
    return kind


def kinds_of(columns: tuple[Column, ...]) -> list[str]:
    """Return what each column measures; axes of motion may be named by their letters alone, such as x, y, z."""
    kinds = [kind_of(column) for column in columns]
    for stem, numbers in _triples(columns).items():
        if stem.lower() in _SHORT:
            for number in numbers:
                kinds[number] = kinds[number] if kinds[number] != OTHER else _SHORT[stem.lower()]
    return kinds


def _triples(columns: tuple[Column, ...]) -> dict[str, list[int]]:
    """Return the numbers of columns whose names end in x, y and z by what comes before."""
    by_stem: dict[str, dict[str, int]] = {}
    for number, column in enumerate(columns):
        if match := _AXIS.match(column.name):
            by_stem.setdefault(match["stem"], {})[match["axis"].lower()] = number
    return {stem: [axes[axis] for axis in "xyz"] for stem, axes in by_stem.items() if len(axes) == 3}


def sensors_of(columns: tuple[Column, ...]) -> dict[str, list[int]]:
    """Return the sensors and the numbers of their columns: the axes of one are one, times and counts are none.

    'acc_x', 'acc_y' and 'acc_z' are the sensor 'acc', every other column is one of its own.
    """
    stems = {number: stem for stem, numbers in _triples(columns).items() for number in numbers}
    sensors: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        if kind_of(column) not in NO_SENSOR:
            stem = stems.get(number)
            sensors.setdefault(column.name if stem is None else stem or "x, y, z", []).append(number)
    return sensors


def axis_pairs(columns: tuple[Column, ...]) -> list[tuple[int, int]]:
    """Return the x and y axes of each sensor that measures motion along x, y and z."""
    kinds = kinds_of(columns)
    return [(x, y) for x, y, _ in _triples(columns).values() if kinds[x] in (ACCELERATION, ROTATION)]


def motion_sensors(columns: tuple[Column, ...]) -> tuple[list[int], list[int]]:
    """Return the x, y and z axes of the one accelerometer, and of the one gyroscope; empty for none and for several."""
    kinds = kinds_of(columns)
    by_kind: dict[str, list[list[int]]] = {ACCELERATION: [], ROTATION: []}
    for axes in _triples(columns).values():
        if kinds[axes[0]] in by_kind:
            by_kind[kinds[axes[0]]].append(axes)
    acceleration, rotation = (sensors[0] if len(sensors) == 1 else [] for sensors in by_kind.values())
    return acceleration, rotation if acceleration else []
