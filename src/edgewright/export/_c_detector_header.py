"""The header of a detector in C."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_detector_form import Form
from edgewright.export._c_text import comment

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
    int channel;  /* the one to blame most, from 0; -1 where none is */
    uint32_t row; /* number of the %s, from 0 */
} @_anomaly;
"""
_ROWS = """\
/* Takes the next row; 1 and the anomaly that begins there, or 0 and it untouched. */
int @_detect(const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Takes the next row, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_score(const float row[@@_DETECT_CHANNELS]);"""
_CUT = """\
/* Takes the next row; 1 and the anomaly that begins with the window it completes, or 0 and it untouched. */
int @_detect(const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Says that rows are missing here: the window begins anew. */
void @_detect_gap(void);"""
_GIVEN = """\
/* Takes the next window, channel after channel; 1 and the anomaly that begins with it, or 0 and it untouched. */
int @_detect_window(const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW], @_anomaly *anomaly);
/* Takes the next window, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_window_score(const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW]);"""
_TIME = """\
/* Says the time of the rows that follow, in microseconds since 1970, until it is told anew. Before the first time it is
   not known: %s. */
void @_detect_time(int64_t microseconds);"""
_UNKNOWN = {"union": "the time of day then takes no part", "robust": "a row then counts as of the first part"}


def detector_header(form: Form) -> str:
    """The header; `@` stands for the prefix of names."""
    window, each = form.window, "row" if form.window is None else "window"
    what = "Rows" if window is None or form.held else "Windows"
    columns = comment(", ".join(form.columns)).replace("@", " at ")
    pause = f"{form.refractory} {each}s at least lie between two" if form.refractory else f"a run of odd {each}s is one"
    tables = sum(table.nbytes for table in form.tables().values())
    besides = " besides those of @_net.h" if form.score.network is not None else ""
    lines = [
        _OPEN,
        "/*",
        f" * {what} in, anomalies out: detector {form.kind} over {columns}.",
        *(_windows(form)),
        f" * A score from {np.float32(form.threshold):.9g} on is odd; {pause}. NAN stands for a missing number.",
        " *",
        f" * Memory: {form.ram} bytes of RAM{besides}, static, no heap; {tables} bytes of constants. Not reentrant.",
        " */",
        f"#define @@_DETECT_CHANNELS {form.channels}",
    ]
    if window is not None:
        lines += [f"#define @@_DETECT_WINDOW {window.samples}"]
    lines.append(_ANOMALY % ("window" if window is not None and not form.held else "row"))
    lines.append(_ROWS if window is None else _CUT if form.held else _GIVEN)
    if form.score.season:
        lines.append(_TIME % _UNKNOWN.get(form.kind, "rows count as of the first part"))
    lines += ["/* Forgets what was seen, not what was learnt. */", "void @_detect_reset(void);", _CLOSE]
    return "\n".join(lines)


def _windows(form: Form) -> list[str]:
    """What of a window is looked at."""
    if form.window is None:
        return []
    cut = f"Windows of {form.window.samples} rows, one every {form.window.step}"
    return [f" * {cut}; mean, deviation, mean step and range of every channel are judged."]
