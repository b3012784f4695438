"""ONNX Runtime on an NVIDIA GPU by CUDA."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("cuda", "CUDAExecutionProvider", library="cuda", call=2e-5)
