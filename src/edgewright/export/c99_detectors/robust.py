"""Robust z-scores."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, mean_of_rows
from edgewright.schema.errors import InputError


def _write(learnt: Learnt) -> Score:
    centre, unit = np.asarray(learnt["centre"]), np.asarray(learnt["unit"])
    bins, channels = centre.shape
    if bins > 1:
        raise InputError(
            "one median a channel", f"{bins}, by the time of day", "detector robust in C",
            "Fit it with season = 0: a row that is pushed has no time",
        )  # fmt: skip
    lines, state, counts = mean_of_rows(int(learnt["mean"]), channels, "(x - @_centre[i]) / @_unit[i]")
    lines += [
        "float most = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    @_now.parts[i] = fabsf(z[i]);",
        "    most = @_now.parts[i] > most ? @_now.parts[i] : most;",
        "}",
        "return most;",
    ]
    return Score(tuple(lines), {"centre": floats(centre), "unit": floats(unit)}, state, counts)


WRITER = Writer(_write)
