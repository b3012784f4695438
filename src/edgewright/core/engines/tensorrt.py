"""ONNX Runtime on an NVIDIA GPU by TensorRT, which builds an engine of its own of the model."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("tensorrt", "TensorrtExecutionProvider", library="tensorrt", call=2.1e-5)
