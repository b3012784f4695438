"""The end of a pipeline's graph: a sample that misses too many values has no answer, in every engine alike."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.input_ranges import needed
from edgewright.graph.builder import Builder, prune
from edgewright.graph.formula import Term, counted, present
from edgewright.schema.graph import Graph, Node

NO_LABEL = -1


@dataclass(frozen=True)
class Mask:
    """Which samples a graph answers.

    Attributes:
        channels, readings: the sample as rows of values: (1, columns) of a row, (channels, samples) of a window.
        needed: values that must be there of each channel.
    """

    channels: int
    readings: int
    needed: int

    def unanswered(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which samples have no answer, shape (n,)."""
        there = np.isfinite(samples).reshape(len(samples), self.channels, self.readings).sum(axis=2)
        return np.asarray((there < self.needed).any(axis=1))


def answerable(builder: Builder, shape: tuple[int, ...], limit: float) -> str:
    """Append the question whether a sample misses few enough values, shape (n, 1).

    Args:
        builder: of the graph.
        shape: of one sample.
        limit: largest share that may be missing, of a row's columns or of each channel's readings.
    """
    last = len(shape)
    counts = counted(present(Term(builder, builder.input)), last)
    if len(shape) > 1:
        counts = counts.op("ReduceMin", builder.integers(*range(1, last)), keepdims=0)
    return str(counts.op("GreaterOrEqual", builder.number(needed(limit, shape[-1]))).name)


def masked_value(builder: Builder, answerable: str, value: str, classes: int) -> str:
    """Append the choice between what a model gives, shape (n, k), and nothing: zeros for classes, else NaN."""
    return builder.op("Where", answerable, value, builder.number(0.0 if classes else np.nan))


def masked_label(builder: Builder, label: str, confidence: str) -> str:
    """Append the choice between a label and none (-1), which is where the confidence is not above 0, shape (n,)."""
    sure = builder.op("Greater", confidence, builder.number(0.0))
    return builder.op("Where", sure, label, builder.constant(np.asarray(NO_LABEL, np.int64)))


def without_mask(graph: Graph) -> tuple[Graph, Mask | None]:
    """Return the graph without the choices that `masked_value` and `masked_label` appended, and what they ask.

    Returns:
        The graph as it is and None where the answers do not end in these choices.
    """
    producers = {name: node for node in graph.nodes for name in node.outputs}
    masked: Mask | None = None
    replaced: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "Where" or node.inputs[2] not in graph.constants:
            continue
        requested = producers.get(node.inputs[0])
        if requested is None or len(requested.inputs) != 2 or requested.inputs[1] not in graph.constants:
            continue
        if requested.op == "GreaterOrEqual":
            mask = _mask(requested, producers, graph)
            if mask is not None and masked in (None, mask):
                masked = mask
                replaced[node.outputs[0]] = node.inputs[1]
        elif requested.op == "Greater" and node.outputs[0] == "label":
            replaced[node.outputs[0]] = node.inputs[1]
    return (graph, None) if masked is None else (_replace(graph, replaced), masked)


def _mask(reader: Node, producers: dict[str, Node], graph: Graph) -> Mask | None:
    """Return what a comparison of counted values asks, where it is one of the input."""
    shape = graph.inputs[0].shape
    names = ["ReduceSum", "Cast", "LessOrEqual", "Abs"]
    if len(shape) > 1:
        names.insert(0, "ReduceMin")
    node: Node | None = reader
    for name in names:
        node = producers.get(node.inputs[0]) if node is not None else None
        if node is None or node.op != name:
            return None
    if node is None or node.inputs[0] != graph.inputs[0].name:
        return None
    count = graph.constants[reader.inputs[1]]
    return Mask(int(np.prod(shape[:-1])), shape[-1], int(count.ravel()[0])) if count.size == 1 else None


def _replace(graph: Graph, replaced: dict[str, str]) -> Graph:
    """Return the graph with other values in the place of some; an output keeps its name, and the value takes it."""
    public = {value.name for value in graph.outputs}
    named = {old: new for new, old in replaced.items() if new in public}
    gone = set(replaced)

    def now(name: str) -> str:
        name = replaced.get(name, name)
        return named.get(name, name)

    nodes = tuple(
        msgspec.structs.replace(
            node, inputs=tuple(now(name) for name in node.inputs), outputs=tuple(named.get(n, n) for n in node.outputs)
        )
        for node in graph.nodes
        if not gone.intersection(node.outputs)
    )
    stages = tuple(msgspec.structs.replace(mark, value=now(mark.value)) for mark in graph.stages)
    return prune(msgspec.structs.replace(graph, nodes=nodes, stages=stages, boundary=now(graph.boundary)))
