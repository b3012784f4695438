"""Units as people write them in tables, and a line of them below the header."""

from __future__ import annotations

from collections.abc import Sequence

# Units of one quantity stand in one text; spellings of one unit have '=' between them.
_QUANTITIES = (
    "C=°C=degC K F=°F=degF", "%", "g mg m/s²=m/s2=m/s^2", "m/s mm/s", "rad/s deg/s=°/s=dps", "V mV kV", "A mA",
    "W mW kW", "Wh kWh J", "Hz kHz rpm=1/min", "h min s ms us=µs=μs ns", "m mm cm km", "Pa hPa=mbar kPa MPa bar",
    "lux=lx", "ppm ppb", "µg/m³=μg/m³", "N", "Nm", "kg", "l/min l/h m³/h", "dB", "uT=µT=μT T", "Ω=Ω=ohm",
)  # fmt: skip
_QUANTITY_OF = {unit: number for number, text in enumerate(_QUANTITIES) for unit in text.replace("=", " ").split(" ")}
_FIRST_SPELLING = {
    unit: group.split("=")[0] for text in _QUANTITIES for group in text.split(" ") for unit in group.split("=")
}
UNITS = frozenset(_QUANTITY_OF)
"""Units that declare the one of a column."""
# What stands under the name of a column that has no unit.
_NO_UNIT = frozenset({"", "-", "--", "1", "n/a", "none", "text", "bool"})


def is_same_unit(first: str, second: str) -> bool:
    """Return whether two texts are spellings of one unit, such as C and °C."""
    return _FIRST_SPELLING.get(first, first) == _FIRST_SPELLING.get(second, second)


def is_one_quantity(units: Sequence[str]) -> bool:
    """Return whether all units measure the same, as °C and °F do."""
    return len({_QUANTITY_OF.get(unit, unit) for unit in units}) == 1


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
