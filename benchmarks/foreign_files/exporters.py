"""ONNX files: networks as PyTorch's exporters write them, and as ONNX Runtime and PyTorch quantise them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Array = NDArray[Any]
_CALIBRATION_ROWS = 64
_SHAPE = (3, 12, 12)


class TorchModel:
    """A network node by node, named as `torch.onnx.export` names them; weights are drawn from a seed.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.last, self.channels = "x", _SHAPE[0]

    def op(self, op: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - attributes of ONNX
        """Append a node that reads `inputs`, or what came last; give its output."""
        output = f"/layers/{op}_{len(self.nodes)}_output_0"
        self.nodes.append(helper.make_node(op, list(inputs or (self.last,)), [output], output[:-9], **attributes))
        self.last = output
        return output

    def constant(self, array: Any) -> str:  # noqa: ANN401 - an array or a number
        """Store a constant; give its name."""
        name = f"onnx::{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def number(self, value: float) -> str:
        """Store a float32 scalar; give its name."""
        return self.constant(np.float32(value))

    def conv(self, filters: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        """nn.Conv2d with padding of half the kernel."""
        fan = kernel * kernel * self.channels // group
        weights = self.rng.normal(size=(filters, self.channels // group, kernel, kernel)) / np.sqrt(fan)
        names = [self.constant(weights.astype(np.float32)), self.constant(self._bias(filters))]
        self.channels = filters
        return self.op("Conv", self.last, *names, dilations=[1, 1], group=group, kernel_shape=[kernel] * 2,
                       pads=[kernel // 2] * 4, strides=[stride] * 2)  # fmt: skip

    def linear(self, units: int, width: int = 0) -> str:
        """nn.Linear."""
        width = width or self.channels
        weights = (self.rng.normal(size=(units, width)) / np.sqrt(width)).astype(np.float32)
        names = [self.constant(weights), self.constant(self._bias(units))]
        return self.op("Gemm", self.last, *names, alpha=1.0, beta=1.0, transB=1)

    def pool(self, op: str, size: int = 2) -> str:
        """nn.MaxPool2d or nn.AvgPool2d."""
        more = {"dilations": [1, 1]} if op == "MaxPool" else {"count_include_pad": 1}
        return self.op(op, ceil_mode=0, kernel_shape=[size] * 2, pads=[0] * 4, strides=[size] * 2, **more)

    def classes(self, count: int = 4) -> TorchModel:
        """nn.AdaptiveAvgPool2d(1), nn.Flatten, nn.Linear."""
        self.op("GlobalAveragePool")
        self.op("Flatten", axis=1)
        self.linear(count)
        return self

    def _bias(self, count: int) -> Array:
        return self.rng.normal(0, 0.1, count).astype(np.float32)

    def file(self) -> bytes:
        """Return the model with an open batch axis."""
        self.nodes[-1].output[0] = "y"
        tensors = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        shape: list[str | int | None] = ["batch", *_SHAPE]
        source = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "main_graph", [source], [answer], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        model.producer_name = "pytorch"
        return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def rows(count: int) -> Array:
    """Return rows like those of the calibration."""
    return np.random.default_rng(1).normal(0.2, 1.0, (count, *_SHAPE)).astype(np.float32)


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self._rows: Iterator[dict[str, Array]] = iter([{"x": row[None]} for row in rows(_CALIBRATION_ROWS)])

    def get_next(self) -> dict[str, Array] | None:
        """Return the next row."""
        return next(self._rows, None)


def by_onnxruntime(model: bytes, form: str, activations: str, *, per_channel: bool) -> bytes:
    """Return the model as `quantize_static` of ONNX Runtime writes it."""
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, rounded = (Path(folder) / name for name in ("plain.onnx", "ready.onnx", "rounded.onnx"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready), str(rounded), _Rows(), quant_format=QuantFormat[form], activation_type=QuantType[activations],
            weight_type=QuantType.QInt8, per_channel=per_channel,
        )  # fmt: skip
        return rounded.read_bytes()


# Operators whose output PyTorch's quantisers leave on the grid of the input.
_ONE_GRID = frozenset({"MaxPool", "Flatten", "Reshape"})


def by_pytorch(model: bytes, form: str) -> bytes:
    """Return the model as PyTorch writes quantised ones.

    Args:
        model: float.
        form: 'fake' (training with fake quantisation, float weights rounded in the graph), 'eager' (converted modules,
            uint8 activations, the bias rounded in the graph) or 'pt2e' (the exporter of `torch.export`, int8).
    """
    loaded = onnx.load_from_string(model)
    dtype = np.uint8 if form == "eager" else np.int8
    grids = _grids(loaded, dtype)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.graph.initializer}
    nodes: list[Any] = []

    def constant(array: Any, name: str) -> str:  # noqa: ANN401 - an array or a number
        arrays.setdefault(name, np.asarray(array))
        return name

    def pair(value: str, scale: Any, zero: Any, **along: Any) -> str:  # noqa: ANN401 - arrays
        names = [constant(scale, f"{value}_scale"), constant(zero, f"{value}_zero_point")]
        if value in arrays and form != "fake":
            steps = np.rint(arrays[value] / np.reshape(scale, [-1] + [1] * (arrays[value].ndim - 1)))
            stored = constant(np.clip(steps, -127, 127).astype(np.int8), f"{value}_quantized")
        else:
            stored = f"{value}_QuantizeLinear"
            nodes.append(helper.make_node("QuantizeLinear", [value, *names], [stored], **along))
        nodes.append(helper.make_node("DequantizeLinear", [stored, *names], [f"{value}_dq"], **along))
        return f"{value}_dq"

    known = {"x": pair("x", *grids["x"])}
    grid_of = {"x": grids["x"]}
    for node in loaded.graph.node:
        inputs = [known.get(name, name) for name in node.input]
        if node.op_type in ("Conv", "Gemm"):
            weights = arrays[node.input[1]]
            scale = (np.abs(weights).reshape(len(weights), -1).max(axis=1) / 127).astype(np.float32)
            inputs[1] = pair(node.input[1], scale, np.zeros(len(scale), np.int8), axis=0)
            if form == "eager":
                product = constant((grid_of[node.input[0]][0] * scale).astype(np.float32), f"{node.input[2]}_scale")
                zeros = constant(np.zeros(len(scale), np.int32), f"{node.input[2]}_zero_point")
                steps = np.rint(arrays[node.input[2]] / arrays[product]).astype(np.int32)
                stored = constant(steps, f"{node.input[2]}_quantized")
                inputs[2] = f"{node.input[2]}_dq"
                nodes.append(helper.make_node("DequantizeLinear", [stored, product, zeros], [inputs[2]], axis=0))
        nodes.append(helper.make_node(node.op_type, inputs, list(node.output), node.name))
        nodes[-1].attribute.extend(node.attribute)
        output = node.output[0]
        grid_of[output] = grid_of.get(node.input[0], grids[output]) if node.op_type in _ONE_GRID else grids[output]
        known[output] = pair(output, *grid_of[output])
    # The answer is read back, too.
    for node in nodes:
        node.input[:] = ["y_raw" if name == "y" else name for name in node.input]
        node.output[:] = [{"y": "y_raw", "y_dq": "y"}.get(name, name) for name in node.output]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "main_graph", loaded.graph.input, loaded.graph.output, tensors)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    result.producer_name = "pytorch"
    return bytes(result.SerializeToString())


def _grids(model: Any, dtype: type[Any]) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 - of onnx
    """Return scale and zero point of every value, from the ranges of the calibration rows."""
    names = ["x", *(node.output[0] for node in model.graph.node)]
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names[1:])
    session = InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    values = dict(
        zip(names, [rows(_CALIBRATION_ROWS), *session.run(None, {"x": rows(_CALIBRATION_ROWS)})], strict=True)
    )
    limits, grids = np.iinfo(dtype), {}
    for name, array in values.items():
        low, high = min(0.0, float(array.min())), max(0.0, float(array.max()))
        scale = max(high - low, 1e-6) / 255
        zero = np.clip(np.rint(limits.min - low / scale), limits.min, limits.max)
        grids[name] = np.float32(scale), dtype(zero)
    return grids


def _with(activate: Callable[[TorchModel], object]) -> Callable[[int], TorchModel]:
    """Return two convolutions with an activation after each."""

    def make(seed: int) -> TorchModel:
        model = TorchModel(seed)
        model.conv(8, stride=2)
        activate(model)
        model.conv(8, group=8)
        activate(model)
        return model.classes()

    return make


def _silu(model: TorchModel) -> None:
    x = model.last
    model.op("Mul", x, model.op("Sigmoid"))


def _mish(model: TorchModel) -> None:
    x = model.last
    model.op("Softplus")
    model.op("Mul", x, model.op("Tanh"))


def _gelu(model: TorchModel) -> None:
    x = model.last
    model.op("Div", x, model.number(np.sqrt(2)))
    model.op("Erf")
    model.op("Add", model.last, model.number(1))
    model.op("Mul", x, model.last)
    model.op("Mul", model.last, model.number(0.5))


def _relu6(model: TorchModel) -> None:
    model.op("Clip", model.last, model.number(0), model.number(6))


def _mobile(seed: int) -> TorchModel:
    """Return an inverted residual of MobileNetV2."""
    model = TorchModel(seed)
    x = model.conv(8, stride=2)
    model.conv(16, 1)
    _relu6(model)
    model.conv(16, group=16)
    _relu6(model)
    model.op("Add", x, model.conv(8, 1))
    return model.classes()


def _residual(seed: int) -> TorchModel:
    """Return a block of ResNet."""
    model = TorchModel(seed)
    model.conv(8, stride=2)
    model.op("Relu")
    x = model.pool("MaxPool")
    model.conv(8)
    model.op("Relu")
    model.op("Add", model.conv(8), x)
    model.op("Relu")
    return model.classes()


def _pools(seed: int) -> TorchModel:
    model = TorchModel(seed)
    model.conv(8)
    model.op("Relu")
    model.pool("MaxPool")
    model.conv(8)
    model.op("Relu")
    model.pool("AveragePool")
    model.op("Flatten", axis=1)
    model.linear(16, 8 * 9)
    model.op("Relu")
    model.channels = 16
    model.linear(4)
    return model


def _branches(seed: int) -> TorchModel:
    """As SqueezeNet: two branches joined along the channels."""
    model = TorchModel(seed)
    model.conv(6, stride=2)
    stem = model.op("Relu")
    model.conv(4, 1)
    first = model.op("Relu")
    model.last, model.channels = stem, 6
    model.conv(4)
    second = model.op("Relu")
    model.op("Concat", first, second, axis=1)
    model.channels = 8
    model.conv(8, 1)
    model.op("Relu")
    return model.classes()


MODELS: dict[str, Callable[[int], TorchModel]] = {
    "MobileNetV2 block": _mobile,
    "ResNet block": _residual,
    "pools": _pools,
    "branches": _branches,
    "Hardswish": _with(lambda model: model.op("HardSwish")),
    "SiLU": _with(_silu),
    "GELU": _with(_gelu),
    "Mish": _with(_mish),
    "LeakyReLU": _with(lambda model: model.op("LeakyRelu", alpha=0.1)),
    "ELU": _with(lambda model: model.op("Elu", alpha=1.0)),
    "tanh": _with(lambda model: model.op("Tanh")),
    "sigmoid": _with(lambda model: model.op("Sigmoid")),
}
