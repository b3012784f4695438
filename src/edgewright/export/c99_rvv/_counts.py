"""What a call of a function in lanes works out, by its settings and by how many taps lie within the image."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from edgewright.export.c99_code.loops import Places, Turns
from edgewright.export.c99_rvv._functions import TURN

FUNCTIONS = frozenset({"filters", "planes"})
"""What names of these functions begin with; which rounding they have and whether they take a zero point off follows."""
_CHANNELS = re.compile(r"static const \w+ layer = \{(?:[^,]+, ){4}(\d+), ")
# Channels that the sums in eight registers are of, with the shortest vectors of the instruction set: 128 bits.
_STRIP = 32


def channels_of(line: str) -> int:
    """Return output channels where a line is a layer's settings, else 0."""
    found = _CHANNELS.search(line)
    return int(found[1]) if found else 0


def lane_counts(name: str, arguments: Sequence[str], channels: int, now: Turns, places: Places) -> dict[str, float]:
    """Return how often each kind of work is done at all calls of a line.

    Args:
        name: of the function, without that of the program.
        arguments: of the call.
        channels: of the output.
        now: how often the line runs.
        places: what the numbers in the line are.
    """
    each, rows, run = np.broadcast_arrays(now.each, places.number(arguments[2]), places.number(arguments[3]))
    sort, rounding, *less = name.split("_")
    strips = -(-channels // _STRIP)
    every = each * strips * rows
    parts = {"turn": run // TURN, "rest": run % TURN} if sort == "filters" else {"tap": run}
    counts = {f"{sort} strip": now.total * strips, f"{sort} row": float(every.sum())}
    counts |= {f"{sort} {kind}": float((every * count).sum()) for kind, count in parts.items()}
    if rounding == "twice":
        counts["rounded twice"] = now.total * strips
    if less:
        counts["zero point"] = float((every * run).sum())
    return counts
