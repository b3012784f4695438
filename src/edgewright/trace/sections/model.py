"""Model: a row a layer, with its formula on expanding."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.trace import Trace
from edgewright.trace.sections import Section

_FOLD_ABOVE = 40


def view(trace: Trace) -> Mapping[str, object] | None:
    """The layers with their share of the multiply-accumulates, and totals."""
    layers = trace.layers
    if not layers:
        return None
    parameters, macs = sum(layer.parameters for layer in layers), sum(layer.macs for layer in layers)
    rows = [
        {
            "layer": layer,
            "name": layer.name if layer.name.startswith(layer.kind) else f"{layer.name} ({layer.kind})",
            "share": layer.parameters / parameters if parameters else 0.0,
        }
        for layer in layers
    ]
    return {
        "rows": rows,
        "parameters": parameters,
        "macs": macs,
        "largest": max(layer.activation_bytes for layer in layers),
        "folded": len(layers) > _FOLD_ABOVE,
    }


SECTION = Section(20, "Model", view, missing="This model has no layers, or it has not been built.")
