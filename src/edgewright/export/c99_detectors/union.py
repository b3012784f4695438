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
        "    context->parts[i] = 0.0f;",
        "    if (!@_finite(row[i])) {",
        "        continue;",
        "    }",
        "    /* Relative to the first value, so that float32 keeps what leaks from a range far from zero. */",
        "    if (context->seen[i] == 0.0f) {",
        "        context->first[i] = row[i];",
        "    }",
        "    /* No square passes float32: one broken number must not be remembered for ever. */",
        "    const float x = @_bounded(row[i] - context->first[i], 1e18f);",
        f"    context->seen[i] += context->seen[i] < {most}.0f ? 1.0f : 0.0f;",
        "    const float width = context->high[i] - context->low[i];",
        "    const float above = x - context->high[i], below = context->low[i] - x;",
        "    const float outside = above > 0.0f ? above : below > 0.0f ? below : 0.0f;",
        "    context->high[i] = above > 0.0f ? x : context->high[i];",
        "    context->low[i] = below > 0.0f ? x : context->low[i];",
        f"    const float leak = {leak} * (context->high[i] - context->low[i]);",
        "    context->high[i] -= leak;",
        "    context->low[i] += leak;",
        f"    float score = (width > 0.0f ? outside / width : outside > 0.0f ? 1.0f : 0.0f) / {beyond};",
        "    const float rate = 1.0f / context->seen[i];",
        f"    const float fast = rate > {fast} ? rate : {fast}, slow = rate > {slow} ? rate : {slow};",
        "    context->near[i] += fast * (x - context->near[i]);",
        "    const float step = x - context->mean[i], variance = context->variance[i];",
        "    const float apart = fabsf(context->near[i] - context->mean[i]);",
        f"    const float shift = variance > 0.0f ? apart / sqrtf(variance * {fast}) / {shift} : 0.0f;",
        "    context->mean[i] += slow * step;",
        "    context->variance[i] += slow * (step * step * (1.0f - slow) - variance);",
        "    score = shift > score ? shift : score;",
        *(_day(config) if bins else ()),
        f"    if (context->seen[i] > {config['warm_up']}.0f) {{",
        "        learning = 0;",
        "        context->parts[i] = score;",
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
        "    if (context->part != 0u) {",
        f"        const int at = {config['bins']} * i + (int)context->part - 1;",
        "        const float before = context->counts[at];",
        # Counted as far as the rate asks.
        f"        context->counts[at] += before < {math.ceil(1 / config['forget']) + 1}.0f ? 1.0f : 0.0f;",
        "        if (before == 0.0f) {",
        "            context->means[at] = x;",
        "        } else {",
        "            const float far = x - context->means[at], own = 1.0f / (before + 1.0f);",
        f"            const float unit = sqrtf(context->variances[at]) + {calm} * context->usual[i];",
        f"            const float part = own > {forget} ? own : {forget};",
        "            context->means[at] += part * far;",
        "            context->variances[at] += part * (far * far * (1.0f - part) - context->variances[at]);",
        f"            context->timed[i] += context->timed[i] < {_SLOW_RESIDUAL}.0f ? 1.0f : 0.0f;",
        "            context->usual[i] += (fabsf(far) - context->usual[i]) / context->timed[i];",
        f"            const float day = unit > 0.0f ? fabsf(far) / unit / {residual} : 0.0f;",
        "            score = day > score ? day : score;",
        "        }",
        "    }",
    ]


WRITER = Writer(_write)
