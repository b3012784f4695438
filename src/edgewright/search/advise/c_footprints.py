"""Footprint of a detector or forecaster on a device, estimated from its generated C code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgewright.export.c99_detectors._source import detector_form
from edgewright.export.c99_stream.forecast import memory_of
from edgewright.export.detector_program import detector_program
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.profiles.cores import core, weighed
from edgewright.profiles.footprint import program_footprint, takes_programs
from edgewright.profiles.small_programs import Written, engine_footprint, written_footprint
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.footprint import Footprint
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
