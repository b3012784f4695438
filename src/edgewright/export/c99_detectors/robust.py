"""Robust z-scores, by the part of a season where that matters."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, mean_of_rows, season_of


def _write(learnt: Learnt) -> Score:
    centre, unit = np.asarray(learnt["centre"]), np.asarray(learnt["unit"])
    bins, channels = centre.shape
    season = season_of(float(learnt["season"]), bins, "robust") if bins > 1 else None
    at = f"{channels} * part + i" if season else "i"
    lines, state, counts = mean_of_rows(int(learnt["mean"]), channels, f"(x - @_centre[{at}]) / @_unit[{at}]")
    if season:
        # What has no known time is judged as the first part, as in Python.
        lines.insert(0, "const int part = context->part > 0u ? (int)context->part - 1 : 0;")
    lines += [
        "float most = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    context->parts[i] = fabsf(z[i]);",
        "    most = context->parts[i] > most ? context->parts[i] : most;",
        "}",
        "return most;",
    ]
    return Score(tuple(lines), {"centre": floats(centre), "unit": floats(unit)}, state, counts, season=season)


WRITER = Writer(_write)
