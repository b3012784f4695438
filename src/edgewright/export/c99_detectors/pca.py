"""Principal components: T² within the usual directions, Q outside of them, each in units of its limit."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, mean_of_rows


def _write(learnt: Learnt) -> Score:
    axes, rows = np.asarray(learnt["axes"]), int(learnt["rows"])
    kept, channels = axes.shape
    lines, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i]")
    lines += [
        f"float inside[{channels}], outside[{channels}], t2 = 0.0f, q = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    inside[i] = 0.0f;",
        "    outside[i] = z[i];",
        "}",
        f"for (int k = 0; k < {kept}; ++k) {{",
        f"    const float *const axis = @_axes + {channels} * k;",
        "    float along = 0.0f;",
        f"    for (int i = 0; i < {channels}; ++i) {{",
        "        along += axis[i] * z[i];",
        "    }",
        f"    for (int i = 0; i < {channels}; ++i) {{",
        "        inside[i] += axis[i] * (along / @_variances[k]);",
        "        outside[i] -= axis[i] * along;",
        "    }",
        "}",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    inside[i] *= z[i];",
        "    outside[i] *= outside[i];",
        "    t2 += inside[i];",
        "    q += outside[i];",
        "}",
        "t2 /= @_limits[0];",
        "q /= @_limits[1];",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    context->parts[i] = q > t2 ? outside[i] : inside[i] > 0.0f ? inside[i] : 0.0f;",
        "}",
        "const float most = q > t2 ? q : t2;",
    ]
    full = f" * ((float)many / {rows}.0f)" if rows > 1 else ""
    lines.append(f"return (most > 0.0f ? most : 0.0f){full};")
    names = ("mean", "deviation", "axes", "variances")
    tables = {name: floats(learnt[name]) for name in names}
    return Score(tuple(lines), {**tables, "limits": floats([learnt["t2_limit"], learnt["q_limit"]])}, state, counts)


WRITER = Writer(_write)
