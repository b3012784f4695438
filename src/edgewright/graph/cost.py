"""Cost of a graph: parameters, bytes, multiply-accumulates and peak memory, from its exact shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import InputShapeOpenError
from edgewright.core.operators.shape import WINDOW
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, Node

# Operators whose output is the memory of their input with another shape.
_SAME_MEMORY = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})
_QUANTISERS = frozenset({"QuantizeLinear", "DequantizeLinear"})
# A graph whose sample has more values than this is taken as a damaged file.
_LARGEST_SAMPLE = 1 << 26


class NodeCost(msgspec.Struct, frozen=True, kw_only=True):
    """One operator: `shape` is that of its output for a batch of 1, `live` the bytes of live values while it runs."""

    op: str
    output: str
    stage: str
    network: bool
    shape: tuple[int, ...]
    macs: int
    bytes: int
    live: int


class PartCost(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the graph.

    Attributes:
        parameters: numbers learned or fitted: constants with at least one axis, without shapes, indices, scales of
            quantisation and zero points.
        weight_bytes: bytes of all constants that the part uses, each counted once.
        macs: multiply-accumulates per inference, of MatMul, Gemm, Conv, LSTM and GRU.
        peak_bytes: largest total size of the values that are live at the same time, without constants.
        nodes: number of operators.
    """

    parameters: int
    weight_bytes: int
    macs: int
    peak_bytes: int
    nodes: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of one inference of one sample.

    Attributes:
        total: cost of the whole graph.
        network: cost after the boundary of the graph; preprocessing: cost before it. A constant that both use counts
            for the network.
        stages: cost by name of the stage; operators after the last stage are under 'answer'.
        nodes: cost of each operator, in order.
    """

    total: PartCost
    network: PartCost
    preprocessing: PartCost
    stages: dict[str, PartCost]
    nodes: tuple[NodeCost, ...]


def cost(graph: Graph) -> Cost:
    """Compute the cost of a graph by running it once on a sample of zeros, which gives every shape.

    Raises:
        InputError: the graph cannot run.
    """
    values = _values(graph)
    network = _after(graph)
    stages = _stages(graph)
    live = _live(graph, values)
    nodes = tuple(
        NodeCost(
            op=node.op,
            output=node.outputs[0],
            stage=stage,
            network=inside,
            shape=values[node.outputs[0]].shape,
            macs=_macs(node, values),
            bytes=values[node.outputs[0]].nbytes,
            live=alive,
        )
        for node, stage, inside, alive in zip(graph.nodes, stages, network, live, strict=True)
    )
    used_by_network = {
        name for node, inside in zip(graph.nodes, network, strict=True) if inside for name in node.inputs
    }

    def part(chosen: Callable[[NodeCost], bool], without: frozenset[str] = frozenset()) -> PartCost:
        places = [i for i, node in enumerate(nodes) if chosen(node)]
        return _part(graph, [graph.nodes[i] for i in places], [nodes[i] for i in places], without)

    names = dict.fromkeys(stages)
    return Cost(
        total=part(lambda n: True),
        network=part(lambda n: n.network),
        preprocessing=part(lambda n: not n.network, frozenset(used_by_network)),
        stages={name: part(_of_stage(name)) for name in names},
        nodes=nodes,
    )


def _of_stage(name: str) -> Callable[[NodeCost], bool]:
    return lambda node: node.stage == name


def _values(graph: Graph) -> dict[str, Array]:
    """Return every value of the graph for a sample of zeros, constants included."""
    source = graph.inputs[0] if graph.inputs else None
    if source is None or any(length < 1 for length in source.shape) or math.prod(source.shape) > _LARGEST_SAMPLE:
        raise InputShapeOpenError(
            "an input of fixed shape", str(source.shape if source else None), f"graph {graph.name}"
        )
    sample = np.zeros((1, *source.shape), np.dtype(source.dtype))
    every = [output for node in graph.nodes for output in node.outputs if output]
    run = compile_graph(graph, every)
    return {**graph.constants, source.name: sample, **run(sample)}


def _after(graph: Graph) -> list[bool]:
    """Return for each node whether it depends on the boundary; none does if there is no boundary.

    A node that reads only constants (such as dequantised weights) counts where its output is used.
    """
    reached = {graph.boundary} if graph.boundary else set()
    inside = []
    for node in graph.nodes:
        depends = not reached.isdisjoint(node.inputs)
        if depends:
            reached.update(node.outputs)
        inside.append(depends)
    wanted = {name for node, depends in zip(graph.nodes, inside, strict=True) if depends for name in node.inputs}
    for index in range(len(inside) - 1, -1, -1):
        node = graph.nodes[index]
        if not inside[index] and _constant(node, graph) and not wanted.isdisjoint(node.outputs):
            inside[index] = True
            wanted.update(node.inputs)
    return inside


def _stages(graph: Graph) -> list[str]:
    """Return the stage of each node: the first stage whose end comes at the node or later."""
    location = {output: i for i, node in enumerate(graph.nodes) for output in node.outputs}
    names, last = [], -1
    for mark in graph.stages:
        end = location.get(mark.value, last)
        names += [mark.stage] * (end - last)
        last = max(last, end)
    return names + ["answer"] * (len(graph.nodes) - len(names))


def _live(graph: Graph, values: dict[str, Array]) -> list[int]:
    """Return the bytes of live values while each node runs: inputs, output, and values that later nodes need."""
    owner = {v.name: v.name for v in graph.inputs}
    for node in graph.nodes:
        source = owner.get(node.inputs[0]) if node.inputs and node.op in _SAME_MEMORY else None
        owner.update(dict.fromkeys(node.outputs, source or node.outputs[0]))
    end = len(graph.nodes)
    last = {owner[v.name]: end for v in graph.outputs if v.name in owner}
    for index in range(end - 1, -1, -1):
        for name in (*graph.nodes[index].inputs, *graph.nodes[index].outputs):
            if name in owner:
                last.setdefault(owner[name], index)
    alive = {owner[v.name] for v in graph.inputs}
    counts = []
    for index, node in enumerate(graph.nodes):
        alive.update(owner[output] for output in node.outputs if not _constant(node, graph))
        counts.append(sum(values[name].nbytes for name in alive))
        alive = {name for name in alive if last.get(name, -1) > index}
    return counts


def _constant(node: Node, graph: Graph) -> bool:
    """Return whether a node only reshapes or dequantises constants: such values are stored in advance."""
    return bool(node.inputs) and all(name == "" or name in graph.constants for name in node.inputs)


def _macs(node: Node, values: dict[str, Array]) -> int:
    if node.op in ("LSTM", "GRU"):
        gates = values[node.inputs[1]].size + values[node.inputs[2]].size
        return int(gates * values[node.inputs[0]].shape[2 if WINDOW in node.attributes else 0])
    if node.op not in ("MatMul", "Gemm", "Conv"):
        return 0
    output, weights = values[node.outputs[0]], values[node.inputs[1]]
    if node.op == "Conv":
        return output.size * math.prod(weights.shape[1:])
    first = values[node.inputs[0]]
    inner = first.shape[-2] if node.op == "Gemm" and node.attributes.get("transA") else first.shape[-1]
    return int(output.size * inner)


def _part(graph: Graph, nodes: Sequence[Node], costs: Sequence[NodeCost], without: frozenset[str]) -> PartCost:
    used = {name for node in nodes for name in node.inputs if name in graph.constants} - without
    fitted = {
        name
        for node in nodes
        for name in (node.inputs[:1] if node.op in _QUANTISERS else node.inputs)
        if name in used and _is_parameter(graph.constants[name])
    }
    return PartCost(
        parameters=sum(graph.constants[name].size for name in fitted),
        weight_bytes=sum(graph.constants[name].nbytes for name in used),
        macs=sum(c.macs for c in costs),
        peak_bytes=max((c.live for c in costs), default=0),
        nodes=len(costs),
    )


def _is_parameter(array: Any) -> bool:  # noqa: ANN401 - arrays of any type
    return bool(array.ndim) and array.dtype.kind in "fiu" and array.dtype != np.int64
