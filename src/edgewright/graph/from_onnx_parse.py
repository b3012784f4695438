"""Parser of ONNX bytes of any opset and domain, without the `onnx` package; the bytes are not trusted.

Field numbers are those of onnx.proto3 of the ONNX standard.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewright.core.onnx.protobuf import DTYPES, Field, collect, joined, last, tensor
from edgewright.core.onnx.reader import ATTRIBUTE, NODE, domain_version, entry, tensor_type
from edgewright.graph.draft import DraftNode
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

_STRING_TENSOR = 8
# Type of an attribute -> number of the field that holds its value.
_HELD_IN = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8, 8: 9}


@dataclass
class Declared:
    """An input as the model declares it; an axis without a fixed length is -1."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]


@dataclass
class Parsed:
    """A model as it stands in the file; `marker` is a value of the input that stands for a missing one."""

    nodes: list[DraftNode] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[Declared] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    opset: int = 0
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    marker: float | None = None


Fetch = Callable[[dict[str, str]], bytes]


def parse(data: bytes, fetch: Fetch) -> Parsed:
    """Read the bytes.

    Args:
        data: bytes of the file.
        fetch: returns the bytes of constants that are stored in a file next to the model.

    Raises:
        InputError: damaged bytes, or content that the dialect does not support (functions, sparse constants, branches).
    """
    fields = collect(memoryview(data), {2: Field.text, 7: Field.message, 8: domain_version, 14: entry})
    if not last(fields, 7, b""):
        raise InputError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    parsed = Parsed(producer=last(fields, 2, ""), metadata=dict(fields.get(14, [])))
    parsed.opset = next((number for domain, number in reversed(fields.get(8, [])) if domain in ("", "ai.onnx")), 0)
    _graph(fields[7][-1], parsed, fetch)
    return parsed


def _graph(data: memoryview, parsed: Parsed, fetch: Fetch, *, loops: bool = True) -> None:
    fields = collect(
        data,
        {
            1: lambda field: _node(field.message(), fetch, loops),
            5: lambda field: _tensor(field.message(), fetch),
            11: _declared,
            12: lambda field: last(collect(field.message(), {1: Field.text}), 1, ""),
            15: Field.message,
        },
    )
    if 15 in fields:
        raise InputError("dense constants", "sparse ones", do="Export the model without sparse weights")
    for node in fields.get(1, []):
        if node.kind == "Constant":
            parsed.constants[node.outputs[0]] = _constant(node)
        else:
            parsed.nodes.append(node)
    parsed.constants.update(fields.get(5, []))
    # Old writers list constants among the inputs.
    parsed.inputs = [value for value in fields.get(11, []) if value.name not in parsed.constants]
    parsed.outputs = fields.get(12, [])


def _node(data: memoryview, fetch: Fetch, loops: bool) -> DraftNode:
    fields = collect(data, NODE)
    domain = last(fields, 7, "")
    node = DraftNode(last(fields, 4, ""), fields.get(1, []), fields.get(2, []))
    node.domain = "" if domain == "ai.onnx" else domain
    if not any(node.outputs) or (not node.outputs[0] and node.kind not in ("LSTM", "GRU", "RNN")):
        raise InputError("a node with an output", "none", f"operator {node.kind}")
    if not node.kind.isprintable():
        raise InputError("a name of an operator", repr(node.kind[:40]), "a node of the graph")
    node.attributes = dict(_attribute(part, node, fetch, loops) for part in fields.get(5, []))
    while node.inputs and not node.inputs[-1]:
        node.inputs.pop()
    return node


def _attribute(data: memoryview, node: DraftNode, fetch: Fetch, loops: bool) -> tuple[str, Any]:
    fields = collect(data, {**ATTRIBUTE, 6: Field.message, 9: Field.text})
    name = last(fields, 1, "")
    if 20 in fields:
        number = _HELD_IN.get(fields[20][-1], 0)
    else:
        # Files from before 2018 omit the type.
        number = next((n for n in fields if n in (2, 3, 4, 5)), 0) or next((n for n in (7, 8, 9) if fields.get(n)), 0)
    if 6 in fields and loops and node.kind == "Loop":
        body = Parsed()
        _graph(fields[6][-1], body, fetch, loops=False)
        return name, body
    if 6 in fields or not number or (number == 5 and 5 not in fields):
        raise refused_branch(name, node)
    if number in (7, 8):
        return name, tuple(joined(fields, number))
    if number == 9:
        return name, tuple(fields.get(9, []))
    if number == 5:
        return name, _tensor(fields[5][-1], fetch)[1]
    return name, last(fields, number, {2: 0.0, 3: 0, 4: ""}[number])


def refused_branch(name: str, node: DraftNode) -> InputError:
    """Return the error for an operator that contains a graph."""
    got, do = f"the attribute {name!r}", "Export the model unrolled"
    return InputError("operators without branches and loops", got, node.where, do)


def _constant(node: DraftNode) -> Array:
    """Return the value of a node of the operator Constant."""
    for key, dtype in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
                       ("value_ints", np.int64), ("value_string", object), ("value_strings", object)):  # fmt: skip
        if key in node.attributes:
            return np.asarray(node.attributes[key], dtype)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise InputError("a constant that is a tensor or a number", ", ".join(node.attributes) or "nothing", node.where)
    return value


def _tensor(data: memoryview, fetch: Fetch) -> tuple[str, Array]:
    """Return a tensor: text (labels of classes), values in a file beside the model, or numbers."""
    fields = collect(data, {1: Field.integers, 2: Field.integer, 6: Field.text, 8: Field.text, 13: entry})
    name, kind, outside = last(fields, 8, ""), last(fields, 2, 0), dict(fields.get(13, []))
    dims = joined(fields, 1)
    if kind == _STRING_TENSOR:
        return name, np.asarray(fields.get(6, []), object)
    if not outside:
        return tensor(data)
    if kind not in DTYPES:
        raise InputError("a constant of a known type", f"ONNX type {kind}", f"constant {name!r}")
    raw, dtype = fetch(outside), DTYPES[kind]
    if min(dims, default=1) < 0 or math.prod(dims) * dtype.itemsize != len(raw):
        raise InputError(f"values for the shape {dims}", f"{len(raw)} bytes", f"constant {name!r}")
    return name, np.frombuffer(raw, dtype).reshape(dims).astype(dtype.newbyteorder("="))


def _declared(field: Field) -> Declared:
    fields = collect(field.message(), {1: Field.text, 2: tensor_type})
    kind = last(fields, 2, None)
    number, dims = kind or (0, [])
    dtype = DTYPES[number].name if number in DTYPES else f"ONNX type {number}"
    lengths, axes = tuple(length for length, _ in dims), tuple(name for _, name in dims)
    return Declared(last(fields, 1, ""), dtype if kind else "", lengths, axes)
