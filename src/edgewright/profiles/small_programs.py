"""What C takes whose steps nobody counts: forecasters, by what such programs were measured with.

Constants and static memory are those of the code, and exact. Its machine code and instructions were compiled and
counted on a Cortex-M4 and a Cortex-M0+ with arm-none-eabi-gcc -O2; other sizes of the same kind are taken in
proportion. Too few were measured for a bar of past misses: it is assumed as ±100 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.profiles.footprint import UNVERIFIED, Load, energy, on_system, program_latency, takes_programs
from edgewright.schema.footprint import Footprint, Spread
from edgewright.schema.profile import Profile

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
