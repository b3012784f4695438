"""Random integer networks of one operator, of every shape and scale, and the interpreters that answer for them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue
from support import left_out

Int8 = NDArray[np.int8]
Activation = Literal["", "relu", "relu6"]
Make = Callable[[np.random.Generator], IntegerNetwork]


def need_litert() -> None:
    """Leave the test out where LiteRT is absent."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        left_out("ai-edge-litert")


def need_tflm() -> None:
    """Leave the test out where TFLM's interpreter is absent."""
    if importlib.util.find_spec("tflite_micro") is None:
        left_out("tflite-micro")


def to_tflite(network: IntegerNetwork, *, float_ends: bool = False) -> bytes:
    """Return the network's file; leaves the test out where the schema classes of LiteRT are absent."""
    need_litert()
    from edgewright.export.targets import tflite

    return tflite.to_tflite(network, float_ends=float_ends)


def litert(model: bytes, *inputs: NDArray[Any], reference: bool = True, delegates: bool = True) -> NDArray[Any]:
    """Return answers of LiteRT, row by row, with its reference kernels or its own choice, XNNPACK among it or not."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    own = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    kind = OpResolverType.BUILTIN_REF if reference else own
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    places = [detail["index"] for detail in interpreter.get_input_details()]
    output = interpreter.get_output_details()[0]["index"]
    answers = []
    for row in zip(*inputs, strict=True):
        for location, part in zip(places, row, strict=True):
            interpreter.set_tensor(location, part[None])
        interpreter.reset_all_variables()
        interpreter.invoke()
        answers.append(interpreter.get_tensor(output)[0].copy())
    return np.stack(answers)


def tflm(model: bytes, *inputs: NDArray[Any]) -> NDArray[Any]:
    """Return answers of TFLM's interpreter, row by row."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=4_000_000)
    answers = []
    for row in zip(*inputs, strict=True):
        interpreter.reset()
        for index, part in enumerate(row):
            interpreter.set_input(part[None], index)
        interpreter.invoke()
        answers.append(interpreter.get_output(0)[0].copy())
    return np.stack(answers)


def some(network: IntegerNetwork, rng: np.random.Generator, rows: int = 12) -> Int8:
    """Random bytes for a network."""
    return rng.integers(-128, 128, (rows, *network.values[0].shape)).astype(np.int8)


def _value(rng: np.random.Generator, shape: tuple[int, ...], middle: float = 0.03, spread: float = 1.5) -> IntegerValue:
    """Return a grid whose scale is around `middle`, a power of two now and then so that halves occur."""
    scale = middle * 10.0 ** rng.uniform(-spread, spread)
    if rng.random() < 0.3:
        scale = 2.0 ** np.round(np.log2(scale))
    return IntegerValue(shape=shape, scale=float(np.float32(scale)), zero=int(rng.integers(-128, 128)))


def _weights(rng: np.random.Generator, shape: tuple[int, ...], channels: int) -> dict[str, NDArray[Any]]:
    many = channels if rng.random() < 0.5 else 1
    scale: NDArray[Any] = 10.0 ** rng.uniform(-3, -1, many)
    if rng.random() < 0.3:
        scale = 2.0 ** np.round(np.log2(scale))
    arrays: dict[str, NDArray[Any]] = {
        "weights": rng.integers(-127, 128, shape).astype(np.int8),
        "weight_scale": scale.astype(np.float32),
    }
    if rng.random() < 0.8:
        arrays["bias"] = rng.integers(-20000, 20000, channels).astype(np.int32)
    return arrays


def _activation(rng: np.random.Generator) -> Activation:
    return cast(Activation, str(rng.choice(["", "relu", "relu6"])))


def _network(values: Sequence[IntegerValue], operators: Sequence[IntegerOperator]) -> IntegerNetwork:
    return IntegerNetwork(
        name="layer",
        rounding="none",
        values=tuple(values),
        operators=tuple(operators),
        input=0,
        output=len(values) - 1,
    )


def _answer(
    rng: np.random.Generator,
    source: IntegerValue,
    arrays: dict[str, NDArray[Any]],
    fan: int,
    shape: tuple[int, ...],
) -> IntegerValue:
    """Return an output whose grid takes in most of the sums."""
    middle = source.scale * float(arrays["weight_scale"].mean()) * np.sqrt(fan) * 80
    return _value(rng, shape, middle, 0.5)


def dense(rng: np.random.Generator) -> IntegerNetwork:
    """Return a fully connected layer."""
    inputs, outputs = int(rng.integers(1, 80)), int(rng.integers(1, 20))
    source, arrays = _value(rng, (inputs,)), _weights(rng, (outputs, inputs), outputs)
    operator = IntegerOperator(kind="dense", inputs=(0,), output=1, activation=_activation(rng), arrays=arrays)
    return _network([source, _answer(rng, source, arrays, inputs, (outputs,))], [operator])


def _window_layout(rng: np.random.Generator, odd: bool = True) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Kernel numbers over some height and width; the lengths and the places of the kernel."""
    lengths = (int(rng.choice([1, 1, 6, 9])), int(rng.integers(2, 15)))
    kernel = tuple(int(rng.integers(1, min(n, 5) + 1)) for n in lengths)
    strides = tuple(int(rng.integers(1, 3)) for _ in range(2))
    dilations: tuple[int, ...] = (1, 1)
    if odd and rng.random() < 0.3 and all((k - 1) * 2 < n for k, n in zip(kernel, lengths, strict=True)):
        dilations, strides = (2, 2), (1, 1)
    kind = str(rng.choice(["same", "valid", "odd"] if odd else ["same", "valid"]))
    pads: tuple[int, ...] = (0, 0, 0, 0)
    if kind == "odd":
        pads = tuple(int(n) for n in rng.integers(0, 3, 4))
    elif kind == "same":
        missing = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, s, k, d in zip(lengths, strides, kernel, dilations, strict=True)
        ]
        pads = (missing[0] // 2, missing[1] // 2, missing[0] - missing[0] // 2, missing[1] - missing[1] // 2)
    places = tuple(
        (lengths[i] + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in range(2)
    )
    return {"kernel": kernel, "strides": strides, "dilations": dilations, "pads": pads}, (*lengths, *places)


def conv(rng: np.random.Generator) -> IntegerNetwork:
    """Return a convolution, often of height 1."""
    numbers, (height, width, rows, columns) = _window_layout(rng)
    channels, filters = int(rng.integers(1, 6)), int(rng.integers(1, 8))
    source = _value(rng, (height, width, channels))
    arrays = _weights(rng, (filters, *numbers["kernel"], channels), filters)
    numbers["groups"] = (1,)
    fan = int(np.prod(numbers["kernel"])) * channels
    operator = IntegerOperator(
        kind="conv", inputs=(0,), output=1, activation=_activation(rng), numbers=numbers, arrays=arrays
    )
    return _network([source, _answer(rng, source, arrays, fan, (rows, columns, filters))], [operator])


def depthwise(rng: np.random.Generator) -> IntegerNetwork:
    """Return a depthwise convolution of one or two filters a channel."""
    numbers, (height, width, rows, columns) = _window_layout(rng)
    channels = int(rng.integers(1, 6))
    filters = channels * int(rng.integers(1, 3))
    source = _value(rng, (height, width, channels))
    arrays = _weights(rng, (*numbers["kernel"], filters), filters)
    operator = IntegerOperator(
        kind="depthwise", inputs=(0,), output=1, activation=_activation(rng), numbers=numbers, arrays=arrays
    )
    fan = int(np.prod(numbers["kernel"]))
    return _network([source, _answer(rng, source, arrays, fan, (rows, columns, filters))], [operator])


def _odd_padding(
    rng: np.random.Generator, kind: str, numbers: dict[str, tuple[int, ...]], lengths: tuple[int, int]
) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Return padding of a pool that is neither SAME nor VALID, less than the kernel, of a mean at most half of it."""
    half = kind == "average_pool"
    before = [int(rng.integers(0, (k - 1) // 2 + 1 if half else k)) for k in numbers["kernel"]]
    after = [int(rng.integers(0, k // 2 + 1 if half else k)) for k in numbers["kernel"]]
    rows, columns = (
        (n + a + b - k) // s + 1
        for n, a, b, k, s in zip(lengths, before, after, numbers["kernel"], numbers["strides"], strict=True)
    )
    return (*before, *after), (rows, columns)


def _pool(kind: str) -> Make:
    def make(rng: np.random.Generator) -> IntegerNetwork:
        numbers, (height, width, rows, columns) = _window_layout(rng, odd=False)
        if rng.random() < 0.5:
            numbers["pads"], (rows, columns) = _odd_padding(rng, kind, numbers, (height, width))
        channels = int(rng.integers(1, 6))
        source = _value(rng, (height, width, channels))
        target = IntegerValue(shape=(rows, columns, channels), scale=source.scale, zero=source.zero)
        operator = IntegerOperator(kind=kind, inputs=(0,), output=1, activation=_activation(rng), numbers=numbers)
        return _network([source, target], [operator])

    return make


def mean(rng: np.random.Generator) -> IntegerNetwork:
    """Return a mean over height and width."""
    shape = (int(rng.choice([1, 1, 6, 9])), int(rng.integers(1, 130)), int(rng.integers(1, 6)))
    source = _value(rng, shape)
    target = _value(rng, (1, 1, shape[2]), source.scale / 2, 0.4)
    return _network([source, target], [IntegerOperator(kind="mean", inputs=(0,), output=1)])


def relu(rng: np.random.Generator) -> IntegerNetwork:
    """Return a ReLU with a scale of its own, or ReLU6 with the input's, which is what both engines take."""
    source, kind = _value(rng, (60,)), cast(Activation, str(rng.choice(["relu", "relu6"])))
    target = source if kind == "relu6" else _value(rng, (60,), source.scale, 0.4)
    return _network([source, target], [IntegerOperator(kind="relu", inputs=(0,), output=1, activation=kind)])


def _unit(kind: str) -> Make:
    def make(rng: np.random.Generator) -> IntegerNetwork:
        source = _value(rng, (int(rng.integers(2, 40)),))
        target = IntegerValue(shape=source.shape, scale=1 / 256, zero=-128)
        return _network([source, target], [IntegerOperator(kind=kind, inputs=(0,), output=1)])

    return make


def quantise(rng: np.random.Generator) -> IntegerNetwork:
    """From one grid to another."""
    source = _value(rng, (80,))
    target = _value(rng, (80,), source.scale, 0.5)
    return _network([source, target], [IntegerOperator(kind="quantise", inputs=(0,), output=1)])


def moves(rng: np.random.Generator) -> IntegerNetwork:
    """Reshape, transpose, pad, concat, slices of either axis, reshape."""
    first = _value(rng, (3, 20))
    shapes = [(3, 20), (1, 3, 20), (1, 20, 3), (2, 23, 3), (2, 23, 6), (2, 20, 6), (2, 20, 4), (160,)]
    values = [IntegerValue(shape=shape, scale=first.scale, zero=first.zero) for shape in shapes]
    return _network(
        values,
        [
            IntegerOperator(kind="reshape", inputs=(0,), output=1),
            IntegerOperator(kind="transpose", inputs=(1,), output=2, numbers={"order": (0, 2, 1)}),
            IntegerOperator(kind="pad", inputs=(2,), output=3, numbers={"pads": (1, 2, 0, 1)}),
            IntegerOperator(kind="concat", inputs=(3, 3), output=4, numbers={"axis": (2,)}),
            IntegerOperator(kind="slice", inputs=(4,), output=5, numbers={"axis": (1,), "begin": (2,), "end": (22,)}),
            IntegerOperator(kind="slice", inputs=(5,), output=6, numbers={"axis": (2,), "begin": (1,), "end": (5,)}),
            IntegerOperator(kind="reshape", inputs=(6,), output=7),
        ],
    )


def add(rng: np.random.Generator) -> IntegerNetwork:
    """Return a value, the same on another grid, and their sum."""
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    first = _value(rng, shape)
    second = _value(rng, shape, first.scale, 0.8)
    target = _value(rng, shape, 1.4 * max(first.scale, second.scale), 0.4)
    return _network(
        [first, second, target],
        [
            IntegerOperator(kind="quantise", inputs=(0,), output=1),
            IntegerOperator(kind="add", inputs=(0, 1), output=2, activation=_activation(rng)),
        ],
    )


def table(rng: np.random.Generator) -> IntegerNetwork:
    """Return a function of one byte, and the same of its result."""
    source, target = _value(rng, (3, 4, 5)), _value(rng, (3, 4, 5))
    tables = rng.integers(-128, 128, (2, 256)).astype(np.int8)
    return _network(
        [source, target, _value(rng, (3, 4, 5))],
        [
            IntegerOperator(kind="table", inputs=(n,), output=n + 1, arrays={"table": entries})
            for n, entries in enumerate(tables)
        ],
    )


def multiply(rng: np.random.Generator) -> IntegerNetwork:
    """Return a value times its mean over height and width, or times itself on another grid."""
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    first = _value(rng, shape)
    other = IntegerOperator(kind=str(rng.choice(["mean", "quantise"])), inputs=(0,), output=1)
    second = _value(rng, (1, 1, shape[2]) if other.kind == "mean" else shape, first.scale, 0.6)
    target = _value(rng, shape, 60 * first.scale * second.scale, 0.4)
    product = IntegerOperator(kind="multiply", inputs=(0, 1), output=2, activation=_activation(rng))
    return _network([first, second, target], [other, product])


def lstm(rng: np.random.Generator) -> IntegerNetwork:
    """Return an LSTM over a window, whose gates saturate now and then; the last state or all."""
    channels, units, samples = (int(rng.integers(1, 14)) for _ in range(3))
    source = _value(rng, (1, samples, channels), 0.01, 0.4)
    sequence = int(rng.random() < 0.5)
    target = _value(rng, (1, samples, units) if sequence else (units,), 0.006, 0.15)
    clip = {"clip": (2**15 - 1 if rng.random() < 0.3 else int(rng.integers(1, 2**15)),)} if rng.random() < 0.5 else {}
    operator = IntegerOperator(
        kind="lstm",
        inputs=(0,),
        output=1,
        numbers={"cell": (int(rng.integers(-15, -8)),), "sequence": (sequence,), **clip},
        arrays={
            "weights": rng.integers(-127, 128, (4 * units, channels)).astype(np.int8),
            "recurrent": rng.integers(-127, 128, (4 * units, units)).astype(np.int8),
            "bias": rng.integers(-20000, 20000, 4 * units).astype(np.int32),
            "weight_scale": rng.uniform(0.001, 0.03, 4).astype(np.float32),
            "recurrent_scale": rng.uniform(0.001, 0.03, 4).astype(np.float32),
        },
    )
    return _network([source, target], [operator])


def gru(rng: np.random.Generator) -> IntegerNetwork:
    """Return a GRU over a window, whose gates saturate now and then; the last state or all."""
    channels, units, samples = (int(rng.integers(1, 14)) for _ in range(3))
    source = _value(rng, (1, samples, channels), 0.01, 0.4)
    sequence = int(rng.random() < 0.5)
    target = _value(rng, (1, samples, units) if sequence else (units,), 0.006, 0.15)
    before = {"before": (1,)} if rng.random() < 0.5 else {}
    operator = IntegerOperator(
        kind="gru",
        inputs=(0,),
        output=1,
        numbers={"sequence": (sequence,), **before},
        arrays={
            "weights": rng.integers(-127, 128, (3 * units, channels)).astype(np.int8),
            "recurrent": rng.integers(-127, 128, (3 * units, units)).astype(np.int8),
            "bias": rng.integers(-20000, 20000, 6 * units).astype(np.int32) * np.repeat([1, 100], 3 * units),
            "weight_scale": rng.uniform(0.001, 0.03, 3).astype(np.float32),
            "recurrent_scale": rng.choice([0.0078125, float(rng.uniform(0.001, 0.03))], 3).astype(np.float32),
        },
    )
    return _network([source, target], [operator])


LAYERS: dict[str, Make] = {
    "gru": gru,
    "lstm": lstm,
    "dense": dense,
    "conv": conv,
    "depthwise": depthwise,
    "average_pool": _pool("average_pool"),
    "max_pool": _pool("max_pool"),
    "mean": mean,
    "add": add,
    "multiply": multiply,
    "relu": relu,
    "table": table,
    "logistic": _unit("logistic"),
    "softmax": _unit("softmax"),
    "quantise": quantise,
    "moves": moves,
}
