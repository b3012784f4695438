"""Principal components: T² within the usual directions, Q outside of them, each in units of its limit."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, indented, mean_of_rows, score_lines


def _write(learnt: Learnt) -> Score:
    rows, (axes, channels) = int(learnt["rows"]), np.asarray(learnt["axes"]).shape
    mean, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i]")
    lines = score_lines(__file__, "pca.c", channels=channels, axes=axes, rows=rows, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "axes", "variances")}
    return Score(lines, {**tables, "limits": floats([learnt["t2_limit"], learnt["q_limit"]])}, state, counts)


WRITER = Writer(_write)
