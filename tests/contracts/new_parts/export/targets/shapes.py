"""A model as a text of its shapes."""

from __future__ import annotations

from edgewright.export.contract import Subject, Target


def _files(subject: Subject) -> dict[str, bytes]:
    return {f"{subject.name}.shapes": str(subject.graph.inputs[0].shape).encode()}


TARGET = Target(description="shapes of inputs and outputs as text", files=_files)
