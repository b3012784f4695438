"""Spectral residual: what stands out of the spectrum of the last rows."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, score_lines

# As Python has them: points from which the stream is prolonged, and by how many.
_SLOPE, _AHEAD = 5, 5


def _write(learnt: Learnt) -> Score:
    channels, samples, smooth = (int(learnt[name]) for name in ("channels", "samples", "smooth"))
    points = samples + _AHEAD
    half = points // 2 + 1
    # A mean over an odd number of places leaves the spectrum that of real numbers: half of it says all.
    whole = smooth % 2 == 0
    bins = points if whole else half
    sizes = {
        "samples": samples, "newest": samples - 1, "before": samples - 2, "first": samples - 2 - _SLOPE,
        "level": samples - 1 - _SLOPE, "slope": _SLOPE, "points": points, "half": half, "bins": bins, "whole": whole,
        "smooth": smooth, "from": smooth // 2 + 1 - smooth, "to": smooth // 2,
        # Half a spectrum counts twice but for its ends, which have no mirror image.
        "ends": f"f > 0 && 2 * f != {points}" if points % 2 == 0 else "f > 0",
    }  # fmt: skip
    turn = 2 * np.pi * np.arange(points) / points
    return Score(
        # Values are held within 1e37, so that the difference of the largest and the smallest is a number of float32.
        score_lines(__file__, "spectral_residual.c", channels=channels, samples=samples, newest=samples - 1),
        {"cosine": floats(np.cos(turn)), "sine": floats(np.sin(turn))},
        {"held": channels * samples, "values": points, "real": bins, "turned": bins, "logs": half},
        ("seen",),
        helpers=filled(parts(__file__, "spectral_residual.c")["helpers"], **sizes),
    )


WRITER = Writer(_write)
