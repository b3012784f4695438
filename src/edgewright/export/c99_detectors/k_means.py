"""Distance to the nearest of a few centres."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats


def _write(learnt: Learnt) -> Score:
    centres = np.asarray(learnt["centres"])
    count, channels = centres.shape
    lines = (
        f"float z[{channels}], least = FLT_MAX;",
        "int nearest = 0, present = 0;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    present += @_finite(row[i]);",
        "    z[i] = @_finite(row[i]) ? (row[i] - @_mean[i]) / @_deviation[i] : 0.0f;",
        "}",
        f"for (int k = 0; k < {count}; ++k) {{",
        "    float sum = 0.0f;",
        f"    for (int i = 0; i < {channels}; ++i) {{",
        f"        const float far = z[i] - @_centres[{channels} * k + i];",
        "        sum += @_finite(row[i]) ? far * far : 0.0f;",
        "    }",
        "    if (sum < least) {",
        "        least = sum;",
        "        nearest = k;",
        "    }",
        "}",
        f"for (int i = 0; i < {channels}; ++i) {{",
        f"    const float far = z[i] - @_centres[{channels} * nearest + i];",
        "    context->parts[i] = @_finite(row[i]) ? far * far : 0.0f;",
        "}",
        "return sqrtf(least / (float)present);",
    )
    tables = {"mean": learnt["mean"], "deviation": learnt["deviation"], "centres": centres}
    return Score(lines, {name: floats(value) for name, value in tables.items()})


WRITER = Writer(_write)
