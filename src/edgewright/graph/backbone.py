"""A model file without its classifier: float operators and their weights, from the network's input to its features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.errors import BackboneError, BackboneMissingError
from edgewright.core.integer.network import Reader, obstacle
from edgewright.core.operators import prepare, where
from edgewright.core.operators._attributes import number
from edgewright.core.records.network import Array, Graph, Node
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph

START = "input"
TRAINED = ("Conv", "Gemm")
# Operators of a network that can be trained.
KNOWN = frozenset({*TRAINED, "Relu", "Clip", "Sigmoid", "Add", "MaxPool", "AveragePool", "GlobalAveragePool",
                   "GlobalMaxPool", "Pad", "Reshape", "Flatten"})  # fmt: skip
_POOLS = ("GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool")
_FORMATS = (".tflite", ".onnx")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One operator.

    Attributes:
        node: inputs are `START`, outputs of earlier nodes, names of constants, or empty.
        integers: the inputs that are shapes, widths or axes, by their index.
    """

    node: Node
    integers: dict[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Backbone:
    """Operators and weights of a model file, for a network that is trained further.

    Attributes:
        sha256: SHA-256 of the file.
        shape, out: shapes of one input sample and of its features, channels first.
        range: numbers that the smallest and the largest byte of an int8 file's input represent; None for floats.
        steps: operators in their order; layer N with weights reads 'layerN.weights' and 'layerN.bias'.
        constants: float32 arrays by name.
    """

    sha256: str
    shape: Shape
    out: Shape
    range: tuple[float, float] | None
    steps: tuple[Step, ...]
    constants: dict[str, Array]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a model file.

    Raises:
        InputError: it cannot be read, or its name has another ending.
    """
    if path.suffix.lower() not in _FORMATS:
        raise BackboneMissingError("a model file that ends in .tflite or .onnx", repr(path.name), "model.backbone")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BackboneMissingError("a model file", error.strerror or str(error), f"model.backbone {path}") from None


def read_backbone(path: Path, depth: float = 1.0) -> Backbone:
    """Read a model file without the part after its last global pooling, or without its last layer if it does not pool.

    Args:
        path: path of the file.
        depth: share of the layers with weights that are kept, counted from the first.

    Raises:
        InputError: no file, no model, an operator that cannot be trained, or no layer before the classifier.
    """
    return _read(path, file_hash(path), depth)


@lru_cache(maxsize=16)
def _read(path: Path, sha256: str, depth: float) -> Backbone:
    graph = network_graph(read_tflite(path)) if path.suffix.lower() == ".tflite" else read_model(path)
    return backbone(graph, sha256, f"model.backbone {path.name}", depth)


def backbone(graph: Graph, sha256: str, file: str, depth: float = 1.0) -> Backbone:
    """Return the network of a graph without its preprocessing and its classifier.

    Args:
        graph: float or quantised graph.
        sha256: SHA-256 of its file.
        file: name of the file for messages.
        depth: share of the layers before the classifier that are kept.

    Raises:
        InputError: an operator cannot be trained, or no layer precedes the classifier.
    """
    begin = graph.boundary
    if not begin:
        raise BackboneError("a model whose layers are one network", obstacle(graph), file)
    shapes = Reader(graph).shapes
    nodes, constants, limits = _unrounded(graph)
    end = _end(nodes, begin, shapes)
    kept = _between(nodes, begin, end)
    layers = [node for node in kept if node.op in TRAINED]
    count = max(1, round(depth * len(layers)))
    if count < len(layers):
        end = layers[count].inputs[0]
        kept = _between(nodes, begin, end)
    if not any(node.op in TRAINED for node in kept):
        raise BackboneError("layers with weights before the classifier", "a classifier alone", file)
    unknown = next((node for node in kept if node.op not in KNOWN), None)
    if unknown is not None:
        known = f"operators that can be trained ({', '.join(sorted(KNOWN))})"
        raise BackboneError(known, unknown.op, f"{file}, {where(unknown)}")
    if any(graph.inputs[0].name in node.inputs for node in kept) and begin != graph.inputs[0].name:
        raise BackboneError("a network that reads its input once", "a second reader before its first layer", file)
    steps, arrays = _named(kept, begin, constants, file)
    out = shapes[end]
    if len(out) > 1 and set(out[1:]) == {1}:
        steps.append(Step(Node(op="Flatten", inputs=(end,), outputs=("features",), attributes={"axis": 1})))
        out = out[:1]
    return Backbone(sha256, shapes[begin], out, limits, tuple(steps), arrays)


def _unrounded(graph: Graph) -> tuple[list[Node], dict[str, Array], tuple[float, float] | None]:
    """Return the nodes without rounding, the constants as float numbers, and the range of the network's input."""
    constants, alias, nodes = dict(graph.constants), dict[str, str](), []
    limits: tuple[float, float] | None = None
    for node in graph.nodes:
        given = [constants.get(name) for name in node.inputs]
        if node.op == "DequantizeLinear" and given[0] is not None:
            constants[node.outputs[0]] = np.asarray(prepare(node, given)(*given), np.float32)
        elif node.op in ("QuantizeLinear", "DequantizeLinear"):
            if node.inputs[0] == graph.boundary and node.op == "QuantizeLinear" and given[1] is not None:
                zero = np.zeros((), np.uint8) if len(given) < 3 or given[2] is None else given[2]
                kind = np.iinfo(zero.dtype)
                low, high = ((limit - int(zero)) * float(given[1]) for limit in (kind.min, kind.max))
                limits = (low, high)
            alias[node.outputs[0]] = alias.get(node.inputs[0], node.inputs[0])
        else:
            inputs = tuple(alias.get(name, name) for name in node.inputs)
            if node.op == "Pad" and len(inputs) > 2 and inputs[2] in constants:
                # The zero point of bytes represents 0.
                constants[inputs[2]] = np.zeros((), np.float32)
            nodes.append(msgspec.structs.replace(node, inputs=inputs))
    return nodes, constants, limits


def _between(nodes: Sequence[Node], begin: str, end: str, without: str = "") -> list[Node]:
    """Return the nodes that `end` needs, back to `begin`, without the nodes before the value `without`."""
    needed, kept = {end}, []
    for node in reversed(nodes):
        if node.outputs[0] in needed - {begin, without}:
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _end(nodes: Sequence[Node], begin: str, shapes: dict[str, Shape]) -> str:
    """Return the input of the classifier: the last global pooling through which all values reach the last weights."""
    reached, last = {begin}, 0
    for index, node in enumerate(nodes):
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            last = index if node.op in TRAINED else last
    final = nodes[last]
    for node in reversed(nodes[:last]):
        value, source = node.outputs[0], node.inputs[0]
        whole = node.op in _POOLS and set(shapes[value][1:]) == {1} and set(shapes[source][1:]) != {1}
        around = _between(nodes, begin, final.outputs[0], without=value)
        if whole and value in reached and not any(begin in other.inputs for other in around):
            return value
    return final.inputs[0]


def _named(
    nodes: Sequence[Node], begin: str, constants: dict[str, Array], file: str
) -> tuple[list[Step], dict[str, Array]]:
    """Return the nodes with new names for their weights, and the weights by these names."""
    steps, arrays, layers = [], dict[str, Array](), 0
    for node in nodes:
        inputs, attributes = [START if name == begin else name for name in node.inputs], node.attributes
        integers: dict[int, tuple[int, ...]] = {}
        if node.op in TRAINED:
            layers += 1
            weights, bias = _weights(node, constants, file)
            inputs = [inputs[0], f"layer{layers}.weights", f"layer{layers}.bias"]
            arrays |= {inputs[1]: weights, inputs[2]: bias}
            attributes = {} if node.op == "Gemm" else attributes
        for position, name in enumerate(inputs):
            array = constants.get(name)
            if array is not None and array.dtype.kind == "i":
                integers[position] = tuple(int(n) for n in array.ravel())
                inputs[position] = ""
            elif array is not None:
                inputs[position] = f"constant{len(arrays)}"
                arrays[inputs[position]] = np.asarray(array, np.float32)
        renamed = Node(op=node.op, inputs=tuple(inputs), outputs=node.outputs, attributes=attributes)
        steps.append(Step(renamed, integers))
    return steps, arrays


def _weights(node: Node, constants: dict[str, Array], file: str) -> tuple[Array, Array]:
    """Return weights and bias in the layout of our own layers: without factors and not transposed."""
    if any(name and name not in constants for name in node.inputs[1:]):
        raise BackboneError("constant weights", "computed ones", f"{file}, {where(node)}")
    arrays = [np.asarray(constants[name], np.float32) for name in node.inputs[1:] if name]
    weights, axis = arrays[0], 0
    if node.op == "Gemm":
        weights = weights.T if node.attributes.get("transB") else weights
        weights, axis = np.asarray(weights * number(node, "alpha", 1.0), np.float32), 1
    bias = np.zeros(weights.shape[axis], np.float32)
    if len(arrays) > 1:
        bias = np.asarray(arrays[1].reshape(-1) * number(node, "beta", 1.0), np.float32)
    return weights, np.broadcast_to(bias, weights.shape[axis]).copy()
