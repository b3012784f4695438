"""ONNX bytes to a graph, without the `onnx` package: what a device reads its model with.

Field numbers are those of onnx.proto3 of the ONNX standard.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from edgewright.core.onnx.byte_signs import to_signed
from edgewright.core.onnx.protobuf import Field, fields
from edgewright.core.onnx.tensors import DTYPES, tensor
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Attribute, Graph, Node, StageMark, Value

# Before 13 Softmax flattened its input; what comes after 24 is not written yet.
_OPSETS = range(13, 25)
_PREFIX = "edgewright."
_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 6, 7
_OUR_DOMAINS = ("", "ai.onnx")


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
    body: memoryview | None = None
    opset, metadata = 0, {}
    for field in fields(memoryview(data)):
        if field.number == 7:
            body = field.message()
        elif field.number == 8:
            domain, version = _opset(field.message())
            opset = version if domain in _OUR_DOMAINS else opset
        elif field.number == 14:
            key, value = _entry(field.message())
            metadata[key] = value
    if body is None:
        raise InputError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    if opset not in _OPSETS:
        raise InputError(f"opset {_OPSETS.start} to {_OPSETS.stop - 1}", str(opset), do="Convert the model to opset 18")
    return to_signed(_graph(body, metadata))


def _opset(data: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for field in fields(data):
        if field.number == 1:
            domain = field.text()
        elif field.number == 2:
            version = field.integer()
    return domain, version


def _entry(data: memoryview) -> tuple[str, str]:
    texts = {field.number: field.text() for field in fields(data) if field.number in (1, 2)}
    return texts.get(1, ""), texts.get(2, "")


def _graph(data: memoryview, metadata: dict[str, str]) -> Graph:
    name, nodes, constants = "", [], {}
    inputs: list[Value] = []
    outputs: list[Value] = []
    for field in fields(data):
        if field.number == 1:
            node = _node(field.message())
            if isinstance(node, Node):
                nodes.append(node)
            else:
                constants.update(node)
        elif field.number == 2:
            name = field.text()
        elif field.number == 5:
            key, array = tensor(field.message())
            constants[key] = array
        elif field.number == 11:
            inputs.append(_value(field.message()))
        elif field.number == 12:
            outputs.append(_value(field.message()))
        elif field.number == 15:
            raise InputError("dense constants", "sparse ones", f"graph {name!r}")
    stages, boundary, labels = _ours(metadata)
    return Graph(
        name=name,
        # Old writers list constants among the inputs.
        inputs=tuple(v for v in inputs if v.name not in constants),
        outputs=tuple(outputs),
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


def _node(data: memoryview) -> Node | dict[str, Array]:
    """Return a node, or what a node of the operator Constant holds."""
    inputs: list[str] = []
    outputs: list[str] = []
    op, domain, attributes = "", "", list[Field]()
    for field in fields(data):
        if field.number == 1:
            inputs.append(field.text())
        elif field.number == 2:
            outputs.append(field.text())
        elif field.number == 4:
            op = field.text()
        elif field.number == 7:
            domain = field.text()
        elif field.number == 5:
            attributes.append(field)
    if domain not in _OUR_DOMAINS:
        raise InputError("operators of ai.onnx", f"{domain}.{op}", f"the node that gives {outputs[:1]}")
    read = dict(_attribute(field.message(), op) for field in attributes)
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
    name, kind, found = "", 0, dict[int, Any]()
    floats: list[float] = []
    ints: list[int] = []
    for field in fields(data):
        if field.number == 1:
            name = field.text()
        elif field.number == 20:
            kind = field.integer()
        elif field.number == 2:
            found[_FLOAT] = next(iter(field.floats()), 0.0)
        elif field.number == 3:
            found[_INT] = field.integer()
        elif field.number == 4:
            found[_STRING] = field.text()
        elif field.number == 5:
            found[_TENSOR] = tensor(field.message())[1]
        elif field.number == 7:
            floats += field.floats()
        elif field.number == 8:
            ints += field.integers()
    # proto3 leaves out what is zero or empty.
    read: dict[int, Any] = {_FLOAT: 0.0, _INT: 0, _STRING: "", **found, _FLOATS: tuple(floats), _INTS: tuple(ints)}
    if kind not in read:
        raise InputError(
            "an attribute that is a number, text, a list of numbers or a tensor", repr(name), f"operator {op}"
        )
    value: Attribute | Array = read[kind]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("a finite attribute", f"{name} = {value}", f"operator {op}")
    return name, value


def _value(data: memoryview) -> Value:
    """Return a ValueInfoProto; the first axis, the batch, is left out, and an axis without a fixed length is -1."""
    name, dtype, shape = "", "float32", list[int]()
    for field in fields(data):
        if field.number == 1:
            name = field.text()
        elif field.number == 2:
            for kind in _inside(field.message(), 1):
                dtype, shape = _tensor_type(kind)
    return Value(name=name, dtype=dtype, shape=tuple(shape[1:]))


def _tensor_type(data: memoryview) -> tuple[str, list[int]]:
    dtype, shape = "float32", list[int]()
    for field in fields(data):
        if field.number == 1:
            kind = field.integer()
            if kind not in DTYPES:
                raise InputError("inputs and outputs of a known type", f"ONNX type {kind}")
            dtype = DTYPES[kind].name
        elif field.number == 2:
            shape = [_length(dim) for dim in _inside(field.message(), 1)]
    return dtype, shape


def _length(data: memoryview) -> int:
    return next((field.integer() for field in fields(data) if field.number == 1), -1)


def _inside(data: memoryview, number: int) -> Iterable[memoryview]:
    return (field.message() for field in fields(data) if field.number == number)
