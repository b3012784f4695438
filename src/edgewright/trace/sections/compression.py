"""Compression: the forms of the model side by side, each figure marked as measured or estimated."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.trace import Trace
from edgewright.trace.facts import (
    FRAGILE_CHANGE,
    engine_flips_text,
    flips_text,
    int8_against_float,
    interval_text,
    limit_words,
)
from edgewright.trace.sections import Section
from edgewright.trace.words import number


def view(trace: Trace) -> Mapping[str, object] | None:
    """Variants, ratios, the limit, flips by class, disturbances and notes."""
    record = trace.compression
    if record is None or not record.variants:
        return None
    classes = any(v.accuracy is not None for v in record.variants)
    largest = max(v.weight_bytes for v in record.variants)
    return {
        "record": record,
        "score": "accuracy (95 %)" if classes else "error",
        "classes": classes,
        "rows": [
            {
                "variant": v,
                "score": interval_text(v.accuracy) if v.error is None else number(v.error),
                "share": v.weight_bytes / largest if largest else 0.0,
            }
            for v in record.variants
        ],
        "ratios": int8_against_float(record),
        "limit": "".join(limit_words(record)) if len(record.variants) > 1 else "",
        "flips": [text for v in record.variants for text in (flips_text(v), engine_flips_text(v)) if text],
        "estimated": any(v.device_us is not None for v in record.variants),
        "whole": any(v.device_flash is not None for v in record.variants),
        "fragile": FRAGILE_CHANGE,
    }


SECTION = Section(70, "Compression", view, missing="The model was not compressed in this run.")
