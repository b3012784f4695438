"""The C form of `core.intervals.around`: both ends of the interval around a predicted amount, in float32."""

from __future__ import annotations

import numpy as np

from edgewright.core.formatting import percent
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, number
from edgewright.schema.package import IntervalSpec

C = parts(__file__, "interval.c")
_H = parts(__file__, "interval.h")
HEADER = _H["title"] + guarded("@@_INTERVAL_H", "", _H["header"])


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
    search = filled(C["search"], count=len(spec.edges)) if spec.edges else ""
    source = filled(C["source"], tables="".join(lines), search=search)
    head = {"share": percent(spec.level), "level": number(spec.level)}
    texts = {f"{name}_interval.h": filled(HEADER, **head), f"{name}_interval.c": source}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
