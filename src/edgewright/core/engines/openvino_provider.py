"""ONNX Runtime on what OpenVINO reaches: processors, graphics and NPUs of Intel."""

from __future__ import annotations

from edgewright.core.engines._providers import provider_engine

ENGINE = provider_engine("openvino_provider", "OpenVINOExecutionProvider", library="openvino", call=2.2e-5)
