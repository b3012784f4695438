"""ONNX bytes of any opset and domain to nodes and constants, without the `onnx` package and without trust.

Field numbers are those of onnx.proto3 of the ONNX standard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewright.core.onnx.protobuf import fields
from edgewright.core.onnx.tensors import DTYPES, tensor
from edgewright.graph.normalise._draft import DraftNode
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

_STRING_TENSOR = 8
_KINDS = {1: "float", 2: "int", 3: "text", 4: "tensor", 6: "floats", 7: "ints", 8: "texts"}


@dataclass
class Declared:
    """An input as the model declares it: an axis without a fixed length is -1."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]


@dataclass
class Parsed:
    """A model as it stands in the file."""

    nodes: list[DraftNode] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[Declared] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    opset: int = 0
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


Fetch = Callable[[dict[str, str]], bytes]


def parse(data: bytes, fetch: Fetch) -> Parsed:
    """Read the bytes.

    Args:
        data: of the file.
        fetch: gives the bytes of constants that are kept in a file beside the model.

    Raises:
        InputError: for damaged bytes, and for what has no place in the dialect (functions, sparse constants, branches).
    """
    found, body = Parsed(), memoryview(b"")
    for item in fields(memoryview(data)):
        if item.number == 2:
            found.producer = item.text()
        elif item.number == 7:
            body = item.message()
        elif item.number == 8:
            domain, version = "", 0
            for part in fields(item.message()):
                domain = part.text() if part.number == 1 else domain
                version = part.integer() if part.number == 2 else version
            found.opset = version if domain in ("", "ai.onnx") else found.opset
        elif item.number == 14:
            pair = {part.number: part.text() for part in fields(item.message()) if part.number in (1, 2)}
            found.metadata[pair.get(1, "")] = pair.get(2, "")
    if not body:
        raise InputError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    _graph(body, found, fetch)
    return found


def _graph(data: memoryview, found: Parsed, fetch: Fetch) -> None:
    for item in fields(data):
        if item.number == 1:
            node = _node(item.message(), fetch)
            if node.kind == "Constant":
                found.constants[node.outputs[0]] = _constant(node)
            else:
                found.nodes.append(node)
        elif item.number == 5:
            name, array = _tensor(item.message(), fetch)
            found.constants[name] = array
        elif item.number == 11:
            found.inputs.append(_declared(item.message()))
        elif item.number == 12:
            found.outputs.append(next((part.text() for part in fields(item.message()) if part.number == 1), ""))
        elif item.number == 15:
            raise InputError("dense constants", "sparse ones", do="Export the model without sparse weights")
    # Old writers list constants among the inputs.
    found.inputs = [value for value in found.inputs if value.name not in found.constants]


def _node(data: memoryview, fetch: Fetch) -> DraftNode:
    node = DraftNode("", [], [])
    parts = []
    for item in fields(data):
        if item.number == 1:
            node.inputs.append(item.text())
        elif item.number == 2:
            node.outputs.append(item.text())
        elif item.number == 4:
            node.op = item.text()
        elif item.number == 7:
            domain = item.text()
            node.domain = "" if domain == "ai.onnx" else domain
        elif item.number == 5:
            parts.append(item.message())
    if not node.outputs or not node.outputs[0]:
        raise InputError("a node with an output", "none", f"operator {node.kind}")
    if not node.kind.isprintable():
        raise InputError("a name of an operator", repr(node.kind[:40]), "a node of the graph")
    node.attributes = dict(_attribute(part, node, fetch) for part in parts)
    while node.inputs and not node.inputs[-1]:
        node.inputs.pop()
    return node


def _attribute(data: memoryview, node: DraftNode, fetch: Fetch) -> tuple[str, Any]:
    name, kind, one = "", "", dict[str, Any]()
    many: dict[str, list[Any]] = {"floats": [], "ints": [], "texts": []}
    for item in fields(data):
        if item.number == 1:
            name = item.text()
        elif item.number == 20:
            kind = _KINDS.get(item.integer(), "other")
        elif item.number == 2:
            one["float"] = next(iter(item.floats()), 0.0)
        elif item.number == 3:
            one["int"] = item.integer()
        elif item.number == 4:
            one["text"] = item.text()
        elif item.number == 5:
            one["tensor"] = _tensor(item.message(), fetch)[1]
        elif item.number == 6:
            kind = "other"
        elif item.number == 7:
            many["floats"] += item.floats()
        elif item.number == 8:
            many["ints"] += item.integers()
        elif item.number == 9:
            many["texts"].append(item.text())
    if not kind:
        # Files of before 2018 leave the type out.
        kind = next((k for k in (*one, *(k for k, v in many.items() if v))), "other")
    if kind == "other" or (kind == "tensor" and kind not in one):
        raise InputError(
            "operators without branches and loops", f"the attribute {name!r}", node.where, "Export the model unrolled"
        )
    if kind in many:
        return name, tuple(many[kind])
    return name, one.get(kind, {"float": 0.0, "int": 0, "text": ""}.get(kind))


def _constant(node: DraftNode) -> Array:
    """Return what a node of the operator Constant holds."""
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
    name, kind, texts, dims, outside = "", 0, list[str](), list[int](), dict[str, str]()
    for item in fields(data):
        if item.number == 1:
            dims += item.integers()
        elif item.number == 2:
            kind = item.integer()
        elif item.number == 8:
            name = item.text()
        elif item.number == 6:
            texts.append(item.text())
        elif item.number == 13:
            pair = {part.number: part.text() for part in fields(item.message()) if part.number in (1, 2)}
            outside[pair.get(1, "")] = pair.get(2, "")
    if kind == _STRING_TENSOR:
        return name, np.asarray(texts, object)
    if not outside:
        return tensor(data)
    if kind not in DTYPES:
        raise InputError("a constant of a known type", f"ONNX type {kind}", f"constant {name!r}")
    raw, dtype = fetch(outside), DTYPES[kind]
    count = 1
    for length in dims:
        count *= length
    if min(dims, default=1) < 0 or count * dtype.itemsize != len(raw):
        raise InputError(f"values for the shape {dims}", f"{len(raw)} bytes", f"constant {name!r}")
    return name, np.frombuffer(raw, dtype).reshape(dims).astype(dtype.newbyteorder("="))


def _declared(data: memoryview) -> Declared:
    name, dtype, shape, axes = "", "", list[int](), list[str]()
    for item in fields(data):
        if item.number == 1:
            name = item.text()
        elif item.number == 2:
            for kind in (part for part in fields(item.message()) if part.number == 1):
                for part in fields(kind.message()):
                    if part.number == 1:
                        number = part.integer()
                        dtype = DTYPES[number].name if number in DTYPES else f"ONNX type {number}"
                    elif part.number == 2:
                        for dim in (d for d in fields(part.message()) if d.number == 1):
                            lengths = {d.number: d for d in fields(dim.message())}
                            shape.append(lengths[1].integer() if 1 in lengths else -1)
                            axes.append(lengths[2].text() if 2 in lengths else "")
    return Declared(name, dtype, tuple(shape), tuple(axes))
