"""What a detector or a forecaster takes of a device, from the C that would be written of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgewright.export._c_detector import detector_form
from edgewright.export.c99_forecast import memory_of
from edgewright.profiles.written import Written, written_footprint
from edgewright.runtime.forecasting.forecaster_file import ForecasterFile
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.footprint import Footprint
from edgewright.schema.profile import Profile

Price = Callable[[Profile], Footprint | None]
# Detectors of three channels on a Cortex-M4 (docs/adr/0023): bytes of code, bytes of constants and state, and
# instructions a row.
_DETECTORS = {
    "robust": (456, 44, 164),
    "pca": (780, 100, 389),
    "k_means": (848, 140, 695),
    "var": (1_608, 400, 855),
    "half_space_trees": (1_361, 20_607, 8_242),
    "spectral_residual": (3_228, 2_040, 178_033),
    "own_past": (2_596, 804, 1_189),
}
# The same on a core that works floats out by library functions, as many times.
_SLOWER = 19.0
# Forecasters 12 and 24 rows ahead with 8 and 13 lags: bytes of code and stack on a Cortex-M4; instructions a value that
# comes out (the forecast and both ends of each interval) there and on a Cortex-M0+; the same with a logarithm.
_FORECASTERS = {"level": (3_600, 116, 164.0, 562.0), "log": (6_300, 176, 2_180.0, 5_800.0)}
# Instructions a lag and row, there and there.
_A_LAG = (11.3, 210.0)


def unknown(_: Profile) -> None:
    """Of what has no form in C, or none that was measured."""


def detector_price(kind: str, learnt: Mapping[str, Any], columns: tuple[str, ...]) -> Price:
    """The footprint of a fitted detector that judges rows, by profile.

    Args:
        kind: of the detector.
        learnt: what it learnt.
        columns: channels of a row.
    """
    if kind not in _DETECTORS:
        return unknown
    try:
        form = detector_form(kind, learnt, columns=columns, threshold=1.0)
    except EdgewrightError:
        return unknown
    constants = sum(table.nbytes for table in form.tables().values())
    code, numbers, instructions = _DETECTORS[kind]
    share = (constants + form.ram) / numbers
    written = Written(
        constants=constants,
        values=form.ram,
        code=code,
        stack=120.0 + 24.0 * len(columns),
        library=3_500.0,
        instructions=instructions * share,
        by_library=instructions * share * _SLOWER,
        source=f"a {kind} detector of 3 channels, compiled and counted",
    )
    return lambda profile: written_footprint(profile, written)


def forecaster_price(made: ForecasterFile) -> Price:
    """The footprint of a fitted forecaster that takes a row in and forecasts its horizon, by profile."""
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
