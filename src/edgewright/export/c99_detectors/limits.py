"""Limits: the distance from the median as a share of that of the limit on the same side, of logarithms where learnt."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, score_lines


def _write(learnt: Learnt) -> Score:
    channels, logs = len(np.asarray(learnt["middle"])), bool((np.asarray(learnt["least"]) > 0).any())
    names = ("middle", "up", "down", *(("least",) if logs else ()))
    lines = score_lines(__file__, "limits.c", channels=channels, logs=logs)
    return Score(lines, {name: floats(learnt[name]) for name in names})


WRITER = Writer(_write)
