"""The base install: every operator in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.runtime.engines import Answer, Engine
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.onnx_reader import read_onnx


def _load(model: bytes) -> Answer:
    return compile_graph(read_onnx(model))


def _version(key: str) -> str:
    """NumPy's, and when Edgewright was installed."""
    return f"{np.__version__} {Path(__file__).stat().st_mtime_ns}"


ENGINE = Engine(name="numpy", available=lambda: True, load=_load, start=1e-3, call=8e-6, version=_version)
