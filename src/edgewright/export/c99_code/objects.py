"""The C form of `core.objects`: from the map of an answer to a bounded list of objects, on integers, without a heap."""

from __future__ import annotations

from edgewright.core.objects import HIGHEST, LOWEST, UNIT
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import guarded, label_lines, number
from edgewright.schema.objects import ObjectMap

_H = parts(__file__, "objects.h")
HEADER = _H["title"] + guarded("@@_OBJECTS_H", '"@.h"', _H["header"])


def write_objects_c99(spec: ObjectMap, *, name: str) -> dict[str, str]:
    """Return NAME_objects.h and NAME_objects.c, which read the answers of NAME.h.

    Args:
        spec: how the map is read.
        name: of the files, and prefix of every name in them.
    """
    labels = "".join(f"{text}\n" for text in label_lines(name.upper(), spec.labels)).replace("@", " at ")
    sizes = {
        "labels": labels, "count": len(spec.labels), "rows": spec.rows, "columns": spec.columns, "most": spec.most,
        "threshold": spec.threshold, "unit": UNIT,
    }  # fmt: skip
    numbers = {
        "lowest": number(LOWEST / UNIT), "highest": number(HIGHEST / UNIT), "unit": number(float(UNIT)),
        "shift": number(0.5 - 2 * LOWEST), "whole": -2 * LOWEST, "least": LOWEST, "width": spec.width,
        "height": spec.height,
    }  # fmt: skip
    texts = {
        f"{name}_objects.h": filled(HEADER, **sizes),
        f"{name}_objects.c": filled(parts(__file__, "objects.c")["source"], **numbers),
    }
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
