"""A stream against its own past: level, shift, the range, and the time of day where the time of a row is told."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, score_lines, season_of
from edgewright.monitor.detectors.own_past import OwnPast

_DAY = 86400.0  # s


def _write(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    bins, warm = int(config["bins"]), int(config["warm_up"])
    names = ("near", "fast", "slow", "short", "deviations", "beyond", "leak", "forget")
    rates = {name: number(float(config[name])) for name in names} | {"past": number(1 / config["past"])}
    # Rows are counted as far as a rate or the warm-up asks; float32 holds them exactly.
    maximum = min(2**24, max(config["past"], math.ceil(1 / config["slow"]), warm) + 2)
    enough = math.ceil(1 / config["forget"]) + 1
    numbers = {
        **rates, "channels": channels, "bins": bins, "warm": warm, "maximum": maximum,
        # Values of a part of the day are counted as far as their rate asks.
        "enough": enough,
    }  # fmt: skip
    lines = score_lines(__file__, "own_past.c", **numbers)
    state = dict.fromkeys(("first", "seen", "low", "high", "near", "fast", "slow"), channels)
    state |= dict.fromkeys(("level", "shift"), 3 * channels)
    helpers = filled(parts(__file__, "own_past.c")["unusual"], **numbers)
    first = {"if (context->seen[i] == 0.0f)": 0.0}
    begin = _begin(learnt, maximum, enough) if "past" in learnt else {}
    if not bins:
        return Score(lines, {}, state, begin=begin, helpers=helpers, often=first)
    state |= {"day": 3 * channels, "timed": channels} | dict.fromkeys(("means", "counts"), bins * channels)
    return Score(lines, {}, state, begin=begin, helpers=helpers, season=season_of(_DAY, bins, "own_past"), often=first)


def _begin(learnt: Learnt, maximum: int, enough: int) -> dict[str, NDArray[np.float32]]:
    """Return the past of all channels as the state has it: values relative to the level at its end."""
    channels = OwnPast(dict(learnt)).remembered
    first = [np.float32(channel.near) for channel in channels]
    begin: dict[str, list[float]] = {"first": [float(value) for value in first]}
    begin["seen"] = [min(channel.rows, maximum) for channel in channels]
    for name in ("low", "high", "near", "fast", "slow"):
        begin[name] = [getattr(c, name) - float(level) for c, level in zip(channels, first, strict=True)]
    for name in ("level", "shift", *(("day",) if channels[0].means else ())):
        begin[name] = [value for channel in channels for value in getattr(channel, name)]
    if channels[0].means:
        begin["timed"] = [min(channel.timed, maximum) for channel in channels]
        begin["means"] = [
            mean - float(level) if seen else 0.0
            for c, level in zip(channels, first, strict=True)
            for mean, seen in zip(c.means, c.counts, strict=True)
        ]
        begin["counts"] = [min(seen, enough) for channel in channels for seen in channel.counts]
    return {name: np.array(values, np.float32) for name, values in begin.items()}


WRITER = Writer(_write)
