"""A graph as ONNX bytes: the same graph always gives the same bytes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import LateModule
from edgewright.core.errors import GraphError, OnnxError, error_line
from edgewright.core.onnx.reader import time_first, to_unsigned
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import OPSET, Array, Graph, Node, Value
from edgewright.graph.draft import Parsed
from edgewright.graph.ensembles import Format, draw_rows

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
        raise OnnxError("a graph that ONNX allows", error_line(error), f"graph {graph.name}") from None
    return bytes(model.SerializeToString(deterministic=True))


def _attributes(node: Node) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in node.attributes.items()}


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    little = np.asarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return numpy_helper.from_array(little, name)


def _value(value: Value) -> onnx.ValueInfoProto:
    if value.dtype not in _TYPES:
        raise OnnxError(f"values of type {', '.join(_TYPES)}", value.dtype, f"input or output {value.name!r}")
    kind = onnx.TensorProto.DataType.Value(_TYPES[value.dtype])
    return helper.make_tensor_value_info(value.name, kind, ["N", *value.shape])


# Beginning of the sentence where nothing was compared.
NOT_COMPARED = "not compared"
_TIME_LIMIT_S = 60
# Sums of float32 differ from those of the library by less, relative to the largest prediction.
_TOLERANCE = 1e-4


def compare_with_library(known: Format, data: bytes, parsed: Parsed, graph: Graph) -> str:
    """Compare predictions of a graph with those of the library.

    The library reads the file in a process of its own: a file that crashes it does not end this one.

    Args:
        known: format of the file.
        data: of the file.
        parsed: what was read of it.
        graph: that it became.

    Returns:
        A sentence that says what was compared, or why nothing was.

    Raises:
        InputError: the predictions differ.
    """
    if find_spec(known.library) is None:
        return f"{NOT_COMPARED} with {known.title}, which is not installed (pip install {known.library})"
    marker = math.nan if parsed.marker is None else parsed.marker
    (tables,) = (node.attributes for node in parsed.nodes if node.domain)
    split = np.asarray(tables["nodes_modes"]) != "LEAF"
    features, thresholds = (np.asarray(tables[f"nodes_{name}"])[split] for name in ("featureids", "values"))
    rows = draw_rows(parsed.inputs[0].shape[1], features, thresholds, marker)
    if not math.isnan(marker):
        # NaN is a further missing value for some versions, and an error for others.
        rows[np.isnan(rows)] = np.float32(marker)
    expected = _predictions(known, data, rows, marker)
    if isinstance(expected, str):
        return f"{NOT_COMPARED} with {known.title}: {expected}"
    outputs = compile_graph(graph)(rows)
    given = outputs["probabilities" if "probabilities" in outputs else "prediction"]
    ours = np.asarray(given[:, 1] if expected.ndim == 1 and given.shape[1] == 2 else given).reshape(expected.shape)
    spread = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(ours - expected).max())
    if not difference <= _TOLERANCE * spread:
        got = f"others on {len(rows)} drawn rows, up to {difference:.3g} away"
        do = "Do not use the import, and report the model"
        raise GraphError(f"the predictions of {known.title}", got, f"model {graph.name}", do)
    return f"compared with {known.title} on {len(rows)} drawn rows: at most {difference:.1g} away"


def _predictions(known: Format, data: bytes, rows: NDArray[np.float32], marker: float) -> NDArray[Any] | str:
    """Return the library's predictions, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        # XGBoost goes by the ending.
        ending = ".ubj" if data.startswith(b"{L") else ".json" if data.startswith(b"{") else ".txt"
        names = (f"model{ending}", "rows.npy", "predictions.npy")
        model, x, y = (Path(folder) / name for name in names)
        model.write_bytes(data)
        np.save(x, rows)
        arguments = [sys.executable, "-c", known.predict, *names, repr(marker)]
        try:
            # Modules of the caller's working directory do not take the place of installed ones.
            done = subprocess.run(arguments, capture_output=True, timeout=_TIME_LIMIT_S, check=False, cwd=folder)
        except (OSError, subprocess.SubprocessError) as error:
            return type(error).__name__
        if done.returncode or not y.is_file():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return f"it does not read the file ({lines[-1][:100]})" if lines else "it does not read the file"
        return np.asarray(np.load(y, allow_pickle=False))
