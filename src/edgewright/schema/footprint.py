"""What a model takes of a device, each figure with the interval it should lie in."""

from __future__ import annotations

from typing import Literal

import msgspec

# 'estimated': from the model's operators; 'compiled', 'counted': by the toolchain, instructions under emulation;
# 'modelled': cycles or energy from instructions, unverified on silicon; 'measured': on a board; 'at least': the tables
# and values of a program that estimates were not fitted on.
How = Literal["estimated", "at least", "compiled", "counted", "modelled", "measured"]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its interval.

    Attributes:
        value: the figure.
        low, high: interval of 90 %; equal to the value where it was compiled or counted.
        unit: 'B', 'instructions', 'us' or 'uJ'.
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
    """

    profile: str
    form: str
    flash: Spread
    ram: Spread
    instructions: Spread | None
    latency_us: Spread | None
    energy_uj: Spread | None = None
    notes: tuple[str, ...] = ()
