"""Odd pictures: false alarms, how many odd ones are found, and test pictures under their maps."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from msgspec import UnsetType

from edgewright.core.formatting import percent
from edgewright.schema.objects import OddScene
from edgewright.schema.trace import EvaluationRecord, Trace
from edgewright.trace.blocks.view_blocks import Table, Template, ViewBlock, line, row
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import interval_text, present

# A cell so many sixteenths of log-odds below the threshold is not drawn; at the threshold it is drawn half.
_REACH = 32


def anomalies_blocks(evaluation: EvaluationRecord | None) -> Sequence[ViewBlock]:
    """Build the table of figures, and how a map becomes an alarm."""
    record = present(None if evaluation is None else evaluation.anomalies)
    if record is None:
        return ()
    rows = [row("good pictures with an alarm", interval_text(record.false_alarms), f"{record.good:,}")]
    if record.recall is not None:
        rows.append(row("odd pictures with an alarm", interval_text(record.recall), f"{record.odd:,}"))
    if record.auroc is not None:
        rows.append(row("AUROC", interval_text(record.auroc), f"{record.good + record.odd:,}"))
    spec = record.spec
    promised = "" if isinstance(spec.false_alarms, UnsetType) else percent(spec.false_alarms)
    text = (
        f"A picture raises an alarm when one of its {spec.rows} x {spec.columns} cells reaches the threshold. By the "
        f"good validation pictures, a new good picture does so with a chance of at most {promised}."
    )
    if not record.odd:
        text += " There is no odd picture here: put some in a folder of another name than 'good' to see what is found."
    return (Table("Alarms on test pictures", ("figure", "#share (95 % CI)", "#pictures"), rows, "measured"),
            line(text, "quiet"))  # fmt: skip


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the test pictures under their maps."""
    record = present(None if trace.evaluation is None else trace.evaluation.anomalies)
    if record is None or not record.scenes:
        return ()
    cards = [_card(scene, record.spec.threshold, record.spec.columns) for scene in record.scenes]
    cell = record.spec.height // record.spec.rows
    return (Template("odd_scenes.html", {"cards": cards, "spec": record.spec, "cell": cell}),)


def _card(scene: OddScene, threshold: int, columns: int) -> dict[str, object]:
    alarm = "alarm" if max(scene.odds) >= threshold else "no alarm"
    cells = []
    for index, odds in enumerate(scene.odds):
        strength = min(1.0, (odds - threshold + _REACH) / (2 * _REACH))
        if strength > 0:
            cells.append({"row": index // columns, "column": index % columns, "strength": f"{0.7 * strength:.2f}"})
    return {
        "scene": scene,
        "picture": base64.b64encode(scene.picture).decode(),
        "cells": cells,
        "text": f"{scene.name}: {scene.label}, {alarm}",
        "note": f"oddest cell {(max(scene.odds) - threshold) / 16:+.1f} log-odds from the threshold",
    }


SECTION = Section(35, "Odd pictures", lambda trace: anomalies_blocks(trace.evaluation), page=page_blocks)
