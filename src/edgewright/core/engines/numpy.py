"""The base install: every operator in NumPy, and int8 networks as the integers that generated C computes."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from edgewright.core.engines import Answer, Engine
from edgewright.core.errors import InputError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import Run, compile_graph


def _compiled(model: bytes) -> tuple[Run, str]:
    """Return the function of a model, and what a user should know of it."""
    graph = read_onnx(model)
    if not any(node.op == "QuantizeLinear" and node.inputs[0] == graph.boundary for node in graph.nodes):
        return compile_graph(graph), ""
    # A device with a float model starts without the kernels of integers.
    integers = importlib.import_module("edgewright.core.integer.qdq")
    try:
        return integers.compile_fused(graph), "its int8 network as integers, bit by bit as generated C"
    except InputError as error:
        reason = str(error)
    return compile_graph(graph), f"its int8 network in float32, which may give another label than C: {reason}"


def _load(model: bytes) -> Answer:
    return _compiled(model)[0]


def _note(model: bytes) -> str:
    return _compiled(model)[1]


def _version(key: str) -> str:
    return f"{np.__version__} {Path(__file__).stat().st_mtime_ns}"


ENGINE = Engine(name="numpy", available=lambda: True, load=_load, start=1e-3, call=8e-6, version=_version, note=_note)
