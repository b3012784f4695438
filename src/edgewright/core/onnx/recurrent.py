"""LSTM and GRU over windows, as the graph has them, and with time first, as the standard does.

A window is (n, channels, samples) in every value of a graph. The standard's operators take (samples, n, channels) and
give (samples, 1, n, units): a file has a Transpose before them, and Squeeze and Transpose behind.
"""

from __future__ import annotations

import json

import msgspec
import numpy as np

from edgewright.core.operators.recurrent import LAST, SEQUENCE, WINDOW
from edgewright.schema.graph import Attribute, Graph, Node

_OPERATORS = ("LSTM", "GRU")
_TIME_FIRST, _TIME_LAST = (2, 0, 1), (1, 2, 0)
# Names of the constants that say which axis Squeeze takes away.
_AXES = {SEQUENCE: ("axis-of-directions", 1), LAST: ("axis-of-one", 0)}
# What the standard has no attribute for, by name of the value that an operator gives.
KEY = "edgewright.recurrent"
_OWN = ("cell", "cell_clip")


def time_first(graph: Graph) -> Graph:
    """Return the graph with operators of the standard in place of those over windows."""
    nodes: list[Node] = []
    constants, own = dict(graph.constants), dict[str, dict[str, Attribute]]()
    for node in graph.nodes:
        window = node.attributes.get(WINDOW)
        if node.op not in _OPERATORS or window is None:
            nodes.append(node)
            continue
        (output,) = node.outputs
        axes, axis = _AXES[str(window)]
        constants[axes] = np.asarray([axis], np.int64)
        kept = {key: value for key, value in node.attributes.items() if key in _OWN}
        own |= {output: kept} if kept else {}
        standard = {key: value for key, value in node.attributes.items() if key not in (WINDOW, *_OWN)}
        first, every, flat = (f"{output}.{part}" for part in ("t", "y", "s"))
        inputs = (first, *node.inputs[1:])
        nodes.append(Node(op="Transpose", inputs=node.inputs[:1], outputs=(first,), attributes={"perm": _TIME_FIRST}))
        if window == LAST:
            nodes.append(Node(op=node.op, inputs=inputs, outputs=("", every), attributes=standard))
            nodes.append(Node(op="Squeeze", inputs=(every, axes), outputs=(output,)))
            continue
        nodes.append(Node(op=node.op, inputs=inputs, outputs=(every,), attributes=standard))
        nodes.append(Node(op="Squeeze", inputs=(every, axes), outputs=(flat,)))
        nodes.append(Node(op="Transpose", inputs=(flat,), outputs=(output,), attributes={"perm": _TIME_LAST}))
    metadata = {**graph.metadata, KEY: json.dumps(own, separators=(",", ":"), sort_keys=True)} if own else None
    if len(nodes) == len(graph.nodes):
        return graph
    return msgspec.structs.replace(
        graph, nodes=tuple(nodes), constants=constants, metadata=graph.metadata if metadata is None else metadata
    )


def over_windows(graph: Graph) -> Graph:
    """Return the graph with operators over windows where a file has what `time_first` writes."""
    if not any(node.op in _OPERATORS for node in graph.nodes):
        return graph
    producers = {node.outputs[-1]: node for node in graph.nodes}
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    own = json.loads(graph.metadata.get(KEY, "{}"))
    replaced: dict[int, Node] = {}
    for node in graph.nodes:
        before = producers.get(node.inputs[0]) if node.op in _OPERATORS else None
        if before is None or before.op != "Transpose" or before.attributes.get("perm") != _TIME_FIRST:
            continue
        behind = [before, node, *_behind(graph, readers, node)]
        if len(behind) not in (3, 4):
            continue
        window, output = (LAST if len(behind) == 3 else SEQUENCE), behind[-1].outputs[0]
        attributes = {**node.attributes, WINDOW: window, **own.get(output, {})}
        inputs = (*before.inputs[:1], *node.inputs[1:])
        replaced |= dict.fromkeys(map(id, behind), Node(op="", inputs=(), outputs=()))
        replaced[id(behind[-1])] = Node(op=node.op, inputs=inputs, outputs=(output,), attributes=attributes)
    nodes = (replaced.get(id(node), node) for node in graph.nodes)
    kept = tuple(node for node in nodes if node.op)
    read = {name for node in kept for name in node.inputs}
    axes = {name for name, _ in _AXES.values()}
    constants = {name: array for name, array in graph.constants.items() if name in read or name not in axes}
    metadata = {key: value for key, value in graph.metadata.items() if key != KEY}
    return msgspec.structs.replace(graph, nodes=kept, constants=constants, metadata=metadata)


def _behind(graph: Graph, readers: dict[str, list[Node]], node: Node) -> list[Node]:
    """Return the Squeeze behind an operator that gives its last state, or Squeeze and Transpose behind all of them."""
    last = len(node.outputs) == 2 and not node.outputs[0]
    consumers = readers.get(node.outputs[-1], []) if last or len(node.outputs) == 1 else []
    axis = (
        graph.constants.get(consumers[0].inputs[1]) if len(consumers) == 1 and len(consumers[0].inputs) == 2 else None
    )
    if axis is None or consumers[0].op != "Squeeze" or axis.ravel().tolist() != [0 if last else 1]:
        return []
    if last:
        return consumers
    turned = readers.get(consumers[0].outputs[0], [])
    if len(turned) != 1 or turned[0].op != "Transpose" or turned[0].attributes.get("perm") != _TIME_LAST:
        return []
    return [*consumers, *turned]
