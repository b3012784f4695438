"""The union without the time of day, which a pushed row does not carry: leaky range and shifted mean."""

from __future__ import annotations

from edgewright.export._c_text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer
from edgewright.schema.errors import InputError


def _write(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    if config["bins"]:
        raise InputError(
            "a union without the time of day", f"{config['bins']} parts of a day", "detector union in C",
            "Fit it with bins = 0: a row that is pushed has no time",
        )  # fmt: skip
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
        "    const float x = row[i] - @_now.first[i];",
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
        f"    if (@_now.seen[i] > {config['warm_up']}.0f) {{",
        "        learning = 0;",
        "        @_now.parts[i] = score;",
        "        most = score > most ? score : most;",
        "    }",
        "}",
        "return learning ? NAN : most;",
    )
    names = ("first", "seen", "low", "high", "near", "mean", "variance")
    return Score(lines, {}, dict.fromkeys(names, channels))


WRITER = Writer(_write)
