"""Figures of a smaller form of a network: its size, its latency, and the answers that it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Graph
from edgewright.schema.trace import EngineFlips, Interval, VariantRecord


def weight_bytes(graph: Graph) -> int:
    """Return bytes of the network's constants: weights and biases, and of an int8 form also its scales and zero points.

    A constant counts once however many nodes read it. Constants of the preprocessing before the boundary do not
    count, nor do those after the last operator with weights.
    """
    reached = {graph.boundary} if graph.boundary else {v.name for v in graph.inputs}
    inside = []
    for node in graph.nodes:
        # A node that reads only constants, such as a conversion of integer weights, counts with the nodes that read it.
        if reached.intersection(node.inputs) or all(name in graph.constants for name in node.inputs if name):
            reached.update(node.outputs)
            inside.append(node)
    weighted = [index for index, node in enumerate(inside) if node.op in ("Gemm", "Conv", "MatMul")]
    if not weighted:
        return 0
    used: set[str] = set()
    needed = set(inside[weighted[-1]].outputs)
    # The rounding of the raw outputs counts as part of the network.
    for node in inside[weighted[-1] + 1 :]:
        if node.op in ("QuantizeLinear", "DequantizeLinear") and needed.intersection(node.inputs):
            needed.update(node.outputs)
    for node in reversed(inside):
        if needed.intersection(node.outputs):
            needed.update(name for name in node.inputs if name != graph.boundary)
            used.update(name for name in node.inputs if name in graph.constants)
    return sum(int(graph.constants[name].nbytes) for name in used)


def flips_by_class(
    first: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]], labels: Sequence[str]
) -> tuple[tuple[str, int], ...]:
    """Count the samples of each class (by the first form's answer) that the other form answers differently.

    Args:
        first: class indices that the reference form (float) answers, shape (n,).
        other: class indices that the other form answers, shape (n,).
        labels: class names.
    """
    counts = np.bincount(np.asarray(first)[np.asarray(first) != np.asarray(other)], minlength=len(labels))
    return tuple((str(label), int(number)) for label, number in zip(labels, counts, strict=True))


def variant(
    name: str,
    *,
    accuracy: Interval | None,
    flips: tuple[tuple[str, int], ...],
    graph: Graph,
    file_bytes: int,
    latency_us: tuple[float, float] | None,
    engine: str,
    error: float | None = None,
    engine_flips: tuple[EngineFlips, ...] = (),
) -> VariantRecord:
    """Return the row of one form in the comparison.

    Args:
        name: 'float', 'int8'.
        accuracy: accuracy on the test samples; None for a regression.
        flips: result of `flips_by_class`.
        graph: graph of the form.
        file_bytes: size of its ONNX file.
        latency_us: median and 99th percentile of one prediction, microseconds.
        engine: engine whose latency was measured.
        error: root mean squared error of a regression.
        engine_flips: number of labels for which other engines differ from integer arithmetic.
    """
    return VariantRecord(
        name=name,
        accuracy=accuracy,
        flips=sum(number for _, number in flips),
        flips_by_class=flips,
        weight_bytes=weight_bytes(graph),
        file_bytes=file_bytes,
        latency_p50_us=None if latency_us is None else latency_us[0],
        latency_p99_us=None if latency_us is None else latency_us[1],
        engine=engine,
        error=error,
        engine_flips=engine_flips,
    )
