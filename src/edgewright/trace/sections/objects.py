"""Objects in pictures: how well the centres of each class are found, and test pictures with true and found centres."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from edgewright.core.formatting import fraction, percent, plural
from edgewright.schema.objects import ObjectsRecord, Scene, Spot
from edgewright.schema.trace import EvaluationRecord, Trace
from edgewright.trace.blocks.view_blocks import Table, Template, ViewBlock, line, row
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import interval_text, present


def objects_blocks(evaluation: EvaluationRecord | None) -> Sequence[ViewBlock]:
    """Build the table of classes, and how a map becomes objects."""
    record = present(None if evaluation is None else evaluation.objects)
    if record is None:
        return ()
    heads = ("class", "#precision", "#recall", "#F1 of centres (95 % CI)", "#true", "#found")
    rows = [
        row(scores.label, fraction(scores.precision), fraction(scores.recall), interval_text(scores.f1),
            f"{scores.true:,}", f"{scores.detected:,}")
        for scores in record.classes
    ]  # fmt: skip
    spec = record.spec
    text = (
        f"A centre is right at most one cell ({spec.height // spec.rows} pixels) from a true one of its class. The map "
        f"has {spec.rows} x {spec.columns} cells; touching cells of a class are one object."
    )
    if record.crowded:
        text += f" {plural(record.crowded, 'true object')} shared a cell with another one of the class."
    return (Table("Objects by class", heads, rows, "measured"), line(text, "quiet"))


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the test pictures."""
    record = present(None if trace.evaluation is None else trace.evaluation.objects)
    if record is None or not record.scenes:
        return ()
    cards = [_card(scene, record) for scene in record.scenes]
    return (Template("scenes.html", {"cards": cards, "spec": record.spec}),)


def _card(scene: Scene, record: ObjectsRecord) -> dict[str, object]:
    return {
        "scene": scene,
        "picture": base64.b64encode(scene.picture).decode(),
        "true": [_mark(spot, scene.name, "is there") for spot in scene.true],
        "found": [_mark(spot, scene.name, f"found, {percent(spot.chance)}") for spot in scene.detected],
        "cell": record.spec.height // record.spec.rows,
        "text": f"{scene.name}: {plural(len(scene.true), 'true object')}, {len(scene.detected)} found",
    }


def _mark(spot: Spot, name: str, how: str) -> dict[str, object]:
    return {"x": f"{spot.x:.4g}", "y": f"{spot.y:.4g}", "label": spot.label, "title": f"{spot.label} {how} in {name}"}


SECTION = Section(35, "Objects in test pictures", lambda trace: objects_blocks(trace.evaluation), page=page_blocks)
