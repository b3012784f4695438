"""Checks of units: gravity tells the unit of acceleration, magnitudes tell Kelvin and fractions."""

from __future__ import annotations

import re
import warnings

import numpy as np

from edgewright.data.checks_columns import column_of
from edgewright.data.findings import Finding
from edgewright.schema.data import DataSet, Recording

# Standard gravity: 9.80665 m/s² (3rd CGPM, 1901).
GRAVITY = {"g": 1.0, "m/s²": 9.80665, "mg": 1000.0}
_SPELLINGS = {"m/s2": "m/s²", "m/s^2": "m/s²", "ms-2": "m/s²", "m/s/s": "m/s²", "G": "g"}
_AXIS = re.compile(r"^(?P<stem>.*?acc.*?)[_\-. ]?(?P<axis>[xyz])\b", re.IGNORECASE)
_TEMPERATURE = re.compile(r"temp|thermo", re.IGNORECASE)
_HUMIDITY = re.compile(r"humid|(^|_)rh($|_)", re.IGNORECASE)
# No air, skin or machine has -73 °C and below as its usual temperature: above this the number is Kelvin.
_KELVIN_FROM = 200.0


def units(dataset: DataSet) -> list[Finding]:
    """Units that the values contradict, and units that differ between rows or recordings."""
    return [*_acceleration(dataset), *_temperature(dataset), *_humidity(dataset)]


def axes(dataset: DataSet) -> list[tuple[str, tuple[int, int, int]]]:
    """Triples of columns that are the axes of one accelerometer: their common name and x, y, z."""
    found: dict[str, dict[str, int]] = {}
    for index, column in enumerate(dataset.columns):
        if match := _AXIS.match(column.name):
            found.setdefault(match["stem"].lower(), {})[match["axis"].lower()] = index
    return [(stem, (a["x"], a["y"], a["z"])) for stem, a in found.items() if len(a) == 3]


def _acceleration(dataset: DataSet) -> list[Finding]:
    """The unit in which the usual magnitude is the earth's gravity."""
    findings = []
    for stem, triple in axes(dataset):
        units = [(r, unit) for r in dataset.recordings if (unit := _unit_by_gravity(r, triple))]
        kinds = sorted({unit for _, unit in units})
        name = dataset.columns[triple[0]].name
        declared = _SPELLINGS.get(dataset.columns[triple[0]].unit, dataset.columns[triple[0]].unit)
        if len(kinds) > 1:
            places = "; ".join(f"{kind} in {next(r.name for r, unit in units if unit == kind)}" for kind in kinds)
            findings.append(
                Finding(
                    kind="mixed-units", severity="error", column=name,
                    sentence=f"{stem}: recordings have different units by the magnitude of gravity: {places}",
                    numbers={"units": float(len(kinds))},
                )
            )  # fmt: skip
        elif kinds and declared in GRAVITY and declared != kinds[0]:
            sentence = f"{stem} is declared in {declared}, but its usual magnitude is that of gravity in {kinds[0]}"
            findings.append(Finding(kind="unit", severity="warning", column=name, sentence=sentence))
        elif kinds and not declared:
            sentence = f"{stem} is in {kinds[0]}, judged by the magnitude of gravity; no unit is declared"
            findings.append(Finding(kind="unit", severity="note", column=name, sentence=sentence))
    return findings


def _unit_by_gravity(recording: Recording, triple: tuple[int, int, int]) -> str:
    """The unit of an accelerometer; empty when the usual magnitude is not gravity's within a quarter."""
    magnitude = np.sqrt((recording.values[:, list(triple)].astype(np.float64) ** 2).sum(axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all values missing: the median is NaN and fits nothing
        usual = float(np.nanmedian(magnitude)) if len(magnitude) else 0.0
    return next((unit for unit, one in GRAVITY.items() if abs(usual / one - 1.0) < 0.25), "")


def _temperature(dataset: DataSet) -> list[Finding]:
    """Kelvin where Celsius is declared, and both in one column."""
    findings = []
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index).astype(np.float64)
        values = values[~np.isnan(values)]
        if not _TEMPERATURE.search(column.name) or not len(values):
            continue
        kelvin = float((values > _KELVIN_FROM).mean())
        celsius = float((values < 0.75 * _KELVIN_FROM).mean())
        if kelvin >= 0.01 and celsius >= 0.01:
            findings.append(
                Finding(
                    kind="mixed-units", severity="error", column=column.name,
                    sentence=f"{column.name}: {100 * kelvin:.0f} % of the values look like Kelvin and "
                    f"{100 * celsius:.0f} % like degrees Celsius",
                    numbers={"kelvin": kelvin, "celsius": celsius},
                )
            )  # fmt: skip
        elif kelvin > 0.5 and column.unit.strip("° ").upper() in ("C", ""):
            declared = "declared in C" if column.unit else "without a unit"
            sentence = f"{column.name} is {declared}, but its usual value {np.median(values):.4g} looks like Kelvin"
            findings.append(
                Finding(
                    kind="unit", severity="warning" if column.unit else "note", column=column.name,
                    sentence=sentence, numbers={"median": float(np.median(values))},
                )
            )  # fmt: skip
    return findings


def _humidity(dataset: DataSet) -> list[Finding]:
    """Fractions where per cent are declared."""
    findings = []
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        values = values[~np.isnan(values)]
        if _HUMIDITY.search(column.name) and column.unit == "%" and len(values) and 0 < values.max() <= 1:
            sentence = f"{column.name} is declared in %, but no value is above {values.max():g}: a fraction of 1?"
            findings.append(Finding(kind="unit", severity="warning", column=column.name, sentence=sentence))
    return findings
