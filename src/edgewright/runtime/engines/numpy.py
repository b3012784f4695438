"""The base install: every operator in NumPy."""

from __future__ import annotations

from edgewright.runtime.engines import Answer, Engine
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.onnx_reader import read_onnx


def _load(model: bytes) -> Answer:
    return compile_graph(read_onnx(model))


ENGINE = Engine(name="numpy", available=lambda: True, load=_load, rank=20)
