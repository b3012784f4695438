"""The header of a detector in C."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.text import template_comment
from edgewright.export.c99_detectors._form import Form
from edgewright.monitor.detector_stream import MOST_SEEN

_OPEN = """\
#ifndef @@_DETECT_H
#define @@_DETECT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
"""
_CLOSE = """
#ifdef __cplusplus
}
#endif

#endif
"""
_ANOMALY = """
typedef struct {
    float score;
    int channel;  /* the most anomalous one, from 0; -1 if none */
    uint32_t row; /* number of the %s, from 0 */
} @_anomaly;
"""
_ROWS = """\
/* Takes the next row; 1 and the anomaly that begins there, or 0 and it untouched. */
int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Takes the next row, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_score(@_detect_context *context, const float row[@@_DETECT_CHANNELS]);"""
_CUT = """\
/* Takes the next row; 1 and the anomaly that begins with the window it completes, or 0 and it untouched. */
int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Call if rows are missing here: the window restarts. */
void @_detect_gap(@_detect_context *context);"""
_GIVEN = """\
/* Takes the next window, channel after channel; 1 and the anomaly that begins with it, or 0 and it untouched. */
int @_detect_window(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW],
                    @_anomaly *anomaly);
/* Takes the next window, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_window_score(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW]);"""
_TIME = """\
/* Sets the time of the rows that follow, in microseconds since 1970, until the next call. Before the first call it is
   unknown: %s. */
void @_detect_time(@_detect_context *context, int64_t microseconds);"""
_UNKNOWN = {"own_past": "the time of day then takes no part", "robust": "a row then counts as of the first part"}


def detector_header(form: Form) -> str:
    """Return the header; `@` stands for the prefix of names."""
    window, each = form.window, "row" if form.window is None else "window"
    what = "Rows" if window is None or form.held else "Windows"
    columns = template_comment(", ".join(form.columns))
    text = f"{int(form.refractory)} {each}s"
    if form.refractory < 1:
        text = f"{100 * form.refractory:g} % of the rows seen (of {MOST_SEEN:,} at most)"
    pause = f"{text} or more between two" if form.refractory else f"a run of odd {each}s is one"
    tables = sum(table.nbytes for table in form.tables().values())
    net = form.score.network is not None
    besides = " besides those of @_net.h" if net else ""
    lines = [
        _OPEN.replace("<stdint.h>\n", '<stdint.h>\n\n#include "@_net.h"\n' if net else "<stdint.h>\n"),
        "/*",
        f" * {what} in, anomalies out: detector {form.kind} over {columns}.",
        *(_windows(form)),
        f" * A score from {np.float32(form.threshold):.9g} on is anomalous; {pause}. NAN stands for a missing number.",
        " *",
        f" * Memory: {form.ram} bytes of RAM{besides}, in the caller's context, no heap; {tables} of constants.",
        " */",
        f"#define @@_DETECT_CHANNELS {form.channels}",
    ]
    if window is not None:
        lines += [f"#define @@_DETECT_WINDOW {window.samples}"]
    lines += ["", "/* What is remembered. */", "typedef struct {", *(f"    {field}" for field in form.fields())]
    lines.append("} @_detect_context;")
    lines.append(_ANOMALY % ("window" if window is not None and not form.held else "row"))
    lines.append(_ROWS if window is None else _CUT if form.held else _GIVEN)
    if form.score.season:
        lines.append(_TIME % _UNKNOWN.get(form.kind, "rows count as of the first part"))
    lines += [
        "/* Call it first. A later call forgets the rows, not the fit. */",
        "void @_detect_init(@_detect_context *context);",
        _CLOSE,
    ]
    return "\n".join(lines)


def _windows(form: Form) -> list[str]:
    """Return what of a window is looked at."""
    if form.window is None:
        return []
    cut = f"Windows of {form.window.samples} rows, one every {form.window.step}"
    return [f" * {cut}; mean, deviation, mean step and range of every channel are scored."]
