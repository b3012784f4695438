"""Data flow: a card a stage, from what came in to what went on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.schema.trace import StageRecord, Trace
from edgewright.trace.sections import Section
from edgewright.trace.words import number


def view(trace: Trace) -> Mapping[str, object] | None:
    """The cards with the columns that came into each."""
    if not trace.stages:
        return None
    cards: list[Mapping[str, object]] = []
    names: tuple[str, ...] = ()
    for stage in trace.stages:
        cards.append(_card(stage, names))
        names = stage.names_after or names
    return {"cards": cards, "seconds": sum(stage.seconds for stage in trace.stages)}


def _card(stage: StageRecord, names_before: Sequence[str]) -> Mapping[str, object]:
    changed = stage.shape_in and stage.shape_in != stage.shape_out
    return {
        "stage": stage,
        "changed": bool(changed),
        "before": _samples(stage.sample_before, names_before, stage.shape_in),
        "after": _samples(stage.sample_after, stage.names_after, stage.shape_out),
        "reasons": _reasons(stage.dropped),
        "settings": [(name, _setting(value)) for name, value in sorted(stage.settings.items())],
        "more_columns": max(0, max(len(stage.names_after), _columns(stage)) - len(stage.columns_after)),
    }


def _columns(stage: StageRecord) -> int:
    return stage.shape_out[1] if len(stage.shape_out) == 2 else 0


def _samples(
    rows: Sequence[Sequence[float | None]], names: Sequence[str], shape: Sequence[int]
) -> Mapping[str, object] | None:
    """Up to three samples, a line a column, which fits a phone and paper; of windows the first channel's values."""
    if not rows or not rows[0]:
        return None
    recorded, windows = min(len(row) for row in rows), len(shape) >= 3
    known = not windows and len(names) >= recorded
    heads = list(names[:recorded]) if known else [f"{i + 1}" for i in range(recorded)]
    total = max(recorded, shape[-1] if shape else 0)
    shown = rows[:3]
    cells = [[(number(row[i]), row[i] is None or math.isnan(row[i] or 0.0)) for row in shown] for i in range(recorded)]
    return {
        "what": "value" if windows else "column",
        "samples": ["first", "second", "third"][: len(shown)],
        "rows": list(zip(heads, cells, strict=True)),
        "more": total - recorded,
        "channel": (names[0] if names else "channel 1") if windows else "",
    }


def _reasons(dropped: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Columns left out, by reason; a reason they share is said once."""
    found: dict[str, list[str]] = {}
    for name, reason in dropped:
        found.setdefault(reason, []).append(name)
    return list(found.items())


def _setting(value: Any) -> str:  # noqa: ANN401 - whatever a stage is set with
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(item) for item in value)
    return number(value) if isinstance(value, float) else str(value)


SECTION = Section(10, "Data flow", view, missing="No stage has been recorded.")
