"""Residuals of a vector autoregression: the largest mean residual of a channel, in its units."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import FAR, Learnt, Score, Writer, floats, mean_of_rows


def _write(learnt: Learnt) -> Score:
    weights = np.asarray(learnt["weights"])
    channels, order, rows = len(weights), int(learnt["order"]), int(learnt["rows"])
    wide, held = order * channels, (order - 1) * channels
    residual, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i] - foretold[i]")
    lines = [
        f"float foretold[{channels}], now[{channels}];",
        f"const int learning = context->seen < {order}u;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        f"    const float *const weights = @_weights + {wide + 1} * i;",
        f"    foretold[i] = weights[{wide}];",
        f"    for (int k = 0; k < {wide}; ++k) {{",
        "        foretold[i] += weights[k] * context->last[k];",
        "    }",
        "    /* A missing value is as foretold, or at its mean while nothing can be foretold. */",
        f"    const float z = @_bounded((row[i] - @_mean[i]) / @_deviation[i], {FAR});",
        "    now[i] = @_finite(row[i]) ? z : learning ? 0.0f : foretold[i];",
        "    context->parts[i] = 0.0f;",
        "}",
        *([f"memmove(context->last + {channels}, context->last, {held}u * sizeof *context->last);"] if held else []),
        "memcpy(context->last, now, sizeof now);",
        "if (learning) {",
        "    ++context->seen;",
        "    return NAN;",
        "}",
        *residual,
    ]
    full = f" * sqrtf((float)many / {rows}.0f)" if rows > 1 else ""
    lines += [
        "float most = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        f"    context->parts[i] = fabsf(z[i]) / @_unit[i]{full};",
        "    most = context->parts[i] > most ? context->parts[i] : most;",
        "}",
        "return most;",
    ]
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "weights", "unit")}
    return Score(tuple(lines), tables, {**state, "last": wide}, (*counts, "seen"))


WRITER = Writer(_write)
