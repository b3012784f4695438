"""A stream against its own past: level, shift, the range, and the time of day where the time of a row is told."""

from __future__ import annotations

import math

from edgewright.export.c99_code.text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, season_of

_DAY = 86400.0  # s
_UNUSUAL = """\
/* By how many deviations the short mean of a distance is above what it usually is. */
static float @_unusual(float *tail, float distance, float seen) {
    const float own = 1.0f / seen;
    tail[0] += (own > %s ? own : %s) * (distance - tail[0]);
    const float step = tail[0] - tail[1], variance = tail[2], rate = own > %s ? own : %s;
    tail[1] += rate * step;
    tail[2] += rate * (step * step * (1.0f - rate) - variance);
    return variance > 0.0f && step > 0.0f ? step / sqrtf(variance) : 0.0f;
}"""


def _write(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    bins, warm = int(config["bins"]), int(config["warm_up"])
    near, fast, slow, short, deviations, beyond, leak = (
        number(float(config[name])) for name in ("near", "fast", "slow", "short", "deviations", "beyond", "leak")
    )
    past = number(1 / config["past"])
    # Rows are counted as far as a rate or the warm-up asks; float32 holds them exactly.
    maximum = min(2**24, max(config["past"], math.ceil(1 / config["slow"]), warm) + 2)
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
        f"    context->seen[i] += context->seen[i] < {maximum}.0f ? 1.0f : 0.0f;",
        "    const float own = 1.0f / context->seen[i];",
        "    const float level = fabsf(x - context->near[i]);",
        f"    context->near[i] += (own > {near} ? own : {near}) * (x - context->near[i]);",
        f"    context->fast[i] += (own > {fast} ? own : {fast}) * (x - context->fast[i]);",
        "    const float shift = fabsf(context->fast[i] - context->slow[i]);",
        f"    context->slow[i] += (own > {slow} ? own : {slow}) * (x - context->slow[i]);",
        "    const float far = @_unusual(context->level + 3 * i, level, context->seen[i]);",
        "    const float moved = @_unusual(context->shift + 3 * i, shift, context->seen[i]);",
        "    float sum = far * far + moved * moved, known = 2.0f;",
        *(_day(bins, number(float(config["forget"])), math.ceil(1 / config["forget"]), maximum) if bins else ()),
        "    const float width = context->high[i] - context->low[i];",
        "    const float above = x - context->high[i], below = context->low[i] - x;",
        "    const float outside = above > 0.0f ? above : below > 0.0f ? below : 0.0f;",
        "    context->high[i] = above > 0.0f ? x : context->high[i];",
        "    context->low[i] = below > 0.0f ? x : context->low[i];",
        f"    const float leak = {leak} * (own > {past} ? own : {past}) * (context->high[i] - context->low[i]);",
        "    context->high[i] -= leak;",
        "    context->low[i] += leak;",
        f"    const float ranged = (width > 0.0f ? outside / width : outside > 0.0f ? 1.0f : 0.0f) / {beyond};",
        f"    const float unusual = sqrtf(sum / known) / {deviations};",
        f"    if (context->seen[i] > {warm}.0f) {{",
        "        learning = 0;",
        "        context->parts[i] = ranged > unusual ? ranged : unusual;",
        "        most = context->parts[i] > most ? context->parts[i] : most;",
        "    }",
        "}",
        "return learning ? NAN : most;",
    )
    state = dict.fromkeys(("first", "seen", "low", "high", "near", "fast", "slow"), channels)
    state |= dict.fromkeys(("level", "shift"), 3 * channels)
    helpers = _UNUSUAL % (short, short, past, past)
    first = {"if (context->seen[i] == 0.0f)": 0.0}
    if not bins:
        return Score(lines, {}, state, helpers=helpers, often=first)
    state |= {"day": 3 * channels, "timed": channels} | dict.fromkeys(("means", "counts"), bins * channels)
    return Score(lines, {}, state, helpers=helpers, season=season_of(_DAY, bins, "own_past"), often=first)


def _day(bins: int, forget: str, enough: int, maximum: int) -> list[str]:
    """Return the value against others of its part of the day."""
    return [
        "    if (context->part != 0u) {",
        f"        const int at = {bins} * i + (int)context->part - 1;",
        "        const float apart = fabsf(x - context->means[at]), before = context->counts[at];",
        # Counted as far as the rate asks.
        f"        context->counts[at] += before < {enough + 1}.0f ? 1.0f : 0.0f;",
        "        const float part = 1.0f / context->counts[at];",
        f"        context->means[at] += (part > {forget} ? part : {forget}) * (x - context->means[at]);",
        "        if (before > 0.0f) {",
        f"            context->timed[i] += context->timed[i] < {maximum}.0f ? 1.0f : 0.0f;",
        "            const float odd = @_unusual(context->day + 3 * i, apart, context->timed[i]);",
        "            sum += odd * odd;",
        "            known = 3.0f;",
        "        }",
        "    }",
    ]


WRITER = Writer(_write)
