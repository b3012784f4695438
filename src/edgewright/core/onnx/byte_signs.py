"""Signed and unsigned bytes of a quantised graph: bytes and zero points move by 128 together, the numbers stay.

Our graphs hold signed bytes, as LiteRT and C do. An ONNX file holds unsigned ones: stock ONNX Runtime adds pairs of
products of unsigned by signed bytes in 16 bits on x86-64 without VNNI, which saturates, and computes signed by unsigned
bytes in float32 on arm64. Unsigned by unsigned is exact on both. See docs/adr/0051-int8-onnx-in-any-runtime.md.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np

from edgewright.schema.graph import Array, Graph, Node

_ROUNDS, _READS = "QuantizeLinear", "DequantizeLinear"
# Where these have the zero point, and Pad the bytes that it fills in.
_ZERO = 2
# Operators that take bytes as they are. Concat alone has no other input than data.
_MOVES = frozenset(
    {
        "Concat",
        "Flatten",
        "Gather",
        "Identity",
        "MaxPool",
        "Pad",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
_UNSIGNED, _SIGNED = np.dtype(np.uint8), np.dtype(np.int8)


def to_unsigned(graph: Graph) -> Graph:
    """Turn signed bytes into unsigned ones.

    Args:
        graph: with int8 between QuantizeLinear and DequantizeLinear, or as constants of DequantizeLinear.

    Returns:
        The same names and numbers. Activations stay signed where anything else reads them, an output among others.
    """
    return _turned(graph, _SIGNED, _UNSIGNED)


def to_signed(graph: Graph) -> Graph:
    """Turn unsigned bytes into signed ones: the inverse of `to_unsigned`, for files of other writers as well."""
    return _turned(graph, _UNSIGNED, _SIGNED)


def _turned(graph: Graph, source: np.dtype[Any], target: np.dtype[Any]) -> Graph:
    full = _with_zeros(graph, source)
    bytes_of = _Bytes(full, source)
    slots = [bytes_of.constants_of(node) for node in full.nodes]
    if not any(slots):
        return graph
    reads = Counter(name for node in full.nodes for name in node.inputs)
    turned = Counter(node.inputs[slot] for node, uses in zip(full.nodes, slots, strict=True) for slot in uses)
    constants, nodes = dict(full.constants), []
    for node, uses in zip(full.nodes, slots, strict=True):
        inputs = list(node.inputs)
        for slot in uses:
            # What other nodes read as well keeps its bytes under its name.
            inputs[slot] += "" if reads[inputs[slot]] == turned[inputs[slot]] else "'"
            constants[inputs[slot]] = _other(full.constants[node.inputs[slot]], target)
        kept = {key: value for key, value in node.attributes.items() if not uses or key != "output_dtype"}
        nodes.append(msgspec.structs.replace(node, inputs=tuple(inputs), attributes=kept) if uses else node)
    return msgspec.structs.replace(full, nodes=tuple(nodes), constants=constants)


def _other(array: Array, target: np.dtype[Any]) -> Array:
    return np.asarray((np.ascontiguousarray(array).view(_UNSIGNED) ^ np.uint8(128)).view(target).reshape(array.shape))


def _with_zeros(graph: Graph, source: np.dtype[Any]) -> Graph:
    """Return the graph with the zero points written that stand for 0 when they are left out; one constant a shape."""
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        if node.op in (_ROUNDS, _READS) and not _zero(node) and node.inputs[1] in constants:
            first = graph.constants.get(node.inputs[0])
            rounds = node.op == _ROUNDS and source == _TYPES.get(int(str(node.attributes.get("output_dtype", 0))))
            if rounds or (first is not None and first.dtype == source):
                shape = constants[node.inputs[1]].shape
                name = "-".join(("zero", source.name, *map(str, shape)))
                constants[name] = np.zeros(shape, source)
                node = msgspec.structs.replace(node, inputs=(*node.inputs[:_ZERO], name))
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


# What a QuantizeLinear without a zero point rounds to, by its output_dtype.
_TYPES = {0: _UNSIGNED, 2: _UNSIGNED, 3: _SIGNED}


class _Bytes:
    """What of a graph is bytes of a kind and may be turned."""

    def __init__(self, graph: Graph, kind: np.dtype[Any]) -> None:
        self.graph, self.kind = graph, kind
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.public = {value.name for value in graph.outputs}
        self.weights = {name for name, array in graph.constants.items() if self._is_weight(name, array)}
        self.activations = self._activations()

    def constants_of(self, node: Node) -> tuple[int, ...]:
        """Which inputs of a node are constants to turn."""
        if node.op == _READS and node.inputs[0] in self.weights:
            return (0, _ZERO)
        rounds = node.op == _ROUNDS and node.outputs[0] in self.activations
        fills = node.op == "Pad" and bool(_zero(node))
        reads = (node.op == _READS or fills) and node.inputs[0] in self.activations
        return (_ZERO,) if rounds or reads else ()

    def _is_weight(self, name: str, array: Array) -> bool:
        """Return whether a constant is bytes that only DequantizeLinear reads."""
        readers = self.readers.get(name, [])
        read = bool(readers) and all(node.op == _READS and self._takes(node, name) for node in readers)
        return array.dtype == self.kind and read and name not in self.public

    def _activations(self) -> frozenset[str]:
        """Return values that are such bytes; none where one of them is read as what it is."""
        names: set[str] = set()
        for node in self.graph.nodes:
            data = _data(node)
            if (data and names.issuperset(data)) or (node.op == _ROUNDS and self._has_zero(node)):
                names.add(node.outputs[0])
        takes = all(self._takes(node, name) for name in names for node in self.readers.get(name, []))
        whole = all(names.issuperset(data) for node in self.graph.nodes if names.intersection(data := _data(node)))
        return frozenset(names) if takes and whole and not names & self.public else frozenset()

    def _takes(self, node: Node, name: str) -> bool:
        """Return whether a node gives the same numbers when the bytes it reads under a name are of the other kind."""
        if node.op == _READS:
            return node.inputs.count(name) == 1 and node.inputs[0] == name and self._has_zero(node)
        if node.op == "Pad" and node.attributes.get("mode", "constant") == "constant" and not self._has_zero(node):
            return False
        return name in _data(node) and name not in node.inputs[len(_data(node)) :]

    def _has_zero(self, node: Node) -> bool:
        zero = self.graph.constants.get(_zero(node))
        return zero is not None and zero.dtype == self.kind


def _zero(node: Node) -> str:
    return node.inputs[_ZERO] if len(node.inputs) > _ZERO else ""


def _data(node: Node) -> tuple[str, ...]:
    """Return the inputs of an operator that moves bytes which are bytes; none for any other operator."""
    if node.op not in _MOVES:
        return ()
    return node.inputs if node.op == "Concat" else node.inputs[:1]
