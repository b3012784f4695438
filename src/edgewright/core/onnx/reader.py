"""ONNX bytes to a graph, without the `onnx` package: what a device reads its model with.

Field numbers are those of onnx.proto3 of the ONNX standard.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import OnnxDamagedError, OnnxError, OnnxOpsetError
from edgewright.core.onnx.protobuf import DTYPES, Field, collect, joined, last, tensor
from edgewright.core.operators.shape import LAST, SEQUENCE, WINDOW
from edgewright.core.records.network import Array, Attribute, Graph, Node, StageMark, Value

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


# Before 13 Softmax flattened its input; what comes after 24 is not written yet.
_OPSETS = range(13, 25)
_PREFIX = "edgewright."
_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 6, 7
_OUR_DOMAINS = ("", "ai.onnx")
# Readers of the fields of NodeProto, and of AttributeProto but for graphs and lists of texts.
NODE = {1: Field.text, 2: Field.text, 4: Field.text, 5: Field.message, 7: Field.text}
ATTRIBUTE = {
    1: Field.text,
    2: lambda field: next(iter(field.floats()), 0.0),
    3: Field.integer,
    4: Field.text,
    5: Field.message,
    7: Field.floats,
    8: Field.integers,
    20: Field.integer,
}


def read_onnx(data: bytes) -> Graph:
    """Read an ONNX model.

    Args:
        data: the bytes of the file.

    Returns:
        The graph; stage ends, boundary and labels come from the metadata that `graph.onnx_writer` writes. Bytes that
        the file holds unsigned between roundings are signed in it.

    Raises:
        InputError: for damaged bytes, another opset, operators of other domains, and what the dialect has no word for.
    """
    fields = collect(memoryview(data), {7: Field.message, 8: domain_version, 14: entry})
    body, metadata = last(fields, 7, None), dict(fields.get(14, []))
    opset = next((version for domain, version in reversed(fields.get(8, [])) if domain in _OUR_DOMAINS), 0)
    if body is None:
        raise OnnxDamagedError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    if opset not in _OPSETS:
        raise OnnxOpsetError(
            f"opset {_OPSETS.start} to {_OPSETS.stop - 1}", str(opset), do="Convert the model to opset 18"
        )
    return to_signed(over_windows(_graph(body, metadata)))


def domain_version(field: Field) -> tuple[str, int]:
    """Return an OperatorSetIdProto: domain and version."""
    fields = collect(field.message(), {1: Field.text, 2: Field.integer})
    return last(fields, 1, ""), last(fields, 2, 0)


def entry(field: Field) -> tuple[str, str]:
    """Return a StringStringEntryProto: key and value."""
    fields = collect(field.message(), {1: Field.text, 2: Field.text})
    return last(fields, 1, ""), last(fields, 2, "")


def _graph(data: memoryview, metadata: dict[str, str]) -> Graph:
    readers = {
        1: _node,
        2: Field.text,
        5: lambda field: tensor(field.message()),
        11: _value,
        12: _value,
        15: Field.message,
    }
    fields = collect(data, readers)
    name, nodes = last(fields, 2, ""), [node for node in fields.get(1, []) if isinstance(node, Node)]
    if 15 in fields:
        raise OnnxError("dense constants", "sparse ones", f"graph {name!r}")
    constants = {key: array for node in fields.get(1, []) if isinstance(node, dict) for key, array in node.items()}
    constants.update(fields.get(5, []))
    stages, boundary, labels = _ours(metadata)
    return Graph(
        name=name,
        # Old writers list constants among the inputs.
        inputs=tuple(v for v in fields.get(11, []) if v.name not in constants),
        outputs=tuple(fields.get(12, [])),
        nodes=tuple(nodes),
        constants=constants,
        stages=stages,
        boundary=boundary,
        labels=labels,
        metadata={
            k: v for k, v in metadata.items() if k not in {_PREFIX + n for n in ("stages", "boundary", "labels")}
        },
    )


def _ours(metadata: dict[str, str]) -> tuple[tuple[StageMark, ...], str, tuple[str, ...]]:
    stages = _json(metadata, "stages")
    labels = _json(metadata, "labels")
    if not all(isinstance(s, list) and len(s) == 2 and all(isinstance(t, str) for t in s) for s in stages):
        raise OnnxError("pairs of stage and value", "something else", "metadata edgewright.stages")
    if not all(isinstance(label, str) for label in labels):
        raise OnnxError("labels as text", "something else", "metadata edgewright.labels")
    marks = tuple(StageMark(stage=stage, value=value) for stage, value in stages)
    return marks, metadata.get(_PREFIX + "boundary", ""), tuple(labels)


def _json(metadata: dict[str, str], key: str) -> list[Any]:
    try:
        value = json.loads(metadata.get(_PREFIX + key, "[]"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise OnnxError("a JSON list", "something else", f"metadata {_PREFIX}{key}")
    return value


def _node(field: Field) -> Node | dict[str, Array]:
    """Return a node, or what a node of the operator Constant holds."""
    fields = collect(field.message(), NODE)
    inputs, outputs = fields.get(1, []), fields.get(2, [])
    op, domain = last(fields, 4, ""), last(fields, 7, "")
    if domain not in _OUR_DOMAINS:
        raise OnnxError("operators of ai.onnx", f"{domain}.{op}", f"the node that gives {outputs[:1]}")
    read = dict(_attribute(part, op) for part in fields.get(5, []))
    if op == "Constant":
        value = read.get("value")
        if len(outputs) != 1 or value is None or not hasattr(value, "dtype"):
            raise OnnxError("a constant that is a tensor", ", ".join(read) or "nothing", "operator Constant")
        return {outputs[0]: value}
    for name, value in read.items():
        if not isinstance(value, int | float | str | tuple):
            raise OnnxError("an attribute that is a number, text or a list of numbers", name, f"operator {op}")
    return Node(op=op, inputs=tuple(inputs), outputs=tuple(outputs), attributes=read)


def _attribute(data: memoryview, op: str) -> tuple[str, Any]:
    fields = collect(data, ATTRIBUTE)
    name, kind = last(fields, 1, ""), last(fields, 20, 0)
    # proto3 leaves out what is zero or empty.
    read: dict[int, Any] = {
        _FLOAT: last(fields, 2, 0.0),
        _INT: last(fields, 3, 0),
        _STRING: last(fields, 4, ""),
        _FLOATS: tuple(joined(fields, 7)),
        _INTS: tuple(joined(fields, 8)),
    }
    if 5 in fields:
        read[_TENSOR] = tensor(fields[5][-1])[1]
    if kind not in read:
        raise OnnxError(
            "an attribute that is a number, text, a list of numbers or a tensor", repr(name), f"operator {op}"
        )
    value: Attribute | Array = read[kind]
    if isinstance(value, float) and not math.isfinite(value):
        raise OnnxError("a finite attribute", f"{name} = {value}", f"operator {op}")
    return name, value


def _value(field: Field) -> Value:
    """Return a ValueInfoProto; the first axis, the batch, is left out, and an axis without a fixed length is -1."""
    fields = collect(field.message(), {1: Field.text, 2: tensor_type})
    number, dims = last(fields, 2, None) or (_FLOAT, [])
    if number not in DTYPES:
        raise OnnxError("inputs and outputs of a known type", f"ONNX type {number}")
    return Value(name=last(fields, 1, ""), dtype=DTYPES[number].name, shape=tuple(length for length, _ in dims[1:]))


def tensor_type(field: Field) -> tuple[int, list[tuple[int, str]]] | None:
    """Return a TypeProto of a tensor: number of the type and, of each axis, the length (-1 where open) and its name."""
    fields = collect(field.message(), {1: lambda part: collect(part.message(), {1: Field.integer, 2: _dims})})
    kind = last(fields, 1, None)
    return None if kind is None else (last(kind, 1, _FLOAT), last(kind, 2, []))


def _dims(field: Field) -> list[tuple[int, str]]:
    axes = collect(field.message(), {1: lambda part: collect(part.message(), {1: Field.integer, 2: Field.text})})
    return [(last(axis, 1, -1), last(axis, 2, "")) for axis in axes.get(1, [])]
