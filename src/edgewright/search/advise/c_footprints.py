"""Footprint of a detector or forecaster on a device, estimated from its generated C code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.export.c99_detectors._source import detector_form
from edgewright.export.c99_stream.forecast import memory_of
from edgewright.export.detector_program import detector_program
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.profiles.cores import core, weighed
from edgewright.profiles.footprint import (
    UNVERIFIED,
    Load,
    energy,
    on_system,
    program_footprint,
    program_latency,
    takes_programs,
)
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.footprint import Footprint, Spread
from edgewright.schema.profile import Profile

# Instruction counts on devices with an operating system are estimated with the counts of this core.
_REFERENCE = "cortex-m4"
Price = Callable[[Profile], Footprint | None]
# Measured on forecasters 12 and 24 rows ahead with 8 and 13 lags: bytes of code and of stack (with what the C library
# keeps) on a Cortex-M4, then instructions per output value (forecast and interval bounds) on a Cortex-M4 and a
# Cortex-M0+; without and with a logarithm.
_FORECASTERS = {"level": (3_600, 116, 164.0, 889.0), "log": (6_300, 300, 2_180.0, 6_355.0)}
# Instructions per lag and row on a Cortex-M4 and a Cortex-M0+.
_A_LAG = (11.3, 210.0)


def detector_price(kind: str, learnt: Mapping[str, Any], columns: tuple[str, ...]) -> Price:
    """Return a function that estimates the footprint of a fitted detector from its generated C code.

    Args:
        kind: kind of the detector.
        learnt: fitted state of the detector.
        columns: column names of a row.

    Returns:
        Function from a profile to the footprint, which is None for a detector that cannot be exported to C.
    """
    try:
        program = detector_program(detector_form(kind, learnt, columns=columns, threshold=1.0))
    except EdgewrightError:
        return lambda _: None

    def price(profile: Profile) -> Footprint:
        if takes_programs(profile):
            return program_footprint(profile, program, form="float")
        instructions = weighed(core(_REFERENCE).instructions, program.run)
        return engine_footprint(profile, program.constants, program.values, instructions)

    return price


def forecaster_price(forecaster: ForecasterFile) -> Price:
    """Return a function that estimates the footprint of a fitted forecaster on a profile."""
    spec, model = forecaster.spec, forecaster.spec.model
    flash, ram = memory_of(forecaster)
    code, stack, *a_value = _FORECASTERS["log" if model.scale == "log" else "level"]
    lags = sum(len(part.lags) for part in model.parts)
    fast, slow = (
        lag * spec.horizon * lags + value * spec.horizon * (1 + 2 * len(spec.levels))
        for lag, value in zip(_A_LAG, a_value, strict=True)
    )
    written = Written(
        constants=flash,
        values=ram,
        code=code,
        stack=stack,
        library=8_000.0,
        instructions=fast,
        by_library=slow,
        source="instruction counts of compiled forecasters, 12 and 24 rows ahead",
    )
    return lambda profile: written_footprint(profile, written)


# What C takes whose steps nobody counts: forecasters, by what such programs were measured with.
#
# Constants and static memory are those of the code, and exact. Its machine code and instructions were compiled and
# counted on a Cortex-M4 and a Cortex-M0+ with arm-none-eabi-gcc -O2; other sizes of the same kind are taken in
# proportion. Too few were measured for a bar of past misses: it is assumed as ±100 %.
# Cycles a float product and sum from which on a core is taken to have no floating-point unit (a Cortex-M0+ has 150).
_BY_LIBRARY = 50.0
# Instructions a multiply-accumulate, for an engine on a system: cycles of a Cortex-M4.
_MACS = 8.0


@dataclass(frozen=True)
class Written:
    """Generated C of floats.

    Attributes:
        constants, values: bytes of tables and of static memory, exact.
        code, stack: bytes, on a core with a floating-point unit.
        library: bytes of functions for floats that a core without one brings along.
        instructions: of one answer there.
        by_library: of one answer on a core that works floats out by library functions.
        source: what code and instructions rest on.
    """

    constants: int
    values: int
    code: float
    stack: float
    library: float
    instructions: float
    by_library: float
    source: str


def without_floats(profile: Profile) -> bool:
    """Return whether floats are worked out by library functions there."""
    return profile.macs_float.value >= _BY_LIBRARY


def written_footprint(profile: Profile, written: Written) -> Footprint:
    """Return what it takes of a device; on one with an operating system, what an engine that does as much takes."""
    if not takes_programs(profile):
        return engine_footprint(profile, written.constants, written.values, written.instructions)
    slow = without_floats(profile)
    instructions = _wide(written.by_library if slow else written.instructions, "instructions", written.source)
    latency = program_latency(profile, instructions)
    code = written.code + (written.library if slow else 0.0)
    return Footprint(
        profile=profile.name,
        form="float",
        flash=_wide(code, "B", written.source, written.constants),
        ram=_wide(written.stack, "B", written.source, written.values),
        instructions=instructions,
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=(UNVERIFIED, f"code and instructions in proportion to {written.source}: ±100 % is assumed"),
    )


def engine_footprint(profile: Profile, constants: int, values: int, instructions: float) -> Footprint:
    """Estimate an engine on an operating system that does as much as a program of floats does on a Cortex-M4.

    Args:
        profile: of the device.
        constants: bytes of tables.
        values: bytes of memory.
        instructions: of the program.
    """
    return on_system(profile, Load(constants, values, round(instructions / _MACS), 0), form="float")


def _wide(value: float, unit: str, source: str, exact: int = 0) -> Spread:
    """Return an estimate of which only `exact` is sure."""
    return Spread(
        value=exact + value, low=exact, high=exact + 2 * value, unit=unit, how="estimated",
        source=f"{source}; ±100 % assumed",
    )  # fmt: skip
