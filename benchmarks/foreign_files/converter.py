"""int8 .tflite files as LiteRT's converter writes a Keras model: its operators, fusions and rules of scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edgewright.export._tflite_builder import TfliteBuilder

Array = NDArray[Any]
Grid = tuple[float, int]
_CALIBRATION_ROWS = 64
_SAME, _VALID = int(schema.Padding.SAME), int(schema.Padding.VALID)
_ACTIVATIONS = {name: int(getattr(schema.ActivationFunctionType, name)) for name in ("NONE", "RELU", "RELU6")}
# The converter lets these keep the scale of their first input.
_ONE_SCALE = frozenset(
    {"AVERAGE_POOL_2D", "EXPAND_DIMS", "MAX_POOL_2D", "PAD", "RESHAPE", "STRIDED_SLICE", "TRANSPOSE"}
)
# Operators whose first version takes int8.
_FIRST_VERSION = frozenset({"ELU", "HARD_SWISH", "PRELU", "RESHAPE"})
# Grids that the converter sets whatever the calibration says.
_FIXED: dict[str, Grid] = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}


@dataclass(frozen=True)
class _Operator:
    name: str
    inputs: tuple[str, ...]
    output: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Weights:
    array: Array
    axis: int
    bias: bool = False


class KerasModel:
    """A float model layer by layer with weights drawn from a seed; `int8` converts it.

    Args:
        shape: of one sample, channels last.
        seed: of the weights and of the calibration rows.
    """

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shapes: dict[str, tuple[int, ...]] = {"input": (1, *shape)}
        self.constants: dict[str, Array | _Weights] = {}
        self.operators: list[_Operator] = []
        self.last = "input"

    def add(self, name: str, inputs: tuple[str, ...], shape: tuple[int, ...], **options: Any) -> str:  # noqa: ANN401
        """Append an operator; give the name of its output."""
        output = f"model/{name.lower()}_{len(self.operators)}"
        self.operators.append(_Operator(name, inputs, output, options))
        self.shapes[output] = shape
        self.last = output
        return output

    def constant(self, array: Array | _Weights) -> str:
        """Store a constant; give its name."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = array
        return name

    def _weights(self, shape: tuple[int, ...], fan: int, axis: int) -> tuple[str, str]:
        array = (self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, shape[axis]).astype(np.float32)
        return self.constant(_Weights(array, axis)), self.constant(_Weights(bias, 0, bias=True))

    def _placed(self, kernel: tuple[int, int], stride: int, same: bool) -> tuple[int, int]:
        _, height, width, _ = self.shapes[self.last]
        lengths = (height, width) if same else (height - kernel[0] + 1, width - kernel[1] + 1)
        return -(-lengths[0] // stride), -(-lengths[1] // stride)

    def conv(
        self, filters: int, kernel: tuple[int, int] = (3, 3), stride: int = 1, act: str = "NONE", *, same: bool = True
    ) -> str:
        """Conv2D."""
        channels = self.shapes[self.last][-1]
        weights = self._weights((filters, *kernel, channels), kernel[0] * kernel[1] * channels, 0)
        shape = (1, *self._placed(kernel, stride, same), filters)
        return self.add("CONV_2D", (self.last, *weights), shape, padding=_SAME if same else _VALID,
                        strideH=stride, strideW=stride, fusedActivationFunction=_ACTIVATIONS[act])  # fmt: skip

    def depthwise(self, stride: int = 1, act: str = "NONE", *, same: bool = True) -> str:
        """DepthwiseConv2D of 3 x 3."""
        channels = self.shapes[self.last][-1]
        weights = self._weights((1, 3, 3, channels), 9, 3)
        shape = (1, *self._placed((3, 3), stride, same), channels)
        return self.add("DEPTHWISE_CONV_2D", (self.last, *weights), shape, padding=_SAME if same else _VALID,
                        strideH=stride, strideW=stride, depthMultiplier=1,
                        fusedActivationFunction=_ACTIVATIONS[act])  # fmt: skip

    def dense(self, units: int, act: str = "NONE") -> str:
        """Dense."""
        width = self.shapes[self.last][-1]
        weights = self._weights((units, width), width, 0)
        return self.add("FULLY_CONNECTED", (self.last, *weights), (1, units), fusedActivationFunction=_ACTIVATIONS[act])

    def pool(self, name: str, size: int = 2, act: str = "NONE", *, same: bool = False, stride: int = 2) -> str:
        """MaxPooling2D or AveragePooling2D."""
        shape = (1, *self._placed((size, size), stride, same), self.shapes[self.last][-1])
        return self.add(f"{name}_POOL_2D", (self.last,), shape, padding=_SAME if same else _VALID, strideH=stride,
                        strideW=stride, filterHeight=size, filterWidth=size,
                        fusedActivationFunction=_ACTIVATIONS[act])  # fmt: skip

    def pad(self, *widths: tuple[int, int]) -> str:
        """ZeroPadding1D or ZeroPadding2D, with widths of every axis after the batch."""
        table = np.asarray([(0, 0), *widths], np.int32)
        shape = tuple(int(n + a + b) for n, (a, b) in zip(self.shapes[self.last], table, strict=True))
        return self.add("PAD", (self.last, self.constant(table)), shape)

    def reshape(self, *shape: int) -> str:
        """Reshape or Flatten."""
        target = np.asarray((1, *shape), np.int32)
        return self.add("RESHAPE", (self.last, self.constant(target)), (1, *shape), newShape=target.tolist())

    def flatten(self) -> str:
        """Flatten."""
        return self.reshape(int(np.prod(self.shapes[self.last])))

    def mean(self, *, keep: bool = False) -> str:
        """GlobalAveragePooling2D."""
        channels = self.shapes[self.last][-1]
        shape = (1, 1, 1, channels) if keep else (1, channels)
        return self.add("MEAN", (self.last, self.constant(np.asarray([1, 2], np.int32))), shape, keepDims=keep)

    def unary(self, name: str, **options: Any) -> str:  # noqa: ANN401
        """Append an activation that is an operator of its own."""
        return self.add(name, (self.last,), self.shapes[self.last], **options)

    def two(self, name: str, first: str, second: str, act: str = "NONE") -> str:
        """Add or Multiply."""
        return self.add(name, (first, second), self.shapes[first], fusedActivationFunction=_ACTIVATIONS[act])

    def number(self, value: float) -> str:
        """Return the name of a scalar."""
        return self.constant(np.asarray(value, np.float32))

    def concat(self, *parts: str) -> str:
        """Concatenate the channels."""
        channels = sum(self.shapes[part][-1] for part in parts)
        return self.add("CONCATENATION", parts, (*self.shapes[parts[0]][:-1], channels), axis=3)

    def int8(self, *, float_ends: bool = False) -> bytes:
        """Convert the model: `optimizations=[DEFAULT]` with a representative data set and int8 operators alone.

        Args:
            float_ends: whether QUANTIZE and DEQUANTIZE stand at the ends, which is the converter's default.
        """
        builder, tensors = self._write(None)
        model = builder.finish((tensors["input"],), (tensors[self.last],))
        return self.quantised(self._ranges(model, tensors), float_ends=float_ends)

    def float32(self) -> bytes:
        """Convert the model without quantisation."""
        builder, tensors = self._write(None)
        return builder.finish((tensors["input"],), (tensors[self.last],))

    def rows(self, count: int) -> Array:
        """Return rows like those of the calibration."""
        return np.random.default_rng(1).normal(0.3, 1.0, (count, *self.shapes["input"][1:])).astype(np.float32)

    def _ranges(self, model: bytes, tensors: dict[str, int]) -> dict[str, Grid]:
        interpreter = Interpreter(
            model_content=model,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        ends: dict[str, list[float]] = {name: [0.0, 0.0] for name in tensors if name in self.shapes}
        for row in self.rows(_CALIBRATION_ROWS):
            interpreter.set_tensor(tensors["input"], row[None])
            interpreter.invoke()
            for name, (low, high) in ends.items():
                values = interpreter.get_tensor(tensors[name])
                ends[name] = [min(low, float(values.min())), max(high, float(values.max()))]
        return self._propagated({name: _grid(*pair) for name, pair in ends.items()})

    def _propagated(self, grids: dict[str, Grid]) -> dict[str, Grid]:
        for operator in self.operators:
            if operator.name == "CONCATENATION":
                grids |= dict.fromkeys(operator.inputs, grids[operator.output])
        for operator in self.operators:
            if operator.name in _ONE_SCALE:
                grids[operator.output] = grids[operator.inputs[0]]
            grids[operator.output] = _FIXED.get(operator.name, grids[operator.output])
        return grids

    def quantised(self, grids: dict[str, Grid], *, float_ends: bool = False) -> bytes:
        """Return the file with given grids; arguments as of `int8`."""
        builder, tensors = self._write(grids)
        ends = [tensors["input"], tensors[self.last]]
        if float_ends:
            outer = [builder.tensor(self.shapes[name], "float32") for name in ("input", self.last)]
            builder.first("QUANTIZE", (outer[0],), (ends[0],))
            builder.operator("DEQUANTIZE", 2, (ends[1],), (outer[1],))
            ends = outer
        return builder.finish((ends[0],), (ends[1],))

    def _write(self, grids: dict[str, Grid] | None) -> tuple[_Builder, dict[str, int]]:
        builder, tensors = _Builder("MLIR Converted."), dict[str, int]()
        for name, shape in self.shapes.items():
            scale, zero = (None, 0) if grids is None else grids[name]
            tensors[name] = builder.tensor(shape, "float32" if grids is None else "int8", scale, zero, name)
        for operator in self.operators:
            inputs = [
                tensors[name] if name in tensors else self._stored(builder, operator, name, grids)
                for name in operator.inputs
            ]
            version = 2 if grids is not None and operator.name not in _FIRST_VERSION else 1
            builder.operator(operator.name, version, tuple(inputs), (tensors[operator.output],), **operator.options)
        return builder, tensors

    def _stored(self, builder: _Builder, operator: _Operator, name: str, grids: dict[str, Grid] | None) -> int:
        entry = self.constants[name]
        if not isinstance(entry, _Weights):
            if grids is None or entry.dtype.kind != "f":
                return builder.constant(entry)
            scale, zero = _grid(min(0.0, float(entry.min())), max(0.0, float(entry.max())))
            integers = np.clip(np.rint(entry / scale) + zero, -128, 127).astype(np.int8)
            return builder.constant(integers, np.asarray(scale, np.float32), zero=zero)
        if grids is None:
            return builder.constant(entry.array)
        first = self.constants[operator.inputs[1]]
        weights = first if isinstance(first, _Weights) else entry
        # The converter of version 2.18 and later gives dense layers a scale for each output, too.
        scales = np.abs(np.moveaxis(weights.array, weights.axis, 0).reshape(weights.array.shape[weights.axis], -1))
        scale = (np.maximum(scales.max(axis=1), 1e-6) / 127).astype(np.float32)
        if entry.bias:
            product = np.float32(grids[operator.inputs[0]][0]) * scale
            return builder.constant(np.rint(entry.array / product).astype(np.int32), product)
        along = scale.reshape([-1 if axis == entry.axis else 1 for axis in range(entry.array.ndim)])
        return builder.constant(np.clip(np.rint(entry.array / along), -127, 127).astype(np.int8), scale, entry.axis)


class _Builder(TfliteBuilder):
    """Writes an operator before the others."""

    def first(self, name: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        """Add an operator that runs first."""
        self.operator(name, 1, inputs, outputs)
        self._operators.insert(0, self._operators.pop())


def _grid(low: float, high: float) -> Grid:
    """Return scale and zero point of a range that contains 0."""
    scale = max(high - low, 1e-6) / 255
    return float(np.float32(scale)), int(np.clip(np.rint(-128 - low / scale), -128, 127))


def _classes(model: KerasModel, count: int = 4) -> KerasModel:
    model.mean()
    model.dense(count)
    model.unary("SOFTMAX", beta=1.0)
    return model


def _activated(seed: int, activate: Callable[[KerasModel], object]) -> KerasModel:
    """Return two convolutions with an activation after each that no operator takes in."""
    model = KerasModel((10, 10, 3), seed)
    model.conv(8, stride=2)
    activate(model)
    model.depthwise()
    activate(model)
    return _classes(model)


def _swish(model: KerasModel) -> None:
    x = model.last
    model.two("MUL", x, model.unary("LOGISTIC"))


def _mish(model: KerasModel) -> None:
    """X * tanh(softplus(x)); the converter writes softplus as log(exp(x) + 1)."""
    x = model.last
    model.two("ADD", model.unary("EXP"), model.number(1.0))
    model.unary("LOG")
    model.two("MUL", x, model.unary("TANH"))


def _padded(seed: int) -> KerasModel:
    """As MobileNet of keras.applications: ZeroPadding2D of one side before a strided convolution."""
    model = KerasModel((12, 12, 3), seed)
    model.pad((0, 1), (0, 1), (0, 0))
    model.conv(8, stride=2, act="RELU6", same=False)
    model.conv(8, (1, 1))
    model.pad((1, 1), (1, 1), (0, 0))
    model.depthwise(act="RELU6", same=False)
    return _classes(model)


def _pools(seed: int) -> KerasModel:
    model = KerasModel((16, 16, 3), seed)
    model.conv(8)
    model.pool("MAX", act="RELU")
    model.conv(8)
    model.pool("AVERAGE", act="RELU6")
    model.conv(8)
    model.pool("MAX", 3, act="RELU6", same=True)
    return _classes(model)


def _squeezed(seed: int) -> KerasModel:
    """Squeeze and excitation with a hard sigmoid, as MobileNetV3 has it."""
    model = KerasModel((10, 10, 3), seed)
    x = model.conv(8, stride=2)
    x = model.unary("HARD_SWISH")
    model.mean(keep=True)
    model.conv(4, (1, 1), act="RELU")
    gate = model.conv(8, (1, 1))
    gate = model.two("ADD", gate, model.number(3.0), "RELU6")
    gate = model.two("MUL", gate, model.number(1 / 6))
    model.two("MUL", x, gate)
    return _classes(model)


def _residual(seed: int) -> KerasModel:
    """As ResNet of keras.applications: padding, a max pool over it, and a sum with ReLU."""
    model = KerasModel((16, 16, 3), seed)
    model.pad((3, 3), (3, 3), (0, 0))
    model.conv(8, (7, 7), stride=2, act="RELU", same=False)
    model.pad((1, 1), (1, 1), (0, 0))
    x = model.pool("MAX", 3)
    model.conv(8, act="RELU")
    model.two("ADD", model.conv(8), x, "RELU")
    return _classes(model)


def _separable(seed: int) -> KerasModel:
    model = KerasModel((20, 8, 1), seed)
    model.conv(12, (5, 3), stride=2, act="RELU")
    for _ in range(2):
        model.depthwise(act="RELU")
        model.conv(12, (1, 1), act="RELU")
    model.pool("AVERAGE", 4, stride=4)
    model.flatten()
    model.dense(5)
    model.unary("SOFTMAX", beta=1.0)
    return model


def _conv1d(seed: int) -> KerasModel:
    """Conv1D as the converter writes it, after ZeroPadding1D."""
    model = KerasModel((32, 3), seed)
    model.pad((2, 2), (0, 0))
    model.reshape(1, 36, 3)
    model.conv(8, (1, 5), act="RELU", same=False)
    model.reshape(32, 8)
    model.add("MEAN", (model.last, model.constant(np.asarray([1], np.int32))), (1, 8), keepDims=False)
    model.dense(3)
    model.unary("SOFTMAX", beta=1.0)
    return model


def _branches(seed: int) -> KerasModel:
    """As Inception: branches joined, then ReLU of the sum of channels."""
    model = KerasModel((12, 12, 3), seed)
    stem = model.conv(6, act="RELU")
    first = model.conv(4, (1, 1))
    model.last = stem
    second = model.conv(4)
    model.last = stem
    model.pool("AVERAGE", 3, same=True, stride=1)
    third = model.conv(4, (1, 1))
    model.concat(first, second, third)
    model.unary("RELU")
    return _classes(model)


def _dense(seed: int) -> KerasModel:
    model = KerasModel((12,), seed)
    for units in (16, 8, 16):
        model.dense(units, "RELU")
    model.dense(12)
    return model


def _probability(seed: int) -> KerasModel:
    model = KerasModel((12,), seed)
    model.dense(16)
    model.unary("TANH")
    model.dense(1)
    model.unary("LOGISTIC")
    return model


def _parametric(seed: int) -> KerasModel:
    """PReLU with a slope for each channel."""
    model = KerasModel((10, 10, 3), seed)
    model.conv(8, stride=2)
    slopes = np.random.default_rng(seed).uniform(0.05, 0.4, (1, 1, 8)).astype(np.float32)
    model.add("PRELU", (model.last, model.constant(slopes)), model.shapes[model.last])
    return _classes(model)


def _unary(name: str, **options: Any) -> Callable[[int], KerasModel]:  # noqa: ANN401 - fields of the schema
    return lambda seed: _activated(seed, lambda model: model.unary(name, **options))


MODELS: dict[str, Callable[[int], KerasModel]] = {
    "ZeroPadding2D": _padded,
    "pools with ReLU and ReLU6": _pools,
    "hard_swish": _unary("HARD_SWISH"),
    "LeakyReLU": _unary("LEAKY_RELU", alpha=0.2),
    "ELU": _unary("ELU"),
    "tanh": _unary("TANH"),
    "sigmoid": _unary("LOGISTIC"),
    "GELU": _unary("GELU", approximate=False),
    "GELU by tanh": _unary("GELU", approximate=True),
    "SiLU": lambda seed: _activated(seed, _swish),
    "Mish": lambda seed: _activated(seed, _mish),
    "squeeze and excitation": _squeezed,
    "residual": _residual,
    "separable": _separable,
    "Conv1D": _conv1d,
    "branches": _branches,
    "dense": _dense,
    "probability": _probability,
    "PReLU": _parametric,
}
