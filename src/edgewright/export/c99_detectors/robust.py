"""Robust z-scores, by the part of a season where that matters."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import (
    Learnt,
    Score,
    Writer,
    floats,
    indented,
    mean_of_rows,
    score_lines,
    season_of,
)


def _write(learnt: Learnt) -> Score:
    bins, channels = np.asarray(learnt["centre"]).shape
    season = season_of(float(learnt["season"]), bins, "robust") if bins > 1 else None
    at = f"{channels} * part + i" if season else "i"
    mean, state, counts = mean_of_rows(int(learnt["mean"]), channels, f"(x - @_centre[{at}]) / @_unit[{at}]")
    # What has no known time is judged as the first part, as in Python.
    lines = score_lines(__file__, "robust.c", channels=channels, season=season is not None, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("centre", "unit")}
    return Score(lines, tables, state, counts, season=season)


WRITER = Writer(_write)
