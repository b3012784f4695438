"""Makes the quantised models of `tests/fixtures/quantised`, as ONNX Runtime's `quantize_static` writes them.

    python tools/make_quantised.py tests/fixtures/quantised

The files are committed. Beside each model lie rows and the answers ONNX Runtime gave, with products of bytes that
cannot saturate.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SEED = 7
ROWS = 16
# Form of the operators, type of the activations, a scale for each channel.
KINDS = {
    "qdq-int8": ("QDQ", "QInt8", False),
    "qdq-uint8-channels": ("QDQ", "QUInt8", True),
    "qoperator-int8-channels": ("QOperator", "QInt8", True),
    "qoperator-uint8": ("QOperator", "QUInt8", False),
}
Samples = NDArray[np.float32]


class Rows(CalibrationDataReader):  # type: ignore[misc]
    """Samples one by one."""

    def __init__(self, x: Samples) -> None:
        self.rows: Iterator[dict[str, Samples]] = iter([{"x": x[i : i + 1]} for i in range(len(x))])

    def get_next(self) -> dict[str, Samples] | None:
        """Return the next sample, None after the last."""
        return next(self.rows, None)


def network(nodes: list[Any], weights: dict[str, tuple[int, ...]], shape: list[int]) -> bytes:
    """Return a float model with random weights, an entry of one axis being a bias."""
    rng = np.random.default_rng(SEED)
    constants: dict[str, Any] = {"zero": np.float32(0), "six": np.float32(6)}
    for name, lengths in weights.items():
        spread = 0.3 if len(lengths) == 1 else np.sqrt(2.0 / np.prod(lengths[1:]))
        constants[name] = (rng.normal(size=lengths) * spread).astype(np.float32)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def dense() -> tuple[bytes, Samples]:
    """Three dense layers and a softmax; the second has weights (inputs, outputs)."""
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h0"], transB=1),
        helper.make_node("Relu", ["h0"], ["h1"]),
        helper.make_node("MatMul", ["h1", "w1"], ["h2"]),
        helper.make_node("Relu", ["h2"], ["h3"]),
        helper.make_node("Gemm", ["h3", "w2", "b2"], ["h4"], transB=1),
        helper.make_node("Softmax", ["h4"], ["y"], axis=-1),
    ]
    weights = {"w0": (16, 6), "b0": (16,), "w1": (16, 16), "w2": (4, 16), "b2": (4,)}
    return network(nodes, weights, [6]), np.random.default_rng(1).normal(size=(200, 6)).astype(np.float32)


def residual() -> tuple[bytes, Samples]:
    """Convolutions in two dimensions, one depthwise, a sum of two branches, a max pool, a mean and a dense layer."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["h0"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["h0"], ["h1"]),
        helper.make_node("Conv", ["h1", "w1", "b1"], ["h2"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Clip", ["h2", "zero", "six"], ["h3"]),
        helper.make_node("Conv", ["h3", "w2", "b2"], ["h4"]),
        helper.make_node("Add", ["h1", "h4"], ["h5"]),
        helper.make_node("Relu", ["h5"], ["h6"]),
        helper.make_node("MaxPool", ["h6"], ["h7"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["h7"], ["h8"]),
        helper.make_node("Flatten", ["h8"], ["h9"]),
        helper.make_node("Gemm", ["h9", "w3", "b3"], ["y"], transB=1),
    ]
    weights = {
        "w0": (8, 3, 3, 3), "b0": (8,), "w1": (8, 1, 3, 3), "b1": (8,), "w2": (8, 8, 1, 1), "b2": (8,),
        "w3": (4, 8), "b3": (4,),
    }  # fmt: skip
    return network(nodes, weights, [3, 12, 12]), (
        np.random.default_rng(2).normal(size=(120, 3, 12, 12)).astype(np.float32)
    )


def quantised(model: bytes, x: Samples, form: str, activations: str, per_channel: bool) -> bytes:
    """Return the model as `quantize_static` gives it."""
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, rounded = (str(Path(folder) / name) for name in ("plain.onnx", "ready.onnx", "made.onnx"))
        Path(plain).write_bytes(model)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, rounded, Rows(x), quant_format=QuantFormat[form], activation_type=QuantType[activations],
            weight_type=QuantType.QInt8, per_channel=per_channel,
        )  # fmt: skip
        return Path(rounded).read_bytes()


def with_real_biases(data: bytes) -> bytes:
    """Return the biases as float32, as PyTorch writes quantised models."""
    model = onnx.load_from_string(data)
    arrays = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays and arrays[node.input[0]].dtype == np.int32:
            real = (arrays[node.input[0]] * arrays[node.input[1]]).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(real, node.output[0]))
            model.graph.node.remove(node)
    return bytes(model.SerializeToString())


def save(folder: Path, name: str, model: bytes, x: Samples) -> None:
    """Write the model, rows and answers."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    y = np.concatenate([session.run(None, {"x": row[None]})[0] for row in x[:ROWS]])
    (folder / f"{name}.onnx").write_bytes(model)
    np.savez_compressed(folder / f"{name}.npz", x=x[:ROWS], y=y)
    print(f"{name}: {len(model)} bytes")


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for base, (model, x) in {"dense": dense(), "residual": residual()}.items():
        for kind, settings in KINDS.items():
            rounded = quantised(model, x, *settings)
            save(folder, f"{base}-{kind}", rounded, x)
            if kind == "qdq-uint8-channels":
                save(folder, f"{base}-real-biases", with_real_biases(rounded), x)


if __name__ == "__main__":
    main()
