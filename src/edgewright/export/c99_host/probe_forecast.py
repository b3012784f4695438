"""A forecaster in generated C, driven over many values at once."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_host.probe import Files, compiled, driver, pointer
from edgewright.schema.errors import InputError


def forecasts(
    files: Files, name: str, compiler: str, values: NDArray[np.float64], ahead: int, levels: int
) -> NDArray[np.float64]:
    """Return what a forecaster in C foretells after each of n values, from the beginning.

    Args:
        files: as `write_forecaster_c99` gives them.
        name: prefix of their names.
        compiler: its command.
        values: shape (n,), NaN where missing.
        ahead: rows that are foretold.
        levels: intervals of a row in C.

    Returns:
        Shape (n, 1 + ahead * (1 + 2 levels)): rows without a value, and of each row ahead middle, lows and highs.

    Raises:
        InputError: the compiler refuses the code, or the code so many rows.
    """
    text = driver("probe_forecast.c", name)
    with compiled({**files, "probe.c": text}, compiler, ()) as path:
        run = ctypes.CDLL(str(path)).probe_forecast
    given, told = np.ascontiguousarray(values, np.float64), np.zeros((len(values), 1 + ahead * (1 + 2 * levels)))
    done = run(pointer(given), ctypes.c_int(len(given)), ctypes.c_int(ahead), pointer(told))
    if done != len(given):
        raise InputError(f"{ahead} rows ahead", f"a refusal at row {done}", "the forecaster in C")
    return told
