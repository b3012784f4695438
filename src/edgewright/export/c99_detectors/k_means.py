"""Distance to the nearest of a few centres."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, score_lines


def _write(learnt: Learnt) -> Score:
    count, channels = np.asarray(learnt["centres"]).shape
    lines = score_lines(__file__, "k_means.c", count=count, channels=channels)
    return Score(lines, {name: floats(learnt[name]) for name in ("mean", "deviation", "centres")})


WRITER = Writer(_write)
