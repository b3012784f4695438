"""ONNX Runtime with the kernels of XNNPACK, in builds that have them."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("xnnpack", "XnnpackExecutionProvider", platform="android", call=9e-6)
