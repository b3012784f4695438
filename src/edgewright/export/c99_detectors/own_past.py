"""A stream against its own past: level, shift, the range, and the time of day where the time of a row is told."""

from __future__ import annotations

import math

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, score_lines, season_of

_DAY = 86400.0  # s


def _write(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    bins, warm = int(config["bins"]), int(config["warm_up"])
    names = ("near", "fast", "slow", "short", "deviations", "beyond", "leak", "forget")
    rates = {name: number(float(config[name])) for name in names} | {"past": number(1 / config["past"])}
    # Rows are counted as far as a rate or the warm-up asks; float32 holds them exactly.
    maximum = min(2**24, max(config["past"], math.ceil(1 / config["slow"]), warm) + 2)
    numbers = {
        **rates, "channels": channels, "bins": bins, "warm": warm, "maximum": maximum,
        # Values of a part of the day are counted as far as their rate asks.
        "enough": math.ceil(1 / config["forget"]) + 1,
    }  # fmt: skip
    lines = score_lines(__file__, "own_past.c", **numbers)
    state = dict.fromkeys(("first", "seen", "low", "high", "near", "fast", "slow"), channels)
    state |= dict.fromkeys(("level", "shift"), 3 * channels)
    helpers = filled(parts(__file__, "own_past.c")["unusual"], **numbers)
    first = {"if (context->seen[i] == 0.0f)": 0.0}
    if not bins:
        return Score(lines, {}, state, helpers=helpers, often=first)
    state |= {"day": 3 * channels, "timed": channels} | dict.fromkeys(("means", "counts"), bins * channels)
    return Score(lines, {}, state, helpers=helpers, season=season_of(_DAY, bins, "own_past"), often=first)


WRITER = Writer(_write)
