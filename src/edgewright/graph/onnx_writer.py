"""A graph as ONNX bytes: the same graph always gives the same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.core.late_module import LateModule
from edgewright.core.onnx.byte_signs import to_unsigned
from edgewright.core.onnx.recurrent import time_first
from edgewright.schema.errors import InputError
from edgewright.schema.graph import OPSET, Array, Graph, Node, Value

if TYPE_CHECKING:
    import onnx
    from onnx import helper, numpy_helper
else:
    onnx, helper, numpy_helper = map(LateModule, ("onnx", "onnx.helper", "onnx.numpy_helper"))

# IR version 9 is what opset 18 to 20 need at most; readers older than ONNX 1.15 stay able to open the file.
IR_VERSION = 9
_TYPES = {
    "float32": "FLOAT",
    "int64": "INT64",
    "int32": "INT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
}


def to_onnx(graph: Graph) -> bytes:
    """Serialise a graph.

    Bytes between roundings, and weights, are written unsigned: no stock runtime gets those wrong.

    What ONNX has no field for (stage ends, boundary, labels) goes into `metadata_props` as JSON under the
    prefix `edgewright.`.

    Returns:
        The bytes of a checked ONNX model of opset 18 with a symbolic batch axis `N`.

    Raises:
        InputError: for a graph that the standard does not allow.
    """
    graph = to_unsigned(time_first(graph))
    nodes = [helper.make_node(n.op, list(n.inputs), list(n.outputs), **_attributes(n)) for n in graph.nodes]
    body = helper.make_graph(
        nodes,
        graph.name or "graph",
        [_value(v) for v in graph.inputs],
        [_value(v) for v in graph.outputs],
        [_tensor(name, array) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edgewright"
    )
    stages = [[mark.stage, mark.value] for mark in graph.stages]
    metadata = {
        "edgewright.stages": json.dumps(stages, separators=(",", ":")),
        "edgewright.boundary": graph.boundary,
        "edgewright.labels": json.dumps(list(graph.labels), ensure_ascii=False, separators=(",", ":")),
        **graph.metadata,
    }
    helper.set_model_props(model, dict(sorted(metadata.items())))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        # A graph read from elsewhere may hold what our operators take and the standard does not.
        raise InputError(
            "a graph that ONNX allows", " ".join(str(error).split())[:200], f"graph {graph.name}"
        ) from None
    return bytes(model.SerializeToString(deterministic=True))


def _attributes(node: Node) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in node.attributes.items()}


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    little = np.asarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return numpy_helper.from_array(little, name)


def _value(value: Value) -> onnx.ValueInfoProto:
    if value.dtype not in _TYPES:
        raise InputError(f"values of type {', '.join(_TYPES)}", value.dtype, f"input or output {value.name!r}")
    kind = onnx.TensorProto.DataType.Value(_TYPES[value.dtype])
    return helper.make_tensor_value_info(value.name, kind, ["N", *value.shape])
