"""Whole .tflite files in the interpreters that run them: every public output, and stages inside."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import Graph, IntegerNetwork
from integer_layers import need_litert, need_tflm

Engine = Literal["litert", "xnnpack", "tflm"]


def answers(
    graph: Graph, network: IntegerNetwork | None, x: NDArray[np.float32], engine: Engine
) -> tuple[dict[str, NDArray[Any]], dict[int, NDArray[Any]]]:
    """Public outputs of a pipeline's whole file by name, and the network's values by number, shape (n, ...)."""
    need_litert()
    from edgewright.export.tflite_whole import write_whole
    from edgewright.workflows.proof.forms import litert, tflm

    whole = write_whole(graph, network)
    public = {value.name: tensor for value, tensor in zip(graph.outputs, whole.outputs, strict=True)}
    places: dict[str, int] = {**public, **{f"#{number}": tensor for number, tensor in whole.layers.items()}}
    if engine == "tflm":
        need_tflm()
        values_of = tflm.run_rows(tflm.interpreter(whole.model()), x, places)
    else:
        shown = whole.model(places.values()) if engine == "xnnpack" else whole.model()
        values_of = litert.invoke(shown, x, places, reference=engine == "litert")
    inside = {int(key[1:]): values for key, values in values_of.items() if key.startswith("#")}
    return {key: values for key, values in values_of.items() if not key.startswith("#")}, inside
