"""The C form of `core.intervals.around`: both ends of the interval around a predicted amount, in float32."""

from __future__ import annotations

import numpy as np

from edgewright.core.formatting import percent
from edgewright.export._c_text import entries, guarded, number
from edgewright.schema.package import IntervalSpec

_HEADER = """\
/* The truth lies between these ends of a prediction of @ in %(share)s of cases, by groups that no fit saw. */
""" + guarded(
    "@@_INTERVAL_H",
    "",
    """\
#define @@_INTERVAL_LEVEL %(level)s

/* Both ends around `prediction` of an answer of @_predict; NAN where that is NAN. */
void @_interval(float prediction, float *low, float *high);
""",
)
_SOURCE = """\
#include "@_interval.h"

%(tables)s
void @_interval(float prediction, float *low, float *high) {
    int part = 0;
%(search)s    *low = prediction + @_interval_low[part];
    *high = prediction + @_interval_high[part];
}
"""
_SEARCH = """\
    while (part < %d && prediction > @_interval_edges[part]) {
        ++part;
    }
"""


def write_interval_c99(spec: IntervalSpec, *, name: str) -> dict[str, str]:
    """Return NAME_interval.h and NAME_interval.c.

    Args:
        spec: of the package.
        name: of the files, and prefix of every name in them.
    """
    tables = {"edges": spec.edges, "low": spec.low, "high": spec.high}
    lines = [
        f"static const float @_interval_{word}[{len(values)}] = {{\n{entries(np.asarray(values, np.float32))}\n}};\n"
        for word, values in tables.items()
        if values
    ]
    parts = {"tables": "".join(lines), "search": _SEARCH % len(spec.edges) if spec.edges else ""}
    head = {"share": percent(spec.level), "level": number(spec.level)}
    texts = {f"{name}_interval.h": _HEADER % head, f"{name}_interval.c": _SOURCE % parts}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
