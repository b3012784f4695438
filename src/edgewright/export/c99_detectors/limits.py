"""Limits: the distance from the median as a share of that of the limit on the same side, of logarithms where learnt."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import FAR, Learnt, Score, Writer, floats


def _write(learnt: Learnt) -> Score:
    channels, logs = len(np.asarray(learnt["middle"])), bool((np.asarray(learnt["least"]) > 0).any())
    compared = "@_least[i] > 0.0f ? logf(x > @_least[i] ? x : @_least[i]) : x" if logs else "x"
    lines = (
        "float most = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    const float x = row[i];",
        "    context->parts[i] = 0.0f;",
        "    if (@_finite(x)) {",
        f"        const float away = ({compared}) - @_middle[i];",
        "        const float share = away > 0.0f ? away / @_up[i] : -away / @_down[i];",
        f"        context->parts[i] = @_bounded(share, {FAR});",
        "        most = context->parts[i] > most ? context->parts[i] : most;",
        "    }",
        "}",
        "return most;",
    )
    names = ("middle", "up", "down", *(("least",) if logs else ()))
    return Score(lines, {name: floats(learnt[name]) for name in names})


WRITER = Writer(_write)
