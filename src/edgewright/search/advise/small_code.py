"""What a detector or a forecaster takes of a device, from the C that would be written of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgewright.export._c_detector import detector_form
from edgewright.export.c99_forecast import memory_of
from edgewright.export.detector_program import detector_program
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.profiles.cores import core, weighed
from edgewright.profiles.footprint import program_footprint, takes_programs
from edgewright.profiles.small_programs import Written, engine_footprint, written_footprint
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.footprint import Footprint
from edgewright.schema.profile import Profile

# What an engine on a system does is taken from what a program does on this core.
_REFERENCE = "cortex-m4"
Price = Callable[[Profile], Footprint | None]
# Forecasters 12 and 24 rows ahead with 8 and 13 lags: bytes of code and stack on a Cortex-M4; instructions a value that
# comes out (the forecast and both ends of each interval) there and on a Cortex-M0+; the same with a logarithm.
_FORECASTERS = {"level": (3_600, 116, 164.0, 562.0), "log": (6_300, 176, 2_180.0, 5_800.0)}
# Instructions a lag and row, there and there.
_A_LAG = (11.3, 210.0)


def unknown(_: Profile) -> None:
    """Of what has no form in C, or none that was measured."""


def detector_price(kind: str, learnt: Mapping[str, Any], columns: tuple[str, ...]) -> Price:
    """Price a fitted detector of rows: its generated C is counted, and weighed as of other programs.

    Args:
        kind: of the detector.
        learnt: what it learnt.
        columns: channels of a row.

    Returns:
        The footprint by profile; `unknown` of a detector that has no form in C.
    """
    try:
        program = detector_program(detector_form(kind, learnt, columns=columns, threshold=1.0))
    except EdgewrightError:
        return unknown

    def price(profile: Profile) -> Footprint:
        if takes_programs(profile):
            return program_footprint(profile, program, form="float")
        instructions = weighed(core(_REFERENCE).instructions, program.run)
        return engine_footprint(profile, program.constants, program.values, instructions)

    return price


def forecaster_price(made: ForecasterFile) -> Price:
    """Return the footprint of a fitted forecaster that takes a row in and forecasts its horizon, by profile."""
    spec, model = made.spec, made.spec.model
    flash, ram = memory_of(made)
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
        source="forecasters of 12 and 24 rows ahead, compiled and counted",
    )
    return lambda profile: written_footprint(profile, written)
