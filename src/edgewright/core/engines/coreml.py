"""ONNX Runtime on Apple's Core ML: GPU and neural engine."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("coreml", "CoreMLExecutionProvider", platform="darwin", call=2.3e-5)
