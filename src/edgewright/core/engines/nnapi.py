"""ONNX Runtime on Android's NNAPI."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("nnapi", "NnapiExecutionProvider", platform="android", call=2.4e-5)
