"""An autoencoder: its network is generated like any other, and what it cannot give back is odd."""

from __future__ import annotations

import numpy as np

from edgewright.core.onnx.reader import read_onnx
from edgewright.export.c99_detectors import Learnt, Score, Writer, floats, mean_of_rows


def _write(learnt: Learnt) -> Score:
    rows, channels = int(learnt["rows"]), len(np.asarray(learnt["mean"]))
    graph = read_onnx(np.asarray(learnt["model"], np.uint8).tobytes())
    given = "answer.prediction[i]" if channels > 1 else "answer.prediction"
    sliding, state, counts = mean_of_rows(rows, channels, f"(x - @_mean[i]) / @_deviation[i] - {given}")
    full = f" * ((float)many / {rows}.0f)" if rows > 1 else ""
    lines = (
        f"float whole[{channels}];",
        "@_net_answer answer;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    whole[i] = @_finite(row[i]) ? row[i] : @_mean[i];",
        "}",
        "(void)@_net_predict(&context->net, whole, &answer);",
        *sliding,
        "float sum = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        "    const float far = z[i] / @_unit[i];",
        f"    context->parts[i] = far * far{full};",
        "    sum += context->parts[i];",
        "}",
        f"return sqrtf(sum / {channels}.0f);",
    )
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "unit")}
    return Score(lines, tables, state, counts, network=graph)


WRITER = Writer(_write)
