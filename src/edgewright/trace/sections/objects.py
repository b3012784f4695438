"""Objects in pictures: how well the centres of each class are found, and test pictures with true and found centres."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from msgspec import UnsetType

from edgewright.core.formatting import fraction, percent, plural
from edgewright.schema.trace import EvaluationRecord, Trace
from edgewright.schema.trace_objects import ObjectsRecord, Scene, Spot
from edgewright.trace.facts import interval_text
from edgewright.trace.sections import Exported, Section
from edgewright.trace.view_blocks import Table, Template, ViewBlock, line, row


def _record(evaluation: EvaluationRecord | None) -> ObjectsRecord | None:
    found = None if evaluation is None else evaluation.objects
    return None if found is None or isinstance(found, UnsetType) else found


def objects_blocks(evaluation: EvaluationRecord | None) -> Sequence[ViewBlock]:
    """Build the table of classes, and how a map becomes objects."""
    found = _record(evaluation)
    if found is None:
        return ()
    heads = ("class", "#precision", "#recall", "#F1 of centres (95 % CI)", "#true", "#found")
    rows = [
        row(one.label, fraction(one.precision), fraction(one.recall), interval_text(one.f1), f"{one.true:,}",
            f"{one.found:,}")
        for one in found.classes
    ]  # fmt: skip
    spec = found.spec
    text = (
        f"A centre is right at most one cell ({spec.height // spec.rows} pixels) from a true one of its class. The map "
        f"has {spec.rows} x {spec.columns} cells; touching cells of a class are one object."
    )
    if found.crowded:
        text += f" {plural(found.crowded, 'true object')} shared a cell with another one of the class."
    return (Table("Objects by class", heads, rows, "measured"), line(text, "quiet"))


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the test pictures."""
    found = _record(trace.evaluation)
    if found is None or not found.scenes:
        return ()
    cards = [_card(scene, found) for scene in found.scenes]
    return (Template("scenes.html", {"cards": cards, "spec": found.spec}),)


def _card(scene: Scene, found: ObjectsRecord) -> dict[str, object]:
    return {
        "scene": scene,
        "picture": base64.b64encode(scene.picture).decode(),
        "true": [_mark(spot, scene.name, "is there") for spot in scene.true],
        "found": [_mark(spot, scene.name, f"found, {percent(spot.chance)}") for spot in scene.found],
        "cell": found.spec.height // found.spec.rows,
        "text": f"{scene.name}: {plural(len(scene.true), 'true object')}, {len(scene.found)} found",
    }


def _mark(spot: Spot, name: str, how: str) -> dict[str, object]:
    return {"x": f"{spot.x:.4g}", "y": f"{spot.y:.4g}", "label": spot.label, "title": f"{spot.label} {how} in {name}"}


SECTION = Section(35, "Objects in test pictures", lambda trace: objects_blocks(trace.evaluation), page=page_blocks)
