"""Foreign models of a few nodes, and the referee that answers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgewright.core.engines.onnxruntime import open_session
from integer_layers import need_litert, need_tflm

# Beginnings of the names of every form that a float model has.
FORMS = (
    "the .onnx file itself in ONNX Runtime",
    "float ONNX in NumPy",
    "float ONNX in ONNX Runtime",
    "float whole .tflite in LiteRT reference",
    "float whole .tflite in LiteRT XNNPACK",
    "float .tflite in TFLM",
    "float C99 by",
    "float extension",
)
MODELS = Path(__file__).resolve().parent / "fixtures" / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.onnx"))
node = helper.make_node


def answers(model: bytes, x: NDArray[Any]) -> list[Any]:
    """Return what ONNX Runtime answers."""
    session = open_session(model)
    outputs: list[Any] = session.run(None, {session.get_inputs()[0].name: x})
    return outputs


def absent_forms(data: bytes, folder: Path, rows: int = 12) -> dict[str, str]:
    """Prove a model in every form; gives those it has not, and why.

    Args:
        data: of an .onnx file.
        folder: where it is written.
        rows: drawn samples.
    """
    from c99_stages import use_one_compiler
    from edgewright.workflows.proof.workflow import prove_place

    need_litert()
    need_tflm()
    path = folder / "model.onnx"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        use_one_compiler(patch)
        record = prove_place(str(path), rows=rows)
    assert record.passed, (record.broken, record.breaks)
    names = [form.name for form in record.forms]
    lacking = [form for form in FORMS if not any(name.startswith(form) for name in names)]
    answer = {absent.name: absent.reason for absent in record.absent}
    return {form: next((answer[name] for name in answer if form.startswith(name)), "") for form in lacking}


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
    """Return a model with the input x."""
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 3) for d in domains)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())


def signed(given: bytes) -> bytes:
    """Return the model with signed bytes, as our older files hold them and other writers write them."""
    loaded = onnx.load_from_string(given)
    for one in loaded.graph.initializer:
        if one.data_type == TensorProto.UINT8:
            array = numpy_helper.to_array(one)
            one.CopyFrom(numpy_helper.from_array((array ^ np.uint8(128)).view(np.int8), one.name))
    return bytes(loaded.SerializeToString())
