"""Residuals of a vector autoregression: the largest mean residual of a channel, in its units."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, indented, mean_of_rows, score_lines


def _write(learnt: Learnt) -> Score:
    channels, order, rows = len(np.asarray(learnt["weights"])), int(learnt["order"]), int(learnt["rows"])
    inputs = order * channels
    mean, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i] - foretold[i]")
    lines = score_lines(
        __file__, "var.c", channels=channels, order=order, rows=rows, inputs=inputs, stride=inputs + 1,
        kept=inputs - channels, mean=indented(mean),
    )  # fmt: skip
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "weights", "unit")}
    return Score(lines, tables, {**state, "last": inputs}, (*counts, "seen"))


WRITER = Writer(_write)
