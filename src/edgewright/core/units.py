"""What single cells say, units as people write them in tables, and a line of units below the header."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.schema.errors import InputError

MISSING_NUMBERS = frozenset(
    {"", "nan", "na", "?", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "-", "--", "---", "missing", "#value!",
     "unavailable", "unknown"}
)  # fmt: skip
"""Spellings of a missing number, in lower case; the last two are states of Home Assistant."""
MISSING_LABELS = frozenset({"", "nan", "na", "n/a", "null", "?", "unavailable"})
"""Spellings of a missing label, in lower case: `none`, `-` and `unknown` may be classes."""
MISSING_TEXTS = frozenset({"", "nan", "na", "?"})
"""Spellings of a missing text of a category, in lower case, as packages know them."""
_DATE = re.compile(
    r"(?:1[5-9]|20)\d\d[-/](?:0[1-9]|1[0-2])$|\d{4}([-/])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{2,4}|\d{1,2}:\d\d"
)


def is_number(text: str) -> bool:
    """Return whether a cell holds a number as a program writes it, be it infinite or none (`nan`)."""
    try:
        float(text)
    except ValueError:
        return False
    # Python reads 1_000 as a number; no other reader of CSV does.
    return "_" not in text


def is_date(text: str) -> bool:
    """Return whether a cell begins as a date or a time of day."""
    return _DATE.match(text) is not None


# Units of one quantity stand in one text, spellings of one unit between '='.
_QUANTITIES = (
    "°C=C=degC, K, °F=F=degF", "%", "g, mg, m/s²=m/s2=m/s^2", "m/s, mm/s", "rad/s, deg/s=°/s=dps", "V, mV, kV", "A, mA",
    "W, mW, kW", "Wh, kWh, J", "Hz, kHz, 1/min=rpm", "h, min, s, ms, µs=us=\u03bcs, ns", "m, mm, cm, km",
    "Pa, hPa=mbar, kPa, MPa, bar", "lx=lux", "ppm, ppb", "µg/m³=\u03bcg/m³", "N", "N m=Nm", "kg", "l/min, l/h, m³/h",
    "dB", "µT=uT=\u03bcT, T", "Ω=\u2126=ohm",
)  # fmt: skip
_SPELLINGS = {
    spelling: (number, unit.split("=")[0])
    for number, text in enumerate(_QUANTITIES)
    for unit in text.split(", ")
    for spelling in unit.split("=")
}
UNITS = frozenset(_SPELLINGS)
"""Units that declare the one of a column."""
# Words in brackets that are no unit ('mean', '12') stay part of the name only.
_BRACKETS = re.compile(r"[\[(]\s*([^\])]{1,16}?)\s*[\])]\s*$")
# What stands under the name of a column that has no unit.
_NO_UNIT = frozenset({"", "-", "--", "1", "n/a", "none", "text", "bool"})


def spelled(unit: str) -> str:
    """Return a unit as it is spelled here: °C for C and degC; an unknown one as it is."""
    return _SPELLINGS[unit][1] if unit in _SPELLINGS else unit


def is_same_unit(first: str, second: str) -> bool:
    """Return whether two texts are spellings of one unit, such as C and °C."""
    return spelled(first) == spelled(second)


def is_one_quantity(units: Sequence[str]) -> bool:
    """Return whether all units, which are known ones, measure the same, as °C and °F do."""
    return len({_SPELLINGS[unit][0] for unit in units}) == 1


def refuse_other_unit(column: str, unit: str, other: str, whose: str, where: str) -> None:
    """Refuse a column in another unit than the one that it should have; nothing where a side does not know its unit.

    Args:
        column: its name.
        unit: that it should have.
        other: that it has.
        whose: where the first unit comes from, for the error: 'as in the training'.
        where: the file.

    Raises:
        InputError: for two units.
    """
    if unit and other and not is_same_unit(unit, other):
        raise InputError(
            f"{column} in {unit}, {whose}", other, f"{where}, column {column}",
            f"Convert the column to {unit}, and write its unit or none",
        )  # fmt: skip


def unit_in(name: str) -> str:
    """Return the unit in brackets at the end of a column's name; empty when there is none."""
    match = _BRACKETS.search(name)
    return match[1] if match and match[1] in UNITS else ""


def unit_of(cell: str) -> str:
    """Return the unit in a cell below a name, with or without brackets; empty where there is none."""
    text = cell.strip().strip("[]()")
    return text if text in UNITS else ""


def is_unit_line(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether a line holds units: nothing else, and numbers stand below one of them at least.

    Args:
        cells: of the line below the header.
        below: of the next line; empty where there is none.
    """
    if not all(unit_of(cell) or cell.strip().lower() in _NO_UNIT for cell in cells):
        return False
    return any(
        unit_of(cell) and any(sign.isdigit() for sign in value) for cell, value in zip(cells, below, strict=False)
    )
