"""What is made of an answer in C: the interval around an amount, as `core.intervals.around`, and objects of a map.

Objects are found on integers, without a heap, as `core.objects` finds them.
"""

from __future__ import annotations

import numpy as np

from edgewright.core.formatting import percent
from edgewright.core.prediction.objects import HIGHEST, LOWEST, UNIT
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, label_lines, number
from edgewright.schema.objects import ObjectMap
from edgewright.schema.package import IntervalSpec

INTERVAL = parts(__file__, "interval.c")
_INTERVAL = parts(__file__, "interval.h")
INTERVAL_HEADER = _INTERVAL["title"] + guarded("@@_INTERVAL_H", "", _INTERVAL["header"])


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
    search = filled(INTERVAL["search"], count=len(spec.edges)) if spec.edges else ""
    source = filled(INTERVAL["source"], tables="".join(lines), search=search)
    head = {"share": percent(spec.level), "level": number(spec.level)}
    texts = {f"{name}_interval.h": filled(INTERVAL_HEADER, **head), f"{name}_interval.c": source}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


_OBJECTS = parts(__file__, "objects.h")
OBJECTS_HEADER = _OBJECTS["title"] + guarded("@@_OBJECTS_H", '"@.h"', _OBJECTS["header"])


def write_objects_c99(spec: ObjectMap, *, name: str) -> dict[str, str]:
    """Return NAME_objects.h and NAME_objects.c, which read the answers of NAME.h.

    Args:
        spec: how the map is read.
        name: of the files, and prefix of every name in them.
    """
    labels = "".join(f"{text}\n" for text in label_lines(name.upper(), spec.labels)).replace("@", " at ")
    sizes = {
        "labels": labels, "count": len(spec.labels), "rows": spec.rows, "columns": spec.columns,
        "most": spec.max_objects, "threshold": spec.threshold, "unit": UNIT,
    }  # fmt: skip
    numbers = {
        "lowest": number(LOWEST / UNIT), "highest": number(HIGHEST / UNIT), "unit": number(float(UNIT)),
        "shift": number(0.5 - 2 * LOWEST), "whole": -2 * LOWEST, "least": LOWEST, "width": spec.width,
        "height": spec.height,
    }  # fmt: skip
    texts = {
        f"{name}_objects.h": filled(OBJECTS_HEADER, **sizes),
        f"{name}_objects.c": filled(parts(__file__, "objects.c")["source"], **numbers),
    }
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
