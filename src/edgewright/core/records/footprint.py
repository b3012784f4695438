"""What a model takes of a device, each figure with its interval; and limits as a person writes them (`flash=64kB`)."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from edgewright.core.errors import BudgetFormatError, UnknownNameError
from edgewright.core.formatting import html_table


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


def parse_budget(text: str) -> Budget:
    """Read limits separated by commas; kB is 1000 bytes, KiB 1024.

    Args:
        text: such as 'flash=64kB,ram=16kB,latency=10ms'.

    Raises:
        InputError: for something that is no limit, has no unit or another's, is not above zero, or is said twice.
        UnknownNameError: for a quantity that is not known.
    """
    where, limits = "--budget", dict[str, float]()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, amount = (word.strip() for word in part.partition("="))
        if not equals:
            raise BudgetFormatError("limits such as flash=64kB", repr(part), where, _EXAMPLE)
        if key not in _KEYS:
            raise UnknownNameError("limit", key, _KEYS, where)
        field, units = _KEYS[key]
        if field in limits:
            raise BudgetFormatError(f"one limit for {key}", "two", where)
        limits[field] = _amount(amount, units, f"{where} {key}")
    if not limits:
        raise BudgetFormatError("limits such as flash=64kB", repr(text), where, _EXAMPLE)
    whole = {field: int(limits[field]) for field in ("flash", "ram") if field in limits}
    return Budget(**whole, latency_us=limits.get("latency_us"), energy_uj=limits.get("energy_uj"))


def parse_amount(key: str, amount: str, where: str) -> float:
    """One amount of a quantity in bytes, microseconds or microjoules; raises as `parse_budget`."""
    if key not in _KEYS:
        raise UnknownNameError("quantity", key, _KEYS, where)
    return _amount(amount, _KEYS[key][1], where)


def _amount(text: str, units: dict[str, int] | dict[str, float], where: str) -> float:
    match = _AMOUNT.fullmatch(text)
    known = ", ".join(units)
    if match is None:
        raise BudgetFormatError(f"a number and one of {known}", repr(text), where)
    number, unit = match.groups()
    if unit not in units:
        raise BudgetFormatError(f"one of the units {known}", repr(unit) if unit else "none", where)
    value = float(number) * units[unit]
    if not 0 < value < math.inf:
        raise BudgetFormatError("an amount above zero", repr(text), where)
    return value


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the model with its share: bytes of constants, bytes of its largest value, multiply-accumulates."""

    name: str
    constants: int
    values: int
    macs: int


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a device.

    Attributes:
        name: name of the model.
        device: name of the profile; description: of it.
        footprint: with compiled sizes and counted instructions where there are any.
        before: the estimate that they replaced; equal to `footprint` where nothing was compiled.
        limits: of the device and of the budget asked for, the smaller of both.
        over: by how much it is beyond them, a sentence each.
        helps: what would help, where something is beyond.
        parts: stages, in order.
        notes: what was left out and why.
    """

    name: str
    device: str
    description: str
    footprint: Footprint = msgspec.field(name="found")
    before: Footprint
    limits: Budget
    over: tuple[str, ...]
    helps: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        footprint, limits = self.footprint, self.limits
        figures = (
            ("flash", footprint.flash, limits.flash),
            ("RAM", footprint.ram, limits.ram),
            ("instructions", footprint.instructions, None),
            ("latency", footprint.latency_us, limits.latency_us),
            ("energy", footprint.energy_uj, limits.energy_uj),
        )
        rows = [_row(name, spread, limit) for name, spread, limit in figures]
        return html_table(
            f"{self.name}, {footprint.form}, on {self.device}",
            ("figure", "value", "90 % interval", "limit", "how"),
            rows,
        )


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Size and work of generated C before it is compiled.

    Attributes:
        name: name of the model.
        constants: bytes of its tables, exact.
        values: bytes of static memory for values, exact.
        written: counts of the code: operators, lines and library functions.
        run: counts of the work of one call, by the shapes of the operators.
        network: bytes of the tables that the integer network reads; 0 for a float one.
    """

    name: str
    constants: int
    values: int
    written: dict[str, float]
    run: dict[str, float]
    network: int = 0


# 'estimated': from the model's operators; 'compiled', 'counted': by the toolchain, instructions under emulation;
# 'modelled': cycles or energy from instructions, unverified on silicon; 'measured': on a board; 'at least': the tables
# and values of a program that estimates were not fitted on.
How = Literal["estimated", "at least", "compiled", "counted", "modelled", "measured"]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its interval.

    Attributes:
        value: the figure.
        low, high: interval of 90 %; equal to the value where it was compiled or counted.
        unit: 'B', 'instructions', 'us', 'uJ' or 'cells'.
        how: where the figure is from.
        source: what the interval rests on.
    """

    value: float
    low: float
    high: float
    unit: str
    how: How
    source: str = ""


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one device.

    Attributes:
        profile: name of the device.
        form: 'int8', 'int4' or 'float': how the network's weights are held.
        flash: bytes of code and constants; on a device with a system, of model and engine.
        ram: bytes of static memory and stack.
        instructions: of one answer; None where it is none of the programs that estimates were fitted on.
        latency_us: of one answer; None as well.
        energy_uj: of one answer; None where the profile knows no power.
        notes: what the figures leave open.
        cells: logic cells of an FPGA; None elsewhere.
    """

    profile: str
    form: str
    flash: Spread
    ram: Spread
    instructions: Spread | None
    latency_us: Spread | None
    energy_uj: Spread | None = None
    notes: tuple[str, ...] = ()
    cells: Spread | None = None


def _row(name: str, spread: Spread | None, limit: float | None) -> tuple[str, ...]:
    if spread is None:
        return (name, "not known", "", "", "")
    value, low, high = (_digits(figure) for figure in (spread.value, spread.low, spread.high))
    unit = "" if spread.unit == name else f" {spread.unit}"
    interval = f"{low} to {high}{unit}" if spread.low < spread.high else "exact"
    return (name, f"{value}{unit}", interval, "none" if limit is None else f"{_digits(limit)}{unit}", spread.how)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
