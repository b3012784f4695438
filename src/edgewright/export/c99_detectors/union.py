"""The union: leaky range, shifted mean, and the time of day where the time of a row is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgewright.export._c_text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, season_of

_DAY = 86400.0  # s
# As Python has it: values until the usual residual is a mean over a sliding past.
_SLOW_RESIDUAL = 1000


def _write(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    bins = int(config["bins"])
    leak, beyond, fast, slow, shift = (
        number(float(config[name])) for name in ("leak", "beyond", "fast", "slow", "shift")
    )
    # Rows are counted as far as a rate or the warm-up asks; float32 holds them exactly.
    most = min(2**24, int(max(1 / config["slow"], 1 / config["fast"], config["warm_up"])) + 2)
    lines = (
        "float most = 0.0f;",
        "int learning = 1;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    @_now.parts[i] = 0.0f;",
        "    if (!@_finite(row[i])) {",
        "        continue;",
        "    }",
        "    /* Relative to the first value, so that float32 keeps what leaks from a range far from zero. */",
        "    if (@_now.seen[i] == 0.0f) {",
        "        @_now.first[i] = row[i];",
        "    }",
        "    /* No square passes float32: one broken number must not be remembered for ever. */",
        "    const float x = @_bounded(row[i] - @_now.first[i], 1e18f);",
        f"    @_now.seen[i] += @_now.seen[i] < {most}.0f ? 1.0f : 0.0f;",
        "    const float width = @_now.high[i] - @_now.low[i];",
        "    const float above = x - @_now.high[i], below = @_now.low[i] - x;",
        "    const float outside = above > 0.0f ? above : below > 0.0f ? below : 0.0f;",
        "    @_now.high[i] = above > 0.0f ? x : @_now.high[i];",
        "    @_now.low[i] = below > 0.0f ? x : @_now.low[i];",
        f"    const float leak = {leak} * (@_now.high[i] - @_now.low[i]);",
        "    @_now.high[i] -= leak;",
        "    @_now.low[i] += leak;",
        f"    float score = (width > 0.0f ? outside / width : outside > 0.0f ? 1.0f : 0.0f) / {beyond};",
        "    const float rate = 1.0f / @_now.seen[i];",
        f"    const float fast = rate > {fast} ? rate : {fast}, slow = rate > {slow} ? rate : {slow};",
        "    @_now.near[i] += fast * (x - @_now.near[i]);",
        "    const float step = x - @_now.mean[i], variance = @_now.variance[i];",
        "    const float apart = fabsf(@_now.near[i] - @_now.mean[i]);",
        f"    const float shift = variance > 0.0f ? apart / sqrtf(variance * {fast}) / {shift} : 0.0f;",
        "    @_now.mean[i] += slow * step;",
        "    @_now.variance[i] += slow * (step * step * (1.0f - slow) - variance);",
        "    score = shift > score ? shift : score;",
        *(_day(config) if bins else ()),
        f"    if (@_now.seen[i] > {config['warm_up']}.0f) {{",
        "        learning = 0;",
        "        @_now.parts[i] = score;",
        "        most = score > most ? score : most;",
        "    }",
        "}",
        "return learning ? NAN : most;",
    )
    names = ("first", "seen", "low", "high", "near", "mean", "variance")
    state = dict.fromkeys(names, channels)
    if not bins:
        return Score(lines, {}, state)
    state |= {"timed": channels, "usual": channels}
    state |= dict.fromkeys(("means", "variances", "counts"), bins * channels)
    return Score(lines, {}, state, season=season_of(_DAY, bins, "union"))


def _day(config: Mapping[str, Any]) -> list[str]:
    """The value against others of its part of the day."""
    forget, calm, residual = (number(float(config[name])) for name in ("forget", "calm", "residual"))
    return [
        "    if (@_now.part != 0u) {",
        f"        const int at = {config['bins']} * i + (int)@_now.part - 1;",
        "        const float before = @_now.counts[at];",
        # Counted as far as the rate asks.
        f"        @_now.counts[at] += before < {math.ceil(1 / config['forget']) + 1}.0f ? 1.0f : 0.0f;",
        "        if (before == 0.0f) {",
        "            @_now.means[at] = x;",
        "        } else {",
        "            const float far = x - @_now.means[at], own = 1.0f / (before + 1.0f);",
        f"            const float unit = sqrtf(@_now.variances[at]) + {calm} * @_now.usual[i];",
        f"            const float part = own > {forget} ? own : {forget};",
        "            @_now.means[at] += part * far;",
        "            @_now.variances[at] += part * (far * far * (1.0f - part) - @_now.variances[at]);",
        f"            @_now.timed[i] += @_now.timed[i] < {_SLOW_RESIDUAL}.0f ? 1.0f : 0.0f;",
        "            @_now.usual[i] += (fabsf(far) - @_now.usual[i]) / @_now.timed[i];",
        f"            const float day = unit > 0.0f ? fabsf(far) / unit / {residual} : 0.0f;",
        "            score = day > score ? day : score;",
        "        }",
        "    }",
    ]


WRITER = Writer(_write)
