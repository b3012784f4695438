"""A model as ONNX in the dialect: opset 18, the same bytes every time."""

from __future__ import annotations

from edgewright.core.integer.network import marked
from edgewright.export.contract import Subject, Target
from edgewright.graph.onnx_writer import to_onnx


def _files(subject: Subject) -> dict[str, bytes]:
    graph = subject.graph
    if subject.form == "int8":
        graph = marked(graph, subject.rounding)
    return {f"{subject.name}.onnx": to_onnx(graph)}


TARGET = Target(description="ONNX of opset 18, plain operators, preprocessing included", files=_files)
