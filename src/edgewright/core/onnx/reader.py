"""ONNX bytes to a graph, without the `onnx` package: what a device reads its model with.

Field numbers are those of onnx.proto3 of the ONNX standard.
"""

from __future__ import annotations

import json
import math
from typing import Any

from edgewright.core.onnx.byte_signs import to_signed
from edgewright.core.onnx.protobuf import DTYPES, Field, collect, joined, last, tensor
from edgewright.core.onnx.recurrent import over_windows
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Attribute, Graph, Node, StageMark, Value

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
        raise InputError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    if opset not in _OPSETS:
        raise InputError(f"opset {_OPSETS.start} to {_OPSETS.stop - 1}", str(opset), do="Convert the model to opset 18")
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
        raise InputError("dense constants", "sparse ones", f"graph {name!r}")
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
        raise InputError("pairs of stage and value", "something else", "metadata edgewright.stages")
    if not all(isinstance(label, str) for label in labels):
        raise InputError("labels as text", "something else", "metadata edgewright.labels")
    marks = tuple(StageMark(stage=stage, value=value) for stage, value in stages)
    return marks, metadata.get(_PREFIX + "boundary", ""), tuple(labels)


def _json(metadata: dict[str, str], key: str) -> list[Any]:
    try:
        value = json.loads(metadata.get(_PREFIX + key, "[]"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise InputError("a JSON list", "something else", f"metadata {_PREFIX}{key}")
    return value


def _tensor(field: Field) -> tuple[str, Array]:
    return tensor(field.message())


def _node(field: Field) -> Node | dict[str, Array]:
    """Return a node, or what a node of the operator Constant holds."""
    fields = collect(field.message(), NODE)
    inputs, outputs = fields.get(1, []), fields.get(2, [])
    op, domain = last(fields, 4, ""), last(fields, 7, "")
    if domain not in _OUR_DOMAINS:
        raise InputError("operators of ai.onnx", f"{domain}.{op}", f"the node that gives {outputs[:1]}")
    read = dict(_attribute(part, op) for part in fields.get(5, []))
    if op == "Constant":
        value = read.get("value")
        if len(outputs) != 1 or value is None or not hasattr(value, "dtype"):
            raise InputError("a constant that is a tensor", ", ".join(read) or "nothing", "operator Constant")
        return {outputs[0]: value}
    for name, value in read.items():
        if not isinstance(value, int | float | str | tuple):
            raise InputError("an attribute that is a number, text or a list of numbers", name, f"operator {op}")
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
        raise InputError(
            "an attribute that is a number, text, a list of numbers or a tensor", repr(name), f"operator {op}"
        )
    value: Attribute | Array = read[kind]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("a finite attribute", f"{name} = {value}", f"operator {op}")
    return name, value


def _value(field: Field) -> Value:
    """Return a ValueInfoProto; the first axis, the batch, is left out, and an axis without a fixed length is -1."""
    fields = collect(field.message(), {1: Field.text, 2: tensor_type})
    number, dims = last(fields, 2, None) or (_FLOAT, [])
    if number not in DTYPES:
        raise InputError("inputs and outputs of a known type", f"ONNX type {number}")
    return Value(name=last(fields, 1, ""), dtype=DTYPES[number].name, shape=tuple(length for length, _ in dims[1:]))


def tensor_type(field: Field) -> tuple[int, list[tuple[int, str]]] | None:
    """Return a TypeProto of a tensor: number of the type and, of each axis, the length (-1 where open) and its name."""
    fields = collect(field.message(), {1: lambda part: collect(part.message(), {1: Field.integer, 2: _dims})})
    kind = last(fields, 1, None)
    return None if kind is None else (last(kind, 1, _FLOAT), last(kind, 2, []))


def _dims(field: Field) -> list[tuple[int, str]]:
    axes = collect(field.message(), {1: lambda part: collect(part.message(), {1: Field.integer, 2: Field.text})})
    return [(last(axis, 1, -1), last(axis, 2, "")) for axis in axes.get(1, [])]
