"""What a model may take of a device, as a person writes it: flash=64kB,ram=16kB,latency=10ms,energy=2mJ."""

from __future__ import annotations

import math
import re

import msgspec

from edgewright.schema.errors import InputError, UnknownNameError


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Limits; None sets none.

    Attributes:
        flash, ram: bytes.
        latency_us: microseconds an answer.
        energy_uj: microjoules an answer.
        cells: logic cells of an FPGA.
    """

    flash: int | None = None
    ram: int | None = None
    latency_us: float | None = None
    energy_uj: float | None = None
    cells: int | None = None


_BYTES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TIMES = {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
_ENERGIES = {"nJ": 1e-3, "uJ": 1.0, "µJ": 1.0, "mJ": 1e3, "J": 1e6}
_KEYS: dict[str, tuple[str, dict[str, int] | dict[str, float]]] = {
    "flash": ("flash", _BYTES),
    "ram": ("ram", _BYTES),
    "latency": ("latency_us", _TIMES),
    "energy": ("energy_uj", _ENERGIES),
}
_AMOUNT = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Zµ]*)")
_EXAMPLE = "Write it as flash=64kB,ram=16kB,latency=10ms,energy=2mJ"


def parse_budget(text: str, where: str = "--budget") -> Budget:
    """Read limits separated by commas; kB is 1000 bytes, KiB 1024.

    Args:
        text: such as 'flash=64kB,ram=16kB,latency=10ms'.
        where: for messages.

    Raises:
        InputError: for something that is no limit, has no unit or another's, is not above zero, or is said twice.
        UnknownNameError: for a quantity that is not known.
    """
    found: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, amount = (word.strip() for word in part.partition("="))
        if not equals:
            raise InputError("limits such as flash=64kB", repr(part), where, _EXAMPLE)
        if key not in _KEYS:
            raise UnknownNameError("limit", key, _KEYS, where)
        field, units = _KEYS[key]
        if field in found:
            raise InputError(f"one limit for {key}", "two", where)
        found[field] = _amount(amount, units, f"{where} {key}")
    if not found:
        raise InputError("limits such as flash=64kB", repr(text), where, _EXAMPLE)
    whole = {field: int(found[field]) for field in ("flash", "ram") if field in found}
    return Budget(**whole, latency_us=found.get("latency_us"), energy_uj=found.get("energy_uj"))


def parse_amount(key: str, amount: str, where: str) -> float:
    """One amount of a quantity in bytes, microseconds or microjoules; raises as `parse_budget`."""
    if key not in _KEYS:
        raise UnknownNameError("quantity", key, _KEYS, where)
    return _amount(amount, _KEYS[key][1], where)


def _amount(text: str, units: dict[str, int] | dict[str, float], where: str) -> float:
    match = _AMOUNT.fullmatch(text)
    known = ", ".join(units)
    if match is None:
        raise InputError(f"a number and one of {known}", repr(text), where)
    number, unit = match.groups()
    if unit not in units:
        raise InputError(f"one of the units {known}", repr(unit) if unit else "none", where)
    value = float(number) * units[unit]
    if not 0 < value < math.inf:
        raise InputError("an amount above zero", repr(text), where)
    return value
