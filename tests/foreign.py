"""Foreign models of a few nodes, and the referee that answers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.onnx"))
node = helper.make_node


def answers(model: bytes, x: NDArray[Any]) -> list[Any]:
    """What ONNX Runtime answers."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    made: list[Any] = session.run(None, {session.get_inputs()[0].name: x})
    return made


def model(
    nodes: list[Any],
    shape: list[Any],
    *,
    constants: dict[str, Any] | None = None,
    opset: int = 18,
    dtype: int = TensorProto.FLOAT,
    outputs: tuple[str, ...] = ("y",),
    domains: tuple[str, ...] = (),
) -> bytes:
    """A model with the input x."""
    made = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        made,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 3) for d in domains)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
