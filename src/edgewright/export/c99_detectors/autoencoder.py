"""An autoencoder: its network is generated like any other, and what it cannot give back is odd."""

from __future__ import annotations

import numpy as np

from edgewright.core.onnx.reader import read_onnx
from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, indented, mean_of_rows, score_lines


def _write(learnt: Learnt) -> Score:
    rows, channels = int(learnt["rows"]), len(np.asarray(learnt["mean"]))
    answer = "answer.prediction[i]" if channels > 1 else "answer.prediction"
    mean, state, counts = mean_of_rows(rows, channels, f"(x - @_mean[i]) / @_deviation[i] - {answer}")
    lines = score_lines(__file__, "autoencoder.c", channels=channels, rows=rows, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "unit")}
    network = read_onnx(np.asarray(learnt["model"], np.uint8).tobytes())
    return Score(lines, tables, state, counts, network=network)


WRITER = Writer(_write)
