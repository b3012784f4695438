"""What a model takes of a device, each figure with its interval; its estimate, and the C that it was counted on."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.schema.budget import Budget
from edgewright.schema.html_table import html_table


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the model with its share: bytes of constants, bytes of its largest value, multiply-accumulates."""

    name: str
    constants: int
    values: int
    macs: int


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a device.

    Attributes:
        name: of the model.
        device: name of the profile; description: of it.
        found: with compiled sizes and counted instructions where there are any.
        before: the estimate that they replaced; equal to `found` where nothing was compiled.
        limits: of the device and of the budget asked for, the smaller of both.
        over: by how much it is beyond them, a sentence each.
        helps: what would help, where something is beyond.
        parts: stages, in order.
        notes: what was left out and why.
    """

    name: str
    device: str
    description: str
    found: Footprint
    before: Footprint
    limits: Budget
    over: tuple[str, ...]
    helps: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Show each figure with its interval and limit in a notebook."""
        found, limits = self.found, self.limits
        figures = (
            ("flash", found.flash, limits.flash),
            ("RAM", found.ram, limits.ram),
            ("instructions", found.instructions, None),
            ("latency", found.latency_us, limits.latency_us),
            ("energy", found.energy_uj, limits.energy_uj),
        )
        rows = [_row(name, spread, limit) for name, spread, limit in figures]
        return html_table(
            f"{self.name}, {found.form}, on {self.device}", ("figure", "value", "90 % interval", "limit", "how"), rows
        )


DUAL = "dual"
"""What kinds of work of code for two multipliers begin with."""
LANES = "lanes"
"""What kinds of work of code with a lane for each output channel begin with."""
OWN_FLOATS = "own"
"""What kinds of work on floats begin with where they are written for the float instructions of a core."""
DETECTOR = "detector"
"""What kinds of work of detectors begin with."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Generated C, counted before it is compiled.

    Attributes:
        name: of the model.
        constants: bytes of its tables, exact.
        values: bytes of static memory for values, exact.
        written: how often each kind of expression, loop or call stands in the code.
        run: how often each is worked out in one call.
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
    value, low, high = (_digits(one) for one in (spread.value, spread.low, spread.high))
    unit = "" if spread.unit == name else f" {spread.unit}"
    interval = f"{low} to {high}{unit}" if spread.low < spread.high else "exact"
    return (name, f"{value}{unit}", interval, "none" if limit is None else f"{_digits(limit)}{unit}", spread.how)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
