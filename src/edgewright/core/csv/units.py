"""Units as people write them in tables, and a line of them below the header."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNITS = frozenset(
    re.split(
        " ",
        "C °C K F °F % g mg m/s² m/s2 m/s^2 m/s mm/s rad/s deg/s °/s dps V mV kV A mA W mW kW Wh kWh J Hz kHz rpm "
        "1/min h min s ms us µs m mm cm km Pa hPa kPa MPa bar mbar lux lx ppm ppb µg/m³ N Nm kg l/min l/h m³/h dB "
        "uT µT T Ω ohm",
    )
)
"""Units that declare the one of a column."""
# What stands under the name of a column that has no unit.
_NO_UNIT = frozenset({"", "-", "--", "1", "n/a", "none", "text", "bool"})


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
